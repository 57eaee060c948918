"""Turns a switch of a running world: `nodes.gpu-1.taints`, `operator.fault`, `api`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.cluster.nodes import sync_nodes
from lab.cluster.spec import WorldError, meant, normal
from lab.cluster.store import Cluster


def switch(cluster: Cluster, path: str, value: Any) -> None:
    """Sets one value of the world's description and lets the cluster feel it; raises `WorldError`."""
    spec = cluster.data["spec"]
    keys = _find(spec, path)
    if keys is None:
        raise WorldError(f"there is no such switch{meant(path, list(paths(spec)))}")
    fresh = {**spec, "nodes": [dict(node) for node in spec["nodes"]]}
    for part in ("operator", "jobs"):
        fresh[part] = dict(spec[part])
    inside: Any = fresh
    for key in keys[:-1]:
        inside = inside[key]
    inside[keys[-1]] = value
    cluster.data["spec"] = normal(fresh)
    sync_nodes(cluster)
    cluster.changed = True


def paths(spec: dict[str, Any]) -> Iterator[str]:
    """Every switch that this world has."""
    for key, value in spec.items():
        if key == "nodes":
            for node in value:
                yield from (f"nodes.{node['name']}.{inner}" for inner in node if inner != "name")
        elif key in ("operator", "jobs"):
            yield from (f"{key}.{inner}" for inner in value)
        else:
            yield key


def _find(spec: dict[str, Any], path: str) -> list[Any] | None:
    if path not in paths(spec):
        return None
    if not path.startswith("nodes."):
        return list(path.split("."))
    name, _, key = path[len("nodes.") :].rpartition(".")
    numbers = [number for number, node in enumerate(spec["nodes"]) if node["name"] == name]
    return ["nodes", numbers[0], key]
