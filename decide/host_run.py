"""The driver of a .run file: what has to be said of it, where it lies, and what its module is built with."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from decide import defaults

if TYPE_CHECKING:
    from decide.host_wish import HostWish

RUN = "run"
KEYS = ("url", "path", "sha256")
"""What only such a file has."""
PATH = r"(/[A-Za-z0-9._~+@-]{1,100}){1,20}"
BUILDERS = ("dkms", "gcc", "make")
"""What its installer looks for before it does anything."""


def faults(driver: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What a driver's settings say against each other about a file: the key, the problem, and what is right."""
    if driver.get("source") != RUN:
        for key in KEYS:
            if driver.get(key):
                yield key, "is of a .run file, and source is not run", f"leave {key} out, or source: run"
        return
    if not driver.get("version"):
        yield "version", "is missing: a .run file has one version", 'version: "580.178.04"'
    if not driver.get("sha256"):
        right = "sha256: what sha256sum says of the file, from where you trust it"
        yield "sha256", "is missing: root runs that file, so somebody has to say what it is", right
    if driver.get("url") and driver.get("path"):
        yield "path", "and url are two places of one file", "leave one of them out"


def place(wish: "HostWish") -> str:
    """Where the file is."""
    return wish.path or wish.url or defaults.RUN_FILE.format(wish.version)


def values(wish: "HostWish") -> dict[str, Any]:
    """What the step is told of it; nothing of one that is installed already and was taken out of the stack file."""
    if not wish.sha256:
        return {}
    return {"GR_FILE" if wish.path else "GR_URL": place(wish), "GR_SHA256": wish.sha256}


def line(wish: "HostWish") -> str:
    """Where it comes from, for people."""
    if not wish.sha256:
        return "the .run file is not needed any more, and not named"
    return f"{place(wish)}, run as root only with the checksum {wish.sha256[:12]}...; taken back by its own uninstaller"
