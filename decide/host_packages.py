"""Names of packages and repositories, by distribution and source."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from decide import defaults, host_rpm, host_run, host_ubuntu
from decide.catalog import OPEN
from decide.host_failures import Refusal, refusal

if TYPE_CHECKING:
    from decide.host_driver import Choice
    from host.facts import HostFacts

# A file with a key is known by the key: NVIDIA issues it anew when a subkey ends. A package is known by its checksum.
CUDA = {
    "debian-12": {
        "GR_REPO": f"{defaults.CUDA_REPOSITORIES}/debian12/x86_64/ /",
        "GR_KEY_URL": f"{defaults.CUDA_REPOSITORIES}/debian12/x86_64/{defaults.CUDA_KEYRING}",
        "GR_KEY_SHA256": defaults.CUDA_KEYRING_SHA256["debian-12"],
    },
    "debian-13": {
        "GR_REPO": f"{defaults.CUDA_REPOSITORIES}/debian13/x86_64/ /",
        "GR_KEY_URL": f"{defaults.CUDA_REPOSITORIES}/debian13/x86_64/{defaults.CUDA_KEY_DEBIAN_13}.pub",
        "GR_KEY_FINGERPRINT": defaults.CUDA_KEY_DEBIAN_13_FINGERPRINT,
    },
}
TOOLKIT = {
    "GR_REPO": defaults.TOOLKIT_REPOSITORY,
    "GR_KEY_URL": defaults.TOOLKIT_KEY_URL,
    "GR_KEY_FINGERPRINT": defaults.TOOLKIT_KEY_FINGERPRINT,
}
HEADERS = "linux-headers-"
DEBIAN_KERNELS = ("amd64", "cloud-amd64", "rt-amd64")
"""Kernels of Debian with a package that brings the headers of each later one."""
# Ubuntu builds modules for these; newer generic ones than the first of a release are its hardware enablement.
KERNEL_FLAVOURS = ("generic", "aws", "gcp", "azure")
FIRST_KERNELS = {"ubuntu-22.04": "5.15.", "ubuntu-24.04": "6.8.", "ubuntu-26.04": "7.0."}


class Packages(NamedTuple):
    """What is installed. A name in `by_kernel` ends in a dash, and the running kernel's release is put behind it on
    the host: a plan that named it would change with every kernel."""

    names: tuple[str, ...] = ()
    by_kernel: tuple[str, ...] = ()
    pin: str = ""
    repository: dict[str, Any] | None = None
    also: dict[str, Any] | None = None
    """What else the step is told, whichever repository it is."""


def packages(facts: "HostFacts", choice: "Choice") -> Packages:
    """The packages of a driver. Only what is needed to compute: no desktop."""
    if facts.package_manager == "dnf":
        return _of_dnf(facts, choice)
    if choice.source == host_run.RUN:
        later = later_headers(facts)
        return Packages((*host_run.BUILDERS, *([later] if later else [])), (HEADERS,))
    if choice.source == "cudaRepo":
        return _of_nvidia(choice, debian_headers(facts.kernel), CUDA.get(facts.os))
    if choice.source == host_ubuntu.PPA:
        names = host_ubuntu.ppa_names(choice, "-open" if choice.flavour == OPEN else "")
        later = later_headers(facts)
        return Packages((*names, *([later] if later else [])), (HEADERS,), repository=host_ubuntu.repository(facts))
    return _of_ubuntu(choice, kernel_flavour(facts))


def _of_dnf(facts: "HostFacts", choice: "Choice") -> Packages:
    devel, also = host_rpm.headers(facts.kernel), host_rpm.also(facts, choice)
    by_kernel = (devel,) if devel else ()
    if choice.source == host_run.RUN:
        return Packages(host_run.BUILDERS, by_kernel, also={**also, "GR_STREAM": ""})
    return Packages(host_rpm.driver_names(choice), by_kernel, "", host_rpm.repository(facts), also)


def _of_nvidia(choice: "Choice", headers: str, repository: dict[str, Any] | None) -> Packages:
    """Its packages carry no branch in their names and follow the newest one, unless the pin is there before them."""
    modules = "nvidia-kernel-open-dkms" if choice.flavour == OPEN else "nvidia-kernel-dkms"
    pin = f"nvidia-driver-pinning-{choice.wanted}"
    names = ("nvidia-driver-cuda", modules, *([headers] if headers else []))
    return Packages(names, (HEADERS,), pin, repository)


def _of_ubuntu(choice: "Choice", kernel: str) -> Packages:
    """Modules for the running kernel, the package that brings them for each later one, and user space."""
    series = host_ubuntu.series(choice)
    flavour = f"{series}-open" if choice.flavour == OPEN else series
    modules = f"linux-modules-nvidia-{flavour}-"
    user_space = (f"nvidia-headless-no-dkms-{flavour}", f"nvidia-utils-{series}")
    return Packages((f"{modules}{kernel or KERNEL_FLAVOURS[0]}", *user_space), (modules,))


def kernel_flavour(facts: "HostFacts") -> str:
    """How Ubuntu calls the packages that go with a kernel; empty for a kernel that is not Ubuntu's."""
    found = re.fullmatch(r"[0-9.]+-[0-9]+-([a-z]+)", facts.kernel)
    flavour = found[1] if found and found[1] in KERNEL_FLAVOURS else ""
    is_first = facts.kernel.startswith(FIRST_KERNELS.get(facts.os, ""))
    return flavour if is_first or flavour != "generic" else f"generic-hwe-{facts.os.partition('-')[2]}"


def debian_headers(kernel: str) -> str:
    """The package that brings headers for this kernel and each later one; empty for a kernel that is not Debian's."""
    found = re.fullmatch(r"[0-9.]+(-[0-9]+|\+deb[0-9]+)-([a-z0-9-]+)", kernel)
    return f"linux-headers-{found[2]}" if found and found[2] in DEBIAN_KERNELS else ""


def later_headers(facts: "HostFacts") -> str:
    """The same on Ubuntu too."""
    if facts.os.startswith("ubuntu"):
        flavour = kernel_flavour(facts)
        return f"{HEADERS}{flavour}" if flavour else ""
    return debian_headers(facts.kernel)


def missing(facts: "HostFacts", what: Packages) -> list[Refusal]:
    """Nothing for this kernel, as far as apt knows: an apt that knows none of the packages was not asked yet."""
    if what.also is not None:
        fix = "boot a kernel of the distribution, or install the headers of this one by hand"
        gone = not what.by_kernel and not facts.headers
        return [refusal("DRV-8", f"dnf has no headers for the running kernel {facts.kernel}", fix)] if gone else []
    if what.by_kernel == (HEADERS,):
        later = later_headers(facts)
        gone = not facts.headers and (not later or f"{HEADERS}{facts.kernel}" in facts.apt_lacks)
        which = "linux-generic" if facts.os.startswith("ubuntu") else "linux-image-amd64 linux-headers-amd64"
        fix = f"boot a kernel of the archive: apt-get install {which}, then reboot"
        return [refusal("DRV-8", f"apt has no headers for the running kernel {facts.kernel}", fix)] if gone else []
    kernel = kernel_flavour(facts)
    if not kernel:
        fix = "boot Ubuntu's own kernel (linux-image-generic), or install a driver by hand: driver: {source: keep}"
        return [refusal("DRV-4", f"the running kernel {facts.kernel} is not one that Ubuntu builds modules for", fix)]
    if what.by_kernel[0] + facts.kernel in facts.apt_lacks:
        newer = facts.next_kernel if facts.next_kernel != facts.kernel else ""
        fix = f"reboot into {newer}" if newer else "apt-get update && apt-get dist-upgrade, then reboot"
        return [refusal("DRV-4", f"apt has no prebuilt modules for the running kernel {facts.kernel}", fix)]
    return []


def is_below(version: str, least: str) -> bool:
    """Compares versions number by number; what is no version is below all."""
    return _numbers(version) < _numbers(least)


def _numbers(version: str) -> tuple[int, ...]:
    found: Iterable[str] = re.findall(r"[0-9]{1,6}", re.split(r"[-+~]", version)[0])
    return tuple(int(one) for one in found)
