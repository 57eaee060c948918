"""What kubectl's cordon, uncordon, drain and label do, and what a PodDisruptionBudget has against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.cluster.kubelet import is_ready
from lab.cluster.scheduler import _holds
from lab.cluster.store import Cluster, Object

if TYPE_CHECKING:
    from lab.cluster.world import World

RETRY_SECONDS = 5.0
_WOULD_VIOLATE = "Cannot evict pod as it would violate the pod's disruption budget."
_OVER = ("Succeeded", "Failed")


def count_budgets(cluster: Cluster) -> None:
    """The controller of PodDisruptionBudgets: how many pods may go now."""
    for budget in cluster.list("PodDisruptionBudget"):
        pods = [pod for pod in cluster.list("Pod", budget["metadata"]["namespace"]) if covers(budget, pod)]
        healthy = sum(is_ready(pod) for pod in pods)
        least = budget["spec"].get("minAvailable", len(pods) - int(budget["spec"].get("maxUnavailable", 0)))
        status = {"currentHealthy": healthy, "desiredHealthy": least, "disruptionsAllowed": max(0, healthy - least)}
        if budget.get("status") != status:
            budget["status"] = status
            cluster.touch(budget)


def covers(budget: Object, pod: Object) -> bool:
    """Whether the budget's selector takes the pod."""
    labels, selector = pod["metadata"].get("labels", {}), budget["spec"].get("selector", {})
    plain = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return plain and all(_holds(one, labels) for one in selector.get("matchExpressions", ()))


def cordon(cluster: Cluster, node: Object, closed: bool) -> str:
    """Closes a node for new pods, or opens it."""
    name, was = node["metadata"]["name"], bool(node["spec"].get("unschedulable"))
    node["spec"].pop("unschedulable", None)
    node["spec"].update({"unschedulable": True} if closed else {})
    if was is not closed:
        cluster.touch(node)
    return f"node/{name} {'already ' if was is closed else ''}{'cordoned' if closed else 'uncordoned'}"


def label(cluster: Cluster, obj: Object, words: list[str], overwrite: bool) -> str:
    """Sets `key=value`, removes `key-`; an error text where another value is there already."""
    found = dict(obj["metadata"].get("labels", {}))
    for word in words:
        key, is_set, value = word.partition("=")
        if not is_set:
            found.pop(key.removesuffix("-"), None)
        elif found.get(key, value) != value and not overwrite:
            return f"error: '{key}' already has a value ({found[key]}), and --overwrite is false"
        else:
            found[key] = value
    if found != obj["metadata"].get("labels", {}):
        obj["metadata"]["labels"] = found
        cluster.touch(obj)
    return ""


def table(cluster: Cluster) -> str:
    """The budgets for people, without a head."""
    count_budgets(cluster)
    return "\n".join("   ".join(_row(one)) for one in cluster.list("PodDisruptionBudget"))


def _row(budget: Object) -> list[str]:
    limits = [str(budget["spec"].get(key, "N/A")) for key in ("minAvailable", "maxUnavailable")]
    meta = budget["metadata"]
    return [meta["namespace"], meta["name"], *limits, str(budget["status"]["disruptionsAllowed"]), "60s"]


def unfit(cluster: Cluster, node: str, *, ignores_daemon_sets: bool, empty_dir: bool, force: bool) -> list[str]:
    """What kubectl refuses before it sends any pod away."""
    found: dict[str, list[str]] = {}
    for pod in _pods(cluster, node):
        by, over = _controller(pod), pod["status"]["phase"] in _OVER
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        if by == "DaemonSet":
            if not ignores_daemon_sets:
                found.setdefault("DaemonSet-managed Pods (use --ignore-daemonsets to ignore)", []).append(name)
            continue
        if any("emptyDir" in one for one in pod["spec"].get("volumes", ())) and not (empty_dir or over):
            found.setdefault("Pods with local storage (use --delete-emptydir-data to override)", []).append(name)
        if not by and not (force or over):
            found.setdefault("cannot delete Pods that declare no controller (use --force to override)", []).append(name)
    return [f"cannot delete {what}: {', '.join(names)}" for what, names in found.items()]


def empty(world: World, node: str, seconds: float) -> tuple[list[str], list[str]]:
    """Evicts until nobody is left or the time is over: what is said on the way, and what is wrong in the end."""
    said: list[str] = []
    end = world.clock.now() + seconds
    while True:
        with world.open() as cluster:
            held = [pod["metadata"] for pod in _movable(cluster, node) if not _evicted(cluster, pod)]
        names = [f'error when evicting pods/"{one["name"]}" -n "{one["namespace"]}"' for one in held]
        if not held or (seconds and world.clock.now() >= end):
            return said, [f"{one}: global timeout reached: {int(seconds)}s" for one in names]
        said += [f"{one} (will retry after 5s): {_WOULD_VIOLATE}" for one in names]
        world.clock.sleep(RETRY_SECONDS)


def _evicted(cluster: Cluster, pod: Object) -> bool:
    """The eviction API: each budget has to allow it."""
    budgets = [one for one in cluster.list("PodDisruptionBudget", pod["metadata"]["namespace"]) if covers(one, pod)]
    count_budgets(cluster)
    if is_ready(pod) and any(not one["status"]["disruptionsAllowed"] for one in budgets):
        return False
    cluster.remove(pod)
    count_budgets(cluster)
    return True


def _movable(cluster: Cluster, node: str) -> list[Object]:
    return [pod for pod in _pods(cluster, node) if _controller(pod) != "DaemonSet"]


def _pods(cluster: Cluster, node: str) -> list[Object]:
    return [pod for pod in cluster.list("Pod") if pod["spec"].get("nodeName") == node]


def _controller(pod: Object) -> str:
    return next((str(one["kind"]) for one in pod["metadata"].get("ownerReferences", ())), "")
