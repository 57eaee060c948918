"""What a node of a GKE pool is born with: labels, taints, card, driver and plugin, by what the pool says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.cluster.pools import Pool
from lab.provider import CheckFailure, Props

_CARDS = {
    "nvidia-tesla-a100": "NVIDIA A100-SXM4-40GB",
    "nvidia-a100-80gb": "NVIDIA A100-SXM4-80GB",
    "nvidia-l4": "NVIDIA L4",
    "nvidia-tesla-t4": "Tesla T4",
    "nvidia-tesla-v100": "Tesla V100-SXM2-16GB",
    "nvidia-h100-80gb": "NVIDIA H100 80GB HBM3",
    "nvidia-h100-mega-80gb": "NVIDIA H100 80GB HBM3",
    "nvidia-h200-141gb": "NVIDIA H200",
}
_DRIVERS = {"DEFAULT": "580.126.20", "LATEST": "595.91.07"}
_EFFECTS = {"NO_SCHEDULE": "NoSchedule", "PREFER_NO_SCHEDULE": "PreferNoSchedule", "NO_EXECUTE": "NoExecute"}
_IMAGES = {"UBUNTU_CONTAINERD": "Ubuntu 24.04.3 LTS"}
OPT_OUT = "gke-no-default-nvidia-gpu-device-plugin"
_SLICES = {"1g": 7, "2g": 3, "3g": 2, "4g": 1, "7g": 1}


def faults(inputs: Props) -> Iterator[CheckFailure]:
    """Cards that the catalog does not have."""
    wanted = _accelerator(inputs).get("type")
    if wanted and wanted not in _CARDS:
        yield CheckFailure("nodeConfig.guestAccelerators", f"the rehearsal has no {wanted}; it has {', '.join(_CARDS)}")


def least(inputs: Props) -> int:
    """Nodes that a pool always has."""
    scaling = inputs.get("autoscaling") or {}
    zones = max(len(inputs.get("nodeLocations") or []), 1)
    if scaling:
        return int(scaling.get("totalMinNodeCount") or 0) or int(scaling.get("minNodeCount") or 0) * zones
    return int(inputs.get("nodeCount") or inputs.get("initialNodeCount") or 0) * zones


def most(inputs: Props) -> int:
    """Nodes that it may have."""
    scaling = inputs.get("autoscaling") or {}
    zones = max(len(inputs.get("nodeLocations") or []), 1)
    found = int(scaling.get("totalMaxNodeCount") or 0) or int(scaling.get("maxNodeCount") or 0) * zones
    return found or least(inputs)


def group(id: str) -> str:
    """The beginning of its nodes' names."""
    cluster, _, name = id.rpartition("/clusters/")[2].partition("/nodePools/")
    return f"gke-{cluster}-{name}"


def quota(inputs: Props) -> str:
    """The metric that a refusal names."""
    kind = str(_accelerator(inputs).get("type", "")).removeprefix("nvidia-").removeprefix("tesla-")
    return f"NVIDIA_{kind.replace('-', '_').upper()}_GPUS"


def pool(id: str, inputs: Props) -> Pool:
    """The pool as the simulated cluster knows it."""
    return Pool(group(id), _node(inputs), least(inputs), most(inputs), "GCE")


def _accelerator(inputs: Props) -> Props:
    return next(iter((inputs.get("nodeConfig") or {}).get("guestAccelerators") or []), {})


def _node(inputs: Props) -> dict[str, Any]:
    config = inputs.get("nodeConfig") or {}
    card = _accelerator(inputs)
    managed = _driver(card)
    opted_out = str((config.get("labels") or {}).get(OPT_OUT)) == "true"
    plugin = bool(card and managed and not opted_out)
    image = str(config.get("imageType") or "COS_CONTAINERD").upper()
    return {
        "card": _CARDS.get(str(card.get("type"))),
        "gpus": _handed_out(card),
        # What installs the driver ends in the plugin's own pod: without that one there is neither.
        "driver": managed if plugin else None,
        "toolkit": plugin,
        "device_plugin": plugin,
        "labels": {**(config.get("labels") or {}), **_labels(inputs, card, managed)},
        "taints": [_taint(one) for one in config.get("taints") or []],
        "node_info": {"osImage": _IMAGES.get(image, "Container-Optimized OS from Google")},
        "cpus": 12,
        "memory": "85Gi",
    }


def _driver(card: Props) -> str | None:
    wanted = (card.get("gpuDriverInstallationConfig") or {}).get("gpuDriverVersion") or "DEFAULT"
    return _DRIVERS.get(str(wanted))


def _handed_out(card: Props) -> int:
    size = str(card.get("gpuPartitionSize") or "").partition(".")[0]
    clients = (card.get("gpuSharingConfig") or {}).get("maxSharedClientsPerGpu") or 1
    return int(card.get("count") or 0) * _SLICES.get(size, 1) * int(clients)


def _labels(inputs: Props, card: Props, managed: str | None) -> dict[str, str]:
    config = inputs.get("nodeConfig") or {}
    found = {"cloud.google.com/gke-nodepool": str(inputs["name"])}
    if card:
        found["cloud.google.com/gke-accelerator"] = str(card["type"])
        found["cloud.google.com/gke-accelerator-count"] = str(card["count"])
    if card and managed:
        wanted = (card.get("gpuDriverInstallationConfig") or {}).get("gpuDriverVersion", "DEFAULT")
        found["cloud.google.com/gke-gpu-driver-version"] = str(wanted).lower()
    if config.get("spot"):
        found["cloud.google.com/gke-spot"] = "true"
    return found


def _taint(one: Props) -> dict[str, str]:
    return {"key": str(one["key"]), "value": str(one["value"]), "effect": _EFFECTS[str(one["effect"])]}
