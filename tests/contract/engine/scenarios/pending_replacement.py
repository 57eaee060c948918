"""Delete-before-replace whose create fails, and one whose dependent cannot be made again: what waits for its replacement, and what the next runs do."""
import os

import pulumi
from pulumi import ComponentResource, ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 1",
    "up 2",
    "preview 2",
    "up 2",
    "touch base",
    "up 2",
    "touch dep",
    "up 2",
    "rm base",
    "rm dep",
    "up 1",
    "touch base",
    "up 4",
    "up 3",
    "touch dep",
    "destroy 3",
]

STAGE = int(os.environ.get("STAGE", "1"))


def cmd(name, text=None, opts=None, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo {text or name}")
    kw.setdefault("delete", f"echo delete {name} >> trace.log")
    return Command(name, opts=opts, **kw)


v = 1 if STAGE == 1 else 2
dbr = True if STAGE != 4 else None
base = cmd("base", triggers=[v], create=f"echo create base {v} >> trace.log; echo {v}; test $(echo {v}) = 1 -a ! -e base -o -e base",
           opts=Opt(delete_before_replace=dbr))
if STAGE != 3:
    dep = cmd("dep", triggers=[base.stdout], create=f"echo create dep {v} >> trace.log; test {v} = 1 -o -e dep")
    after = cmd("after", triggers=[dep.id])
    side = cmd("side", create=base.stdout.apply(lambda s: f"echo create side >> trace.log; echo {s}"))
