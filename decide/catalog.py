"""What is known of cards: generation, memory, driver branches, kernel module flavour, MIG; each with its source."""

from typing import NamedTuple

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
        Generation("Pascal", None, 580, (PROPRIETARY,)),
        Generation("Volta", None, 580, (PROPRIETARY,)),
        Generation("Turing", None, None, (OPEN, PROPRIETARY)),
        Generation("Ampere", None, None, (OPEN, PROPRIETARY)),
        Generation("Ada", None, None, (OPEN, PROPRIETARY)),
        Generation("Hopper", None, None, (OPEN, PROPRIETARY)),
        Generation("Blackwell", 570, None, (OPEN,)),
    )
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
    """The card of this name, written as nvidia-smi, the product label or the label of a shared card has it."""
    product = name.strip().replace(" ", "-")
    return CARDS.get(product) or CARDS.get(product[: -len(SHARED)] if product.endswith(SHARED) else "")


def supports(card: Card, branch: int) -> bool:
    """Whether a driver branch (580, 595 ...) drives this card."""
    generation = GENERATIONS[card.generation]
    return (generation.first_branch or 0) <= branch <= (generation.last_branch or branch)
