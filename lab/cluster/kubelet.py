"""Lives of pods on their nodes: sandbox, images, init containers, containers, back-off, phases, conditions, events."""

from __future__ import annotations

from lab.cluster import behavior
from lab.cluster.clock import stamp
from lab.cluster.pod_status import pod_status
from lab.cluster.run import Run
from lab.cluster.store import Cluster, Object

RETRY_SECONDS = 12.0
IMAGE_RETRY_SECONDS = 20.0
LONGEST_BACKOFF = 300.0


def live(cluster: Cluster) -> None:
    """Takes every bound pod as far as it gets at this moment."""
    for pod in cluster.list("Pod"):
        if pod["spec"].get("nodeName") and pod["status"]["phase"] in ("Pending", "Running"):
            _live(cluster, pod)


def _live(cluster: Cluster, pod: Object) -> None:
    node = cluster.get("Node", pod["spec"]["nodeName"])
    if node is None or not is_ready(node):
        return
    notes = cluster.private(pod)
    notes.setdefault("begun", cluster.now)
    if _sandbox(cluster, pod, notes) and _initialized(cluster, pod):
        for container in pod["spec"]["containers"]:
            _step(cluster, pod, container)
    status = pod_status(pod, notes, cluster.now)
    if status != pod["status"]:
        pod["status"] = status
        cluster.touch(pod)


def is_ready(obj: Object) -> bool:
    """Whether the condition Ready holds, for nodes and pods alike."""
    found = obj.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in found)


def _sandbox(cluster: Cluster, pod: Object, notes: Object) -> bool:
    if notes.get("sandbox"):
        return True
    if cluster.now < notes.get("retry", cluster.now):
        cluster.wake(notes["retry"])
        return False
    trouble = behavior.sandbox_trouble(cluster, pod)
    if trouble is None:
        notes["sandbox"] = True
        cluster.changed = True
        return True
    notes["retry"] = cluster.now + RETRY_SECONDS
    cluster.wake(notes["retry"])
    cluster.event(pod, trouble.reason, trouble.message, warning=True, source="kubelet")
    return False


def _initialized(cluster: Cluster, pod: Object) -> bool:
    for container in pod["spec"].get("initContainers", ()):
        _step(cluster, pod, container)
        note = cluster.private(pod)["containers"][container["name"]]
        if note["state"] != "done" or note["code"] != 0:
            return False
    return True


def _step(cluster: Cluster, pod: Object, container: Object) -> None:
    """Moves one container on until it has to wait for something."""
    note = (
        cluster.private(pod).setdefault("containers", {}).setdefault(container["name"], {"state": "new", "restarts": 0})
    )
    for _ in range(8):
        before = note["state"]
        _STEPS[before](cluster, pod, container, note)
        if note["state"] == before:
            return
        cluster.changed = True


def _enter(note: Object, state: str, moment: float) -> None:
    note.update(state=state, since=moment)


def _new(cluster: Cluster, pod: Object, container: Object, note: Object) -> None:
    _enter(note, "pulling", cluster.now)
    if _is_pulled(cluster, pod, container["image"]):
        note["known"] = True
    else:
        cluster.event(pod, "Pulling", f'Pulling image "{container["image"]}"', source="kubelet")


def _is_pulled(cluster: Cluster, pod: Object, image: str) -> bool:
    return image in cluster.data["images"].get(pod["spec"]["nodeName"], ())


def _pulling(cluster: Cluster, pod: Object, container: Object, note: Object) -> None:
    image, node = container["image"], pod["spec"]["nodeName"]
    seconds = 0.0 if note.get("known") else behavior.pull_seconds(cluster, pod)
    if cluster.now < note["since"] + seconds:
        cluster.wake(note["since"] + seconds)
        return
    if trouble := None if note.get("known") else behavior.image_trouble(cluster, pod, image):
        _image_failed(cluster, pod, container, note, trouble.message)
        return
    if note.get("known"):
        cluster.event(pod, "Pulled", f'Container image "{image}" already present on machine', source="kubelet")
    else:
        cluster.data["images"].setdefault(node, []).append(image)
        took = f'Successfully pulled image "{image}" in {seconds:g}s ({seconds:g}s including waiting)'
        cluster.event(pod, "Pulled", took, source="kubelet")
    _start(cluster, pod, container, note)


def _image_failed(cluster: Cluster, pod: Object, container: Object, note: Object, why: str) -> None:
    _enter(note, "image", cluster.now)
    note["why"] = why
    image = container["image"]
    for text in (f'Failed to pull image "{image}": {why}', "Error: ErrImagePull", "Error: ImagePullBackOff"):
        cluster.event(pod, "Failed", text, warning=True, source="kubelet")
    cluster.event(pod, "BackOff", f'Back-off pulling image "{image}"', source="kubelet")


def _image(cluster: Cluster, pod: Object, container: Object, note: Object) -> None:
    due = note["since"] + IMAGE_RETRY_SECONDS
    if cluster.now < due:
        cluster.wake(due)
        return
    if behavior.image_trouble(cluster, pod, container["image"]):
        note["since"] = cluster.now
        cluster.wake(cluster.now + IMAGE_RETRY_SECONDS)
        cluster.event(pod, "BackOff", f'Back-off pulling image "{container["image"]}"', source="kubelet")
        return
    _enter(note, "pulling", cluster.now)


def _start(cluster: Cluster, pod: Object, container: Object, note: Object) -> None:
    colon = ":" if cluster.version >= (1, 32) else ""
    name = container["name"]
    cluster.event(pod, "Created", f"Created container{colon} {name}", source="kubelet")
    _enter(note, "running", cluster.now)
    run = behavior.run(cluster, pod, name)
    if run.start_error:
        cluster.event(pod, "Failed", f"Error: {run.start_error}", warning=True, source="kubelet")
    else:
        cluster.event(pod, "Started", f"Started container {name}", source="kubelet")


def _running(cluster: Cluster, pod: Object, container: Object, note: Object) -> None:
    run = behavior.run(cluster, pod, container["name"])
    note["ready"] = run.ready
    if run.seconds is None:
        return
    end = note["since"] + run.seconds
    if cluster.now < end:
        cluster.wake(end)
        return
    note.update(code=run.code, log=run.log, started=note["since"], finished=stamp(cluster.now))
    note["message"] = _message(container, run)
    note["reason"] = "StartError" if run.start_error else "Error" if run.code else "Completed"
    _enter(note, "done", cluster.now)
    if _again(pod, container, run.code):
        _back_off(cluster, pod, container, note)


def _message(container: Object, run: Run) -> str:
    fallback = run.code and container.get("terminationMessagePolicy") == "FallbackToLogsOnError"
    text = run.start_error or (run.log if run.said or fallback else "")
    return "\n".join(text.splitlines()[-80:])[-2048:] + ("\n" if text and not run.start_error else "")


def _again(pod: Object, container: Object, code: int) -> bool:
    policy = pod["spec"].get("restartPolicy", "Always")
    is_init = container in pod["spec"].get("initContainers", ())
    return policy != "Never" and (code != 0 or (policy == "Always" and not is_init))


def _back_off(cluster: Cluster, pod: Object, container: Object, note: Object) -> None:
    seconds = min(10.0 * 2 ** note["restarts"], LONGEST_BACKOFF)
    meta = pod["metadata"]
    note.update(state="backoff", until=cluster.now + seconds, pause=seconds)
    where = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
    text = f"Back-off restarting failed container {container['name']} in pod {where}"
    cluster.event(pod, "BackOff", text, warning=True, source="kubelet")


def _waiting_again(cluster: Cluster, pod: Object, container: Object, note: Object) -> None:
    if cluster.now < note["until"]:
        cluster.wake(note["until"])
        return
    note["restarts"] += 1
    _start(cluster, pod, container, note)


def _stay(cluster: Cluster, pod: Object, container: Object, note: Object) -> None:
    """A container that ended for good."""


_STEPS = {
    "new": _new,
    "pulling": _pulling,
    "image": _image,
    "running": _running,
    "backoff": _waiting_again,
    "done": _stay,
}


def log_of(cluster: Cluster, pod: Object, container: str) -> str | None:
    """What the container has printed; None when it never ran."""
    note = cluster.private(pod).get("containers", {}).get(container, {"state": "new"})
    if note["state"] == "running":
        return behavior.run(cluster, pod, container).log
    return note["log"] if note["state"] in ("done", "backoff") else None
