"""The disks that come with a machine: when it is born, and what is left of them after a boot or a stop."""

from __future__ import annotations

import os

from lab.host.standins.box import Box
from lab.host.standins.places import place

MYPY = False
if MYPY:
    from typing import Any

BY_ID = "/dev/disk/by-id"
STORAGE, VOLUME = "nvme-Amazon_EC2_NVMe_Instance_Storage_", "nvme-Amazon_Elastic_Block_Store_"
ARRAY = "/dev/md127"
"""As the kernel numbers an array that nobody named in mdadm.conf."""
CONTENT, UNDER = "/dev/.content", "/dev/.under"


def born(box: Box, holds: list[str]) -> None:
    """The disk of the system, and a blank or used one for each."""
    if not holds:
        return
    box.state["disks"] = {f"{VOLUME}vol0{box.state['machine_id'][:16]}": {"signs": [["gpt", ""]], "uuid": ""}}
    for number, one in enumerate(holds):
        sign = [] if one == "blank" else [one.partition(" ")[::2]]
        box.state["disks"][_serial(box, number)] = {"signs": [list(each) for each in sign], "uuid": ""}
    box.state["mounts"] = {}
    appear(box)
    _pods(box)


_KEPT = {"docker": "/var/lib/docker", "containerd": "/var/lib/containerd"}
KILL_ALL = """\
#!/bin/sh
systemctl stop {0}
rm -rf "$GPU_READY_ROOT/run/k3s/containerd/io.containerd.runtime.v2.task"
umount "$GPU_READY_ROOT/var/lib/rancher/{0}/agent/containerd" 2>/dev/null
exit 0
"""
"""What the installers of k3s and RKE2 put there: it unmounts all that lies in their folder."""


def kept(box: Box) -> str:
    """Where images and containers are."""
    where = place(box)
    return _KEPT.get(where.kind, f"/var/lib/rancher/{where.kind}/agent/containerd")


def tasks(box: Box) -> str:
    """Where the shims of its containers are seen."""
    where = place(box)
    folder = "/run/containerd" if where.kind == "docker" else where.socket.rpartition("/")[0]
    return f"{folder}/io.containerd.runtime.v2.task/{'moby' if where.kind == 'docker' else 'k8s.io'}"


def _pods(box: Box) -> None:
    """It has run for a while: an image, and a pod that is there."""
    box.write(f"{kept(box)}/meta.db", "one image\n", 0o600)
    box.write(f"{kept(box)}/blobs/sha256/abc", "a layer\n")
    os.makedirs(box.path(f"{tasks(box)}/pod-1"), exist_ok=True)
    if place(box).is_rancher:
        box.write(f"/usr/local/bin/{place(box).kind}-killall.sh", KILL_ALL.format(place(box).kind), 0o755)


def _serial(box: Box, number: int) -> str:
    from hashlib import sha256

    text = f"{box.state['machine_id']} {box.state['boots']} {number}"
    return f"{STORAGE}AWS{sha256(text.encode()).hexdigest()[:17].upper()}"


def appear(box: Box) -> None:
    """As udev shows them at each boot: numbers change, names stay, and each has a second name."""
    known: dict[str, Any] = box.state.get("disks", {})
    names = sorted(name for name in known if name != ARRAY)
    for index, name in enumerate(names):
        device = f"nvme{(index + box.state['boots'] - 1) % len(names)}n1"
        known[name]["device"] = f"/dev/{device}"
        box.write(f"/dev/{device}", "")
        for link in (name, f"{name}_1"):
            box.link(f"{BY_ID}/{link}", f"../../{device}")


def lost(box: Box) -> None:
    """A machine that was stopped starts elsewhere, with other disks."""
    known = box.state["disks"]
    for target in list(box.state["mounts"]):
        take_down(box, target)
    box.clear(BY_ID)
    box.clear(CONTENT)
    stores = [name for name in known if name.startswith(STORAGE)]
    for name in [*stores, ARRAY]:
        known.pop(name, None)
    box.state["boots"] += 1
    for number in range(len(stores)):
        known[_serial(box, number)] = {"signs": [], "uuid": ""}
    box.state["boots"] -= 1


def down(box: Box) -> None:
    """Nothing stays mounted over a boot."""
    for target in list(box.state.get("mounts", {})):
        take_down(box, target)


def content_of(name: str) -> str:
    """Where the files of a device lie that is not mounted."""
    return f"{CONTENT}/{name.rpartition('/')[2]}"


def under(target: str) -> str:
    """Where the folder lies on which something is mounted."""
    return f"{UNDER}/{target.replace('/', '%')}"


def take_down(box: Box, target: str) -> None:
    """Unmounts it."""
    name = box.state["mounts"].pop(target)
    os.makedirs(box.path(CONTENT), exist_ok=True)
    os.rename(box.path(target), box.path(content_of(name)))
    os.rename(box.path(under(target)), box.path(target))
