"""Makes the files and the state of a machine as a distribution leaves it, after it has joined a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lab.host import kubernetes, rpm_birth
from lab.host.spec import DISTRIBUTIONS, state
from lab.host.standins import (
    archive,
    boot,
    cdi,
    contents,
    drivers,
    instance_store,
    kernel,
    modules,
    packing,
    rpm_archive,
    sources,
)
from lab.host.standins.box import Box, dumps
from lab.host.standins.containerd_daemon import start as start_containerd

_BASE: Final = (
    "apt", "bash", "coreutils", "dpkg", "initramfs-tools", "kmod", "libc6", "openssh-server", "sudo", "systemd", "vim",
)  # fmt: skip
_OTHER: Final = {"vendor": "0x1af4", "device": "0x1050", "subsystem": "1af4:1100"}
"""Devices of another vendor, one of them a display."""
_FOLDERS: Final = (
    "/etc/apt/keyrings", "/etc/apt/sources.list.d", "/etc/apt/preferences.d", "/etc/systemd/system", "/mnt", "/root",
    "/usr/lib/modprobe.d", "/usr/lib/systemd/system", contents.LIB, "/usr/sbin", "/usr/share/doc", "/usr/src",
    "/var/cache/apt", "/var/log",
)  # fmt: skip
_BY_HAND: Final = ("openssh-server", "vim")


def bear(folder: Path, spec: Mapping[str, Any], clock: str, speed: float) -> None:
    """Makes all of it."""
    folder.mkdir(parents=True)
    (folder / "root").mkdir()
    (folder / "machine.json").write_text(dumps(state(spec, clock, speed)))
    box = Box(str(folder))
    _system(box, spec)
    _packages(box, spec)
    kubernetes.join(box, spec)
    _hardware(box, spec)
    instance_store.born(box, list(spec["instance_store"]))
    if spec["driver"]:
        _driver(box, str(spec["driver"]), str(spec["driver_by"]))
    if spec["toolkit"]:
        _install(box, [one for one in _toolkit(box) if one.version == f"{spec['toolkit']}-1"])
    for image in modules.kernels(box):
        box.write(kernel.initial(box, image), kernel.ramdisk(box, image), 0o600)
    if spec["lists"] and box.state["manager"] == "apt":
        for source in sources.read(box):
            box.write(source.list_file, "distribution\n")
    drivers.publish(box)
    start_containerd(box)
    cdi.refresh(box)
    box.state["folders"] = sorted(
        f"/{path.relative_to(box.root)}" for path in Path(box.root).rglob("*") if path.is_dir()
    )
    box.save()


def _system(box: Box, spec: Mapping[str, Any]) -> None:
    identity, version, like, pretty, codename, _compiler = DISTRIBUTIONS[spec["distro"]]
    box.write("/etc/os-release", (
        f'PRETTY_NAME="{pretty}"\nID={identity}\nVERSION_ID="{version}"\nVERSION_CODENAME={codename}\n'
        + (f"ID_LIKE={like}\n" if like else "")
    ))  # fmt: skip
    box.write("/etc/machine-id", f"{box.state['machine_id']}\n", 0o444)
    box.write("/etc/hostname", f"{spec['name']}\n")
    box.write("/etc/modprobe.d/site.conf", "# settings of this site\noptions usbcore autosuspend=-1\n")
    box.write("/etc/modules-load.d/k8s.conf", "overlay\nbr_netfilter\n")
    if box.state["manager"] == "dnf":
        rpm_birth.system(box, spec)
        rpm_birth.make_folders(box)
    elif identity == "ubuntu":
        where = f"URIs: http://archive.ubuntu.com/ubuntu/\nSuites: {codename} {codename}-updates\n"
        stanza = f"Types: deb\n{where}Components: main restricted\n"
        box.write("/etc/apt/sources.list.d/ubuntu.sources", stanza)
    else:
        line = f"deb http://deb.debian.org/debian {codename} main contrib non-free-firmware\n"
        box.write("/etc/apt/sources.list", line)
    by_apt = box.state["manager"] == "apt"
    for name in ("/var/lib/dpkg/lock", "/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock") if by_apt else ():
        box.write(name, "", 0o640)
    for name in (*(_FOLDERS if by_apt else ()), f"/home/{spec['user']}"):
        Path(box.path(name)).mkdir(parents=True, exist_ok=True)
    boot.populate(box)


def _packages(box: Box, spec: Mapping[str, Any]) -> None:
    version = dict.fromkeys(("kubelet", "kubeadm", "kubectl"), "1.35.4-1.1")
    version["containerd"] = f"{spec['containerd']}-1"
    by_dnf = box.state["manager"] == "dnf"
    if by_dnf:
        version["containerd.io"] = f"{spec['containerd']}-3.1.el9"
    names = {*(rpm_birth.PACKAGES if by_dnf else _BASE), *kubernetes.packages(box)}
    by_hand = (*(rpm_birth.BY_HAND if by_dnf else _BY_HAND), *kubernetes.BY_HAND)
    base = [archive.Package(name, version.get(name, contents.BASE), (), (), (), "base") for name in sorted(names)]
    _install(box, base, by_hand)
    image = box.state["kernel"]
    if box.state["manager"] == "dnf":
        _install(box, rpm_birth.headers(box, spec))
        _boot_files(box, spec, rpm_archive.KINDS[spec["distro"]].newer)
        return
    flavor = "generic" if image.endswith("generic") else "amd64"
    wanted = [f"linux-image-{image}", f"linux-image-{flavor}"]
    headers = spec["headers"] if spec["headers"] is not None else flavor == "generic"
    if headers:
        wanted += [f"linux-headers-{image}", f"linux-headers-{flavor}"]
    offered = {one.name: one for one in archive.packages("distribution", spec["distro"])}
    wanted += ["ubuntu-drivers-common"] if spec["ubuntu_drivers"] else []
    depends = [name.partition(" ")[0] for one in wanted for name in offered[one].depends]
    _install(box, [offered[name] for name in dict.fromkeys([*depends, *wanted])], wanted)
    _boot_files(box, spec, image.replace("-117-", "-119-").replace("-50-", "-51-"))


def _boot_files(box: Box, spec: Mapping[str, Any], newer: str) -> None:
    _library(box)
    _kernel(box, box.state["kernel"])
    if spec["newer_kernel"]:
        _kernel(box, newer)
        box.write("/run/reboot-required", "*** System restart required ***\n")


def _library(box: Box) -> None:
    """The C library: what a container that is made on the host takes along."""
    for name in ("ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6"):
        box.write(f"{contents.lib(box)}/{name}", f"{name}\n", 0o755)


def _kernel(box: Box, image: str) -> None:
    box.write(f"/boot/vmlinuz-{image}", f"kernel {image}\n", 0o600)
    box.write(f"/boot/config-{image}", "CONFIG_MODULES=y\n")
    for name in ("nouveau/nouveau", "nova/nova_core"):
        text = f"version=\nlicense=GPL\nvermagic={image} SMP\nsigner=distribution\n"
        box.write(f"/lib/modules/{image}/kernel/drivers/gpu/drm/{name}.ko", text)


def _install(box: Box, packages: list[Any], by_hand: tuple[str, ...] | list[str] = ()) -> None:
    for one in packages:
        box.state["packages"][one.name] = {
            "version": one.version, "status": "installed", "depends": list(one.depends), "provides": list(one.provides),
            "auto": one.name not in by_hand, "files": contents.put(box, one.name, one.version),
        }  # fmt: skip
        for _line in packing.after_install(box, one.name, one.version):
            pass


def _switch(number: int) -> dict[str, str]:
    shown = {"vendor": "0x10de", "device": "0x22a3", "subsystem": "10de:1796", "class": "0x068000"}
    return {**shown, "address": f"0000:{192 + number:02x}:00.0"}


def _hardware(box: Box, spec: Mapping[str, Any]) -> None:
    devices = [
        _OTHER | {"address": "0000:00:02.0", "class": "0x030000"},
        _OTHER | {"address": "0000:00:1f.0", "class": "0x060100"},
        *[_switch(number) for number in range(spec["nvswitches"])],
        *[{**card, "vendor": "0x10de", "device": f"0x{card['vendor_device'][5:]}"} for card in box.state["pci"]],
    ]  # fmt: skip
    for device in devices:
        folder = f"/sys/bus/pci/devices/{device['address']}"
        for name in ("vendor", "device", "class"):
            box.write(f"{folder}/{name}", f"{device[name]}\n", 0o444)
        for name, value in zip(("vendor", "device"), device["subsystem"].split(":"), strict=True):
            box.write(f"{folder}/subsystem_{name}", f"0x{value}\n", 0o444)
    if spec["secure_boot"] or spec["distro"].startswith("ubuntu"):
        Path(box.path("/sys/firmware/efi/efivars")).mkdir(parents=True)
    for name, wanted in (("nouveau", spec["nouveau"]), ("nova_core", spec["nova"])):
        if wanted:
            box.state["modules"][name] = {"version": "", "license": "GPL"}
            for card in box.state["pci"]:
                card["driver"] = card["driver"] or name


def _toolkit(box: Box) -> list[Any]:
    by_dnf = box.state["manager"] == "dnf"
    return [*rpm_archive.packages("toolkit", box.state["distro"])] if by_dnf else archive.packages("toolkit", "")


def _driver(box: Box, version: str, by: str) -> None:
    branch = version.partition(".")[0]
    if by == "run":
        box.write("/usr/bin/nvidia-uninstall", "#!/bin/sh\n", 0o755)
        box.write("/usr/bin/nvidia-smi", contents.PROGRAM % "nvidia-smi", 0o755)
        box.write("/var/log/nvidia-installer.log", f"nvidia-installer log file: version {version}\n")
        box.write(f"{contents.lib(box)}/libnvidia-ml.so.{version}", "")
        box.link(f"{contents.lib(box)}/libnvidia-ml.so.1", f"libnvidia-ml.so.{version}")
        for name in modules.NAMES:
            path = f"/lib/modules/{box.state['kernel']}/kernel/drivers/video/{name}.ko"
            box.write(path, modules.text(version, "open", box.state["kernel"], ""))
    elif box.state["manager"] == "dnf":
        _install(box, rpm_birth.driver(box, version), ["nvidia-driver-cuda", "kmod-nvidia-open-dkms"])
    elif box.state["distro"].startswith("debian"):
        _install_with(box, [*archive.cuda_driver(version)], ["nvidia-open"])
    else:
        top = [
            f"nvidia-headless-no-dkms-{branch}-server-open",
            f"nvidia-utils-{branch}-server",
            f"linux-modules-nvidia-{branch}-server-open-generic",
        ]
        _install_with(box, [*archive.ubuntu_driver(branch, version)], top)
    for card in box.state["pci"]:
        card["driver"] = ""
    box.state["modules"].pop("nouveau", None)
    kernel.insert(box, "nvidia_uvm")


def _install_with(box: Box, driver: list[Any], wanted: list[str]) -> None:
    """Some packages with all that they depend on, in that order."""
    offered = {one.name: one for one in [*archive.packages("distribution", box.state["distro"]), *driver]}
    order: dict[str, Any] = {}

    def take(name: str) -> None:
        if name not in order and name not in box.state["packages"]:
            for dependency in offered[name].depends:
                take(dependency.partition(" ")[0])
            order[name] = offered[name]

    for name in [*(["linux-headers-amd64"] if box.state["distro"].startswith("debian") else []), *wanted]:
        take(name)
    _install(box, list(order.values()), wanted)
