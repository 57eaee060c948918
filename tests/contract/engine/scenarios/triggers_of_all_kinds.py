"""triggers: longer, shorter, gone, a map, a secret, unknown in a preview, order; with ignore_changes and with protect."""
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
    "preview 5",
    "up 5",
    "destroy 5",
]

STAGE = int(os.environ.get("STAGE", "1"))


def cmd(name, text=None, opts=None, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo {text or name}")
    kw.setdefault("delete", f"echo delete {name} >> trace.log")
    return Command(name, opts=opts, **kw)


v = STAGE
base = cmd("base", f"base{v // 3}", update=f"echo update base >> trace.log; echo base{v // 3}")
kinds = {
    "longer": [[1], [1, 2], [1], [1], [1]],
    "none": [[1], [], None, [1], [1]],
    "map": [[{"a": 1, "b": 2}], [{"b": 2, "a": 1}], [{"a": 1}], [{"a": None}], [{"a": 1}]],
    "order": [["a", "b"], ["b", "a"], ["b", "a"], ["b", "a", "b"], ["a"]],
    "kind": [[1], ["1"], [True], [1.0], [1]],
}
for name, wanted in kinds.items():
    cmd(name, triggers=wanted[v - 1])
cmd("secret", triggers=[pulumi.Output.secret("4dabf18193072939515e22adb298388d") if v < 4 else "plain"])
cmd("unknown", triggers=[base.stdout])
cmd("inside", triggers=[{"a": base.stdout, "b": 1}])
if v != 4:
    cmd("shield", triggers=[v // 5], opts=Opt(protect=v < 5))
else:
    cmd("shield", triggers=[0], opts=Opt(protect=True))
