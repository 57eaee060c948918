"""The Job controller: pods with generated names, back-off limit, deadline, conditions and events."""

from __future__ import annotations

from lab.cluster.clock import stamp
from lab.cluster.scheduler import condition
from lab.cluster.store import ApiError, Cluster, Object

_RETRY_SECONDS = 30.0
_SOURCE = "job-controller"


def run_jobs(cluster: Cluster) -> None:
    """Takes every Job as far as it gets at this moment."""
    for job in cluster.list("Job"):
        status = job.setdefault("status", {})
        if not is_over(job) and not job["spec"].get("suspend"):
            _run(cluster, job, status)


def is_over(job: Object) -> bool:
    """Whether the Job succeeded or failed for good."""
    found = job.get("status", {}).get("conditions", ())
    return any(one["type"] in ("Complete", "Failed") and one["status"] == "True" for one in found)


def _run(cluster: Cluster, job: Object, status: Object) -> None:
    before = dict(status)
    notes = cluster.private(job)
    if "startTime" not in status:
        status["startTime"], notes["started"] = stamp(cluster.now), cluster.now
    pods = list(cluster.owned(job["metadata"]["uid"], "Pod"))
    phases = [pod["status"]["phase"] for pod in pods]
    _count(status, pods, phases)
    if _is_late(cluster, job, notes):
        _fail(cluster, job, pods, "DeadlineExceeded", "Job was active longer than specified deadline")
    elif status.get("failed", 0) > job["spec"].get("backoffLimit", 6):
        _fail(cluster, job, pods, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    elif status.get("succeeded", 0) >= (job["spec"].get("completions") or 1):
        _complete(cluster, job)
    elif not any(phase in ("Pending", "Running") for phase in phases):
        _make_pod(cluster, job, notes)
    if status != before:
        cluster.touch(job)


def _count(status: Object, pods: list[Object], phases: list[str]) -> None:
    counts = {
        "active": sum(phase in ("Pending", "Running") for phase in phases),
        "succeeded": phases.count("Succeeded"),
        "failed": phases.count("Failed"),
    }
    for name, count in counts.items():
        status.pop(name, None)
        if count:
            status[name] = count
    status["ready"] = sum(_is_ready(pod) for pod in pods)
    status["terminating"] = 0
    status["uncountedTerminatedPods"] = {}


def _is_ready(pod: Object) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", ()))


def _is_late(cluster: Cluster, job: Object, notes: Object) -> bool:
    limit = job["spec"].get("activeDeadlineSeconds")
    if limit is None:
        return False
    due = float(notes["started"] + limit)
    cluster.wake(due)
    return cluster.now >= due


def _fail(cluster: Cluster, job: Object, pods: list[Object], reason: str, text: str) -> None:
    for pod in pods:
        if pod["status"]["phase"] in ("Pending", "Running"):
            cluster.remove(pod)
            cluster.event(job, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}", source=_SOURCE)
            job["status"].pop("active", None)
            job["status"]["failed"] = job["status"].get("failed", 0) + 1
    job["status"]["conditions"] = [condition(cluster, kind, True, reason, text) for kind in ("FailureTarget", "Failed")]
    cluster.event(job, reason, text, warning=True, source=_SOURCE)


def _complete(cluster: Cluster, job: Object) -> None:
    text = "Reached expected number of succeeded pods"
    kinds = ("SuccessCriteriaMet", "Complete")
    job["status"]["completionTime"] = stamp(cluster.now)
    job["status"]["conditions"] = [condition(cluster, kind, True, "CompletionsReached", text) for kind in kinds]
    cluster.event(job, "Completed", "Job completed", source=_SOURCE)


def _make_pod(cluster: Cluster, job: Object, notes: Object) -> None:
    if cluster.now < notes.get("retry", cluster.now):
        cluster.wake(notes["retry"])
        return
    try:
        pod = cluster.create(_pod(job))
    except ApiError as error:
        notes["retry"] = cluster.now + _RETRY_SECONDS
        cluster.wake(notes["retry"])
        cluster.event(job, "FailedCreate", f"Error creating: {error}", warning=True, source=_SOURCE)
        return
    job["status"]["active"] = 1
    cluster.event(job, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}", source=_SOURCE)


def _pod(job: Object) -> Object:
    meta, template = job["metadata"], job["spec"]["template"]
    given = template.get("metadata") or {}
    ours = {
        "batch.kubernetes.io/controller-uid": meta["uid"],
        "batch.kubernetes.io/job-name": meta["name"],
        "controller-uid": meta["uid"],
        "job-name": meta["name"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "labels": {**given.get("labels", {}), **ours},
            **({"annotations": given["annotations"]} if given.get("annotations") else {}),
            "ownerReferences": [owner(job)],
        },
        "spec": dict(template["spec"]),
    }


def owner(obj: Object) -> Object:
    """The reference that makes an object go away with its owner."""
    meta = obj["metadata"]
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
