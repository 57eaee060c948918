"""What is known of cards: generation, memory, driver branches, kernel module flavour, MIG; each with its source."""

import bisect
from functools import cache
from pathlib import Path
from typing import NamedTuple

NAMES = Path(__file__).with_name("pci_names.txt")
"""Made by scripts/pci_names.py."""
OPEN, PROPRIETARY = "open", "proprietary"
SHARED = "-SHARED"  # feature discovery adds it to the product of a card that is time-sliced or shared by MPS


class Generation(NamedTuple):
    """What all cards of one generation have in common."""

    name: str
    first_branch: int | None  # none: every branch that still gets fixes
    last_branch: int | None  # none: no end announced
    modules: tuple[str, ...]  # kernel module flavours that work, the recommended one first


class Card(NamedTuple):
    """One card as nvidia-smi names it."""

    name: str
    generation: str
    memory_mib: int
    compute_capability: str
    mig: bool

    @property
    def product(self) -> str:
        """The value of the node label `nvidia.com/gpu.product`."""
        return self.name.replace(" ", "-")


# Source: NVIDIA's driver installation guide and data-center driver pages, November 2026. Volta and older end with 580;
# Blackwell begins with 570 and has open modules only; from Turing to Hopper both work, open is the default since 560.
GENERATIONS: dict[str, Generation] = {
    one.name: one
    for one in (
        Generation("Kepler", None, 470, (PROPRIETARY,)),
        Generation("Maxwell", None, 580, (PROPRIETARY,)),
        Generation("Pascal", None, 580, (PROPRIETARY,)),
        Generation("Volta", None, 580, (PROPRIETARY,)),
        Generation("Turing", None, None, (OPEN, PROPRIETARY)),
        Generation("Ampere", None, None, (OPEN, PROPRIETARY)),
        Generation("Ada", None, None, (OPEN, PROPRIETARY)),
        Generation("Hopper", None, None, (OPEN, PROPRIETARY)),
        Generation("Blackwell", 570, None, (OPEN,)),
    )
}


CHIPS = {
    "GK": "Kepler", "GM": "Maxwell", "GP": "Pascal", "GV": "Volta", "TU": "Turing", "GA": "Ampere", "AD": "Ada",
    "GH": "Hopper", "GB": "Blackwell",
}  # fmt: skip
"""How the name of a chip begins, and its generation."""


class Branch(NamedTuple):
    """A driver branch that is installed, or why it is not."""

    number: int
    ended: str = ""
    """When NVIDIA's fixes for it ended."""


# Source: NVIDIA's data-center driver pages, November 2026. A branch that ended gets no fixes, not even for holes.
BRANCHES: dict[int, Branch] = {
    one.number: one
    for one in (
        Branch(470, "years ago"),
        Branch(535, "in June 2026"),
        Branch(550, "before 2026"),
        Branch(570, "in February 2026"),
        Branch(580),  # long-term support, until mid-2028
        Branch(590, "when 595 came"),
        Branch(595),  # production, until March 2027
        Branch(610, "in August 2026"),
        Branch(615),
    )
}
SUPPORTED = tuple(number for number, one in BRANCHES.items() if not one.ended)

# First and last PCI device id of vendor 10de, in order. Source: the PCI ID database of 22 August 2026, by the chip in
# each name (GM: Maxwell, GP: Pascal, GV: Volta, TU: Turing, GA: Ampere, GH: Hopper, AD: Ada, GB: Blackwell); what lies
# between two ranges is something else (audio, bridges, Tegra) or not known yet.
RANGES: tuple[tuple[int, int, str], ...] = (
    (0x0FC0, 0x103F, "Kepler"),
    (0x1180, 0x11FF, "Kepler"),
    (0x1280, 0x130B, "Kepler"),
    (0x1340, 0x1436, "Maxwell"),
    (0x15C2, 0x15FF, "Pascal"),
    (0x1613, 0x1676, "Maxwell"),
    (0x1725, 0x172F, "Pascal"),
    (0x174D, 0x17FD, "Maxwell"),
    (0x1B00, 0x1D56, "Pascal"),
    (0x1D81, 0x1DF6, "Volta"),
    (0x1E02, 0x1FF9, "Turing"),
    (0x2080, 0x20FF, "Ampere"),
    (0x2182, 0x21D1, "Turing"),
    (0x2200, 0x223F, "Ampere"),
    (0x2302, 0x23F0, "Hopper"),
    (0x2414, 0x25FB, "Ampere"),
    (0x2681, 0x28F8, "Ada"),
    (0x2900, 0x2F58, "Blackwell"),
    (0x3180, 0x3340, "Blackwell"),
)

# PCI device id -> product, for the cards below; the same database.
PCI_IDS: dict[str, str] = {
    "15f8": "Tesla-P100-PCIE-16GB",
    "1db1": "Tesla-V100-SXM2-16GB",
    "1db5": "Tesla-V100-SXM2-32GB",
    "1eb8": "Tesla-T4",
    "20b0": "NVIDIA-A100-SXM4-40GB",
    "20b2": "NVIDIA-A100-SXM4-80GB",
    "2237": "NVIDIA-A10G",
    "2487": "NVIDIA-GeForce-RTX-3060",
    "2503": "NVIDIA-GeForce-RTX-3060",
    "2504": "NVIDIA-GeForce-RTX-3060",
    "2204": "NVIDIA-GeForce-RTX-3090",
    "27b8": "NVIDIA-L4",
    "26b9": "NVIDIA-L40S",
    "2786": "NVIDIA-GeForce-RTX-4070",
    "2684": "NVIDIA-GeForce-RTX-4090",
    "2330": "NVIDIA-H100-80GB-HBM3",
    "2335": "NVIDIA-H200",
    "2b85": "NVIDIA-GeForce-RTX-5090",
}

# Names and memory: as nvidia-smi and the labels of GPU feature discovery print them on such cards with a 5xx driver
# (public listings, November 2026; older drivers show up to 2 % less). MIG: GKE's partition table, the operator's guide.
CARDS: dict[str, Card] = {
    one.product: one
    for one in (
        Card("Tesla P100-PCIE-16GB", "Pascal", 16384, "6.0", False),
        Card("Tesla V100-SXM2-16GB", "Volta", 16384, "7.0", False),
        Card("Tesla V100-SXM2-32GB", "Volta", 32768, "7.0", False),
        Card("Tesla T4", "Turing", 15360, "7.5", False),
        Card("NVIDIA A100-SXM4-40GB", "Ampere", 40960, "8.0", True),
        Card("NVIDIA A100-SXM4-80GB", "Ampere", 81920, "8.0", True),
        Card("NVIDIA A10G", "Ampere", 23028, "8.6", False),
        Card("NVIDIA GeForce RTX 3060", "Ampere", 12288, "8.6", False),
        Card("NVIDIA GeForce RTX 3090", "Ampere", 24576, "8.6", False),
        Card("NVIDIA L4", "Ada", 23034, "8.9", False),
        Card("NVIDIA L40S", "Ada", 46068, "8.9", False),
        Card("NVIDIA GeForce RTX 4070", "Ada", 12282, "8.9", False),
        Card("NVIDIA GeForce RTX 4090", "Ada", 24564, "8.9", False),
        Card("NVIDIA H100 80GB HBM3", "Hopper", 81559, "9.0", True),
        Card("NVIDIA H200", "Hopper", 143771, "9.0", True),
        Card("NVIDIA GeForce RTX 5090", "Blackwell", 32607, "12.0", False),
    )
}


def find(name: str) -> Card | None:
    """The card of this name, as nvidia-smi, the product label or the label of a shared or divided card has it."""
    product = name.strip().replace(" ", "-").partition("-MIG-")[0]
    return CARDS.get(product) or CARDS.get(product[: -len(SHARED)] if product.endswith(SHARED) else "")


def supports(card: Card, branch: int) -> bool:
    """Whether a driver branch (580, 595 ...) drives this card."""
    return drives(GENERATIONS[card.generation], branch)


def generation_of(pci_id: str) -> Generation | None:
    """The generation of a card on the bus (`10de:2786`), known or not by name."""
    vendor, _, device = pci_id.lower().partition(":")
    if vendor != "10de" or not device:
        return None
    number = int(device, 16)
    first, last, name = RANGES[max(0, bisect.bisect_right(RANGES, (number, 0xFFFF, "")) - 1)]
    return GENERATIONS[name] if first <= number <= last else None


def name_of(pci_id: str) -> str:
    """How a card on the bus is called: its name, or at least its generation and id."""
    generation, device = generation_of(pci_id), pci_id.lower().partition(":")[2]
    if generation is None:
        return f"an unknown card ({pci_id})"
    if device in PCI_IDS:
        return CARDS[PCI_IDS[device]].name
    name = names().get(device)
    return f"{name} ({pci_id})" if name else f"a card of the {generation.name} generation ({pci_id})"


@cache
def names() -> dict[str, str]:
    """Of each card from Kepler on what it is called, as far as that is known, by its device id."""
    rows = (line.split(" ", 2) for line in NAMES.read_text(encoding="utf-8").splitlines() if line[0] != "#")
    return {device: rest[-1] for device, *rest in rows if len(rest) == 2}


def drives(generation: Generation, branch: int) -> bool:
    """Whether a driver branch (580, 595 ...) drives the cards of a generation."""
    return (generation.first_branch or 0) <= branch <= (generation.last_branch or branch)
