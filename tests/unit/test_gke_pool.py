"""What pools and clusters of GKE are made with: the one way to say each thing, and nothing the SDK does not know."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from decide import gke_access, gke_cluster, gke_pool
from decide.gke_machines import ATTACHABLE, MACHINES, PARTITIONS, ZONE, ZONES, region_of
from decide.ownership_gke import OPT_OUT
from tests.unit.gcp_types import missing, strangers

GKE: dict[str, Any] = {"project": "my-project", "location": "us-central1-a", "cluster": {"name": "ml"}}
POOL: dict[str, Any] = {"name": "a100", "machine_type": "a2-highgpu-1g", "max_nodes": 2}
EVERYTHING: dict[str, Any] = {
    **POOL,
    "min_nodes": 1,
    "zones": ["us-central1-a"],
    "location_policy": "balanced",
    "capacity": "spot",
    "max_run_seconds": 3600,
    "compact": True,
    "partition_size": "1g.5gb",
    "sharing_strategy": "mps",
    "sharing_clients": 4,
    "local_ssds": 2,
    "disk_gb": 200,
    "labels": {"team": "ml"},
    "taints": [{"key": "dedicated", "value": "ml", "effect": "NoExecute"}],
    "service_account": "gpu@my-project.iam.gserviceaccount.com",
    "private_nodes": True,
    "image_streaming": True,
    "max_surge": 1,
}
WISHES = [
    POOL,
    EVERYTHING,
    {**POOL, "capacity": "flexStart", "max_run_seconds": 86400},
    {**POOL, "capacity": "queued"},
    {**POOL, "capacity": "reservation", "reservation": "r", "zones": ["us-central1-a"]},
    {**POOL, "machine_type": "n1-standard-8", "accelerator": "nvidia-tesla-t4", "gpus": 2},
]


@pytest.mark.parametrize("platform", [True, False])
@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: str(wish.get("capacity", wish["machine_type"])))
def test_every_property_of_a_pool_is_one_of_the_installed_sdk(wish: dict[str, Any], platform: bool) -> None:
    from pulumi_gcp import container

    sent = {"cluster": "c", **gke_pool.node_pool(wish, GKE, platform)}

    assert [*strangers(sent, container.NodePoolArgs, container)] == []
    assert [*missing(sent, container.NodePoolArgs, container)] == []


@pytest.mark.parametrize(
    "more", [{}, {"network": "n", "subnetwork": "s", "private_nodes": False, "authorized_networks": ["203.0.113.0/24"]}]
)
def test_every_property_of_a_cluster_is_one_of_the_installed_sdk(more: dict[str, Any]) -> None:
    from pulumi_gcp import container

    wish = {**GKE, "cluster": {"name": "ml", "create": True, **more}}
    sent = gke_cluster.cluster(wish)
    system = {"cluster": "c", **gke_cluster.system_pool(wish)}

    assert [*strangers(sent, container.ClusterArgs, container), *missing(sent, container.ClusterArgs, container)] == []
    assert [*strangers(system, container.NodePoolArgs, container)] == []


@pytest.mark.parametrize(("made", "file"), [(gke_cluster.router, "router"), (gke_cluster.nat, "router_nat")])
def test_every_property_of_the_way_out_stands_in_the_installed_sdk(made: Any, file: str) -> None:
    """Read as a text: that part of the SDK takes seconds to load."""
    spec = importlib.util.find_spec("pulumi_gcp")
    assert spec is not None
    assert spec.submodule_search_locations
    text = (Path(spec.submodule_search_locations[0]) / "compute" / f"{file}.py").read_text()
    known = {*re.findall(r"@pulumi\.getter\(name=\"(\w+)\"\)", text), *re.findall(r"getter\n    def (\w+)\(", text)}

    assert set(made({**GKE, "cluster": {"name": "ml", "create": True}})) <= known


@pytest.mark.parametrize(
    ("cluster", "needed"),
    [
        ({"create": True}, True),
        ({"create": True, "nat": False}, False),
        ({"create": True, "private_nodes": False}, False),
        ({}, False),
    ],
)
def test_private_nodes_of_ours_get_a_way_out_to_the_registries(cluster: dict[str, Any], needed: bool) -> None:
    assert gke_cluster.needs_nat({**GKE, "cluster": {"name": "ml", **cluster}}) is needed


def test_the_check_against_the_sdk_sees_a_misspelt_key_a_missing_one_and_a_wrong_form() -> None:
    from pulumi_gcp import container

    sent = gke_pool.node_pool(POOL, GKE, True)
    sent["node_config"] = {"machine_typ": "x", "guest_accelerators": [{"type": "t"}], "gcfs_config": True}

    assert [*strangers(sent, container.NodePoolArgs, container)] == [
        "node_config.machine_typ is not in NodePoolNodeConfigArgs",
        f"node_config.gcfs_config: True does not fit {container.NodePoolNodeConfigGcfsConfigArgs}",
    ]
    assert [*missing(sent, container.NodePoolArgs, container)] == [
        "cluster is demanded by NodePoolArgs",
        "node_config.guest_accelerators.count is demanded by NodePoolNodeConfigGuestAcceleratorArgs",
    ]


def config(platform: bool = True, **more: Any) -> dict[str, Any]:
    return dict(gke_pool.node_pool({**POOL, **more}, GKE, platform)["node_config"])


def test_what_gke_would_add_by_itself_is_said_from_the_start_so_that_no_later_up_replaces_the_pool() -> None:
    found = config()

    assert found["taints"] == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}]
    assert found["guest_accelerators"] == [
        {
            "type": "nvidia-tesla-a100",
            "count": 1,
            "gpu_driver_installation_config": {"gpu_driver_version": "DEFAULT"},
        }
    ]


def test_the_two_modes_exclude_each_other() -> None:
    """A driver of GKE's with the label that keeps its plugin away is a node without any driver."""
    platform, operator = config(True), config(False)
    driver = "gpu_driver_installation_config"

    assert OPT_OUT not in platform["labels"]
    assert platform["guest_accelerators"][0][driver] == {"gpu_driver_version": "DEFAULT"}
    assert platform["shielded_instance_config"]["enable_secure_boot"] is True
    assert operator["labels"][OPT_OUT] == "true"
    assert operator["guest_accelerators"][0][driver] == {"gpu_driver_version": "INSTALLATION_DISABLED"}
    assert operator["shielded_instance_config"]["enable_secure_boot"] is False


def test_a_pool_begins_without_nodes_and_asks_whichever_zone_has_stock() -> None:
    found = gke_pool.node_pool({**POOL, "min_nodes": 1}, {**GKE, "location": "us-central1"}, True)

    assert found["initial_node_count"] == 0  # by the zone: one in each of three would be too many
    assert gke_pool.node_pool({**POOL, "min_nodes": 2}, GKE, True)["initial_node_count"] == 2
    assert found["autoscaling"] == {"total_min_node_count": 1, "total_max_node_count": 2, "location_policy": "ANY"}
    assert found["upgrade_settings"] == {"strategy": "SURGE", "max_surge": 0, "max_unavailable": 1}


@pytest.mark.parametrize(
    ("capacity", "said"),
    [
        ("onDemand", {}),
        ("spot", {"spot": True, "reservation_affinity": {"consume_reservation_type": "NO_RESERVATION"}}),
        ("flexStart", {"flex_start": True, "reservation_affinity": {"consume_reservation_type": "NO_RESERVATION"}}),
        (
            "reservation",
            {
                "reservation_affinity": {
                    "consume_reservation_type": "SPECIFIC_RESERVATION",
                    "key": "compute.googleapis.com/reservation-name",
                    "values": ["mine"],
                }
            },
        ),
    ],
)
def test_how_machines_are_bought(capacity: str, said: dict[str, Any]) -> None:
    assert gke_pool.capacity({"capacity": capacity, "reservation": "mine"}) == said


def test_flex_start_leaves_repair_and_upgrades_to_google() -> None:
    found = gke_pool.node_pool({**POOL, "capacity": "flexStart"}, GKE, True)

    assert found["management"]["auto_repair"] is False
    assert "upgrade_settings" not in found


def test_a_queue_has_its_label_for_selectors() -> None:
    found = gke_pool.node_pool({**POOL, "capacity": "queued"}, GKE, True)

    assert found["queued_provisioning"] == {"enabled": True}
    assert found["node_config"]["labels"]["cloud.google.com/gke-queued"] == "true"


@pytest.mark.parametrize(
    ("more", "cards"),
    [
        ({}, 1),
        ({"machine_type": "a2-highgpu-8g"}, 8),
        ({"machine_type": "a2-highgpu-2g", "partition_size": "1g.5gb"}, 14),
        ({"sharing_strategy": "timeSharing", "sharing_clients": 4}, 1),
        ({"machine_type": "n1-standard-8", "accelerator": "nvidia-tesla-t4", "gpus": 4}, 4),
    ],
)
def test_a_job_asks_for_a_whole_node(more: dict[str, Any], cards: int) -> None:
    assert gke_pool.handed_out({**POOL, **more}) == cards


def test_a_cluster_of_ours_is_safe_by_default_and_has_a_place_for_what_tolerates_no_gpu_taint() -> None:
    wish = {**GKE, "cluster": {"name": "ml", "create": True}}
    made, system = gke_cluster.cluster(wish), gke_cluster.system_pool(wish)

    assert made["deletion_protection"] is True
    assert made["private_cluster_config"]["enable_private_nodes"] is True
    assert made["workload_identity_config"] == {"workload_pool": "my-project.svc.id.goog"}
    assert "taints" not in system["node_config"]
    assert gke_cluster.cluster({**wish, "allow_replace": True})["deletion_protection"] is False


def test_the_kubeconfig_is_the_same_text_every_day_and_holds_no_token() -> None:
    where = ("my-project", "us-central1-a", "ml")
    text = gke_access.kubeconfig("203.0.113.9", "Q0E=", gke_access.context_of(*where))

    assert text == gke_access.kubeconfig("203.0.113.9", "Q0E=", "gke_my-project_us-central1-a_ml")
    assert '"command": "gke-gcloud-auth-plugin"' in text
    assert '"server": "https://203.0.113.9"' in text
    assert "token" not in text
    assert gke_access.identifier(*where) == "gke:my-project/us-central1-a/ml"


def test_the_tables_are_whole() -> None:
    assert {one.accelerator for one in MACHINES.values()} - set(PARTITIONS) == {"nvidia-l4"}
    assert not set(ATTACHABLE) & set(PARTITIONS)
    assert all(ZONE.fullmatch(zone) for zones in ZONES.values() for zone in zones)
    assert MACHINES["g2-standard-24"].gpus == 2
    assert MACHINES["a2-megagpu-16g"].gpus == 16


@pytest.mark.parametrize(
    ("place", "region"),
    [("us-central1-a", "us-central1"), ("us-south1-ai1b", "us-south1"), ("europe-west4", "europe-west4")],
)
def test_a_zone_belongs_to_a_region(place: str, region: str) -> None:
    assert region_of(place) == region
