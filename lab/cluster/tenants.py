"""What other people run in the cluster: pods that a drain has to send away, and what they have against it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.cluster.store import Cluster, Object

NAMESPACE = "default"
OWNERS = ("Deployment", "DaemonSet", "none")
WORKLOAD: dict[str, Any] = {
    "name": "",
    "node": "",
    "owner": "Deployment",
    "replicas": 1,
    "least": 0,
    "scratch": False,
}
"""How a world describes one: `owner: none` is a bare pod, `least` a PodDisruptionBudget, `scratch` an emptyDir; with a
`node` it runs there and nowhere else."""


def normal_workload(wanted: Object) -> Object:
    """One with all defaults filled in."""
    return {**WORKLOAD, **wanted}


def workload_faults(given: Any) -> Iterator[str]:
    """What is wrong beside words that nobody knows."""
    if not isinstance(given, dict) or not given.get("name"):
        yield "a map such as {name: web, node: gpu-1} belongs here"
    elif given.get("owner", OWNERS[0]) not in OWNERS:
        yield f"owner: {given['owner']!r} is not one of {', '.join(OWNERS)}"


def act(cluster: Cluster, before: list[Object], wanted: list[Object]) -> None:
    """Takes what is not wanted any more and brings what is new; what is wanted otherwise is made anew."""
    for one in (one for one in before if one not in wanted):
        for obj in _objects(one):
            found = cluster.get(obj["kind"], one["name"], NAMESPACE)
            if found:
                cluster.remove(found)
    for one in (one for one in wanted if one not in before):
        for obj in _objects(one):
            cluster.create(obj)


def _objects(one: Object) -> Iterator[Object]:
    labels = {"app": one["name"]}
    meta = {"name": one["name"], "namespace": NAMESPACE, "labels": labels}
    if one["owner"] == "none":
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": _pod(one)}
    else:
        spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": _pod(one)}}
        more = {"replicas": one["replicas"]} if one["owner"] == "Deployment" else {}
        yield {"apiVersion": "apps/v1", "kind": one["owner"], "metadata": meta, "spec": {**spec, **more}}
    if one["least"]:
        limit = {"minAvailable": one["least"], "selector": {"matchLabels": labels}}
        yield {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": limit}


def _pod(one: Object) -> Object:
    """A web server that needs no card."""
    return {
        "containers": [{"name": one["name"], "image": f"registry.example.com/{one['name']}:1"}],
        **({"nodeSelector": {"kubernetes.io/hostname": one["node"]}} if one["node"] else {}),
        **({"volumes": [{"name": "scratch", "emptyDir": {}}]} if one["scratch"] else {}),
    }
