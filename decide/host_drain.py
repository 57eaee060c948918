"""When a node is emptied before its host goes down, and what it means when its pods do not go."""

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from decide import host_driver
from decide.host_failures import Refusal, refusal
from decide.host_wish import HostWish

if TYPE_CHECKING:
    from host.facts import HostFacts

BLOCKED = re.compile(r'evicting pods/"([^"]+)" -n "([^"]+)"[^\n]*disruption budget')
SLOW = re.compile(r'waiting for pod "([^"]+)" in namespace "([^"]+)"[^\n]*(?:timeout|deadline)')
BUDGET = re.compile(r"^ *(\S+) +(\S+) +\S+ +\S+ +0 +\S+ *$", re.MULTILINE)
"""A row of `kubectl get pdb -A`: namespace, name, least, most, how many may go now, age."""
KEPT = re.compile(
    r"cannot delete ([^\n]*?\(use --[a-z-]+ to override\)): ([^\]\n]*?)(?=, c(?:annot|ontinuing) |[\]\n]|$)"
)
EMPTY_DIR, NO_OWNER = "--delete-emptydir-data", "--force"


def why(facts: "HostFacts", wish: HostWish) -> str:
    """Why the pods have to go first; empty where the host stays up and its driver in place."""
    if not wish.drain or host_driver.is_kept(facts, wish) or host_driver.is_settled(facts, wish):
        return ""
    return host_driver.reboot_reason(facts, wish, host_driver.chosen(facts, wish))


def ids_of(known: Mapping[str, Any], node: str) -> dict[str, str]:
    """By what the node of a host is known, unless it has a name; some write ids with dashes, some without."""
    ids = {"machineID": known.get("machine_id", ""), "bootID": known.get("boot_id", "")}
    return {**{key: bare(id) for key, id in ids.items()}, "node": node}


def mark(owner: str) -> str:
    """What stands at a node that was closed for this host: an owner has letters that no label may have."""
    return hashlib.sha256(owner.encode()).hexdigest()[:12]


def bare(id: Any) -> str:
    """Without dashes."""
    return str(id).replace("-", "").lower()


def surprise(driver: Mapping[str, Any], ids: Mapping[str, str]) -> str:
    """Why the pods have to go now, where a driver step found out in this boot that only a reboot helps."""
    is_of_now = bare(driver.get("boot_id", "")) == ids["bootID"]
    return "its driver takes a reboot" if driver.get("reboot") and is_of_now else ""


LEADS = {
    "census": "nothing was done to them, because it could not be seen which of them have pods",
    "drain": "nothing was done to it, because its node could not be drained",
    "drain-late": "its driver lies there and it was not rebooted, because its node could not be drained",
    "uncordon": "all is done and checked, but its node is still closed",
}


def explained(host: str, step: str, error: str) -> Refusal:
    """What kept the pods there, in kubectl's words and in ours."""
    lead = f"{host}: {LEADS[step]}: "
    for id, words in (("DRN-1", blocked(error)), ("DRN-2", kept(error)), ("DRN-3", slow(error))):
        if words:
            return refusal(id, lead + words)
    return refusal("DRN-4", lead + last_line(error))


def blocked(error: str) -> str:
    """Pods that a budget holds, and the budgets of their namespaces that allow nothing."""
    pods = list(dict.fromkeys(f"{space}/{pod}" for pod, space in BLOCKED.findall(error)))
    spaces = {one.partition("/")[0] for one in pods}
    budgets = dict.fromkeys(f"{space}/{name}" for space, name in BUDGET.findall(error) if space in spaces)
    by = f"PodDisruptionBudget {', '.join(budgets)} allows none" if budgets else "a PodDisruptionBudget allows none"
    return f"{by} of {', '.join(pods)} to be evicted in time" if pods else ""


def kept(error: str) -> str:
    """Pods that kubectl sends away only where it is told that what they have may be lost."""
    found = [f"{pods} ({way})" for what, pods in KEPT.findall(error) for way in [way_of(what)] if way]
    return "; ".join(dict.fromkeys(found))


def way_of(what: str) -> str:
    """What those pods would lose."""
    if EMPTY_DIR in what:
        return "has files in an emptyDir, which go with it: bareMetal.drain.emptyDir: delete"
    return "has no controller, so nobody makes it again: delete it by hand" if NO_OWNER in what else ""


def slow(error: str) -> str:
    """Pods that were told to end, and did not."""
    pods = ", ".join(dict.fromkeys(f"{space}/{pod}" for pod, space in SLOW.findall(error)))
    return f"{pods} did not end in time" if pods else ""


def last_line(error: str) -> str:
    """The last that sounds like a reason: after it come nodes, budgets, and the engine's own words."""
    lines = [one.strip() for one in error.splitlines() if one.strip()]
    reasons = [one for one in lines if re.search(r"error|unable|not found|forbidden", one, re.IGNORECASE)]
    return (reasons or lines or ["no reason given"])[-1][:300]
