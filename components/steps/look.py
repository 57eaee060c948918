"""The look: reads a cluster before anything is made in it, and refuses what does not fit the declaration."""

import difflib
import json
import time
from typing import Any, Callable, Dict, List, Tuple

from components.steps.claimants import serves_claims, still_claimed
from components.steps.kubectl import MAY_BE_UNKNOWN, Unreadable, by_kind, objects, refuse, say
from components.steps.runtimes import runtime_faults
from components.steps.watchers import unserved_kinds, watcher_faults
from decide.reading import (
    Obj,
    Verdict,
    allocatable,
    at,
    broken,
    chosen_nodes,
    condition_of,
    holds,
    labels_of,
    list_at,
    map_at,
    matches,
    name_of,
    space_of,
    text_at,
    untaint,
    untolerated,
)

# By these what a stack of ours made is told from what others did, and which stack it was; the components write them.
OURS = {"app.kubernetes.io/managed-by": "gpu-ready"}
STACK = "gpu-ready/stack"
# DaemonSets that hand out cards without the operator: NVIDIA's own chart, and what clouds bring along.
PLUGINS = ("nvidia-device-plugin", "nvidia-gpu-device-plugin")
# What some stacks alone look at.
MORE: List[Callable[[Obj, Obj], List[Verdict]]] = []
SECONDS_OF_LAST_CALL = 15  # after the deadline; the engine's own limit comes much later


def main(params: Obj) -> int:
    """0 and what was found as JSON, or 3 and every fault."""
    try:
        snapshot = look_until_answered(params)
    except Unreadable as failure:
        return refuse(failure.found)
    faults = all_faults(snapshot, params)
    if faults:
        return refuse(faults[0], others=faults[1:])
    print(json.dumps(what_was_found(snapshot, params), sort_keys=True))
    return 0


def look_until_answered(params: Obj) -> Dict[str, Any]:
    """The cluster's answers; an API server that is just coming back gets a little time."""
    deadline = time.monotonic() + params["seconds"]
    params = dict(params, stop=deadline + SECONDS_OF_LAST_CALL)
    while True:
        try:
            return look_once(params)
        except Unreadable as failure:
            left = deadline - time.monotonic()
            if failure.found.state == "broken" or left <= 0:
                raise
            say(f"waiting for {failure.found.layer}: {failure.found.problem} (at most {int(left)} s more)")
        time.sleep(3)


def look_once(params: Obj) -> Dict[str, Any]:
    """Nodes, and whatever would hand out GPUs already."""
    kinds = "nodes,namespaces,runtimeclasses.node.k8s.io,deployments.apps,daemonsets.apps," + MAY_BE_UNKNOWN
    return {**by_kind(objects(params, kinds, "-A")), "unserved": unserved_kinds(params)}


def all_faults(snapshot: Obj, params: Obj) -> List[Verdict]:
    """Every fault, so that all of them are known at once."""
    operator = operator_faults(snapshot, params)
    spaces = [] if operator else space_faults(snapshot, params)
    classes = class_faults(snapshot, params, bool(operator))
    watchers = watcher_faults(snapshot.get("unserved") or [])
    found = node_faults(snapshot, params) + operator + still_claimed(snapshot, params) + classes + spaces
    found += watchers + runtime_faults(snapshot, params)
    return found + [fault for more in MORE for fault in more(snapshot, params)]


def space_faults(snapshot: Obj, params: Obj) -> List[Verdict]:
    """Namespaces that will be made, and that somebody else has made already."""
    there = {name_of(one): one for one in list_at(snapshot, "namespaces")}
    makes = params["makes"] + [name for name in [text_at(params, "monitoring", "namespace")] if name]
    taken = [there[name] for name in makes if name in there and not is_marked(there[name], params)]
    return [taken_space(one, params) for one in taken]


def taken_space(space: Obj, params: Obj) -> Verdict:
    """A namespace that a stranger made, or another stack of ours, or this one under an earlier name."""
    name, stack = name_of(space), text_at(space, "metadata", "annotations", STACK)
    other = "choose another: gpu.operator.namespace, validation.namespace or monitoring.namespace"
    if not (stack and matches(labels_of(space), OURS)):
        problem = f"namespace {name} is here already and is not ours"
        return broken("CFG-8", problem, fix=f"remove it: kubectl delete namespace {name}; or {other}")
    renamed = (
        f"if that is this stack's old name: kubectl annotate namespace {name} {STACK}={params['stack']} --overwrite"
    )
    return broken("CFG-8", f"namespace {name} belongs to stack {stack}", fix=f"{other}; {renamed}")


def is_marked(obj: Obj, params: Obj) -> bool:
    """Whether this very stack made it."""
    return matches(labels_of(obj), OURS) and text_at(obj, "metadata", "annotations", STACK) == params["stack"]


def node_faults(snapshot: Obj, params: Obj) -> List[Verdict]:
    """Declared nodes that are not there, not Ready, or closed to GPU pods."""
    if list_at(params, "pools"):
        return []  # they come and go; the gate waits for them
    names = [name_of(node) for node in list_at(snapshot, "nodes")]
    faults = [no_such_node(str(wanted), names) for wanted in params["nodes"] if wanted not in names]
    nodes = chosen_nodes(snapshot, params)
    if not nodes and params["node_selector"]:
        faults.append(broken("CFG-2", "no node has " + closest_labels(snapshot, params)))
    return faults + [fault for node in nodes for fault in faults_of_node(node, params)]


def faults_of_node(node: Obj, params: Obj) -> List[Verdict]:
    """What keeps GPU pods away from a node."""
    name, faults = name_of(node), []
    if not holds(node, "Ready"):
        said = text_at(condition_of(node, "Ready"), "message")
        fix = "mend the node first: kubectl describe node " + name
        faults.append(broken("CFG-3", name + " is not Ready", said, fix=fix))
    if at(node, "spec", "unschedulable"):
        faults.append(broken("SCH-7", name + " is cordoned", fix="kubectl uncordon " + name))
    taints = untolerated(node, params["tolerations"])
    if taints:
        problem = f"{name} has taint {', '.join(taints)}, which GPU pods do not tolerate"
        fix = f"add it to cluster.tolerations, or remove it: {untaint(node, taints)}"
        faults.append(broken("SCH-2", problem, fix=fix))
    return faults


def no_such_node(wanted: str, names: List[str]) -> Verdict:
    """A node that is not there, with the name that was probably meant."""
    close = difflib.get_close_matches(wanted, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(names[:10]) or 'none'}"
    return broken("CFG-1", f"there is no node {wanted}; {hint}")


def closest_labels(snapshot: Obj, params: Obj) -> str:
    """The labels that no node has, and what nodes have in their place."""
    said, wanted = [], sorted(map_at(params, "node_selector").items())
    for key, value in wanted:
        there = sorted({str(labels_of(node)[key]) for node in list_at(snapshot, "nodes") if key in labels_of(node)})
        if str(value) not in there:
            said.append(f"{key}={value} (nodes have: {', '.join(there[:10]) or 'no such label'})")
    return ", ".join(said) or "all of these at once: " + ", ".join(f"{key}={value}" for key, value in wanted)


def our_space(snapshot: Obj, params: Obj, obj: Obj) -> str:
    """Namespace of the release of ours that made it: Helm's marks, and a namespace that carries our mark."""
    marks = map_at(obj, "metadata", "annotations")
    space = text_at(marks, "meta.helm.sh/release-namespace")
    marked = [name_of(one) for one in list_at(snapshot, "namespaces") if is_marked(one, params)]
    ours = text_at(marks, "meta.helm.sh/release-name") in params["releases"]
    return space if ours and space in marked else ""


def is_of_this_release(params: Obj, obj: Obj) -> bool:
    """Whether the release that is wished now made it; another one of ours goes when this one comes."""
    return text_at(obj, "metadata", "annotations", "meta.helm.sh/release-name") == text_at(
        params, "operator", "release"
    )


def makers(obj: Obj) -> List[str]:
    """Kinds of the objects that own this one."""
    return [text_at(one, "kind") for one in list_at(obj, "metadata", "ownerReferences")]


def advertisers(snapshot: Obj, params: Obj) -> List[Tuple[str, Obj]]:
    """Whatever was made here so that GPUs are handed out, and how it is named."""
    policies = list_at(snapshot, "clusterpolicies")
    operators = [one for one in list_at(snapshot, "deployments") if name_of(one) == "gpu-operator"]
    # The platform's own plugin is for nodes that the platform gave a driver.
    pools = list_at(params, "pools")
    daemon_sets = [one for one in list_at(snapshot, "daemonsets") if not (pools and space_of(one) == "kube-system")]
    plugins = [one for one in daemon_sets if is_plugin(one)]
    return [
        (" ".join([kind, "/".join(part for part in (space_of(one), name_of(one)) if part)]), one)
        for kind, some in (("ClusterPolicy", policies), ("Deployment", operators), ("DaemonSet", plugins))
        for one in some
    ]


def handed_out(snapshot: Obj, params: Obj) -> List[str]:
    """Nodes that hand out GPUs, whoever sees to it."""
    nodes = [node for node in chosen_nodes(snapshot, params) if allocatable(node, params)]
    return [f"node {name_of(node)} hands out {allocatable(node, params)} {params['resource']}" for node in nodes]


def is_plugin(daemon_set: Obj) -> bool:
    """A device plugin that no operator made and that is meant for a node here; clouds keep idle ones everywhere."""
    known = any(part in name_of(daemon_set) for part in PLUGINS) or serves_claims(daemon_set)
    idle = at(daemon_set, "status", "desiredNumberScheduled") == 0
    return known and not idle and "ClusterPolicy" not in makers(daemon_set)


def operator_faults(snapshot: Obj, params: Obj) -> List[Verdict]:
    """Found but not declared, or declared but not found; what this stack made itself is neither."""
    found, wished = advertisers(snapshot, params), params["operator"]["namespace"]
    foreign = [name for name, one in found if not our_space(snapshot, params, one)]
    ours = [(our_space(snapshot, params, one), one) for _, one in found]
    own = sorted({space for space, _ in ours} - {""})
    same = sorted({space for space, one in ours if space and is_of_this_release(params, one)})
    # Without anything that explains them, cards that are handed out are somebody else's doing.
    pools = list_at(params, "pools")
    unexplained = [] if found or pools else handed_out(snapshot, params)
    if params["operator"]["mode"] != "external":
        return [cannot_move(space, wished) for space in same if space != wished] + doubled(
            foreign + unexplained, text_at(params, "operator", "beside")
        )
    if foreign or unexplained:
        return []
    return [taken_away(own[0])] if own else [broken("CFG-5")]


def doubled(foreign: List[str], fix: str = "") -> List[Verdict]:
    """A second operator beside one that is there already."""
    problem = "GPUs are handed out here already, and not by this stack: " + "; ".join(foreign)
    return [broken("CFG-4", problem, fix=fix)] if foreign else []


INSTALLED = "the operator here is the one that this stack installed in namespace {}; "


def taken_away(space: str) -> Verdict:
    """The stack installed the operator, and now says that it is somebody else's."""
    then = "with gpu.operator: external the stack would uninstall it, and nothing would hand out GPUs"
    fix = "set gpu.operator: install again; to change over to an operator of your own: pulumi destroy, install yours"
    return broken("CFG-9", INSTALLED.format(space) + then, fix=fix + ", then gpu.operator: external")


def cannot_move(space: str, wished: str) -> Verdict:
    """The stack installed the operator in another namespace than it shall have now."""
    then = f"it cannot move to {wished}: its cluster-wide objects belong to one release, and Helm would refuse another"
    fix = f"set gpu.operator.namespace: {space} again; to move it: pulumi destroy, then pulumi up with the new one"
    return broken("CFG-9", INSTALLED.format(space) + then, fix=fix)


def class_faults(snapshot: Obj, params: Obj, wrong_operator: bool) -> List[Verdict]:
    """The RuntimeClass is where its declared owner has it, and nowhere else."""
    name, owner = params["runtime_class"]["name"], params["runtime_class"]["owner"]
    there = [one for one in list_at(snapshot, "runtimeclasses") if name_of(one) == name]
    if owner == "host":
        return []
    if owner == "external":
        # Where an external operator is missing, so is the class that it would bring.
        follows = wrong_operator and params["operator"]["mode"] == "external"
        return [] if there or follows else [broken("CFG-7", f"there is no RuntimeClass {name}")]
    # One that a foreign operator made is no fault of its own.
    foreign = [one for one in there if not made_by_us(snapshot, params, one)]
    if not foreign or (wrong_operator and "ClusterPolicy" in makers(foreign[0])):
        return []
    if owner == "operator" and comes_with_cluster(foreign[0]):
        return []
    declare = "gpu.operator and gpu.runtimeClass" if params["operator"]["mode"] == "install" else "gpu.runtimeClass"
    fix = f"set {declare}: external, or delete it: kubectl delete runtimeclass {name}"
    return [broken("CFG-6", f"RuntimeClass {name} is here already and is not ours", fix=fix)]


def comes_with_cluster(runtime_class: Obj) -> bool:
    """k3s and RKE2 bring it, with this very handler, and again at each start: the operator may take it over."""
    by_k3s = text_at(runtime_class, "metadata", "annotations", "objectset.rio.cattle.io/owner-name") == "runtimes"
    release = text_at(runtime_class, "metadata", "annotations", "meta.helm.sh/release-name")
    same = text_at(runtime_class, "handler") == name_of(runtime_class)
    return same and (by_k3s or release == "rke2-runtimeclasses")


def made_by_us(snapshot: Obj, params: Obj, runtime_class: Obj) -> bool:
    """By our own hand, or by the operator that our release installed."""
    if is_marked(runtime_class, params):
        return True
    policies = [one for one in list_at(snapshot, "clusterpolicies") if our_space(snapshot, params, one)]
    return bool(policies) and "ClusterPolicy" in makers(runtime_class)


def what_was_found(snapshot: Obj, params: Obj) -> Dict[str, Any]:
    """For the state: which nodes, and what they run."""
    nodes = chosen_nodes(snapshot, params)
    return {
        "context": params["context"],
        "nodes": sorted(name_of(node) for node in nodes),
        "kubelets": sorted({text_at(node, "status", "nodeInfo", "kubeletVersion") for node in nodes}),
    }
