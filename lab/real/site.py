"""Hosts of a bed that are nodes of the lab's cluster: what a stack of target `bareMetal` is made ready on."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from lab.cluster import others
from lab.real.api import UnreachableError
from lab.real.cluster import RealCluster
from lab.real.hosts.bed import Bed
from lab.real.hosts.host import RealHost
from lab.real.hosts.kinds import KUBEADM, Kind

PAUSE = 2.0
"""Seconds between two looks of a kubelet at its machine, each of which starts programs there."""
USER = "ops"
KUBELET = "v1.35.4"
_LOOK = """\
cat /proc/sys/kernel/random/boot_id
nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1 | grep -E '^[0-9.]+$' || echo none
"""


class Member(NamedTuple):
    """A host, the card that all of it is about, and what kind of node it is."""

    host: RealHost
    card: str
    kind: Kind


class Found(NamedTuple):
    """What a kubelet sees of its machine; `start`: which one of a server that runs beside it."""

    boot: str
    driver: str
    engine: str
    handler: str
    default: str
    start: str = ""


class Site:
    """The hosts of a stack; a thread plays their kubelets: nodes say which boot, driver and handler they have."""

    def __init__(self, cluster: RealCluster, bed: Bed) -> None:
        self.cluster, self.bed = cluster, bed
        self.members: dict[str, Member] = {}
        self.errors: list[str] = []
        self._shown: dict[str, Found] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live, name="lab-kubelets", daemon=True)

    def __enter__(self) -> Site:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def add(
        self, name: str, suite: str = "bookworm", card: str = "Tesla T4", kind: Kind = KUBEADM, **about: Any
    ) -> RealHost:
        """A new host that has joined the cluster."""
        host = self.bed.host(name, suite, card, **about)
        kind.become(host)
        self.cluster.add_node(node_of(name), card=card, machine_id=host.machine_id, boot_id=host.boot_id())
        member = Member(host, card, kind)
        self._report(name, member)
        self.members[name] = member
        return host

    def config(self, more: Mapping[str, Mapping[str, Any]] | None = None, **metal: Any) -> dict[str, Any]:
        """What a stack file says of them, over loopback; `more` of single hosts."""
        hosts = [
            {"name": name, "address": one.host.address, "port": one.host.port, "user": USER,
             "hostKey": one.host.host_key, **(more or {}).get(name, {})}
            for name, one in self.members.items()
        ]  # fmt: skip
        return {
            "target": "bareMetal",
            "cluster": {"context": self.cluster.context, "kubeconfig": str(self.cluster.kubeconfig)},
            "bareMetal": {
                "repositories": self.bed.repositories(), "rebootTimeoutSeconds": 300, "reboot": "ifNeeded", **metal,
                "hosts": hosts,
            },
            "validation": {"timeoutSeconds": 180, "pollSeconds": 1},
        }  # fmt: skip

    def nodes(self) -> list[str]:
        """How they are called in the cluster."""
        return [node_of(name) for name in self.members]

    def connections(self) -> int:
        """What the sshds of all hosts have counted."""
        return sum(one.host.connections() for one in self.members.values())

    def snapshot(self) -> dict[str, Any]:
        """Everything that lasts on all hosts."""
        return {name: one.kind.lasting(one.host) for name, one in self.members.items()}

    def _live(self) -> None:
        while not self._over.wait(PAUSE):
            for name, member in list(self.members.items()):
                try:
                    self._report(name, member)
                except (UnreachableError, RuntimeError):  # an API server that is away, a machine that goes down
                    continue
                except Exception:  # a test shall see it, and not wait for a node that says nothing
                    self.errors.append(traceback.format_exc())

    def _report(self, name: str, member: Member) -> None:
        if not member.host.leader():
            return
        words = member.host.run(_LOOK + member.kind.look).split()
        if len(words) < len(Found._fields) - len(Found._field_defaults) or self._shown.get(name) == Found(*words):
            return
        found, before = Found(*words), self._shown.get(name)
        about = {"boot_id": found.boot, "machine_id": member.host.machine_id, "runtime": found.engine}
        whose = member.kind.distribution
        self.cluster.set_node_info(node_of(name), **about, **({"kubelet": f"{KUBELET}+{whose}1"} if whose else {}))
        self.cluster.gpus.declare({
            "name": node_of(name), "card": member.card, "gpus": 1,
            "driver": None if found.driver == "none" else found.driver, "toolkit": found.handler == "nvidia",
            "default_runtime": found.default == "nvidia", "device_plugin": False,
        })  # fmt: skip
        if whose and (before is None or before.start != found.start):
            self._bring(whose)
        self._shown[name] = found

    def _bring(self, whose: str) -> None:
        """A server that starts brings what it comes with, where it is missing."""
        for wanted in others.brought_by(whose):
            if self.cluster.api.get(wanted["kind"], wanted["metadata"]["name"]) is None:
                self.cluster.api.create(wanted, whose)


def node_of(name: str) -> str:
    """How the node of a host is called."""
    return f"node-{name}"


def written(config: Mapping[str, Any], path: Path) -> Path:
    """A stack file with this config, without its secrets."""
    import yaml

    path.write_text(yaml.safe_dump({"config": {f"gpu-ready:{key}": value for key, value in config.items()}}))
    return path
