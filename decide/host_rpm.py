"""Names of packages and repositories on systems with dnf: NVIDIA's repository, and what its packages need besides."""

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from decide import defaults
from decide.catalog import OPEN

if TYPE_CHECKING:
    from decide.host_driver import Choice
    from host.facts import HostFacts


class Family(NamedTuple):
    """What systems of one kind and number have in common."""

    repository: str
    """NVIDIA's name for them."""
    key: str = defaults.CUDA_KEY_RPM
    fingerprint: str = defaults.CUDA_KEY_RPM_FINGERPRINT
    streams: bool = True
    """Whether its packages are in module streams, of which one has to be chosen."""
    hotfixes: bool = False
    """Whether dnf has to be told that a repository without streams is meant."""
    builders: str = ""
    """The repository with what packages of EPEL may need, which is there and switched off."""


FAMILIES = {
    "8": Family("rhel8", builders="powertools"),
    "9": Family("rhel9", builders="crb"),
    # Its key is another one, CDF6BA43, of which nobody was found who wrote down the whole fingerprint.
    "10": Family("rhel10", "CDF6BA43", "", streams=False, builders="crb"),
    "2023": Family("amzn2023", streams=False, hotfixes=True),
}
WITHOUT_EPEL = ("rhel", "amzn")
"""Their own repositories have no package that brings EPEL; Amazon's have dkms themselves."""
BUILDERS = {"rhel": "codeready-builder-for-rhel-{}-x86_64-rpms"}
TOOLKIT = {
    "GR_REPO": defaults.TOOLKIT_REPOSITORY_RPM,
    "GR_KEY_URL": defaults.TOOLKIT_KEY_URL,
    "GR_KEY_FINGERPRINT": defaults.TOOLKIT_KEY_FINGERPRINT,
}
SIGNED_LISTS = {"GR_SIGNED": "lists"}
"""NVIDIA signs the list of the toolkit's packages, not each of them."""


def named(facts: "HostFacts") -> tuple[str, str]:
    """Distribution and main number: `rocky`, `9`."""
    name, _, version = facts.os.partition("-")
    return name, version.partition(".")[0]


def driver_names(choice: "Choice") -> tuple[str, ...]:
    """Only what is needed to compute: no desktop."""
    return ("nvidia-driver-cuda", f"kmod-nvidia-{'open' if choice.flavour == OPEN else 'latest'}-dkms")


def headers(kernel: str) -> str:
    """How the package with the headers of this kernel begins; empty for a kernel that is not the distribution's."""
    if re.search(r"\.el[0-9]+(_[0-9]+)?\.x86_64$", kernel):
        return "kernel-devel-"
    of_amazon = re.match(r"([0-9]+\.[0-9]+)\..*\.amzn2023\.x86_64$", kernel)
    # Its first kernel is simply called kernel.
    return ("kernel-devel-" if of_amazon[1] == "6.1" else f"kernel{of_amazon[1]}-devel-") if of_amazon else ""


def repository(facts: "HostFacts") -> dict[str, Any]:
    """Where the driver comes from, and the key that has signed it."""
    family = FAMILIES[named(facts)[1]]
    address = f"{defaults.CUDA_REPOSITORIES}/{family.repository}/x86_64"
    return {
        "GR_REPO": f"{address}/",
        "GR_KEY_URL": f"{address}/{family.key}.pub",
        "GR_KEY_FINGERPRINT": family.fingerprint,
    }


def line(facts: "HostFacts", choice: "Choice") -> str:
    """What comes along with a driver here."""
    known = also(facts, choice)
    stream = f"module stream {known['GR_STREAM']}; " if known["GR_STREAM"] else ""
    epel = {
        "epel-release": "dkms of EPEL, which is switched on for it where it is not, and goes again with it",
        "": "dkms, which a repository of this host has to have"
        if named(facts)[0] == "rhel"
        else "dkms of Amazon's own",
    }[known["GR_EPEL"]]
    return f"{stream}{epel}; locked by dnf versionlock, which dnf-automatic respects"


def unpinned(facts: "HostFacts") -> str:
    """The key of NVIDIA's repository for this system, where its fingerprint is not known."""
    family = FAMILIES.get(named(facts)[1])
    return family.key if family and not family.fingerprint else ""


def also(facts: "HostFacts", choice: "Choice") -> dict[str, Any]:
    """What the step has to know beside names and addresses."""
    name, number = named(facts)
    family = FAMILIES[number]
    kind = "open" if choice.flavour == OPEN else "dkms"
    return {
        "GR_STREAM": f"nvidia-driver:{choice.branch}-{kind}" if family.streams else "",
        "GR_HOTFIXES": family.hotfixes,
        "GR_EPEL": "" if name in WITHOUT_EPEL else "epel-release",
        "GR_CRB": BUILDERS.get(name, family.builders).format(number),
    }
