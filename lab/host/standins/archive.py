"""What the repositories hold: names, versions and dependencies as in the real ones, as far as this product meets them.

Names and branches of Ubuntu's archive, of the CUDA repository and of the toolkit's: the facts of this project, November
2026. The packages between them (libraries, firmware, sources) and the kernel versions are from memory.
"""

from __future__ import annotations

MYPY = False
if MYPY:
    from collections.abc import Iterator


class Package:
    """One version of a package in a repository."""

    def __init__(
        self, name: str, version: str, depends: tuple[str, ...], conflicts: tuple[str, ...], provides: tuple[str, ...],
        origin: str,
    ) -> None:  # fmt: skip
        self.name, self.version, self.origin = name, version, origin
        self.depends, self.conflicts, self.provides = depends, conflicts, provides


KERNELS = {"ubuntu-24.04": "6.8.0-117-generic", "debian-12": "6.1.0-50-amd64"}
KERNEL_VERSIONS = {"6.8.0-117-generic": "6.8.0-117.117", "6.1.0-50-amd64": "6.1.174-1"}
UBUNTU_BRANCHES = {
    "535": "535.309.01", "570": "570.211.01", "580": "580.173.02", "595": "595.91.07", "615": "615.71.09",
}  # fmt: skip
UBUNTU_OLDER = {"580": "580.126.20"}
"""Still in another pocket of the archive, but the modules for the present kernel are not of it."""
CUDA_DRIVERS = ("570.211.01", "580.126.20", "580.173.02", "580.178.04", "595.91.07", "615.71.09", "620.12.03")
WITHOUT_MANAGER = ("615.71.09",)
"""Here fabric manager comes later than the driver."""
TOOLKITS = ("1.17.8", "1.18.2", "1.19.1", "1.20.0", "1.20.1")
TOOLKIT_REPOSITORY = "libnvidia-container/stable/deb/amd64"
CUDA_REPOSITORIES = {"debian-12": "compute/cuda/repos/debian12/x86_64"}
KEYS = {
    "toolkit": "C95B321B61E88C1809C4F759DDCAE044F796ECB0",
    "cuda": "EB693B3035CD5710E231E123A4B469963BF863CC",
    "ppa": "2388FF3BE10A76F638F80723FCAE110B1118213C",
}
"""Fingerprints of the keys that sign the repositories."""
PPA = "graphics-drivers/ppa/ubuntu"
PPA_DRIVERS = {"580": "580.173.02", "595": "595.91.07"}
_UBUNTU = "Ubuntu:24.04/noble-updates"
_DEBIAN = {"debian-12": "Debian:12.12/oldstable"}
_COMPILERS = {"debian-12": "12"}
_NVIDIA = "NVIDIA"


def repository(url: str, distro: str) -> str | None:
    """What lies behind an address; None for nothing that we know of. A mirror keeps the end of the path."""
    path = url.rstrip("/").replace("$(ARCH)", "amd64")
    if path.endswith(TOOLKIT_REPOSITORY):
        return "toolkit"
    if path.endswith(tuple(CUDA_REPOSITORIES.values())):
        return "cuda" if path.endswith(CUDA_REPOSITORIES.get(distro, "none")) else None
    if path.endswith(PPA):
        return "ppa" if distro.startswith("ubuntu") else None
    own = "ubuntu" if distro.startswith("ubuntu") else "debian"
    return "distribution" if own in path else None


_made: dict[tuple[str, str], list[Package]] = {}


def packages(name: str, distro: str) -> list[Package]:
    """All versions of all packages of a repository."""
    if (name, distro) not in _made:
        _made[name, distro] = list(_packages(name, distro))
    return _made[name, distro]


def _packages(repository_name: str, distro: str) -> Iterator[Package]:
    if repository_name == "toolkit":
        for version in TOOLKITS:
            yield from _toolkit(f"{version}-1")
    elif repository_name == "cuda":
        yield from _cuda()
    elif repository_name == "ppa":
        for branch, upstream in PPA_DRIVERS.items():
            of_ppa = ubuntu_driver(branch, upstream, server="", build="~gpu24.04.1")
            yield from (one for one in of_ppa if not one.name.startswith("linux-"))
    elif distro == "ubuntu-24.04":
        yield from _ubuntu()
    else:
        yield from _debian(distro)


def _one(name: str, version: str, origin: str, *depends: str, conflicts: str = "", provides: str = "") -> Package:
    return Package(name, version, depends, tuple(conflicts.split()), tuple(provides.split()), origin)


def _toolkit(version: str) -> Iterator[Package]:
    exact, least = f"(= {version})", f"(>= {version})"
    yield _one("libnvidia-container1", version, _NVIDIA)
    yield _one("libnvidia-container-tools", version, _NVIDIA, f"libnvidia-container1 {least}")
    yield _one("nvidia-container-toolkit-base", version, _NVIDIA)
    yield _one(
        "nvidia-container-toolkit", version, _NVIDIA,
        f"nvidia-container-toolkit-base {exact}", f"libnvidia-container-tools {least}",
    )  # fmt: skip


def _cuda() -> Iterator[Package]:
    yield from _beside_cuda()
    for upstream in CUDA_DRIVERS:
        yield from cuda_driver(upstream)
        if upstream not in WITHOUT_MANAGER:
            yield _one("nvidia-fabricmanager", f"{upstream}-1", _NVIDIA)
        yield _one(f"nvidia-driver-pinning-{upstream}", f"{upstream}-1", _NVIDIA)
    for branch in sorted({upstream.partition(".")[0] for upstream in CUDA_DRIVERS}):
        yield _one(f"nvidia-driver-pinning-{branch}", f"{branch}-1", _NVIDIA)


def _beside_cuda() -> Iterator[Package]:
    """What comes with a driver, and has versions of its own."""
    yield _one("nvidia-fs-dkms", "2.26.6-1", _NVIDIA, "dkms")
    yield _one("nvidia-gds", "13.0.2-1", _NVIDIA, "nvidia-fs-dkms")
    yield _one("cuda-toolkit-13-0", "13.0.2-1", _NVIDIA, "cuda-compiler-13-0")
    yield _one("cuda-compiler-13-0", "13.0.2-1", _NVIDIA)


def cuda_driver(upstream: str) -> Iterator[Package]:
    """One driver as the CUDA repository for Debian packs it."""
    version = f"{upstream}-1"
    exact = f"(= {version})"
    for name in ("libcuda1", "libnvidia-ml1", "firmware-nvidia-gsp", "nvidia-driver-libs", "nvidia-modprobe"):
        yield _one(name, version, _NVIDIA)
    yield _one("nvidia-kernel-support", version, _NVIDIA, f"nvidia-modprobe {exact}")
    yield _one("nvidia-persistenced", version, _NVIDIA, f"libnvidia-ml1 {exact}")
    yield _one(
        "nvidia-driver-cuda", version, _NVIDIA,
        f"libcuda1 {exact}", f"libnvidia-ml1 {exact}", f"nvidia-persistenced {exact}", f"nvidia-kernel-support {exact}",
    )  # fmt: skip
    yield _one("nvidia-driver", version, _NVIDIA, f"nvidia-driver-libs {exact}", f"nvidia-driver-cuda {exact}")
    module = ("dkms", f"firmware-nvidia-gsp {exact}", f"nvidia-kernel-support {exact}")
    for name, other in (
        ("nvidia-kernel-open-dkms", "nvidia-kernel-dkms"),
        ("nvidia-kernel-dkms", "nvidia-kernel-open-dkms"),
    ):
        yield _one(name, version, _NVIDIA, *module, conflicts=other)
    yield _one("nvidia-open", version, _NVIDIA, f"nvidia-driver {exact}", f"nvidia-kernel-open-dkms {exact}")
    yield _one("cuda-drivers", version, _NVIDIA, f"nvidia-driver {exact}", f"nvidia-kernel-dkms {exact}")


def _ubuntu() -> Iterator[Package]:
    kernel = KERNELS["ubuntu-24.04"]
    version = KERNEL_VERSIONS[kernel]
    yield from _kernel(kernel, "generic", version, _UBUNTU)
    yield _one("linux-signatures-nvidia-" + kernel, version, _UBUNTU, f"linux-image-{kernel}")
    yield from _compilers("13", _UBUNTU)
    yield _one("mdadm", "4.3-1ubuntu2.1", _UBUNTU)
    yield _one("ubuntu-drivers-common", "1:0.9.7.6ubuntu3.4", _UBUNTU)
    for branch, upstream in UBUNTU_BRANCHES.items():
        yield from ubuntu_driver(branch, upstream)
        yield from ubuntu_driver(branch, upstream, server="")
    for branch, upstream in UBUNTU_OLDER.items():
        yield from (one for one in ubuntu_driver(branch, upstream) if not one.name.startswith("linux-"))


def ubuntu_driver(branch: str, upstream: str, server: str = "-server", build: str = "0.24.04.1") -> Iterator[Package]:
    """One driver as Ubuntu packs it, for servers or for desktops: libraries and programs once, the kernel side per
    flavor. The PPA packs it alike, without modules that are ready."""
    version, name = f"{upstream}-0ubuntu{build}", f"{branch}{server}"
    exact = f"(= {version})"
    yield _one(
        f"libnvidia-compute-{name}", version, _UBUNTU, conflicts="libnvidia-compute", provides="libnvidia-compute"
    )
    yield _one(f"libnvidia-cfg1-{name}", version, _UBUNTU, conflicts="libnvidia-cfg1", provides="libnvidia-cfg1")
    yield _one(f"nvidia-firmware-{name}-{upstream}", version, _UBUNTU)
    yield _one(
        f"nvidia-kernel-common-{name}", version, _UBUNTU, f"nvidia-firmware-{name}-{upstream} {exact}",
        conflicts="nvidia-kernel-common", provides="nvidia-kernel-common",
    )  # fmt: skip
    if server:
        yield _one(f"nvidia-fabricmanager-{branch}", version, _UBUNTU, f"nvidia-kernel-common-{name} {exact}")
    for kind in ("nvidia-utils", "nvidia-compute-utils"):
        library = f"libnvidia-compute-{name} {exact}"
        yield _one(f"{kind}-{name}", version, _UBUNTU, library, conflicts=kind, provides=kind)
    # Modules have the version of their kernel; one more number, when they are made again of a newer driver.
    again = "+1" if upstream == UBUNTU_BRANCHES.get(branch) else ""
    for flavor in ("", "-open"):
        yield from _ubuntu_flavor(name, flavor, version, again)


def _ubuntu_flavor(name: str, flavor: str, version: str, again: str) -> Iterator[Package]:
    kernel = KERNELS["ubuntu-24.04"]
    built, exact = KERNEL_VERSIONS[kernel] + again, f"(= {version})"
    both = [f"{part}-{name} {exact}" for part in ("libnvidia-cfg1", "nvidia-compute-utils", "nvidia-kernel-common")]
    source = f"nvidia-kernel-source-{name}{flavor} {exact}"
    yield _one(f"nvidia-kernel-source-{name}{flavor}", version, _UBUNTU)
    yield _one(f"nvidia-headless-no-dkms-{name}{flavor}", version, _UBUNTU, *both, source)
    yield _one(f"nvidia-dkms-{name}{flavor}", version, _UBUNTU, "dkms", both[2], source)
    yield _one(f"nvidia-headless-{name}{flavor}", version, _UBUNTU, *both, f"nvidia-dkms-{name}{flavor} {exact}")
    modules = f"linux-modules-nvidia-{name}{flavor}"
    objects = f"linux-objects-nvidia-{name}{flavor}-{kernel}"
    yield _one(objects, built, _UBUNTU)
    common, upstream = both[2].partition(" ")[0], version.partition("-")[0]
    yield _one(
        f"{modules}-{kernel}", built, _UBUNTU, f"linux-image-{kernel}", f"{common} (<= {upstream}-1)",
        f"{common} (>= {upstream})", f"{objects} (= {built})", f"linux-signatures-nvidia-{kernel}",
    )  # fmt: skip
    yield _one(f"{modules}-generic", built, _UBUNTU, f"{modules}-{kernel} (= {built})")


def _debian(distro: str) -> Iterator[Package]:
    yield _one("mdadm", "4.2-5", _DEBIAN[distro])
    kernel, origin = KERNELS[distro], _DEBIAN[distro]
    yield from _kernel(kernel, "amd64", KERNEL_VERSIONS[kernel], origin, _COMPILERS[distro])
    yield from _compilers(_COMPILERS[distro], origin)


def _kernel(kernel: str, flavor: str, version: str, origin: str, gcc: str = "") -> Iterator[Package]:
    kbuild = f"linux-kbuild-{'.'.join(kernel.split('.')[:2])}"
    for part in ("image", "headers"):
        tools = (kbuild, f"gcc-{gcc}") if (part, flavor) == ("headers", "amd64") else ()
        yield _one(f"linux-{part}-{kernel}", version, origin, *tools)
        yield _one(f"linux-{part}-{flavor}", version, origin, f"linux-{part}-{kernel} (= {version})")
    yield _one(kbuild, version, origin)


def _compilers(gcc: str, origin: str) -> Iterator[Package]:
    yield _one(f"gcc-{gcc}", f"{gcc}.2.0-14", origin)
    yield _one("gcc", f"4:{gcc}.2.0-3", origin, f"gcc-{gcc}")
    yield _one("make", "4.3-4.1", origin)
    yield _one("dkms", "3.0.10-8", origin, "gcc", "make")
