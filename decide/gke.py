"""What cannot be, of a wish for GPU pools on GKE: every fault at once, with its id, its path and the fix. Pure.

Sources of the rules: Google's Cluster Toolkit v1.95.0 (preconditions of gke-node-pool), the provider's own checks and
GKE's guides, as compiled on 2026-11-21; the rules about operator and plugin are NVIDIA's and AICR's.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from decide import gke_machines as machines
from decide.gke_pool import GPU_TAINT, card_of, is_flex
from decide.known import as_far_as_known
from decide.ownership_gke import OPT_OUT
from decide.wording import similar

Wish = Mapping[str, Any]


class GkeFault(NamedTuple):
    """One thing that cannot be."""

    id: str
    path: str
    problem: str
    fix: str


def faults(gke: Wish, platform: bool) -> list[GkeFault]:
    """Everything that is wrong; `platform` says whether GKE brings driver and plugin, or the operator does."""
    found = [*as_far_as_known(_cluster(gke))]
    for index, pool in enumerate(gke.get("pools") or ()):
        for rule in _RULES:
            for id, key, problem, fix in as_far_as_known(rule(pool, gke, platform)):
                found.append(GkeFault(id, f"pools[{index}].{key}" if key else f"pools[{index}]", problem, fix))
    return found


def warnings(gke: Wish) -> list[str]:
    """What may well be right, and yet is worth a word before half an hour is waited."""
    said = []
    for pool in gke.get("pools") or ():
        known = machines.ZONES.get(machines.family(pool["machine_type"]))
        there = _zones(pool, gke)
        unseen = [zone for zone in there if known and zone not in known]
        if unseen:
            said.append(
                f"GKE-4 pool {pool['name']}: {pool['machine_type']} was not seen in {', '.join(unseen)} in 2026"
            )
    return said


Rule = Callable[[Wish, Wish, bool], Iterator[tuple[str, str, str, str]]]


def _cluster(gke: Wish) -> Iterator[GkeFault]:
    names = [str(pool["name"]) for pool in gke.get("pools") or ()]
    if not names:
        yield GkeFault("GKE-8", "pools", "names no pool", "pools: [{name: a100, machineType: a2-highgpu-1g}]")
    for name in dict.fromkeys(one for one in names if names.count(one) > 1):
        yield GkeFault("GKE-8", "pools", f"two pools have the name {name}", "give each a name of its own")
    cluster = gke.get("cluster") or {}
    if cluster.get("create") and cluster.get("subnetwork") and not cluster.get("network"):
        yield GkeFault("GKE-8", "cluster.subnetwork", "a subnetwork needs its network", "network: my-network")


def _zones(pool: Wish, gke: Wish) -> list[str]:
    """The zones of a pool, as far as the wish says them."""
    zonal = [gke["location"]] if machines.ZONE.fullmatch(gke["location"]) else []
    return list(pool.get("zones") or zonal)


def _machine(pool: Wish, _gke: Wish, _platform: bool) -> Iterator[tuple[str, str, str, str]]:
    """Machine type and card are one choice, but for N1."""
    kind, asked = str(pool["machine_type"]), pool.get("accelerator")
    known = machines.MACHINES.get(kind)
    if known and asked and asked != known.accelerator:
        yield "GKE-3", "accelerator", f"{kind} has {known.accelerator} built in, and takes no {asked}", "leave it out"
    if known and pool.get("gpus") not in (None, known.gpus):
        yield "GKE-3", "gpus", f"{kind} has {known.gpus} of them, not {pool['gpus']}", "leave gpus out"
    if known:
        return
    if machines.N1.fullmatch(kind):
        yield from _n1(pool)
        return
    if kind.startswith(machines.NOT_HERE):
        yield "GKE-1", "machineType", f"{kind} comes with a later release", "machineType: a2-highgpu-1g"
        return
    close = similar(kind, machines.MACHINES)
    if machines.family(kind) in {machines.family(one) for one in machines.MACHINES}:
        yield "GKE-1", "machineType", f"there is no {kind}", f"machineType: {close or 'a2-highgpu-1g'}"
    else:
        fix = (
            "machineType: a2-highgpu-1g (A100), g2-standard-8 (L4), or n1-standard-8 with accelerator: nvidia-tesla-t4"
        )
        yield "GKE-2", "machineType", f"{kind} takes no card: only a2, a3, a4, g2 and n1 do", fix


def _n1(pool: Wish) -> Iterator[tuple[str, str, str, str]]:
    card, gpus = card_of(pool)
    if not card:
        yield "GKE-3", "accelerator", f"{pool['machine_type']} needs one", "accelerator: nvidia-tesla-t4"
    elif gpus not in machines.ATTACHABLE.get(card, ()):
        allowed = ", ".join(map(str, machines.ATTACHABLE.get(card, ())))
        yield "GKE-3", "gpus", f"{gpus} of {card} cannot be attached; {allowed} can", "gpus: 1"


def _places(pool: Wish, gke: Wish, _platform: bool) -> Iterator[tuple[str, str, str, str]]:
    region = machines.region_of(gke["location"])
    for zone in pool.get("zones") or ():
        if not machines.ZONE.fullmatch(zone):
            yield "GKE-4", "zones", f"{zone} is no zone", f"zones: [{region}-a]"
        elif machines.region_of(zone) != region:
            yield "GKE-4", "zones", f"{zone} is not in {region}, where the cluster is", f"zones: [{region}-a]"
    if pool.get("compact") and len(pool.get("zones") or ()) > 1:
        yield "GKE-4", "compact", "nodes that are close together are in one zone", f"zones: [{region}-a]"


def _division(pool: Wish, _gke: Wish, platform: bool) -> Iterator[tuple[str, str, str, str]]:
    """MIG and sharing belong to GKE's partitioner and plugin, so they need both."""
    card, _gpus = card_of(pool)
    size, sizes = pool.get("partition_size"), machines.PARTITIONS.get(card, {})
    if size and not sizes:
        yield "GKE-5", "partitionSize", f"{card} cannot be divided by MIG", "leave partitionSize out, or share it"
    elif size and size not in sizes:
        yield (
            "GKE-5",
            "partitionSize",
            f"{card} has no {size}; it has {', '.join(sizes)}",
            f"partitionSize: {next(iter(sizes))}",
        )
    for key, name in (("partition_size", "partitionSize"), ("sharing_strategy", "sharing")):
        if pool.get(key) and not platform:
            problem = "is done by GKE's own plugin, which the label of gpu.driver: operator keeps away"
            yield "GKE-6", name, problem, "gpu.driver: platform"
    if pool.get("sharing_strategy") and not pool.get("sharing_clients"):
        yield "GKE-6", "sharing", "says not among how many", "sharing: {strategy: timeSharing, clients: 4}"


def _bought(pool: Wish, gke: Wish, _platform: bool) -> Iterator[tuple[str, str, str, str]]:
    how, named = pool.get("capacity") or "onDemand", pool.get("reservation")
    if how == "reservation" and not named:
        yield "GKE-7", "reservation", "is missing", "reservation: my-a100"
    if how == "reservation" and not _zones(pool, gke):
        yield "GKE-7", "zones", "a reservation is in one zone, which has to be named", f"zones: [{gke['location']}-a]"
    if named and how != "reservation":
        yield "GKE-7", "reservation", f"capacity {how} uses no reservation", "capacity: reservation"
    if is_flex(pool) and pool.get("min_nodes"):
        yield "GKE-7", "minNodes", f"nodes of capacity {how} come only when they are asked for", "minNodes: 0"
    if how == "queued" and pool.get("compact"):
        yield "GKE-7", "compact", "nodes of a queue are not placed together", "compact: false"
    if is_flex(pool) and (pool.get("max_surge") or pool.get("max_unavailable")):
        yield "GKE-7", "maxSurge", "flex-start nodes are short-lived: their upgrades cannot be set", "leave it out"


def _size(pool: Wish, _gke: Wish, _platform: bool) -> Iterator[tuple[str, str, str, str]]:
    least, most = int(pool.get("min_nodes") or 0), int(pool.get("max_nodes") or 1)
    if least > most:
        yield "GKE-8", "minNodes", f"{least} is more than maxNodes, {most}", f"maxNodes: {least}"
    if pool.get("max_unavailable") == 0 and not pool.get("max_surge"):
        problem = "an upgrade needs a spare node or one that may go away"
        yield "GKE-8", "maxUnavailable", problem, "maxUnavailable: 1"


def _image(pool: Wish, _gke: Wish, platform: bool) -> Iterator[tuple[str, str, str, str]]:
    image, version = pool.get("image") or "COS_CONTAINERD", pool.get("driver_version") or "default"
    if version == "latest" and image != "COS_CONTAINERD":
        yield "GKE-9", "driverVersion", f"{image} has only GKE's default driver", "driverVersion: default"
    if version == "latest" and not platform:
        yield "GKE-9", "driverVersion", "GKE installs no driver with gpu.driver: operator", "leave driverVersion out"
    built_in = machines.MACHINES.get(pool["machine_type"])
    if pool.get("local_ssds") and built_in and built_in.local_ssds:
        yield "GKE-9", "localSsds", f"{pool['machine_type']} has its own, always", "leave localSsds out"


def _marks(pool: Wish, _gke: Wish, _platform: bool) -> Iterator[tuple[str, str, str, str]]:
    """Labels and taints that are not the user's to set."""
    for label in pool.get("labels") or {}:
        if label == OPT_OUT:
            problem = "decides who brings the driver too; without a driver by the operator no node ever gets one"
            yield "GKE-10", "labels", f"{label} {problem}", "gpu.driver: operator sets it"
        elif label.partition("/")[0].endswith(("kubernetes.io", "k8s.io")) and "/" in label:
            yield "GKE-10", "labels", f"GKE refuses {label}: such names are Kubernetes' own", "leave it out"
        elif label.startswith(("gpu-ready/", "cloud.google.com/")):
            yield "GKE-10", "labels", f"{label} is not yours to set", "leave it out"
    for one in pool.get("taints") or ():
        if one.get("key") == GPU_TAINT["key"]:
            problem = (
                f"{GPU_TAINT['key']}=present:NoSchedule is there already; another one of that key is refused (CLD-5)"
            )
            yield "GKE-10", "taints", problem, "leave it out"


_RULES: tuple[Rule, ...] = (_machine, _places, _division, _bought, _size, _image, _marks)
