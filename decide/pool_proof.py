"""Why a validation pod of a pool has no node, and how many nodes of a pool its proof says nothing about."""

import re
from typing import List

from decide.placement_health import unschedulable
from decide.pool_health import judge_pool, nodes_of
from decide.reading import (
    Obj,
    Verdict,
    allocatable,
    events_about,
    holds,
    list_at,
    name_of,
    number_at,
    stuck,
    text_at,
    waits,
)

# In the order in which they are compared: what an autoscaler says when no machine comes, id, whether it may still come.
NO_MACHINE = (
    (r"quota", "CLD-2", False),
    (r"out of resources|STOCKOUT|RESOURCE_POOL_EXHAUSTED|InsufficientInstanceCapacity", "CLD-1", True),
    (r"FailedScaleUp", "CLD-8", True),
    (r"wouldn't fit", "SCH-4", False),
    (r"max node group size reached|max cluster .*limit reached", "CLD-9", True),
)
SCALING = ("TriggeredScaleUp", "FailedScaleUp", "NotTriggerScaleUp")


def pool_of(wish: Obj, name: str) -> Obj:
    """What is known of a pool."""
    return next((one for one in list_at(wish, "pools") if one.get("name") == name), {})


def no_machine(snapshot: Obj, wish: Obj, pod: Obj, one: Obj) -> Verdict:
    """Why a validation pod of a pool has no node: what the autoscaler said last, else what the scheduler says."""
    name = text_at(one, "pool")
    pool = pool_of(wish, name)
    nodes = nodes_of(snapshot, pool)
    told = [line for line in events_about(snapshot, name_of(pod)) if line.startswith(SCALING)]
    last = told[-1] if told else ""
    for sign, id, may_come in NO_MACHINE:
        if last and re.search(sign, last):
            return (waits if may_come else stuck)(id, f"pool {name} gets no node", last)
    if last:
        return waits("CLD-11", f"pool {name} brings up a node", last)
    if nodes and all(holds(node, "Ready") for node in nodes):
        # The pool's own labels stand in the pod, so its nodes are the only ones that count.
        of_pool = dict(wish, pools=[pool])
        return unschedulable(snapshot, of_pool, pod, number_at(one, "gpus") or 1, None)
    return judge_pool(snapshot, pool) or waits("CLD-11", f"pool {name} has no node yet, and nobody has asked for one")


def pool_reports(snapshot: Obj, wish: Obj, tested: List[str]) -> List[Obj]:
    """Of each pool how many nodes it has now, and how many of them ran a proof."""
    return [pool_report(snapshot, wish, pool, tested) for pool in list_at(wish, "pools")]


def pool_report(snapshot: Obj, wish: Obj, pool: Obj, tested: List[str]) -> Obj:
    """One pool."""
    names = [name_of(node) for node in nodes_of(snapshot, pool) if allocatable(node, wish)]
    proven = [name for name in names if name in tested]
    return {
        "name": text_at(pool, "name"),
        "nodes": len(names),
        "tested": len(proven),
        "not_tested": len(names) - len(proven),
        "most": number_at(pool, "most"),
    }


def pool_warnings(reports: List[Obj]) -> List[str]:
    """What a proof of one node says nothing about."""
    return [
        f"pool {one['name']}: {one['not_tested']} of {one['nodes']} nodes not tested; one whole node stands for all"
        for one in reports
        if one["not_tested"]
    ]
