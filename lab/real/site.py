"""Hosts of a bed that are nodes of the lab's cluster: what a stack of target `bareMetal` is made ready on."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from lab.real.api import UnreachableError
from lab.real.cluster import RealCluster
from lab.real.hosts.bed import Bed
from lab.real.hosts.host import RealHost

PAUSE = 0.5
"""Seconds between two looks of a kubelet at its machine."""
USER = "ops"
_LOOK = """\
cat /proc/sys/kernel/random/boot_id
nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1 | grep -E '^[0-9.]+$' || echo none
containerd config dump 2>/dev/null | grep -q nvidia-container-runtime && echo toolkit || echo none
"""


class Member(NamedTuple):
    """A host, and the card that all of it is about."""

    host: RealHost
    card: str


class Site:
    """The hosts of a stack; a thread plays their kubelets: nodes say which boot, driver and handler they have."""

    def __init__(self, cluster: RealCluster, bed: Bed) -> None:
        self.cluster, self.bed = cluster, bed
        self.members: dict[str, Member] = {}
        self.errors: list[str] = []
        self._shown: dict[str, tuple[str, ...]] = {}
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

    def add(self, name: str, suite: str = "bookworm", card: str = "Tesla T4", **about: Any) -> RealHost:
        """A new host that has joined the cluster."""
        host = self.bed.host(name, suite, card, **about)
        self.cluster.add_node(node_of(name), card=card, machine_id=host.machine_id, boot_id=host.boot_id())
        self.members[name] = Member(host, card)
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

    def connections(self) -> int:
        """What the sshds of all hosts have counted."""
        return sum(one.host.connections() for one in self.members.values())

    def snapshot(self) -> dict[str, Any]:
        """Everything that lasts on all hosts."""
        return {name: one.host.snapshot() for name, one in self.members.items()}

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
        found = tuple(member.host.run(_LOOK).split())
        if len(found) < 3 or self._shown.get(name) == found:
            return
        boot, driver, toolkit = found
        self.cluster.set_node_info(node_of(name), boot_id=boot, machine_id=member.host.machine_id)
        self.cluster.gpus.declare({
            "name": node_of(name), "card": member.card, "gpus": 1, "driver": None if driver == "none" else driver,
            "toolkit": toolkit == "toolkit", "device_plugin": False,
        })  # fmt: skip
        self._shown[name] = found


def node_of(name: str) -> str:
    """How the node of a host is called."""
    return f"node-{name}"


def written(config: Mapping[str, Any], path: Path) -> Path:
    """A stack file with this config, without its secrets."""
    import yaml

    path.write_text(yaml.safe_dump({"config": {f"gpu-ready:{key}": value for key, value in config.items()}}))
    return path
