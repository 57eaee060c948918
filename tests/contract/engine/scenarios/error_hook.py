"""An error hook that retries on one status only: a create and a delete that work at the fourth attempt, one that it lets fail, an update."""
import os

import pulumi
from pulumi import ComponentResource, ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 1",
    "up 1",
    "up 2",
    "up 3",
    "preview 3",
    "destroy 3",
]

STAGE = int(os.environ.get("STAGE", "1"))


def cmd(name, text=None, opts=None, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo {text or name}")
    kw.setdefault("delete", f"echo delete {name} >> trace.log")
    return Command(name, opts=opts, **kw)


def again(args):
    with open("trace.log", "a") as file:
        print("hook", args.name, args.failed_operation, len(args.errors), args.errors[0].splitlines()[0], file=file)
    return "exit status 75" in args.errors[0]


hooks = pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook("again", again)])
count = "n=$(cat count-%s 2>/dev/null || echo 0); echo $((n + 1)) > count-%s; echo %s $n >> trace.log; test $n -ge 3 || exit 75"
a = cmd("a", create=count % ("a", "a", "create"), update=count % ("u", "u", "update"), stdin=str(STAGE // 2), opts=Opt(hooks=hooks))
if STAGE == 2:
    bad = Command("bad", create="exit 3", opts=Opt(hooks=hooks, depends_on=[a]))
if STAGE == 3:
    gone = cmd("gone")
