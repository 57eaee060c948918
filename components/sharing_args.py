"""Argument types of how cards are shared or divided."""

from enum import Enum
from typing import TypedDict

from typing_extensions import NotRequired


class AllocationBy(str, Enum):
    """How pods get cards."""

    DEVICE_PLUGIN = "devicePlugin"
    """By limits, of a device plugin."""
    DRA = "dra"
    """By claims, of NVIDIA's DRA driver."""


class SharingBy(str, Enum):
    """How pods share a card."""

    TIME_SLICING = "timeSlicing"
    """By turns; nothing keeps them apart."""
    MPS = "mps"
    """At once, each with a part of memory and threads."""


class Sharing(TypedDict):
    """Several pods on one card."""

    strategy: SharingBy
    """How they share it."""
    replicas: int
    """How many may have it at a time."""


class MigStrategy(str, Enum):
    """As what slices are handed out."""

    SINGLE = "single"
    """As `nvidia.com/gpu`; all of one size."""
    MIXED = "mixed"
    """As `nvidia.com/mig-SIZE`."""


class Mig(TypedDict):
    """Cards divided into slices."""

    profile: str
    """How each card is divided: `all-SIZE`, `all-balanced`, `all-disabled`, or one of `layouts`."""
    strategy: NotRequired[MigStrategy]
    """As what slices are handed out. Default: single"""
    nodes: NotRequired[dict[str, str]]
    """Nodes, or hosts, that have another profile."""
    layouts: NotRequired[dict[str, dict[str, int]]]
    """Profiles of your own: of each card so many slices of these sizes. They take the place of NVIDIA's."""
    card: NotRequired[str]
    """Which card all of them are, by label `nvidia.com/gpu.product`."""
    reboot: NotRequired[bool]
    """Whether the MIG manager may reboot a node. Default: no"""
