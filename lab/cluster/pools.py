"""Pools of nodes that a cloud makes on demand: what their nodes are born with, and the autoscaler."""

from __future__ import annotations

from typing import NamedTuple

from lab.cluster.nodes import prototype, sync_nodes
from lab.cluster.scheduler import quantity, requests, untolerated, wants
from lab.cluster.spec import normal_node
from lab.cluster.store import Cluster, Object

AUTOSCALER = "cluster-autoscaler"
_FAILS = {
    "stockout": "{group} out of resources",
    "quota": "{group} quota exceeded",
}
"""Why no machine comes, as the autoscaler puts it."""
_AGAIN_SECONDS = 60.0


class Pool(NamedTuple):
    """What a cloud's backend declares; kept as plain values."""

    name: str
    node: Object
    """A node of it, as a world describes nodes: labels, taints, card, driver."""
    least: int
    most: int
    cloud: str
    """Whose machines: the word in the autoscaler's messages."""


def declare(cluster: Cluster, pool: Pool) -> None:
    """A pool that is new, or was changed; its nodes follow."""
    known = _pools(cluster).get(pool.name, {"count": 0, "coming": []})
    _pools(cluster)[pool.name] = {**known, **pool._asdict()}
    _follow(cluster, pool.name)
    cluster.changed = True


def take_away(cluster: Cluster, name: str) -> None:
    """A pool with all of its nodes."""
    _pools(cluster).pop(name, None)
    spec = cluster.data["spec"]
    spec["nodes"] = [one for one in spec["nodes"] if one["pool"] != name]
    sync_nodes(cluster)
    cluster.changed = True


def nodes_of(cluster: Cluster, name: str) -> list[Object]:
    """The nodes of a pool as the world describes them."""
    return [one for one in cluster.spec["nodes"] if one["pool"] == name]


def scale(cluster: Cluster) -> None:
    """One round of the autoscaler: machines that are due join, pods that fit nowhere ask for one."""
    for name in list(_pools(cluster)):
        _take_back(cluster, name)
        _join(cluster, name)
    for pod in cluster.list("Pod"):
        if _is_stuck(pod) and cluster.now >= cluster.private(pod).get("scaled", 0.0):
            _ask(cluster, pod)


def _pools(cluster: Cluster) -> dict[str, Object]:
    return cluster.data.setdefault("pools", {})  # type: ignore[no-any-return]


def _follow(cluster: Cluster, name: str) -> None:
    """Brings the nodes that are there to what the pool says now, and to its smallest number."""
    pool = _pools(cluster)[name]
    spec = cluster.data["spec"]
    spec["nodes"] = [normal_node({**one, **pool["node"]}) if one["pool"] == name else one for one in spec["nodes"]]
    while pool["count"] < pool["least"]:
        _come(cluster, pool)
    while pool["count"] > pool["most"] and (there := nodes_of(cluster, name)):
        spec["nodes"] = [one for one in spec["nodes"] if one["name"] != there[-1]["name"]]
        pool["count"] -= 1
    sync_nodes(cluster)


def _come(cluster: Cluster, pool: Object) -> None:
    pool["count"] += 1
    due = cluster.now + float(cluster.spec["cloud"]["node_seconds"])
    pool["coming"].append([due, f"{pool['name']}-{cluster.suffix(8)}-{cluster.suffix(4)}"])
    cluster.wake(due)


def _join(cluster: Cluster, name: str) -> None:
    pool = _pools(cluster)[name]
    due = [one for one in pool["coming"] if one[0] <= cluster.now]
    pool["coming"] = [one for one in pool["coming"] if one[0] > cluster.now]
    for moment, _node in pool["coming"]:
        cluster.wake(moment)
    for _moment, node in due:
        ill = cluster.spec["cloud"]["fault"]
        born = {**pool["node"], "name": node, "pool": name, "ready": ill != "not-ready"}
        born |= {"driver": None, "device_plugin": False} if ill == "no-driver" else {}
        cluster.data["spec"]["nodes"].append(normal_node(born))
    if due:
        spec = cluster.data["spec"]
        spec["nodes"] = [one for one in spec["nodes"] if one["pool"] != name or one["alive"]]
        sync_nodes(cluster)


def _take_back(cluster: Cluster, name: str) -> None:
    """A spot machine that the cloud wants again, once, while the proof is on it; another one is on its way at once."""
    pool = _pools(cluster)[name]
    if cluster.spec["cloud"]["fault"] != "interrupted" or pool.get("interrupted"):
        return
    names = [one["name"] for one in nodes_of(cluster, name)]
    for pod in cluster.list("Pod"):
        is_proof = "gpu-ready/check" in pod["metadata"].get("labels", {})
        if is_proof and pod["spec"].get("nodeName") in names and pod["status"].get("phase") == "Running":
            _end(cluster, pod)
            gone = next(one for one in nodes_of(cluster, name) if one["name"] == pod["spec"]["nodeName"])
            gone["alive"] = False
            pool.update(interrupted=True, count=pool["count"] - 1)
            _come(cluster, pool)
            sync_nodes(cluster)
            return


def _end(cluster: Cluster, pod: Object) -> None:
    """A kubelet that shuts down ends its pods."""
    text = "Pod was terminated in response to imminent node shutdown."
    told = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": text}
    conditions = [*pod["status"].get("conditions", ()), told]
    pod["status"].update(phase="Failed", reason="Terminated", message=text, conditions=conditions)
    cluster.touch(pod)


def _is_stuck(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return not pod["spec"].get("nodeName") and any(one.get("reason") == "Unschedulable" for one in conditions)


def _ask(cluster: Cluster, pod: Object) -> None:
    """A machine for this pod from the first pool whose nodes would take it."""
    fits = [one for one in _pools(cluster).values() if _would_take(cluster, pod, one)]
    room = [one for one in fits if one["count"] < one["most"]]
    fault = cluster.spec["cloud"]["fault"]
    cluster.private(pod)["scaled"] = cluster.now + _AGAIN_SECONDS
    cluster.wake(cluster.now + _AGAIN_SECONDS)
    if room and fault in _FAILS:
        why = _FAILS[fault].format(group=room[0]["cloud"])
        text = f"Node scale up for pool {room[0]['name']} failed: {why}. Pod is at risk of not being scheduled."
        cluster.event(pod, "FailedScaleUp", text, warning=True, source=AUTOSCALER)
    elif room:
        cluster.private(pod)["scaled"] = cluster.now + 10 * _AGAIN_SECONDS
        text = f"pod triggered scale-up: [{{{room[0]['name']} {room[0]['count']}->{room[0]['count'] + 1} (max: "
        cluster.event(pod, "TriggeredScaleUp", f"{text}{room[0]['most']})}}]", source=AUTOSCALER)
        _come(cluster, room[0])
    elif _pools(cluster):
        why = "max node group size reached" if fits else "it wouldn't fit if a new node is added"
        cluster.event(pod, "NotTriggerScaleUp", f"pod didn't trigger scale-up: 1 {why}", source=AUTOSCALER)


def _would_take(cluster: Cluster, pod: Object, pool: Object) -> bool:
    declared = normal_node({**pool["node"], "name": "new"})
    node = prototype(cluster, declared)
    cards = requests(pod["spec"]).get("nvidia.com/gpu", 0.0)
    room = quantity(declared["gpus"]) >= cards
    return room and wants(pod["spec"], node) and untolerated(pod["spec"], node) is None
