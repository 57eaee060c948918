"""What is decided for a point, and whether that can be right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from decide import host_plan
from decide.host_failures import BY_ID, Refusal
from host.facts import HostFacts, read
from lab.host.standins.downloads import sha256
from lab.host.standins.run_file import program
from tests.matrix.axes import CARDS, FOUND, RUN_FILES, SYSTEMS, Point, values_of
from tests.unit.small_host import told

BESIDE_DRIVER = ("reboot", "operator", "runtime_class")


class Outcome(NamedTuple):
    """The values of the steps, or the refusals."""

    plan: host_plan.Plan | None
    refused: tuple[Refusal, ...]

    @property
    def decided(self) -> str:
        """Source, branch and modules of the driver: `distro 580 open`; `keep`; empty where it is refused."""
        return str(self.plan.values["driver"].get("GR_DECIDED", "")) if self.plan else ""


def facts_of(point: Point) -> HostFacts:
    """The facts of such a host."""
    changes: dict[str, Any] = {}
    for value in values_of(point):
        changes.update(value.facts)
    if changes.get("modules", {}).get("nouveau") or changes.get("modules", {}).get("nova"):
        holder = "nouveau" if changes["modules"]["nouveau"] else "nova_core"
        changes["cards"] = [{**one, "driver": one["driver"] or holder} for one in changes["cards"]]
    if point["source"] == "ubuntuDrivers" and point["system"].startswith("ubuntu"):
        changes["recommended"] = recommended(point)
    found = read(told(**changes))
    assert isinstance(found, HostFacts), (point, found)
    return found


def recommended(point: Point) -> str:
    """What ubuntu-drivers says of the card, as far as a plan turns on it."""
    desktop, last = point["card"].startswith("RTX"), CARDS[point["card"]].true.get("last", 615)
    return f"nvidia-driver-{last}{'' if desktop else '-server'}" if last > 470 and point["card"] != "none" else "none"


def wish_of(point: Point) -> dict[str, Any]:
    """What the stack file says of it."""
    said = {key: one for value in values_of(point) for key, one in value.wish.items()}
    beside = {key: said.pop(key) for key in BESIDE_DRIVER if key in said}
    if said["source"] == "run":
        version = RUN_FILES[point["branch"]]
        said |= {"version": version, "sha256": sha256(program(version))}
    return {"name": "rtx", "driver": said, **beside}


def outcome(point: Point) -> Outcome:
    """What is decided."""
    made = host_plan.plan(facts_of(point), wish_of(point))
    return Outcome(made, ()) if isinstance(made, host_plan.Plan) else Outcome(None, made)


def unsound(point: Point, made: Outcome) -> Iterator[str]:
    """What cannot be right about it, whatever else is."""
    if made.plan is None:
        yield from _mute(made.refused)
        return
    if missing := set(host_plan.STEPS) - set(made.plan.values):
        yield f"no values for {missing}"
    source, _, rest = made.decided.partition(" ")
    yield from (_kept(point) if source == "keep" else [*_system(point, source), *_driver(point, source, rest)])


def _mute(refused: tuple[Refusal, ...]) -> Iterator[str]:
    if not refused:
        yield "neither plan nor refusal"
    for one in refused:
        if one.id not in BY_ID or not one.problem.strip() or not one.fix.strip():
            yield f"refusal without id, reason or fix: {one}"


def _system(point: Point, source: str) -> Iterator[str]:
    if source in ("ppa", "ubuntuDrivers", "distro") and not point["system"].startswith("ubuntu"):
        yield f"{source} has packages for Ubuntu alone"
    true = SYSTEMS[point["system"]].true
    if true.get("immutable") or true.get("unknown"):
        yield "packages on a system that takes none"
    if CARDS[point["card"]].true.get("modules") == ():
        yield "a card that cannot be served"


def _kept(point: Point) -> Iterator[str]:
    if not FOUND[point["found"]].facts.get("driver", {}).get("works", False):
        yield "keeps what does not work"


def _beside(point: Point, flavour: str) -> Iterator[str]:
    if point["beside"] == "NVSwitch":
        yield "cards behind NVSwitch, and nobody manages its fabric"
    if point["beside"] == "gds" and flavour != "open":
        yield "GPUDirect Storage with modules that are not open"


def _driver(point: Point, source: str, rest: str) -> Iterator[str]:
    card, system = CARDS[point["card"]].true, SYSTEMS[point["system"]].true
    if point["source"] not in ("auto", source) and (point["source"], source) != ("ubuntuDrivers", "distro"):
        yield f"{point['source']} was asked for, and {source} is taken"
    branch, _, flavour = rest.partition(" ")
    if point["branch"] not in ("-", branch.partition(".")[0]):
        yield f"{point['branch']} was asked for, and {branch} is taken"
    yield from _beside(point, flavour)
    if "modules" in card and flavour not in card["modules"]:
        yield f"{flavour} modules do not drive this card"
    if not card.get("first", 0) <= int(branch.partition(".")[0]) <= card.get("last", 9999):
        yield f"branch {branch} does not drive this card"
    if point["secure boot"] == "on" and not (source in ("distro", "ubuntuDrivers") and system.get("signed")):
        yield "modules that nobody signed, and Secure Boot is on"
