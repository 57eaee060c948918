"""The whole simulated world: the cluster, and the machines behind SSH that are its nodes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cluster import hosts
from lab.cluster.spec import normal
from lab.cluster.world import World
from lab.providers.remote_command import RemoteCommands

if TYPE_CHECKING:
    from lab.host.machine import Machine

HOST, CLOUD = "Host/", "Cloud/"
Shot = Mapping[str, Any]


class WholeWorld(World):
    """A world with hosts; without any it is a cluster like another."""

    @classmethod
    def create(cls, path: Path | str, spec: dict[str, Any], speed: float = 0.0) -> WholeWorld:
        """Makes the machines, then the cluster that they are nodes of."""
        wanted = normal(spec)["hosts"]
        if wanted:
            from lab.host.machine import Machine
        for host in wanted:
            # Each gets its place when it is whole: what an interrupted command left is no machine.
            place = hosts.folder_of(Path(path), host["name"])
            fresh = place.with_name(f"{place.name}.new")
            for left in (fresh, place):
                shutil.rmtree(left, ignore_errors=True)
            Machine.create(fresh, host, speed=speed)
            fresh.rename(place)
        return cls.outline(path, spec, speed)

    @classmethod
    def outline(cls, path: Path | str, spec: dict[str, Any], speed: float = 0.0) -> WholeWorld:
        """The cluster alone: enough for a preview, which reaches no machine; `create` over it makes all of it."""
        super().create(path, spec, speed)
        return cls(path, speed)

    def is_outline(self) -> bool:
        """Whether its machines were not made yet."""
        return not all(hosts.folder_of(self.path, host["name"]).exists() for host in self.hosts())

    def hosts(self) -> list[dict[str, Any]]:
        """The hosts as the world describes them now."""
        with self.open() as cluster:
            return [dict(host) for host in cluster.spec["hosts"]]

    def machine(self, name: str) -> Machine:
        """The machine of a host."""
        from lab.host.machine import Machine

        return Machine(hosts.folder_of(self.path, name))

    def find(self, address: str, port: int) -> Machine | None:
        """The machine that answers at this address."""
        return next((self.machine(one["name"]) for one in self.hosts() if _place(one) == (address, port)), None)

    def remote_commands(self) -> RemoteCommands:
        """SSH into this world."""
        for host in [] if self.is_outline() else self.hosts():
            _keep_time(self.machine(host["name"]), self.clock.speed)
        return RemoteCommands(self.find, self.clock)

    def switch(self, path: str, value: Any) -> None:
        """Turns one switch; one of a host is turned on its machine too."""
        super().switch(path, value)
        for host in self.hosts():
            if path.startswith(f"hosts.{host['name']}."):
                self.machine(host["name"]).describe(host)

    def snapshot(self) -> dict[str, Any]:
        """Objects of the cluster, and what may differ of each host: files, packages, holds, modules."""
        shots = {host["name"]: self.machine(host["name"]).snapshot() for host in self.hosts()}
        plain = {f"{HOST}{name}": json.loads(json.dumps(shot)) for name, shot in shots.items()}
        with self.open() as cluster:
            bought = {f"{CLOUD}{id}": dict(one) for id, one in cluster.data.get("cloud", {}).items()}
        return {**super().snapshot(), **plain, **bought}

    @staticmethod
    def remainder(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
        """What differs between two snapshots, one line each."""
        beside = [*host_differences(before, after), *_bought(before, after)]
        return [*World.remainder(_objects(before), _objects(after)), *beside]

    @staticmethod
    def unexpected(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
        """The lines that nobody announced; on a host nothing may stay."""
        beside = [*host_differences(before, after), *_bought(before, after)]
        return [*World.unexpected(_objects(before), _objects(after)), *beside]

    @staticmethod
    def unchanged(before: Shot, after: Shot) -> dict[str, int]:
        """Hosts that are exactly as they were, with how many things of each were compared."""
        has = _of_host(after)
        return {name: len(shot) for name, shot in _of_host(before).items() if has.get(name) == shot}


def _differing(before: Shot, after: Shot) -> Iterator[tuple[str, str]]:
    for part in sorted({*before, *after}):
        if part not in before or part not in after:
            yield part, "is new" if part not in before else "is gone"
        elif before[part] != after[part]:
            yield part, "differs"


def _keep_time(machine: Machine, speed: float) -> None:
    """Its time runs as fast as that of whoever watches now."""
    from lab.host.standins.box import Box

    box = Box(str(machine.folder))
    if box.state["speed"] != speed:
        with box.locked():
            box.state["speed"] = speed
            box.save()


def _place(host: Mapping[str, Any]) -> tuple[str, int]:
    return str(host["address"]), int(host["port"])


def _of_host(snapshot: Shot) -> dict[str, Any]:
    return {key.removeprefix(HOST): shot for key, shot in snapshot.items() if key.startswith(HOST)}


def _objects(snapshot: Shot) -> dict[str, Any]:
    return {key: value for key, value in snapshot.items() if not key.startswith((HOST, CLOUD))}


def _bought(before: Shot, after: Shot) -> Iterator[str]:
    """What goes on costing money."""
    of_cloud = [{key: one for key, one in shot.items() if key.startswith(CLOUD)} for shot in (before, after)]
    for part, what in _differing(*of_cloud):
        yield f"cloud: {part.removeprefix(CLOUD)} {what}"


def host_differences(before: Shot, after: Shot) -> Iterator[str]:
    """Each thing of each host that is not as it was: a line with its name."""
    had, has = _of_host(before), _of_host(after)
    for name in sorted({*had, *has}):
        for part, what in _differing(had.get(name, {}), has.get(name, {})):
            yield f"host {name}: {part} {what}"
