"""Another parent without alias, of the same type and of another; the delete text comes from the state; what a command without create does."""
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
    "up 5",
    "destroy 5",
]

STAGE = int(os.environ.get("STAGE", "1"))


def cmd(name, text=None, opts=None, **kw):
    """A Command whose scripts note in trace.log that they ran."""
    kw.setdefault("create", f"echo create {name} >> trace.log; echo {text or name}")
    kw.setdefault("delete", f"echo delete {name} >> trace.log")
    return Command(name, opts=opts, **kw)


class Box(ComponentResource):
    def __init__(self, name, opts=None, kind="Box"):
        super().__init__(f"demo:index:{kind}", name, {}, opts)
        self.register_outputs({"name": name, "stage": STAGE})


one, two, other = Box("one"), Box("two"), Box("other", kind="Shelf")
parent = {1: one, 2: two, 3: other, 4: other, 5: None}[STAGE]
a = cmd("a", opts=Opt(parent=parent))
b = cmd("b", opts=Opt(depends_on=[a]))
gone = cmd("gone", delete=f"echo delete gone {STAGE} $PULUMI_COMMAND_STDOUT $X >> trace.log", environment={"X": f"x{STAGE}"}, triggers=[STAGE // 3]) if STAGE < 5 else None
late = Command("late", update="echo update late >> trace.log; echo now", stdin=str(STAGE // 2), delete="echo delete late $PULUMI_COMMAND_STDOUT >> trace.log")
nothing = Command("nothing", stdin=str(STAGE))
kept = cmd("kept", "$PULUMI_COMMAND_STDOUT.", environment={"STAGE": str(STAGE)}, add_previous_output_in_env=None if STAGE < 4 else False)
where = Command("where", create="pwd; cat; echo err >&2", stdin="a\nb", dir="/", interpreter=["/bin/bash", "-eu", "-c"], logging="none")
pulumi.export("late", late.stdout)
pulumi.export("where", where.stdout)
pulumi.export("kept", kept.stdout)
