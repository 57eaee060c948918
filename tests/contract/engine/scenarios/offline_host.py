"""A host that is gone: ignore_changes together with retain_on_delete, switched on, kept, replaced, removed; and taken back."""
import os

import pulumi
from pulumi import ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 1",
    "up 2",
    "preview 3",
    "up 3",
    "up 3",
    "up 4",
    "up 5",
    "up 6",
    "up 1",
    "up 2",
    "destroy 2",
]

STAGE = int(os.environ.get("STAGE", "1"))


def cmd(name, text=None, opts=None, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo {text or name}")
    kw.setdefault("delete", f"echo delete {name} >> trace.log")
    return Command(name, opts=opts, **kw)


FIELDS = ["create", "delete", "environment", "stdin"]
v = {1: 1, 2: 2, 3: 2, 4: 3, 5: 1, 6: 1}[STAGE]
off = STAGE in (2, 3, 4)
opts = Opt(ignore_changes=FIELDS, retain_on_delete=True) if off else Opt()


def step(name, after=None, **kw):
    own = Opt(depends_on=[after] if after else None)
    return cmd(name, create=f"echo create {name} {v} >> trace.log; echo out-{v}", delete=f"echo delete {name} {v} >> trace.log",
               environment={"V": str(v), "W": "w"}, stdin=f"wish {v}", opts=Opt.merge(own, opts), **kw)


one = step("one")
two = step("two", one)
if STAGE != 3:
    three = step("three", two, triggers=[STAGE == 4])
if STAGE in (1, 2, 6):
    four = step("four", two)
use = Command("use", create=one.stdout.apply(lambda s: f"echo create use {s} >> trace.log; echo {s}"), stdin=two.stderr,
              opts=Opt(ignore_changes=["stdin"] if off else None))
pulumi.export("one", one.stdout)
