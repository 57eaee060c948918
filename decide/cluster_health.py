"""What nodes, pods, events and policies say: the first broken layer, or that everything is proven.

Pure: a snapshot and a wish in, a verdict out.
"""

from datetime import datetime
from typing import Any, Dict, List, Optional, Tuple

from decide.job_health import KERNEL, PROOF, SMI, job_checks, job_object, job_pod, judge_job
from decide.operator_health import (
    FOUND_BY_DISCOVERY,
    first_bad_operand,
    judge_operator,
    kept_from,
    operand_logs,
    policy_message,
    without_cards,
)
from decide.pod_health import pod_troubles, shown_labels, statuses_of
from decide.reading import (
    Obj,
    Verdict,
    allocatable,
    at,
    chosen_nodes,
    condition_of,
    holds,
    labels_of,
    list_at,
    located,
    map_at,
    name_of,
    node_of,
    number_at,
    space_of,
    stuck,
    text_at,
    waits,
)
from decide.rollout_health import older_drivers, older_proofs


def judge(snapshot: Obj, wish: Obj) -> Verdict:
    """The first layer that is not well decides; what comes after it is its consequence."""
    for check in (judge_nodes, judge_failed_jobs, judge_operator, judge_runtime_class, judge_capacity, judge_jobs):
        found = check(snapshot, wish)
        if found:
            return found
    return Verdict("ready")


def judge_nodes(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """The declared nodes exist and are Ready."""
    nodes, wanted = chosen_nodes(snapshot, wish), wish.get("nodes") or []
    there = [name_of(node) for node in nodes]
    missing = [str(name) for name in wanted if name not in there]
    if missing:
        return stuck("CFG-1", "not in the cluster: " + ", ".join(missing))
    if not nodes:
        problem = "no node has the labels " + shown_labels(map_at(wish, "node_selector"))
        return stuck("CFG-2", problem)
    down = [node for node in nodes if not holds(node, "Ready")]
    if len(down) == len(nodes) or (wanted and down):
        return not_ready(down)
    return None


def not_ready(down: List[Obj]) -> Verdict:
    """Nodes whose kubelet does not say that they are well."""
    names = [name_of(node) for node in down]
    said = [f"{name_of(node)}: {text_at(condition_of(node, 'Ready'), 'message')}" for node in down]
    fix = "mend the node first: kubectl describe node " + " ".join(names)
    return stuck("CFG-3", "not Ready: " + ", ".join(names), *said, fix=fix)


def judge_failed_jobs(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """A Job that got its card and failed has the better evidence, whatever the operator still waits for."""
    failed = [one for one in list_at(wish, "jobs") if holds(job_object(snapshot, one), "Failed")]
    placed = [one for one in failed if node_of(job_pod(snapshot, one))]
    return worst([judge_job(snapshot, wish, one) for one in placed])


def worst(verdicts: List[Optional[Verdict]]) -> Optional[Verdict]:
    """The verdict that decides, with the others as lines of its evidence."""
    found = sorted((one for one in verdicts if one), key=lambda one: (one.state != "broken", not one.hopeless))
    if not found:
        return None
    others = tuple(f"also {one.id}: {one.problem}" for one in found[1:])
    return found[0]._replace(evidence=found[0].evidence + others)


def judge_runtime_class(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """The class is there, where somebody owns it."""
    name = text_at(wish, "runtime_class", "name")
    if name in [name_of(one) for one in list_at(snapshot, "runtimeclasses")]:
        return None
    if at(wish, "runtime_class", "owner") == "external":
        return stuck("CFG-7", f"there is no RuntimeClass {name}")
    return waits("RT-7", f"there is no RuntimeClass {name} yet")


def judge_capacity(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """Each declared node hands out cards, or one of those that the selector finds."""
    without = without_cards(snapshot, wish)
    if not without:
        return None
    kept_away = [found for found in (kept_from(snapshot, wish, node) for node in without) if found]
    operand = first_bad_operand(snapshot, wish)
    if kept_away:
        return worst(list(kept_away))
    if operand:
        return operand
    return worst([not_advertised(snapshot, wish, node) for node in without])


def not_advertised(snapshot: Obj, wish: Obj, node: Obj) -> Verdict:
    """A node without a single card to hand out: nobody knows of its card, or the plugin does not say so."""
    name, said, resource = name_of(node), policy_message(snapshot), str(wish.get("resource"))
    has = number_at(node, "status", "capacity", resource)
    if has:
        return stuck("DP-4", f"{name} hands out 0 of {has} cards: the plugin holds them for unhealthy")
    if list_at(snapshot, "clusterpolicies") and FOUND_BY_DISCOVERY not in labels_of(node):
        problem = f"node feature discovery finds no NVIDIA card on {name} (no label {FOUND_BY_DISCOVERY})"
        return stuck("OP-5", problem, said and "ClusterPolicy: " + said)
    return stuck("DP-13", f"{name} advertises no {resource}")


def judge_jobs(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """Every Job has passed; else the worst of them speaks."""
    return worst([judge_job(snapshot, wish, job) for job in list_at(wish, "jobs")])


def wanted_logs(snapshot: Obj, wish: Obj) -> List[Tuple[str, str, str]]:
    """The few logs that a verdict needs: of the operator's pods in trouble, and of what ran in the validation pods."""
    wanted = operand_logs(snapshot, wish)
    for job in list_at(wish, "jobs"):
        pod = job_pod(snapshot, job)
        if text_at(pod, "status", "phase") in ("Succeeded", "Failed"):
            bad = [one.container for one in pod_troubles(pod) if one.kind == "error" and one.container != "pod"]
            wanted.append((space_of(pod), name_of(pod), (bad or [KERNEL])[0]))
    return wanted


def report(snapshot: Obj, wish: Obj) -> Obj:
    """What was proven, node by node; nothing in it changes when it is read again."""
    nodes = [node_report(snapshot, wish, one) for one in list_at(wish, "jobs")]
    tested = [one["name"] for one in nodes]
    by_name = {name_of(node): node for node in list_at(snapshot, "nodes")}
    gpu_nodes = [name for name, node in by_name.items() if allocatable(node, wish)]
    return {
        "ready": True,
        "nodes": nodes,
        "not_tested": sorted(name for name in gpu_nodes if name not in tested),
        "operator": operator_report(snapshot, wish),
        "warnings": warnings(snapshot, wish, nodes),
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
        "memory": memory,
        "gpus": allocatable(node, wish),
        "driver": driver or text_at(labels, "nvidia.com/cuda.driver-version.full"),
        "cuda": text_at(labels, "nvidia.com/cuda.runtime-version.full"),
        "checks": checks,
        "seconds": seconds_of(pod),
    }


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
    """Which operator there is."""
    policy = next(iter(list_at(snapshot, "clusterpolicies")), {})
    version = text_at(labels_of(policy), "app.kubernetes.io/version")
    return {"owner": text_at(wish, "operator", "mode"), "version": version, "state": text_at(policy, "status", "state")}


def warnings(snapshot: Obj, wish: Obj, nodes: List[Obj]) -> List[str]:
    """What is not broken and yet worth knowing."""
    elsewhere = first_bad_operand(snapshot, wish, elsewhere=True)
    said = [f"{elsewhere.id}: {elsewhere.problem}; no declared node depends on it"] if elsewhere else []
    for pod in older_drivers(snapshot, wish):
        said.append(f"OP-21: {located(pod)} is of an older version; the operator's upgrade controller replaces it")
    said += older_proofs(snapshot, wish)
    for node in chosen_nodes(snapshot, wish):
        has, free = number_at(node, "status", "capacity", str(wish.get("resource"))), allocatable(node, wish)
        if free < has:
            why = "the plugin holds the others for unhealthy"
            said.append(f"DP-4: {name_of(node)} hands out {free} of {has} cards, {why}")
    for one in nodes:
        if any(check["passed"] and check["name"] != SMI and check["evidence"] != PROOF for check in one["checks"]):
            said.append(f"{one['name']}: the log of the kernel launch is not readable, its exit status was judged")
    return said
