"""A simulated cluster in a file: several processes share it, and it moves on only as simulated time passes."""

from __future__ import annotations

import copy
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from decide.remainder import CRDS, DISCOVERY, LABEL_PREFIXES
from lab.cluster import (
    claims,
    dra_chart,
    drain,
    gpu_operator,
    hosts,
    jobs,
    kubelet,
    others,
    pools,
    releases,
    scheduler,
    workloads,
)
from lab.cluster.admission import admit
from lab.cluster.clock import Clock
from lab.cluster.comparison import comparable
from lab.cluster.store import Cluster, Object

if TYPE_CHECKING:
    from lab.cluster.switches import Turned

FORMAT = 1
LAB = Path(__file__).resolve().parent.parent
_SETTLED_BEFORE = 3600.0  # an operator that is there from the start was installed an hour ago
_CONTROLLERS: tuple[Callable[[Cluster], None], ...] = (
    jobs.run_jobs,
    workloads.run_workloads,
    claims.run_claims,
    scheduler.schedule,
    pools.scale,
    kubelet.live,
    drain.count_budgets,
    gpu_operator.reconcile,
    dra_chart.publish,
    Cluster.collect,
)


class Remainder(NamedTuple):
    """What may stay in a cluster after everything was taken back."""

    definitions: tuple[str, ...]
    node_labels: tuple[str, ...]
    """Beginnings of label names."""


REMAINDER = Remainder((*CRDS, *DISCOVERY), LABEL_PREFIXES)


def settle(cluster: Cluster) -> None:
    """Lets all controllers work until nothing changes any more at this moment."""
    for _ in range(100):
        before = cluster.data["revision"]
        cluster.next_wake = None
        for controller in _CONTROLLERS:
            controller(cluster)
        if cluster.data["revision"] == before:
            break
    cluster.data["wake"] = cluster.next_wake
    cluster.changed = True


def advance(cluster: Cluster, until: float) -> None:
    """Plays everything that happens up to a moment, each thing at its own time."""
    while cluster.data["wake"] is not None and cluster.data["wake"] <= until:
        cluster.now = max(cluster.now, cluster.data["wake"])
        settle(cluster)
    cluster.now = until


class Simulated(Cluster):
    """A cluster with Helm and with the switches of its world."""

    def install_release(
        self, name: str, namespace: str, version: str, values: Object, chart: str = releases.CHART
    ) -> Object:
        """Installs a chart; raises `ApiError` in Helm's words."""
        return releases.install(self, name, namespace, version, values, chart)

    def upgrade_release(self, name: str, namespace: str, version: str, values: Object) -> Object:
        """Brings a release to another version or other values."""
        return releases.upgrade(self, name, namespace, version, values)

    def uninstall_release(self, name: str, namespace: str) -> None:
        """Takes a release away, but for its remainder."""
        releases.uninstall(self, name, namespace)

    def release(self, name: str, namespace: str) -> Object | None:
        """What Helm knows of a release: version, values, revision, status."""
        return self.data["releases"].get(f"{namespace}/{name}")  # type: ignore[no-any-return]

    def switch(self, path: str, value: Any) -> None:
        """Turns one switch, such as `nodes.gpu-1.taints`; raises `spec.WorldError`."""
        from lab.cluster.switches import switch

        switch(self, path, value)


class Kept(NamedTuple):
    """What this process last read or wrote of a world: most of the work is not to read the same text again."""

    text: bytes
    data: Object


_KEPT: dict[Path, Kept] = {}
_MOST_KEPT = 4


class World:
    """The file of a simulated cluster, and its clock beside it."""

    def __init__(self, path: Path | str, speed: float = 0.0) -> None:
        self.path = Path(path)
        self.clock = Clock(self.path.parent / "clock", speed)

    @classmethod
    def create(cls, path: Path | str, spec: dict[str, Any], speed: float = 0.0) -> World:
        """Makes the world that a description asks for; raises `spec.WorldError` for one that makes no sense."""
        from lab.cluster.birth import born

        world = cls(path, speed)
        world.path.parent.mkdir(parents=True, exist_ok=True)
        cluster = born(spec, world.clock.now() - _SETTLED_BEFORE)
        settle(cluster)
        world._catch_up(cluster)
        settle(cluster)
        world._save(cluster)
        return world

    @contextmanager
    def open(self) -> Iterator[Simulated]:
        """The cluster as it is now; nobody else has it meanwhile, and changes are kept unless this raises."""
        with Path(f"{self.path}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            cluster, text = self._load()
            self._catch_up(cluster)
            yield cluster
            if cluster.changed:
                settle(cluster)
                text = self._save(cluster)
            self._keep(text, cluster)

    def _catch_up(self, cluster: Cluster) -> None:
        """Plays what happened since somebody last looked, on the hosts too."""
        advance(cluster, max(cluster.now, self.clock.now()))
        hosts.follow(cluster, self.path)

    def _load(self) -> tuple[Simulated, bytes]:
        """Taken out of what is kept: whatever somebody did to it before an error is forgotten."""
        text = self.path.read_bytes()
        kept = _KEPT.pop(self.path, None)
        data = kept.data if kept and kept.text == text else json.loads(text)
        cluster = Simulated(data, data["now"])
        cluster.admit = admit
        return cluster, text

    def _save(self, cluster: Cluster) -> bytes:
        cluster.data["now"] = cluster.now
        text = json.dumps(cluster.data, separators=(",", ":")).encode()
        fresh = Path(f"{self.path}.new")
        fresh.write_bytes(text)
        fresh.replace(self.path)
        return text

    def _keep(self, text: bytes, cluster: Cluster) -> None:
        if len(_KEPT) >= _MOST_KEPT:
            _KEPT.clear()
        _KEPT[self.path] = Kept(text, cluster.data)

    def switch(self, path: str, value: Any) -> None:
        """Turns one switch, such as `nodes.gpu-1.taints` or `operator.fault`."""
        with self.open() as cluster:
            cluster.switch(path, value)

    def switched(self) -> list[Turned]:
        """The switches that differ from the world's beginning."""
        from lab.cluster.switches import turned

        with self.open() as cluster:
            return turned(cluster)

    def env(self) -> dict[str, str]:
        """Environment of a local command that shall meet this cluster: stand-in kubectl, simulated time."""
        from lab.cluster.standin import install, logins

        tools = self.path.parent.resolve() / "bin"
        install(tools, self.path)
        with self.open() as cluster:
            logins(tools, cluster.spec.get("cloud", {}))
        return {
            "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONPATH": str(LAB / "standins"),
            "GPU_READY_CLOCK": str(Path(self.clock.path).resolve()),
            "GPU_READY_SPEED": f"{self.clock.speed:g}",
        }

    def snapshot(self) -> dict[str, Object]:
        """All objects but events, without counters: equal snapshots mean an equal cluster."""
        with self.open() as cluster:
            objects = cluster.data["objects"]
            return {
                f"{kind}/{key}": _plain(obj)
                for kind in sorted(objects)
                if kind != "Event"
                for key, obj in objects[kind].items()
            }

    @staticmethod
    def remainder(before: dict[str, Object], after: dict[str, Object]) -> list[str]:
        """What differs between two snapshots, one line each; empty = the cluster is as it was."""
        return [line for line, _allowed in _differences(before, after)]

    @staticmethod
    def unexpected(before: dict[str, Object], after: dict[str, Object]) -> list[str]:
        """The lines of `remainder` that nobody announced: not covered by `REMAINDER`."""
        return [line for line, allowed in _differences(before, after) if not allowed]


def _plain(obj: Object) -> Object:
    plain = copy.deepcopy(obj)
    for key in ("resourceVersion", "generation"):
        plain["metadata"].pop(key, None)
    if others.is_brought(obj):  # its owner makes another one of the same kind
        for key in ("uid", "creationTimestamp"):
            plain["metadata"].pop(key)
    if obj["kind"] == "Node":  # a reboot that was consented to cannot be taken back
        plain["status"]["nodeInfo"].pop("bootID", None)
        for condition in plain["status"]["conditions"]:
            condition.pop("lastTransitionTime", None)
    return plain


def _differences(before: dict[str, Object], after: dict[str, Object]) -> Iterator[tuple[str, bool]]:
    before, after = comparable(before, before), comparable(after, before)
    for name in sorted(set(before) | set(after)):
        if name not in before:
            kind, _, definition = name.partition("/")
            yield f"{name} is new", kind == "CustomResourceDefinition" and definition in REMAINDER.definitions
        elif name not in after:
            yield f"{name} is gone", False
        else:
            yield from _changes(name, before[name], after[name])


def _changes(name: str, before: Object, after: Object) -> Iterator[tuple[str, bool]]:
    had, has = (dict(one["metadata"].get("labels", {})) for one in (before, after))
    added = sorted(set(has) - set(had))
    for allowed in (True, False):
        labels = [one for one in added if _may_stay(name, one) is allowed]
        if labels:
            yield f"{name} has labels {', '.join(dict.fromkeys(_short(one) for one in labels))}", allowed
    if any(has.get(label) != value for label, value in had.items()) or _bare(before) != _bare(after):
        yield f"{name} differs", False


def _short(label: str) -> str:
    """A whole family of labels by its beginning."""
    return next((f"{one}*" for one in REMAINDER.node_labels if one.endswith(".") and label.startswith(one)), label)


def _may_stay(name: str, label: str) -> bool:
    return name.startswith("Node/") and label.startswith(REMAINDER.node_labels)


def _bare(obj: Object) -> Object:
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "labels"}}
