"""Why no node takes a validation pod."""

from typing import List, Optional, Tuple

from decide.pod_health import shown_labels, unplaced
from decide.reading import (
    Obj,
    Verdict,
    allocatable,
    at,
    chosen_nodes,
    list_at,
    map_at,
    name_of,
    node_of,
    number_at,
    resource_of,
    space_of,
    stuck,
    text_at,
    untaint,
    untolerated,
    waits,
)


def unschedulable(snapshot: Obj, wish: Obj, pod: Obj, gpus: int, node: Optional[str]) -> Verdict:
    """Why no node takes a validation pod: the four things that one sentence of the scheduler can mean."""
    said = unplaced(pod)
    nodes = [one for one in chosen_nodes(snapshot, wish) if node in (None, name_of(one))]
    if not nodes:
        wanted = f"node {node}" if node else "labels " + shown_labels(map_at(wish, "node_selector"))
        return stuck("SCH-6", "no node matches " + wanted, said)
    free = [one for one in nodes if not at(one, "spec", "unschedulable")]
    if not free:
        return cordoned(nodes, said)
    open_to_us = [one for one in free if not untolerated(one, wish.get("tolerations"))]
    if not open_to_us:
        return tainted(free, wish, said)
    return short_of_cards(snapshot, wish, open_to_us, gpus, said)


def cordoned(nodes: List[Obj], said: str) -> Verdict:
    """No node that takes new pods."""
    names = [name_of(one) for one in nodes]
    fix = "kubectl uncordon " + " ".join(names)
    return stuck("SCH-7", "cordoned: " + ", ".join(names), said, fix=fix)


def tainted(nodes: List[Obj], wish: Obj, said: str) -> Verdict:
    """No node without a taint that keeps the pod away."""
    taints = [(one, untolerated(one, wish.get("tolerations"))) for one in nodes]
    each = [f"{name_of(one)} has taint {', '.join(there)}" for one, there in taints]
    fix = "add it to cluster.tolerations, or remove it: " + "; ".join(untaint(one, there) for one, there in taints)
    problem = "; ".join(each) + ", which GPU pods do not tolerate"
    return stuck("SCH-2", problem, said, fix=fix)


def short_of_cards(snapshot: Obj, wish: Obj, nodes: List[Obj], gpus: int, said: str) -> Verdict:
    """More cards asked for than any node has, or all of them taken."""
    largest, resource = max(allocatable(one, wish) for one in nodes), resource_of(nodes[0], wish)
    if gpus > largest:
        problem = f"the pod asks for {gpus} {resource}, and no matching node has more than {largest}"
        fix = f"set validation.gpus to at most {largest}" if largest else ""
        return stuck("SCH-1", problem, said, fix=fix)
    if "Insufficient " + resource not in said:
        return stuck("SCH-8", "the scheduler finds no place: " + said)
    names = [name_of(one) for one in nodes]
    holders = [
        f"{space_of(holder)}/{name_of(holder)} ({cards} on {node})"
        for holder, cards, node in gpu_pods(snapshot, resource)
        if node in names
    ]
    by_whom = ", taken by " + ", ".join(holders[:5]) if holders else ""
    return waits("SCH-1", f"no free card on {', '.join(names)}{by_whom}", said)


def gpu_pods(snapshot: Obj, resource: str) -> List[Tuple[Obj, int, str]]:
    """Pods that hold cards, how many, and where."""
    found = []
    for pod in list_at(snapshot, "all_pods"):
        containers = list_at(pod, "spec", "containers") + list_at(pod, "spec", "initContainers")
        cards = max([number_at(one, "resources", "limits", resource) for one in containers] or [0])
        node = node_of(pod)
        if cards and node and text_at(pod, "status", "phase") not in ("Succeeded", "Failed"):
            found.append((pod, cards, node))
    return found
