"""Which driver a host gets: one that works is kept, else branch, modules and packages follow from cards and system."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from decide import defaults, host_extras, host_rpm, host_run, host_sources, host_ubuntu
from decide.catalog import BRANCHES, PROPRIETARY, SUPPORTED, Generation, drives, generation_of, name_of
from decide.host_failures import Refusal, refusal
from decide.host_packages import missing, packages
from decide.host_run import RUN
from decide.host_system import IN_THE_KERNEL, bound, cards, room, system_of
from decide.host_wish import HostWish

if TYPE_CHECKING:
    from host.facts import HostFacts

BY_HAND = (
    "printf 'blacklist nouveau\\nblacklist nova_core\\nblacklist nova_drm\\noptions nouveau modeset=0\\n' "
    "> /etc/modprobe.d/gpu-ready-nouveau.conf && {} && systemctl reboot"
)
INITRAMFS = {"apt": "update-initramfs -u", "zypper": "dracut -f", "dnf": "dracut --force"}

KEEP = "keep"


class Choice(NamedTuple):
    """The driver that is installed; the host keeps a note of it, so that no later default decides anew."""

    source: str
    wanted: str
    """Branch, or exact version."""
    flavour: str

    @property
    def branch(self) -> int:
        """Of the version too."""
        return int(self.wanted.partition(".")[0])

    def __str__(self) -> str:
        return " ".join(self)


def works(facts: "HostFacts") -> bool:
    """Whether somebody's driver is at work already, with or without us."""
    return facts.driver_works and bool(facts.driver_version)


def decided(facts: "HostFacts") -> Choice | None:
    """What an earlier run decided and began to install."""
    return Choice(*facts.ours.driver.split()) if facts.ours.installs else None


def is_kept(facts: "HostFacts", wish: HostWish) -> bool:
    """A driver that works stays, unless the stack file asks for another one or it is our own."""
    if wish.source == KEEP:
        return True
    theirs = facts.ours.driver == KEEP or (works(facts) and not facts.ours.installs)
    return theirs and wish.fits(facts.driver_version, facts.flavour)


def is_settled(facts: "HostFacts", wish: HostWish) -> bool:
    """Ours, at work and as wished: nothing that this release knows better is held against it."""
    choice = chosen(facts, wish)
    is_ours = works(facts) and not facts.foreign and decided(facts) == choice
    return is_ours and _asked(wish, choice).fits(facts.driver_version, facts.flavour)


def _asked(wish: HostWish, choice: Choice) -> HostWish:
    """What a driver has to be that needs no other one."""
    return HostWish(version=choice.wanted, flavour=wish.flavour)


def refusals(facts: "HostFacts", wish: HostWish) -> list[Refusal]:
    """Why the wished driver cannot be."""
    if is_kept(facts, wish):
        return [*host_extras.of_kept(facts, wish)] if works(facts) else [_gone(wish)]
    choice = chosen(facts, wish)
    extras = [*host_extras.of_ours(facts, wish, choice)]
    if is_settled(facts, wish):
        return extras
    extras += host_extras.missing(facts, wish)
    source = [*host_sources.refusals(facts, wish, choice, decided(facts))]
    there = [*host_sources.foreign(facts, choice), *_branch(choice), *_cards(facts, wish, choice), *source, *extras]
    packaged = [] if there else missing(facts, packages(facts, choice))
    installed = facts.ours.installs and works(facts)
    return [*there, *packaged, *([] if installed else room(facts)), *_reboot(facts, wish, choice)]


def _gone(wish: HostWish) -> Refusal:
    if wish.source == KEEP:
        return refusal("HST-69")
    fix = f"mend it until nvidia-smi works; or have it replaced: driver: {{branch: {defaults.DRIVER_BRANCH}}}"
    return refusal("HST-69", "the driver that was found here and kept does not work any more", fix)


def chosen(facts: "HostFacts", wish: HostWish) -> Choice:
    """Source, branch and flavour: what is not said stays as it was decided, else follows from system and cards."""
    before, flavours, system = decided(facts), _flavours(_generations(facts)), system_of(facts)
    source = before.source if before else system.source if system else wish.source
    flavour = before.flavour if before and before.flavour in flavours else next(iter(flavours), PROPRIETARY)
    usual = host_ubuntu.branch(facts) or str(defaults.DRIVER_BRANCH)
    return Choice(
        source if wish.source == "auto" else host_ubuntu.source(facts, wish.source, before),
        wish.wanted or (before.wanted if before else usual),
        wish.flavour or flavour,
    )


def _generations(facts: "HostFacts") -> list[Generation]:
    found = [generation_of(card.id) for card in cards(facts)]
    return [one for one in found if one]


def _flavours(generations: list[Generation]) -> list[str]:
    """Those that serve all cards, the recommended one first."""
    first = generations[0].modules if generations else ()
    return [flavour for flavour in first if all(flavour in one.modules for one in generations)]


def _branch(choice: Choice) -> Iterator[Refusal]:
    known = BRANCHES.get(choice.branch)
    alive = ", ".join(str(number) for number in SUPPORTED)
    if known is None:
        yield refusal("HST-22", f"there is no driver branch {choice.branch} that gpu-ready knows; it knows {alive}")
    elif known.ended:
        yield refusal("HST-22", f"driver branch {known.number} ended {known.ended}; with fixes there are {alive}")


def _cards(facts: "HostFacts", wish: HostWish, choice: Choice) -> Iterator[Refusal]:
    """What each card has against the wish, and what no wish can mend."""
    for card in cards(facts):
        generation, name = generation_of(card.id), name_of(card.id)
        if generation is None and not (wish.branch and wish.flavour):
            yield refusal("HST-74", f"{name} is not in the catalogue, so nothing says which driver it wants")
        elif generation:
            yield from _one_card(name, generation, wish, choice.branch)
    generations = _generations(facts)
    if generations and not _flavours(generations) and not wish.flavour:
        names = ", ".join(name_of(card.id) for card in cards(facts))
        yield refusal("HST-79", f"no kernel modules serve all of its cards: {names}")
    if facts.vgpu:
        yield refusal("PCI-9", "its card is a share of one (vGPU), which wants the guest driver of its vendor")


def _one_card(name: str, generation: Generation, wish: HostWish, branch: int) -> Iterator[Refusal]:
    last = generation.last_branch or branch
    if not any(drives(generation, one) for one in SUPPORTED):
        yield refusal("PCI-3", f"{name} is {generation.name}: {last} was its last branch, and has ended", "take it out")
    elif branch > last:
        yield refusal("PCI-3", f"{name} is {generation.name}: its last branch is {last}, not {branch}")
    elif not drives(generation, branch):
        yield refusal(
            "PCI-9", f"{name} is {generation.name}: its first branch is {generation.first_branch}, not {branch}"
        )
    if wish.flavour and wish.flavour not in generation.modules:
        only = generation.modules[0]
        id = "PCI-4" if wish.flavour == PROPRIETARY else "PCI-2"
        problem = f"{name} is {generation.name}: it works with {only} kernel modules only, not {wish.flavour}"
        yield refusal(id, problem, f"driver: {{flavour: {only}}}, or leave flavour out")


def _reboot(facts: "HostFacts", wish: HostWish, choice: Choice) -> Iterator[Refusal]:
    reason = reboot_reason(facts, wish, choice)
    if reason and wish.reboot == "never":
        by_hand = (
            BY_HAND.format(INITRAMFS[facts.package_manager]) if bound(facts) else "install the wished driver and reboot"
        )
        yield refusal(
            "HST-64", f"{reason}, which takes a reboot, and reboot is never", f"reboot: ifNeeded; or as root: {by_hand}"
        )


def reboot_reason(facts: "HostFacts", wish: HostWish, choice: Choice) -> str:
    """Why a reboot cannot be avoided; empty where it can."""
    held = bound(facts)
    if held:
        return f"{IN_THE_KERNEL[held[0].driver]} holds {name_of(held[0].id)} at {held[0].address}"
    if facts.loaded and not _asked(wish, choice).fits(facts.loaded, facts.flavour):
        return f"driver {facts.loaded} is loaded and shall become {choice.wanted} {choice.flavour}"
    if facts.loaded and facts.driver_version and facts.loaded != facts.driver_version:
        return f"module {facts.loaded} is loaded, and {facts.driver_version} is installed"
    return ""


def values(facts: "HostFacts", wish: HostWish) -> dict[str, Any]:
    """What the step is told."""
    if is_kept(facts, wish):
        return {"GR_DECIDED": KEEP}
    choice = chosen(facts, wish)
    what = packages(facts, choice)
    return {
        "GR_DECIDED": str(choice),
        "GR_WANT_DRIVER": choice.wanted,
        "GR_PIN_PACKAGE": what.pin,
        "GR_PACKAGES": " ".join((*what.names, *host_extras.names(wish))),
        "GR_KERNEL_PACKAGES": " ".join(what.by_kernel),
        # What somebody writes is consent to replace what was there before us.
        "GR_REPLACE": bool(wish.wanted or wish.flavour),
        **(wish.mirrored("cuda", what.repository) if what.repository else {}),
        **(what.also or {}),
        **(host_run.values(wish) if choice.source == RUN else {}),
    }


def found(facts: "HostFacts", wish: HostWish) -> str:
    """What is there without us: where a look finds other cards, or another version of a kept driver, they are asked."""
    kept = [facts.driver_version] if is_kept(facts, wish) else []
    return " ".join([*sorted(card.id for card in cards(facts)), *kept])


def lines(facts: "HostFacts", wish: HostWish) -> Iterator[tuple[str, bool]]:
    """What was decided, with the reason, and whether that stays so once it is done."""
    if is_kept(facts, wish):
        yield f"{facts.driver_version} works and stays as it is; destroy leaves it there", True
        yield from _worries(facts, wish)
        return
    choice, before = chosen(facts, wish), decided(facts)
    why = "asked for" if wish.wanted else "decided at the first install" if before else "long-term support"
    modules = "asked for" if wish.flavour else "what its cards want"
    what = f"install {choice.wanted} ({why}) with {choice.flavour} modules ({modules}) from "
    yield f"{what}{host_sources.FROM[choice.source]}; {host_sources.HELD[choice.source]}", True
    if choice.source == RUN:
        yield host_run.line(wish), True
    elif facts.package_manager == "dnf":
        yield host_rpm.line(facts, choice), True
    if wish.extras:
        yield host_extras.line(wish), True
    if works(facts) and not before:
        yield f"it replaces {facts.driver_version}, which was here before us; destroy does not bring that back", False
    yield from _ended(choice.wanted, wish)
    yield _reboot_line(facts, reboot_reason(facts, wish, choice)), False


def _reboot_line(facts: "HostFacts", reason: str) -> str:
    if reason:
        return f"reboot: {reason}"
    return f"no reboot: {facts.driver_version} works already" if works(facts) else "no reboot: nobody holds the card"


def _ended(version: str, wish: HostWish) -> Iterator[tuple[str, bool]]:
    branch = version.partition(".")[0]
    known = BRANCHES.get(int(branch)) if branch.isascii() and branch.isdigit() and len(branch) < 5 else None
    if known and known.ended:
        other = f"branch: {defaults.DRIVER_BRANCH}"
        way = f"source: auto, {other}" if wish.source == KEEP else other
        yield f"branch {known.number} ended {known.ended}: driver: {{{way}}} moves it", True


def _worries(facts: "HostFacts", wish: HostWish) -> Iterator[tuple[str, bool]]:
    yield from _ended(facts.driver_version, wish)
    if facts.next_kernel and not facts.next_kernel_has_module:
        yield (
            f"kernel {facts.next_kernel} boots next and has no nvidia module (DRV-16): mend that before a reboot",
            False,
        )
