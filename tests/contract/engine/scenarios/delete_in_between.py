"""A delete script that fails in the middle of a replacement, delete-before-replace or not, and of what is deleted with another; then it passes."""
import os

import pulumi
from pulumi import ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 1",
    "up 2",
    "up 2",
    "up 1",
    "touch ok",
    "up 2",
    "rm ok",
    "up 3",
    "up 1",
    "touch ok",
    "up 3",
    "rm ok",
    "up 4",
    "touch ok",
    "up 4",
    "destroy 4",
]

STAGE = int(os.environ.get("STAGE", "1"))


def cmd(name, text=None, opts=None, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo {text or name}")
    kw.setdefault("delete", f"echo delete {name} >> trace.log")
    return Command(name, opts=opts, **kw)


v = STAGE
t = 1 if v == 1 else 2
frail = "echo delete {0} >> trace.log; test -e ok"
if v in (1, 2):
    dbr = cmd("dbr", f"dbr{t}", triggers=[t], delete=frail.format("dbr"), opts=Opt(delete_before_replace=True))
    rest = cmd("rest", triggers=[dbr.stdout])
if v in (1, 2, 3):
    base = cmd("base", triggers=[t if v != 3 else 3], delete=frail.format("base") if v == 3 or v == 1 else None)
    child = cmd("child", opts=Opt(deleted_with=base, depends_on=[base]))
last = cmd("last")
if v == 4:
    cmd("fresh", opts=Opt(depends_on=[last]))
