"""What the repositories of RPM systems hold, as far as this product meets them.

Names of NVIDIA's packages and of their module streams: the facts of this project and public scripts that mirror that
repository (November 2026, `nvidia-driver:580-open` with 580.178.04 for kernel 5.14.0-687.51.1.el9_8). What they need of
each other is from memory, and shortened.
"""

from __future__ import annotations

from lab.host.standins.archive import CUDA_DRIVERS, TOOLKITS, Package

MYPY = False
if MYPY:
    from collections.abc import Iterator


class Kind:
    """A distribution as its repositories see it."""

    def __init__(self, number: str, kernel: str, newer: str, *, streams: bool, dkms: str, builders: str) -> None:
        self.number, self.kernel, self.newer = number, kernel, newer
        self.streams, self.dkms, self.builders = streams, dkms, builders


KINDS = {
    "rocky-8": Kind(
        "el8", "4.18.0-553.16.1.el8_10.x86_64", "4.18.0-553.60.1.el8_10.x86_64",
        streams=True, dkms="epel", builders="powertools",
    ),
    "rocky-9": Kind(
        "el9", "5.14.0-570.12.1.el9_6.x86_64", "5.14.0-687.51.1.el9_8.x86_64",
        streams=True, dkms="epel", builders="crb",
    ),
    "rocky-10": Kind(
        "el10", "6.12.0-55.9.1.el10_0.x86_64", "6.12.0-124.8.1.el10_1.x86_64",
        streams=False, dkms="epel", builders="crb",
    ),
    "amzn-2023": Kind(
        "amzn2023", "6.1.141-155.222.amzn2023.x86_64", "6.1.158-178.288.amzn2023.x86_64",
        streams=True, dkms="base", builders="",
    ),
    "fedora-44": Kind(
        "fc44", "7.0.4-200.fc44.x86_64", "7.0.9-200.fc44.x86_64", streams=False, dkms="base", builders="",
    ),
}  # fmt: skip
KERNELS = {name: one.kernel for name, one in KINDS.items()}
CUDA_FOLDER = {"el8": "rhel8", "el9": "rhel9", "el10": "rhel10", "amzn2023": "amzn2023", "fc44": "fedora44"}
CUDA_KEY_EL10 = f"{0:032}CDF6BA43"
"""Only its end is known."""
KEYS = {
    "cuda": "610C7B14E068A878070DA4E99CD0A493D42D0685", "toolkit": "C95B321B61E88C1809C4F759DDCAE044F796ECB0",
    "epel": "FF8AD1344597106ECE813B918A3872BF3228467C", "base": "21CB256AE16FC54C6E652949702D426D350D275D",
}  # fmt: skip
"""Fingerprints of the keys that sign them; of the last two nobody here cares for more than that they differ."""
EPOCH = "3:"
"""Of NVIDIA's packages; nobody names it."""


def repository(url: str, distro: str) -> str | None:
    """What lies behind an address; None for nothing that we know of. A mirror keeps the end of the path."""
    path = url.rstrip("/").replace("$basearch", "x86_64").replace("$releasever", "9")
    if path.endswith("libnvidia-container/stable/rpm/x86_64"):
        return "toolkit"
    if "/cuda/repos/" in path:
        return "cuda" if path.endswith(f"/{CUDA_FOLDER[KINDS[distro].number]}/x86_64") else None
    return next((name for name in ("epel", "crb", "powertools", "base") if f"/{name}/" in f"{path}/"), None)


def packages(name: str, distro: str) -> Iterator[Package]:
    """All versions of all packages of a repository."""
    kind = KINDS[distro]
    if name == "toolkit":
        yield from _toolkit()
    elif name == "cuda":
        for upstream in CUDA_DRIVERS:
            yield from driver(upstream, kind)
            yield _one("nvidia-fabricmanager", f"{upstream}-1")
    elif name == "epel":
        yield _one("dkms", f"3.2.2-1.{kind.number}", "gcc", "make")
    elif name == "base":
        yield from _base(kind)


def _one(name: str, version: str, *depends: str, conflicts: str = "") -> Package:
    return Package(name, version, depends, tuple(conflicts.split()), (), "")


def _toolkit() -> Iterator[Package]:
    for version in TOOLKITS:
        exact = f"(= {version}-1)"
        yield _one("libnvidia-container1", f"{version}-1")
        yield _one("libnvidia-container-tools", f"{version}-1", f"libnvidia-container1 {exact}")
        yield _one("nvidia-container-toolkit-base", f"{version}-1")
        needs = (f"nvidia-container-toolkit-base {exact}", f"libnvidia-container-tools {exact}")
        yield _one("nvidia-container-toolkit", f"{version}-1", *needs)


def driver(upstream: str, kind: Kind) -> Iterator[Package]:
    """One driver as NVIDIA packs it."""
    version = f"{upstream}-1.{kind.number}"
    exact = f"(= {version})"
    for name in ("libnvidia-ml", "nvidia-modprobe", "libnvidia-cfg", "libnvidia-gpucomp"):
        yield _one(name, version)
    yield _one("nvidia-kmod-common", version, f"nvidia-modprobe {exact}")
    yield _one("nvidia-persistenced", version, f"libnvidia-cfg {exact}")
    yield _one("nvidia-driver-cuda-libs", version, f"libnvidia-ml {exact}", f"libnvidia-gpucomp {exact}")
    needs = (f"nvidia-driver-cuda-libs {exact}", f"nvidia-kmod-common {exact}", f"nvidia-persistenced {exact}")
    yield _one("nvidia-driver-cuda", version, *needs)
    for name, other in (("open", "latest"), ("latest", "open")):
        build = ("dkms", f"nvidia-kmod-common {exact}")
        yield _one(f"kmod-nvidia-{name}-dkms", version, *build, conflicts=f"kmod-nvidia-{other}-dkms")


def _base(kind: Kind) -> Iterator[Package]:
    for kernel in (kind.kernel, kind.newer):
        yield _one(f"kernel-devel-{kernel}", kernel.removesuffix(".x86_64"))
    yield _one("gcc", f"11.5.0-5.{kind.number}")
    yield _one("make", f"4.3-8.{kind.number}")
    yield _one("mdadm", f"4.4-2.{kind.number}")
    yield _one("python3-dnf-plugin-versionlock", f"4.3.0-20.{kind.number}")
    if kind.dkms == "epel":
        yield _one("epel-release", f"9-9.{kind.number}")
    else:
        yield _one("dkms", f"3.2.2-1.{kind.number}", "gcc", "make")


def streams(name: str, version: str) -> tuple[str, ...]:
    """In which module streams a package of NVIDIA's repository is."""
    branch = version.partition(".")[0]
    kinds = {"kmod-nvidia-open-dkms": ("open",), "kmod-nvidia-latest-dkms": ("dkms",)}.get(name, ("open", "dkms"))
    return tuple(f"{branch}-{kind}" for kind in kinds)
