"""What a DRA driver offers: the cards in ResourceSlices, in whose terms everything else is judged as with a plugin."""

import re
from typing import Dict, List, Optional, Tuple

from decide.plugin_health import judge_plugin, plugin_of, pods_of
from decide.reading import (
    Obj,
    Verdict,
    allocatable,
    chosen_nodes,
    last_lines,
    list_at,
    log_in,
    map_at,
    name_of,
    number_at,
    space_of,
    stuck,
    text_at,
    waits,
)

# Of what the plugin would say, what it is called here.
IN_CLAIMS = {"DP-3": "DRA-3", "DP-13": "DRA-3", "DP-14": "DRA-1", "DP-16": "DRA-4", "SCH-8": "DRA-6"}
OLDEST_BRANCH = 580
SPEAKS = "gpus"
NO_DRIVER = r"Has the NVIDIA GPU driver been set up"
NO_PLACE = "cannot allocate all claims"


def with_cards(snapshot: Obj, wish: Obj) -> Obj:
    """The same snapshot, where each node hands out as many cards as its DRA driver offers."""
    nodes = [
        handing_out(node, len(devices_of(snapshot, wish, name_of(node))), wish) for node in list_at(snapshot, "nodes")
    ]
    return dict(snapshot, nodes=nodes)


def handing_out(node: Obj, cards: int, wish: Obj) -> Obj:
    """A node as a device plugin would have it."""
    told = {str(wish.get("resource")): str(cards)}
    amounts = {key: {**map_at(node, "status", key), **told} for key in ("capacity", "allocatable")}
    return dict(node, status={**map_at(node, "status"), **amounts})


def devices_of(snapshot: Obj, wish: Obj, node: str) -> List[Obj]:
    """Whole cards that the driver offers on a node, in the newest form of its pool."""
    ours = [text_at(wish, "resource"), node]
    slices = [map_at(one, "spec") for one in list_at(snapshot, "resourceslices")]
    slices = [one for one in slices if [one.get("driver"), one.get("nodeName")] == ours]
    newest = max([number_at(one, "pool", "generation") for one in slices] or [0])
    now = [one for one in slices if number_at(one, "pool", "generation") == newest]
    return [card for one in now for card in list_at(one, "devices") if attribute(card, "type") in ("gpu", "")]


def attribute(device: Obj, name: str) -> str:
    """What a device says of itself; its attributes are texts and versions."""
    said = map_at(device, "attributes", name)
    return text_at(said, "string") or text_at(said, "version")


def described(device: Obj) -> str:
    """A device in its own words: name, product, memory and driver."""
    said = [attribute(device, "productName"), text_at(device, "capacity", "memory", "value")]
    driver = attribute(device, "driverVersion")
    return ", ".join(one for one in [text_at(device, "name"), *said, driver and f"driver {driver}"] if one)


def judge_driver(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """The DRA driver runs on each node in question, with cards and a driver that are fit for claims."""
    return judge_plugin(snapshot, wish) or no_cards(snapshot, wish) or too_old(snapshot, wish)


def no_cards(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """A node on which the driver runs, and offers nothing."""
    nodes = chosen_nodes(snapshot, wish)
    poor = [node for node in nodes if not allocatable(node, wish)]
    if not poor or (len(poor) < len(nodes) and not wish.get("nodes")):
        return None
    name = name_of(poor[0])
    pod = pods_of(snapshot, plugin_of(snapshot, wish)).get(name, {})
    said = log_in(snapshot, pod, SPEAKS)
    offers = "an empty ResourceSlice" if slices_on(snapshot, wish, name) else "no ResourceSlice"
    problem = f"{name} offers no card to claims: there is {offers} of driver {wish.get('resource')}"
    lines = [f"{name_of(pod)}: {line}" for line in last_lines(said if isinstance(said, str) else "", 3)]
    return stuck("DRA-3", problem, *lines)


def slices_on(snapshot: Obj, wish: Obj, node: str) -> List[Obj]:
    """ResourceSlices of the driver about a node."""
    slices = [map_at(one, "spec") for one in list_at(snapshot, "resourceslices")]
    return [one for one in slices if one.get("driver") == wish.get("resource") and one.get("nodeName") == node]


def too_old(snapshot: Obj, wish: Obj) -> Optional[Verdict]:
    """Cards whose NVIDIA driver is of a branch that is too old, as the slices tell it."""
    for node in chosen_nodes(snapshot, wish):
        for device in devices_of(snapshot, wish, name_of(node)):
            branch = re.match(r"\d+", attribute(device, "driverVersion"))
            if branch and int(branch[0]) < OLDEST_BRANCH:
                problem = f"{name_of(node)} has driver {attribute(device, 'driverVersion')}"
                return stuck(
                    "DRA-5", f"{problem}, and cards are handed out by claims from {OLDEST_BRANCH} on", described(device)
                )
    return None


def driver_logs(snapshot: Obj, wish: Obj) -> List[Tuple[str, str, str]]:
    """Logs of the driver where it runs and offers nothing."""
    there = pods_of(snapshot, plugin_of(snapshot, wish))
    poor = [name_of(node) for node in chosen_nodes(snapshot, wish) if not allocatable(node, wish)]
    return [(space_of(there[name]), name_of(there[name]), SPEAKS) for name in poor if name in there]


def in_claims(found: Verdict, snapshot: Obj, wish: Obj) -> Verdict:
    """A finding in the words of who has no device plugin."""
    said = "\n".join([found.problem, *found.evidence])
    if re.search(NO_DRIVER, said):
        return stuck("DRA-2", f"{found.problem.partition(':')[0]} finds no NVIDIA driver there", *found.evidence)
    if found.id == "SCH-8" and NO_PLACE in said:
        return taken(found, snapshot, wish)
    if found.id not in IN_CLAIMS or found.id == "SCH-8":
        return found
    known = stuck(IN_CLAIMS[found.id])
    return found._replace(id=known.id, fix=found.fix if found.id == "DP-3" else known.fix)


def taken(found: Verdict, snapshot: Obj, wish: Obj) -> Verdict:
    """Cards that nobody can have because others claim them."""
    held, nodes = claims_on(snapshot, wish), chosen_nodes(snapshot, wish)
    counts = {name_of(node): sum(on == name_of(node) for _, _, on in held) for node in nodes}
    full = [name_of(node) for node in nodes if counts[name_of(node)] >= allocatable(node, wish)] or sorted(counts)
    holders = [f"{who} ({device} on {node})" for who, device, node in held if node in full]
    by_whom = ", claimed by " + ", ".join(holders[:5]) if holders else ""
    return waits("DRA-6", f"no free card on {', '.join(full)}{by_whom}", found.problem, *found.evidence)


def claims_on(snapshot: Obj, wish: Obj) -> List[Tuple[str, str, str]]:
    """Who holds which device of the driver, and in which pool, which is called like its node."""
    found = []
    for claim in list_at(snapshot, "resourceclaims"):
        holders = [text_at(one, "name") for one in list_at(claim, "status", "reservedFor")]
        for one in list_at(claim, "status", "allocation", "devices", "results"):
            if one.get("driver") == wish.get("resource"):
                who = f"{space_of(claim)}/{', '.join(holders) or name_of(claim)}"
                found.append((who, text_at(one, "device"), text_at(one, "pool")))
    return found


def offered_cards(snapshot: Obj, wish: Obj) -> Dict[str, List[str]]:
    """The cards of each node in question, in their own words."""
    names = [name_of(node) for node in chosen_nodes(snapshot, wish)]
    return {name: [described(one) for one in devices_of(snapshot, wish, name)] for name in names}
