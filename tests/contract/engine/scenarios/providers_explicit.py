"""Default provider, an explicit one, another one, one for all children of a component; then no explicit one again."""
import os

import pulumi
from pulumi import ComponentResource, ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "up 1",
    "up 2",
    "up 3",
    "preview 1",
    "up 1",
    "destroy 1",
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
        cmd(f"{name}-child", opts=Opt(parent=self))
        self.register_outputs({})


if STAGE == 1:
    provider, opts = None, None
else:
    from pulumi_command import Provider

    provider = Provider("p" if STAGE == 2 else "q")
    opts = Opt(provider=provider)
a = cmd("a", opts=opts)
b = cmd("b", opts=Opt(depends_on=[a]))
Group("g", Opt(providers=[provider]) if provider else None)
