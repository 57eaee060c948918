"""The cards that a simulated machine can have: what PCI, the driver and nvidia-smi say of them."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from decide import catalog


class PciCard(NamedTuple):
    """A card as PCI shows it."""

    device: str
    kind: str
    """Class code: with a display connector, or without (3D controller)."""
    subsystem: str


# Device ids: the public PCI id list. Subsystem ids: one board of many.
_DISPLAY, _COMPUTE = "0x030000", "0x030200"
PCI: dict[str, PciCard] = {
    "Tesla P100-PCIE-16GB": PciCard("15f8", _COMPUTE, "10de:118f"),
    "Tesla V100-SXM2-16GB": PciCard("1db1", _COMPUTE, "10de:1212"),
    "Tesla V100-SXM2-32GB": PciCard("1db5", _COMPUTE, "10de:1249"),
    "Tesla T4": PciCard("1eb8", _COMPUTE, "10de:12a2"),
    "NVIDIA A100-SXM4-40GB": PciCard("20b0", _COMPUTE, "10de:134f"),
    "NVIDIA A100-SXM4-80GB": PciCard("20b2", _COMPUTE, "10de:147f"),
    "NVIDIA A10G": PciCard("2237", _COMPUTE, "10de:152f"),
    "NVIDIA GeForce RTX 3060": PciCard("2503", _DISPLAY, "1458:4074"),
    "NVIDIA GeForce RTX 3090": PciCard("2204", _DISPLAY, "10de:147d"),
    "NVIDIA L4": PciCard("27b8", _COMPUTE, "10de:16ee"),
    "NVIDIA L40S": PciCard("26b9", _COMPUTE, "10de:1851"),
    "NVIDIA GeForce RTX 4070": PciCard("2786", _DISPLAY, "10de:16a3"),
    "NVIDIA GeForce RTX 4090": PciCard("2684", _DISPLAY, "10de:167c"),
    "NVIDIA H100 80GB HBM3": PciCard("2330", _COMPUTE, "10de:16c1"),
    "NVIDIA H200": PciCard("2335", _COMPUTE, "10de:18be"),
    "NVIDIA GeForce RTX 5090": PciCard("2b85", _DISPLAY, "10de:2057"),
}


def described(name: str, number: int, machine: str) -> dict[str, object]:
    """One card of a machine, as its state holds it."""
    card, pci = catalog.find(name), PCI.get(name)
    if card is None or pci is None:
        raise ValueError(f"no card {name!r}; there are {', '.join(sorted(PCI))}")
    digits = sha256(f"{machine} {number}".encode()).hexdigest()
    return {
        "name": name, "generation": card.generation, "memory": card.memory_mib, "compute": card.compute_capability,
        "mig": card.mig, "address": f"0000:{number + 1:02x}:00.0", "vendor_device": f"10de:{pci.device}",
        "class": pci.kind, "subsystem": pci.subsystem, "driver": "", "works": False,
        "uuid": f"GPU-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}",
    }  # fmt: skip
