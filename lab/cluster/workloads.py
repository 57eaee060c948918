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
    """The pod of an older template stays until the new one is ready."""
    sets = list(cluster.owned(deployment["metadata"]["uid"], "ReplicaSet"))
    template = deployment["spec"]["template"]
    current = next((one for one in sets if one["spec"]["template"] == template), None)
    current = current or _replica_set(cluster, deployment)
    cluster.private(current).update(cluster.private(deployment))
    pods = list(cluster.owned(current["metadata"]["uid"], "Pod"))
    for _ in range(deployment["spec"].get("replicas", 1) - len(pods)):
        _make(cluster, current, None)
    older = [one for one in sets if one is not current]
    if any(is_ready(pod) for pod in pods):
        for one in older:
            cluster.remove(one)
        older = []
    every = [*pods, *(pod for one in older for pod in cluster.owned(one["metadata"]["uid"], "Pod"))]
    ready = sum(is_ready(pod) for pod in every)
    counts = {
        "replicas": len(every),
        "updatedReplicas": len(pods),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": len(every) - ready,
    }
    observed = {"observedGeneration": deployment["metadata"]["generation"]}
    _set_status(cluster, deployment, {**observed, **{key: value for key, value in counts.items() if value}})


def _replica_set(cluster: Cluster, deployment: Object) -> Object:
    meta, spec = deployment["metadata"], deployment["spec"]
    wanted = {"replicas": spec.get("replicas", 1), "template": spec["template"], "selector": spec["selector"]}
    return cluster.create(
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{meta['name']}-{cluster.suffix(10)}",
                "namespace": meta["namespace"],
                "ownerReferences": [owner(deployment)],
            },
            "spec": wanted,
        }
    )


def _daemon_set(cluster: Cluster, daemon_set: Object) -> None:
    spec = {**daemon_set["spec"]["template"]["spec"]}
    spec["tolerations"] = [*spec.get("tolerations", ()), *_EVERYWHERE]
    nodes = {one["metadata"]["name"] for one in cluster.list("Node") if wants(spec, one) and not untolerated(spec, one)}
    pods = {_target(pod): pod for pod in cluster.owned(daemon_set["metadata"]["uid"], "Pod")}
    for node in [*(set(pods) - nodes), *_replaced_now(daemon_set, nodes, pods)]:
        cluster.remove(pods.pop(node))
    for node in sorted(nodes - set(pods)):
        _make(cluster, daemon_set, node)
    ready = sum(is_ready(pod) for pod in pods.values())
    status = {
        "desiredNumberScheduled": len(nodes),
        "currentNumberScheduled": len(nodes & set(pods)),
        "updatedNumberScheduled": sum(is_current(daemon_set, pod) for pod in pods.values()),
        "numberReady": ready,
        "numberAvailable": ready,
        "numberUnavailable": len(nodes) - ready,
        "numberMisscheduled": 0,
        "observedGeneration": daemon_set["metadata"]["generation"],
    }
    _set_status(cluster, daemon_set, {key: value for key, value in status.items() if value or key not in _OMITTED})


def is_current(daemon_set: Object, pod: Object) -> bool:
    """Whether a pod is of the DaemonSet's newest template."""
    return str(pod["metadata"]["labels"]["pod-template-generation"]) == str(daemon_set["metadata"]["generation"])


def _replaced_now(daemon_set: Object, nodes: set[str], pods: dict[str, Object]) -> list[str]:
    """Nodes whose older pod goes at this moment: all that do not run, and of those that run one by one."""
    if daemon_set["spec"].get("updateStrategy", {}).get("type") == "OnDelete":
        return []
    older = sorted(node for node in nodes & set(pods) if not is_current(daemon_set, pods[node]))
    down = [node for node in older if not is_ready(pods[node])]
    all_up = all(node in pods and is_ready(pods[node]) for node in nodes)
    return down or (older[:1] if all_up else [])


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
