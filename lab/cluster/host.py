"""What is true on a simulated node below Kubernetes: its cards, driver and runtime handlers."""

from __future__ import annotations

from lab.cluster.store import Cluster, Object

DRIVER = "gpu.nvidia.com"
"""NVIDIA's DRA driver, as claims and slices call it."""
HANDED_OUT = ("nvidia.com/gpu", "nvidia.com/mig-")
DRIVER_PODS = "dra-driver-nvidia-gpu"
_OF_COS = "580.126.20"
_NVIDIA_HANDLERS = ("nvidia", "nvidia-cdi", "nvidia-legacy")


def declared(cluster: Cluster, node: str) -> Object:
    """The node as the world declares it; empty for a node that is not of this world."""
    return next((one for one in cluster.spec["nodes"] if one["name"] == node), {})


def containers(pod: Object) -> list[Object]:
    """All containers of a pod, in the order in which they start."""
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]


def is_of_job(pod: Object) -> bool:
    """Whether a Job made this pod."""
    return any(owner["kind"] == "Job" for owner in pod["metadata"].get("ownerReferences", ()))


def fault_of(cluster: Cluster, pod: Object) -> str:
    """The fault that hits this pod of a Job, or `none`."""
    jobs = cluster.spec["jobs"]
    hit = is_of_job(pod) and (not jobs["nodes"] or pod["spec"].get("nodeName") in jobs["nodes"])
    return str(jobs["fault"]) if hit else "none"


def operand(cluster: Cluster, node: str, name: str) -> Object | None:
    """The pod of an operand on this node."""
    for pod in cluster.list("Pod"):
        if pod["spec"].get("nodeName") == node and cluster.private(pod).get("operand") == name:
            return pod
    return None


def runs(cluster: Cluster, node: str, name: str) -> bool:
    """Whether all containers of an operand's pod on this node are ready."""
    pod = operand(cluster, node, name)
    return pod is not None and all(one["ready"] for one in pod["status"].get("containerStatuses", [{"ready": False}]))


def finished(cluster: Cluster, node: str, name: str, container: str) -> bool:
    """Whether an init container of an operand's pod on this node has succeeded."""
    pod = operand(cluster, node, name)
    note = cluster.private(pod).get("containers", {}).get(container, {}) if pod else {}
    return note.get("state") == "done" and note.get("code") == 0


def driver(cluster: Cluster, node: str) -> str | None:
    """Version of the driver that runs on this node: the host's own or the operator's."""
    own = declared(cluster, node).get("driver") or _installed_by_google(cluster, node)
    if own or not runs(cluster, node, "nvidia-driver-daemonset"):
        return str(own) if own else None
    pod = operand(cluster, node, "nvidia-driver-daemonset")
    return str(pod["spec"]["containers"][0]["image"].rpartition(":")[2]) if pod else None


def _installed_by_google(cluster: Cluster, node: str) -> str | None:
    """What Google's installer put on a COS node, once its container has ended there."""
    for pod in cluster.list("Pod"):
        init = next(iter(pod["spec"].get("initContainers", ())), {"image": "", "name": ""})
        if pod["spec"].get("nodeName") == node and init["image"].startswith("cos-nvidia-installer"):
            note = cluster.private(pod).get("containers", {}).get(init["name"], {})
            return _OF_COS if note.get("state") == "done" and note.get("code") == 0 else None
    return None


def has_handler(cluster: Cluster, node: str, handler: str) -> bool:
    """Whether the container runtime of this node knows the handler."""
    if handler not in _NVIDIA_HANDLERS or cluster.spec["operator"]["fault"] == "stuck":
        return False
    if declared(cluster, node).get("toolkit"):
        return handler == "nvidia"
    return runs(cluster, node, "nvidia-container-toolkit-daemonset")


def handler_of(cluster: Cluster, pod: Object) -> str:
    """The runtime handler that a pod asks for by its RuntimeClass; empty for the default one, if that is runc."""
    wanted = pod["spec"].get("runtimeClassName")
    found = cluster.get("RuntimeClass", wanted) if wanted else None
    usual = "nvidia" if declared(cluster, pod["spec"].get("nodeName", "")).get("default_runtime") else ""
    return str(found["handler"]) if found else usual


def under_nvidia(cluster: Cluster, pod: Object) -> bool:
    """Whether the pod's containers are started by NVIDIA's runtime."""
    handler = handler_of(cluster, pod)
    return handler in _NVIDIA_HANDLERS and has_handler(cluster, pod["spec"]["nodeName"], handler)


def asked_cards(container: Object) -> int:
    """How many cards or slices a container asks for."""
    limits = (container.get("resources") or {}).get("limits") or {}
    return sum(int(amount) for key, amount in limits.items() if key.startswith(HANDED_OUT))


def claimed_cards(cluster: Cluster, pod: Object, container: Object) -> int:
    """How many cards a container gets by claims of its pod, where the DRA driver is there to bring them."""
    wished = {one["name"] for one in (container.get("resources") or {}).get("claims") or ()}
    if not wished or not runs(cluster, pod["spec"]["nodeName"], DRIVER_PODS):
        return 0
    named = {
        one["resourceClaimName"] for one in pod["status"].get("resourceClaimStatuses", ()) if one["name"] in wished
    }
    claims = [cluster.get("ResourceClaim", name, pod["metadata"]["namespace"]) or {} for name in named]
    given = [one.get("status", {}).get("allocation", {}).get("devices", {}).get("results", []) for one in claims]
    return sum(one["driver"] == DRIVER for results in given for one in results)


def cards_of(cluster: Cluster, pod: Object, container: Object) -> int:
    """How many cards a container has, by limits or by claims."""
    return asked_cards(container) or claimed_cards(cluster, pod, container)


def injects(cluster: Cluster, pod: Object, container: Object) -> bool:
    """Whether cards and driver libraries get into this container."""
    node = pod["spec"]["nodeName"]
    if claimed_cards(cluster, pod, container):
        return bool(declared(cluster, node).get("cdi", True))
    if not asked_cards(container) or not has_handler(cluster, node, "nvidia"):
        return False
    if operand(cluster, node, "nvidia-device-plugin"):  # alone it names cards in a variable, which that runtime reads
        return under_nvidia(cluster, pod)
    return handler_of(cluster, pod) != "" or bool(declared(cluster, node).get("cdi", True))
