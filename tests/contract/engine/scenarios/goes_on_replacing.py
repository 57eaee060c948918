"""continue_on_error where a delete-before-replace needs what failed: what hangs on it is deleted all the same, and again in each run; then it works."""
import os

import pulumi
from pulumi import ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 1",
    "up 2 --continue-on-error",
    "up 2 --continue-on-error",
    "touch ok",
    "up 2 --continue-on-error",
    "destroy 2",
]

STAGE = int(os.environ.get("STAGE", "1"))


def cmd(name, text=None, opts=None, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo {text or name}")
    kw.setdefault("delete", f"echo delete {name} >> trace.log")
    return Command(name, opts=opts, **kw)


class Group(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("demo:index:Group", name, {}, opts)
        cmd(f"{name}-child", f"child{STAGE}", opts=Opt(parent=self))
        self.register_outputs({})


fails = "" if STAGE == 1 else "; test -e ok"
up = cmd("up", create=f"echo create up {STAGE} >> trace.log; echo up{fails}")
dbr = cmd("dbr", triggers=[STAGE], opts=Opt(delete_before_replace=True, depends_on=[up]))
hang = cmd("hang", triggers=[dbr.stdout])
swap = cmd("swap", triggers=[STAGE], opts=Opt(depends_on=[up]))
along = cmd("along", opts=Opt(deleted_with=swap))
Group("group", Opt(depends_on=[up]))
Group("other", Opt(depends_on=[swap]))
kept = cmd("kept", f"kept{STAGE}", opts=Opt(depends_on=[up], retain_on_delete=True))
