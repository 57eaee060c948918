"""Error hooks: a hundred attempts, one of two that says no, one that raises, deletions that work later, of what is replaced and of what left the program."""
import os

import pulumi
from pulumi import ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 1",
    "up 2 --continue-on-error",
    "up 3",
    "up 4",
    "preview 5",
    "up 5",
    "up 6",
    "up 7",
    "destroy 7",
]

STAGE = int(os.environ.get("STAGE", "1"))


def cmd(name, text=None, opts=None, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo {text or name}")
    kw.setdefault("delete", f"echo delete {name} >> trace.log")
    return Command(name, opts=opts, **kw)


def note(args):
    if len(args.errors) in (1, 2, 99):
        with open("trace.log", "a") as file:
            print("hook", args.name, args.failed_operation, len(args.errors), file=file)


def again(args):
    note(args)
    return True


def no(args):
    note(args)
    return False


def broken(args):
    note(args)
    raise ValueError("this hook is broken")


yes, never, breaks = (pulumi.ErrorHook(name, do) for name, do in (("again", again), ("no", no), ("broken", broken)))


def on(*hooks):
    return pulumi.ResourceHookBinding(on_error=list(hooks))


a = cmd("a")
if STAGE == 1:
    cmd("hundred", create="echo x >> hundred; exit 75", opts=Opt(hooks=on(yes), depends_on=[a]))
if STAGE == 2:
    bad = cmd("refused", create="echo create refused >> trace.log; exit 75", opts=Opt(hooks=on(never), depends_on=[a]))
    cmd("under", opts=Opt(depends_on=[bad]))
    cmd("beside", opts=Opt(depends_on=[a]))
if STAGE == 3:
    cmd("both", create="echo create both >> trace.log; n=$(cat both 2>/dev/null || echo 0); echo $((n + 1)) > both; test $n -ge 2",
        opts=Opt(hooks=on(yes, never)))
    cmd("raised", create="echo create raised >> trace.log; exit 75", opts=Opt(hooks=on(breaks, yes), depends_on=[a]))
if STAGE in (4, 5):
    v = STAGE
    count = "n=$(cat {0} 2>/dev/null || echo 0); echo $((n + 1)) > {0}; echo {0} $n >> trace.log; test $n -ge {1}"
    re = cmd("re", triggers=[v], create=count.format(f"make-re-{v}", 0 if v == 4 else 2), delete=count.format("drop-re", 1),
             opts=Opt(hooks=on(yes), delete_before_replace=True))
    cmd("gone", delete=count.format("drop-gone", 2), opts=Opt(hooks=on(yes), depends_on=[re]))
if STAGE == 7:
    cmd("kept", delete="echo delete kept >> trace.log; exit 1", opts=Opt(hooks=on(yes), retain_on_delete=True))
