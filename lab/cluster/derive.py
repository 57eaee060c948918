"""A simulated world for any stack file: its hosts or nodes with cards, and whatever it says is there already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from decide import catalog, mig_cards

_CARDS = ("NVIDIA A10G", "Tesla T4", "NVIDIA L4")
_DRIVER = "580.126.20"
_UBUNTU, _DEBIAN = "ubuntu-24.04", "debian-12"


def world(wish: Any) -> dict[str, Any]:
    """The description of a world in which the settings `wish` can succeed."""
    gpu = wish.gpu
    if getattr(wish, "gke", None):
        return _google(wish.gke)
    if getattr(wish, "aws", None):
        return _amazon(wish.aws)
    return {
        "context": wish.cluster.context,
        **(_hosts_and_nodes(wish) if getattr(wish, "target", "") == "bareMetal" else _nodes(wish)),
        "runtime_classes": [{"name": "nvidia", "handler": "nvidia"}] if _has_class(gpu) else [],
        "operator": {
            "installed": gpu.operator.mode == "external",
            "namespace": gpu.operator.namespace,
            # Beside an operator that makes no RuntimeClass of its own there is room for ours.
            "values": {"cdi": {"nriPluginEnabled": True}} if gpu.runtime_class == "ours" else {},
        },
    }


def _google(gke: Any) -> dict[str, Any]:
    """A project in which the cluster is there, unless the stack makes it; its nodes come with the pools."""
    id = f"projects/{gke.project}/locations/{gke.location}/clusters/{gke.cluster.name}"
    there = [] if gke.cluster.create else [id]
    cloud = {"name": "gcp", "project": gke.project, "clusters": there}
    return {"nodes": [{"name": "cpu-1"}], "cloud": cloud}


def _amazon(aws: Any) -> dict[str, Any]:
    """An account with the cluster and a node for what runs on no card, unless the stack makes both."""
    there = [] if aws.cluster.create else [aws.cluster.name]
    cloud = {"name": "aws", "project": aws.account or "123456789012", "clusters": there}
    return {"nodes": [{"name": "cpu-1"}] if there else [], "cloud": cloud}


def fits(spec: Mapping[str, Any], wish: Any) -> bool:
    """Whether these are the very hosts that the settings declare, and nothing else is expected of the cluster."""
    if getattr(wish, "target", "") != "bareMetal" or wish.gpu.operator.mode == "external" or _has_class(wish.gpu):
        return False
    there = {_known_by(host) for host in spec.get("hosts") or ()}
    return spec.get("context") == wish.cluster.context and there >= {_known_by(host) for host in wish.hosts_args()}


def _known_by(host: Mapping[str, Any]) -> tuple[Any, ...]:
    return host["name"], host["address"], host.get("port") or 22, host.get("host_key")


def _has_class(gpu: Any) -> bool:
    return bool(gpu.operator.mode != "external" and gpu.runtime_class == "external")


def _nodes(wish: Any) -> dict[str, Any]:
    return {"nodes": [{"name": "cpu-1"}, *_gpu_nodes(wish)]}


def _gpu_nodes(wish: Any) -> list[dict[str, Any]]:
    cluster, alone = wish.cluster, "preinstalled" if wish.gpu.operator.mode == "none" else ""
    names = list(cluster.nodes) or ["gpu-1", "gpu-2"]
    return [
        {
            "name": name,
            **_card(wish, number, name),
            "gpus": max(wish.validation.gpus, 1),
            "driver": _DRIVER if "preinstalled" in (wish.gpu.driver, alone) else None,
            "toolkit": "preinstalled" in (wish.gpu.toolkit, alone),
            "default_runtime": wish.gpu.runtime_class == "none",
            "labels": dict(cluster.node_selector),
            "taints": _taints(cluster),
        }
        for number, name in enumerate(names)
    ]


def _card(wish: Any, number: int, name: str) -> dict[str, Any]:
    """The card of a node; one that can be divided as is wished, and is so already where nobody will do it."""
    asked = getattr(getattr(wish.gpu, "sharing", None), "mig", None)
    if not asked:
        return {"card": _CARDS[number % len(_CARDS)]}
    profile, layouts = asked.nodes.get(name, asked.profile), asked.layouts
    fitting = [one.name for one in catalog.CARDS.values() if one.mig and mig_cards.fits(profile, one.product, layouts)]
    known = [one for one in fitting if one.replace(" ", "-") == asked.card] or fitting or ["NVIDIA A100-SXM4-40GB"]
    return {"card": known[0], **({"geometry": profile} if wish.gpu.operator.mode == "none" else {})}


def _hosts_and_nodes(wish: Any) -> dict[str, Any]:
    """Hosts that answer as the stack file says they do, each of them a node."""
    hosts = [_host(wish, number, host) for number, host in enumerate(wish.hosts_args())]
    taints = _taints(wish.cluster)
    nodes = [{"name": host["node"], "taints": taints} for host in hosts]
    cloud = {"cloud": {"name": "aws", "project": "123456789012"}} if getattr(wish, "rents", False) else {}
    return {"hosts": hosts, "nodes": [{"name": "cpu-1"}, *nodes], **cloud}


def _host(wish: Any, number: int, host: Mapping[str, Any]) -> dict[str, Any]:
    source = ((host.get("wish") or {}).get("driver") or {}).get("source", "auto")
    return {
        "name": host["name"],
        "address": host["address"],
        "port": host.get("port") or 22,
        "user": host.get("user") or "root",
        "host_key": host["host_key"],
        "sudo": host.get("sudo") or "passwordless",
        "distro": _DEBIAN if source == "cudaRepo" else _UBUNTU,
        "cards": [_card(wish, number, host["name"])["card"]] * max(wish.validation.gpus, 1),
        "driver": _DRIVER if source == "keep" else None,
        "instance_store": ["blank"] if (host.get("wish") or {}).get("instance_store") else [],
        "ssh": "up" if (host.get("state") or "present") == "present" else "off",
        "node": host.get("node_name") or f"gpu-{number + 1}",
    }


def _taints(cluster: Any) -> list[dict[str, str]]:
    return [_taint(one) for one in cluster.tolerations if _field(one, "key")]


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
