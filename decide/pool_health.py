"""Pools, whose nodes come when a pod asks for one: that none is there yet is no fault."""

from typing import List, Optional

from decide.reading import (
    Obj,
    Verdict,
    condition_of,
    holds,
    labels_of,
    list_at,
    map_at,
    matches,
    name_of,
    number_at,
    text_at,
    waits,
)


def nodes_of(snapshot: Obj, pool: Obj) -> List[Obj]:
    """The nodes of a pool."""
    return [one for one in list_at(snapshot, "nodes") if matches(labels_of(one), map_at(pool, "node_selector"))]


def judge_pools(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """Each pool has the nodes that it never gives up, and some of them are Ready; none is asked for beyond that."""
    found = (judge_pool(snapshot, pool) for pool in list_at(wish, "pools"))
    return next((one for one in found if one), None)


def judge_pool(snapshot: Obj, pool: Obj) -> Optional[Verdict]:
    """Machines take minutes to join, so this waits as long as there is time."""
    nodes, least, name = nodes_of(snapshot, pool), number_at(pool, "least"), text_at(pool, "name")
    if len(nodes) < least:
        return waits("CLD-11", f"pool {name} has {len(nodes)} of {least} nodes")
    down = [node for node in nodes if not holds(node, "Ready")]
    if nodes and len(down) == len(nodes):
        return not_joined(name, down)
    return None


def not_joined(name: str, down: List[Obj]) -> Verdict:
    """A machine that came and does not join."""
    said = [f"{name_of(node)}: {text_at(condition_of(node, 'Ready'), 'message')}" for node in down]
    problem = f"pool {name}: not Ready: " + ", ".join(name_of(node) for node in down)
    return waits("CLD-10", problem, *said, fix="kubectl describe node " + name_of(down[0]))
