"""What a validation Job says: passed and proven, still on its way and waiting for what, or failed and why."""

from typing import Any, Dict, List, Optional

from decide.failures import recognize
from decide.placement_health import unschedulable
from decide.pod_health import Trouble, pod_troubles, said_by, sandbox_failure, statuses_of, unplaced
from decide.pool_proof import no_machine
from decide.reading import (
    Obj,
    Verdict,
    at,
    broken,
    condition_of,
    events_about,
    holds,
    labels_of,
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
    verdict,
    waits,
)

PROOF = "Test PASSED"
SMI, KERNEL, FRAMEWORK = "nvidia-smi", "vectoradd", "framework"
# Of what ran, the word that it has to have said.
PROOFS = {KERNEL: PROOF, FRAMEWORK: "Framework check PASSED"}
IMAGE_SETTINGS = {
    SMI: "validation.smiImage",
    KERNEL: "validation.cudaImage",
    FRAMEWORK: "validation.framework: {image: ...}",
}


def job_object(snapshot: Obj, one: Obj) -> Obj:
    """The Job of that name."""
    return next((job for job in list_at(snapshot, "jobs") if name_of(job) == one.get("name")), {})


def job_pod(snapshot: Obj, one: Obj) -> Obj:
    """The newest pod of a Job."""
    pods = list_at(snapshot, "pods")
    ours = [pod for pod in pods if labels_of(pod).get("batch.kubernetes.io/job-name") == one.get("name")]
    return max(ours, key=lambda pod: text_at(pod, "metadata", "creationTimestamp"), default={})


def judge_job(snapshot: Obj, wish: Obj, one: Obj) -> Optional[Verdict]:
    """None if the Job has passed and proven it."""
    job, pod = job_object(snapshot, one), job_pod(snapshot, one)
    if not job:
        return broken("PLM-15", f"validation Job {one.get('name')} is gone")
    if holds(job, "Complete"):
        return unproven(snapshot, pod)
    if holds(job, "Failed"):
        return job_failed(snapshot, one, job, pod)
    return job_waits(snapshot, wish, one, pod)


def taken_away(snapshot: Obj, one: Obj) -> Optional[Verdict]:
    """A pod that nobody but its machine's owner ended."""
    pod = job_pod(snapshot, one)
    ended = condition_of(pod, "DisruptionTarget")
    said = f"{text_at(ended, 'reason')}: {text_at(ended, 'message')}"
    problem = f"{node_of(pod)} was taken away while it was being proven"
    return broken("CLD-13", problem, said) if ended.get("status") == "True" else None


def unproven(snapshot: Obj, pod: Obj) -> Optional[Verdict]:
    """An exit status alone proves nothing: the sample has to say that the result was right."""
    for name in proven_in(pod):
        log = log_in(snapshot, pod, name)
        if isinstance(log, str) and PROOFS[name] not in log:
            return broken("CUDA-10", "", *[f"{name}: {line}" for line in last_lines(log)])
    return None


def proven_in(pod: Obj) -> List[str]:
    """The containers of a validation pod that have to say that they passed."""
    there = [text_at(one, "name") for one in statuses_of(pod)]
    return [KERNEL, *([FRAMEWORK] if FRAMEWORK in there else [])]


def job_failed(snapshot: Obj, one: Obj, job: Obj, pod: Obj) -> Verdict:
    """The container that failed has the reason; the Job itself only knows that it is over."""
    bad = [trouble for trouble in pod_troubles(pod) if trouble.kind != "waiting"]
    if bad:
        return failed_container(snapshot, pod, bad[0], "broken")
    told = job_events(snapshot, one)
    known = [(recognize(line), line) for line in told if recognize(line)]
    if known:
        found, line = known[-1]
        return broken(found.id if found else "PLM-8", "", line)
    reason = text_at(condition_of(job, "Failed"), "reason") or "no reason given"
    return broken("PLM-8", f"validation Job {one.get('name')} failed: {reason}", *told[-3:])


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
    fix = f"set an image that knows the card: {setting}" if known.id == "CUDA-12" and setting else fix
    return verdict(state, known.id, f"{where}: {known.cause}", *lines, hopeless=True, fix=fix)


def job_events(snapshot: Obj, one: Obj) -> List[str]:
    """What events say about a Job and about pods of it that are gone already."""
    name = str(one.get("name"))
    about = sorted({text_at(event, "involvedObject", "name") for event in list_at(snapshot, "events")})
    pods = [pod for pod in about if pod.startswith(name + "-")]
    return [line for found in (name, *pods) for line in events_about(snapshot, found)]


def job_waits(snapshot: Obj, wish: Obj, one: Obj, pod: Obj) -> Verdict:
    """What a Job that is not over waits for."""
    if not pod:
        return not_created(snapshot, one)
    if unplaced(pod) and one.get("pool"):
        return no_machine(snapshot, wish, pod, one)
    if unplaced(pod):
        return unschedulable(snapshot, wish, pod, number_at(one, "gpus") or 1, one.get("node"))
    node, sandbox = node_of(pod), sandbox_failure(snapshot, pod)
    if sandbox:
        known = recognize(sandbox)
        problem = f"{node}: {known.cause}" if known else f"{node} cannot begin with the validation pod"
        return verdict("waiting", known.id if known else "CUDA-13", problem, sandbox, hopeless=bool(known))
    bad = [trouble for trouble in pod_troubles(pod) if trouble.kind != "waiting"]
    if bad:
        return failed_container(snapshot, pod, bad[0], "waiting")
    fix = f"kubectl describe pod -n {space_of(pod)} {name_of(pod)}"
    if doing(pod).endswith("runs"):  # it takes seconds; one that does not end hangs in the driver
        fix += "; a driver that hangs says why on the node: dmesg | grep -i nvrm"
    return waits("PLM-16", f"{doing(pod)} on {node or 'no node yet'}", fix=fix)


def doing(pod: Obj) -> str:
    """The step that a validation pod is at."""
    for name in (SMI, *proven_in(pod)):
        state = next((map_at(one, "state") for one in statuses_of(pod) if one.get("name") == name), {})
        if at(state, "running") is not None:
            return name + " runs"
        if at(state, "terminated") is None:
            return name + " starts"
    return "the pod ends"


def not_created(snapshot: Obj, one: Obj) -> Verdict:
    """A Job without a pod: admission refuses it, or the controller has not come to it yet."""
    said = [line for line in events_about(snapshot, str(one.get("name"))) if line.startswith("FailedCreate")]
    if not said:
        return waits("PLM-16", f"Job {one.get('name')} makes its pod")
    known = recognize(said[-1])
    problem = f"the pod of Job {one.get('name')} is refused" + (f": {known.cause}" if known else "")
    return stuck(known.id if known else "PLM-8", problem, said[-1])


def job_checks(snapshot: Obj, pod: Obj) -> List[Dict[str, Any]]:
    """What was proven on one node, with the evidence."""
    checks = []
    for name in (SMI, *proven_in(pod)):
        states = (map_at(one, "state", "terminated") for one in statuses_of(pod) if one.get("name") == name)
        ended = next(states, {})
        said, log = text_at(ended, "message").strip(), log_in(snapshot, pod, name)
        if name in PROOFS:
            seen = isinstance(log, str) and PROOFS[name] in log
            said = PROOFS[name] if seen else "exit status only, its log could not be read"
        checks.append({"name": name, "passed": ended.get("exitCode") == 0, "evidence": said})
    return checks
