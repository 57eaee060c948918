"""Which driver a host gets: one that works is kept, else branch, modules and packages follow from cards and system."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from decide import defaults
from decide.catalog import BRANCHES, PROPRIETARY, SUPPORTED, Generation, drives, generation_of, name_of
from decide.host_failures import Refusal, refusal
from decide.host_packages import NO_REPOSITORY, Packages, missing, packages
from decide.host_system import IN_THE_KERNEL, SYSTEMS, bound, cards, room
from decide.host_wish import HostWish

if TYPE_CHECKING:
    from host.facts import HostFacts

FROM = {"distro": "Ubuntu's archive, prebuilt and signed", "cudaRepo": "NVIDIA's repository, built on the host by DKMS"}
BY_HAND = (
    "printf 'blacklist nouveau\\nblacklist nova_core\\nblacklist nova_drm\\noptions nouveau modeset=0\\n' "
    "> /etc/modprobe.d/gpu-ready-nouveau.conf && update-initramfs -u && systemctl reboot"
)


class Choice(NamedTuple):
    """The driver that is installed."""

    branch: int
    flavour: str
    source: str


def works(facts: "HostFacts") -> bool:
    """Whether somebody's driver is at work already, with or without us."""
    return facts.driver_works and bool(facts.driver_version)


def is_kept(facts: "HostFacts", wish: HostWish) -> bool:
    """A driver that works stays, unless the stack file asks for another one or it is our own."""
    if wish.source == "keep":
        return True
    return works(facts) and not facts.our_driver and wish.fits(facts.driver_version, facts.flavour)


def refusals(facts: "HostFacts", wish: HostWish) -> list[Refusal]:
    """Why the wished driver cannot be."""
    if is_kept(facts, wish):
        return [] if works(facts) else [refusal("HST-69")]
    choice = chosen(facts, wish)
    there = [*_foreign(facts), *_branch(wish), *_cards(facts, wish), *_source(facts, wish, choice)]
    packaged = [] if there else missing(facts, packages(facts, wish, choice))
    installed = facts.our_driver and works(facts)
    return [*there, *packaged, *([] if installed else room(facts)), *_reboot(facts, wish, choice)]


def chosen(facts: "HostFacts", wish: HostWish) -> Choice:
    """Branch, flavour and source; what is not said follows from the cards and the system."""
    flavours = _flavours(_generations(facts))
    system = SYSTEMS.get(facts.os)
    source = system.source if system and wish.source == "auto" else wish.source
    return Choice(wish.branch or defaults.DRIVER_BRANCH, wish.flavour or next(iter(flavours), PROPRIETARY), source)


def _generations(facts: "HostFacts") -> list[Generation]:
    found = [generation_of(card.id) for card in cards(facts)]
    return [one for one in found if one]


def _flavours(generations: list[Generation]) -> list[str]:
    """Those that serve all cards, the recommended one first."""
    first = generations[0].modules if generations else ()
    return [flavour for flavour in first if all(flavour in one.modules for one in generations)]


def _foreign(facts: "HostFacts") -> Iterator[Refusal]:
    if facts.foreign == "operator":
        fix = "delete the operator that brought it, or take the node in by target: cluster with gpu.driver: operator"
        yield refusal("HST-21", "the driver container of a GPU operator is at work here", fix)
    elif facts.foreign == ".run":
        fix = "keep it: driver: {source: keep}; or remove it first: nvidia-uninstall"
        yield refusal("HST-21", "a driver was installed here from a .run file; packages must not be laid over it", fix)
    elif facts.foreign:
        yield refusal("HST-21", "module and libraries of the driver here come from different sources")


def _branch(wish: HostWish) -> Iterator[Refusal]:
    known = BRANCHES.get(wish.branch or defaults.DRIVER_BRANCH)
    alive = ", ".join(str(number) for number in SUPPORTED)
    if known is None:
        yield refusal("HST-22", f"there is no driver branch {wish.branch} that gpu-ready knows; it knows {alive}")
    elif known.ended:
        yield refusal("HST-22", f"driver branch {known.number} ended {known.ended}; with fixes there are {alive}")


def _cards(facts: "HostFacts", wish: HostWish) -> Iterator[Refusal]:
    """What each card has against the wish, and what no wish can mend."""
    for card in cards(facts):
        generation, name = generation_of(card.id), name_of(card.id)
        if generation is None and not (wish.branch and wish.flavour):
            yield refusal("HST-74", f"{name} is not in the catalogue, so nothing says which driver it wants")
        elif generation:
            yield from _one_card(name, generation, wish)
    generations = _generations(facts)
    if generations and not _flavours(generations) and not wish.flavour:
        names = ", ".join(name_of(card.id) for card in cards(facts))
        yield refusal("HST-79", f"no kernel modules serve all of its cards: {names}")
    if facts.vgpu:
        yield refusal("PCI-9", "its card is a share of one (vGPU), which wants the guest driver of its vendor")


def _one_card(name: str, generation: Generation, wish: HostWish) -> Iterator[Refusal]:
    branch = wish.branch or defaults.DRIVER_BRANCH
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


def _source(facts: "HostFacts", wish: HostWish, choice: Choice) -> Iterator[Refusal]:
    system = SYSTEMS.get(facts.os)
    if system is None:
        return
    if choice.source != system.source:
        why = (
            "its archive has only branches that ended"
            if system.source == "cudaRepo"
            else "that comes with a later release"
        )
        yield refusal("HST-67", f"on {system.name} the driver does not come from {choice.source}: {why}")
    elif choice.source == "cudaRepo" and facts.secure_boot:
        fix = "turn Secure Boot off in the firmware, or use Ubuntu 24.04, whose modules are signed"
        yield refusal("DRV-5", "Secure Boot is on, and modules that DKMS builds here carry no key it accepts", fix)


def _reboot(facts: "HostFacts", wish: HostWish, choice: Choice) -> Iterator[Refusal]:
    reason = reboot_reason(facts, wish, choice)
    if reason and wish.reboot == "never":
        by_hand = BY_HAND if bound(facts) else "install the wished driver and reboot"
        yield refusal(
            "HST-64", f"{reason}, which takes a reboot, and reboot is never", f"reboot: ifNeeded; or as root: {by_hand}"
        )


def reboot_reason(facts: "HostFacts", wish: HostWish, choice: Choice) -> str:
    """Why a reboot cannot be avoided; empty where it can."""
    held = bound(facts)
    if held:
        return f"{IN_THE_KERNEL[held[0].driver]} holds {name_of(held[0].id)} at {held[0].address}"
    asked = wish if wish.wanted else HostWish(branch=choice.branch, flavour=wish.flavour)
    if facts.loaded and not asked.fits(facts.loaded, facts.flavour):
        return f"driver {facts.loaded} is loaded and shall become {asked.wanted} {choice.flavour}"
    if facts.loaded and facts.driver_version and facts.loaded != facts.driver_version:
        return f"module {facts.loaded} is loaded, and {facts.driver_version} is installed"
    return ""


def values(facts: "HostFacts", wish: HostWish) -> dict[str, Any]:
    """What the step is told."""
    if is_kept(facts, wish):
        return _told("adopt", "keep", wish.wanted, "", Packages())
    choice = chosen(facts, wish)
    wanted = wish.version or str(choice.branch)
    return _told("install", choice.source, wanted, choice.flavour, packages(facts, wish, choice))


def _told(action: str, source: str, wanted: str, flavour: str, what: Packages) -> dict[str, Any]:
    return {
        "GR_DRIVER_ACTION": action,
        "GR_DRIVER_SOURCE": source,
        "GR_WANT_DRIVER": wanted,
        "GR_FLAVOUR": flavour,
        "GR_PIN_PACKAGE": what.pin,
        "GR_PACKAGES": " ".join(what.names),
        "GR_KERNEL_PACKAGES": " ".join(what.by_kernel),
        "GR_BLOCK_NOUVEAU": "1" if action == "install" else "",
        **(what.repository or NO_REPOSITORY),
    }


def lines(facts: "HostFacts", wish: HostWish) -> Iterator[tuple[str, bool]]:
    """What was decided, with the reason, and whether that stays so once it is done."""
    if is_kept(facts, wish):
        yield f"{facts.driver_version} works and stays as it is; destroy leaves it there", True
        yield from _worries(facts)
        return
    choice = chosen(facts, wish)
    why = "asked for" if wish.branch else "long-term support"
    modules = "asked for" if wish.flavour else "what its cards want"
    yield (
        (
            f"install {wish.version or choice.branch} ({why}) with {choice.flavour} modules ({modules}) "
            f"from {FROM[choice.source]}; held at its version"
        ),
        True,
    )
    reason = reboot_reason(facts, wish, choice)
    yield (f"reboot: {reason}" if reason else "no reboot: nothing else holds the card"), False


def _worries(facts: "HostFacts") -> Iterator[tuple[str, bool]]:
    branch = facts.driver_version.partition(".")[0]
    known = BRANCHES.get(int(branch)) if branch.isascii() and branch.isdigit() and len(branch) < 5 else None
    if known and known.ended:
        yield f"branch {known.number} ended {known.ended}: driver: {{branch: {defaults.DRIVER_BRANCH}}} moves it", True
    if facts.next_kernel and not facts.next_kernel_has_module:
        yield (
            f"kernel {facts.next_kernel} boots next and has no nvidia module (DRV-16): mend that before a reboot",
            False,
        )
