"""What the cards of a node say together: that an all-reduce over all of them was right, or what keeps them apart."""

import re
from typing import Dict, List, Optional, Tuple

from decide.failures import BY_ID
from decide.job_health import job_object, job_pod, judge_job, taken_away
from decide.pod_health import pod_troubles, said_by, statuses_of
from decide.reading import (
    Obj,
    Verdict,
    broken,
    holds,
    list_at,
    map_at,
    name_of,
    node_of,
    number_at,
    space_of,
    text_at,
    verdict,
    waits,
)

NCCL = "nccl"
MEASURED = "all-reduce over "
# In the order in which they are compared. Not in the catalogue itself, from which every gate has all signs.
NCCL_SIGNS = (
    (r"shared memory segment|posix_fallocate|failed to extend /dev/shm", "NCCL-2"),
    (r"system not yet initialized|[Ff]abric ?[Mm]anager", "NCCL-3"),
    (r"No module named '?torch|doesn't have NCCL|Distributed package|python3\"?: executable file not found", "NCCL-5"),
    (r"all-reduce over \d+ cards hangs|collective operation timeout|[Pp]eer access|the all-reduce is wrong", "NCCL-1"),
)


def judge_nccl(snapshot: Obj, wish: Obj) -> Verdict:
    """Every node with several cards has measured; else the first that is broken speaks, then who waits."""
    found = [one for one in (judge_together(snapshot, wish, job) for job in together(wish)) if one]
    found.sort(key=lambda one: (one.state != "broken", not one.hopeless))
    return found[0] if found else Verdict("ready")


def together(wish: Obj) -> List[Obj]:
    """The Jobs of nodes with several cards; those of others sleep."""
    return [one for one in list_at(wish, "jobs") if number_at(one, "gpus") > 1]


def judge_together(snapshot: Obj, wish: Obj, one: Obj) -> Optional[Verdict]:
    """None if the Job of a node has measured."""
    pod = job_pod(snapshot, one)
    gone = taken_away(snapshot, one)
    if gone:
        return gone
    if holds(job_object(snapshot, one), "Complete"):
        return None if measured(pod) else broken("NCCL-4", f"{NCCL} ended well on {node_of(pod)} and measured nothing")
    return in_its_words(snapshot, one, pod, judge_job(snapshot, wish, one))


def measured(pod: Obj) -> str:
    """What the pod has found, in one line."""
    ended = [map_at(one, "state", "terminated") for one in statuses_of(pod) if one.get("name") == NCCL]
    return next((said for said in (text_at(one, "message").strip() for one in ended) if MEASURED in said), "")


def in_its_words(snapshot: Obj, one: Obj, pod: Obj, found: Optional[Verdict]) -> Optional[Verdict]:
    """What goes wrong between cards, where it is that; whatever else a Job meets has an id already."""
    if found is None:
        return None
    if found.id == "PLM-16" and node_of(pod):
        problem = f"the all-reduce over {one.get('gpus')} cards is at work on {node_of(pod)}"
        return waits("PLM-16", problem, fix=found.fix)
    said = "\n".join(said_by(snapshot, pod, trouble) for trouble in pod_troubles(pod))
    id, line = recognized(said)
    if not id and found.id != "CUDA-13":
        return found
    id = id or "NCCL-4"
    lines = [*(one for one in line if not any(last.endswith(one) for last in found.evidence)), *found.evidence]
    return verdict(found.state, id, f"{node_of(pod)}: {BY_ID[id].cause}", *lines, hopeless=found.hopeless)


def recognized(said: str) -> Tuple[str, List[str]]:
    """What the words give away, and the first line that does; often it is far above the last ones."""
    for sign, id in NCCL_SIGNS:
        lines = [line.strip() for line in said.splitlines() if re.search(sign, line)]
        if lines:
            return id, lines[:1]
    return "", []


def nccl_logs(snapshot: Obj, wish: Obj) -> List[Tuple[str, str, str]]:
    """The logs of those that failed."""
    pods = [job_pod(snapshot, one) for one in together(wish)]
    return [(space_of(pod), name_of(pod), NCCL) for pod in pods if text_at(pod, "status", "phase") == "Failed"]


def all_reduced(snapshot: Obj, wish: Obj) -> Dict[str, str]:
    """What was measured on each node."""
    pods = [job_pod(snapshot, one) for one in together(wish)]
    return {node_of(pod): measured(pod) for pod in pods}
