"""What nodes, operator, RuntimeClass and plugin say: the first layer that is not well, or that Jobs may run.

Pure, like all that judges: a snapshot and a wish in, a verdict out.
"""

from typing import Callable, List, Optional, Sequence

from decide.operator_health import (
    FOUND_BY_DISCOVERY,
    first_bad_operand,
    kept_from,
    policy_message,
    without_cards,
)
from decide.plugin_health import silent_plugin
from decide.pod_health import shown_labels
from decide.pool_health import judge_pools
from decide.reading import (
    Obj,
    Verdict,
    at,
    capacity,
    chosen_nodes,
    condition_of,
    holds,
    labels_of,
    list_at,
    map_at,
    name_of,
    resource_of,
    stuck,
    text_at,
    waits,
)
from decide.share_health import judge_shares

Check = Callable[[Obj, Obj], Optional[Verdict]]


def first_fault(checks: Sequence[Check], snapshot: Obj, wish: Obj) -> Verdict:
    """The first layer that is not well decides; what comes after it is its consequence."""
    found = (check(snapshot, wish) for check in checks)
    return next((one for one in found if one), Verdict("ready"))


def nobody_home(wish: Obj) -> bool:
    """Whether all that could be judged is away."""
    return bool(wish.get("away")) and not wish.get("nodes")


def judge_nodes(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """The declared nodes exist and are Ready."""
    if list_at(wish, "pools"):
        return judge_pools(snapshot, wish)
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
    owner = at(wish, "runtime_class", "owner")
    # Pods name no class where nvidia is the default runtime, or the platform's plugin hands out the cards.
    if owner in ("host", "platform") or name in [name_of(one) for one in list_at(snapshot, "runtimeclasses")]:
        return None
    if owner == "external":
        return stuck("CFG-7", f"there is no RuntimeClass {name}")
    return waits("RT-7", f"there is no RuntimeClass {name} yet")


def judge_capacity(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """Each declared node hands out cards, or one of those that the selector finds."""
    without = without_cards(snapshot, wish)
    if not without:
        return judge_shares(snapshot, wish)
    kept_away = [found for found in (kept_from(snapshot, wish, node) for node in without) if found]
    operand = first_bad_operand(snapshot, wish)
    if kept_away:
        return worst(list(kept_away))
    if operand:
        return operand
    return worst([not_advertised(snapshot, wish, node) for node in without])


def not_advertised(snapshot: Obj, wish: Obj, node: Obj) -> Verdict:
    """A node without a single card to hand out: nobody knows of its card, or the plugin does not say so."""
    if list_at(wish, "pools") and not list_at(snapshot, "clusterpolicies"):
        return waits("CLD-12", f"{name_of(node)} advertises no {resource_of(node, wish)} yet")
    name, said, resource, has = name_of(node), policy_message(snapshot), resource_of(node, wish), capacity(node, wish)
    if has:
        return stuck("DP-4", f"{name} hands out 0 of {has} cards: the plugin holds them for unhealthy")
    if list_at(snapshot, "clusterpolicies") and FOUND_BY_DISCOVERY not in labels_of(node):
        problem = f"node feature discovery finds no NVIDIA card on {name} (no label {FOUND_BY_DISCOVERY})"
        return stuck("OP-5", problem, said and "ClusterPolicy: " + said)
    return silent_plugin(snapshot, wish, node) or stuck("DP-13", f"{name} advertises no {resource}")
