"""What keeps one pod from running: image, sandbox, init container, crash, or no place on any node."""

from typing import List, NamedTuple, Optional, Tuple

from decide.failures import recognize
from decide.reading import (
    Obj,
    Verdict,
    allocatable,
    at,
    chosen_nodes,
    condition_of,
    events_about,
    last_lines,
    list_at,
    log_in,
    map_at,
    name_of,
    node_of,
    number_at,
    space_of,
    stuck,
    text_at,
    untaint,
    untolerated,
    verdict,
    waits,
)

PULL_FAILURES = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")
BEGINNING = ("PodInitializing", "ContainerCreating")


class Trouble(NamedTuple):
    """What is wrong with one container: how bad, and what it says."""

    container: str
    kind: str
    """image, crash, error or waiting"""
    text: str


def statuses_of(pod: Obj) -> List[Obj]:
    """The states of a pod's containers, init containers first."""
    return list_at(pod, "status", "initContainerStatuses") + list_at(pod, "status", "containerStatuses")


def pod_troubles(pod: Obj) -> List[Trouble]:
    """Trouble of each container, init containers first; then that of the pod as a whole."""
    found = [one for one in map(container_trouble, statuses_of(pod)) if one]
    refused = text_at(pod, "status", "reason")
    if refused and not found:
        found.append(Trouble("pod", "error", refused + ": " + text_at(pod, "status", "message")))
    return found


def container_trouble(status: Obj) -> Optional[Trouble]:
    """What is wrong with one container, if anything."""
    name, waiting = text_at(status, "name"), map_at(status, "state", "waiting")
    reason, message = text_at(waiting, "reason"), text_at(waiting, "message")
    if reason in PULL_FAILURES:
        return Trouble(name, "image", reason + ": " + message)
    if reason == "CrashLoopBackOff":
        return Trouble(name, "crash", text_at(status, "lastState", "terminated", "message").strip())
    if reason and reason not in BEGINNING:
        return Trouble(name, "error", reason + ": " + message)
    ended = map_at(status, "state", "terminated")
    if ended.get("exitCode") not in (0, None):
        said = text_at(ended, "message").strip() or f"exit status {ended.get('exitCode')}"
        return Trouble(name, "error", said)
    if at(status, "state", "running") is not None and status.get("ready") is False:
        return Trouble(name, "waiting", "")
    return None


def said_by(snapshot: Obj, pod: Obj, trouble: Trouble) -> str:
    """All that a container in trouble has said, its last words last."""
    log = log_in(snapshot, pod, trouble.container)
    return "\n".join(part for part in (log if isinstance(log, str) else "", trouble.text) if part)


def sandbox_failure(snapshot: Obj, pod: Obj) -> str:
    """Why the container runtime does not even begin with the pod."""
    said = [line for line in events_about(snapshot, name_of(pod)) if line.startswith("FailedCreatePodSandBox")]
    return said[-1] if said and not text_at(pod, "status", "podIP") else ""


def unplaced(pod: Obj) -> str:
    """The scheduler's sentence about a pod that no node takes."""
    placed = condition_of(pod, "PodScheduled")
    return text_at(placed, "message") if placed.get("status") == "False" else ""


def unschedulable(snapshot: Obj, wish: Obj, pod: Obj, gpus: int, node: Optional[str]) -> Verdict:
    """Why no node takes a validation pod: the four things that one sentence of the scheduler can mean."""
    said = unplaced(pod)
    nodes = [one for one in chosen_nodes(snapshot, wish) if node in (None, name_of(one))]
    if not nodes:
        wanted = f"node {node}" if node else "labels " + shown_labels(map_at(wish, "node_selector"))
        return stuck("SCH-6", "no node matches " + wanted, said)
    free = [one for one in nodes if not at(one, "spec", "unschedulable")]
    if not free:
        return cordoned(nodes, said)
    open_to_us = [one for one in free if not untolerated(one, wish.get("tolerations"))]
    if not open_to_us:
        return tainted(free, wish, said)
    return short_of_cards(snapshot, wish, open_to_us, gpus, said)


def shown_labels(labels: Obj) -> str:
    """Labels as kubectl writes them."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def cordoned(nodes: List[Obj], said: str) -> Verdict:
    """No node that takes new pods."""
    names = [name_of(one) for one in nodes]
    fix = "kubectl uncordon " + " ".join(names)
    return stuck("SCH-7", "cordoned: " + ", ".join(names), said, fix=fix)


def tainted(nodes: List[Obj], wish: Obj, said: str) -> Verdict:
    """No node without a taint that keeps the pod away."""
    taints = [(one, untolerated(one, wish.get("tolerations"))) for one in nodes]
    each = [f"{name_of(one)} has taint {', '.join(there)}" for one, there in taints]
    fix = "add it to cluster.tolerations, or remove it: " + "; ".join(untaint(one, there) for one, there in taints)
    problem = "; ".join(each) + ", which GPU pods do not tolerate"
    return stuck("SCH-2", problem, said, fix=fix)


def short_of_cards(snapshot: Obj, wish: Obj, nodes: List[Obj], gpus: int, said: str) -> Verdict:
    """More cards asked for than any node has, or all of them taken."""
    largest, resource = max(allocatable(one, wish) for one in nodes), str(wish.get("resource"))
    if gpus > largest:
        problem = f"the pod asks for {gpus} {resource}, and no matching node has more than {largest}"
        fix = f"set validation.gpus to at most {largest}" if largest else ""
        return stuck("SCH-1", problem, said, fix=fix)
    if "Insufficient " + resource not in said:
        return stuck("SCH-8", "the scheduler finds no place: " + said)
    names = [name_of(one) for one in nodes]
    holders = [
        f"{space_of(holder)}/{name_of(holder)} ({cards} on {node})"
        for holder, cards, node in gpu_pods(snapshot, resource)
        if node in names
    ]
    by_whom = ", taken by " + ", ".join(holders[:5]) if holders else ""
    return waits("SCH-1", f"no free card on {', '.join(names)}{by_whom}", said)


def gpu_pods(snapshot: Obj, resource: str) -> List[Tuple[Obj, int, str]]:
    """Pods that hold cards, how many, and where."""
    found = []
    for pod in list_at(snapshot, "all_pods"):
        containers = list_at(pod, "spec", "containers") + list_at(pod, "spec", "initContainers")
        cards = max([number_at(one, "resources", "limits", resource) for one in containers] or [0])
        node = node_of(pod)
        if cards and node and text_at(pod, "status", "phase") not in ("Succeeded", "Failed"):
            found.append((pod, cards, node))
    return found


IMAGE_SETTINGS = {"nvidia-smi": "validation.smiImage", "vectoradd": "validation.cudaImage"}


def failed_container(snapshot: Obj, pod: Obj, trouble: Trouble, state: str) -> Verdict:
    """A validation container that went wrong: what its own words give away."""
    said = said_by(snapshot, pod, trouble)
    known = recognize(said)
    node = node_of(pod)
    lines = [f"{trouble.container} on {node}: {line}" for line in last_lines(said)]
    where = f"{trouble.container} failed on {node}" if node else trouble.container + " failed"
    if not known:
        return verdict(state, "CUDA-13", where, *lines, hopeless=True)
    setting = IMAGE_SETTINGS.get(trouble.container)
    fix = f"{known.fix}; or set another image: {setting}" if known.id == "CUDA-5" and setting else ""
    return verdict(state, known.id, f"{where}: {known.cause}", *lines, hopeless=True, fix=fix)
