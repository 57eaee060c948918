"""What keeps one pod from running: image, sandbox, init container, crash, or no place on any node."""

from typing import List, NamedTuple, Optional

from decide.reading import (
    Obj,
    at,
    condition_of,
    events_about,
    list_at,
    log_in,
    map_at,
    name_of,
    text_at,
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


def shown_labels(labels: Obj) -> str:
    """Labels as kubectl writes them."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
