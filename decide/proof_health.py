"""What the validation Jobs have proven, and the report of it."""

from datetime import datetime
from typing import Any, Dict, List, Optional, Tuple

from decide.cluster_health import first_fault, judge_capacity, judge_nodes, judge_runtime_class, nobody_home, worst
from decide.job_health import PROOFS, job_checks, job_object, job_pod, judge_job, proven_in, taken_away
from decide.operator_health import first_bad_operand, operand_logs
from decide.plugin_health import judge_bringer, plugin_report, silent_logs
from decide.pod_health import pod_troubles, statuses_of
from decide.pool_proof import pool_reports, pool_warnings
from decide.reading import (
    Obj,
    Verdict,
    allocatable,
    capacity,
    chosen_nodes,
    holds,
    labels_of,
    list_at,
    located,
    map_at,
    name_of,
    node_of,
    resource_of,
    space_of,
    text_at,
)
from decide.rollout_health import older_drivers
from decide.share_health import cards_of

# What a proof runs on.
PROVEN = ("nvidia-driver", "nvidia-container-toolkit", "nvidia-device-plugin")


def judge(snapshot: Obj, wish: Obj) -> Verdict:
    """The first broken layer, or that everything is proven."""
    if nobody_home(wish):
        return Verdict("ready")
    before = (
        judge_taken_away,
        judge_nodes,
        judge_failed_jobs,
        judge_bringer,
        judge_runtime_class,
        judge_capacity,
        judge_jobs,
    )
    return first_fault(before, snapshot, wish)


def judge_taken_away(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """A machine that went with its proof: nothing that is seen of its pool now is the reason."""
    return worst([taken_away(snapshot, one) for one in list_at(wish, "jobs")])


def judge_failed_jobs(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """A Job that got its card and failed has the better evidence, whatever the operator still waits for."""
    failed = [one for one in list_at(wish, "jobs") if holds(job_object(snapshot, one), "Failed")]
    placed = [one for one in failed if node_of(job_pod(snapshot, one))]
    return worst([judge_job(snapshot, wish, one) for one in placed])


def judge_jobs(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """Every Job has passed; else the worst of them speaks."""
    return worst([judge_job(snapshot, wish, job) for job in list_at(wish, "jobs")])


def wanted_logs(snapshot: Obj, wish: Obj) -> List[Tuple[str, str, str]]:
    """The few logs that a verdict needs: of the operator's pods in trouble, and of what ran in the validation pods."""
    wanted = operand_logs(snapshot, wish) + silent_logs(snapshot, wish)
    for job in list_at(wish, "jobs"):
        pod = job_pod(snapshot, job)
        if text_at(pod, "status", "phase") in ("Succeeded", "Failed"):
            bad = [one.container for one in pod_troubles(pod) if one.kind == "error" and one.container != "pod"]
            wanted += [(space_of(pod), name_of(pod), one) for one in (bad[:1] or proven_in(pod))]
    return wanted


def report(snapshot: Obj, wish: Obj) -> Obj:
    """What was proven, node by node; nothing in it changes when it is read again."""
    if nobody_home(wish):
        return {"ready": None, "why": "no host is there: " + "; ".join(away(wish))}
    nodes = [node_report(snapshot, wish, one) for one in list_at(wish, "jobs")]
    tested = [one["name"] for one in nodes]
    by_name = {name_of(node): node for node in list_at(snapshot, "nodes")}
    gpu_nodes = [name for name, node in by_name.items() if allocatable(node, wish)]
    pools = pool_reports(snapshot, wish, tested)
    return {
        "ready": True,
        "nodes": nodes,
        "not_tested": sorted(name for name in gpu_nodes if name not in tested),
        "operator": operator_report(snapshot, wish),
        **({"pools": pools} if pools else {}),
        "warnings": [*warnings(snapshot, wish, nodes), *pool_warnings(pools)],
    }


def node_report(snapshot: Obj, wish: Obj, one: Obj) -> Dict[str, Any]:
    """One node: card, driver, CUDA, checks, seconds."""
    pod = job_pod(snapshot, one)
    name = node_of(pod) or str(one.get("node") or "")
    node = next((node for node in list_at(snapshot, "nodes") if name_of(node) == name), {})
    labels, checks = labels_of(node), job_checks(snapshot, pod)
    smi = next(iter(checks[0]["evidence"].splitlines()), "")
    card, driver, memory = [*(part.strip() for part in smi.split(",")), "", "", ""][:3]
    return {
        "name": name,
        "card": card or text_at(labels, "nvidia.com/gpu.product"),
        "memory": labelled_memory(node, wish) if memory.startswith("[") else memory,
        **cards_of(node, wish),
        "driver": driver or text_at(labels, "nvidia.com/cuda.driver-version.full"),
        "cuda": text_at(labels, "nvidia.com/cuda.runtime-version.full"),
        "checks": checks,
        "seconds": seconds_of(pod),
    }


def labelled_memory(node: Obj, wish: Obj) -> str:
    """What discovery says of it: nvidia-smi says nothing of a slice."""
    found = text_at(labels_of(node), f"{resource_of(node, wish)}.memory")
    return f"{found} MiB" if found else ""


def seconds_of(pod: Obj) -> int:
    """How long the containers of a pod ran, from the first start to the last end."""
    ended = [map_at(one, "state", "terminated") for one in statuses_of(pod)]
    starts = [text_at(one, "startedAt") for one in ended if text_at(one, "startedAt")]
    ends = [text_at(one, "finishedAt") for one in ended if text_at(one, "finishedAt")]
    try:
        form = "%Y-%m-%dT%H:%M:%SZ"
        return int((datetime.strptime(max(ends), form) - datetime.strptime(min(starts), form)).total_seconds())
    except ValueError:
        return 0


def operator_report(snapshot: Obj, wish: Obj) -> Dict[str, str]:
    """Which operator there is, or which plugin where there shall be none."""
    if text_at(wish, "operator", "mode") == "none":
        return plugin_report(snapshot, wish)
    policy = next(iter(list_at(snapshot, "clusterpolicies")), {})
    version = text_at(labels_of(policy), "app.kubernetes.io/version")
    return {"owner": text_at(wish, "operator", "mode"), "version": version, "state": text_at(policy, "status", "state")}


def away(wish: Obj) -> List[str]:
    """The hosts that are not there."""
    return [f"{host} is {state}" for host, state in sorted(map_at(wish, "away").items())]


def warnings(snapshot: Obj, wish: Obj, nodes: List[Obj]) -> List[str]:
    """What is not broken and yet worth knowing."""
    said = [f"not tested: {one}" for one in away(wish)]
    elsewhere = first_bad_operand(snapshot, wish, elsewhere=True)
    if elsewhere:
        said.append(f"{elsewhere.id}: {elsewhere.problem}; no declared node depends on it")
    for pod in older_drivers(snapshot, wish):
        said.append(f"OP-21: {located(pod)} is of an older version; the operator's upgrade controller replaces it")
    said += older_proofs(snapshot, wish)
    for node in chosen_nodes(snapshot, wish):
        has, free = capacity(node, wish), allocatable(node, wish)
        if free < has:
            why = "the plugin holds the others for unhealthy"
            said.append(f"DP-4: {name_of(node)} hands out {free} of {has} cards, {why}")
    for one in nodes:
        passed = [check for check in one["checks"] if check["passed"] and check["name"] in PROOFS]
        if any(check["evidence"] != PROOFS[check["name"]] for check in passed):
            said.append(f"{one['name']}: the log of the kernel launch is not readable, its exit status was judged")
    return said


def older_proofs(snapshot: Obj, wish: Obj) -> List[str]:
    """Nodes that were proven before what they were proven with was replaced."""
    said = []
    for one in list_at(wish, "jobs"):
        proof = job_pod(snapshot, one)
        node, began = node_of(proof), first_run(proof)
        there = [pod for pod in list_at(snapshot, "pods") if node_of(pod) == node and name_of(pod).startswith(PROVEN)]
        newer = [name_of(pod) for pod in there if began and text_at(pod, "status", "startTime") > began]
        if newer:
            anew = f"kubectl delete job -n {space_of(proof)} {one.get('name')}, then pulumi up --refresh"
            said.append(f"{node} was proven before {min(newer)} began; to prove it anew: {anew}")
    return said


def first_run(pod: Obj) -> str:
    """When its first container began: a pod may wait on a new node for what the node is not yet ready with."""
    starts = [text_at(one, "state", "terminated", "startedAt") for one in statuses_of(pod)]
    return min([one for one in starts if one] or [text_at(pod, "status", "startTime")])
