"""The operator's upgrade controller: it replaces driver pods of an older template, one node at a time."""

from __future__ import annotations

from lab.cluster.kubelet import is_ready
from lab.cluster.operand_programs import DRIVER
from lab.cluster.store import Cluster, Object
from lab.cluster.workloads import is_current

STATE = "nvidia.com/gpu-driver-upgrade-state"
WAITS, AT_WORK, DONE = "upgrade-required", "pod-restart-required", "upgrade-done"


def upgrade_drivers(cluster: Cluster, policy: Object, namespace: str) -> None:
    """Cordons a node, replaces its driver pod, and opens the node again. GPU pods that run there are left alone."""
    daemon_set = cluster.get("DaemonSet", DRIVER, namespace)
    automatic = policy["spec"]["driver"].get("upgradePolicy", {}).get("autoUpgrade")
    if daemon_set is None or not automatic:
        return
    pods = {pod["spec"]["nodeName"]: pod for pod in _placed(cluster, daemon_set)}
    for node in cluster.list("Node"):
        pod = pods.get(node["metadata"]["name"])
        if _state(node) == AT_WORK and pod and is_current(daemon_set, pod) and is_ready(pod):
            _set(cluster, node, DONE, cordoned=False)
    older = sorted(name for name, pod in pods.items() if not is_current(daemon_set, pod))
    for name in older:
        _mark(cluster, name)
    busy = any(_state(node) == AT_WORK for node in cluster.list("Node"))
    chosen = cluster.get("Node", older[0]) if older and not busy else None
    if chosen:
        _set(cluster, chosen, AT_WORK, cordoned=True)
        cluster.remove(pods[older[0]])


def _placed(cluster: Cluster, daemon_set: Object) -> list[Object]:
    return [pod for pod in cluster.owned(daemon_set["metadata"]["uid"], "Pod") if pod["spec"].get("nodeName")]


def _state(node: Object) -> str:
    return str(node["metadata"].get("labels", {}).get(STATE, ""))


def _mark(cluster: Cluster, name: str) -> None:
    node = cluster.get("Node", name)
    if node and _state(node) not in (WAITS, AT_WORK):
        _set(cluster, node, WAITS, cordoned=False)


def _set(cluster: Cluster, node: Object, state: str, *, cordoned: bool) -> None:
    node["metadata"].setdefault("labels", {})[STATE] = state
    node["spec"].pop("unschedulable", None)
    if cordoned:
        node["spec"]["unschedulable"] = True
    cluster.touch(node)
