"""One card for several pods: what the device plugin is told, with the operator or alone, and what cannot be."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from decide import defaults
from decide.operator_values import Value

PROFILE = "shared"  # a node may have another configuration, by its label nvidia.com/device-plugin.config
ANNOTATION = "gpu-ready/sharing"
STRATEGIES = {"timeSlicing": "time-sliced", "mps": "shared by MPS"}
ISOLATION = {
    "timeSlicing": "pods on a card take turns; nothing keeps their memory, faults or metrics apart",
    "mps": "pods on a card run at once, each with its part of memory and threads; a fault of one ends all",
}
MOST = 48  # clients of one MPS server, by NVIDIA's MPS guide; more turns on a card than that help nobody


class Sharing(NamedTuple):
    """How a card is shared, and by how many."""

    strategy: str
    replicas: int


def read(plain: Mapping[str, Any] | None) -> Sharing | None:
    """From plain values; none: a card is one pod's alone."""
    return Sharing(str(plain["strategy"]), int(plain["replicas"])) if plain else None


def config(sharing: Sharing) -> str:
    """The plugin's configuration file; more than one share for a pod would give it nothing and is refused to it."""
    lines = ["version: v1", "sharing:", f"  {sharing.strategy}:"]
    # MPS refuses that by itself and does not know the word.
    lines += ["    failRequestsGreaterThanOne: true"] if sharing.strategy == "timeSlicing" else []
    lines += ["    resources:", f"      - name: {defaults.RESOURCE_NAME}", f"        replicas: {sharing.replicas}"]
    return "\n".join(lines) + "\n"


def digest(sharing: Sharing) -> str:
    """Another one for another configuration: whatever carries it is rolled out anew."""
    return hashlib.sha256(config(sharing).encode()).hexdigest()[:8]


def operator_values(sharing: Sharing | None) -> Iterator[Value]:
    """The chart makes the ConfigMap; its name changes with its content, which the operator does not watch."""
    if sharing:
        why = f"gpu.sharing: each card {STRATEGIES[sharing.strategy]} in {sharing.replicas}"
        yield Value("devicePlugin.config.create", True, why)
        yield Value("devicePlugin.config.name", f"gpu-ready-sharing-{digest(sharing)}", why)
        yield Value("devicePlugin.config.default", PROFILE, f"{why}; a node may have another by label")
        yield Value("devicePlugin.config.data", {PROFILE: config(sharing)}, why)


def plugin_values(sharing: Sharing | None) -> Iterator[Value]:
    """Likewise in the plugin's own chart, whose ConfigMap keeps its name: hence the mark on the pods."""
    if sharing:
        why = f"gpu.sharing: each card {STRATEGIES[sharing.strategy]} in {sharing.replicas}"
        yield Value("config.map", {PROFILE: config(sharing)}, why)
        yield Value("config.default", PROFILE, f"{why}; a node may have another by label")
        yield Value("podAnnotations", {ANNOTATION: digest(sharing)}, "another configuration makes other pods")
