"""The same values, secret in one run and plain in the next: what of it is a change to a command, and to a provider that sees no marks."""
import os

import pulumi
from pulumi import ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 1",
    "preview 2",
    "up 2",
    "up 2",
    "up 1",
    "up 3",
    "destroy 3",
]

STAGE = int(os.environ.get("STAGE", "1"))


class Thing(pulumi.CustomResource):
    def __init__(self, name, props=None, opts=None):
        super().__init__("thing:index:Thing", name, {"text": "same", **(props or {})}, opts)


def marked(value):
    """A secret in the second stage only."""
    return pulumi.Output.secret(value) if STAGE == 2 else pulumi.Output.from_input(value)


def cmd(name, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo out")
    return Command(name, delete=f"echo delete {name} >> trace.log", **kw)


cmd("stdin", stdin=marked("x"))
cmd("text", create=marked("echo create text >> trace.log"))
cmd("environment", environment={"A": marked("x"), "B": "y"})
cmd("all_environment", environment=marked({"A": "x"}))
cmd("triggers", triggers=[marked("x"), 1])
cmd("all_triggers", triggers=marked(["x"]))
cmd("inside", triggers=[{"a": marked("x")}])
cmd("ignoring", stdin=marked("x"), opts=Opt(ignore_changes=["stdin"]))
cmd("replacing", stdin=marked("x"), opts=Opt(replace_on_changes=["stdin"]))
out = cmd("out", opts=Opt(additional_secret_outputs=["stdout"] if STAGE == 2 else None))
cmd("after", stdin=out.stdout)
p = pulumi.ProviderResource("thing", "p", {"where": marked("a")}, None)
Thing("thing", {"many": marked("x")}, Opt(provider=p))
