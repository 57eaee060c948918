"""replacement_trigger comes, changes, is unknown in a preview, goes; replace_with; deleted_with together with delete-before-replace; options inherited from a component."""
import os

import pulumi
from pulumi import ComponentResource, ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 1",
    "up 2",
    "up 3",
    "preview 4",
    "up 4",
    "up 1",
    "up 5",
    "up 6",
    "destroy 6",
]

STAGE = int(os.environ.get("STAGE", "1"))


def cmd(name, text=None, opts=None, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo {text or name}")
    kw.setdefault("delete", f"echo delete {name} >> trace.log")
    return Command(name, opts=opts, **kw)


class Group(ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("demo:index:Group", name, {}, opts)
        self.child = cmd(f"{name}-child", triggers=[STAGE // 5], opts=Opt(parent=self))
        self.register_outputs({})


base = cmd("base", create=f"echo create base >> trace.log; echo {STAGE // 4}", triggers=[STAGE // 3], opts=Opt(delete_before_replace=STAGE >= 5))
trigger = {1: None, 2: "x", 3: "y", 4: base.stdout, 5: "y", 6: "y"}[STAGE]
a = cmd("a", opts=Opt(replacement_trigger=trigger))
b = cmd("b", opts=Opt(replace_with=[a]))
c = cmd("c", opts=Opt(deleted_with=base))
d = cmd("d", opts=Opt(depends_on=[base]))
g = Group("g", Opt(retain_on_delete=True))
if STAGE < 6:
    h = Group("h", Opt(deleted_with=base, depends_on=[base]))
