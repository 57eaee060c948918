"""The controllers of Deployments and DaemonSets."""

from __future__ import annotations

from lab.cluster.jobs import owner
from lab.cluster.kubelet import is_ready
from lab.cluster.scheduler import untolerated, wants
from lab.cluster.store import ApiError, Cluster, Object

_RETRY_SECONDS = 30.0
_EVERYWHERE = [
    {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": effect}
    for name, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    )
]
"""Tolerations that the DaemonSet controller adds to each of its pods."""


def run_workloads(cluster: Cluster) -> None:
    """Makes and removes pods of Deployments and DaemonSets, and counts them."""
    for deployment in cluster.list("Deployment"):
        _deployment(cluster, deployment)
    for daemon_set in cluster.list("DaemonSet"):
        _daemon_set(cluster, daemon_set)


def _deployment(cluster: Cluster, deployment: Object) -> None:
    found = next(cluster.owned(deployment["metadata"]["uid"], "ReplicaSet"), None)
    wanted = {"replicas": deployment["spec"].get("replicas", 1), "template": deployment["spec"]["template"]}
    if found and found["spec"]["template"] != wanted["template"]:
        cluster.remove(found)
        found = None
    replica_set = found or cluster.create(
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{deployment['metadata']['name']}-{cluster.suffix(10)}",
                "namespace": deployment["metadata"]["namespace"],
                "ownerReferences": [owner(deployment)],
            },
            "spec": {**wanted, "selector": deployment["spec"]["selector"]},
        }
    )
    cluster.private(replica_set).update(cluster.private(deployment))
    pods = list(cluster.owned(replica_set["metadata"]["uid"], "Pod"))
    if not pods:
        _make(cluster, replica_set, None)
    ready = sum(is_ready(pod) for pod in pods)
    _set_status(cluster, deployment, {"replicas": 1, "readyReplicas": ready, "availableReplicas": ready})


def _daemon_set(cluster: Cluster, daemon_set: Object) -> None:
    spec = {**daemon_set["spec"]["template"]["spec"]}
    spec["tolerations"] = [*spec.get("tolerations", ()), *_EVERYWHERE]
    nodes = {one["metadata"]["name"] for one in cluster.list("Node") if wants(spec, one) and not untolerated(spec, one)}
    pods = {_target(pod): pod for pod in cluster.owned(daemon_set["metadata"]["uid"], "Pod")}
    generation = str(daemon_set["metadata"]["generation"])
    for node, pod in list(pods.items()):
        if node not in nodes or pod["metadata"]["labels"]["pod-template-generation"] != generation:
            cluster.remove(pods.pop(node))
    for node in sorted(nodes - set(pods)):
        _make(cluster, daemon_set, node)
    ready = sum(is_ready(pod) for pod in pods.values())
    status = {
        "desiredNumberScheduled": len(nodes),
        "currentNumberScheduled": len(nodes & set(pods)),
        "updatedNumberScheduled": len(nodes & set(pods)),
        "numberReady": ready,
        "numberAvailable": ready,
        "numberUnavailable": len(nodes) - ready,
        "numberMisscheduled": 0,
        "observedGeneration": daemon_set["metadata"]["generation"],
    }
    _set_status(cluster, daemon_set, {key: value for key, value in status.items() if value or key not in _OMITTED})


_OMITTED = ("updatedNumberScheduled", "numberAvailable", "numberUnavailable")
"""Counts that the API leaves out when they are zero."""


def _target(pod: Object) -> str:
    affinity = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return str(affinity["nodeSelectorTerms"][0]["matchFields"][0]["values"][0])


def _set_status(cluster: Cluster, obj: Object, status: Object) -> None:
    if obj.get("status") != status:
        obj["status"] = status
        cluster.touch(obj)


def _make(cluster: Cluster, of: Object, node: str | None) -> None:
    notes = cluster.private(of)
    if cluster.now < notes.get("retry", cluster.now):
        cluster.wake(notes["retry"])
        return
    source = "daemonset-controller" if node else "replicaset-controller"
    try:
        pod = cluster.create(_pod(of, node))
    except ApiError as error:
        notes["retry"] = cluster.now + _RETRY_SECONDS
        cluster.wake(notes["retry"])
        cluster.event(of, "FailedCreate", f"Error creating: {error}", warning=True, source=source)
        return
    cluster.private(pod).update({key: notes[key] for key in ("operand", "slow") if key in notes})
    cluster.event(of, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}", source=source)


def _pod(of: Object, node: str | None) -> Object:
    template, meta = of["spec"]["template"], of["metadata"]
    labels = dict(template["metadata"].get("labels", {}))
    spec = dict(template["spec"])
    if node:
        labels["pod-template-generation"] = str(meta["generation"])
        field = {"key": "metadata.name", "operator": "In", "values": [node]}
        required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
        spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
        spec["tolerations"] = [*spec.get("tolerations", ()), *_EVERYWHERE]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "labels": labels,
            "ownerReferences": [owner(of)],
        },
        "spec": spec,
    }
