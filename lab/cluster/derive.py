"""A simulated world for any stack file: its declared nodes with cards, and whatever it says is there already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CARDS = ("NVIDIA A10G", "Tesla T4", "NVIDIA L4")
_DRIVER = "580.126.20"


def world(wish: Any) -> dict[str, Any]:
    """The description of a world in which the settings `wish` can succeed."""
    gpu = wish.gpu
    return {
        "context": wish.cluster.context,
        "nodes": [{"name": "cpu-1"}, *_gpu_nodes(wish)],
        "runtime_classes": [{"name": "nvidia", "handler": "nvidia"}] if _has_class(gpu) else [],
        "operator": {
            "installed": gpu.operator.mode == "external",
            "namespace": gpu.operator.namespace,
            # Beside an operator that makes no RuntimeClass of its own there is room for ours.
            "values": {"cdi": {"nriPluginEnabled": True}} if gpu.runtime_class == "ours" else {},
        },
    }


def _has_class(gpu: Any) -> bool:
    return bool(gpu.operator.mode == "install" and gpu.runtime_class == "external")


def _gpu_nodes(wish: Any) -> list[dict[str, Any]]:
    cluster = wish.cluster
    names = list(cluster.nodes) or ["gpu-1", "gpu-2"]
    return [
        {
            "name": name,
            "card": _CARDS[number % len(_CARDS)],
            "gpus": max(wish.validation.gpus, 1),
            "driver": _DRIVER if wish.gpu.driver == "preinstalled" else None,
            "toolkit": wish.gpu.toolkit == "preinstalled",
            "labels": dict(cluster.node_selector),
            "taints": [_taint(one) for one in cluster.tolerations if _field(one, "key")],
        }
        for number, name in enumerate(names)
    ]


def _taint(toleration: Any) -> dict[str, str]:
    value = _field(toleration, "value")
    return {
        "key": _field(toleration, "key"),
        **({"value": value} if value else {}),
        "effect": _field(toleration, "effect") or "NoSchedule",
    }


def _field(one: Any, name: str) -> str:
    found = one.get(name) if isinstance(one, Mapping) else getattr(one, name, None)
    return str(found or "")
