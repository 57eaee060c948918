"""What shall be done to a host: its facts and the wish for it make the values of each step, or all refusals at once.

No value depends on what changes by itself (free room, boot id, running kernel) or by our own work, so that an
unchanged wish gives an unchanged plan.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from decide import host_driver, host_packages, host_runtime, host_system
from decide.catalog import name_of
from decide.host_failures import Refusal
from decide.host_wish import HostWish, read_wish

if TYPE_CHECKING:  # `decide` stands alone; only the shape is needed
    from host.facts import HostFacts

STEPS = ("plan", "driver", "reboot", "toolkit", "runtime")


class Decision(NamedTuple):
    """What was decided of one thing, and why."""

    about: str
    text: str
    lasting: bool = True
    """Whether it is still so when it is done; only such lines are sent to the host."""

    def __str__(self) -> str:
        return f"{self.about:<9} {self.text}"


@dataclass(frozen=True)
class Plan:
    """What each step of a host is told."""

    values: dict[str, dict[str, Any]]
    decisions: tuple[Decision, ...]

    def lines(self) -> list[str]:
        """The same for people, each decision with its reason."""
        return [str(one) for one in self.decisions]


def plan(facts: "HostFacts", wish: Any) -> Plan | tuple[Refusal, ...]:
    """The plan for a host, or every reason why there is none."""
    wanted = read_wish(wish)
    if not isinstance(wanted, HostWish):
        return (*wanted, *host_system.refusals(facts))
    refused = refusals(facts, wanted)
    if refused:
        return tuple(dict.fromkeys(refused))  # two cards of a kind say the same
    decisions = tuple(_decisions(facts, wanted))
    steps = _steps(facts, wanted)
    told = {
        "GR_PLAN": digest(steps),
        "GR_LINES": [str(one) for one in decisions if one.lasting],
        "GR_REFUSALS": [],
    }
    return Plan({"plan": told, **steps}, decisions)


def refusals(facts: "HostFacts", wish: HostWish) -> list[Refusal]:
    """All of them: who mends one should not meet the next one only then."""
    system = host_system.refusals(facts)
    if any(one.id in ("HST-62", "HST-61", "PCI-1", "PCI-10") for one in system):
        return system
    return [*system, *host_driver.refusals(facts, wish), *host_runtime.refusals(facts, wish)]


def _steps(facts: "HostFacts", wish: HostWish) -> dict[str, dict[str, Any]]:
    return {
        "driver": host_driver.values(facts, wish),
        "reboot": {"GR_CONSENT": wish.reboot},
        "toolkit": host_runtime.toolkit_values(facts, wish),
        "runtime": host_runtime.runtime_values(facts),
    }


def digest(steps: Mapping[str, Any]) -> str:
    """Changes when anything does that a step is told."""
    return hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest()[:12]


def _decisions(facts: "HostFacts", wish: HostWish) -> Iterator[Decision]:
    names = ", ".join(name_of(card.id) for card in host_system.cards(facts))
    yield Decision("host", f"{facts.hostname}, {facts.pretty}: {names}")
    for text, lasting in host_driver.lines(facts, wish):
        yield Decision("driver", text, lasting)
    yield Decision("toolkit", host_runtime.toolkit_line(facts, wish))
    yield Decision("runtime", host_runtime.runtime_line(facts))


def refusal_values(refused: Iterable[Refusal]) -> dict[str, dict[str, Any]]:
    """The values of a host that nothing is done to: the step `plan` says why, and the others never come."""
    said = {"GR_PLAN": "", "GR_LINES": [], "GR_REFUSALS": [line for one in refused for line in one.lines()]}
    return {step: said if step == "plan" else {} for step in STEPS}


def packages_asked_for(wish: Any) -> str:
    """What the facts step asks apt about; what a wish with faults would ask for is nobody's business."""
    wanted = read_wish(wish)
    return " ".join(host_packages.asked_for(wanted if isinstance(wanted, HostWish) else HostWish()))
