"""Turns a switch of a running world: `nodes.gpu-1.taints`, `operator.fault`, `api`."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

from lab.cluster import others
from lab.cluster.host_spec import SWITCHES
from lab.cluster.nodes import sync_nodes
from lab.cluster.spec import PARTS_OF_IT, WorldError, meant, normal
from lab.cluster.store import Cluster

_LISTS = ("nodes", "hosts")
_OF_A_CLOUD = ("fault", "login", "node_seconds")
_OF_THE_HOST = ("card", "gpus", "driver", "toolkit", "kernel", "host", "alive", "node_info", "runtime_handlers")


class Turned(NamedTuple):
    """A switch that is not as it was at the world's beginning."""

    path: str
    value: Any
    beginning: Any


def switch(cluster: Cluster, path: str, value: Any) -> None:
    """Sets one value of the world's description and lets the cluster feel it; raises `WorldError`."""
    before = cluster.data["spec"]
    keys = _find(before, path)
    if keys is None:
        raise WorldError(f"there is no such switch{_meant(before, path)}")
    try:
        cluster.data["spec"] = normal(_changed(before, keys, value))
    except WorldError as error:
        lines = (line.removeprefix(f"{_place(keys)}: ") for line in str(error).splitlines())
        raise WorldError("\n".join(lines)) from None
    sync_nodes(cluster)
    others.act(cluster, before)
    _remember(cluster, path, _at(before, keys))
    cluster.changed = True


def turned(cluster: Cluster) -> list[Turned]:
    """The switches that differ from the world's beginning."""
    found = cluster.data.get("turned", {}).items()
    now = [(path, _find(cluster.spec, path), beginning) for path, beginning in found]
    return [Turned(path, _at(cluster.spec, keys), beginning) for path, keys, beginning in now if keys]


def _remember(cluster: Cluster, path: str, before: Any) -> None:
    """How it was before it was turned for the first time; nothing once it is so again."""
    known = cluster.data.setdefault("turned", {})
    if known.setdefault(path, before) == _at(cluster.spec, _find(cluster.spec, path) or []):
        del known[path]


def _at(spec: Any, keys: list[Any]) -> Any:
    return functools.reduce(lambda inside, key: inside[key], keys, spec)


def _changed(spec: dict[str, Any], keys: list[Any], value: Any) -> dict[str, Any]:
    fresh = {**spec, "nodes": [dict(node) for node in spec["nodes"]]}
    for part in PARTS_OF_IT:
        fresh[part] = dict(spec.get(part, {}))  # worlds of before know no cloud
    fresh["hosts"] = [dict(host) for host in spec["hosts"]]
    _refuse_what_a_host_decides(fresh, keys)
    inside: Any = fresh
    for key in keys[:-1]:
        inside = inside[key]
    inside[keys[-1]] = value
    return fresh


def _place(keys: list[Any]) -> str:
    """How a description's faults call this place; whoever turned the switch knows it by its own name."""
    return f"{keys[0]}[{keys[1]}].{keys[2]}" if keys[0] in _LISTS else ".".join(keys)


def _meant(spec: dict[str, Any], path: str) -> str:
    if path.startswith("cloud.") and not spec["cloud"]["name"]:
        return ": this world has no cloud"
    return meant(path, list(paths(spec)))


def paths(spec: dict[str, Any]) -> Iterator[str]:
    """Every switch that this world has."""
    for key, value in spec.items():
        if key in _LISTS:
            for one in value:
                inner = SWITCHES if key == "hosts" else [word for word in one if word != "name"]
                yield from (f"{key}.{one['name']}.{word}" for word in inner)
        elif key == "cloud":
            yield from (f"cloud.{inner}" for inner in _OF_A_CLOUD if value["name"])
        elif key in PARTS_OF_IT:
            yield from (f"{key}.{inner}" for inner in value)
        else:
            yield key


def _find(spec: dict[str, Any], path: str) -> list[Any] | None:
    if path not in paths(spec):
        return None
    listed, _, rest = path.partition(".")
    if listed not in _LISTS:
        return list(path.split("."))
    name, _, key = rest.rpartition(".")
    numbers = [number for number, one in enumerate(spec[listed]) if one["name"] == name]
    return [listed, numbers[0], key]


def _refuse_what_a_host_decides(spec: dict[str, Any], keys: list[Any]) -> None:
    node = spec["nodes"][keys[1]] if keys[0] == "nodes" and len(keys) > 1 else {}
    if node.get("host") and keys[-1] in _OF_THE_HOST:
        raise WorldError(f"the node is host {node['host']}: {keys[-1]} is what that machine has")
