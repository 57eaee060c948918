"""Which program answers to which name, and what they all have in common: the log of calls and how they end."""

from __future__ import annotations

import os
import sys

from lab.host.standins.box import Box, Ended

MODULES = {
    "dnf": "dnf", "rpm": "rpm", "curl": "rpm", "dracut": "rpm",
    "apt-get": "apt_get", "apt-helper": "downloads",
    "apt-mark": "apt_mark", "apt-cache": "apt_cache", "dpkg": "dpkg", "dpkg-query": "dpkg",
    "modprobe": "kernel", "modinfo": "kernel", "rmmod": "kernel", "depmod": "kernel", "update-initramfs": "kernel",
    "mokutil": "kernel", "dkms": "kernel", "dmesg": "kernel",
    "systemctl": "units", "systemd-run": "units", "reboot": "units",
    "nvidia-smi": "card_tools", "nvidia-modprobe": "card_tools",
    "nv-fabricmanager": "fabric", "ubuntu-drivers": "ubuntu_drivers", "nvidia-installer": "run_file",
    "nvidia-uninstall": "run_file",
    "nvidia-ctk": "toolkit", "nvidia-container-cli": "toolkit", "nvidia-container-runtime": "toolkit",
    "containerd": "containerd", "crictl": "containerd_clients", "ctr": "containerd_clients",
    "docker": "docker", "dockerd": "docker", "k0s": "k0s", "k3s": "k3s",
    "lsblk": "disks", "wipefs": "disks", "blkid": "disks", "findmnt": "disks",
    "mkfs.xfs": "disks", "mkfs.ext4": "disks", "mdadm": "disks", "mount": "disks", "umount": "disks",
    "sudo": "access", "sleep": "waiting", "date": "waiting",
}  # fmt: skip
"""Name -> the module that has a function of this name, with underscores."""


def main(folder: str, name: str, args: list[str]) -> int:
    """Runs one stand-in as the real tool would be run; its status."""
    box = Box(folder)
    _note(folder, box.user, name, args)
    module = __import__(f"lab.host.standins.{MODULES[name]}", fromlist=["main"])
    try:
        box.stop_if_down()
        status = getattr(module, name.replace("-", "_").replace(".", "_"))(box, args) or 0
    except Ended as ended:
        status = ended.status
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return int(status)


def _note(folder: str, user: str, name: str, args: list[str]) -> None:
    line = " ".join([user, name, *args]).replace("\n", "\\n")
    descriptor = os.open(os.path.join(folder, "calls.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{line}\n".encode(errors="replace"))
    os.close(descriptor)
