"""Program start: a preview of the demo stack against bare imports of the SDKs that it needs, each a fresh process."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 1.3
"""What everything of ours may cost on top: reading settings, deciding, engine, simulated cluster, printing."""

IMPORTS = """
import pulumi, pulumi_kubernetes as kubernetes
from pulumi_command import local
kubernetes.core.v1.Namespace, kubernetes.batch.v1.Job, kubernetes.helm.v3.Release, kubernetes.node.v1.RuntimeClass
local.Command
"""
COMMANDS = {
    "imports": [sys.executable, "-c", IMPORTS],
    "preview": [sys.executable, "-m", "lab", "preview", "-s", "demo"],
}
KINDS = {"cold": "no bytecode, as on a fresh checkout", "warm": "bytecode is there"}

Times = dict[tuple[str, str], list[float]]


def seconds(command: list[str], bytecode: Path) -> float:
    """One run in a fresh interpreter with a world and a state of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        environment |= {"PYTHONPYCACHEPREFIX": str(bytecode), "GPU_READY_LAB_DIR": folder}
        started = time.perf_counter()
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        took = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(command[:6])} failed:\n{(done.stdout + done.stderr).decode()}")
    return took


def measure(rounds: int) -> Times:
    """Rounds of all four, one after the other, so that a busy moment of the machine hits all of them."""
    times: Times = {(kind, name): [] for kind in KINDS for name in COMMANDS}
    with tempfile.TemporaryDirectory() as warm:
        for command in COMMANDS.values():
            seconds(command, Path(warm))
        for _ in range(rounds):
            for name, command in COMMANDS.items():
                with tempfile.TemporaryDirectory() as cold:
                    times["cold", name].append(seconds(command, Path(cold)))
                times["warm", name].append(seconds(command, Path(warm)))
    return times


def report(times: Times) -> bool:
    """The table of medians; whether the cold ratio is within its limit."""
    ratios = {}
    rounds = len(times["cold", "imports"])
    print(f"program start: preview of the demo against bare imports of the same SDKs, median of {rounds}")
    print(f"{'':6}{'imports':>10}{'preview':>10}{'ratio':>8}")
    for kind, meaning in KINDS.items():
        imports, preview = (median(times[kind, name]) for name in COMMANDS)
        ratios[kind] = preview / imports
        print(f"{kind:6}{imports:9.2f}s{preview:9.2f}s{ratios[kind]:7.2f}x  {meaning}")
    fine = ratios["cold"] <= LIMIT
    print(f"limit: {LIMIT}x cold: {'kept' if fine else 'BROKEN'}")
    return fine
