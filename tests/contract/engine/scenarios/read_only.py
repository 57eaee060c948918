"""A resource that is only read: new, kept, another id, made ours, given away, removed."""
import os

import pulumi
from pulumi import ComponentResource, ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 2",
    "up 2",
    "up 3",
    "up 4",
    "up 5",
    "up 2",
    "refresh 2",
    "preview 6",
    "up 6",
    "up 2",
    "destroy 2",
]

STAGE = int(os.environ.get("STAGE", "1"))


def cmd(name, text=None, opts=None, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo {text or name}")
    kw.setdefault("delete", f"echo delete {name} >> trace.log")
    return Command(name, opts=opts, **kw)


if STAGE == 2:
    seen = Command.get("seen", "some-id")
    pulumi.export("seen", seen.stdout)
elif STAGE == 3:
    seen = Command.get("seen", "other-id")
elif STAGE == 4:
    seen = cmd("seen")
elif STAGE == 5:
    seen = Command.get("seen", "third-id")
a = cmd("a")
