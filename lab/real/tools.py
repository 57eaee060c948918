"""The programs of the lab's cluster, built from their own sources: once, into a cache outside the checkout.

python -m lab.real.tools builds all of them, with a line for each.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from lab.real.hosts.places import cache

SOURCES = Path(__file__).resolve().parent.parent / "tools"
OLDEST_GO = (1, 26)  # what the go.mod of kwok and helm ask for
KUBERNETES = "v1.35.4"
ETCD_HINT = "etcd is not on PATH: make lab-setup, or apt-get install etcd-server"
_MAJOR, _MINOR, _PATCH = KUBERNETES.removeprefix("v").split(".")
_SAID = {"gitVersion": KUBERNETES, "gitMajor": _MAJOR, "gitMinor": _MINOR, "gitTreeState": "clean"}
_KUBE_FLAGS = " ".join(f"-X k8s.io/component-base/version.{key}={value}" for key, value in _SAID.items())


class Tool(NamedTuple):
    """One program: the folder of its go.mod, its package, and what the linker writes into it."""

    module: str
    package: str
    flags: str = ""


TOOLS = {
    "kube-apiserver": Tool("kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", _KUBE_FLAGS),
    "kube-controller-manager": Tool("kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", _KUBE_FLAGS),
    "kube-scheduler": Tool("kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", _KUBE_FLAGS),
    "kubectl": Tool("kubernetes", "k8s.io/kubernetes/cmd/kubectl", _KUBE_FLAGS),
    "kwok": Tool("kwok", "sigs.k8s.io/kwok/cmd/kwok"),
    "helm": Tool("helm", "helm.sh/helm/v4/cmd/helm"),
    "crictl": Tool("cri", "."),
}


class MissingError(Exception):
    """Something that the lab needs is not on this machine; the text says what, and what brings it."""


def build(names: Iterable[str] = TOOLS) -> dict[str, Path]:
    """Paths of these tools; those that are not in the cache yet are built first."""
    wanted = {name: _place(name) for name in names}
    if any(not path.exists() for path in wanted.values()):
        _held(wanted)
    return wanted


def etcd() -> Path:
    """The one program that comes from the distribution."""
    found = shutil.which("etcd") or shutil.which("etcd", path="/usr/sbin:/usr/bin")
    if found is None:
        raise MissingError(ETCD_HINT)
    return Path(found)


def missing() -> list[str]:
    """What keeps the lab's cluster from being built here, a sentence each; nothing is built."""
    found = []
    for look in (etcd, go_version):
        try:
            look()
        except MissingError as error:
            found.append(str(error))
    return found


def go_version() -> str:
    """What Go calls itself; raises `MissingError` where there is none, or too old a one."""
    if shutil.which("go") is None:
        raise MissingError(f"go is not on PATH: install Go {_words(OLDEST_GO)} or newer from https://go.dev/dl")
    said = subprocess.run(["go", "version"], env=_env(), capture_output=True, text=True, check=True).stdout.strip()
    number = re.search(r"go(\d+)\.(\d+)", said)
    if number is None or (int(number[1]), int(number[2])) < OLDEST_GO:
        raise MissingError(f"{said}: too old, the lab's tools need Go {_words(OLDEST_GO)} or newer")
    return said


def _words(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _place(name: str) -> Path:
    tool = TOOLS[name]
    return cache() / f"{tool.module}-{_key(tool)}" / name


def _key(tool: Tool) -> str:
    """Whatever changes what comes out: the pins, sources of our own, the compiler, the flags."""
    folder = SOURCES / tool.module
    names = ["go.mod", "go.sum", *sorted(one.name for one in folder.glob("*.go"))]
    parts = [(folder / name).read_bytes() for name in names]
    return hashlib.sha256(b"\0".join([*parts, go_version().encode(), tool.flags.encode()])).hexdigest()[:12]


def _env() -> dict[str, str]:
    """No toolchain is fetched behind anybody's back, and nothing of the caller's Go settings gets into the binary."""
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off", "GOTOOLCHAIN": "local"}


def _held(wanted: dict[str, Path]) -> None:
    """Builds what is missing while nobody else does."""
    with (cache() / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name, path in wanted.items():
            if not path.exists():
                _build(name, path)


def _build(name: str, path: Path) -> None:
    tool, began = TOOLS[name], time.monotonic()
    print(f"lab: building {name} ...", file=sys.stderr, flush=True)
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_name(f".{name}.{os.getpid()}")
    command = ["go", "build", "-trimpath", "-ldflags", f"-s -w {tool.flags}", "-o", str(fresh), tool.package]
    done = subprocess.run(["nice", *command], cwd=SOURCES / tool.module, env=_env(), check=False)
    if done.returncode:
        fresh.unlink(missing_ok=True)
        raise MissingError(f"{name} was not built (above is why); the Go module proxy has to be reachable once")
    fresh.replace(path)
    print(f"lab: built {name} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        build()
        etcd()
    except MissingError as error:
        print(f"lab: {error}", file=sys.stderr)
        sys.exit(2)
