"""Hosts that answer each step at once, in the place of simulated machines, for tests of what a program does."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.cluster.host_spec import made_up_key
from lab.providers.remote_command import Door
from lab.providers.transport import Finished, Script
from tests.unit.house import WORLD, House
from tests.unit.small_host import RTX, told

GPU_2 = {**WORLD["nodes"][2], "taints": []}
READY: dict[str, Any] = {
    "modules": {"nvidia": "580.126.20", "nouveau": False, "nova": False, "flavour": "open"},
}


@dataclass
class Quick:
    """One host; what it was asked is kept."""

    name: str
    number: int
    boot_id: str = ""
    way: Door = "up"
    dies_in: str = ""
    """The step in which it goes away."""
    asked: list[str] = field(default_factory=list)
    user: str = "root"
    driver: str = "580.126.20"
    toolkit: str = "1.20.0"
    cards: int = 1

    def __post_init__(self) -> None:
        self.host_key = made_up_key(self.name)
        self.boot_id = self.boot_id or f"{self.number}1111111-2222-3333-4444-555555555555"

    @property
    def machine_id(self) -> str:
        """Its own."""
        return f"{RTX['machine_id'][:-1]}{self.number}"

    @property
    def node(self) -> str:
        """The node that it is."""
        return f"gpu-{self.number}"

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"192.0.2.{self.number}"

    def door(self) -> Door:
        """How it answers now."""
        return self.way

    def run(self, script: Script, user: str, say: Callable[[str], None], stop: threading.Event) -> Finished:
        """Each step finds all as it should be."""
        step = next(
            (part for part in STEPS if re.search(rf'/call.sh" \S+ {part} |/{part}.sh" ', script.stdin)), "folder"
        )
        self.asked.append(f"{script.text.split()[-1]} {step}")
        if step == "folder":
            return Finished("", b"", b"", b"")
        if step == self.dies_in:
            self.way = "silent"
            return Finished("wait: remote command exited without exit status or exit signal", b"", b"", b"")
        known = {"machine_id": self.machine_id, "boot_id": self.boot_id}
        decided = re.search(r"^GR_DECIDED='(.*)'$", script.stdin, re.MULTILINE)
        if step == "toolkit" and decided:
            self.toolkit = decided[1]
        more = {**known, "driver": self.driver, "toolkit": self.toolkit, "cards": self.answers(step)}
        said = json.dumps(self.facts(known) if step == "tools" else more)
        return Finished("", said.encode(), b"", b"")

    def facts(self, known: dict[str, Any]) -> dict[str, Any]:
        """What a look finds."""
        driver = {"works": True, "version": self.driver, "foreign": ""}
        seen = told(**READY, **known, driver=driver, toolkit=self.toolkit)
        return {**seen, "cards": seen["cards"] * self.cards}

    def answers(self, step: str) -> Any:
        """How many cards there are, or which."""
        return [{"uuid": f"GPU-{self.number}-{one}"} for one in range(self.cards)] if step == "check" else self.cards

    def receive(self, path: str, data: bytes, user: str) -> str:
        """A file arrives."""
        self.asked.append(f"copy {path.rpartition('/')[2]}")
        return ""


STEPS = ("tools", "driver", "reboot", "toolkit", "runtime", "check")


class Homelab(House):
    """A house whose nodes are such hosts."""

    def __init__(self, folder: Path, *hosts: Quick) -> None:
        super().__init__(folder, {**WORLD, "nodes": [*WORLD["nodes"][:2], GPU_2]})
        self.quick = {host.name: host for host in hosts}
        self.remote.find = lambda address, _port: next((one for one in hosts if one.address == address), None)
        for host in hosts:
            self.shows(host)

    def shows(self, host: Quick) -> None:
        """Its kubelet reports what it is."""
        with self.world.open() as cluster:
            node = cluster.get("Node", host.node)
            assert node is not None
            info = {"machineID": host.machine_id, "bootID": host.boot_id}
            next(one for one in cluster.spec["nodes"] if one["name"] == host.node)["node_info"] = info
            node["status"]["nodeInfo"].update(info)
            cluster.changed = True

    def config(self, **states: str) -> dict[str, Any]:
        """All hosts, in these states; one that is `gone` is not in the list."""
        hosts = [
            {
                "name": one.name,
                "address": one.address,
                "hostKey": one.host_key,
                "state": states.get(one.name, "present"),
                "toolkit": {"version": "1.20.0"},
            }
            for one in self.quick.values()
            if states.get(one.name) != "gone"
        ]
        return {
            "target": "bareMetal",
            "cluster": {"context": "demo"},
            "bareMetal": {"hosts": hosts},
            "validation": {"timeoutSeconds": 600, "pollSeconds": 25},
        }

    def up(self, **states: str) -> Any:
        """The whole program with hosts in these states."""
        return self.run("up", self.config(**states))

    def dials(self, name: str) -> int:
        """How often a host was bothered so far."""
        known = self.remote.contacts.get(self.quick[name].address)
        return known.dials if known else 0
