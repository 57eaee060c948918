"""Node objects from the world's description, and what changes on them when the description changes."""

from __future__ import annotations

from lab.cluster.clock import stamp
from lab.cluster.store import Cluster, Object

_GONE = [{"key": "node.kubernetes.io/unreachable", "effect": effect} for effect in ("NoSchedule", "NoExecute")]
_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")


def sync_nodes(cluster: Cluster) -> None:
    """Brings the Node objects, and the pods that keep cards busy, to what the description says."""
    for declared in cluster.spec["nodes"]:
        node = cluster.get("Node", declared["name"])
        if not declared["present"]:
            _take_away(cluster, declared["name"])
        else:
            _update(cluster, node or cluster.create(_node(cluster, declared)), declared)
            _keep_busy(cluster, declared)
    names = {declared["name"] for declared in cluster.spec["nodes"]}
    for node in cluster.list("Node"):
        if node["metadata"]["name"] not in names:
            _take_away(cluster, node["metadata"]["name"])


def prototype(cluster: Cluster, declared: Object) -> Object:
    """What a node of this description looks like to a scheduler; nothing is made."""
    node = _node(cluster, declared)
    node["metadata"]["labels"].update(declared["labels"])
    node["spec"] = {"taints": declared["taints"]}
    return node


def _take_away(cluster: Cluster, name: str) -> None:
    node = cluster.get("Node", name)
    for pod in cluster.list("Pod"):
        if node and pod["spec"].get("nodeName") == name:
            cluster.remove(pod)
    if node:
        cluster.remove(node)
        cluster.data["discovered"].pop(name, None)


def _update(cluster: Cluster, node: Object, declared: Object) -> None:
    notes = cluster.private(node)
    labels = node["metadata"]["labels"]
    for key in notes.get("declared", ()):
        if key not in declared["labels"]:
            labels.pop(key, None)
    labels.update(declared["labels"])
    notes["declared"] = list(declared["labels"])
    ready = declared["ready"] and declared["alive"]
    taints = [*declared["taints"], *([] if ready else _GONE)]
    node["spec"].pop("taints", None)
    node["spec"].update({"taints": taints} if taints else {})
    for amounts in (node["status"]["capacity"], node["status"]["allocatable"]):
        amounts.update(cpu=str(declared["cpus"]), memory=declared["memory"])
    node["status"]["nodeInfo"]["kernelVersion"] = declared["kernel"]
    conditions = _conditions(cluster, ready)
    if [one["status"] for one in conditions] != [one["status"] for one in node["status"].get("conditions", ())]:
        node["status"]["conditions"] = conditions
    node["status"]["nodeInfo"].update(declared["node_info"])
    node["status"].pop("runtimeHandlers", None)
    if declared["runtime_handlers"]:
        node["status"]["runtimeHandlers"] = declared["runtime_handlers"]
    cluster.touch(node)


def _conditions(cluster: Cluster, ready: bool) -> list[Object]:
    when = stamp(cluster.now)
    usual = [
        (name, "False", f"KubeletHas{'Sufficient' if name != 'DiskPressure' else 'No'}{name}") for name in _PRESSURES
    ]
    told = ("True", "KubeletReady", "kubelet is posting ready status")
    silent = ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
    status, reason, message = told if ready else silent
    found = [
        {
            "type": name,
            "status": holds if ready else "Unknown",
            "reason": why,
            "message": "",
            "lastTransitionTime": when,
        }
        for name, holds, why in usual
    ]
    return [
        *found,
        {"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": when},
    ]


def _node(cluster: Cluster, declared: Object) -> Object:
    name = declared["name"]
    amounts = {"cpu": str(declared["cpus"]), "ephemeral-storage": "100Gi", "memory": declared["memory"], "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "beta.kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
            },
        },
        "spec": {},
        "status": {
            "capacity": dict(amounts),
            "allocatable": dict(amounts),
            "conditions": [],
            "addresses": [{"type": "Hostname", "address": name}],
            "nodeInfo": {
                "architecture": "amd64",
                "containerRuntimeVersion": "containerd://2.1.4",
                "kernelVersion": declared["kernel"],
                "kubeletVersion": server_version(cluster),
                "operatingSystem": "linux",
                "osImage": "Ubuntu 24.04.3 LTS",
            },
        },
    }


def server_version(cluster: Cluster) -> str:
    """What the API server calls itself."""
    major, minor = cluster.version
    return f"v{major}.{minor}.4"


def _keep_busy(cluster: Cluster, declared: Object) -> None:
    name = f"busy-on-{declared['name'].replace('.', '-')}"
    pod = cluster.get("Pod", name, "default")
    if pod and pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] != str(declared["busy"]):
        cluster.remove(pod)
        pod = None
    if declared["busy"] and pod is None:
        limits = {"nvidia.com/gpu": str(declared["busy"])}
        container = {"name": "training", "image": "registry.example.com/training:1", "resources": {"limits": limits}}
        spec = {"nodeName": declared["name"], "containers": [container]}
        meta = {"name": name, "namespace": "default"}
        cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
