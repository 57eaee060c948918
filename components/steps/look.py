"""The look: reads a cluster before anything is made in it, and refuses what does not fit the declaration."""

import difflib
import json
import time
from typing import Any, Dict, List

from components.steps.kubectl import Unreadable, by_kind, objects, refuse, say
from decide.reading import (
    Obj, Verdict, at, chosen_nodes, condition_of, holds, labels_of, list_at, map_at, name_of, text_at, untolerated,
    verdict,
)  # fmt: skip

OURS = {"app.kubernetes.io/managed-by": "gpu-ready"}


def main(params: Obj) -> int:
    """0 and what was found as JSON, or 3 and every fault."""
    try:
        snapshot = look_until_answered(params)
    except Unreadable as failure:
        return refuse(failure.found)
    faults = node_faults(snapshot, params) + operator_faults(snapshot, params) + class_faults(snapshot, params)
    for fault in faults[1:]:
        refuse_beside(fault)
    if faults:
        return refuse(faults[0])
    print(json.dumps(what_was_found(snapshot, params), sort_keys=True))
    return 0


def look_until_answered(params: Obj) -> Dict[str, Any]:
    """The cluster's answers; an API server that is just coming back gets a little time."""
    deadline = time.monotonic() + params["seconds"]
    while True:
        try:
            return look_once(params)
        except Unreadable as failure:
            if failure.found.state == "broken" or time.monotonic() >= deadline:
                raise
            say("waiting for {}: {}".format(failure.found.layer, failure.found.problem))
        time.sleep(3)


def look_once(params: Obj) -> Dict[str, Any]:
    """Nodes, and whatever would hand out GPUs already."""
    found = objects(params, "nodes,namespaces,runtimeclasses.node.k8s.io,clusterpolicies.nvidia.com")
    return by_kind(found + objects(params, "deployments.apps,daemonsets.apps", "-A"))


def refuse_beside(fault: Verdict) -> None:
    """A further fault, so that all of them are known at once."""
    say("{} {}: {}".format(fault.id, fault.layer, fault.problem))
    say("fix: " + fault.fix)


def node_faults(snapshot: Obj, params: Obj) -> List[Verdict]:
    """Declared nodes that are not there, not Ready, or closed to GPU pods."""
    names = [name_of(node) for node in list_at(snapshot, "nodes")]
    faults = [no_such_node(str(wanted), names) for wanted in params["nodes"] if wanted not in names]
    nodes = chosen_nodes(snapshot, params)
    if not nodes and not params["nodes"]:
        faults.append(verdict("broken", "CFG-2", "no node has {}".format(closest_labels(snapshot, params))))
    for node in nodes:
        if not holds(node, "Ready"):
            said = text_at(condition_of(node, "Ready"), "message")
            faults.append(verdict("broken", "CFG-3", "{} is not Ready".format(name_of(node)), said))
        if at(node, "spec", "unschedulable"):
            faults.append(verdict("broken", "SCH-7", "{} is cordoned".format(name_of(node))))
        taints = untolerated(node, params["tolerations"])
        if taints:
            problem = "{} has taint {}, which GPU pods do not tolerate".format(name_of(node), ", ".join(taints))
            faults.append(verdict("broken", "SCH-2", problem))
    return faults


def no_such_node(wanted: str, names: List[str]) -> Verdict:
    """A node that is not there, with the name that was probably meant."""
    close = difflib.get_close_matches(wanted, names, n=1)
    hint = "did you mean {}?".format(close[0]) if close else "there are: {}".format(", ".join(names[:10]))
    return verdict("broken", "CFG-1", "there is no node {}; {}".format(wanted, hint))


def closest_labels(snapshot: Obj, params: Obj) -> str:
    """The label that no node has, and what nodes have in its place."""
    said = []
    for key, value in sorted(map_at(params, "node_selector").items()):
        others = sorted({str(labels_of(node)[key]) for node in list_at(snapshot, "nodes") if key in labels_of(node)})
        said.append("{}={} (nodes have: {})".format(key, value, ", ".join(others) or "no such label"))
    return ", ".join(said)


def is_ours(snapshot: Obj, params: Obj, obj: Obj) -> bool:
    """Whether our own release made it: Helm's marks, in a namespace that carries our mark."""
    operator = params["operator"]
    marks = map_at(obj, "metadata", "annotations")
    same = marks.get("meta.helm.sh/release-name") == operator["release"]
    spaces = [one for one in list_at(snapshot, "namespaces") if name_of(one) == operator["namespace"]]
    marked = bool(spaces) and all(labels_of(spaces[0]).get(key) == value for key, value in OURS.items())
    return same and marked and marks.get("meta.helm.sh/release-namespace") == operator["namespace"]


def makers(obj: Obj) -> List[str]:
    """Kinds of the objects that own this one."""
    return [text_at(one, "kind") for one in list_at(obj, "metadata", "ownerReferences")]


def advertisers(snapshot: Obj, params: Obj) -> List[str]:
    """Whatever hands out GPUs here already and is not ours."""
    found = [
        "ClusterPolicy " + name_of(o) for o in list_at(snapshot, "clusterpolicies") if not is_ours(snapshot, params, o)
    ]
    for kind, part in (
        ("deployments", "gpu-operator"),
        ("daemonsets", "nvidia-device-plugin"),
        ("daemonsets", "nvidia-gpu-device-plugin"),
    ):
        for one in list_at(snapshot, kind):
            if part in name_of(one) and "ClusterPolicy" not in makers(one) and not is_ours(snapshot, params, one):
                found.append(
                    "{} {}/{}".format(one.get("kind") or kind, text_at(one, "metadata", "namespace"), name_of(one))
                )
    return found


def operator_faults(snapshot: Obj, params: Obj) -> List[Verdict]:
    """Found but not declared, or declared but not found."""
    found = advertisers(snapshot, params)
    if params["operator"]["mode"] == "install":
        return [verdict("broken", "CFG-4", "found: " + "; ".join(found))] if found else []
    return [] if found else [verdict("broken", "CFG-5")]


def class_faults(snapshot: Obj, params: Obj) -> List[Verdict]:
    """The RuntimeClass is where its declared owner has it, and nowhere else."""
    name, owner = params["runtime_class"]["name"], params["runtime_class"]["owner"]
    there = [one for one in list_at(snapshot, "runtimeclasses") if name_of(one) == name]
    if owner == "external":
        return [] if there else [verdict("broken", "CFG-7", "there is no RuntimeClass {}".format(name))]
    foreign = [one for one in there if not made_by_us(snapshot, params, one)]
    return (
        [verdict("broken", "CFG-6", "RuntimeClass {} is here already and is not ours".format(name))] if foreign else []
    )


def made_by_us(snapshot: Obj, params: Obj, runtime_class: Obj) -> bool:
    """By our own hand, or by the operator that our release installed."""
    if all(labels_of(runtime_class).get(key) == value for key, value in OURS.items()):
        return True
    policies = [one for one in list_at(snapshot, "clusterpolicies") if is_ours(snapshot, params, one)]
    return bool(policies) and "ClusterPolicy" in makers(runtime_class)


def what_was_found(snapshot: Obj, params: Obj) -> Dict[str, Any]:
    """For the state: which nodes, and what they run."""
    nodes = chosen_nodes(snapshot, params)
    return {
        "context": params["context"],
        "nodes": sorted(name_of(node) for node in nodes),
        "kubelets": sorted({text_at(node, "status", "nodeInfo", "kubeletVersion") for node in nodes}),
    }
