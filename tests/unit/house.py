"""The program in a simulated cluster of its own, for tests: the same engine and providers as the rehearsal has."""

import json
import os
import runpy
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.cloud import registry
from lab.engine import Engine, Operation, Result
from lab.events import Event
from lab.program_time import simulated
from lab.provider import Provider
from lab.providers.command import CommandProvider
from lab.providers.kubernetes import KubernetesProvider
from lab.providers.remote_command import RemoteCommands
from lab.state import MemoryStore, Store
from lab.world import WholeWorld
from settings import SettingsError, parse
from tests.unit import same_process

ROOT = Path(__file__).resolve().parents[2]
WORLD: dict[str, Any] = yaml.safe_load((ROOT / "tests/worlds/cluster.yaml").read_text())
CONFIG: dict[str, Any] = {
    "target": "cluster",
    "cluster": {"context": "demo", "nodes": ["gpu-1", "gpu-2"]},
    "gpu": {"driver": "preinstalled", "toolkit": "preinstalled"},
    "validation": {"timeoutSeconds": 600, "pollSeconds": 25},
}
HOSTS: dict[str, Any] = yaml.safe_load((ROOT / "lab/worlds/demo.yaml").read_text())
"""The world of the demo: two hosts that are nodes."""
HOSTS_CONFIG: dict[str, Any] = {
    key.removeprefix("gpu-ready:"): value
    for key, value in yaml.safe_load((ROOT / "stacks/Pulumi.demo.yaml").read_text())["config"].items()
}


class House:
    """One stack with its state and its cluster; no simulated second takes real time.

    Its steps run inside this process, unless processes of their own are what a test is about.
    """

    def __init__(
        self, folder: Path, spec: Mapping[str, Any] | None = None, store: Store | None = None, processes: bool = False
    ) -> None:
        self._live_in(WholeWorld.create(folder / "world.json", dict(spec or WORLD)), "demo", store, processes)

    def _live_in(self, world: WholeWorld, stack: str, store: Store | None = None, processes: bool = False) -> None:
        self.world, self.events = world, list[Event]()
        self.remote = world.remote_commands()
        commands = as_processes(world, self.remote) if processes else inside(world, self.remote)
        providers: list[Provider] = [commands, KubernetesProvider(world), *registry.providers(world)]
        self.engine = Engine("gpu-ready", stack, store or MemoryStore(), providers, self.events.append)

    @classmethod
    def beside(cls, other: "House", stack: str) -> "House":
        """Another stack in the same cluster."""
        one = cls.__new__(cls)
        one._live_in(other.world, stack)
        return one

    def run(self, op: Operation, config: Mapping[str, Any] = CONFIG, **more: Any) -> Result:
        """The whole program with this config."""
        wire = {
            f"gpu-ready:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in config.items()
        }
        with simulated(self.world.clock):
            return self.engine.run(op, program, config=wire, **more)

    def make(self, op: Operation, made: Callable[[], object]) -> Result:
        """A program of a few lines."""

        def few_lines() -> None:
            made()

        return self.engine.run(op, few_lines)


def inside(world: WholeWorld, remote: RemoteCommands) -> CommandProvider:
    """Local steps in this process; the scripts of hosts run for real, in their simulated machines."""
    return CommandProvider(transport=same_process.transport(world), remote=remote)


def as_processes(world: WholeWorld, remote: RemoteCommands) -> CommandProvider:
    """Steps as the rehearsal runs them; with this very python3, because others are wrapped in slow shell scripts."""
    env = world.env()
    tools, _, rest = env["PATH"].partition(os.pathsep)
    path = os.pathsep.join([tools, str(Path(sys.executable).parent), rest])
    return CommandProvider(env={**env, "PATH": path}, cwd=str(world.path.parent), remote=remote)


def program() -> None:
    runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")


def faults_of(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where a config is wrong, and what would be right."""
    try:
        parse(config)
    except SettingsError as error:
        return [(fault.path, fault.right) for fault in error.faults]
    return []


def with_gpu(**choices: Any) -> dict[str, Any]:
    """The usual config with other choices under `gpu`."""
    return {**CONFIG, "gpu": choices}
