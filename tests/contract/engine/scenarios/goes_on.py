"""continue_on_error: a failed create, update, replacement and delete, what hangs on them and what does not; resumed, and destroyed."""
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
    "rm ok",
    "up 3 --continue-on-error",
    "preview 3",
    "up 3 --continue-on-error",
    "destroy 3",
]

STAGE = int(os.environ.get("STAGE", "1"))


def cmd(name, text=None, opts=None, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo {text or name}")
    kw.setdefault("delete", f"echo delete {name} >> trace.log")
    return Command(name, opts=opts, **kw)


v = STAGE
fails = "" if v == 1 else "; test -e ok"
frail = "echo delete {0} >> trace.log; test -e ok"
a = cmd("a")
up = cmd("up", create=f"echo create up {v} >> trace.log; echo up{v}{fails}", opts=Opt(depends_on=[a]))
of_up = Command("of_up", create=up.stdout.apply(lambda s: f"echo create of_up >> trace.log; echo {s}"))
if v < 3:
    re = cmd("re", triggers=[v], create=f"echo create re {v} >> trace.log; echo re{v}{fails}", opts=Opt(depends_on=[a]))
    of_re = cmd("of_re", opts=Opt(depends_on=[re]))
if v > 1:
    new = cmd("new", create=f"echo create new >> trace.log; echo new{fails}", opts=Opt(depends_on=[a]))
    of_new = cmd("of_new", opts=Opt(depends_on=[new]))
if v < 2:
    old = cmd("old", delete=frail.format("old"), opts=Opt(depends_on=[a]))
    of_old = cmd("of_old", opts=Opt(depends_on=[old]))
free = cmd("free", f"free{v}", opts=Opt(depends_on=[a]))
if v < 3:
    cmd("goes", opts=Opt(depends_on=[free]))
pulumi.export("a", a.stdout)
pulumi.export("free", free.stdout)
