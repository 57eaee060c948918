"""Whether the operator has acted on what was changed last: its word `ready` may be one from before."""

from typing import List, Optional, Tuple

from decide.reading import (
    Obj,
    Verdict,
    at,
    chosen_nodes,
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

CHART = "helm.sh/chart"
VERSION = "app.kubernetes.io/version"
# Deprecated for ten years and written all the same; pods carry it as a label.
TEMPLATE = ("metadata", "annotations", "deprecated.daemonset.template.generation")
UPGRADE_STATE = "nvidia.com/gpu-driver-upgrade-state"
# The operator's status says nothing of which policy it is about, and a change waits for the round that is under way.
SECONDS_TO_NOTICE = 15


def behind(snapshot: Obj, wish: Obj, policy: Obj) -> Optional[Verdict]:
    """What shows that a policy is not ready in its present form, whatever it says."""
    late = wrong_version(wish, policy)
    if late:
        return late
    signs = operator_signs(snapshot, wish) + [sign for one in operands(snapshot) for sign in signs_of(one, policy)]
    signs += [sign for one in operands(snapshot) for sign in pod_signs(snapshot, wish, one)]
    if not signs and at(wish, "operator", "mode") == "install" and number_at(policy, "metadata", "generation") > 1:
        seconds = wish.get("waited", SECONDS_TO_NOTICE)
        signs = ["its policy may have been changed just now"] if seconds < SECONDS_TO_NOTICE else []
    return waits("OP-19", "the operator says ready, but " + signs[0], *signs[1:]) if signs else None


def wrong_version(wish: Obj, policy: Obj) -> Optional[Verdict]:
    """A policy that is not of the version which the stack names and has just installed."""
    wished, labels = text_at(wish, "operator", "version"), labels_of(policy)
    chart = text_at(labels, CHART).rpartition("gpu-operator-")[2]
    there = [one for one in (text_at(labels, VERSION), chart) if one]
    if not wished or not there or wished in there:
        return None
    return stuck("OP-20", f"ClusterPolicy {name_of(policy)} is of {there[0]}, and {wished} was installed")


def operator_signs(snapshot: Obj, wish: Obj) -> List[str]:
    """An older operator that still answers; or none that does, where that is our business."""
    ours = at(wish, "operator", "mode") == "install"
    found = [one for one in list_at(snapshot, "deployments") if name_of(one) == "gpu-operator"]
    late = [one for one in found if not replaced(one, ours)]
    keys = ("replicas", "updatedReplicas", "availableReplicas")
    counts = [", ".join(f"{key}: {number_at(one, 'status', key)}" for key in keys) for one in late]
    return [f"Deployment gpu-operator is not rolled out ({one})" for one in counts]


def replaced(deployment: Obj, available: bool) -> bool:
    """Whether only pods of its newest form are left."""
    wanted, status = at(deployment, "spec", "replicas"), map_at(deployment, "status")
    keys = ("replicas", "updatedReplicas", *(("availableReplicas",) if available else ()))
    there = {number_at(status, key) for key in keys}
    return observed(deployment) and there == {1 if wanted is None else wanted}


def observed(one: Obj) -> bool:
    """Whether its controller has met the newest form of an object."""
    return number_at(one, "status", "observedGeneration") >= number_at(one, "metadata", "generation")


def owners_of(obj: Obj, key: str) -> List[str]:
    """Names or kinds of the objects that own this one."""
    return [text_at(one, key) for one in list_at(obj, "metadata", "ownerReferences")]


def operands(snapshot: Obj) -> List[Obj]:
    """The DaemonSets that the operator made."""
    return [one for one in list_at(snapshot, "daemonsets") if "ClusterPolicy" in owners_of(one, "kind")]


def signs_of(daemon_set: Obj, policy: Obj) -> List[str]:
    """A DaemonSet of before: the operator writes the labels of its policy, with the chart's version, into each."""
    wanted = map_at(policy, "spec", "daemonsets", "labels").get(CHART)
    has = map_at(daemon_set, "spec", "template", "metadata", "labels").get(CHART)
    if wanted and has and has != wanted and number_at(daemon_set, "status", "desiredNumberScheduled"):
        return [f"{name_of(daemon_set)} is still that of {has}"]
    return [] if observed(daemon_set) else [f"{name_of(daemon_set)} was changed just now"]


def pod_signs(snapshot: Obj, wish: Obj, daemon_set: Obj) -> List[str]:
    """Pods of before on the nodes in question; what is late elsewhere is not our business."""
    if not moves_by_itself(daemon_set):
        return []
    keys = ("desiredNumberScheduled", "updatedNumberScheduled")
    desired, updated = (number_at(daemon_set, "status", key) for key in keys)
    elsewhere = [pod for pod, here in older_pods(snapshot, wish, daemon_set) if not here]
    if desired - updated <= len(elsewhere):
        return []
    return [f"{name_of(daemon_set)} has new pods on {updated} of {desired} nodes only"]


def moves_by_itself(daemon_set: Obj) -> bool:
    """Not so the driver's: who changes it has to empty the node first."""
    return text_at(daemon_set, "spec", "updateStrategy", "type") != "OnDelete"


def older_pods(snapshot: Obj, wish: Obj, daemon_set: Obj) -> List[Tuple[Obj, bool]]:
    """Pods of an older template of a DaemonSet, and whether the wish is about their node."""
    names, newest = [name_of(node) for node in chosen_nodes(snapshot, wish)], text_at(daemon_set, *TEMPLATE)
    pods = [pod for pod in list_at(snapshot, "pods") if space_of(pod) == space_of(daemon_set)]
    pods = [pod for pod in pods if name_of(daemon_set) in owners_of(pod, "name")]
    known = ("", newest) if newest else None
    found = [pod for pod in pods if known and text_at(labels_of(pod), "pod-template-generation") not in known]
    return [(pod, node_of(pod) in names) for pod in found]


def older_drivers(snapshot: Obj, wish: Obj) -> List[Obj]:
    """Driver pods on the nodes in question that wait for somebody to replace them."""
    by_hand = [one for one in operands(snapshot) if not moves_by_itself(one)]
    return [pod for one in by_hand for pod, here in older_pods(snapshot, wish, one) if here]


def driver_waits(snapshot: Obj, wish: Obj, policy: Obj) -> Optional[Verdict]:
    """A driver of before, and who is to replace it: the operator's upgrade controller, or nobody."""
    for pod in older_drivers(snapshot, wish):
        node = next(one for one in chosen_nodes(snapshot, wish) if name_of(one) == node_of(pod))
        state = text_at(labels_of(node), UPGRADE_STATE)
        older, by_hand = (
            f"{located(pod)} is of an older version",
            f"kubectl delete pod -n {space_of(pod)} {name_of(pod)}",
        )
        if at(policy, "spec", "driver", "upgradePolicy", "autoUpgrade") is False:
            fix = f"take the GPU pods off {node_of(pod)}, then {by_hand}"
            return stuck("OP-21", f"{older}, and driver.upgradePolicy.autoUpgrade is off: nobody replaces it", fix=fix)
        if state == "upgrade-failed":
            fix = f"kubectl describe node {node_of(pod)} says why; mend it, then {by_hand}"
            return stuck("OP-21", f"{older}, and the operator's upgrade controller has given up on it", fix=fix)
        return waits("OP-21", f"{older}; the operator's upgrade controller replaces it ({state or 'not begun'})")
    return None
