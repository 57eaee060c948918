"""Where a driver comes from: what is said of it, and why it cannot come from there."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from decide import host_rpm, host_ubuntu
from decide.host_failures import Refusal, refusal
from decide.host_run import RUN
from decide.host_system import System, system_of
from decide.host_ubuntu import PPA, TOOL
from decide.host_wish import HostWish

if TYPE_CHECKING:
    from decide.host_driver import Choice
    from host.facts import HostFacts

FROM = {
    "distro": "Ubuntu's archive, prebuilt and signed",
    "cudaRepo": "NVIDIA's repository, built on the host by DKMS",
    RUN: "a .run file of NVIDIA, built on the host by DKMS",
    PPA: "the graphics-drivers PPA, built on the host by DKMS",
    TOOL: "Ubuntu's archive, as ubuntu-drivers recommends, prebuilt and signed",
}
HELD = {
    "distro": "held at its version together with the kernel's own metapackages: the kernel stands still too",
    "cudaRepo": "held at its version; the kernel moves on, and DKMS builds for each new one",
    PPA: "held at its version; the kernel moves on, and DKMS builds for each new one",
    TOOL: "held at its version together with the kernel's own metapackages: the kernel stands still too",
    RUN: "no package manager moves it; the kernel moves on, and DKMS builds for each new one",
}
BUILT_HERE = ("cudaRepo", PPA, RUN)
"""Whose modules nobody signed."""
ANYWHERE = (RUN,)
"""What does not depend on the distribution, where packages can be installed at all."""
OF_UBUNTU = {PPA: "the PPA has packages for Ubuntu alone", TOOL: "ubuntu-drivers is a program of Ubuntu"}
SIGNED = {
    "": "turn Secure Boot off in the firmware, or use Ubuntu 24.04, whose modules are signed",
    "ubuntu": "driver: {source: distro}, whose modules are signed; or turn Secure Boot off in the firmware",
    "almalinux": "turn Secure Boot off in the firmware; or install AlmaLinux's own driver by hand, whose modules its "
    "kernel trusts: driver: {source: keep}",
}
"""Where Secure Boot leads to, by distribution."""
PIN = (
    "look at that key, and pin it yourself: bareMetal: {repositories: {cuda: {url: NVIDIA's address for it, keyUrl: of "
    "the key, keySha256: what sha256sum says of the key}}}"
)


def foreign(facts: "HostFacts", choice: "Choice") -> Iterator[Refusal]:
    """A driver of somebody's that this one cannot be laid over."""
    if facts.foreign == "operator":
        fix = "delete the operator that brought it, or take the node in by target: cluster with gpu.driver: operator"
        yield refusal("HST-21", "the driver container of a GPU operator is at work here", fix)
    elif facts.foreign == ".run":
        fix = "keep it: driver: {source: keep}; or remove it first: nvidia-uninstall"
        problem = "a driver was installed here from a .run file; packages must not be laid over it"
        if choice.source == RUN:
            problem = "a driver was installed here from a .run file, and not by gpu-ready"
        yield refusal("HST-21", problem, fix)
    elif facts.foreign:
        yield refusal("HST-21", "module and libraries of the driver here come from different sources")
    elif facts.packaged and choice.source == RUN:
        fix = "keep it: driver: {source: keep}; take packages: source: auto; or remove them by hand first"
        yield refusal("HST-21", "packages of a driver are here, and a .run file must not be laid over them", fix)


def refusals(facts: "HostFacts", wish: HostWish, choice: "Choice", before: "Choice | None") -> Iterator[Refusal]:
    """Why it does not come from there on this system."""
    system = system_of(facts)
    if system is None:
        return
    if not system.source:
        fix = "make it work, as nvidia-smi shows; then it is kept as it is"
        yield refusal("HST-67", f"on {facts.pretty} no driver is installed: {system.instead}", fix)
    elif choice.source not in _possible(facts, system):
        yield _elsewhere(system, choice)
    elif choice.source in BUILT_HERE and facts.secure_boot:
        fix = SIGNED.get(facts.os.partition("-")[0], SIGNED[""])
        yield refusal("DRV-5", "Secure Boot is on, and modules that DKMS builds here carry no key it accepts", fix)
    if not before and facts.os.startswith("ubuntu"):
        yield from host_ubuntu.refusals(facts, wish.source)
    if before and before.source != choice.source:
        problem = f"gpu-ready installed this driver from {before.source}, and source is {choice.source}"
        yield refusal("HST-100", problem, f"driver: {{source: {before.source}}}; or {_anew(choice.source)}")
    elif choice.source == RUN and not wish.sha256:
        problem = f"driver {choice.wanted} came from a .run file, and the stack file does not say any more which one"
        yield refusal("HST-101", problem, f"driver: {{source: run, version: {choice.wanted}, sha256: ...}}")
    yield from _unpinned(facts, wish, choice, system)


def _possible(facts: "HostFacts", system: System) -> tuple[str, ...]:
    return (system.source, *ANYWHERE, *(OF_UBUNTU if facts.os.startswith("ubuntu") else ()))


def _elsewhere(system: System, choice: "Choice") -> Refusal:
    why = "its archive has only branches that ended" if choice.source == "distro" else "that comes with a later release"
    why = OF_UBUNTU.get(choice.source, why)
    problem = f"on {system.name} the driver does not come from {choice.source}: {why}"
    return refusal("HST-67", problem, f"driver: {{source: {system.source}}}, which auto is here")


def _anew(source: str) -> str:
    return f"take the host out, pulumi up, which takes that driver back, and declare it again with source: {source}"


def _unpinned(facts: "HostFacts", wish: HostWish, choice: "Choice", system: System) -> Iterator[Refusal]:
    key = host_rpm.unpinned(facts) if choice.source == system.source and facts.package_manager == "dnf" else ""
    if key and not wish.has_mirror("cuda"):
        yield refusal(
            "TK-1", f"the key of NVIDIA's repository for {system.name}, {key}, is not pinned in this release", PIN
        )
