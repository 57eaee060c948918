"""How MIG divides which card: sizes of slices, and how many of one size a card becomes."""

from __future__ import annotations

from collections.abc import Mapping

OFF = "all-disabled"
BALANCED = "all-balanced"

_40 = {"1g.5gb": 7, "1g.5gb.me": 1, "1g.10gb": 4, "2g.10gb": 3, "3g.20gb": 2, "4g.20gb": 1, "7g.40gb": 1}
_80 = {"1g.10gb": 7, "1g.10gb.me": 1, "1g.20gb": 4, "2g.20gb": 3, "3g.40gb": 2, "4g.40gb": 1, "7g.80gb": 1}
_141 = {"1g.18gb": 7, "1g.18gb.me": 1, "1g.35gb": 4, "2g.35gb": 3, "3g.71gb": 2, "4g.71gb": 1, "7g.141gb": 1}
_NVL = {"1g.12gb": 7, "1g.12gb.me": 1, "1g.24gb": 4, "2g.24gb": 3, "3g.47gb": 2, "4g.47gb": 1, "7g.94gb": 1}
_B200 = {"1g.23gb": 7, "1g.23gb.me": 1, "1g.45gb": 4, "2g.45gb": 3, "3g.90gb": 2, "4g.90gb": 1, "7g.180gb": 1}
_A30 = {"1g.6gb": 4, "1g.6gb.me": 1, "2g.12gb": 2, "2g.12gb.me": 1, "4g.24gb": 1}

# Slices and how many of one size a card has: the operator's own list (assets/state-mig-manager/0400_configmap.yaml, a
# commit of August 2026) and mig-parted's config-default.yaml, read 2026-11-22. Product names, as labels of GPU feature
# discovery, are from memory.
CARDS: Mapping[str, Mapping[str, int]] = {
    "NVIDIA-A30": _A30,
    "NVIDIA-A100-SXM4-40GB": _40,
    "NVIDIA-A100-PCIE-40GB": _40,
    "NVIDIA-A100-SXM4-80GB": _80,
    "NVIDIA-A100-80GB-PCIe": _80,
    "NVIDIA-H100-80GB-HBM3": _80,
    "NVIDIA-H100-PCIe": _80,
    "NVIDIA-H100-NVL": _NVL,
    "NVIDIA-H200": _141,
    "NVIDIA-H200-NVL": _141,
    "NVIDIA-B200": _B200,
}
_BALANCED = (({"1": 2, "2": 1, "3": 1}, 7), ({"1": 2, "2": 1}, 4))
"""Of the profile all-balanced: slices by their number of parts, on a card that has so many."""


def slices(profile: str, card: str, layouts: Mapping[str, Mapping[str, int]] | None = None) -> dict[str, int]:
    """What a card of this product becomes: slices by size; nothing where the profile does not fit it, or is off."""
    if layouts and profile in layouts:
        return dict(layouts[profile])
    has = CARDS.get(card, {})
    if profile == BALANCED and has:
        parts = next(parts for parts, most in _BALANCED if most == next(iter(has.values())))
        return {_smallest(has, number): count for number, count in parts.items()}
    size = profile.removeprefix("all-")
    return {size: has[size]} if size in has and size != profile else {}


def _smallest(has: Mapping[str, int], parts: str) -> str:
    """The smallest size of so many parts that a card has: sizes stand in order."""
    return next(size for size in has if size.startswith(f"{parts}g."))


def fits(profile: str, card: str, layouts: Mapping[str, Mapping[str, int]] | None = None) -> bool:
    """Whether a card of this product can be divided so."""
    if profile == OFF:
        return True
    if layouts and profile in layouts:
        return all(count <= CARDS[card].get(label(size), 0) for size, count in layouts[profile].items())
    return bool(slices(profile, card))


def label(size: str) -> str:
    """A size as resources and labels have it: `1g.5gb+me` is `1g.5gb.me` there."""
    return size.replace("+", ".")
