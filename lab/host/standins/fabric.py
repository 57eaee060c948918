"""NVSwitch and its fabric manager, which works with a driver of its own version alone."""

from __future__ import annotations

from lab.host.standins.box import Box, fail, say

NAME = "nvidia-fabricmanager"


def is_manager(package: str) -> bool:
    """Some repositories put the branch behind its name."""
    return package == NAME or package.startswith(f"{NAME}-")


def version(box: Box) -> str:
    """Of the one that is installed."""
    there = [str(one["version"]) for name, one in box.state["packages"].items() if is_manager(name)]
    return there[0].partition("-")[0] if there else ""


def can_start(box: Box) -> bool:
    """Whether its service comes up."""
    return bool(box.state.get("nvswitches")) and bool(version(box)) and version(box) == box.state["driver"]


def state(box: Box) -> tuple[str, str]:
    """`fabric.state` and `fabric.status` of a card."""
    if not box.state.get("nvswitches"):
        return "[N/A]", "[N/A]"
    runs = box.state["services"].get(NAME, {}).get("active") and can_start(box)
    return ("Completed", "Success") if runs else ("In Progress", "N/A")


def nv_fabricmanager(box: Box, args: list[str]) -> int:
    """Says its version."""
    if args != ["--version"]:
        fail(1, "nv-fabricmanager: only --version is simulated")
    say(f"Fabric Manager version is : {version(box)}")
    return 0
