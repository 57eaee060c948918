"""What the machine under the lab must have: Debian packages, root and Linux."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Final

PACKAGES: Final = {
    "mmdebstrap": "mmdebstrap", "systemd-nspawn": "systemd-container", "ssh": "openssh-client", "ip": "iproute2",
    "apt-ftparchive": "apt-utils", "dpkg-deb": "dpkg", "gpg": "gnupg", "zstd": "zstd", "journalctl": "systemd",
    "nsenter": "util-linux", "setpriv": "util-linux",
}  # fmt: skip
"""Program that is called, and the package of Debian that brings it."""


class NotHere(Exception):
    """The lab cannot run on this machine; the text is one sentence with what helps."""


def missing() -> list[str]:
    """Packages to be installed."""
    return sorted({package for program, package in PACKAGES.items() if shutil.which(program) is None})


def why_not() -> str:
    """Why hosts cannot be made here; empty where they can."""
    if sys.platform != "linux":
        return "the lab's hosts need Linux"
    if os.geteuid() != 0:
        return "the lab's hosts need root: sudo make lab-setup, then sudo make lab or lab-test"
    if missing():
        return f"the lab's hosts need {', '.join(missing())}: make lab-setup, or apt-get install {' '.join(missing())}"
    return "" if shutil.which("go") else "the lab's hosts need Go, which compiles the stand-ins for NVIDIA's programs"


def insist() -> None:
    """Raises where hosts cannot be made."""
    if why := why_not():
        raise NotHere(why)
