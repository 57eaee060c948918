"""The status of a pod, written from the simulation's notes about its containers."""

from __future__ import annotations

from lab.cluster.clock import stamp
from lab.cluster.store import Object


def pod_status(pod: Object, notes: Object, now: float) -> Object:
    """The whole `status` of a bound pod."""
    spec, old = pod["spec"], pod["status"]
    init = [_container(pod, notes, one, True) for one in spec.get("initContainers", ())]
    main = [_container(pod, notes, one, False) for one in spec["containers"]]
    phase = _phase(spec, init, main)
    status: Object = {"phase": phase, "conditions": _conditions(old, notes, phase, init, main, now)}
    status["startTime"] = stamp(notes["begun"])
    if init:
        status["initContainerStatuses"] = init
    status["containerStatuses"] = main
    if "resourceClaimStatuses" in old:
        status["resourceClaimStatuses"] = old["resourceClaimStatuses"]
    status["qosClass"] = old.get("qosClass", "BestEffort")
    if notes.get("sandbox"):
        status["hostIP"], status["podIP"] = "10.0.0.1", "10.244.0.1"
    return status


def _container(pod: Object, notes: Object, container: Object, is_init: bool) -> Object:
    name = container["name"]
    note = notes.get("containers", {}).get(name, {"state": "new", "restarts": 0})
    state = _STATES[note["state"]](pod, container, note, is_init)
    found = {
        "name": name,
        "image": container["image"],
        "imageID": container["image"] if note["state"] in ("running", "done", "backoff") else "",
        "ready": (note["state"] == "running" and note.get("ready", True)) or (is_init and note.get("code") == 0),
        "started": note["state"] == "running",
        "restartCount": note["restarts"],
        "state": state,
        "lastState": {},
    }
    if note["restarts"] or note["state"] == "backoff":
        found["lastState"] = {"terminated": _terminated(note)}
    return found


def _new(pod: Object, container: Object, note: Object, is_init: bool) -> Object:
    later = bool(pod["spec"].get("initContainers"))
    return {"waiting": {"reason": "PodInitializing" if later else "ContainerCreating"}}


def _image(pod: Object, container: Object, note: Object, is_init: bool) -> Object:
    text = f'Back-off pulling image "{container["image"]}": ErrImagePull: {note["why"]}'
    return {"waiting": {"reason": "ImagePullBackOff", "message": text}}


def _running(pod: Object, container: Object, note: Object, is_init: bool) -> Object:
    return {"running": {"startedAt": stamp(note["since"])}}


def _done(pod: Object, container: Object, note: Object, is_init: bool) -> Object:
    return {"terminated": _terminated(note)}


def _backoff(pod: Object, container: Object, note: Object, is_init: bool) -> Object:
    meta = pod["metadata"]
    where = f"pod={meta['name']}_{meta['namespace']}({meta['uid']})"
    text = f"back-off {_short(note['pause'])} restarting failed container={container['name']} {where}"
    return {"waiting": {"reason": "CrashLoopBackOff", "message": text}}


_STATES = {"new": _new, "pulling": _new, "image": _image, "running": _running, "done": _done, "backoff": _backoff}


def _short(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return (f"{minutes}m" if minutes else "") + f"{rest}s"


def _terminated(note: Object) -> Object:
    found: Object = {"exitCode": note.get("code", 0), "reason": note.get("reason", "Completed")}
    if note.get("message"):
        found["message"] = note["message"]
    found["startedAt"] = stamp(note.get("started", 0))
    found["finishedAt"] = note.get("finished", stamp(0))
    return found


def _ended(statuses: list[Object]) -> bool:
    return all("terminated" in one["state"] for one in statuses)


def _failed(statuses: list[Object]) -> bool:
    return any(one["state"].get("terminated", {}).get("exitCode", 0) != 0 for one in statuses)


def _phase(spec: Object, init: list[Object], main: list[Object]) -> str:
    if _failed(init):
        return "Failed"
    if not _ended(init) or not any(
        {"running", "terminated"} & set(one["state"]) or one["restartCount"] for one in main
    ):
        return "Pending" if not any("running" in one["state"] for one in main) else "Running"
    if _ended(main):
        return "Failed" if _failed(main) else "Succeeded"
    return "Running"


def _conditions(
    old: Object, notes: Object, phase: str, init: list[Object], main: list[Object], now: float
) -> list[Object]:
    initialized = _ended(init) and not _failed(init)
    ready = phase == "Running" and all(one["ready"] for one in main)
    done = {"reason": "PodCompleted"} if phase == "Succeeded" else {"reason": "PodFailed"} if phase == "Failed" else {}
    missing = [one["name"] for one in init if "terminated" not in one["state"]]
    unready = [one["name"] for one in main if not one["ready"]]
    not_initialized = {
        "reason": "ContainersNotInitialized",
        "message": f"containers with incomplete status: {_go(missing)}",
    }
    not_ready = done or {"reason": "ContainersNotReady", "message": f"containers with unready status: {_go(unready)}"}
    wanted = [
        ("PodReadyToStartContainers", bool(notes.get("sandbox")) and not done, {}),
        ("Initialized", initialized, not_initialized),
        ("Ready", ready, not_ready),
        ("ContainersReady", ready, not_ready),
    ]
    found = [_condition(old, kind, holds, {} if holds else why, now) for kind, holds, why in wanted]
    return found + [one for one in old.get("conditions", ()) if one["type"] == "PodScheduled"]


def _go(names: list[str]) -> str:
    return f"[{' '.join(names)}]"


def _condition(old: Object, kind: str, holds: bool, why: Object, now: float) -> Object:
    status = "True" if holds else "False"
    before = next((one for one in old.get("conditions", ()) if one["type"] == kind), None)
    since = before["lastTransitionTime"] if before and before["status"] == status else stamp(now)
    return {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since, **why}
