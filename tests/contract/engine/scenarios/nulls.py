"""None inside lists and maps of inputs, with two providers: what of it reaches the state, what a change from and to it means."""
import os

import pulumi
from pulumi import ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 1",
    "up 2",
    "preview 3",
    "up 3",
    "destroy 3",
]

STAGE = int(os.environ.get("STAGE", "1"))


class Thing(pulumi.CustomResource):
    def __init__(self, name, props=None, opts=None):
        super().__init__("thing:index:Thing", name, {"text": "same", **(props or {})}, opts)


inner = {1: {"a": None, "b": 1}, 2: {"b": 1}, 3: {"a": {"c": None}, "b": 1}}[STAGE]
many = {1: [None, 1], 2: [1], 3: [None, {"d": None}]}[STAGE]
p = pulumi.ProviderResource("thing", "p", {"where": "a"}, None)
Thing("map", {"inner": inner, "none": None}, Opt(provider=p))
Thing("list", {"many": many}, Opt(provider=p))
Thing("ignoring", {"inner": inner, "many": many}, Opt(provider=p, ignore_changes=["inner.a"]))
Command("triggers", create="echo create triggers >> trace.log", triggers=[inner])
Command("trigger_list", create="echo create trigger_list >> trace.log", triggers=many)
pulumi.export("inner", inner)
pulumi.export("many", many)
pulumi.export("none", None)
