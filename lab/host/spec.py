"""What the spec of a machine in a world may say, and the state that a machine begins with."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from lab.host import cards
from lab.host.standins import archive, boot, rpm_archive
from lab.host.standins.places import PLACES


class Distribution(NamedTuple):
    """What /etc/os-release and the kernel say."""

    id: str
    version: str
    like: str
    pretty: str
    codename: str
    compiler: str


DISTRIBUTIONS: Final = {
    "ubuntu-24.04": Distribution(
        "ubuntu", "24.04", "debian", "Ubuntu 24.04.3 LTS", "noble", "x86_64-linux-gnu-gcc-13 (Ubuntu 13.3.0) 13.3.0"
    ),
    "debian-12": Distribution(
        "debian", "12", "", "Debian GNU/Linux 12 (bookworm)", "bookworm", "gcc-12 (Debian 12.2.0-14) 12.2.0"
    ),
    "rocky-8": Distribution(
        "rocky",
        "8.10",
        "rhel centos fedora",
        "Rocky Linux 8.10 (Green Obsidian)",
        "",
        "gcc (GCC) 8.5.0 (Red Hat 8.5.0-22)",
    ),
    "rocky-10": Distribution(
        "rocky",
        "10.0",
        "rhel centos fedora",
        "Rocky Linux 10.0 (Red Quartz)",
        "",
        "gcc (GCC) 14.2.1 (Red Hat 14.2.1-7)",
    ),
    "amzn-2023": Distribution(
        "amzn", "2023", "fedora", "Amazon Linux 2023.9", "", "gcc (GCC) 11.5.0 (Red Hat 11.5.0-5)"
    ),
    "fedora-44": Distribution("fedora", "44", "", "Fedora Linux 44 (Server Edition)", "", "gcc (GCC) 16.0.1"),
    "rocky-9": Distribution(
        "rocky", "9.6", "rhel centos fedora", "Rocky Linux 9.6 (Blue Onyx)", "", "gcc (GCC) 11.5.0 (Red Hat 11.5.0-5)"
    ),
}
KERNELS: Final = {**archive.KERNELS, **rpm_archive.KERNELS}
DEFAULTS: Final[dict[str, Any]] = {
    "name": "", "address": "192.0.2.1", "port": 22, "distro": "ubuntu-24.04", "cards": [], "nouveau": False,
    "driver": None, "driver_by": "packages", "toolkit": None, "containerd": None, "containerd_config": None,
    "headers": None, "sudo": "passwordless", "password": "rehearsal", "user": "ubuntu", "host_key": "",
    "secure_boot": False, "ssh": "up", "reboot_seconds": 60, "fault": "none", "node": "", "held_seconds": 90,
    "newer_kernel": False, "machine_id": "", "nova": False, "joined": True, "lists": True, "repository_keys": {},
    "sftp": "up", "runtime": "containerd", "instance_store": [],
    "ubuntu_drivers": False, "nvswitches": 0,
}  # fmt: skip
"""What a spec may say, and what it means not to say it."""
FAULTS: Final = (
    "none", "apt-lock", "apt-lock-for-ever", "card-lost", "containerd-refuses", "disk-full", "gpu-in-use",
    "k3s-server-silent", "module-build-fails", "no-network", "no-registry", "reboot-for-ever", "reboot-never",
)  # fmt: skip
CHOICES: Final = {
    "distro": tuple(KERNELS), "sudo": ("passwordless", "password", "none"), "fault": FAULTS,
    "ssh": ("up", "refused", "silent", "off", "denied"), "sftp": ("up", "missing", "full", "cut"),
    "driver_by": ("packages", "run"), "runtime": tuple(PLACES),
}  # fmt: skip


CONTAINERD: Final = "1.7.24"
RANCHERS: Final = "2.1.5-k3s1"


class BadSpec(ValueError):
    """The spec of a machine says something that it cannot."""


def checked(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec with its defaults, or all that is wrong with it."""
    faults = [f"{key}: unknown; there are {', '.join(sorted(DEFAULTS))}" for key in spec if key not in DEFAULTS]
    whole = {**DEFAULTS, **spec}
    for key, choices in CHOICES.items():
        if whole[key] not in choices:
            faults.append(f"{key}: {whole[key]!r} is none of {', '.join(choices)}")
    for name in whole["cards"]:
        if name not in cards.PCI:
            faults.append(f"cards: no card {name!r}; there are {', '.join(sorted(cards.PCI))}")
    if not whole["name"]:
        faults.append("name: is missing")
    if faults:
        raise BadSpec("; ".join(faults))
    where = PLACES[whole["runtime"]]
    usual = RANCHERS if where.is_rancher or where.kind == "none" else CONTAINERD
    return {**whole, "containerd": whole["containerd"] or usual}


def state(spec: Mapping[str, Any], clock: str, speed: float) -> dict[str, Any]:
    """What a machine's state file begins with."""
    name, distro = str(spec["name"]), str(spec["distro"])
    machine_id = spec["machine_id"] or sha256(name.encode()).hexdigest()[:32]
    image, compiler = DISTRIBUTIONS[distro].pretty, DISTRIBUTIONS[distro].compiler
    kept = ("name", "address", "port", "distro", "sudo", "password", "user", "host_key", "secure_boot", "ssh", "sftp",
            "reboot_seconds", "fault", "node", "containerd", "runtime", "nvswitches")  # fmt: skip
    return {
        **{key: spec[key] for key in kept}, "format": 1, "machine_id": machine_id, "boots": 1, "clock": clock,
        "boot_id": boot.boot_id(machine_id, 1), "up": True, "off_until": 0.0, "reboot_at": None, "speed": speed,
        "kernel": KERNELS[distro], "os_image": image, "compiler": compiler, "modules": {}, "driver": None,
        "cards": list(spec["cards"]),
        "pci": [cards.described(one, number, name) for number, one in enumerate(spec["cards"])],
        "in_tree": {"nouveau": spec["nouveau"], "nova_core": spec["nova"]}, "packages": {}, "holds": [], "images": [],
        "services": {}, "handlers": [], "running": None, "dmesg": [], "folders": [],
        "manager": manager(distro), "rpm_keys": [],
        "repository_keys": {**_keys(distro), **spec["repository_keys"]},
        "apt_holder": holder(str(spec["fault"]), float(spec["held_seconds"])),
    }  # fmt: skip


def _keys(distro: str) -> dict[str, str]:
    other = {"cuda": rpm_archive.CUDA_KEY_EL10} if distro == "rocky-10" else {}
    return {**rpm_archive.KEYS, **other} if manager(distro) == "dnf" else archive.KEYS


def manager(distro: str) -> str:
    """Which package manager a distribution has."""
    return "dnf" if distro in rpm_archive.KERNELS else "apt"


def holder(fault: str, seconds: float) -> dict[str, Any] | None:
    """Who holds the locks of apt under this fault, and until when."""
    if not fault.startswith("apt-lock"):
        return None
    return {"pid": 4242, "name": "unattended-upgr", "until": 1e12 if fault.endswith("ever") else seconds}
