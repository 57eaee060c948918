"""In how many shares the device plugin hands out each card of a node: what its configuration says there."""

from __future__ import annotations

import re
from typing import NamedTuple

from lab.cluster import host
from lab.cluster.operand_programs import ALONE, PLUGIN
from lab.cluster.store import Cluster, Object

VOLUME = "available-configs"
CHOICE = "nvidia.com/device-plugin.config"


class Shares(NamedTuple):
    """How a card is shared, and in how many parts."""

    strategy: str = "none"
    replicas: int = 1


def of_node(cluster: Cluster, node: Object) -> Shares:
    """By the configuration of the plugin's pod on this node; its label chooses another one."""
    name = node["metadata"]["name"]
    pod = host.operand(cluster, name, PLUGIN) or host.operand(cluster, name, ALONE)
    volumes = [one for one in pod["spec"].get("volumes", ()) if one["name"] == VOLUME] if pod else []
    if not (pod and volumes):
        return Shares()
    found = cluster.get("ConfigMap", volumes[0]["configMap"]["name"], pod["metadata"]["namespace"])
    usual = volumes[0]["configMap"]["default"]
    return said((found or {}).get("data", {}).get(node["metadata"]["labels"].get(CHOICE, usual), ""))


def said(text: str) -> Shares:
    """What a configuration file says."""
    strategy, replicas = re.search(r"(timeSlicing|mps):", text), re.search(r"replicas: (\d+)", text)
    if not (strategy and replicas):
        return Shares()
    return Shares({"timeSlicing": "time-slicing", "mps": "mps"}[strategy[1]], int(replicas[1]))


def volumes(name: str, default: str) -> list[Object]:
    """How a pod gets its configuration; nothing where there is none."""
    return [{"name": VOLUME, "configMap": {"name": name, "default": default}}] if name else []
