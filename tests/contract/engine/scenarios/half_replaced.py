"""A replacement whose create fails, then one whose delete of the old one fails; repeated, and destroyed in the middle of it."""
import os

import pulumi
from pulumi import ComponentResource, ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 1",
    "up 2",
    "up 2",
    "touch ok",
    "up 2",
    "rm ok",
    "up 3",
    "up 3",
    "up 1",
    "destroy 1",
    "touch gone",
    "destroy 1",
]

STAGE = int(os.environ.get("STAGE", "1"))


def cmd(name, text=None, opts=None, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo {text or name}")
    kw.setdefault("delete", f"echo delete {name} >> trace.log")
    return Command(name, opts=opts, **kw)


a = cmd("a", triggers=[1 if STAGE == 1 else 2], create=f"echo create a {STAGE} >> trace.log; test {STAGE} != 2 -o -e ok")
b = cmd("b", triggers=[STAGE], delete="echo delete b >> trace.log; test -e gone", opts=Opt(depends_on=[a]))
c = cmd("c", opts=Opt(depends_on=[b]))
