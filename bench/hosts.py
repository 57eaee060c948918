"""A stack of many hosts: what the program costs, against as many bare resources of the same kinds and inputs.

Both meet the same SDK, the same engine with its state file, and providers that make everything at once: what differs
is the program. The SDK itself takes more than its share of time per resource the more there are, in both alike.
"""

import gc
import json
import re
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_command import local, remote

from lab.cluster.host_spec import made_up_key
from lab.engine import Engine, Operation, Result
from lab.engine_backends import Plain
from lab.engine_goal import STACK_TYPE
from lab.provider import Context, Props
from lab.state import FileStore
from lab.values import UNKNOWN, from_json, to_json, unwrap
from tests.unit.small_host import told

ROOT = Path(__file__).resolve().parent.parent
HOSTS = 100
LIMIT = 2.0
"""The aim is 1.3: steps of a host wait for each other, and the SDK looks through all that waits at each answer."""
NAMES = [f"h{number}" for number in range(1, HOSTS + 1)]
STEPS: tuple[Operation, ...] = ("preview", "up", "up")
MEASURED = {0: "first preview", 2: "up without changes"}
Program = Any


class Ready(Plain):
    """A provider for which everything is there at once, and every host as it should be."""

    def __init__(self, package: str) -> None:
        self.package = package

    def create(self, ctx: Context, inputs: Props) -> tuple[str, Props]:
        """Made at once."""
        said = UNKNOWN if ctx.preview else stdout(ctx.name)
        return ctx.name, {**inputs, **({"stdout": said} if ctx.type.endswith(":Command") else {})}

    def update(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Props:
        """Changed at once."""
        return {**old_outputs, **new_inputs}


def stdout(name: str) -> str:
    """What a step prints last: a host as it should be, its node, a proof."""
    _, _, step = name.rpartition("-")
    number = re.search(r"-h(\d+)-", name)
    if step == "match":
        each: dict[str, Any] = {one: f"node-{one}" for one in NAMES}
        return json.dumps({"nodes": each, "marks": dict.fromkeys(NAMES, ""), "any_node": NAMES[0]})
    if not number or step == "folder":
        return "" if step == "folder" else "{}"
    known = {"machine_id": f"{int(number[1]):032x}", "boot_id": f"{int(number[1]):08x}-2222-3333-4444-555555555555"}
    if step == "tools":
        modules = {"nvidia": "580.126.20", "nouveau": False, "nova": False, "flavour": "open"}
        driver = {"works": True, "version": "580.126.20", "foreign": ""}
        return json.dumps(told(**known, modules=modules, driver=driver, toolkit="1.20.0"))
    cards = [{"uuid": f"GPU-{number[1]}", "name": "T4"}] if step == "check" else 1
    return json.dumps({**known, "driver": "580.126.20", "toolkit": "1.20.0", "cards": cards})


def config() -> dict[str, str]:
    """Hosts like another, with the defaults of everything else."""
    hosts = [
        {"name": name, "address": f"192.0.2.{number}", "hostKey": made_up_key(name)}
        for number, name in enumerate(NAMES, 1)
    ]
    wish = {"target": "bareMetal", "cluster": {"context": "demo"}, "bareMetal": {"hosts": hosts}}
    return {f"gpu-ready:{key}": one if isinstance(one, str) else json.dumps(one) for key, one in wish.items()}


def ours() -> None:
    """The program as it is run."""
    runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")


CLASSES: dict[str, Any] = {
    "command:local:Command": local.Command,
    "command:remote:Command": remote.Command,
    "command:remote:CopyToRemote": remote.CopyToRemote,
    "kubernetes:batch/v1:Job": kubernetes.batch.v1.Job,
    "kubernetes:core/v1:Namespace": kubernetes.core.v1.Namespace,
    "kubernetes:core/v1:NodePatch": kubernetes.core.v1.NodePatch,
    "kubernetes:helm.sh/v3:Release": kubernetes.helm.v3.Release,
    "pulumi:providers:kubernetes": kubernetes.Provider,
}
NOT_BARE = (STACK_TYPE, "pulumi:providers:command")


def bare(goals: list[Any], in_order: bool) -> None:
    """The same resources, with values in the place of what the program works out; each after those that it needs."""
    made: dict[str, Any] = {}
    for type, name, inputs, urn, needs in goals:
        opts = pulumi.ResourceOptions(depends_on=[made[one] for one in needs if one in made] if in_order else None)
        if type in CLASSES:
            made[urn] = CLASSES[type](name, **arguments(type, inputs), opts=opts)
        else:
            made[urn] = pulumi.ComponentResource(type, name, {})


def arguments(type: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """As a person would write them."""
    known = {snake(key): value for key, value in unwrap(from_json(inputs)).items()}
    if type.startswith("kubernetes:"):
        known = {key: value for key, value in known.items() if key not in ("kind", "api_version", "status")}
    if "connection" in known:
        known["connection"] = remote.ConnectionArgs(**{snake(k): v for k, v in known["connection"].items()})
    if "source" in known:
        known["source"] = pulumi.FileAsset(known["source"].path)
    return known


def snake(key: str) -> str:
    """The name that Python gives an argument."""
    return re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), key)


def run(folder: Path, kind: str) -> Iterator[float]:
    """The seconds of processor time of what is measured, in this process."""
    goals = folder / "goals.json"
    engine = Engine("gpu-ready", "bench", FileStore(folder / f"{kind}.json"), [Ready("command"), Ready("kubernetes")])
    program: Program = ours if kind == "ours" else partial(bare, json.loads(goals.read_text()), kind == "in order")
    sys.path.insert(0, str(ROOT))
    for number, step in enumerate(STEPS):
        gc.collect()
        began = time.process_time()
        result = engine.run(step, program, config())
        took = time.process_time() - began
        if result.exit or (number == len(STEPS) - 1 and set(result.changes) != {"same"}):
            raise SystemExit(f"bench: {kind} {step}: {result.changes} {result.errors[:3]}")
        if number in MEASURED:
            yield took
    if kind == "ours":
        goals.write_text(json.dumps(list(registered(result))))


def registered(result: Result) -> Iterator[tuple[Any, ...]]:
    """All that the program made."""
    for goal in result.registered.values():
        if goal.type not in NOT_BARE:
            yield goal.type, goal.name, to_json(goal.inputs), goal.urn, goal.new.dependencies


Costs = dict[str, list[list[float]]]


def measure(rounds: int, before: Costs | None = None) -> Costs:
    """Rounds of both, each in a fresh interpreter."""
    costs: Costs = before or {kind: [] for kind in ("ours", "in order", "bare")}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for kind in costs:
                command = [sys.executable, "-m", "bench.hosts", folder, kind]
                done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(f"bench: {done.stderr.strip()}")
                costs[kind].append(json.loads(done.stdout.splitlines()[-1]))
    return costs


def least(costs: Costs, kind: str) -> list[float]:
    """The best of each: neighbors on the machine only ever add."""
    return [min(each) for each in zip(*costs[kind], strict=True)]


def kept(costs: Costs) -> bool:
    """Whether both are within the limit."""
    return all(mine <= LIMIT * bare for mine, bare in zip(least(costs, "ours"), least(costs, "bare"), strict=True))


def report(costs: Costs) -> bool:
    """The table of the best runs; whether they are within the limit."""
    print(f"{HOSTS} hosts: processor time against as many bare resources, best of {len(costs['ours'])}")
    print(f"{'':20}{'bare':>9}{'in order':>18}{'hosts':>18}")
    for what, bare, *others in zip(MEASURED.values(), *map(partial(least, costs), reversed(costs)), strict=True):
        print(f"{what:20}{bare:8.2f}s" + "".join(f"{one:9.2f}s {one / bare:6.2f}x" for one in others))
    print(f"limit: {LIMIT}x: {'kept' if kept(costs) else 'BROKEN'}")
    return kept(costs)


if __name__ == "__main__":
    gc.set_threshold(100_000, 20, 20)  # as the rehearsal has it, for all of them
    print(json.dumps(list(run(Path(sys.argv[1]), sys.argv[2]))))
