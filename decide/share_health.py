"""Whether nodes hand out as many shares as were asked for, and how a report counts them."""

from typing import Dict, Optional, Union

from decide.reading import (
    Obj,
    Verdict,
    allocatable,
    at,
    capacity,
    chosen_nodes,
    labels_of,
    list_at,
    map_at,
    matches,
    name_of,
    number_at,
    stuck,
    text_at,
)

CHOICE = "nvidia.com/device-plugin.config"
COUNT = "nvidia.com/gpu.count"
WORDS = {"timeSlicing": "time-sliced", "timeSharing": "time-sliced", "mps": "MPS"}


def replicas_of(wish: Obj) -> int:
    """In how many shares each card is handed out."""
    return number_at(wish, "sharing", "replicas") or 1


def judge_shares(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """Each node in question that hands out cards has the configuration that was asked for."""
    if not at(wish, "sharing"):
        return None
    wrong = [one for one in chosen_nodes(snapshot, wish) if allocatable(one, wish) and not is_shared(one, wish)]
    return not_shared(wrong[0], wish) if wrong else None


def is_shared(node: Obj, wish: Obj) -> bool:
    """By the number of its cards where discovery tells it, else by what can be no number of shares."""
    has, parts = capacity(node, wish), replicas_of(wish)
    cards = number_at(labels_of(node), COUNT)
    return has == cards * parts if cards else has % parts == 0


def not_shared(node: Obj, wish: Obj) -> Verdict:
    """Another number than there should be; a label of the node may be why."""
    has, name = capacity(node, wish), name_of(node)
    cards, chosen = number_at(labels_of(node), COUNT), text_at(labels_of(node), CHOICE)
    should = f"{cards} x {replicas_of(wish)}" if cards else f"a multiple of {replicas_of(wish)}"
    problem = f"{name} hands out {has} {wish.get('resource')}, and gpu.sharing makes it {should}"
    if not chosen:
        return stuck("SH-1", problem)
    fix = f"take the label off, unless it is meant: kubectl label node {name} {CHOICE}-"
    return stuck("SH-1", f"{problem}; its label {CHOICE}={chosen} says otherwise", fix=fix)


def cards_of(node: Obj, wish: Obj) -> Dict[str, Union[int, str]]:
    """How many cards a node hands out, and in how many slices and shares where they are divided."""
    if at(wish, "mig"):
        return slices_of(node, wish)
    free, pool = allocatable(node, wish), its_pool(node, wish)
    strategy = text_at(wish, "sharing", "strategy") or text_at(pool, "sharing")
    slices = free // (replicas_of(wish) * (number_at(pool, "shares") or 1))
    size = text_at(pool, "slice")
    return {
        "gpus": slices // (number_at(pool, "slices") or 1),
        **({"slices": slices, "slice": size} if size else {}),
        **({"shares": free, "sharing": WORDS.get(strategy, strategy)} if strategy else {}),
    }


def slices_of(node: Obj, wish: Obj) -> Dict[str, Union[int, str]]:
    """Likewise where MIG divides cards: what a card becomes depends on which it is."""
    mig, amounts = map_at(wish, "mig"), map_at(node, "status", "capacity")
    asked = next((one for one in list_at(mig, "nodes") if one.get("node") == name_of(node)), mig)
    total = sum(number_at(amounts, one) for one in amounts if one.startswith(("nvidia.com/gpu", "nvidia.com/mig-")))
    card = text_at(labels_of(node), "nvidia.com/gpu.product").partition("-MIG-")[0]
    size = text_at(asked, "slice")
    each = sum(map_at(mig, "table", text_at(asked, "profile"), card).values()) or 1
    return {"gpus": total // each, **({"slices": total, "slice": size} if size else {})}


def its_pool(node: Obj, wish: Obj) -> Obj:
    """What is known of the pool that a node is of."""
    pools = list_at(wish, "pools")
    return next((one for one in pools if matches(labels_of(node), map_at(one, "node_selector"))), {})
