"""What rpm does to single packages, and who holds its lock.

Seen with rpm 4.18: a package is in the database before its own script (`%post`, the one that builds a module) ends, and
stays there when that is killed or fails; nothing looks broken then. `packing` is the same for dpkg.
"""

from __future__ import annotations

import fcntl
import os

from lab.host.standins import contents, modules, packing
from lab.host.standins.box import Box, fail, say, warn

MYPY = False
if MYPY:
    from lab.host.standins.archive import Package

LOCK = "/var/lib/rpm/.rpm.lock"


def install(box: Box, package: Package, *, auto: bool) -> None:
    """Puts a package on the disk, in place of an older version, and runs its script."""
    packages = box.state["packages"]
    old = packages.get(package.name)
    say(f"  {'Upgrading' if old else 'Installing'}       : {package.name}-{package.version}")
    files = contents.put(box, package.name, package.version)
    for path in old["files"] if old else ():
        if path not in files:
            box.remove(path)
            box.prune(os.path.dirname(path))
    packages[package.name] = {
        "version": package.version, "status": "installed", "depends": list(package.depends), "provides": [],
        "auto": old["auto"] if old else auto, "files": files,
    }  # fmt: skip
    box.save()
    run_script(box, package.name, package.version)
    box.save()


def run_script(box: Box, name: str, version: str) -> None:
    """What a package does when it is there. A build that fails is no failure of the package."""
    if name.startswith("kernel-devel-"):
        return
    for line in packing.after_install(box, name, version):
        say(line)


def remove(box: Box, name: str) -> None:
    """Takes a package away; a file below /etc that somebody changed stays under another name."""
    package = box.state["packages"][name]
    say(f"  Erasing          : {name}-{package['version']}")
    if modules.is_dkms(name):
        modules.unbuild(box)
    brought = {path: text for path, text, _mode in contents.files(box, name, package["version"])}
    for path in package["files"]:
        if path.startswith("/etc/") and box.exists(path) and box.read(path) != brought.get(path, box.read(path)):
            os.rename(box.path(path), box.path(f"{path}.rpmsave"))
            warn(f"warning: {path} saved as {path}.rpmsave")
        box.remove(path)
        box.prune(os.path.dirname(path))
    packing.forget_units(box, name)
    del box.state["packages"][name]
    box.save()


class Lock:
    """One transaction at a time; another process may have the lock, for real or by the fault of this machine."""

    def __init__(self, box: Box, patient: bool) -> None:
        self.box, self.patient = box, patient
        os.makedirs(os.path.dirname(box.path(LOCK)), exist_ok=True)
        self.file = os.open(box.path(LOCK), os.O_RDWR | os.O_CREAT, 0o644)

    def __enter__(self) -> None:
        holder = self.box.state["apt_holder"]
        while holder and self.box.now() < holder["until"]:
            if not self.patient:
                _held(str(holder["pid"]))
            say(f"Waiting for process with pid {holder['pid']} to finish.")
            self.box.spend(10)
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | (0 if self.patient else fcntl.LOCK_NB))
        except OSError:
            _held("4711")

    def __exit__(self, *_error: object) -> None:
        os.close(self.file)


def _held(pid: str) -> None:
    fail(200, f"RPMDB already locked by {pid}", f"  The application with PID {pid} is: dnf-automatic")
