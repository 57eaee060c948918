"""In how many shares the device plugin hands out each card of a node: what its configuration says there."""

from __future__ import annotations

import re
from typing import NamedTuple

from lab.cluster import host
from lab.cluster.operand_programs import ALONE, MANAGER, PLUGIN
from lab.cluster.store import Cluster, Object

VOLUME = "available-configs"
CHOICE = "nvidia.com/device-plugin.config"
DEFAULT = "DEFAULT_CONFIG"


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
    chosen = node["metadata"]["labels"].get(CHOICE, _default(pod))
    return said((found or {}).get("data", {}).get(chosen, ""))


def _default(pod: Object) -> str:
    """What the manager of configurations takes on a node without a label."""
    variables = [one for container in host.containers(pod) for one in container.get("env", ())]
    return next((str(one["value"]) for one in variables if one["name"] == DEFAULT), "")


def said(text: str) -> Shares:
    """What a configuration file says."""
    strategy, replicas = re.search(r"(timeSlicing|mps):", text), re.search(r"replicas: (\d+)", text)
    if not (strategy and replicas):
        return Shares()
    return Shares({"timeSlicing": "time-slicing", "mps": "mps"}[strategy[1]], int(replicas[1]))


def configure(pod: Object, name: str, default: str, first: str, beside: str) -> list[Object]:
    """Gives a pod its configuration: a container that chooses one goes `first`; returned is the one `beside`."""
    if not name:
        return []
    how = {
        "image": pod["containers"][0]["image"],
        "command": list(MANAGER),
        "env": [{"name": DEFAULT, "value": default}],
    }
    pod["initContainers"] = [*pod.get("initContainers", ()), {"name": first, **how}]
    pod["volumes"] += [{"name": VOLUME, "configMap": {"name": name}}]
    return [{"name": beside, **how}]
