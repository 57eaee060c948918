"""What a GPU pool of GKE is made with: the wish of a pool in, the inputs of the resource out. Pure.

What the provider cannot change in place is said from the start (taint, driver, count): what GKE adds by itself would
replace the pool at a later `up`.
"""

from collections.abc import Mapping
from typing import Any

from decide import gke_machines as machines
from decide.ownership_gke import OPT_OUT

Wish = Mapping[str, Any]
POOL_LABEL = "cloud.google.com/gke-nodepool"
OUR_LABEL = {"gpu-ready/gpu": "true"}
"""On the nodes of every pool: by it a workload finds any of them, and it never changes."""
GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}
"""Exactly the one that GKE adds where a cluster has other pools too (CLD-5)."""
EFFECTS = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
STRATEGIES = {"timeSharing": "TIME_SHARING", "mps": "MPS"}
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
"""All scopes: what a node may do is the business of its service account's roles."""
WEEK = 604_800  # seconds; the longest run of a flex-start node


def card_of(pool: Wish) -> tuple[str, int]:
    """Type and number of its cards: fixed by the machine type, but for N1."""
    known = machines.MACHINES.get(pool["machine_type"])
    if known:
        return known.accelerator, known.gpus
    return str(pool.get("accelerator") or ""), int(pool.get("gpus") or 1)


def handed_out(pool: Wish) -> int:
    """What a validation Job asks for to have a whole node: all cards or slices of it.

    A shared card is handed out as one at a time: GKE's plugin refuses more than one to a pod.
    """
    accelerator, gpus = card_of(pool)
    if pool.get("sharing_strategy"):
        return 1
    return gpus * machines.PARTITIONS.get(accelerator, {}).get(str(pool.get("partition_size")), 1)


def divided(pool: Wish) -> dict[str, Any]:
    """How each card of it is handed out, for whoever counts cards; nothing where it is handed out whole."""
    size, strategy = pool.get("partition_size"), pool.get("sharing_strategy")
    slices = machines.PARTITIONS.get(card_of(pool)[0], {}).get(str(size), 1)
    sliced = {"slice": size, "slices": slices} if size else {}
    return {**sliced, **({"sharing": strategy, "shares": int(pool["sharing_clients"])} if strategy else {})}


def node_pool(pool: Wish, gke: Wish, platform: bool) -> dict[str, Any]:
    """The inputs of a node pool, in the words of the SDK, beside its cluster."""
    wanted = {
        "name": pool["name"],
        "project": gke["project"],
        "location": gke["location"],
        "node_locations": list(pool.get("zones") or ()) or None,
        "node_config": node_config(pool, gke, platform),
        "management": {"auto_repair": not is_flex(pool), "auto_upgrade": True},
        "upgrade_settings": upgrades(pool),
        "network_config": {"enable_private_nodes": True} if pool.get("private_nodes") else None,
        "queued_provisioning": {"enabled": True} if pool.get("capacity") == "queued" else None,
        "placement_policy": {"type": "COMPACT"} if pool.get("compact") else None,
        **size(pool, zone_count(pool, gke)),
    }
    return {key: value for key, value in wanted.items() if value is not None}


def is_flex(pool: Wish) -> bool:
    """Whether nodes come by the queue of flex-start, which forbids repair and settings for upgrades."""
    return pool.get("capacity") in ("flexStart", "queued")


def zone_count(pool: Wish, gke: Wish) -> int:
    """In how many zones its nodes may be; a region has three unless it is said."""
    return len(pool.get("zones") or ()) or (1 if machines.ZONE.fullmatch(gke["location"]) else 3)


def size(pool: Wish, zones: int) -> dict[str, Any]:
    """How many nodes: as many as are asked for, in whichever zone has stock."""
    scaling = {
        "total_min_node_count": int(pool.get("min_nodes") or 0),
        "total_max_node_count": int(pool["max_nodes"]),
        "location_policy": "ANY" if pool.get("location_policy") in (None, "any") else "BALANCED",
    }
    # By the zone, and never more than the pool shall have: a pool that begins with nodes lets `up` wait for stock.
    return {"initial_node_count": int(pool.get("min_nodes") or 0) // zones, "autoscaling": scaling}


def upgrades(pool: Wish) -> dict[str, Any] | None:
    """By default no spare card is needed: one node at a time goes away and comes back."""
    if is_flex(pool):
        return None
    surge, away = int(pool.get("max_surge") or 0), pool.get("max_unavailable")
    return {"strategy": "SURGE", "max_surge": surge, "max_unavailable": int(away if away is not None else not surge)}


def node_config(pool: Wish, gke: Wish, platform: bool) -> dict[str, Any]:
    """What each node is."""
    wanted = {
        "machine_type": pool["machine_type"],
        "image_type": pool.get("image") or "COS_CONTAINERD",
        "guest_accelerators": [accelerator(pool, platform)],
        "labels": {**(pool.get("labels") or {}), **OUR_LABEL, **own_labels(pool, platform)},
        "taints": [GPU_TAINT, *(taint(one) for one in pool.get("taints") or ())],
        "disk_size_gb": int(pool.get("disk_gb") or 100),
        "disk_type": pool.get("disk_type") or "pd-balanced",
        "oauth_scopes": SCOPES,
        "service_account": pool.get("service_account") or None,
        "shielded_instance_config": {
            # Whoever builds the driver on the node has no signature for it.
            "enable_secure_boot": platform,
            "enable_integrity_monitoring": True,
        },
        "workload_metadata_config": {"mode": "GKE_METADATA"} if gke.get("workload_identity", True) else None,
        "gcfs_config": {"enabled": True} if pool.get("image_streaming") else None,
        "ephemeral_storage_local_ssd_config": local_ssds(pool),
        **capacity(pool),
    }
    return {key: value for key, value in wanted.items() if value is not None}


def accelerator(pool: Wish, platform: bool) -> dict[str, Any]:
    """The cards, who installs their driver, and how they are divided."""
    kind, gpus = card_of(pool)
    version = str(pool.get("driver_version") or "default").upper() if platform else "INSTALLATION_DISABLED"
    shared = pool.get("sharing_strategy")
    wanted = {
        "type": kind,
        "count": gpus,
        "gpu_driver_installation_config": {"gpu_driver_version": version},
        "gpu_partition_size": pool.get("partition_size") or None,
        "gpu_sharing_config": {
            "gpu_sharing_strategy": STRATEGIES[str(shared)],
            "max_shared_clients_per_gpu": int(pool["sharing_clients"]),
        }
        if shared
        else None,
    }
    return {key: value for key, value in wanted.items() if value is not None}


def own_labels(pool: Wish, platform: bool) -> dict[str, str]:
    """The label that keeps GKE's plugin away, exactly where the operator brings one; and that of a queue."""
    queued = {"cloud.google.com/gke-queued": "true"} if pool.get("capacity") == "queued" else {}
    return {**queued, **({} if platform else {OPT_OUT: "true"})}


def taint(one: Wish) -> dict[str, str]:
    """A taint in Google's words."""
    return {"key": one["key"], "value": one.get("value") or "", "effect": EFFECTS[one["effect"]]}


def local_ssds(pool: Wish) -> dict[str, int] | None:
    """Local SSDs as ephemeral storage of the node."""
    return {"local_ssd_count": int(pool["local_ssds"])} if pool.get("local_ssds") else None


def capacity(pool: Wish) -> dict[str, Any]:
    """How the machines are bought."""
    nobodys = {"reservation_affinity": {"consume_reservation_type": "NO_RESERVATION"}}
    longest = {"max_run_duration": f"{int(pool['max_run_seconds'])}s"} if pool.get("max_run_seconds") else {}
    by_name = {
        "consume_reservation_type": "SPECIFIC_RESERVATION",
        "key": "compute.googleapis.com/reservation-name",
        "values": [pool.get("reservation")],
    }
    bought: dict[str, dict[str, Any]] = {
        "spot": {"spot": True, **nobodys},
        "flexStart": {"flex_start": True, **longest, **nobodys},
        "queued": {"flex_start": True, **longest, **nobodys},
        "reservation": {"reservation_affinity": by_name},
    }
    return bought.get(str(pool.get("capacity")), longest)
