"""What a GKE cluster of ours is made with: safe by default, and nothing of it that a later `up` would replace. Pure."""

from collections.abc import Mapping
from typing import Any

from decide.gke_machines import region_of
from decide.gke_pool import SCOPES

Wish = Mapping[str, Any]
SYSTEM_POOL = "system"


def cluster(gke: Wish) -> dict[str, Any]:
    """The inputs of the cluster, in the words of the SDK."""
    wish = gke["cluster"]
    allowed = [{"cidr_block": one} for one in wish.get("authorized_networks") or ()]
    wanted = {
        "name": wish["name"],
        "project": gke["project"],
        "location": gke["location"],
        # Pools of our own: the first one of a cluster cannot be changed without the cluster.
        "initial_node_count": 1,
        "remove_default_node_pool": True,
        "release_channel": {"channel": wish.get("release_channel") or "REGULAR"},
        "network": wish.get("network") or "default",
        "subnetwork": wish.get("subnetwork"),
        "datapath_provider": "ADVANCED_DATAPATH",
        "workload_identity_config": {"workload_pool": f"{gke['project']}.svc.id.goog"},
        "private_cluster_config": private(wish),
        "master_authorized_networks_config": {"cidr_blocks": allowed} if allowed else None,
        # The same switch as for pools: what must not be replaced must not be deleted either.
        "deletion_protection": not gke.get("allow_replace"),
        "enable_shielded_nodes": True,
        "resource_labels": {"managed-by": "gpu-ready"},
    }
    return {key: value for key, value in wanted.items() if value is not None}


def private(wish: Wish) -> dict[str, Any] | None:
    """Nodes without public addresses; the API server stays where a laptop can reach it."""
    if wish.get("private_nodes") is False:
        return None
    return {"enable_private_nodes": True, "enable_private_endpoint": False}


def needs_nat(gke: Wish) -> bool:
    """Whether this stack makes the way out to registries: nodes without public addresses pull nothing without it."""
    wish = gke["cluster"]
    return bool(wish.get("create")) and wish.get("private_nodes") is not False and wish.get("nat") is not False


def router(gke: Wish) -> dict[str, Any]:
    """The router that the address translation belongs to."""
    wish = gke["cluster"]
    where = {"project": gke["project"], "region": region_of(gke["location"])}
    return {"name": f"{wish['name']}-nat", "network": wish.get("network") or "default", **where}


def nat(gke: Wish) -> dict[str, Any]:
    """Address translation for all subnetworks of the network in that region."""
    router_ = router(gke)
    return {
        "name": router_["name"],
        "router": router_["name"],
        "project": gke["project"],
        "region": router_["region"],
        "natIpAllocateOption": "AUTO_ONLY",
        "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
    }


def system_pool(gke: Wish) -> dict[str, Any]:
    """Nodes without cards and without taint: without any, everything that tolerates no GPU taint would hang."""
    wish = gke["cluster"]
    return {
        "name": SYSTEM_POOL,
        "project": gke["project"],
        "location": gke["location"],
        "node_count": int(wish.get("system_nodes") or 1),
        "management": {"auto_repair": True, "auto_upgrade": True},
        "upgrade_settings": {"strategy": "SURGE", "max_surge": 1, "max_unavailable": 0},
        "node_config": {
            "machine_type": wish.get("system_machine_type") or "e2-standard-4",
            "image_type": "COS_CONTAINERD",
            "oauth_scopes": SCOPES,
            "disk_size_gb": 50,
            "disk_type": "pd-balanced",
            "shielded_instance_config": {"enable_secure_boot": True, "enable_integrity_monitoring": True},
            "workload_metadata_config": {"mode": "GKE_METADATA"},
        },
    }
