"""replace_on_changes: paths, wildcards, of outputs, of what comes and goes, unknown in a preview, with delete_before_replace of what hangs on it."""
import os

import pulumi
from pulumi import ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 1",
    "preview 2",
    "up 2",
    "up 2",
    "preview 3",
    "up 3",
    "destroy 3",
]

STAGE = int(os.environ.get("STAGE", "1"))


def cmd(name, text=None, opts=None, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo {text or name}")
    kw.setdefault("delete", f"echo delete {name} >> trace.log")
    return Command(name, opts=opts, **kw)


v = STAGE
env = {1: {"X": "1"}, 2: {"X": "1", "Y": "2"}, 3: {"X": "3", "Y": "2"}}[STAGE]
cmd("path", environment=env, opts=Opt(replace_on_changes=["environment.X"]))
cmd("new", environment=env, opts=Opt(replace_on_changes=["environment.Y"]))
cmd("any", environment=env, opts=Opt(replace_on_changes=["environment[*]"]))
cmd("all", stdin=str(v // 2), opts=Opt(replace_on_changes=["*"]))
cmd("out", f"out{v}", opts=Opt(replace_on_changes=["stdout"]))
base = cmd("base", f"base{v // 3}", triggers=[v], opts=Opt(delete_before_replace=True))
hang = Command("hang", create="echo create hang >> trace.log", delete="echo delete hang >> trace.log", stdin=base.stdout,
               opts=Opt(replace_on_changes=["stdin"]))
free = Command("free", create="echo create free >> trace.log", delete="echo delete free >> trace.log", stdin=base.stdout)
deep = Command("deep", create="echo create deep >> trace.log", environment={"A": hang.id, "B": "b"},
               opts=Opt(replace_on_changes=["environment.A"]))
loose = Command("loose", create="echo create loose >> trace.log", environment={"A": hang.id, "B": "b"},
                opts=Opt(replace_on_changes=["environment.B"]))
