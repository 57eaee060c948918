"""Import of a command."""
import os

import pulumi
from pulumi import ComponentResource, ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 1",
    "preview 2",
    "up 2",
    "up 2",
]

STAGE = int(os.environ.get("STAGE", "1"))


def cmd(name, text=None, opts=None, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo {text or name}")
    kw.setdefault("delete", f"echo delete {name} >> trace.log")
    return Command(name, opts=opts, **kw)


a = cmd("a")
if STAGE == 2:
    b = cmd("b", opts=Opt(import_="some-id"))
    c = cmd("c", opts=Opt(depends_on=[b]))
