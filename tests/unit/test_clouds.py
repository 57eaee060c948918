"""The simulated clouds: what they refuse, what a change means, how nodes join, who can reach a cluster of theirs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from decide.gke_access import kubeconfig
from lab.cloud import registry
from lab.cloud.gcp import CLUSTER, POOL
from lab.cluster.access import address, refusal
from lab.cluster.pools import nodes_of
from lab.cluster.world import World
from lab.provider import Context, PartialFailure, ProviderError
from lab.values import UNKNOWN
from tests.unit import small_world

ML = "projects/my-project/locations/us-central1-a/clusters/ml"
INPUTS: dict[str, Any] = {
    "name": "a100",
    "cluster": ML,
    "location": "us-central1-a",
    "project": "my-project",
    "autoscaling": {"totalMinNodeCount": 0, "totalMaxNodeCount": 2},
    "nodeConfig": {
        "machineType": "a2-highgpu-1g",
        "labels": {"team": "ml"},
        "taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}],
        "guestAccelerators": [{"type": "nvidia-tesla-a100", "count": 1}],
    },
}
CTX = Context("urn", POOL, "nodes-a100")
POD: dict[str, Any] = {"nodeSelector": {"cloud.google.com/gke-nodepool": "a100"}}
GROUP = "gke-ml-a100"


@pytest.fixture
def world(tmp_path: Path) -> World:
    cloud = {"name": "gcp", "project": "my-project", "clusters": [ML], "node_seconds": 60}
    return small_world.world(tmp_path, small_world.CPU, cloud=cloud)


@pytest.fixture
def google(world: World) -> Any:
    return registry.providers(world)[0]


def pool(**changed: Any) -> dict[str, Any]:
    return {**INPUTS, **changed}


def members(world: World) -> list[dict[str, Any]]:
    with world.open() as cluster:
        return [cluster.get("Node", one["name"]) or {} for one in nodes_of(cluster, GROUP)]


def test_a_misspelt_property_and_a_missing_one_are_refused(google: Any) -> None:
    _inputs, faults = google.check(CTX, None, {"clustr": ML, "name": "a"})

    assert [(one.property, one.reason) for one in faults] == [
        ("clustr", "there is no such property; did you mean 'cluster'?"),
        ("cluster", "is missing"),
    ]


def test_a_type_that_nobody_plays_is_refused_with_the_one_that_was_meant(google: Any) -> None:
    with pytest.raises(ProviderError, match=r"did you mean gcp:container/nodePool:NodePool\?"):
        google.check(Context("urn", "gcp:container/nodePools:NodePool", "x"), None, {})


def test_a_card_that_is_not_rehearsed_is_said(google: Any) -> None:
    config = {**INPUTS["nodeConfig"], "guestAccelerators": [{"type": "nvidia-b200", "count": 8}]}

    _inputs, faults = google.check(CTX, None, pool(nodeConfig=config))

    assert "the rehearsal has no nvidia-b200" in faults[0].reason


def test_what_has_no_name_gets_one_and_keeps_it(google: Any) -> None:
    first, _ = google.check(CTX, None, {"cluster": ML})
    again, _ = google.check(CTX, first, {"cluster": ML})

    assert first["name"].startswith("nodes-a100-")
    assert again["name"] == first["name"]


@pytest.mark.parametrize(
    ("changed", "replaces"),
    [
        ({"autoscaling": {"totalMinNodeCount": 0, "totalMaxNodeCount": 5}}, False),
        ({"nodeConfig": {**INPUTS["nodeConfig"], "labels": {}}}, False),
        ({"nodeConfig": {**INPUTS["nodeConfig"], "taints": []}}, False),
        ({"nodeConfig": {**INPUTS["nodeConfig"], "spot": True}}, True),
        ({"nodeConfig": {**INPUTS["nodeConfig"], "guestAccelerators": [{"type": "nvidia-l4", "count": 1}]}}, True),
        ({"location": "us-central1-b"}, True),
    ],
)
def test_what_cannot_be_changed_in_place_is_replaced_and_the_old_one_goes_first(
    google: Any, changed: dict[str, Any], replaces: bool
) -> None:
    found = google.diff(CTX, "id", INPUTS, INPUTS, pool(**changed))

    assert found.changed
    assert (bool(found.replaces), found.delete_before_replace) == (replaces, replaces)


def test_a_preview_makes_nothing_and_knows_no_output(google: Any, world: World) -> None:
    id, outputs = google.create(Context("urn", POOL, "nodes-a100", preview=True), INPUTS)

    assert (id, outputs["instanceGroupUrls"]) == ("", UNKNOWN)
    with world.open() as cluster:
        assert cluster.data.get("cloud", {}) == {}


def test_a_node_comes_when_a_pod_asks_for_it_with_all_that_the_pool_says(google: Any, world: World) -> None:
    id, _outputs = google.create(CTX, INPUTS)
    assert id == f"{ML}/nodePools/a100"
    assert members(world) == []

    small_world.run_job(world, small_world.job("check", None, **POD), 120)

    (node,) = members(world)
    assert node["metadata"]["labels"]["team"] == "ml"
    assert node["metadata"]["labels"]["cloud.google.com/gke-accelerator"] == "nvidia-tesla-a100"
    assert node["spec"]["taints"] == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "1"
    assert small_world.events(world, "check", "TriggeredScaleUp") == [
        f"pod triggered scale-up: [{{{GROUP} 0->1 (max: 2)}}]"
    ]
    assert small_world.condition(small_world.find(world, "Job", "check", "default"), "Complete")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"gpus": 2}, "it wouldn't fit"),
        ({"nodeSelector": {"pool": "other"}}, "it wouldn't fit"),
        ({"tolerations": []}, "it wouldn't fit"),
    ],
)
def test_a_pod_that_no_new_node_would_take_brings_none(
    google: Any, world: World, wanted: dict[str, Any], said: str
) -> None:
    google.create(CTX, INPUTS)
    asked = {**POD, **wanted}

    small_world.run_job(world, small_world.job("check", None, asked.pop("gpus", 1), **asked), 120)

    assert members(world) == []
    assert said in small_world.events(world, "check", "NotTriggerScaleUp")[0]


def test_a_full_pool_says_so(google: Any, world: World) -> None:
    google.create(CTX, pool(autoscaling={"totalMinNodeCount": 0, "totalMaxNodeCount": 1}))
    with world.open() as cluster:
        cluster.switch("jobs.fault", "hang")
    small_world.run_job(world, small_world.job("first", None, **POD), 120)

    small_world.run_job(world, small_world.job("second", None, **POD), 30)

    assert "max node group size reached" in small_world.events(world, "second", "NotTriggerScaleUp")[0]


def test_the_label_that_keeps_gkes_plugin_away_leaves_a_managed_driver_unfinished(google: Any, world: World) -> None:
    """The trap: a driver of GKE's with that label gives a node that has neither driver nor cards."""
    config = {**INPUTS["nodeConfig"], "labels": {"gke-no-default-nvidia-gpu-device-plugin": "true"}}
    google.create(CTX, pool(nodeConfig=config, autoscaling={"totalMinNodeCount": 1, "totalMaxNodeCount": 1}))

    world.clock.sleep(120)

    (node,) = members(world)
    assert "nvidia.com/gpu" not in node["status"]["allocatable"]


def test_a_stock_out_leaves_the_pool_in_the_state(google: Any, world: World) -> None:
    world.switch("cloud.fault", "stockout")

    with pytest.raises(PartialFailure, match="ZONE_RESOURCE_POOL_EXHAUSTED") as failed:
        google.create(CTX, pool(autoscaling={"totalMinNodeCount": 1, "totalMaxNodeCount": 1}))

    assert failed.value.id == f"{ML}/nodePools/a100"


def test_a_cloud_that_is_too_slow_meets_the_programs_limit(google: Any, world: World) -> None:
    world.switch("cloud.fault", "slow")

    with pytest.raises(ProviderError, match="timeout while waiting"):
        google.create(Context("urn", POOL, "nodes-a100", timeout=60.0), INPUTS)


def test_a_cluster_goes_only_without_protection_and_without_pools(google: Any, world: World) -> None:
    ctx = Context("urn", CLUSTER, "nodes-cluster")
    wanted = {"name": "own", "location": "us-central1-a", "project": "my-project"}
    id, outputs = google.create(ctx, wanted)
    google.create(CTX, pool(cluster=id))

    with pytest.raises(ProviderError, match="deletion_protection"):
        google.delete(ctx, id, wanted, outputs)
    with pytest.raises(ProviderError, match="node pools"):
        google.delete(ctx, id, {**wanted, "deletionProtection": False}, outputs)
    google.delete(CTX, f"{id}/nodePools/a100", pool(cluster=id), {})
    google.delete(ctx, id, {**wanted, "deletionProtection": False}, outputs)
    with world.open() as cluster:
        assert cluster.data["cloud"] == {}


def test_a_kubeconfig_leads_to_its_own_cluster_alone(world: World) -> None:
    right = kubeconfig(address(ML), "Q0E=", "ml")
    with world.open() as cluster:
        assert refusal(cluster, right, "ml") == ""
        assert "does not exist" in refusal(cluster, right, "other")
        assert "i/o timeout" in refusal(cluster, kubeconfig("203.0.113.255", "Q0E=", "ml"), "ml")
        cluster.spec["cloud"]["login"] = False
        assert "gke-gcloud-auth-plugin not found" in refusal(cluster, right, "ml")
    assert json.loads(right)["current-context"] == "ml"


def test_switches_of_a_cloud_are_there_only_where_there_is_one(world: World, tmp_path: Path) -> None:
    world.switch("cloud.fault", "quota")
    bare = small_world.world(tmp_path / "bare")

    with pytest.raises(ValueError, match="there is no such switch: this world has no cloud"):
        bare.switch("cloud.fault", "quota")
    with pytest.raises(ValueError, match="did you mean 'stockout'"):
        world.switch("cloud.fault", "stock-out")
