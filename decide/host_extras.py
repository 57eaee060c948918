"""What comes with a driver beside it: fabric manager where cards are joined by NVSwitch, GPUDirect Storage, CUDA."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from decide import defaults
from decide.catalog import OPEN
from decide.host_failures import Refusal, refusal

if TYPE_CHECKING:
    from decide.host_driver import Choice
    from decide.host_wish import HostWish
    from host.facts import HostFacts

FABRIC, STORAGE, CUDA = "fabricManager", "gds", "cudaToolkit"
EXTRAS = (FABRIC, STORAGE, CUDA)
FROM = {FABRIC: ("distro", "cudaRepo"), STORAGE: ("cudaRepo",), CUDA: ("cudaRepo",)}
"""Which sources have it."""
NAMES = {
    FABRIC: "nvidia-fabricmanager",
    STORAGE: "nvidia-gds",
    CUDA: f"cuda-toolkit-{defaults.CUDA_TOOLKIT}",
}
"""Its package; fabric manager's has the branch behind it in some repositories, which the host looks up."""
WORDS = {
    FABRIC: "fabric manager, of exactly the driver's version",
    STORAGE: "GPUDirect Storage, whose module DKMS builds",
    CUDA: f"CUDA toolkit {defaults.CUDA_TOOLKIT.replace('-', '.')}",
}


def names(wish: "HostWish") -> tuple[str, ...]:
    """The packages that are wished besides."""
    return tuple(NAMES[one] for one in EXTRAS if one in wish.extras)


def line(wish: "HostWish") -> str:
    """The same for people."""
    return "with " + "; ".join(WORDS[one] for one in EXTRAS if one in wish.extras)


def of_kept(facts: "HostFacts", wish: "HostWish") -> Iterator[Refusal]:
    """Nothing comes with a driver that is not ours; a fabric that nobody manages is no working host."""
    if wish.extras and wish.source != "keep":
        problem = f"its driver is kept as it is, and {', '.join(wish.extras)} comes with one of ours alone"
        yield refusal("HST-102", problem, "take extras out, and install that by hand where it is missing")
    if facts.fabric.switches and not facts.fabric.active:
        fix = f"install fabric manager {facts.driver_version} by hand; systemctl enable --now nvidia-fabricmanager"
        yield refusal("HST-23", f"its {_switches(facts)}, and no fabric manager runs", fix)


def of_ours(facts: "HostFacts", wish: "HostWish", choice: "Choice") -> Iterator[Refusal]:
    """What does not come from there, or would not work here."""
    for one in wish.extras:
        if choice.source not in FROM[one]:
            fix = f"take {one} out of extras" + ("; or source: distro" if one == FABRIC else "")
            yield refusal("HST-102", f"{one} does not come with a driver from {choice.source}", fix)
    if STORAGE in wish.extras and choice.flavour != OPEN:
        yield refusal("HST-102", f"gds wants open kernel modules, and these are {choice.flavour}")
    if FABRIC in wish.extras and not facts.fabric.switches:
        problem = (
            "no NVSwitch is seen, so fabric manager would not start (NVLink 5 needs nvlsm too, and is not known here)"
        )
        yield refusal("HST-102", problem, "take fabricManager out of extras")


def missing(facts: "HostFacts", wish: "HostWish") -> Iterator[Refusal]:
    """Cards behind NVSwitch do nothing without it."""
    if facts.fabric.switches and FABRIC not in wish.extras:
        yield refusal("HST-23", f"its {_switches(facts)}, and fabric manager is not asked for")


def _switches(facts: "HostFacts") -> str:
    count = facts.fabric.switches
    return f"cards are joined by {count} NVSwitch{'es' if count > 1 else ''}"
