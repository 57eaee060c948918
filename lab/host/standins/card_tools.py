"""`nvidia-smi` and `nvidia-modprobe`."""

from __future__ import annotations

from lab.host.standins import fabric
from lab.host.standins.box import Box, fail, say
from lab.host.standins.contents import lib
from lab.host.standins.drivers import held
from lab.host.standins.kernel import insert

MYPY = False
if MYPY:
    from typing import Any

_NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running.",
    "",
)
_LOST = (
    "Unable to determine the device handle for GPU0000:01:00.0: GPU is lost.  Reboot the system to recover this GPU",
)
_NO_LIBRARY = (
    "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the NVIDIA Display Driver "
    "is properly installed and present in your system.",
    "Please also try adding directory that contains libnvidia-ml.so to your system PATH.",
)


def library(box: Box) -> str:
    """Version of the driver's library on the disk; nothing without it."""
    import os

    path = box.path(f"{lib(box)}/libnvidia-ml.so.1")
    return os.readlink(path).partition(".so.")[2] if os.path.islink(path) else ""


def trouble(box: Box) -> tuple[int, tuple[str, ...]]:
    """Why nothing can be said of the cards: status and words; 0 when all is well."""
    loaded, on_disk = box.state["driver"], library(box)
    if not on_disk:
        return 12, _NO_LIBRARY
    if loaded is None:
        return 9, _NO_DRIVER
    if loaded != on_disk:
        short = ".".join(on_disk.split(".")[:2])
        return 18, ("Failed to initialize NVML: Driver/library version mismatch", f"NVML library version: {short}")
    if box.fault("card-lost"):
        return 15, _LOST
    return (0, ()) if any(card["works"] for card in held(box)) else (6, ("No devices were found",))


def nvidia_smi(box: Box, args: list[str]) -> int:
    """Runs it."""
    if args == ["--version"]:
        version = library(box)
        say(
            f"NVIDIA-SMI version  : {version}",
            f"NVML version        : {version}",
            f"DRIVER version      : {box.state['driver'] or 'N/A'}",
        )
        return 0
    status, words = trouble(box)
    if status:
        say(*words)
        return status
    cards = [card for card in held(box) if card["works"]]
    if args in (["-L"], ["--list-gpus"]):
        for number, card in enumerate(cards):
            say(f"GPU {number}: {card['name']} (UUID: {card['uuid']})")
        return 0
    query = next(
        (word.partition("=")[2] for word in args if word.startswith(("--query-gpu=", "--query-compute-apps="))), ""
    )
    if query:
        return _query(box, cards, query, args)
    if args and args != ["-q"]:
        fail(2, "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.")
    for number, card in enumerate(cards):
        say(f"| {number:>3}  {card['name']:<24} | {card['address']:<16} | Driver Version: {box.state['driver']} |")
    return 0


def _query(box: Box, cards: list[dict[str, Any]], query: str, args: list[str]) -> int:
    style = next((word.partition("=")[2].split(",") for word in args if word.startswith("--format=")), [])
    if "csv" not in style:
        fail(2, '"--format=" must contain "csv"')
    names = [name.strip() for name in query.split(",")]
    if any(word.startswith("--query-compute-apps=") for word in args):
        return 0
    unit = "" if "nounits" in style else " MiB"
    for name in names:
        if name not in _fields(box, 0, cards[0], unit):
            say(f'Field "{name}" is not a valid field to query.', "")
            return 2
    if "noheader" not in style:
        say(", ".join(name + (" [MiB]" if name == "memory.total" else "") for name in names))
    for number, card in enumerate(cards):
        fields = _fields(box, number, card, unit)
        say(", ".join(fields[name] for name in names))
    return 0


def _fields(box: Box, number: int, card: dict[str, Any], unit: str) -> dict[str, str]:
    address = "0000" + card["address"].upper()
    return {
        "index": str(number), "uuid": card["uuid"], "gpu_uuid": card["uuid"],
        "name": card["name"], "gpu_name": card["name"],
        "driver_version": box.state["driver"], "pci.bus_id": address, "gpu_bus_id": address,
        "memory.total": f"{card['memory']}{unit}", "compute_cap": card["compute"], "count": str(len(held(box))),
        "mig.mode.current": "Disabled" if card["mig"] else "[N/A]", "persistence_mode": "Enabled",
        "fabric.state": fabric.state(box)[0], "fabric.status": fabric.state(box)[1],
        "pci.device_id": "0x" + card["vendor_device"][5:].upper() + "10DE",
    }  # fmt: skip


def nvidia_modprobe(box: Box, args: list[str]) -> int:
    """Loads the module, with -u the one for CUDA as well; says nothing."""
    with box.locked():
        why = insert(box, "nvidia_uvm" if "-u" in args else "nvidia")
    return 1 if why else 0
