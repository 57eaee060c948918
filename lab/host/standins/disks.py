"""`lsblk`, `wipefs`, `blkid`, `mkfs`, `mdadm`, `findmnt`, `mount`, `umount`: disks beside the system's.

Options, what is printed and what is refused: util-linux 2.38, mdadm 4.2, e2fsprogs 1.47 and xfsprogs 6.1, from their
manuals and sources. A file system is a folder that changes places with the one that it is mounted on.
"""

from __future__ import annotations

import os

from lab.host.standins.box import Box, fail, say
from lab.host.standins.instance_store import ARRAY, UNDER, content_of, take_down, under
from lab.host.standins.places import place

MYPY = False
if MYPY:
    from typing import Any

_BUSY = "Device or resource busy"


def _device(box: Box, tool: str, given: str) -> tuple[str, dict[str, Any]]:
    """Name and state of what a path leads to."""
    path = os.path.realpath(box.path(given)).removeprefix(os.path.realpath(box.root))
    for name, one in box.state.get("disks", {}).items():
        if path in (name, one.get("device")):
            return name, one
    return fail(1, f"{tool}: error: {given}: probing initialization failed: No such file or directory")


def _children(box: Box, name: str) -> list[str]:
    return [ARRAY] if name in box.state["disks"].get(ARRAY, {}).get("parts", ()) else []


def _busy(box: Box, name: str) -> bool:
    return bool(_children(box, name)) or name in box.state["mounts"].values()


def _path(box: Box, name: str) -> str:
    return str(box.state["disks"][name].get("device", name))


# who only reads


def lsblk(box: Box, args: list[str]) -> int:
    """Names, and types, of a disk and of what is made of it."""
    if len(args) != 3 or args[0] not in ("-nro", "-nrpo") or not set(args[1].split(",")) <= {"NAME", "TYPE"}:
        fail(1, f"lsblk: not simulated: {' '.join(args)}")
    name, _ = _device(box, "lsblk", args[2])
    for one in [name, *_children(box, name)]:
        path = _path(box, one)
        row = {"NAME": path if "p" in args[0] else path[5:], "TYPE": "raid0" if one == ARRAY else "disk"}
        say(" ".join(row[column] for column in args[1].split(",")))
    return 0


def blkid(box: Box, args: list[str]) -> int:
    """One value of a file system, looked up on the disk itself."""
    if args[:2] != ["-p", "-s"] or args[3:5] != ["-o", "value"] or args[2] not in ("UUID", "LABEL") or len(args) != 6:
        fail(4, f"blkid: not simulated: {' '.join(args)}")
    _, one = _device(box, "blkid", args[5])
    found = {"UUID": one["uuid"], "LABEL": one["signs"][0][1] if one["signs"] else ""}[args[2]]
    if not found:
        return 2
    say(found)
    return 0


def findmnt(box: Box, args: list[str]) -> int:
    """What is mounted exactly there."""
    if args[:-2] not in ([], ["-nro", "SOURCE"]) or args[-2:-1] != ["-M"]:
        fail(1, f"findmnt: not simulated: {' '.join(args)}")
    name = box.state.get("mounts", {}).get(box.inside(args[-1]))
    if name is None:
        return 1
    say(_path(box, name))
    return 0


# who changes disks


def wipefs(box: Box, args: list[str]) -> int:
    """Lists signatures, or takes all of them away."""
    name, one = _device(box, "wipefs", args[-1])
    if args[:-1] == ["-n", "-i", "-O", "TYPE,LABEL"]:
        say(*(" ".join(sign).rstrip() for sign in one["signs"]))
        return 0
    if args[:-1] != ["-q", "-a"]:
        fail(1, f"wipefs: not simulated: {' '.join(args)}")
    if _busy(box, name):
        fail(1, f"wipefs: error: {args[-1]}: probing initialization failed: {_BUSY}")
    with box.locked():
        box.state["disks"][name].update(signs=[], uuid="")
        box.save()
    return 0


def mkfs_xfs(box: Box, args: list[str]) -> int:
    """Makes a file system, unless there is one."""
    return _mkfs(box, "xfs", ["-q", "-K", "-L"], args)


def mkfs_ext4(box: Box, args: list[str]) -> int:
    """Makes a file system, unless there is one."""
    return _mkfs(box, "ext4", ["-q", "-E", "nodiscard", "-m", "0", "-L"], args)


def _mkfs(box: Box, kind: str, flags: list[str], args: list[str]) -> int:
    if args[:-2] != flags:
        fail(1, f"mkfs.{kind}: not simulated: {' '.join(args)}")
    name, one = _device(box, f"mkfs.{kind}", args[-1])
    if _busy(box, name):
        fail(1, f"mkfs.{kind}: {args[-1]} contains a mounted filesystem")
    if one["signs"]:
        fail(1, f"mkfs.{kind}: {args[-1]} appears to contain an existing filesystem ({one['signs'][0][0]}).")
    with box.locked():
        content = content_of(name)
        box.clear(content)
        os.makedirs(box.path(content + ("/lost+found" if kind == "ext4" else "")))
        box.state["made"] = box.state.get("made", 0) + 1
        box.state["disks"][name].update(signs=[[kind, args[-2]]], uuid=f"{box.state['made']:08x}-0000-4000-8000-feed")
        box.save()
    return 0


def mdadm(box: Box, args: list[str]) -> int:
    """Makes an array of level 0, puts one together, or takes it apart."""
    words = [word for word in args if word != "-q"]
    known = box.state["disks"]
    if words[:1] == ["--stop"]:
        if ARRAY not in known or ARRAY in box.state["mounts"].values():
            fail(1, f"mdadm: Cannot get exclusive access to {words[1]}:Perhaps a running process, mounted filesystem?")
        with box.locked():
            stopped = box.state["disks"].pop(ARRAY)
            for name in stopped["parts"]:
                if box.state["disks"][name]["signs"]:
                    box.state["disks"][name]["array"] = {key: stopped[key] for key in ("signs", "uuid")}
            box.save()
        return 0
    flags = {word.partition("=")[0]: word.partition("=")[2] for word in words if word.startswith("--")}
    parts = [_device(box, "mdadm", word)[0] for word in [one for one in words if not one.startswith("--")][1:]]
    if "--create" in flags:
        return _create(box, flags, parts)
    if "--assemble" not in flags or any(known[one]["signs"][:1] != known[parts[0]]["signs"][:1] for one in parts):
        fail(1, "mdadm: no recogniseable superblock on one of the devices")
    with box.locked():
        known = box.state["disks"]
        known[ARRAY] = {"parts": parts, **known[parts[0]].get("array", {"signs": [], "uuid": ""})}
        box.save()
    return 0


def _create(box: Box, flags: dict[str, str], parts: list[str]) -> int:
    if flags.get("--level") != "0" or flags.get("--raid-devices") != str(len(parts)) or "--run" not in flags:
        fail(2, f"mdadm: not simulated: {flags}")
    busy = [name for name in parts if _busy(box, name)]
    if busy or ARRAY in box.state["disks"]:
        fail(2, f"mdadm: super1.x cannot open {_path(box, busy[0]) if busy else ARRAY}: {_BUSY}")
    with box.locked():
        known = box.state["disks"]
        old = known[parts[0]].get("array", {"signs": [], "uuid": ""})
        for name in parts:
            known[name]["signs"] = [["linux_raid_member", f"{flags['--homehost']}:{flags['--name']}"]]
        known[ARRAY] = {"parts": parts, **old}
        box.save()
    return 0


# who mounts


def mount(box: Box, args: list[str]) -> int:
    """Puts a file system over a folder that nobody uses."""
    if args[:1] != ["-o"] or len(args) != 4 or not args[2].startswith("UUID="):
        fail(1, f"mount: not simulated: {' '.join(args)}")
    uuid, target = args[2][5:], box.inside(args[3])
    name = next((one for one, known in box.state["disks"].items() if uuid and known["uuid"] == uuid), None)
    if name is None:
        fail(1, f"mount: {target}: can't find UUID={uuid}.")
    if not os.path.isdir(box.path(target)):
        fail(32, f"mount: {target}: mount point does not exist.")
    if name in box.state["mounts"].values() or target in box.state["mounts"]:
        fail(32, f"mount: {target}: {_path(box, name)} already mounted or mount point busy.")
    _refuse_in_use(box, "mount", target)
    with box.locked():
        os.makedirs(box.path(UNDER), exist_ok=True)
        os.rename(box.path(target), box.path(under(target)))
        os.rename(box.path(content_of(name)), box.path(target))
        box.state["mounts"][target] = name
        box.save()
    return 0


def _refuse_in_use(box: Box, tool: str, target: str) -> None:
    """The real ones do that, and whoever runs goes on with what it has open: no script of ours may ever want it."""
    service = box.state["services"].get(place(box).service, {})
    if service.get("active") and target.startswith(("/var/lib/containerd", "/var/lib/docker", "/var/lib/rancher")):
        fail(32, f"{tool}: {target}: {_BUSY}: {place(box).service} runs")


def umount(box: Box, args: list[str]) -> int:
    """Takes it down again."""
    target = box.inside(args[-1])
    if len(args) != 1 or target not in box.state.get("mounts", {}):
        fail(32, f"umount: {target}: not mounted.")
    _refuse_in_use(box, "umount", target)
    with box.locked():
        take_down(box, target)
        box.save()
    return 0
