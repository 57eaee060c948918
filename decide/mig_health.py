"""Whether the cards of each node are divided as was asked for, and what the MIG manager says of it."""

import re
from typing import Dict, List, Optional, Tuple

from decide.cluster_health import first_fault, judge_capacity, judge_nodes, judge_runtime_class, nobody_home
from decide.plugin_health import judge_bringer
from decide.reading import (
    MIG_CONFIG,
    Obj,
    Verdict,
    chosen_nodes,
    labels_of,
    last_lines,
    list_at,
    log_in,
    map_at,
    name_of,
    node_of,
    number_at,
    space_of,
    stuck,
    text_at,
    waits,
)

MIG_STATE = MIG_CONFIG + ".state"
MIG_MANAGER = "nvidia-mig-manager"
CAPABLE = "nvidia.com/mig.capable"
PRODUCT = "nvidia.com/gpu.product"
UNDIVIDED = "all-disabled"


def judge_divided(snapshot: Obj, wish: Obj) -> Verdict:
    """Whether a validation Job would get its slice; what only a Job can show is the proof's business."""
    if nobody_home(wish):
        return Verdict("ready")
    checks = (
        judge_mig_reboot,
        judge_nodes,
        judge_mig,
        judge_bringer,
        judge_runtime_class,
        judge_division,
        judge_capacity,
    )
    return first_fault(checks, snapshot, wish)


def judge_mig_reboot(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """A node that is away because its MIG manager has rebooted it."""
    away = [node for node, _ in divided_nodes(snapshot, wish) if text_at(labels_of(node), MIG_STATE) == "rebooting"]
    if not away:
        return None
    return waits("MIG-2", f"{name_of(away[0])} reboots, so that its cards change their mode")


def judge_mig(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """What the manager of each node says, and what no manager can do; that one still works is for later."""
    found = [judge_managed(snapshot, wish, node, profile) for node, profile in divided_nodes(snapshot, wish)]
    return next((one for one in found if one), None)


def judge_division(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """Each node hands out what its profile makes of its cards, once the manager is done."""
    found = [judge_slices(snapshot, wish, node, profile) for node, profile in divided_nodes(snapshot, wish)]
    return next((one for one in found if one), None)


def divided_nodes(snapshot: Obj, wish: Obj) -> List[Tuple[Obj, str]]:
    """The nodes whose cards shall be divided, and how."""
    mig = map_at(wish, "mig")
    own = {str(one.get("node")): text_at(one, "profile") for one in list_at(mig, "nodes")}
    nodes = chosen_nodes(snapshot, wish) if mig else []
    return [(node, own.get(name_of(node)) or text_at(mig, "profile")) for node in nodes]


def judge_managed(snapshot: Obj, wish: Obj, node: Obj, profile: str) -> Optional[Verdict]:
    """What stands in the way of the MIG manager, in its words where it has any."""
    name, labels, card = name_of(node), labels_of(node), card_of(node)
    fitting = map_at(wish, "mig", "table", profile)
    if profile != UNDIVIDED and labels.get(CAPABLE) == "false":
        return stuck("MIG-1", f"{name} has {card or 'a card'}, which has no MIG")
    if profile != UNDIVIDED and card and known_card(card, wish) and card not in fitting:
        return stuck(
            "MIG-3", f"{name} has {card}, and {profile} is a profile of {', '.join(sorted(fitting)) or 'none'}"
        )
    if not map_at(wish, "mig").get("managed"):
        return None
    has = text_at(labels, MIG_CONFIG)
    if has != profile:
        return stuck("MIG-5", f"{name} has {MIG_CONFIG}={has or 'nothing'}, and gpu.sharing.mig makes it {profile}")
    return not_divided(snapshot, node, profile) if text_at(labels, MIG_STATE) == "failed" else None


def not_divided(snapshot: Obj, node: Obj, profile: str) -> Verdict:
    """The manager has given up: who holds the cards, and its last words."""
    name, manager = name_of(node), manager_on(snapshot, node)
    holders = [f"{space_of(pod)}/{name_of(pod)}" for pod in holding(snapshot, name)]
    log = log_in(snapshot, manager, MIG_MANAGER)
    lines = [f"{name_of(manager)}: {line}" for line in last_lines(log, 3)] if isinstance(log, str) else []
    why = f"; its cards are held by {', '.join(holders[:5])}" if holders else ""
    again = f"kubectl delete pod -n {space_of(manager)} {name_of(manager)}" if manager else "restart the MIG manager"
    end = f"end {', '.join(holders[:5])}, then " if holders else "see its log; "
    problem = f"the MIG manager could not divide the cards of {name} by {profile}{why}"
    return stuck("MIG-4", problem, *lines, fix=f"{end}let it try again: {again}")


def holding(snapshot: Obj, node: str) -> List[Obj]:
    """Pods that have asked for cards or slices, and run on the node."""
    return [
        pod
        for pod in list_at(snapshot, "all_pods")
        if node_of(pod) == node and text_at(pod, "status", "phase") in ("Pending", "Running") and asks_for_cards(pod)
    ]


def asks_for_cards(pod: Obj) -> bool:
    """Whether one of its containers does."""
    containers = list_at(pod, "spec", "containers") + list_at(pod, "spec", "initContainers")
    asked = [str(key) for one in containers for key in map_at(one, "resources", "limits")]
    return any(key.startswith(("nvidia.com/gpu", "nvidia.com/mig-")) for key in asked)


def manager_on(snapshot: Obj, node: Obj) -> Obj:
    """The MIG manager's pod on a node."""
    pods = [one for one in list_at(snapshot, "pods") if name_of(one).startswith(MIG_MANAGER)]
    return next((one for one in pods if node_of(one) == name_of(node)), {})


def mig_failed(snapshot: Obj, wish: Obj) -> List[Obj]:
    """The nodes on which a manager has given up."""
    nodes = [node for node, _ in divided_nodes(snapshot, wish)]
    return [node for node in nodes if text_at(labels_of(node), MIG_STATE) == "failed"]


def mig_logs(snapshot: Obj, wish: Obj) -> List[Tuple[str, str, str]]:
    """The logs of managers that have given up."""
    pods = [manager_on(snapshot, node) for node in mig_failed(snapshot, wish)]
    return [(space_of(pod), name_of(pod), MIG_MANAGER) for pod in pods if pod]


def judge_slices(snapshot: Obj, wish: Obj, node: Obj, profile: str) -> Optional[Verdict]:
    """What the node hands out, against what its profile makes of its cards."""
    managed, name = bool(map_at(wish, "mig").get("managed")), name_of(node)
    state = text_at(labels_of(node), MIG_STATE)
    if managed and state != "success" and not (profile == UNDIVIDED and not state):
        said = f"says {state}" if state else "has not said anything yet"
        return waits("MIG-2", f"the MIG manager of {name} {said} ({MIG_CONFIG}={profile})")
    should, has = expected(node, wish, profile), handed_out(node)
    wrong = [
        f"{key} {has.get(key, 0)}, not {number} of each card"
        for key, number in should.items()
        if not has.get(key) or has[key] % number
    ]
    other = sorted(key for key, number in has.items() if number and should and key not in should)
    wrong += [f"{key} {has[key]}, not 0" for key in other] + odd_product(node, wish, profile)
    if not wrong:
        return None
    return stuck("MIG-6" if managed else "MIG-7", f"{name} is not divided by {profile}: {'; '.join(wrong)}")


def expected(node: Obj, wish: Obj, profile: str) -> Dict[str, int]:
    """What each card of the node adds to what that hands out; nothing where the card is not known."""
    mig = map_at(wish, "mig")
    fitting = map_at(mig, "table", profile)
    made = map_at(fitting, card_of(node)) if card_of(node) in fitting else common(fitting)
    if profile == UNDIVIDED:
        return {"nvidia.com/gpu": 1}
    if text_at(mig, "strategy") == "single":
        return {"nvidia.com/gpu": sum(made.values())} if made else {}
    return {f"nvidia.com/mig-{size}": count for size, count in made.items()}


def common(fitting: Obj) -> Obj:
    """What all cards that it fits become, where that is one answer."""
    all_made = [made for made in fitting.values() if isinstance(made, dict)]
    return all_made[0] if all_made and all(one == all_made[0] for one in all_made) else {}


def handed_out(node: Obj) -> Dict[str, int]:
    """Cards and slices of a node."""
    amounts = map_at(node, "status", "capacity")
    return {key: number_at(amounts, key) for key in amounts if re.match(r"nvidia\.com/(gpu$|mig-)", key)}


def odd_product(node: Obj, wish: Obj, profile: str) -> List[str]:
    """Discovery names the size of the slices where they are handed out as cards."""
    product, sizes = text_at(labels_of(node), PRODUCT), set()
    for made in map_at(wish, "mig", "table", profile).values():
        sizes |= set(made)
    single = text_at(wish, "mig", "strategy") == "single"
    if not product or not single or len(sizes) > 1:
        return []
    ending = "-MIG-" + "".join(sizes) if sizes else ""
    right = product.endswith(ending) if ending else "-MIG-" not in product
    return [] if right else [f"{PRODUCT} {product}"]


def card_of(node: Obj) -> str:
    """The product of its cards, as if they were not divided."""
    return text_at(labels_of(node), PRODUCT).partition("-MIG-")[0]


def known_card(card: str, wish: Obj) -> bool:
    """Whether it is known how this card is divided."""
    return card in list(map_at(wish, "mig").get("cards") or ())
