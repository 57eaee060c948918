"""Whether a host is one that packages may be installed on at all, and what holds its cards."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from decide import defaults
from decide.catalog import name_of
from decide.host_failures import Refusal, refusal

if TYPE_CHECKING:
    from host.facts import Card, HostFacts

FOR_VIRTUAL_MACHINES = "vfio-pci"
IN_THE_KERNEL = {"nouveau": "nouveau", "nova_core": "nova"}
"""Drivers of the kernel itself that let go of a card only by a reboot."""


class System(NamedTuple):
    """A distribution that is known well enough to install on."""

    name: str
    source: str = ""
    """Where `source: auto` takes the driver from; empty: nothing is installed, what works is kept."""
    manager: str = "apt"
    instead: str = ""
    """Where nothing is installed: why, and how somebody gets a driver there."""


FEDORA = (
    "its kernels come faster than drivers that build for them; install akmod-nvidia of RPM Fusion, or NVIDIA's own "
    "packages, by hand"
)
SUSE = (
    "SUSE signs and moves the module together with its kernel; by hand: zypper install "
    "nvidia-open-driver-G06-signed-cuda-kmp-default nvidia-compute-utils-G06"
)
TOO_OLD = "its archive gets no more fixes for drivers; upgrade it, or install a driver by hand"
SYSTEMS = {
    **{f"ubuntu-{number}": System(f"Ubuntu {number}", "distro") for number in ("22.04", "24.04", "26.04")},
    "debian-12": System("Debian 12", "cudaRepo"),
    "debian-13": System("Debian 13", "cudaRepo"),
    **{
        f"{id}-{number}": System(f"{name} {number}", "cudaRepo", "dnf")
        for id, name in (
            ("rocky", "Rocky Linux"),
            ("almalinux", "AlmaLinux"),
            ("rhel", "RHEL"),
            ("centos", "CentOS Stream"),
        )
        for number in (8, 9, 10)
        if (id, number) != ("centos", 8)
    },
    "amzn-2023": System("Amazon Linux 2023", "cudaRepo", "dnf"),
    "fedora": System("Fedora", "", "dnf", FEDORA),
    "sles": System("SLES", "", "zypper", SUSE),
    "opensuse-leap": System("openSUSE Leap", "", "zypper", SUSE),
    "ubuntu-20.04": System("Ubuntu 20.04", "", "apt", TOO_OLD),
    "debian-11": System("Debian 11", "", "apt", TOO_OLD),
}
KNOWN = (
    "Ubuntu 22.04, 24.04 or 26.04, Debian 12 or 13, Rocky Linux, AlmaLinux, RHEL or CentOS Stream 8 to 10, "
    "Amazon Linux 2023"
)
ARCHITECTURE = "x86_64"


def system_of(facts: "HostFacts") -> System | None:
    """The distribution of a host. Of those with releases in between all are alike: Rocky 9.6 is Rocky 9."""
    names = (facts.os, facts.os.partition(".")[0], facts.os.rpartition("-")[0])
    return next((SYSTEMS[name] for name in names if name in SYSTEMS), None)


def cards(facts: "HostFacts") -> list["Card"]:
    """The cards that are here for containers."""
    return [card for card in facts.cards if card.driver != FOR_VIRTUAL_MACHINES]


def bound(facts: "HostFacts") -> list["Card"]:
    """Those that a driver of the kernel itself holds."""
    return [card for card in cards(facts) if card.driver in IN_THE_KERNEL]


def refusals(facts: "HostFacts") -> list[Refusal]:
    """Why nothing can be done here, whatever is wished."""
    foreign = [*_not_ours_to_change(facts)]
    return foreign or [*_unknown(facts), *_no_card(facts), *_not_fit(facts)]


def _not_ours_to_change(facts: "HostFacts") -> Iterator[Refusal]:
    if facts.wsl:
        fix = "install the driver on Windows; a cluster on WSL is taken in by target: cluster"
        yield refusal("HST-62", "this is Linux inside Windows (WSL), which brings its driver along", fix)
    if facts.tegra:
        yield refusal("HST-62", "this is a Jetson (Tegra), whose driver is part of its own system")
    if facts.immutable:
        fix = "install driver and toolkit by its image or extension, then take the node in by target: cluster"
        yield refusal("HST-62", f"{facts.pretty} has a system that cannot be changed", fix)


def _unknown(facts: "HostFacts") -> Iterator[Refusal]:
    system = system_of(facts)
    if system is None or facts.package_manager != system.manager:
        yield refusal("HST-61", f"{facts.pretty} is not one of the systems that gpu-ready installs on: {KNOWN}")
    if facts.arch != ARCHITECTURE:
        yield refusal("HST-61", f"its processor is {facts.arch}; gpu-ready installs on {ARCHITECTURE}")


def _no_card(facts: "HostFacts") -> Iterator[Refusal]:
    if not facts.cards:
        yield refusal("PCI-1")
    elif not cards(facts):
        names = ", ".join(f"{name_of(card.id)} at {card.address}" for card in facts.cards)
        yield refusal("PCI-10", f"{names}: reserved for virtual machines ({FOR_VIRTUAL_MACHINES})")


def _not_fit(facts: "HostFacts") -> Iterator[Refusal]:
    if not facts.kubelet:
        yield refusal("HST-73")
    if facts.dpkg_broken and not (facts.ours.driver or facts.ours.toolkit):
        yield refusal("HST-31")


def room(facts: "HostFacts") -> Iterator[Refusal]:
    """Too little room for what has to be installed."""
    for path, free, least in (
        ("/", facts.free_root, defaults.FREE_ROOT_MB),
        ("/boot", facts.free_boot, defaults.FREE_BOOT_MB),
    ):
        if free < least:
            yield refusal("HST-32", f"{path} has {free} MB free; installing needs {least} MB")
