"""A replacement of a provider in which something fails: back to the old one, and once more forward, where the rest is taken for moved though nothing moved it."""
import os

import pulumi
from pulumi import ResourceOptions as Opt

OPS = [
    "up 1",
    "up 2",
    "preview 1",
    "up 1",
    "up 2",
    "up 2",
    "touch ok",
    "up 2",
    "up 1",
    "rm ok",
    "up 2",
    "destroy 2",
]

STAGE = int(os.environ.get("STAGE", "1"))


class Thing(pulumi.CustomResource):
    def __init__(self, name, props=None, opts=None):
        super().__init__("thing:index:Thing", name, {"text": "same", **(props or {})}, opts)


where = "a" if STAGE == 1 else "b"
p = pulumi.ProviderResource("thing", "p", {"where": where}, None)
on = Opt(provider=p)
first = Thing("first", opts=on)
bad = Thing("bad", {"refuses": "b"}, Opt(provider=p, depends_on=[first]))
after = Thing("after", opts=Opt(provider=p, depends_on=[bad]))
