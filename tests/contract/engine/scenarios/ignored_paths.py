"""ignore_changes of paths: inside maps and lists, of what comes new, of what goes, with wildcards, with replace_on_changes at the same place."""
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
env = {1: {"X": "1", "Y": "1"}, 2: {"X": "2", "Y": "2", "Z": "2"}, 3: {"Y": "1"}}[STAGE]
triggers = {1: [1, 2], 2: [9, 2, 3], 3: [1]}[STAGE]
cmd("map", environment=env, opts=Opt(ignore_changes=["environment.X"]))
cmd("new", environment=env, opts=Opt(ignore_changes=["environment.Z"]))
cmd("any", environment=env, opts=Opt(ignore_changes=["environment[*]"]))
cmd("all", f"all{v}", environment=env, opts=Opt(ignore_changes=["*"]))
cmd("list", triggers=triggers, opts=Opt(ignore_changes=["triggers[0]"]))
cmd("lists", triggers=triggers, opts=Opt(ignore_changes=["triggers[*]"]))
cmd("both", f"both{v}", opts=Opt(ignore_changes=["create"], replace_on_changes=["create"]))
cmd("come", opts=Opt(ignore_changes=["stdin"]), **({"stdin": "new"} if STAGE == 2 else {}))
cmd("go", opts=Opt(ignore_changes=["stdin"]), **({"stdin": "old"} if STAGE != 2 else {}))
cmd("none", opts=Opt(ignore_changes=["environment.X"]), **({"environment": env} if STAGE == 2 else {}))
