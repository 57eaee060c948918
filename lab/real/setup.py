"""`make lab-setup`: what the lab of real parts needs on this machine, installed or built, once.

Debian packages by apt (no service of theirs is started here), the programs of the cluster from their sources, the
images of the hosts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from lab.real import rpm_root, tools
from lab.real.hosts import image, packages, places, repositories
from lab.real.tools import MissingError

PACKAGES = {
    **packages.PACKAGES,
    **rpm_root.PROGRAMS,
    "etcd": "etcd-server",
    "openssl": "openssl",
    "promtool": "prometheus",
    "setpriv": "util-linux",
}
"""Program that is called, and the package of Debian that brings it."""
POLICY = Path("/usr/sbin/policy-rc.d")
"""Where it says 101, a package that is installed starts nothing."""
IMAGES = (("bookworm", True), ("bookworm", False), ("trixie", True), ("noble", False))
"""Distribution, and whether its disk has compilers."""


def run() -> None:
    """All of it; raises `MissingError` with one sentence where that cannot be."""
    tools.go_version()
    install(lacking())
    packages.insist()
    # Compilers keep every core busy; whoever makes a disk waits for an archive half of the time.
    with ThreadPoolExecutor(1) as beside:
        programs = beside.submit(tools.build)
        disks()
        programs.result()
    print(f"lab: all is here; programs and disks lie in {places.cache()}", flush=True)


def disks() -> None:
    """What hosts begin with, and what they install."""
    repositories.repositories()
    for suite, compilers in IMAGES:
        print(f"lab: the disk of {suite}, {'with' if compilers else 'without'} compilers", flush=True)
        image.image(suite, compilers)
    prune()


def prune() -> None:
    """Takes what earlier recipes made out of the cache; disks that are made when they are needed stay."""
    known = [(suite, compilers) for suite in image.SUITES for compilers in (True, False) if has(suite, compilers)]
    made = (repositories.repositories().name, repositories.programs().name)
    families = {image.family(*one) for one in known} | {repositories.REPOSITORIES, repositories.PROGRAMS}
    places.prune(families, {*made, *(image.name_of(*one) for one in known)})


def has(suite: str, compilers: bool) -> bool:
    """Whether there is such a disk: not every kernel's compilers are known."""
    return not compilers or image.SUITES[suite].kernel in image.COMPILERS


def lacking() -> list[str]:
    """Packages that are not here."""
    places = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin"
    return sorted({package for program, package in PACKAGES.items() if shutil.which(program, path=places) is None})


def install(names: list[str]) -> None:
    """By apt, as root."""
    if not names:
        return
    command = f"apt-get install --no-install-recommends {' '.join(names)}"
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise MissingError(f"these packages are missing and only root on Debian or Ubuntu gets them here: {command}")
    print(f"lab: {command}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _nothing_starts():
        for words in (["update", "-q"], ["install", "-qy", "--no-install-recommends", *names]):
            done = subprocess.run(["apt-get", *words], env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise MissingError(f"apt-get {words[0]} failed: {done.stderr.strip() or done.stdout.strip()}")


@contextmanager
def _nothing_starts() -> Iterator[None]:
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
