"""What dpkg does to single packages: unpack, configure, remove, purge; and who holds its lock."""

from __future__ import annotations

import fcntl
import os

from lab.host.standins import contents, fabric, modules
from lab.host.standins.box import Box, fail, say, warn

MYPY = False
if MYPY:
    from collections.abc import Iterator
    from typing import Any

HOLDER = "/run/apt.pid"
HALF = "half-installed"
FRONTEND, LISTS_LOCK = "/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock"


def unpack(box: Box, package: Any, *, auto: bool) -> None:
    """Puts the files of a package on the disk; the old version's go."""
    packages = box.state["packages"]
    old = packages.get(package.name)
    if old:
        _erase(box, old, keep=tuple(name for name in old["files"] if name.startswith(contents.CONF_FILES)))
    say(f"Unpacking {package.name} ({package.version}) ...")
    packages[package.name] = {
        "version": package.version, "status": HALF, "depends": list(package.depends),
        "provides": list(package.provides), "auto": old["auto"] if old else auto, "files": [],
    }  # fmt: skip
    box.save()
    files = contents.put(box, package.name, package.version)
    packages[package.name].update(status="unpacked", files=files)
    box.save()


def configure(box: Box, name: str) -> bool:
    """Runs what the package does after it was unpacked; False when that fails."""
    package = box.state["packages"][name]
    say(f"Setting up {name} ({package['version']}) ...")
    package["status"] = "half-configured"
    box.save()
    for line in after_install(box, name, package["version"]):
        (warn if line.startswith("Error!") else say)(line)
        if line.startswith("Error!"):
            warn(
                f"dpkg: error processing package {name} (--configure):",
                f" installed {name} package post-installation script subprocess returned error exit status 10",
            )
            package["failed"] = True
            box.save()
            return False
    package.pop("failed", None)
    package["status"] = "installed"
    box.save()
    return True


def after_install(box: Box, name: str, version: str) -> Iterator[str]:
    """What the scripts of a package do; a line that begins with `Error!` means that they failed."""
    if modules.is_dkms(name):
        box.spend(60)
        yield from modules.build(box, version.partition("-")[0], "open" if "open" in name else "proprietary")
    elif name.startswith("linux-headers-"):
        yield from _autoinstall(box)
    elif "persistenced" in name or name.startswith("nvidia-compute-utils-"):
        box.state["services"].setdefault(
            "nvidia-persistenced", {"active": False, "enabled": box.state.get("manager") != "dnf", "starts": 0}
        )
    elif fabric.is_manager(name):
        box.state["services"].setdefault(fabric.NAME, {"active": False, "enabled": False, "starts": 0})
    elif name == "nvidia-container-toolkit-base":
        _refresh_cdi(box)


def _autoinstall(box: Box) -> Iterator[str]:
    for name, package in box.state["packages"].items():
        if modules.is_dkms(name) and package["status"] == "installed":
            box.spend(60)
            yield from modules.build(
                box, package["version"].partition("-")[0], "open" if "open" in name else "proprietary"
            )


def _refresh_cdi(box: Box) -> None:
    from lab.host.standins.cdi import refresh

    for unit in ("nvidia-cdi-refresh.path", "nvidia-cdi-refresh.service"):
        box.state["services"][unit] = {"active": unit.endswith(".path"), "enabled": True, "starts": 1}
    refresh(box)


def remove(box: Box, name: str, *, purge: bool) -> None:
    """Takes a package away; its conffiles stay unless it is purged."""
    package = box.state["packages"][name]
    say(f"{'Purging configuration files for' if purge else 'Removing'} {name} ({package['version']}) ...")
    kept = () if purge else tuple(path for path in package["files"] if path.startswith(contents.CONF_FILES))
    if modules.is_dkms(name):
        modules.unbuild(box)
    _erase(box, package, kept)
    forget_units(box, name)
    if kept:
        package.update(status="config-files", files=list(kept), depends=[], provides=[])
    else:
        del box.state["packages"][name]
    box.save()


def forget_units(box: Box, name: str) -> None:
    """The units of a package go with it."""
    if "persistenced" in name or name.startswith("nvidia-compute-utils-"):
        box.state["services"].pop("nvidia-persistenced", None)
        box.remove("/etc/systemd/system/multi-user.target.wants/nvidia-persistenced.service")
    if fabric.is_manager(name):
        box.state["services"].pop(fabric.NAME, None)
        box.remove(f"/etc/systemd/system/multi-user.target.wants/{fabric.NAME}.service")
    if name == "nvidia-container-toolkit-base":
        for unit in ("nvidia-cdi-refresh.path", "nvidia-cdi-refresh.service"):
            box.state["services"].pop(unit, None)


def _erase(box: Box, package: dict[str, Any], keep: tuple[str, ...]) -> None:
    for path in package["files"]:
        if path in keep:
            continue
        box.remove(path)
        box.prune(os.path.dirname(path))


def interrupted(box: Box) -> list[str]:
    """Packages that dpkg was not done with."""
    begun = {"unpacked", "half-configured", HALF}
    return sorted(name for name, one in box.state["packages"].items() if one["status"] in begun)


def is_half(box: Box, name: str) -> bool:
    """Cut off while it was unpacked: only unpacking it again, or force, helps."""
    return bool(box.state["packages"].get(name, {}).get("status") == HALF)


def refuse_half(name: str) -> int:
    """What dpkg says of a removal of such a package."""
    warn(
        f"dpkg: error processing package {name} (--remove):",
        " package is in a very bad inconsistent state; you should",
        " reinstall it before attempting a removal",
    )
    return 1


class Lock:
    """dpkg's or apt's lock: another process may hold it, for real or by the fault of this machine."""

    def __init__(self, box: Box, file: str, wait: float = 0) -> None:
        if not box.is_root:
            _not_root(file)
        _wait_for_fault(box, file, wait)
        self.box, self.name = box, file
        self.file = os.open(box.path(file), os.O_RDWR | os.O_CREAT, 0o640)

    def __enter__(self) -> None:
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            _held(self.name, (self.box.read(HOLDER) or "1").strip(), "apt-get")
        self.box.write(HOLDER, f"{os.getpid()}\n")

    def __exit__(self, *_error: object) -> None:
        self.box.remove(HOLDER)
        os.close(self.file)


def _wait_for_fault(box: Box, file: str, wait: float) -> None:
    holder = box.state["apt_holder"]
    while holder and box.now() < holder["until"]:
        if wait <= 0:
            _held(file, str(holder["pid"]), holder["name"])
        by = f"It is held by process {holder['pid']} ({holder['name']})"
        say(f"Waiting for cache lock: Could not get lock {file}. {by}...")
        pause = min(10.0, wait)
        wait -= pause
        box.spend(pause)


def _held(file: str, pid: str, name: str) -> None:
    first = f"E: Could not get lock {file}. It is held by process {pid} ({name})"
    note = "N: Be aware that removing the lock file is not a solution and may break your system."
    if file == FRONTEND:
        fail(100, first, note, f"E: Unable to acquire the dpkg frontend lock ({file}), is another process using it?")
    fail(100, first, note, f"E: Unable to lock directory {os.path.dirname(file)}/")


def _not_root(file: str) -> None:
    first = f"E: Could not open lock file {file} - open (13: Permission denied)"
    if file == FRONTEND:
        fail(100, first, f"E: Unable to acquire the dpkg frontend lock ({file}), are you root?")
    fail(100, first, f"E: Unable to lock directory {os.path.dirname(file)}/")
