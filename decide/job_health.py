"""What a validation Job says: passed and proven, still on its way and waiting for what, or failed and why.

Part of the text that runs under a user's own python3: standard library only, no newer syntax than Python 3.8 has.
"""

from typing import Any, Dict, List, Optional

from decide.failures import recognize
from decide.pod_health import best_of, failed_container, pod_troubles, sandbox_failure, unschedulable
from decide.reading import (
    Obj, Verdict, at, condition_of, events_about, holds, list_at, log_in, map_at, name_of, text_at, verdict,
)  # fmt: skip

PROOF = "Test PASSED"
SMI, KERNEL = "nvidia-smi", "vectoradd"


def job_object(snapshot: Obj, one: Obj) -> Obj:
    """The Job of that name."""
    return next((job for job in list_at(snapshot, "jobs") if name_of(job) == one.get("name")), {})


def job_pod(snapshot: Obj, one: Obj) -> Obj:
    """The pod of a Job."""
    pods = best_of(list_at(snapshot, "pods"), {"batch.kubernetes.io/job-name": one.get("name")})
    return pods[-1] if pods else {}


def judge_job(snapshot: Obj, wish: Obj, one: Obj) -> Optional[Verdict]:
    """None if the Job has passed and proven it."""
    job, pod = job_object(snapshot, one), job_pod(snapshot, one)
    if not job:
        return verdict("broken", "PLM-15", "validation Job {} is gone".format(one.get("name")))
    if holds(job, "Complete"):
        return unproven(snapshot, pod)
    if holds(job, "Failed"):
        return job_failed(snapshot, wish, one, job, pod)
    return job_waits(snapshot, wish, one, pod)


def unproven(snapshot: Obj, pod: Obj) -> Optional[Verdict]:
    """An exit status alone proves nothing: the sample has to say that the result was right."""
    log = log_in(snapshot, pod, KERNEL)
    if not isinstance(log, str) or PROOF in log:
        return None
    return verdict("broken", "CUDA-10", "", *["vectoradd: " + line for line in log.splitlines()[-5:]])


def job_failed(snapshot: Obj, wish: Obj, one: Obj, job: Obj, pod: Obj) -> Verdict:
    """The container that failed has the reason; the Job itself only knows that it is over."""
    bad = [trouble for trouble in pod_troubles(pod) if trouble.kind != "waiting"]
    if bad:
        return failed_container(snapshot, pod, bad[0])
    reason = text_at(condition_of(job, "Failed"), "reason")
    known = [line for line in job_events(snapshot, one) if recognize(line)]
    if known:
        found = recognize(known[-1])
        return verdict("broken", found.id if found else "PLM-8", "", known[-1])
    problem = "validation Job {} failed: {}".format(one.get("name"), reason or "no reason given")
    return verdict("broken", "PLM-8", problem, *job_events(snapshot, one)[-3:])


def job_events(snapshot: Obj, one: Obj) -> List[str]:
    """What events say about a Job and about pods of it that are gone already."""
    name = str(one.get("name"))
    pods = sorted({text_at(e, "involvedObject", "name") for e in list_at(snapshot, "events")})
    return events_about(snapshot, name) + [
        line for pod in pods if pod.startswith(name + "-") for line in events_about(snapshot, pod)
    ]


def job_waits(snapshot: Obj, wish: Obj, one: Obj, pod: Obj) -> Verdict:
    """What a Job that is not over waits for."""
    if not pod:
        return not_created(snapshot, one)
    if condition_of(pod, "PodScheduled").get("status") == "False":
        gpus = one.get("gpus") if isinstance(one.get("gpus"), int) else 1
        return unschedulable(snapshot, wish, pod, gpus or 1, one.get("node"))
    sandbox = sandbox_failure(snapshot, pod)
    if sandbox:
        known = recognize(sandbox)
        return verdict("waiting", known.id if known else "CUDA-13", "", sandbox, hopeless=bool(known))
    for trouble in pod_troubles(pod):
        if trouble.kind in ("image", "error", "crash"):
            known = recognize(trouble.text)
            line = "{}: {}".format(trouble.container, trouble.text)
            return verdict("waiting", known.id if known else "CUDA-13", "", line, hopeless=True)
    return verdict("waiting", "PLM-8", "{} on {}".format(doing(pod), text_at(pod, "spec", "nodeName") or "no node yet"))


def doing(pod: Obj) -> str:
    """The step that a validation pod is at."""
    for name in (SMI, KERNEL):
        statuses = list_at(pod, "status", "initContainerStatuses") + list_at(pod, "status", "containerStatuses")
        state = next((map_at(one, "state") for one in statuses if one.get("name") == name), {})
        if at(state, "running") is not None:
            return name + " runs"
        if at(state, "terminated") is None:
            return name + " starts"
    return "the pod ends"


def not_created(snapshot: Obj, one: Obj) -> Verdict:
    """A Job without a pod: admission refuses it, or the controller has not come to it yet."""
    said = [line for line in events_about(snapshot, str(one.get("name"))) if line.startswith("FailedCreate")]
    if not said:
        return verdict("waiting", "PLM-8", "Job {} makes its pod".format(one.get("name")))
    known = recognize(said[-1])
    return verdict("waiting", known.id if known else "PLM-8", "", said[-1], hopeless=True)


def job_checks(snapshot: Obj, pod: Obj) -> List[Dict[str, Any]]:
    """What was proven on one node, with the evidence."""
    statuses = list_at(pod, "status", "initContainerStatuses") + list_at(pod, "status", "containerStatuses")
    checks = []
    for name in (SMI, KERNEL):
        ended = next((map_at(one, "state", "terminated") for one in statuses if one.get("name") == name), {})
        said, log = text_at(ended, "message").strip(), log_in(snapshot, pod, name)
        if name == KERNEL:
            said = PROOF if isinstance(log, str) and PROOF in log else "exit status only, its log could not be read"
        checks.append({"name": name, "passed": ended.get("exitCode") == 0, "evidence": said})
    return checks
