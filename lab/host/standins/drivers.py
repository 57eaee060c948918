"""What the driver does with each card when it is loaded, in the words of its kernel log, and what /proc and /sys show.

The texts of open modules on old cards and of the legacy branches stand in this project's facts; how they are put
together with the counts ("probe routine failed for ...") is from memory.
"""

from __future__ import annotations

import os

from lab.host.standins.box import Box

MYPY = False
if MYPY:
    from typing import Any

NEEDS = {
    "nvidia_uvm": ("nvidia",), "nvidia_modeset": ("nvidia",), "nvidia_drm": ("nvidia_modeset",),
    "nvidia_peermem": ("nvidia",),
}  # fmt: skip
OLD = ("Maxwell", "Pascal", "Volta")


def load_nvidia(box: Box, version: str, flavor: str) -> str:
    """Gives the free cards to the driver; why it cannot be loaded, or nothing."""
    log, branch = box.state["dmesg"], int(version.partition(".")[0])
    cards = [card for card in box.state["pci"] if card["class"].startswith("0x03")]
    taken = [card for card in cards if card["driver"] not in {"", "nvidia"}]
    for card in taken:
        owner = "NovaCore" if card["driver"] == "nova_core" else card["driver"]
        log.append(f"NVRM: GPU {card['address']} is already bound to {owner}.")
    free = [card for card in cards if card not in taken]
    refused = [card for card in free if not _probe(card, flavor, branch, log)]
    if not free:
        log += [
            f"NVRM: The NVIDIA probe routine was not called for {len(taken)} device(s).",
            "NVRM: No NVIDIA devices probed.",
        ]
        return "No such device"
    if len(refused) == len(free):
        log.append(f"NVRM: The NVIDIA probe routine failed for {len(refused)} device(s).")
        log.append("NVRM: None of the NVIDIA devices were initialized.")
        return "No such device"
    for card in free:
        if card not in refused:
            card["driver"] = "nvidia"
    kind = " Open" if flavor == "open" else ""
    log.append(f"NVRM: loading NVIDIA UNIX{kind} Kernel Module  {version}")
    return ""


def _probe(card: dict[str, Any], flavor: str, branch: int, log: list[str]) -> bool:
    """Whether the driver takes a card. It takes a Blackwell without a word and starts it never."""
    where, generation = card["address"], card["generation"]
    card["works"] = False
    if flavor == "open" and generation in OLD:
        log.append(
            f"NVRM: The NVIDIA GPU {where} (PCI ID: {card['vendor_device']}) installed in this system is not supported "
            "by open nvidia.ko because it does not include the required GPU System Processor (GSP)."
        )
        return False
    if branch >= 590 and generation in OLD:
        log.append(
            f"NVRM: The {card['name']} GPU installed in this system is supported through the NVIDIA 580.xx Legacy "
            "drivers. The NVIDIA driver will ignore this GPU."
        )
        return False
    if generation == "Blackwell" and (flavor == "proprietary" or branch < 570):
        log.append(f"NVRM: GPU {where}: RmInitAdapter failed! (0x22:0x56:897)")
        log.append(f"NVRM: GPU {where}: rm_init_adapter failed, device minor number 0")
        return True
    card["works"] = True
    return True


def publish(box: Box) -> None:
    """Shows the loaded modules and the owners of the cards in /proc, /sys and /dev."""
    loaded = box.state["modules"]
    lines = [f"{name} 1048576 0 - Live 0x0000000000000000" for name in sorted(loaded)]
    box.write("/proc/modules", "".join(f"{line}\n" for line in lines), 0o444)
    for name in ("nouveau", "nova_core", "nvidia", *NEEDS):
        _show_module(box, name, loaded.get(name))
    for card in box.state["pci"]:
        link = f"/sys/bus/pci/devices/{card['address']}/driver"
        if card["driver"]:
            box.link(link, f"../../../../bus/pci/drivers/{card['driver']}")
        else:
            box.remove(link)
    _show_driver(box, loaded.get("nvidia"))
    box.state["driver"] = loaded["nvidia"]["version"] if "nvidia" in loaded else None


def _show_module(box: Box, name: str, fields: dict[str, str] | None) -> None:
    folder = f"/sys/module/{name}"
    if fields is None:
        box.clear(folder)
    else:
        os.makedirs(box.path(folder), exist_ok=True)
        if fields["version"]:
            box.write(f"{folder}/version", f"{fields['version']}\n", 0o444)
        box.write(f"{folder}/refcnt", "0\n", 0o444)


def _show_driver(box: Box, fields: dict[str, str] | None) -> None:
    devices = [f"/dev/nvidia{number}" for number, _card in enumerate(held(box))] + ["/dev/nvidiactl"]
    for device in {*box.find("/dev/nvidia*"), *devices, "/dev/nvidia-uvm"}:
        box.remove(device)
    box.clear("/proc/driver/nvidia")
    if fields is None:
        return
    kind = "Open Kernel Module for x86_64" if "GPL" in fields["license"] else "x86_64 Kernel Module"
    box.write(
        "/proc/driver/nvidia/version", f"NVRM version: NVIDIA UNIX {kind}  {fields['version']}  Release Build\n", 0o444
    )
    for device in devices:
        box.link(device, "/dev/null")
    if "nvidia_uvm" in box.state["modules"]:
        box.link("/dev/nvidia-uvm", "/dev/null")


def held(box: Box) -> list[dict[str, Any]]:
    """The cards that the driver has, started or not."""
    return [card for card in box.state["pci"] if card["driver"] == "nvidia"]
