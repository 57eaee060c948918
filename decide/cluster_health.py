"""What nodes, pods, events and policies say: the first broken layer, or that everything is proven.

Used by the gate inside `pulumi up` and by whoever else wants to know. Pure: a snapshot and a wish in, a verdict out.
Part of the text that runs under a user's own python3: standard library only, no newer syntax than Python 3.8 has.
"""

from datetime import datetime
from typing import Any, Dict, List, Optional, Tuple

from decide.failures import recognize
from decide.job_health import PROOF, SMI, job_checks, job_object, job_pod, judge_job
from decide.pod_health import Trouble, best_of, pod_troubles
from decide.reading import (
    Obj, Verdict, allocatable, at, chosen_nodes, condition_of, holds, labels_of, last_lines, list_at, log_in, map_at,
    matches, name_of, number_at, text_at, untolerated, verdict,
)  # fmt: skip

FOUND_BY_DISCOVERY = "feature.node.kubernetes.io/pci-10de.present"
# The order in which the operator's pods depend on each other: the first that is not well is the cause.
OPERANDS = (
    "gpu-operator", "node-feature-discovery", "nvidia-driver", "nvidia-container-toolkit", "nvidia-operator-validator",
    "nvidia-device-plugin", "gpu-feature-discovery", "nvidia-dcgm", "nvidia-mig-manager",
)  # fmt: skip


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
    missing = [name for name in wanted if name not in [name_of(node) for node in nodes]]
    if missing:
        return verdict("waiting", "CFG-1", "not in the cluster: " + ", ".join(map(str, missing)), hopeless=True)
    if not nodes:
        return verdict("waiting", "CFG-2", "no node has the labels {}".format(map_at(wish, "node_selector")), hopeless=True)
    down = [node for node in nodes if not holds(node, "Ready")]
    if len(down) == len(nodes) or (wanted and down):
        said = [text_at(condition_of(node, "Ready"), "message") for node in down]
        return verdict("waiting", "CFG-3", "not Ready: " + ", ".join(name_of(n) for n in down), *said, hopeless=True)
    return None


def judge_failed_jobs(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """A Job that got its card and failed has the better evidence, whatever the operator still waits for."""
    for one in list_at(wish, "jobs"):
        if holds(job_object(snapshot, one), "Failed") and text_at(job_pod(snapshot, one), "spec", "nodeName"):
            return judge_job(snapshot, wish, one)
    return None


def judge_operator(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """The operator's own opinion, and the first of its pods that is not well."""
    policies = list_at(snapshot, "clusterpolicies")
    if not policies:
        if at(wish, "operator", "mode") == "external":
            return None if stand_alone_plugins(snapshot) else verdict("waiting", "CFG-5", hopeless=True)
        return first_bad_operand(snapshot, wish) or verdict("waiting", "OP-4", "the operator starts")
    if text_at(policies[0], "status", "state") == "ready":
        return None
    said = policy_message(policies[0])
    return first_bad_operand(snapshot, wish, said) or verdict("waiting", "OP-4", said or "the operator starts", said)


def policy_message(policy: Obj) -> str:
    """What the ClusterPolicy gives as the reason."""
    return text_at(condition_of(policy, "Error"), "message") or text_at(condition_of(policy, "Ready"), "message")


def stand_alone_plugins(snapshot: Obj) -> List[Obj]:
    """Device plugins that no operator made."""
    plugins = [one for one in list_at(snapshot, "daemonsets") if "nvidia-device-plugin" in name_of(one)]
    return [one for one in plugins if "ClusterPolicy" not in [o.get("kind") for o in list_at(one, "metadata", "ownerReferences")]]


def operator_pods(snapshot: Obj, wish: Obj) -> List[Obj]:
    """Pods in the operator's namespace, in the order in which they depend on each other."""
    namespace = text_at(wish, "operator", "namespace")
    pods = [pod for pod in list_at(snapshot, "pods") if text_at(pod, "metadata", "namespace") == namespace]
    return sorted(pods, key=lambda pod: (rank(name_of(pod)), name_of(pod)))


def rank(name: str) -> int:
    """Place of a pod in the chain."""
    places = [place for place, prefix in enumerate(OPERANDS) if prefix in name]
    return max(places) if places else len(OPERANDS)


def first_bad_operand(snapshot: Obj, wish: Obj, policy_said: str = "") -> Optional[Verdict]:
    """The first of the operator's pods that hangs, crashes or has no image."""
    for pod in operator_pods(snapshot, wish):
        troubles = [one for one in pod_troubles(pod) if one.kind != "waiting" or log_in(snapshot, pod, one.container)]
        if troubles and not holds(pod, "Ready"):
            return operand_verdict(snapshot, pod, troubles[0], policy_said)
    return None


def operand_verdict(snapshot: Obj, pod: Obj, trouble: Trouble, policy_said: str) -> Verdict:
    """What a pod of the operator that is not well means."""
    log = log_in(snapshot, pod, trouble.container)
    said = "\n".join(part for part in (trouble.text, log if isinstance(log, str) else "") if part)
    known = recognize(said)
    node = text_at(pod, "spec", "nodeName")
    lines = ["{} ({}): {}".format(name_of(pod), trouble.container, line) for line in last_lines(said, 3)]
    where = "{} on {}".format(name_of(pod), node)
    # A waiting operand may only wait for one that is still at work; without a known sign it is progress.
    definite = trouble.kind != "waiting" or (known is not None and known.id == "OP-2")
    if known and definite:
        return verdict("waiting", known.id, "{}: {}".format(where, known.cause), *lines, policy_said, hopeless=True)
    if trouble.kind == "crash":
        return verdict("waiting", "OP-18", where + " crashes again and again", *lines, policy_said, hopeless=True)
    return verdict("waiting", known.id if known else "OP-4", "{} waits in {}".format(where, trouble.container), *lines, policy_said)


def judge_runtime_class(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """The class is there, where somebody owns it."""
    name = text_at(wish, "runtime_class", "name")
    if name in [name_of(one) for one in list_at(snapshot, "runtimeclasses")]:
        return None
    if at(wish, "runtime_class", "owner") == "external":
        return verdict("waiting", "CFG-7", "there is no RuntimeClass {}".format(name), hopeless=True)
    return verdict("waiting", "RT-7", "there is no RuntimeClass {} yet".format(name))


def judge_capacity(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """The nodes hand out cards: each declared one, or one of those that the selector finds."""
    nodes = chosen_nodes(snapshot, wish)
    without = [node for node in nodes if not allocatable(node, wish)]
    if not without or (len(without) < len(nodes) and not wish.get("nodes")):
        return None
    node = without[0]
    broken_taints = taints_in_the_way(snapshot, node)
    if broken_taints:
        problem = "{} has taint {}, which {} does not tolerate".format(name_of(node), broken_taints[1], broken_taints[0])
        return verdict("waiting", "DP-3", problem, policy_of(snapshot), hopeless=True)
    if not stand_alone_plugins(snapshot) and FOUND_BY_DISCOVERY not in labels_of(node):
        problem = "{} has no label {}".format(name_of(node), FOUND_BY_DISCOVERY)
        return verdict("waiting", "OP-5", problem, policy_of(snapshot), hopeless=True)
    problem = "{} advertises no {}".format(name_of(node), wish.get("resource"))
    return verdict("waiting", "DP-6", problem, *plugin_lines(snapshot, node), hopeless=True)


def policy_of(snapshot: Obj) -> str:
    """The ClusterPolicy's own words."""
    policies = list_at(snapshot, "clusterpolicies")
    return "ClusterPolicy: " + policy_message(policies[0]) if policies and policy_message(policies[0]) else ""


def taints_in_the_way(snapshot: Obj, node: Obj) -> Optional[Tuple[str, str]]:
    """A DaemonSet of the GPU stack that a taint keeps away from the node, and the taint."""
    for one in list_at(snapshot, "daemonsets"):
        stack = any(part in name_of(one) for part in ("node-feature-discovery-worker", "nvidia-device-plugin"))
        taints = untolerated(node, at(one, "spec", "template", "spec", "tolerations")) if stack else []
        if taints:
            return name_of(one), ", ".join(taints)
    return None


def plugin_lines(snapshot: Obj, node: Obj) -> List[str]:
    """What the device plugin on that node last said."""
    pods = [pod for pod in list_at(snapshot, "pods") if "device-plugin" in name_of(pod)]
    here = [pod for pod in pods if text_at(pod, "spec", "nodeName") == name_of(node)]
    return ["{}: {}".format(name_of(pod), one.text) for pod in here for one in pod_troubles(pod) if one.text]


def judge_jobs(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """Every Job has passed; else the worst of them speaks."""
    found = [one for one in (judge_job(snapshot, wish, job) for job in list_at(wish, "jobs")) if one]
    order = {"broken": 0, "waiting": 2}
    found.sort(key=lambda one: order.get(one.state, 2) - (1 if one.hopeless else 0))
    return found[0] if found else None


def wanted_logs(snapshot: Obj, wish: Obj) -> List[Tuple[str, str, str]]:
    """The few logs that a verdict needs: of operands that hang in an init container or crash, and of the kernel launch."""
    wanted = []
    for pod in operator_pods(snapshot, wish):
        for one in pod_troubles(pod)[:1]:
            if one.kind in ("waiting", "crash") and not one.text.strip() or one.kind == "waiting":
                wanted.append((text_at(pod, "metadata", "namespace"), name_of(pod), one.container))
    for one in list_at(wish, "jobs"):
        pod = job_pod(snapshot, one)
        if pod and text_at(pod, "status", "phase") in ("Succeeded", "Failed"):
            wanted.append((text_at(pod, "metadata", "namespace"), name_of(pod), "vectoradd"))
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
    name = text_at(pod, "spec", "nodeName") or str(one.get("node") or "")
    node = next((node for node in list_at(snapshot, "nodes") if name_of(node) == name), {})
    labels, checks = labels_of(node), job_checks(snapshot, pod)
    smi = next((check["evidence"] for check in checks if check["name"] == SMI), "")
    parts = [part.strip() for part in (smi.splitlines() or [""])[0].split(",")]
    card, driver, memory = (parts + ["", "", ""])[:3]
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
    statuses = list_at(pod, "status", "initContainerStatuses") + list_at(pod, "status", "containerStatuses")
    ended = [map_at(one, "state", "terminated") for one in statuses]
    starts = sorted(text_at(one, "startedAt") for one in ended if text_at(one, "startedAt"))
    ends = sorted(text_at(one, "finishedAt") for one in ended if text_at(one, "finishedAt"))
    try:
        form = "%Y-%m-%dT%H:%M:%SZ"
        return int((datetime.strptime(ends[-1], form) - datetime.strptime(starts[0], form)).total_seconds())
    except (IndexError, ValueError):
        return 0


def operator_report(snapshot: Obj, wish: Obj) -> Dict[str, str]:
    """Which operator there is."""
    policies = list_at(snapshot, "clusterpolicies")
    version = text_at(labels_of(policies[0]), "app.kubernetes.io/version") if policies else ""
    state = text_at(policies[0], "status", "state") if policies else ""
    return {"owner": text_at(wish, "operator", "mode"), "version": version, "state": state}


def warnings(snapshot: Obj, wish: Obj, nodes: List[Obj]) -> List[str]:
    """What is not broken and yet worth knowing."""
    said = []
    for node in chosen_nodes(snapshot, wish):
        has, hands_out = number_at(node, "status", "capacity", str(wish.get("resource"))), allocatable(node, wish)
        if hands_out < has:
            said.append("DP-4: {} hands out {} of {} cards, the plugin holds the others for unhealthy".format(name_of(node), hands_out, has))
    for one in nodes:
        if any(check["passed"] and check["name"] != SMI and check["evidence"] != PROOF for check in one["checks"]):
            said.append("{}: the log of the kernel launch could not be read, so its exit status alone was judged".format(one["name"]))
    return said
