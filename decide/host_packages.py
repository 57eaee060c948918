"""Names of packages and repositories, by distribution and source."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from decide import defaults
from decide.catalog import OPEN
from decide.host_failures import Refusal, refusal
from decide.host_wish import HostWish

if TYPE_CHECKING:
    from decide.host_driver import Choice
    from host.facts import HostFacts

REPOSITORY_KEYS = ("GR_REPO_NAME", "GR_REPO", "GR_KEY_URL", "GR_KEY_SHA256", "GR_KEY_KIND", "GR_KEY_FINGERPRINT")
NO_REPOSITORY = dict.fromkeys(REPOSITORY_KEYS, "")
CUDA = {
    "GR_REPO_NAME": "cuda-debian12",
    "GR_REPO": defaults.CUDA_REPOSITORY,
    "GR_KEY_URL": defaults.CUDA_KEY_URL,
    "GR_KEY_SHA256": defaults.CUDA_KEY_SHA256,
    "GR_KEY_KIND": "keyring",
    "GR_KEY_FINGERPRINT": defaults.CUDA_KEY_FINGERPRINT,
}
TOOLKIT = {
    "GR_REPO_NAME": "nvidia-container-toolkit",
    "GR_REPO": defaults.TOOLKIT_REPOSITORY,
    "GR_KEY_URL": defaults.TOOLKIT_KEY_URL,
    "GR_KEY_SHA256": defaults.TOOLKIT_KEY_SHA256,
    "GR_KEY_KIND": "armored",
    "GR_KEY_FINGERPRINT": defaults.TOOLKIT_KEY_FINGERPRINT,
}
TOOLKIT_PACKAGES = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)

DEBIAN_KERNELS = ("amd64", "cloud-amd64", "rt-amd64")
"""Kernels of Debian with a package that brings the headers of each later one."""
# Ubuntu builds modules for these; 6.8 is the first kernel of 24.04, newer generic ones are its hardware enablement.
KERNEL_FLAVOURS = ("generic", "aws", "gcp", "azure")
FIRST_KERNEL = "6.8."


class Packages(NamedTuple):
    """What is installed. A name in `by_kernel` ends in a dash, and the running kernel's release is put behind it on
    the host: a plan that named it would change with every kernel."""

    names: tuple[str, ...] = ()
    by_kernel: tuple[str, ...] = ()
    pin: str = ""
    repository: dict[str, Any] | None = None


def packages(facts: "HostFacts", wish: HostWish, choice: "Choice") -> Packages:
    """The packages of a driver. Only what is needed to compute: no desktop."""
    if choice.source == "cudaRepo":
        return _of_nvidia(wish, choice, debian_headers(facts.kernel))
    return _of_ubuntu(choice, kernel_flavour(facts.kernel))


def _of_nvidia(wish: HostWish, choice: "Choice", headers: str) -> Packages:
    """Its packages carry no branch in their names and follow the newest one, unless the pin is there before them."""
    modules = "nvidia-kernel-open-dkms" if choice.flavour == OPEN else "nvidia-kernel-dkms"
    pin = f"nvidia-driver-pinning-{wish.version or choice.branch}"
    names = ("nvidia-driver-cuda", modules, *([headers] if headers else []))
    return Packages(names, ("linux-headers-",), pin, CUDA)


def _of_ubuntu(choice: "Choice", kernel: str) -> Packages:
    """Modules for the running kernel, the package that brings them for each later one, and user space."""
    series = f"{choice.branch}-server"
    flavour = f"{series}-open" if choice.flavour == OPEN else series
    modules = f"linux-modules-nvidia-{flavour}-"
    user_space = (f"nvidia-headless-no-dkms-{flavour}", f"nvidia-utils-{series}")
    return Packages((f"{modules}{kernel or KERNEL_FLAVOURS[0]}", *user_space), (modules,))


def kernel_flavour(kernel: str) -> str:
    """How Ubuntu calls the packages that go with a kernel; empty for a kernel that is not Ubuntu's."""
    found = re.fullmatch(r"[0-9.]+-[0-9]+-([a-z]+)", kernel)
    flavour = found[1] if found and found[1] in KERNEL_FLAVOURS else ""
    return "generic-hwe-24.04" if flavour == "generic" and not kernel.startswith(FIRST_KERNEL) else flavour


def debian_headers(kernel: str) -> str:
    """The package that brings headers for this kernel and each later one; empty for a kernel that is not Debian's."""
    found = re.fullmatch(r"[0-9.]+-[0-9]+-([a-z0-9-]+)", kernel)
    return f"linux-headers-{found[1]}" if found and found[1] in DEBIAN_KERNELS else ""


def missing(facts: "HostFacts", what: Packages) -> list[Refusal]:
    """Nothing for this kernel, as far as apt knows: an apt that knows none of the packages was not asked yet."""
    if what.pin:
        later = debian_headers(facts.kernel)
        gone = not facts.headers and (not later or _is_gone(facts, "linux-headers-", later))
        fix = "boot a kernel of the archive: apt-get install linux-image-amd64 linux-headers-amd64, then reboot"
        return [refusal("DRV-8", f"apt has no headers for the running kernel {facts.kernel}", fix)] if gone else []
    kernel = kernel_flavour(facts.kernel)
    if not kernel:
        fix = "boot Ubuntu's own kernel (linux-image-generic), or install a driver by hand: driver: {source: keep}"
        return [refusal("DRV-4", f"the running kernel {facts.kernel} is not one that Ubuntu builds modules for", fix)]
    if _is_gone(facts, what.by_kernel[0], what.names[0]):
        newer = facts.next_kernel if facts.next_kernel != facts.kernel else ""
        fix = f"reboot into {newer}" if newer else "apt-get update && apt-get dist-upgrade, then reboot"
        return [refusal("DRV-4", f"apt has no prebuilt modules for the running kernel {facts.kernel}", fix)]
    return []


def _is_gone(facts: "HostFacts", by_kernel: str, beside: str) -> bool:
    return bool(facts.candidates.get(beside)) and facts.candidates.get(by_kernel + facts.kernel) == ""


def asked_for(wish: HostWish) -> tuple[str, ...]:
    """Names to ask apt about before anything is known of the host; a dash at the end: the running kernel's release."""
    branch = wish.branch or defaults.DRIVER_BRANCH
    series = [f"{branch}-server-open", f"{branch}-server"]
    kernels = [*KERNEL_FLAVOURS, "generic-hwe-24.04", ""]
    modules = [f"linux-modules-nvidia-{one}-{kernel}" for one in series for kernel in kernels]
    return (*modules, *(f"linux-headers-{kernel}" for kernel in (*DEBIAN_KERNELS, "")))


def toolkit_packages(version: str) -> str:
    """All four at one version: they fit only each other."""
    return " ".join(f"{name}={version}-1" for name in TOOLKIT_PACKAGES)


def is_below(version: str, least: str) -> bool:
    """Compares versions number by number; what is no version is below all."""
    return _numbers(version) < _numbers(least)


def _numbers(version: str) -> tuple[int, ...]:
    found: Iterable[str] = re.findall(r"[0-9]{1,6}", re.split(r"[-+~]", version)[0])
    return tuple(int(one) for one in found)
