"""The program on real hosts: sshd, systemd, apt and containerd are real, the cluster is the simulated one."""

from __future__ import annotations

import copy
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.engine import Engine, Result
from lab.program_time import simulated
from lab.provider import Context, Props, Provider
from lab.providers.command import CommandProvider
from lab.providers.kubernetes import KubernetesProvider
from lab.providers.transport import Finished
from lab.real.hosts import packages
from lab.real.hosts.bed import Bed
from lab.real.hosts.host import RealHost
from lab.real.ssh import RealRemoteCommands
from lab.state import MemoryStore
from lab.world import WholeWorld
from tests.unit import same_process
from tests.unit.house import House, program

needs_hosts = pytest.mark.skipif(bool(packages.why_not()), reason=packages.why_not())
SPEED = 5
"""Simulated seconds of the cluster, and of the program's pauses, in a real one."""
SECRETS = ("gpu-ready:sshPrivateKey", "gpu-ready:sshPassword")
QUICK = {"ready_seconds": 3, "discovery_seconds": 1, "reacts_seconds": 1}


class Reporting(RealRemoteCommands):
    """Tells the cluster after each script which boots its nodes are of, as kubelets do."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.bed.through, site.bed.folder)
        self.site = site

    def run(self, ctx: Context, inputs: Props, text: str, before: Props) -> Finished:
        """The same."""
        try:
            return super().run(ctx, inputs, text, before)
        finally:
            self.site.report()


class Site(House):
    """A stack with some hosts of a bed as the nodes of its cluster."""

    def __init__(self, folder: Path, bed: Bed, *hosts: RealHost, stack: str = "lab") -> None:
        folder.mkdir(exist_ok=True)
        self.bed, self.hosts = bed, {one.name: one for one in hosts}
        self.who = "first"
        """Whose key stands in the stack; empty: nobody's, the agent is asked."""
        self.more: dict[str, dict[str, Any]] = {}
        """What the stack file says of single hosts beside where they are."""
        self.gpu: dict[str, Any] = {}
        self.metal: dict[str, Any] = {"repositories": bed.repositories(), "rebootTimeoutSeconds": 600}
        nodes = [
            {"name": f"node-{name}", "card": "Tesla T4", "driver": "580.126.20", "toolkit": True} for name in self.hosts
        ]
        self.world = WholeWorld.create(folder / "world.json", {"nodes": nodes, "operator": QUICK}, SPEED)
        self.events, self.remote = [], Reporting(self)  # type: ignore[assignment] # the real one, in its place
        self.guard = threading.Lock()
        providers: list[Provider] = [
            CommandProvider(transport=same_process.transport(self.world), remote=self.remote),
            KubernetesProvider(self.world),
        ]
        self.engine = Engine("gpu-ready", stack, MemoryStore(), providers, self.events.append)
        self.report()

    def report(self) -> None:
        """The nodes say which machine and boot they are."""
        with self.guard, self.world.open() as cluster:
            for name, host in self.hosts.items():
                node = cluster.get("Node", f"node-{name}")
                boot = boot_of(host)
                if node is None or not boot:
                    continue
                info = {"machineID": host.machine_id, "bootID": boot}
                spec = next(one for one in cluster.spec["nodes"] if one["name"] == f"node-{name}")
                spec["node_info"] = info
                node["status"]["nodeInfo"].update(info)
                cluster.changed = True

    def config(self, **states: str) -> dict[str, Any]:
        """All hosts, in these states; one that is `gone` is not in the list."""
        listed = [
            {"name": name, "address": one.inside, "hostKey": one.host_key, "user": "ops",
             "state": states.get(name, "present"), **self.more.get(name, {})}
            for name, one in self.hosts.items()
            if states.get(name) != "gone"
        ]  # fmt: skip
        metal = {**copy.deepcopy(self.metal), "hosts": listed}
        validation = {"timeoutSeconds": 600, "pollSeconds": 5}
        about = {"cluster": {"context": "demo"}, "bareMetal": metal, "validation": validation}
        return {"target": "bareMetal", **about, **({"gpu": self.gpu} if self.gpu else {})}

    def up(self, op: Any = "up", **states: str) -> Result:
        """The whole program."""
        config = {f"gpu-ready:{key}": self._wire(value) for key, value in self.config(**states).items()}
        if self.who:
            config["gpu-ready:sshPrivateKey"] = self.bed.private_key(self.who)
        if any(one.get("sudo") == "password" for one in self.more.values()):
            from lab.real.hosts.image import PASSWORD

            config["gpu-ready:sshPassword"] = PASSWORD
        with simulated(self.world.clock):
            return self.engine.run(op, program, config=config, secret_keys=SECRETS)

    @staticmethod
    def _wire(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value)

    def connections(self) -> int:
        """What the sshds of all hosts have counted."""
        return sum(one.connections() for one in self.hosts.values())


def boot_of(host: RealHost) -> str:
    """Nothing of one that is off, or goes off just now."""
    try:
        return host.boot_id()
    except RuntimeError:
        return ""


def good(result: Result) -> set[str]:
    """Of a run that went well, the names of what it changed."""
    assert (result.exit, result.errors) == (0, []), "\n".join(result.errors)
    return {name for op, _type, name in result.steps if op != "same"}


def different(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What is not as it was."""
    return {
        key: (before.get(key), after.get(key)) for key in sorted({*before, *after}) if before.get(key) != after.get(key)
    }


@contextmanager
def while_it_runs(work: Callable[[], Any]) -> Iterator[None]:
    """Does something beside, and lets nothing that went wrong there be missed."""
    wrong: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    yield
    thread.join(120)
    if wrong:
        raise wrong[0]


def wait_for(holds: Callable[[], Any], seconds: float = 120) -> None:
    """Waits until it is so."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def shows(capsys: pytest.CaptureFixture[str], words: str) -> None:
    """Says something beside the dots of pytest: figures that the run has measured."""
    with capsys.disabled():
        sys.stdout.write(f"\n{words}\n")
