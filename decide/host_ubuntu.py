"""Sources that only Ubuntu has: the graphics-drivers PPA, and what `ubuntu-drivers` recommends."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from decide import defaults
from decide.host_failures import Refusal, refusal

if TYPE_CHECKING:
    from decide.host_driver import Choice
    from host.facts import HostFacts

PPA, TOOL, ARCHIVE = "ppa", "ubuntuDrivers", "distro"
SUITES = {"ubuntu-22.04": "jammy", "ubuntu-24.04": "noble", "ubuntu-26.04": "resolute"}
NOTHING = "none"
"""What a look says where `ubuntu-drivers` is there and recommends nothing."""


def source(facts: "HostFacts", asked: str, before: "Choice | None") -> str:
    """For cards without a display `ubuntu-drivers` recommends the server series, which is what `distro` installs."""
    mute = before is not None and before.source == ARCHIVE and not branch(facts)
    return ARCHIVE if asked == TOOL and ("-server" in facts.recommended or mute) else asked


def branch(facts: "HostFacts") -> str:
    """Of the recommended driver; empty where there is none."""
    found = re.match(r"nvidia-(?:driver|headless-no-dkms)-([1-9][0-9]{2})(?:-|$)", facts.recommended)
    return found[1] if found else ""


def series(choice: "Choice") -> str:
    """How the archive calls the packages of a branch; for servers it has a series of its own."""
    return f"{choice.branch}-server" if choice.source == ARCHIVE else str(choice.branch)


def ppa_names(choice: "Choice", flavour: str) -> tuple[str, ...]:
    """What the PPA calls a driver without a desktop."""
    return (f"nvidia-headless-{choice.branch}{flavour}", f"nvidia-utils-{choice.branch}")


def repository(facts: "HostFacts") -> dict[str, Any]:
    """The PPA, and the key that has signed it."""
    return {
        "GR_REPO": f"{defaults.PPA} {SUITES.get(facts.os, '')} main",
        "GR_KEY_URL": defaults.PPA_KEY_URL,
        "GR_KEY_FINGERPRINT": defaults.PPA_KEY_FINGERPRINT,
        "GR_BUILD": defaults.PPA_BUILD,
    }


def refusals(facts: "HostFacts", asked: str) -> Iterator[Refusal]:
    """Where nobody says which driver is recommended."""
    if asked != TOOL or branch(facts):
        return
    fix = f"driver: {{source: distro}}, which takes packages of the same archive, of branch {defaults.DRIVER_BRANCH}"
    if facts.recommended == NOTHING:
        problem = "ubuntu-drivers recommends no driver for its cards and this kernel"
        yield refusal("HST-67", problem, f"on the host: ubuntu-drivers list; or {fix}")
    else:
        problem = "ubuntu-drivers is not there to say what it recommends"
        yield refusal("HST-67", problem, f"on the host: apt-get install ubuntu-drivers-common; or {fix}")
