"""What shall be done to a host: its facts and the wish for it make the values of each step, or all refusals at once.

No value depends on what changes by itself (free room, boot id, running kernel) or by our own work, so that an
unchanged wish gives an unchanged plan.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from decide import (
    catalog,
    defaults,
    host_drain,
    host_driver,
    host_join,
    host_runtime,
    host_store,
    host_system,
    host_ubuntu,
)
from decide.catalog import SUPPORTED, name_of
from decide.host_failures import Refusal
from decide.host_wish import HostWish, read_wish

if TYPE_CHECKING:  # `decide` stands alone; only the shape is needed
    from host.facts import HostFacts

STEPS = ("driver", "reboot", "store", "toolkit", "join", "runtime")
BRANCHES = " ".join(map(str, SUPPORTED))
"""What a look asks apt about: nothing of it changes with a wish or a default."""
FIRST = "driver"
"""The step that speaks refusals, before anything is changed."""


class Decision(NamedTuple):
    """What was decided of one thing, and why."""

    about: str
    text: str
    lasting: bool = True
    """Whether it is still so when it is done."""

    def __str__(self) -> str:
        return f"{self.about:<9} {self.text}"


@dataclass(frozen=True)
class Plan:
    """What each step of a host is told."""

    values: dict[str, dict[str, Any]]
    decisions: tuple[Decision, ...]
    away: str = ""
    """Why the pods of its node have to go first; empty where nothing happens to them."""
    serves: bool = False
    """Whether a driver is at work there."""

    def lines(self) -> list[str]:
        """The same for people, each decision with its reason."""
        return [str(one) for one in self.decisions]


def plan(facts: "HostFacts", wish: Any) -> Plan | tuple[Refusal, ...]:
    """The plan for a host, or every reason why there is none."""
    wanted = read_wish(wish)
    if not isinstance(wanted, HostWish):
        return (*wanted, *host_system.refusals(facts))
    joining = host_join.refusals(facts, wanted)
    facts = host_join.joined(facts, wanted)
    refused = [*refusals(facts, wanted), *joining]
    if refused:
        return tuple(dict.fromkeys(refused))  # two cards of a kind say the same
    away, serves = host_drain.why(facts, wanted), host_driver.works(facts)
    return Plan(_steps(facts, wanted), tuple(_decisions(facts, wanted)), away, serves)


def refusals(facts: "HostFacts", wish: HostWish) -> list[Refusal]:
    """All of them: who mends one should not meet the next one only then."""
    system = host_system.refusals(facts)
    if any(one.id in ("HST-62", "HST-61", "PCI-1", "PCI-10") for one in system):
        return system
    return [*system, *host_driver.refusals(facts, wish), *host_runtime.refusals(facts, wish),
            *host_store.refusals(facts, wish)]  # fmt: skip


def _steps(facts: "HostFacts", wish: HostWish) -> dict[str, dict[str, Any]]:
    return {
        "driver": host_driver.values(facts, wish),
        "reboot": {"GR_CONSENT": wish.reboot, "GR_FOUND": host_driver.found(facts, wish)},
        "store": host_store.values(facts, wish),
        "toolkit": host_runtime.toolkit_values(facts, wish),
        "join": host_join.values(wish),
        "runtime": host_runtime.runtime_values(facts),
    }


def asked(wish: Mapping[str, Any]) -> dict[str, str]:
    """What a look is told to look at."""
    uses, driver = wish.get("instance_store") == "containers", wish.get("driver")
    by_tool = isinstance(driver, Mapping) and driver.get("source") == host_ubuntu.TOOL
    store = {"GR_STORE": "containers"} if uses else {}
    return {"GR_BRANCHES": BRANCHES, **store, **({"GR_RECOMMENDED": "yes"} if by_tool else {})}


def digest(wish: Mapping[str, Any]) -> str:
    """Changes with the wish and with all that a release decides by: then the host is looked at again before anything
    is done to it, so that what was decided for it before is known and stays."""
    release = {key: value for key, value in vars(defaults).items() if key.isupper()}
    basis = [wish, release, catalog.GENERATIONS, catalog.BRANCHES, catalog.RANGES, host_system.SYSTEMS]
    return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:12]


def _decisions(facts: "HostFacts", wish: HostWish) -> Iterator[Decision]:
    names = ", ".join(name_of(card.id) for card in host_system.cards(facts))
    yield Decision("host", f"{facts.hostname}, {facts.pretty}: {names}")
    for text, lasting in host_driver.lines(facts, wish):
        yield Decision("driver", text, lasting)
    if wish.uses_store:
        yield Decision("store", host_store.line(facts))
    if host_drain.why(facts, wish):
        yield Decision("drain", "its node is emptied first, and opened again after the check", False)
    yield Decision("toolkit", host_runtime.toolkit_line(facts, wish))
    if wish.join:
        yield Decision("join", host_join.line(wish.join))
    yield Decision("runtime", host_join.FOUND if wish.join else host_runtime.runtime_line(facts))


def refusal_values(refused: Iterable[Refusal]) -> dict[str, dict[str, Any]]:
    """The values of a host that nothing is done to: the step `driver` says why, and the others never come."""
    said = {"GR_REFUSALS": [line for one in refused for line in one.lines()]}
    return {step: said if step == FIRST else {} for step in STEPS}
