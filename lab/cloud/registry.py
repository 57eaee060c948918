"""Which packages of clouds are rehearsed, and by what."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from lab.cloud.provider import CloudProvider

if TYPE_CHECKING:
    from lab.cluster.world import World

PACKAGES = {"gcp": "lab.cloud.gcp", "aws": "lab.cloud.aws", "tls": "lab.cloud.tls"}


def providers(world: World) -> list[CloudProvider]:
    """A stand-in for each cloud, on the account and the cluster of this world."""
    return [_provider(package, world) for package in PACKAGES]


def _provider(package: str, world: World) -> CloudProvider:
    backend = import_module(PACKAGES[package])
    return CloudProvider(package, world, backend.KINDS, backend.CALLS)
