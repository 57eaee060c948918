"""What comes of a point in a simulated machine: the real scripts, twice, and back to what it was."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from decide.host_failures import Refusal
from decide.host_plan import Plan, plan
from host.facts import HostFacts, read
from lab.host import spec
from lab.host.machine import Machine
from tests.host.chain import STEPS, Chain
from tests.matrix.axes import AXES, CARDS, FOUND, SYSTEMS, Point, every, values_of
from tests.matrix.cover import covering, spread
from tests.matrix.planned import outcome, wish_of

MADE = "made ready"
CONSENT = "HST-64"
OF_A_DRIVER = re.compile(r"nvidia|libcuda|/dkms/")
FROM, LEAST, OF_EACH = 6000, 150, 3
"""From how many points those that are executed are chosen, how many they are at least, and how many of each refusal."""
BESIDE = {"toolkit": {"version": "1.20.0"}, "runtime": "auto"}


class Ended(NamedTuple):
    """How a point ended: `made ready`, or the ids of the refusals."""

    how: str
    faults: tuple[str, ...] = ()


def machine_of(point: Point) -> dict[str, Any] | None:
    """How the machine is told to be so; None where it cannot be."""
    told: dict[str, Any] = {"name": "rtx", "user": "root"}
    for value in values_of(point):
        if value.machine is None:
            return None
        told |= value.machine
    try:
        spec.checked(told)
    except spec.BadSpec:
        return None
    return told if _can_be(point) else None


def _can_be(point: Point) -> bool:
    """A driver that works drives the card, and is signed where it has to be."""
    modules = FOUND[point["found"]].facts.get("modules", {})
    if not modules.get("nvidia"):
        return True
    drives = modules["flavour"] in CARDS[point["card"]].true.get("modules", ())
    by_hand = "driver_by" in (FOUND[point["found"]].machine or {})
    signed = SYSTEMS[point["system"]].true.get("signed") and not by_hand
    return drives and bool(signed or point["secure boot"] == "off")


def points() -> list[Point]:
    """Those that are made ready and meet all pairs of what such a machine can be; and some of each refusal."""
    usual = next(every())
    can = {axis: [one for one in values if machine_of({**usual, axis: one})] for axis, values in AXES.items()}
    planned, refused = [], dict[str, list[Point]]()
    for point in filter(machine_of, spread(can, FROM)):
        made = outcome(point)
        if not made.refused:
            planned.append(point)
        for one in made.refused[:1]:
            refused.setdefault(one.id, []).append(point)
    chosen = [*covering(planned), *(point for some in refused.values() for point in some[:OF_EACH])]
    others = [point for point in planned if point not in chosen]
    missing = max(0, LEAST - len(chosen))
    return chosen + others[:: max(1, len(others) // (missing or 1))][:missing]


def execute(point: Point, folder: Path) -> Ended:
    """Makes the machine, then makes it ready, twice, and back."""
    told = machine_of(point)
    assert told, point
    machine = Machine.create(folder, told)
    chain = Chain(machine, {**BESIDE, **wish_of(point)})
    start = machine.snapshot()
    chain.do("tools")
    found = read(chain.answers["tools"])
    assert isinstance(found, HostFacts), found
    made = plan(found, chain.wish)
    how, faults = _made_ready(chain) if isinstance(made, Plan) else _refused(chain, made)
    expected = [one.id for one in outcome(point).refused]
    if expected != ([] if isinstance(made, Plan) else [one.id for one in made]):
        faults.append(f"its own facts lead elsewhere than those of the point, to {expected or 'a plan'}")
    changed = {path for path, _ in machine.snapshot().items() ^ start.items() if not _was_replaced(made, path)}
    return Ended(how, (*faults, *(f"not as it was: {path}" for path in sorted(changed)[:5])))


def _was_replaced(made: Plan | tuple[Refusal, ...], path: str) -> bool:
    """A part of the driver that was there before and had to make room for another: the plan says that it stays gone."""
    if not isinstance(made, Plan) or not any("destroy does not bring that back" in one.text for one in made.decisions):
        return False
    return bool(OF_A_DRIVER.search(path))


def _refused(chain: Chain, made: tuple[Refusal, ...]) -> tuple[str, list[str]]:
    """The first step says why, and nothing else was touched."""
    ended = chain.run("driver", "apply") if chain.texts.setdefault("driver", chain.text("driver")) else None
    said = ended.mixed.decode() if ended else ""
    faults = [f"{one.id} is not said: {said[-300:]}" for one in made if one.id not in said]
    chain.run("driver", "remove")
    chain.run("tools", "remove")
    return made[0].id, faults


def _made_ready(chain: Chain) -> tuple[str, list[str]]:
    """All steps, all of them again without a change, and back. Where a reboot is not allowed, that is said first."""
    chain.do("driver")
    how = MADE
    if chain.wish["reboot"] == "never" and chain.answers["driver"].get("reboot"):
        chain.texts["reboot"] = chain.text("reboot")
        said = chain.run("reboot").mixed.decode()
        how = CONSENT if CONSENT in said else f"a reboot without consent: {said[-300:]}"
        chain.wish = {**chain.wish, "reboot": "ifNeeded"}
    chain.up()
    before = chain.machine.snapshot()
    for step in STEPS:
        chain.patiently(step)
    changed = {path for path, _ in chain.machine.snapshot().items() ^ before.items()}
    chain.down()
    return how, [f"changed by a second run: {path}" for path in sorted(changed)[:5]]
