"""`ubuntu-drivers list`: which driver it recommends, in the form of canonical/ubuntu-drivers-common (2026).

Which branch that is in the real archive, its modaliases say; here it is the newest that drives the card.
"""

from __future__ import annotations

from lab.host.standins import archive
from lab.host.standins.box import Box, fail, say
from lab.host.standins.drivers import OLD


def ubuntu_drivers(box: Box, args: list[str]) -> int:
    """Prints the recommended driver, and the package with its modules."""
    if args[:1] != ["list"] or "--recommended" not in args:
        fail(2, "ubuntu-drivers: only list --recommended is simulated")
    cards = [card for card in box.state["pci"] if card["generation"] != "Kepler"]
    if not cards:
        return 0
    old = any(card["generation"] in OLD for card in cards)
    branch = "580" if old else max(archive.UBUNTU_BRANCHES)
    series = f"{branch}{'-server' if '--gpgpu' in args else ''}{'' if old else '-open'}"
    box.spend(2)
    say(f"nvidia-driver-{series} linux-modules-nvidia-{series}-generic")
    return 0
