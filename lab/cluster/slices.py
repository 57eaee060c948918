"""What the device plugin hands out of a divided card, and what feature discovery says of it."""

from __future__ import annotations

from decide.mig_cards import label
from lab.cluster import dividing, host
from lab.cluster.operand_programs import ALONE, PLUGIN
from lab.cluster.store import Cluster, Object

STRATEGY = "MIG_STRATEGY"
WHOLE = "nvidia.com/gpu"


def variables(strategy: str | None) -> Object:
    """How a container is told: nothing where nothing is said."""
    return {"env": [{"name": STRATEGY, "value": strategy}]} if strategy else {}


def strategy_of(cluster: Cluster, node: str) -> str:
    """As what the plugin on this node hands out slices."""
    pod = host.operand(cluster, node, PLUGIN) or host.operand(cluster, node, ALONE)
    told = [one for container in host.containers(pod) for one in container.get("env", ())] if pod else []
    return next((str(one["value"]) for one in told if one["name"] == STRATEGY), "none")


def of_each_card(cluster: Cluster, node: str) -> dict[str, int]:
    """What a card adds to what the node hands out."""
    made, strategy = dividing.geometry(cluster, node), strategy_of(cluster, node)
    if not made or strategy == "none":
        return {WHOLE: 1}
    if strategy == "mixed":
        return {f"nvidia.com/mig-{label(size)}": count for size, count in made.items()}
    return {WHOLE: sum(made.values()) if len(made) == 1 else 0}  # of several sizes the plugin takes none


def labels(cluster: Cluster, node: str, facts: Object) -> dict[str, str]:
    """Labels of feature discovery about MIG; of slices that pass for cards it names the size."""
    made, strategy = dividing.geometry(cluster, node), strategy_of(cluster, node)
    said = {"nvidia.com/mig.capable": str(facts["mig"]).lower(), "nvidia.com/mig.strategy": strategy}
    if strategy == "mixed":
        return {**said, **{f"nvidia.com/mig-{label(size)}.memory": _memory(size) for size in made}}
    if strategy != "single" or len(made) != 1:
        return said
    ((size, count),) = made.items()
    product = f"{facts['card'].replace(' ', '-')}-MIG-{label(size)}"
    slices = {"product": product, "count": str(facts["gpus"] * count), "memory": _memory(size)}
    return {**said, **{f"nvidia.com/gpu.{key}": value for key, value in slices.items()}}


def _memory(size: str) -> str:
    """In MiB: somewhat less than its name says."""
    return str(int(size.partition(".")[2].partition("gb")[0]) * 1024 - 256)
