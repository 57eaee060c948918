"""additional_secret_outputs comes and goes, a secret trigger, an invoke in every preview and up, with a secret argument; exports made of all that."""
import os

import pulumi
from pulumi import ComponentResource, ResourceOptions as Opt
from pulumi_command.local import Command

OPS = [
    "preview 1",
    "up 1",
    "up 2",
    "up 3",
    "preview 1",
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


from pulumi_command.local import run, run_output

a = cmd("a", opts=Opt(additional_secret_outputs=["stdout"] if STAGE != 2 else None))
b = Command("b", create=a.stdout.apply(lambda s: f"echo create b {s} >> trace.log; echo got {s}"), stdin="x" if STAGE != 3 else "y",
            opts=Opt(additional_secret_outputs=["stdout"] if STAGE == 3 else None))
seen = run(command="echo run >> trace.log; echo seen", environment={"A": "b"})
out = run_output(command=pulumi.Output.secret("echo run_output >> trace.log; echo out"))
c = cmd("c", triggers=[seen.stdout, out.stdout])
pulumi.export("a", a.stdout)
pulumi.export("b", b.stdout)
pulumi.export("seen", seen.stdout)
pulumi.export("out", out.stdout)
pulumi.export("nested", {"list": [a.stdout, "plain"]})
