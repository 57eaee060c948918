"""The built-in engine: an `up` of 100 resources that changes nothing, against the same program under Pulumi's mocks."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pulumi
from pulumi.runtime import mocks
from pulumi_command import local

from lab.engine import Engine
from lab.providers.command import CommandProvider
from lab.state import FileStore

ROOT = Path(__file__).resolve().parent.parent
RESOURCES = 100


class Echo(mocks.Mocks):
    """What the tutorials use: outputs are inputs."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        """Made at once."""
        return f"{args.name}-id", args.inputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        """Nothing is asked."""
        return {}, None


def program() -> None:
    """Resources without children or order: what is measured is the engine, not the program."""
    for number in range(RESOURCES):
        local.Command(f"command-{number}", create=":")


def ours() -> float:
    """With a state file, as in the rehearsal."""
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine("bench", "bench", FileStore(Path(folder) / "state.json"), [CommandProvider()])
        made = engine.run("up", program)
        started = time.perf_counter()
        same = engine.run("up", program, expect_no_changes=True)
        took = time.perf_counter() - started
    if (made.exit, same.exit) != (0, 0):
        raise SystemExit(f"bench: the engine failed: {made.errors or same.errors}")
    return took


def theirs() -> float:
    """Mocks know no state: each run is a first one."""
    mocks.set_mocks(Echo())
    started = time.perf_counter()
    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]
    return time.perf_counter() - started


RUNS: dict[str, Callable[[], float]] = {"built-in engine": ours, "mocks": theirs}


def report(rounds: int) -> None:
    """The table of medians; each run in a fresh interpreter."""
    print(
        f"engine: an up of {RESOURCES} resources that changes nothing, against mocks that make them, median of {rounds}"
    )
    for name in RUNS:
        command = [sys.executable, "-m", "bench.engine", name]
        print(f"{name:16}{median(timed(command) for _ in range(rounds)):6.2f}s")


def timed(command: list[str]) -> float:
    """What one run prints; the SDK's complaints at the end of a good run are noise, those of a bad one are not."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {done.stderr.strip()}")
    return float(done.stdout)


if __name__ == "__main__":
    print(RUNS[sys.argv[1]]())
