"""additional_secret_outputs set later on what is `same` (what uses it runs again), on an update, on a replacement, taken away; with ignore_changes; a name that is no output."""
import os

import pulumi
from pulumi import ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 1",
    "up 2",
    "preview 3",
    "up 3",
    "up 4",
    "up 1",
    "refresh 1",
    "destroy 1",
]

STAGE = int(os.environ.get("STAGE", "1"))


def cmd(name, text=None, opts=None, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo {text or name}")
    kw.setdefault("delete", f"echo delete {name} >> trace.log")
    return Command(name, opts=opts, **kw)


v = STAGE
named = ["stdout"] if v in (2, 3) else None
a = cmd("a", f"a{v // 3}", opts=Opt(additional_secret_outputs=named))
b = cmd("b", triggers=[v // 3], opts=Opt(additional_secret_outputs=["stdout", "nonsense"]))
c = Command("c", create="echo create c >> trace.log; cat", stdin=a.stdout, opts=Opt(ignore_changes=["stdin"] if v == 3 else None))
d = Command("d", create="echo create d >> trace.log; cat", stdin=b.stdout, delete="echo delete d >> trace.log",
            environment={"A": a.stdout, "B": "b"})
e = cmd("e", f"e{v // 4}", opts=Opt(additional_secret_outputs=["stdout"], ignore_changes=["create"]))
for one in (a, b, c, d, e):
    pulumi.export(one._name, one.stdout)
