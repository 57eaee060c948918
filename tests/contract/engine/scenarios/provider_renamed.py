"""A provider renamed with an alias while its place changes (its things stay behind), exchanged for another one, updated, deleted before replaced."""
import os

import pulumi
from pulumi import ResourceOptions as Opt

OPS = [
    "up 1",
    "preview 2",
    "up 2",
    "up 3",
    "up 4",
    "up 5",
    "preview 6",
    "up 6",
    "up 1",
    "destroy 1",
]

STAGE = int(os.environ.get("STAGE", "1"))


class Thing(pulumi.CustomResource):
    def __init__(self, name, props=None, opts=None):
        super().__init__("thing:index:Thing", name, {"text": "same", **(props or {})}, opts)


name, where, label = {1: ("p", "a", "x"), 2: ("q", "b", "x"), 3: ("r", "b", "x"), 4: ("r", "b", "y"), 5: ("s", "c", "y"), 6: ("s", "a", "y")}[STAGE]
opts = Opt(aliases=[pulumi.Alias(name="p")] if STAGE == 2 else None, delete_before_replace=STAGE == 6)
p = pulumi.ProviderResource("thing", name, {"where": where, "label": label}, opts)


one = Thing("one", opts=Opt(provider=p))
two = Thing("two", {"of": one.id}, Opt(provider=p))
