"""What hosts differ in. Each value says what the host's facts are, what a stack file asks, and what is true of it.

What is true comes from the facts of distributions, cards and runtimes, not from what `decide` makes of them: it is what
the plans are held against.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final

Point = dict[str, str]


@dataclass(frozen=True)
class Value:
    """One value of an axis."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    """Changes to the facts, as `small_host.told` takes them."""
    wish: Mapping[str, Any] = field(default_factory=dict)
    """What the stack file says of the host; keys of `driver` stand under `driver`."""
    true: Mapping[str, Any] = field(default_factory=dict)
    """What everybody knows of it."""
    machine: Mapping[str, Any] | None = field(default_factory=dict)
    """How a simulated machine is told to be so; None: none can be."""


def _system(id: str, version: str, pretty: str, kernel: str, manager: str, **true: Any) -> Value:
    told = {"os": {"id": id, "version": version, "pretty": pretty}, "kernel": kernel, "next_kernel": kernel}
    immutable = {"immutable": True} if true.get("immutable") else {}
    return Value({**told, "package_manager": manager, **immutable}, true=true, machine={"distro": f"{id}-{version}"})


_EL8, _EL9, _EL10 = "4.18.0-553.el8_10.x86_64", "5.14.0-570.12.1.el9_6.x86_64", "6.12.0-55.9.1.el10_0.x86_64"
_LEAP = "6.4.0-150600.23.73-default"
SYSTEMS: Final = {
    "ubuntu-20.04": _system("ubuntu", "20.04", "Ubuntu 20.04.6 LTS", "5.15.0-139-generic", "apt", signed=True),
    "ubuntu-22.04": _system("ubuntu", "22.04", "Ubuntu 22.04.5 LTS", "5.15.0-140-generic", "apt", signed=True),
    "ubuntu-24.04": _system("ubuntu", "24.04", "Ubuntu 24.04.3 LTS", "6.8.0-60-generic", "apt", signed=True),
    "ubuntu-26.04": _system("ubuntu", "26.04", "Ubuntu 26.04 LTS", "7.0.0-12-generic", "apt", signed=True),
    "debian-11": _system("debian", "11", "Debian GNU/Linux 11 (bullseye)", "5.10.0-35-amd64", "apt"),
    "debian-12": _system("debian", "12", "Debian GNU/Linux 12 (bookworm)", "6.1.0-40-amd64", "apt"),
    "debian-13": _system("debian", "13", "Debian GNU/Linux 13 (trixie)", "6.12.57+deb13-amd64", "apt"),
    "rhel-8.10": _system("rhel", "8.10", "Red Hat Enterprise Linux 8.10 (Ootpa)", _EL8, "dnf"),
    "rhel-9.6": _system("rhel", "9.6", "Red Hat Enterprise Linux 9.6 (Plow)", _EL9, "dnf"),
    "rhel-10.0": _system("rhel", "10.0", "Red Hat Enterprise Linux 10.0 (Coughlan)", _EL10, "dnf"),
    "rocky-8.10": _system("rocky", "8.10", "Rocky Linux 8.10 (Green Obsidian)", _EL8, "dnf", machine="rocky-8"),
    "rocky-9.6": _system("rocky", "9.6", "Rocky Linux 9.6 (Blue Onyx)", _EL9, "dnf", machine="rocky-9"),
    "rocky-10.0": _system("rocky", "10.0", "Rocky Linux 10.0 (Red Quartz)", _EL10, "dnf", machine="rocky-10"),
    "almalinux-9.6": _system("almalinux", "9.6", "AlmaLinux 9.6 (Sage Margay)", _EL9, "dnf"),
    "centos-9": _system("centos", "9", "CentOS Stream 9", _EL9, "dnf"),
    "centos-10": _system("centos", "10", "CentOS Stream 10 (Coughlan)", _EL10, "dnf"),
    "fedora-44": _system("fedora", "44", "Fedora Linux 44 (Server Edition)", "7.0.4-200.fc44.x86_64", "dnf"),
    "amzn-2023": _system("amzn", "2023", "Amazon Linux 2023.9", "6.1.155-176.282.amzn2023.x86_64", "dnf"),
    "sles-15.7": _system("sles", "15.7", "SUSE Linux Enterprise Server 15 SP7", "6.4.0-150700.53.22-default", "zypper"),
    "opensuse-leap-15.6": _system("opensuse-leap", "15.6", "openSUSE Leap 15.6", _LEAP, "zypper"),
    "flatcar": _system("flatcar", "4459.2.0", "Flatcar Container Linux", "6.12.54-flatcar", "", immutable=True),
    "arch": _system("arch", "", "Arch Linux", "6.17.8-arch1-1", "", unknown=True),
}  # fmt: skip
_OPEN, _PROPRIETARY = "open", "proprietary"


def _cards(*devices: str, **true: Any) -> Value:
    on_bus = [
        {"address": f"0000:{number:02x}:00.0", "vendor_device": f"10de:{one}", "driver": true.get("holder", "")}
        for number, one in enumerate(devices, 1)
    ]
    return Value({"cards": on_bus, **true.pop("facts", {})}, true=true, machine=true.pop("machine", {}))


CARDS: Final = {
    "Tesla T4": _cards("1eb8", modules=(_OPEN, _PROPRIETARY), machine={"cards": ["Tesla T4"]}),
    "RTX 4070": _cards("2786", modules=(_OPEN, _PROPRIETARY), machine={"cards": ["NVIDIA GeForce RTX 4070"]}),
    "RTX 5090": _cards("2b85", modules=(_OPEN,), first=570, machine={"cards": ["NVIDIA GeForce RTX 5090"]}),
    "2 x H100": _cards("2330", "2330", modules=(_OPEN, _PROPRIETARY), machine={"cards": ["NVIDIA H100 80GB HBM3"] * 2}),
    "V100": _cards("1db1", modules=(_PROPRIETARY,), last=580, machine={"cards": ["Tesla V100-SXM2-16GB"]}),
    "P100": _cards("15f8", modules=(_PROPRIETARY,), last=580, machine={"cards": ["Tesla P100-PCIE-16GB"]}),
    "K80": _cards("102d", modules=(), last=470, machine=None),
    "V100 beside RTX 5090": _cards(
        "1db1", "2b85", modules=(), machine={"cards": ["Tesla V100-SXM2-16GB", "NVIDIA GeForce RTX 5090"]}
    ),
    "unknown": _cards("fff0", machine=None),
    "for virtual machines": _cards("2786", holder="vfio-pci", modules=(), machine=None),
    "vGPU": _cards("2237", facts={"vgpu": True}, modules=(), machine=None),
    "none": _cards(modules=(), machine={"cards": []}),
}


def _runtime(
    kind: str, version: str, *handlers: str, machine: Mapping[str, Any] | None, wish: Mapping[str, Any] | None = None,
    **more: Any,
) -> Value:  # fmt: skip
    told = {"kind": kind, "version": version, "handlers": list(handlers), "config": more.pop("config", ""), **more}
    return Value({"runtime": told}, wish or {}, machine=machine)


def _whole(kind: str, version: str, unit: str, config: str, **more: Any) -> Value:
    """A distribution of Kubernetes that brings its own containerd."""
    machine = more.pop("machine", {"runtime": unit})
    return _runtime(kind, version, "runc", machine=machine, config=config, unit=unit, **{"template": "", **more})


_CONTAINERD = "/etc/containerd/config.toml"
_RANCHER, _OF_RANCHER = "/var/lib/rancher", "/agent/etc/containerd/config.toml"
RUNTIMES: Final = {
    "containerd 1.5": _runtime("containerd", "1.5.18", "runc", config=_CONTAINERD, machine={"containerd": "1.5.18"}),
    "containerd 1.6": _runtime("containerd", "1.6.20", "runc", config=_CONTAINERD, machine={"containerd": "1.6.20"}),
    "containerd 1.7": _runtime("containerd", "1.7.24", "runc", config=_CONTAINERD, machine={"containerd": "1.7.24"}),
    "containerd 2.1": _runtime("containerd", "2.1.4", "runc", config=_CONTAINERD, machine={"containerd": "2.1.4"}),
    "containerd without CRI": _runtime("containerd", "1.7.24", config=_CONTAINERD, machine=None),
    "with nvidia": _runtime("containerd", "1.7.24", "nvidia", "runc", config=_CONTAINERD, machine=None),
    "k3s": _whole("k3s", "2.1.5", "k3s", f"{_RANCHER}/k3s{_OF_RANCHER}"),
    "k3s agent": _whole("k3s", "2.1.5", "k3s-agent", f"{_RANCHER}/k3s{_OF_RANCHER}"),
    "RKE2": _whole("rke2", "2.1.5", "rke2-server", f"{_RANCHER}/rke2{_OF_RANCHER}"),
    "k3s with a template": _whole(
        "k3s", "2.1.5", "k3s", f"{_RANCHER}/k3s{_OF_RANCHER}", machine=None, template=f"{_RANCHER}/config.toml.tmpl"
    ),
    "k0s": _whole(
        "k0s", "1.7.29", "k0sworker", "/etc/k0s/containerd.d/gpu-ready.toml", machine={"runtime": "k0s-worker"}
    ),
    "docker and an operator": _runtime(
        "docker", "28.3.2", "runc", machine={"runtime": "docker"}, config="/etc/docker/daemon.json", default="runc"
    ),
    "docker": _runtime(
        "docker",
        "28.3.2",
        "runc",
        machine={"runtime": "docker"},
        config="/etc/docker/daemon.json",
        default="runc",
        wish={"operator": "none", "runtime_class": "none"},
    ),
    "crio": _runtime("crio", "1.34.2", "crun", machine=None),
    "microk8s": _runtime("microk8s", "1.7.28", machine=None),
    "none": _runtime("", "", machine=None),
}


def _driver(version: str, flavour: str, foreign: str = "", **machine: Any) -> Value:
    """A driver that works."""
    packaged = not foreign
    told = {
        "modules": {"nvidia": version, "nouveau": False, "nova": False, "flavour": flavour},
        "driver": {"works": True, "version": version, "foreign": foreign, "packaged": packaged},
        "next_kernel_has_module": True,
    }
    return Value(told, machine=machine or None)


def _held_by(module: str) -> Value:
    flags = {"nvidia": "", "nouveau": module == "nouveau", "nova": module == "nova", "flavour": ""}
    return Value({"modules": flags}, machine={"nouveau": True} if module == "nouveau" else {"nova": True})


FOUND: Final = {
    "nothing": Value(),
    "nouveau": _held_by("nouveau"),
    "nova": _held_by("nova"),
    "580 open": _driver("580.126.20", _OPEN, driver="580.126.20"),
    "535 proprietary": _driver("535.261.03", _PROPRIETARY),
    "a .run file": _driver("580.126.20", _OPEN, ".run", driver="580.126.20", driver_by="run"),
    "the operator's": _driver("580.126.20", _OPEN, "operator"),
    "mixed": Value({"driver": {"works": False, "version": "", "foreign": "mixed"}}, machine=None),
    "dpkg interrupted": Value({"dpkg_broken": True}, machine=None),
    "a full disk": Value({"disk_free_mb": {"root": 300, "boot": 20}}, machine=None),
}
SECURE_BOOT: Final = {"off": Value(), "on": Value({"secure_boot": True}, machine={"secure_boot": True})}
RUN_FILES: Final = {"-": "580.178.04", "535": "535.309.01", "580": "580.178.04", "595": "595.91.07"}
"""Of each branch a version: what a stack file names besides when it wants a .run file."""
SOURCES: Final = {
    **{one: Value(wish={"source": one}) for one in ("auto", "distro", "ppa", "cudaRepo", "run", "keep")},
    "ubuntuDrivers": Value(wish={"source": "ubuntuDrivers"}, machine={"ubuntu_drivers": True}),
}
BRANCHES: Final = {"-": Value(), **{str(one): Value(wish={"branch": one}) for one in (535, 580, 595)}}
_SWITCHES: Final = {"fabric": {"switches": 4, "manager": "", "active": False}}
BESIDE: Final = {
    "-": Value(),
    "NVSwitch": Value(_SWITCHES, machine={"nvswitches": 4}),
    "NVSwitch, managed": Value(_SWITCHES, {"extras": ["fabricManager"]}, machine={"nvswitches": 4}),
    "gds": Value(wish={"extras": ["gds"]}),
    "CUDA": Value(wish={"extras": ["cudaToolkit"]}),
}
REBOOTS: Final = {one: Value(wish={"reboot": one}) for one in ("ifNeeded", "never")}

AXES: Final[dict[str, Mapping[str, Value]]] = {
    "system": SYSTEMS, "card": CARDS, "runtime": RUNTIMES, "found": FOUND, "secure boot": SECURE_BOOT,
    "source": SOURCES, "branch": BRANCHES, "reboot": REBOOTS, "beside": BESIDE,
}  # fmt: skip


def every(*axes: str) -> Iterator[Point]:
    """Every combination of these axes, the others at what most people have."""
    usual = {axis: next(iter(values)) for axis, values in AXES.items()}
    usual |= {"system": "ubuntu-24.04", "card": "RTX 4070", "runtime": "containerd 1.7"}
    for values in product(*(AXES[axis] for axis in axes)):
        yield {**usual, **dict(zip(axes, values, strict=True))}


def values_of(point: Point) -> Iterable[Value]:
    """The values of a point, the system first: what else is there changes it."""
    return [AXES[axis][label] for axis, label in point.items()]
