"""What somebody else's operator does to a cluster by itself is nobody's remainder, and is left out of a comparison."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from lab.cluster.store import Object

_POLICY = "ClusterPolicy/"
_ITS_MARKS = ("nvidia.com/", "feature.node.kubernetes.io/", "nfd.node.kubernetes.io/")


def comparable(shot: Mapping[str, Object], start: Mapping[str, Object]) -> dict[str, Object]:
    """A snapshot without what belongs to an operator that was there from the start: it answers to each new driver."""
    if not any(name.startswith(_POLICY) for name in start):
        return dict(shot)
    spaces = {name.split("/")[1] for name in start if name.startswith("Deployment/") and name.endswith("gpu-operator")}
    return {
        name: _unmarked(one) if one["kind"] == "Node" else one
        for name, one in shot.items()
        if not name.startswith(_POLICY) and one["metadata"].get("namespace") not in spaces
    }


def _unmarked(node: Object) -> Object:
    plain = copy.deepcopy(node)
    parts = [plain["metadata"].get(key) for key in ("labels", "annotations")]
    parts += [plain["status"].get(key) for key in ("capacity", "allocatable")]
    for part in filter(None, parts):
        for key in [key for key in part if key.startswith(_ITS_MARKS)]:
            part.pop(key)
    return plain
