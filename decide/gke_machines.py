"""Machine types of Google Cloud that carry cards: which, how many, where they were seen, and how MIG divides them.

Sources: GoogleCloudPlatform/cluster-toolkit pkg/config/machine_mappings.json (v1.95.0, June 2026); zones: skypilot's
catalogue of Google's prices (v8, 2026), which is why a zone that is missing here is a warning and never a refusal;
partitions: GoogleCloudPlatform/container-engine-accelerators mig.go and partition_gpu.go (June 2026).
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

A100, A100_80, L4, T4 = "nvidia-tesla-a100", "nvidia-a100-80gb", "nvidia-l4", "nvidia-tesla-t4"
V100, P100, P4 = "nvidia-tesla-v100", "nvidia-tesla-p100", "nvidia-tesla-p4"
H100, H100_MEGA, H200, B200 = "nvidia-h100-80gb", "nvidia-h100-mega-80gb", "nvidia-h200-141gb", "nvidia-b200"


class Machine(NamedTuple):
    """What a machine type is fixed to."""

    accelerator: str
    gpus: int
    local_ssds: bool = False
    """Whether local SSDs are part of it, so that their number is not ours to say."""


def _family(
    form: str, accelerator: str, sizes: Mapping[int | str, int], local_ssds: bool = False
) -> dict[str, Machine]:
    return {form.format(size): Machine(accelerator, gpus, local_ssds) for size, gpus in sizes.items()}


MACHINES: Mapping[str, Machine] = {
    **_family("a2-highgpu-{}g", A100, {1: 1, 2: 2, 4: 4, 8: 8}),
    "a2-megagpu-16g": Machine(A100, 16),
    **_family("a2-ultragpu-{}g", A100_80, {1: 1, 2: 2, 4: 4, 8: 8}, local_ssds=True),
    **_family("g2-standard-{}", L4, {4: 1, 8: 1, 12: 1, 16: 1, 32: 1, 24: 2, 48: 4, 96: 8}),
    **_family("a3-highgpu-{}g", H100, {1: 1, 2: 2, 4: 4, 8: 8}, local_ssds=True),
    "a3-megagpu-8g": Machine(H100_MEGA, 8, local_ssds=True),
    "a3-ultragpu-8g": Machine(H200, 8, local_ssds=True),
    "a4-highgpu-8g": Machine(B200, 8, local_ssds=True),
}
ATTACHABLE: Mapping[str, tuple[int, ...]] = {T4: (1, 2, 4), P4: (1, 2, 4), V100: (1, 2, 4, 8), P100: (1, 2, 4)}
"""Cards that an N1 machine takes, and how many of them; no other family takes any."""
N1 = re.compile(r"n1-(standard|highmem|highcpu)-\d+|n1-custom-\d+-\d+")
NOT_HERE = ("a4x-", "g4-standard-")
"""Families with cards that this release does not know well enough: arm64 by reservation only, fractions of a card."""

_A100_ZONES = """
    us-central1-a us-central1-b us-central1-c us-central1-f us-east1-b us-west1-b us-west3-b us-west4-b europe-west4-a
    europe-west4-b me-west1-a me-west1-c asia-northeast1-a asia-northeast1-c asia-northeast3-a asia-northeast3-b
    asia-southeast1-a asia-southeast1-b asia-southeast1-c
"""
_L4_ZONES = """
    asia-east1-a asia-east1-b asia-east1-c asia-northeast1-a asia-northeast1-b asia-northeast1-c asia-northeast3-a
    asia-northeast3-b asia-south1-a asia-south1-b asia-south1-c asia-southeast1-a asia-southeast1-b asia-southeast1-c
    europe-west1-b europe-west1-c europe-west2-a europe-west2-b europe-west3-a europe-west3-b europe-west4-a
    europe-west4-b europe-west4-c europe-west6-b europe-west6-c me-central2-a me-central2-c northamerica-northeast1-b
    northamerica-northeast1-c northamerica-northeast2-a northamerica-northeast2-b us-central1-a us-central1-b
    us-central1-c us-east1-b us-east1-c us-east1-d us-east4-a us-east4-c us-west1-a us-west1-b us-west1-c us-west4-a
    us-west4-c
"""
ZONES: Mapping[str, frozenset[str]] = {
    "a2-highgpu": frozenset(_A100_ZONES.split()),
    "a2-megagpu": frozenset(
        [
            "us-central1-a",
            "us-central1-b",
            "us-central1-c",
            "us-central1-f",
            "europe-west4-a",
            "europe-west4-b",
            "asia-southeast1-a",
            "asia-southeast1-c",
        ]
    ),
    "a2-ultragpu": frozenset(
        [
            "us-central1-a",
            "us-central1-c",
            "us-east4-c",
            "us-east5-a",
            "us-east5-b",
            "europe-west4-a",
            "asia-southeast1-c",
        ]
    ),
    "g2-standard": frozenset(_L4_ZONES.split()),
    "a3-ultragpu": frozenset(
        [
            "us-central1-b",
            "us-east4-b",
            "us-east5-a",
            "us-south1-b",
            "us-west1-c",
            "europe-west1-b",
            "europe-west4-a",
            "asia-south1-b",
            "asia-south2-c",
        ]
    ),
    "a4-highgpu": frozenset(
        [
            "us-central1-b",
            "us-east1-b",
            "us-east4-b",
            "us-south1-b",
            "us-west2-c",
            "us-west3-b",
            "us-west3-c",
            "europe-north1-b",
            "europe-west4-b",
            "asia-northeast1-b",
            "asia-southeast1-b",
        ]
    ),
}
"""Zones in which a family was seen in 2026. Of families that are not here the list is not known whole."""

_OF_80 = {"1g.10gb": 7, "2g.20gb": 3, "3g.40gb": 2, "7g.80gb": 1}
PARTITIONS: Mapping[str, Mapping[str, int]] = {
    A100: {"1g.5gb": 7, "2g.10gb": 3, "3g.20gb": 2, "7g.40gb": 1},
    A100_80: _OF_80,
    H100: {**_OF_80, "1g.20gb": 4},
    H100_MEGA: {**_OF_80, "1g.20gb": 4},
    H200: {"1g.18gb": 7, "1g.35gb": 4, "2g.35gb": 3, "3g.71gb": 2, "4g.71gb": 1, "7g.141gb": 1},
    B200: {"1g.23gb": 7, "1g.45gb": 4, "2g.45gb": 3, "3g.90gb": 2, "4g.90gb": 1, "7g.180gb": 1},
}
"""Sizes of GPU partitions that both the partitioner and the plugin of GKE know, and how many a card becomes.

4g.20gb of the A100 and 4g.40gb of the 80 GB cards are left out: the plugin's own table lacks them.
"""


def family(machine_type: str) -> str:
    """The first two words of a machine type."""
    return "-".join(machine_type.split("-")[:2])


def region_of(location: str) -> str:
    """The region that a zone belongs to; a region is its own."""
    return re.sub(r"-([a-z]|ai\d+[a-z])$", "", location)


ZONE = re.compile(r"[a-z]+-[a-z]+\d+-([a-z]|ai\d+[a-z])")
"""Zones for AI have a longer ending: us-south1-ai1b."""
REGION = re.compile(r"[a-z]+-[a-z]+\d+")
