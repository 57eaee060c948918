"""What keeps one pod from running: image, sandbox, init container, crash, or no place on any node.

Part of the text that runs under a user's own python3: standard library only, no newer syntax than Python 3.8 has.
"""

from typing import List, NamedTuple, Optional, Tuple

from decide.failures import recognize
from decide.reading import (
    Obj, Verdict, allocatable, at, chosen_nodes, condition_of, events_about, labels_of, last_lines, list_at, log_in,
    map_at, matches, name_of, number_at, text_at, untolerated, verdict,
)  # fmt: skip


class Trouble(NamedTuple):
    """What is wrong with one container: how bad, and what it says."""

    container: str
    kind: str
    """image, crash, error or waiting"""
    text: str


def pod_troubles(pod: Obj) -> List[Trouble]:
    """Trouble of each container, init containers first."""
    found = []
    for status in list_at(pod, "status", "initContainerStatuses") + list_at(pod, "status", "containerStatuses"):
        one = container_trouble(status)
        if one:
            found.append(one)
    return found


def container_trouble(status: Obj) -> Optional[Trouble]:
    """What is wrong with one container, if anything."""
    name, waiting, ended = text_at(status, "name"), map_at(status, "state", "waiting"), map_at(status, "state", "terminated")
    reason, message = text_at(waiting, "reason"), text_at(waiting, "message")
    if reason in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName"):
        return Trouble(name, "image", reason + ": " + message)
    if reason == "CrashLoopBackOff":
        last = text_at(status, "lastState", "terminated", "message")
        return Trouble(name, "crash", (last or message).strip())
    if reason and reason not in ("PodInitializing", "ContainerCreating"):
        return Trouble(name, "error", reason + ": " + message)
    if ended and ended.get("exitCode") not in (0, None):
        said = text_at(ended, "message") or "exit status {}".format(ended.get("exitCode"))
        return Trouble(name, "error", said.strip())
    if at(status, "state", "running") is not None and status.get("ready") is False:
        return Trouble(name, "waiting", "")
    return None


def sandbox_failure(snapshot: Obj, pod: Obj) -> str:
    """Why the container runtime does not even begin with the pod."""
    said = [line for line in events_about(snapshot, name_of(pod)) if line.startswith("FailedCreatePodSandBox")]
    return said[-1] if said and not text_at(pod, "status", "podIP") else ""


def unschedulable(snapshot: Obj, wish: Obj, pod: Obj, gpus: int, node: Optional[str]) -> Verdict:
    """Why no node takes a validation pod: the four things that one sentence of the scheduler can mean."""
    said = text_at(condition_of(pod, "PodScheduled"), "message")
    nodes = [one for one in chosen_nodes(snapshot, wish) if node in (None, name_of(one))]
    if not nodes:
        wanted = "node " + node if node else "labels {}".format(map_at(wish, "node_selector"))
        return verdict("waiting", "SCH-6", "no node matches " + wanted, said, hopeless=True)
    free = [one for one in nodes if not at(one, "spec", "unschedulable")]
    if not free:
        names = ", ".join(name_of(one) for one in nodes)
        return verdict("waiting", "SCH-7", "cordoned: " + names, said, hopeless=True)
    open_to_us = [one for one in free if not untolerated(one, wish.get("tolerations"))]
    if not open_to_us:
        return tainted(free, wish, said)
    largest = max(allocatable(one, wish) for one in open_to_us)
    if gpus > largest:
        problem = "the pod asks for {} {}, and no matching node has more than {}".format(gpus, wish.get("resource"), largest)
        return verdict("waiting", "SCH-1", problem, said, hopeless=True, fix="set validation.gpus to at most {}".format(largest))
    if "Insufficient" in said:
        return busy(snapshot, wish, open_to_us, said)
    return verdict("waiting", "SCH-8", "", said)


def tainted(nodes: List[Obj], wish: Obj, said: str) -> Verdict:
    """No node without a taint that keeps the pod away."""
    each = ["{} has taint {}".format(name_of(n), ", ".join(untolerated(n, wish.get("tolerations")))) for n in nodes]
    return verdict("waiting", "SCH-2", "; ".join(each) + ", which GPU pods do not tolerate", said, hopeless=True)


def busy(snapshot: Obj, wish: Obj, nodes: List[Obj], said: str) -> Verdict:
    """All cards are taken: by whom."""
    names = [name_of(one) for one in nodes]
    holders = [
        "{}/{} holds {} on {}".format(text_at(pod, "metadata", "namespace"), name_of(pod), cards, node)
        for pod, cards, node in gpu_pods(snapshot, str(wish.get("resource")))
        if node in names
    ]
    return verdict("waiting", "SCH-1", "every card of {} is taken".format(", ".join(names)), said, *holders[:5])


def gpu_pods(snapshot: Obj, resource: str) -> List[Tuple[Obj, int, str]]:
    """Pods that hold cards, how many, and where."""
    found = []
    for pod in list_at(snapshot, "all_pods"):
        containers = list_at(pod, "spec", "containers") + list_at(pod, "spec", "initContainers")
        cards = max([number_at(one, "resources", "limits", resource) for one in containers] or [0])
        node = text_at(pod, "spec", "nodeName")
        if cards and node and text_at(pod, "status", "phase") not in ("Succeeded", "Failed"):
            found.append((pod, cards, node))
    return found


def failed_container(snapshot: Obj, pod: Obj, trouble: Trouble) -> Verdict:
    """A validation container that ended badly: what its own words give away."""
    log = log_in(snapshot, pod, trouble.container)
    said = trouble.text + "\n" + (log if isinstance(log, str) else "")
    known = recognize(said)
    lines = ["{} on {}: {}".format(trouble.container, text_at(pod, "spec", "nodeName"), line) for line in last_lines(trouble.text)]
    where = "{} failed on node {}".format(trouble.container, text_at(pod, "spec", "nodeName"))
    if known:
        return verdict("broken", known.id, "{}: {}".format(where, known.cause), *lines)
    return verdict("broken", "CUDA-13", where, *lines)


def best_of(pods: List[Obj], selector: Obj) -> List[Obj]:
    """Pods with these labels, the newest last."""
    fitting = [pod for pod in pods if matches(labels_of(pod), selector)]
    return sorted(fitting, key=lambda pod: text_at(pod, "metadata", "creationTimestamp"))
