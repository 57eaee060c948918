"""What is known of AWS instance types with NVIDIA cards, and which a node group here can have; each with its source."""

from collections.abc import Sequence
from typing import NamedTuple


class InstanceType(NamedTuple):
    """One instance type."""

    name: str
    vcpus: int
    memory_gib: int
    card: str
    """As nvidia-smi names it: a key of `catalog.CARDS`."""
    gpus: int
    disks: int
    """Instance-store disks."""
    disk_gb: int
    """Of each of them."""

    @property
    def family(self) -> str:
        """`g5` of `g5.xlarge`."""
        return family(self.name)

    @property
    def takes_blocks(self) -> bool:
        """Whether capacity blocks are sold for it: all P instances here, no G instance."""
        return self.name.startswith("p")


# Source: EC2 DescribeInstanceTypes as moto 5.2.5 carries it, August 2026; read 2026-11-21. Order: cards, then size.
_ROWS: dict[str, tuple[tuple[str, int, int, int, int, int], ...]] = {
    "g4dn Tesla T4": (
        ("xlarge", 4, 16, 1, 1, 125),
        ("2xlarge", 8, 32, 1, 1, 225),
        ("4xlarge", 16, 64, 1, 1, 225),
        ("8xlarge", 32, 128, 1, 1, 900),
        ("12xlarge", 48, 192, 4, 1, 900),
        ("16xlarge", 64, 256, 1, 1, 900),
        ("metal", 96, 384, 8, 2, 900),
    ),
    "g5 NVIDIA A10G": (
        ("xlarge", 4, 16, 1, 1, 250),
        ("2xlarge", 8, 32, 1, 1, 450),
        ("4xlarge", 16, 64, 1, 1, 600),
        ("8xlarge", 32, 128, 1, 1, 900),
        ("12xlarge", 48, 192, 4, 1, 3800),
        ("16xlarge", 64, 256, 1, 1, 1900),
        ("24xlarge", 96, 384, 4, 1, 3800),
        ("48xlarge", 192, 768, 8, 2, 3800),
    ),
    "g6 NVIDIA L4": (
        ("xlarge", 4, 16, 1, 1, 250),
        ("2xlarge", 8, 32, 1, 1, 450),
        ("4xlarge", 16, 64, 1, 1, 600),
        ("8xlarge", 32, 128, 1, 2, 450),
        ("12xlarge", 48, 192, 4, 4, 940),
        ("16xlarge", 64, 256, 1, 2, 940),
        ("24xlarge", 96, 384, 4, 4, 940),
        ("48xlarge", 192, 768, 8, 8, 940),
    ),
    "gr6 NVIDIA L4": (("4xlarge", 16, 128, 1, 1, 600), ("8xlarge", 32, 256, 1, 2, 450)),
    "g6e NVIDIA L40S": (
        ("xlarge", 4, 32, 1, 1, 250),
        ("2xlarge", 8, 64, 1, 1, 450),
        ("4xlarge", 16, 128, 1, 1, 600),
        ("8xlarge", 32, 256, 1, 2, 450),
        ("12xlarge", 48, 384, 4, 2, 1900),
        ("16xlarge", 64, 512, 1, 2, 950),
        ("24xlarge", 96, 768, 4, 2, 1900),
        ("48xlarge", 192, 1536, 8, 4, 1900),
    ),
    "p4d NVIDIA A100-SXM4-40GB": (("24xlarge", 96, 1152, 8, 8, 1000),),
    "p4de NVIDIA A100-SXM4-80GB": (("24xlarge", 96, 1152, 8, 8, 1000),),
    "p5 NVIDIA H100 80GB HBM3": (("4xlarge", 16, 256, 1, 1, 3800), ("48xlarge", 192, 2048, 8, 8, 3800)),
    "p5e NVIDIA H200": (("48xlarge", 192, 2048, 8, 8, 3800),),
    "p5en NVIDIA H200": (("48xlarge", 192, 2048, 8, 8, 3800),),
}


def _table() -> dict[str, InstanceType]:
    found = {}
    for head, sizes in _ROWS.items():
        family_name, _, card = head.partition(" ")
        for size, vcpus, memory, gpus, disks, disk_gb in sizes:
            name = f"{family_name}.{size}"
            found[name] = InstanceType(name, vcpus, memory, card, gpus, disks, disk_gb)
    return found


TYPES: dict[str, InstanceType] = _table()

# Families that have NVIDIA cards and still cannot be had here, and why.
_NOT_HERE = {
    "g5g": "has ARM processors, and the proof's images were tried on x86_64 alone",
    "g6f": "has a part of a card, which hands out no whole one",
    "gr6f": "has a part of a card, which hands out no whole one",
    "g7e": "needs driver branch 595, and the images of EKS carry 580",
    "p6-b200": "was not tried yet, and its card is not in the catalog",
    "p6-b300": "was not tried yet, and its card is not in the catalog",
}

# Availability zones of a region that offer the family; where a region is missing, nobody offers it there.
# Source: EC2 DescribeInstanceTypeOfferings as moto 5.2.5 carries it, August 2026. Asked anew at each up.
G5_ZONES: dict[str, int] = {
    "us-east-1": 5, "us-east-2": 3, "us-west-2": 3, "ca-central-1": 2, "sa-east-1": 2, "eu-central-1": 3,
    "eu-west-1": 3, "eu-west-2": 2, "eu-west-3": 3, "eu-north-1": 2, "eu-south-2": 3, "ap-northeast-1": 2,
    "ap-northeast-2": 3, "ap-south-1": 2, "ap-southeast-2": 2, "ap-southeast-3": 2, "ap-east-1": 2,
    "me-central-1": 2, "il-central-1": 3,
}  # fmt: skip


def family(name: str) -> str:
    """`g5` of `g5.xlarge`."""
    return name.partition(".")[0]


def why_not(name: str) -> str:
    """Why a node group cannot have this instance type; empty where it can."""
    if name in TYPES:
        return ""
    if family(name) in _NOT_HERE:
        return f"{family(name)} {_NOT_HERE[family(name)]}"
    sizes = [one for one in TYPES if family(one) == family(name)]
    if sizes:
        return f"{name} does not exist; there are {', '.join(sizes)}"
    families = ", ".join(dict.fromkeys(one.family for one in TYPES.values()))
    return f"{name} is not known as an instance type with NVIDIA cards; known families: {families}"


def like(name: str) -> list[str]:
    """Other instance types with as many cards of the same kind: what may be had where this one is sold out."""
    it = TYPES[name]
    return [one.name for one in TYPES.values() if (one.card, one.gpus) == (it.card, it.gpus) and one.name != name]


def mixed(names: Sequence[str]) -> str:
    """What differs between the types of one node group that must not: cards and their number."""
    kinds = {(TYPES[name].card, TYPES[name].gpus) for name in names if name in TYPES}
    return ", ".join(f"{gpus} x {card}" for card, gpus in sorted(kinds)) if len(kinds) > 1 else ""


class Quota(NamedTuple):
    """How many vCPUs of a class of instances may run in a region."""

    code: str
    about: str


# Source: AWS Service Quotas, service `ec2`; facts of 2026-11-21.
_QUOTAS = {
    ("g", False): Quota("L-DB2E81BA", "on-demand G and VT instances"),
    ("g", True): Quota("L-3819A6DF", "spot G and VT instances"),
    ("p", False): Quota("L-417A185B", "on-demand P instances"),
    ("p", True): Quota("L-7212CCBC", "spot P instances"),
}


def quota(name: str, spot: bool) -> Quota:
    """The quota that counts for an instance type."""
    return _QUOTAS["p" if name.startswith("p") else "g", spot]


def vcpus(names: Sequence[str], nodes: int) -> int:
    """The most vCPUs that so many nodes can need: any of the types may be chosen."""
    return max((TYPES[name].vcpus for name in names if name in TYPES), default=0) * nodes
