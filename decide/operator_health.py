"""What the GPU operator and its pods say: progress, or the first link of their chain that is not well."""

from typing import List, Optional, Tuple

from decide.failures import recognize
from decide.pod_health import Trouble, pod_troubles, said_by, sandbox_failure, statuses_of, unplaced
from decide.reading import (
    Obj,
    Verdict,
    allocatable,
    at,
    chosen_nodes,
    condition_of,
    holds,
    labels_of,
    last_lines,
    list_at,
    located,
    map_at,
    name_of,
    node_of,
    number_at,
    space_of,
    stuck,
    text_at,
    untaint,
    untolerated,
    waits,
)
from decide.rollout_health import behind, driver_waits

# The order in which the operator's pods depend on each other: the first that is not well is the cause.
CHAIN = (
    "gpu-operator", "discovery-worker", "discovery-master", "nvidia-driver", "nvidia-container-toolkit",
    "nvidia-operator-validator", "nvidia-device-plugin", "gpu-feature-discovery", "nvidia-dcgm", "nvidia-mig-manager",
    "node-feature-discovery-gc",
)  # fmt: skip
# What node feature discovery writes on a node with a card; without it the operator does nothing there.
FOUND_BY_DISCOVERY = "feature.node.kubernetes.io/pci-10de.present"
DISCOVERY = "node-feature-discovery"
# The validator's last step asks for what the plugin gives, so whatever it says is a consequence.
ASKS_FOR_CARDS = "plugin-validation"
LOGS_AT_ONCE = 4
# Without the first no card is found, without the second none is handed out, and neither says a word about why.
MUST_REACH_NODES = ("node-feature-discovery-worker", "device-plugin")
BRINGERS = {"driver": "nvidia-driver", "toolkit": "nvidia-container-toolkit", "runtime": "nvidia-container-toolkit"}


def judge_operator(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """The operator's own opinion, and the first of its pods that is not well."""
    policies = list_at(snapshot, "clusterpolicies")
    if at(wish, "operator", "mode") == "none":
        return None
    if not policies and at(wish, "operator", "mode") == "external":
        return None if handed_out_otherwise(snapshot, wish) else stuck("CFG-5")
    bad, said = first_bad_operand(snapshot, wish), policy_message(snapshot)
    if policies and text_at(policies[0], "status", "state") == "ready":
        late = behind(snapshot, wish, policies[0])
        return late and (late if late.hopeless else bad or late)
    bad = bad or (driver_waits(snapshot, wish, policies[0]) if policies else None)
    if not bad and not without_cards(snapshot, wish) and first_bad_operand(snapshot, wish, elsewhere=True):
        return None  # what the operator waits for is on nodes that nobody declared: a warning of the report
    return bad or waits("OP-4", said or "the operator starts", said)


def without_cards(snapshot: Obj, wish: Obj) -> List[Obj]:
    """The nodes that hand out no card though they should: each declared one, or all that the selector finds."""
    nodes = chosen_nodes(snapshot, wish)
    poor = [node for node in nodes if not allocatable(node, wish)]
    return poor if wish.get("nodes") or len(poor) == len(nodes) else []


def policy_message(snapshot: Obj) -> str:
    """What the ClusterPolicy gives as the reason."""
    policy = next(iter(list_at(snapshot, "clusterpolicies")), {})
    return text_at(condition_of(policy, "Error"), "message") or text_at(condition_of(policy, "Ready"), "message")


def handed_out_otherwise(snapshot: Obj, wish: Obj) -> bool:
    """A device plugin that no operator made: somebody's own, or a part of the platform."""
    plugins = [one for one in list_at(snapshot, "daemonsets") if "device-plugin" in name_of(one)]
    return bool(plugins) or any(allocatable(node, wish) for node in chosen_nodes(snapshot, wish))


def operator_spaces(snapshot: Obj, wish: Obj) -> List[str]:
    """Namespaces of what makes nodes hand out cards: the wish, the policy and the plugins each name one."""
    policy = next(iter(list_at(snapshot, "clusterpolicies")), {})
    plugins = [space_of(one) for one in list_at(snapshot, "daemonsets") if "nvidia-device-plugin" in name_of(one)]
    found = {text_at(wish, "operator", "namespace"), text_at(policy, "status", "namespace"), *plugins}
    return sorted(found - {""})


def is_elsewhere(pod: Obj, names: List[str]) -> bool:
    """Whether a pod serves only a node that the wish is not about."""
    makers = [one.get("kind") for one in list_at(pod, "metadata", "ownerReferences")]
    return "DaemonSet" in makers and bool(node_of(pod)) and node_of(pod) not in names


def operator_pods(snapshot: Obj, wish: Obj, elsewhere: bool = False) -> List[Obj]:
    """Pods of the operator that are to stay, in the order in which they depend on each other."""
    spaces, names = operator_spaces(snapshot, wish), [name_of(node) for node in chosen_nodes(snapshot, wish)]
    pods = [pod for pod in list_at(snapshot, "pods") if space_of(pod) in spaces]
    pods = [pod for pod in pods if is_elsewhere(pod, names) == elsewhere]
    stay = [pod for pod in pods if text_at(pod, "status", "phase") not in ("Succeeded", "Failed")]
    return sorted(stay, key=lambda pod: (place_of(name_of(pod)), name_of(pod)))


def place_of(name: str) -> int:
    """Place of a pod in the chain."""
    places = [place for place, prefix in enumerate(CHAIN) if prefix in name]
    return max(places) if places else len(CHAIN)


def first_bad_operand(snapshot: Obj, wish: Obj, elsewhere: bool = False) -> Optional[Verdict]:
    """What hangs for good before what may still come; of each, what others depend on first."""
    pods = [pod for pod in operator_pods(snapshot, wish, elsewhere) if not holds(pod, "Ready")]
    found = [operand_finding(snapshot, wish, pod) for pod in pods]
    return min(found, key=lambda one: (not one[1].hopeless, one[0]))[1] if found else None


def operand_finding(snapshot: Obj, wish: Obj, pod: Obj) -> Tuple[float, Verdict]:
    """What a pod of the operator that is not ready means, and how early in the chain that is."""
    place, said, sandbox = place_of(name_of(pod)), unplaced(pod), sandbox_failure(snapshot, pod)
    if said:
        return place, without_node(snapshot, pod, said)
    trouble = Trouble("sandbox", "waiting", sandbox) if sandbox else next(iter(pod_troubles(pod)), None)
    if not trouble:
        found = waits("OP-4", located(pod) + " starts", policy_message(snapshot))
        return place, label_maker(snapshot, wish, pod, found)
    if trouble.container == ASKS_FOR_CARDS:
        waiting = waits("OP-4", f"{located(pod)} waits for the node's cards")
        nodes = [node for node in chosen_nodes(snapshot, wish) if name_of(node) == node_of(pod)]
        kept_away = [found for found in (kept_from(snapshot, wish, node) for node in nodes) if found]
        return place_of("nvidia-device-plugin") + 0.5, (kept_away or [waiting])[0]
    found = operand_verdict(snapshot, pod, trouble)._replace(tried=tries(pod, trouble))
    return place, label_maker(snapshot, wish, pod, found)


def tries(pod: Obj, trouble: Trouble) -> Tuple[str, int]:
    """Which container is started again and again, and how often it has been; its cause may be mended meanwhile."""
    restarts = [number_at(one, "restartCount") for one in statuses_of(pod) if text_at(one, "name") == trouble.container]
    return (f"{name_of(pod)}/{trouble.container}", restarts[0]) if trouble.kind == "crash" else ("", 0)


def label_maker(snapshot: Obj, wish: Obj, pod: Obj, found: Verdict) -> Verdict:
    """Discovery that only begins is what a node without its label waits for: progress, under the name of what lacks."""
    labelled = all(FOUND_BY_DISCOVERY in labels_of(node) for node in chosen_nodes(snapshot, wish))
    if found.id != "OP-4" or DISCOVERY not in name_of(pod) or labelled:
        return found
    fix = f"see why it does not start: kubectl describe pod -n {space_of(pod)} {name_of(pod)}"
    return waits("OP-5", found.problem, *found.evidence, fix=fix)


def kept_from(snapshot: Obj, wish: Obj, node: Obj) -> Optional[Verdict]:
    """What keeps a DaemonSet that hands out cards away from the node: a taint, or a label that says no."""
    for one in list_at(snapshot, "daemonsets"):
        if not any(part in name_of(one) for part in MUST_REACH_NODES):
            continue
        found = kept_by_taint(wish, node, one) or kept_by_label(node, one)
        if found:
            return found
    return None


def kept_by_taint(wish: Obj, node: Obj, daemon_set: Obj) -> Optional[Verdict]:
    """A taint that the DaemonSet does not tolerate."""
    taints = untolerated(node, at(daemon_set, "spec", "template", "spec", "tolerations"))
    if not taints:
        return None
    ours = at(wish, "operator", "mode") == "install"
    let = "add it to cluster.tolerations" if ours else "let the DaemonSets of the operator tolerate it"
    problem = f"{name_of(node)} has taint {', '.join(taints)}, which {name_of(daemon_set)} does not tolerate"
    return stuck("DP-3", problem, fix=f"{let}, or remove it: {untaint(node, taints)}")


def kept_by_label(node: Obj, daemon_set: Obj) -> Optional[Verdict]:
    """A label with another value than the DaemonSet asks for; one that is not there yet may still come."""
    asked, has = map_at(daemon_set, "spec", "template", "spec", "nodeSelector"), labels_of(node)
    for key in sorted(asked):
        if key in has and has[key] != asked[key]:
            problem = f"{name_of(node)} has {key}={has[key]}, so {name_of(daemon_set)} stays away from it"
            return stuck("DP-3", problem, fix=f"kubectl label node {name_of(node)} --overwrite {key}={asked[key]}")
    return None


def without_node(snapshot: Obj, pod: Obj, said: str) -> Verdict:
    """A pod of the operator that no node takes; it has to run somewhere before anything else can."""
    nodes = list_at(snapshot, "nodes")
    taints = [(one, untolerated(one, at(pod, "spec", "tolerations"))) for one in nodes]
    each = [f"{name_of(one)} has taint {', '.join(there)}" for one, there in taints if there]
    problem = f"no node takes {name_of(pod)} of the operator"
    if not each:
        return stuck("SCH-8", problem, said)
    fix = "add a node without taint, or let it tolerate one: gpu.operator.values: {operator: {tolerations: ...}}"
    return stuck("SCH-2", f"{problem}: {'; '.join(each)}", said, fix=fix)


def still_coming(snapshot: Obj, pod: Obj, layer: str) -> bool:
    """Whether the operator's own pod for this layer is on the node and still at work."""
    node, bringer = node_of(pod), BRINGERS.get(layer)
    pods = [one for one in list_at(snapshot, "pods") if bringer and name_of(one).startswith(bringer)]
    return any(node_of(one) == node and not holds(one, "Ready") for one in pods if one is not pod)


def operand_verdict(snapshot: Obj, pod: Obj, trouble: Trouble) -> Verdict:
    """What a container in trouble means: a known failure, a crash of its own kind, or progress."""
    said = said_by(snapshot, pod, trouble)
    known = recognize(said)
    lines = [f"{name_of(pod)} ({trouble.container}): {line}" for line in last_lines(said, 3)]
    lines.append(policy_message(snapshot))
    where = f"-n {space_of(pod)} {name_of(pod)}"
    if known and known.id != "OP-1":
        return known_failure(snapshot, pod, trouble, known.id, lines)
    if trouble.kind != "waiting":
        what = "crashes again and again" if trouble.kind == "crash" else "fails"
        fix = f"read its log: kubectl logs {where} -c {trouble.container} --previous"
        return stuck("OP-18", f"{located(pod)} {what}", *lines, fix=fix)
    problem = f"{located(pod)} waits in {trouble.container}"
    return waits(known.id if known else "OP-4", problem, *lines, fix=f"kubectl describe pod {where}")


def known_failure(snapshot: Obj, pod: Obj, trouble: Trouble, id: str, lines: List[str]) -> Verdict:
    """A failure of the catalogue; a container that tries again has hope while its layer is worked on."""
    found = waits(id, "", *lines)
    coming = trouble.kind == "waiting" and still_coming(snapshot, pod, found.layer)
    node, problem, fix = node_of(pod), f"{located(pod)}: {found.problem}", found.fix
    if id == "OP-2":
        problem = f"{node} has no working driver ({name_of(pod)} asks for it), and the operator brings none there"
        fix = f"install a driver on {node} so that nvidia-smi works there, or set gpu.driver: operator"
    return found._replace(problem=problem, fix=fix, hopeless=not coming)


def operand_logs(snapshot: Obj, wish: Obj) -> List[Tuple[str, str, str]]:
    """The few logs that tell why pods of the operator are not ready."""
    wanted = []
    for pod in operator_pods(snapshot, wish):
        for trouble in pod_troubles(pod)[:1]:
            if trouble.kind in ("waiting", "crash") and trouble.container != ASKS_FOR_CARDS:
                wanted.append((space_of(pod), name_of(pod), trouble.container))
    return wanted[:LOGS_AT_ONCE]
