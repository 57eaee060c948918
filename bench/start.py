"""Program start: first previews against bare imports of the SDKs that the demo needs, each a fresh process."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 1.3
"""What everything of ours may cost on top: reading settings, deciding, engine, simulated cluster, printing."""

IMPORTS = """
import pulumi, pulumi_kubernetes as kubernetes
from pulumi_command import local, remote
kubernetes.core.v1.Namespace, kubernetes.batch.v1.Job, kubernetes.helm.v3.Release, kubernetes.node.v1.RuntimeClass
local.Command, remote.Command
"""
COMMANDS = {
    "imports": [sys.executable, "-c", IMPORTS],
    "existing-cluster": [sys.executable, "-m", "lab", "preview", "-s", "existing-cluster"],
    "demo": [sys.executable, "-m", "lab", "preview", "-s", "demo"],
}
PREVIEWS = [name for name in COMMANDS if name != "imports"]
KINDS = {"cold": "no bytecode, as on a fresh checkout", "warm": "bytecode is there"}


class Cost(NamedTuple):
    """Of one run, in seconds."""

    clock: float
    processor: float


Costs = dict[tuple[str, str], list[Cost]]


def processor_seconds() -> float:
    """What all finished child processes used so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command: list[str], bytecode: Path) -> Cost:
    """One run in a fresh interpreter with a world and a state of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        environment |= {"PYTHONPYCACHEPREFIX": str(bytecode), "GPU_READY_LAB_DIR": folder}
        used, started = processor_seconds(), time.perf_counter()
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        cost = Cost(time.perf_counter() - started, processor_seconds() - used)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(command[1:])} failed:\n{(done.stdout + done.stderr).decode()}")
    return cost


def measure(rounds: int, before: Costs | None = None) -> Costs:
    """Rounds of all, one after the other, so that a busy moment of the machine hits all of them."""
    costs: Costs = before or {(kind, name): [] for kind in KINDS for name in COMMANDS}
    with tempfile.TemporaryDirectory() as warm:
        for command in COMMANDS.values():
            run(command, Path(warm))
        for _ in range(rounds):
            for name, command in COMMANDS.items():
                with tempfile.TemporaryDirectory() as cold:
                    costs["cold", name].append(run(command, Path(cold)))
                costs["warm", name].append(run(command, Path(warm)))
    return costs


def usual(costs: Costs, kind: str, name: str, what: str) -> float:
    """The run in the middle."""
    return median(float(getattr(cost, what)) for cost in costs[kind, name])


def ratio(costs: Costs, kind: str, name: str, what: str) -> float:
    """To the imports of the same round, in the middle of all: a core that runs faster for a while does so for both."""
    pairs = zip(costs[kind, name], costs[kind, "imports"], strict=True)
    return median(float(getattr(one, what) / getattr(bare, what)) for one, bare in pairs)


def kept(costs: Costs) -> bool:
    """Whether the cold ratio of every preview is within its limit."""
    return all(ratio(costs, "cold", name, "processor") <= LIMIT for name in PREVIEWS)


def report(costs: Costs) -> bool:
    """The table; whether the cold ratios are within their limit."""
    rounds = len(costs["cold", "imports"])
    print(
        f"program start: first previews against bare imports of the SDKs of the demo, in the middle of {rounds} rounds"
    )
    print(f"{'':17}{'imports':>9}" + "".join(f"{name:>18}" for name in PREVIEWS))
    for kind, meaning in KINDS.items():
        for what in Cost._fields:
            seconds = {name: usual(costs, kind, name, what) for name in COMMANDS}
            shown = "".join(f"{seconds[one]:9.2f}s {ratio(costs, kind, one, what):6.2f}x" for one in PREVIEWS)
            print(f"{kind:6}{what:11}{seconds['imports']:8.2f}s{shown}  {meaning}")
    print(f"limit: {LIMIT}x of processor time, cold: {'kept' if kept(costs) else 'BROKEN'}")
    return kept(costs)
