"""deleted_with: chains of it, its target removed, replaced, failing to go, switched to another one, and a target that stays."""
import os

import pulumi
from pulumi import ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 1",
    "preview 2",
    "up 2",
    "up 3",
    "up 4",
    "up 5",
    "up 1",
    "destroy 1",
]

STAGE = int(os.environ.get("STAGE", "1"))


def cmd(name, text=None, opts=None, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo {text or name}")
    kw.setdefault("delete", f"echo delete {name} >> trace.log")
    return Command(name, opts=opts, **kw)


v = STAGE
hosts = [cmd("host", triggers=[1 if v < 2 else 2])] if v < 4 else []
other = cmd("other")
target = hosts[0] if hosts and v != 3 else other
step1 = cmd("step1", opts=Opt(deleted_with=target, depends_on=[target])) if v < 5 else None
if step1:
    step2 = cmd("step2", opts=Opt(deleted_with=step1, depends_on=[step1]))
    step3 = cmd("step3", opts=Opt(deleted_with=target, depends_on=[step2], retain_on_delete=v == 2))
if v < 3:
    cmd("step4", triggers=[v], opts=Opt(deleted_with=target, depends_on=[step2], delete_before_replace=True))
