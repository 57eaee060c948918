"""A host that went away before all of its steps were made: those are noted without a script, and made when it is back; or given up.

One of them is told when it ran before, and so would be told that without having run: it comes back as a replacement.
"""
import os

import pulumi
from pulumi import ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 1",
    "preview 2",
    "up 2",
    "up 2",
    "up 3",
    "up 3",
    "up 4",
    "up 5",
    "up 6",
    "destroy 6",
]

STAGE = int(os.environ.get("STAGE", "1"))

FIELDS = ["create", "update", "delete", "stdin", "triggers"]
away = STAGE in (2, 5)


def step(name, after=None, works=True, **kw):
    """A step of a host; without a script while the host is away, and kept when it will not come back."""
    opts = Opt(depends_on=[after] if after else None)
    if away:
        return Command(name, opts=Opt.merge(opts, Opt(ignore_changes=FIELDS, retain_on_delete=STAGE == 5)))
    create = f"echo create {name} >> trace.log; echo out-{name}" if works else "exit 1"
    return Command(name, create=create, delete=f"echo delete {name} >> trace.log", opts=opts, **kw)


def told(name, after):
    """A step with another script for the second time; noted with a trigger, which is gone when the host is back."""
    if away:
        opts = Opt(depends_on=[after], ignore_changes=FIELDS, retain_on_delete=STAGE == 5)
        return Command(name, triggers=["never made"], opts=opts)
    return step(name, after, update=f"echo again {name} >> trace.log; echo again-{name}", stdin="a" if STAGE < 4 else "b")


if STAGE < 6:
    one = step("one")
    two = step("two", one, works=STAGE > 1, stdin=one.stdout)
    three = step("three", two, stdin=two.stdout)
    pulumi.export("three", three.stdout)
if 1 < STAGE < 6:
    tools = told("tools", three)
    user = step("user", tools, stdin=tools.stdout)
if STAGE in (4, 5):
    four = step("four", user, works=False, stdin=user.stdout)
