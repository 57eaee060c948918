"""What the look asks besides where claims shall hand out cards: versions, and who holds cards of a device plugin."""

import re
from typing import List, Optional, Tuple

from components.steps.kubectl import objects
from components.steps.look import MORE
from decide.reading import Obj, Verdict, broken, chosen_nodes, list_at, map_at, name_of, node_of, space_of, text_at

OLDEST_KUBELET = (1, 34, 2)
OLDEST_CONTAINERD = (1, 7)
BY_LIMIT = ("nvidia.com/gpu", "nvidia.com/mig-")


def claim_faults(snapshot: Obj, params: Obj) -> List[Verdict]:
    """Nodes that cannot have claims, and pods with cards that the driver would give away again."""
    nodes = [(name_of(node), map_at(node, "status", "nodeInfo")) for node in chosen_nodes(snapshot, params)]
    found = [fault for name, info in nodes for fault in (old_kubelet(name, info), without_cdi(name, info)) if fault]
    held = held_by_limit(snapshot, params)
    if held:
        problem = f"pods hold cards that a device plugin gave them, which claims do not see: {', '.join(held[:5])}"
        found.append(broken("CFG-13", problem))
    return found


def version_in(text: str) -> Tuple[int, ...]:
    """The numbers of a version, whatever stands around them."""
    return tuple(int(one) for one in re.findall(r"\d+", (re.search(r"\d+(\.\d+)+", text) or [""])[0]))


def old_kubelet(name: str, info: Obj) -> Optional[Verdict]:
    """Claims in a form that is not theirs yet, or with the faults of the first releases."""
    told = text_at(info, "kubeletVersion")
    wanted = ".".join(map(str, OLDEST_KUBELET))
    if not told or version_in(told) >= OLDEST_KUBELET:
        return None
    return broken("CFG-14", f"{name} runs Kubernetes {told}, and claims for cards want {wanted} or newer")


def without_cdi(name: str, info: Obj) -> Optional[Verdict]:
    """A container runtime that knows nothing of CDI, by which claims bring cards into containers."""
    runtime, _, version = text_at(info, "containerRuntimeVersion").partition("://")
    if runtime == "docker" or (runtime == "containerd" and version_in(version) < OLDEST_CONTAINERD):
        return broken("CFG-15", f"{name} runs {runtime} {version}, which has no CDI")
    return None


def held_by_limit(snapshot: Obj, params: Obj) -> List[str]:
    """Pods at work on the nodes in question that have cards by limits."""
    names = [name_of(node) for node in chosen_nodes(snapshot, params)]
    pods = [pod for pod in objects(params, "pods", "-A") if node_of(pod) in names]
    there = [pod for pod in pods if text_at(pod, "status", "phase") not in ("Succeeded", "Failed")]
    return [f"{space_of(pod)}/{name_of(pod)} on {node_of(pod)}" for pod in there if asks_by_limit(pod)]


def asks_by_limit(pod: Obj) -> bool:
    """Whether a container of it has cards of a device plugin; Kubernetes may meet limits by a claim of its own."""
    if map_at(pod, "status", "extendedResourceClaimStatus"):
        return False
    inside = list_at(pod, "spec", "containers") + list_at(pod, "spec", "initContainers")
    return any(key.startswith(BY_LIMIT) for one in inside for key in map_at(one, "resources", "limits"))


MORE.append(claim_faults)
