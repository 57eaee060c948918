"""What cannot be on GKE is refused before anything is made, all of it at once, each with its id and the fix."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from decide import gke, gke_prices
from decide.gke_failures import BY_ID, GKE_FAILURES, RULES_OF_POOLS, explained, recognize

POOL: dict[str, Any] = {"name": "a100", "machine_type": "a2-highgpu-1g", "max_nodes": 1}


def wish(location: str = "us-central1", **pool: Any) -> dict[str, Any]:
    pools = [{**POOL, **pool}]
    return {"project": "my-project", "location": location, "cluster": {"name": "ml"}, "pools": pools}


N1 = {"machine_type": "n1-standard-8"}
WRONG: list[tuple[str, str, dict[str, Any], str]] = [
    ("GKE-1", "machineType", {"machine_type": "a2-highgpu-3g"}, "there is no a2-highgpu-3g"),
    ("GKE-1", "machineType", {"machine_type": "g4-standard-48"}, "later release"),
    ("GKE-2", "machineType", {"machine_type": "e2-standard-4"}, "takes no card"),
    ("GKE-3", "accelerator", {"accelerator": "nvidia-tesla-t4"}, "has nvidia-tesla-a100 built in"),
    ("GKE-3", "gpus", {"gpus": 2}, "has 1 of them, not 2"),
    ("GKE-3", "accelerator", N1, "needs one"),
    ("GKE-3", "gpus", {**N1, "accelerator": "nvidia-tesla-t4", "gpus": 3}, "1, 2, 4 can"),
    ("GKE-4", "zones", {"zones": ["us-central1"]}, "is no zone"),
    ("GKE-4", "zones", {"zones": ["europe-west4-a"]}, "is not in us-central1"),
    ("GKE-4", "compact", {"compact": True, "zones": ["us-central1-a", "us-central1-b"]}, "in one zone"),
    ("GKE-5", "partitionSize", {"machine_type": "g2-standard-8", "partition_size": "1g.5gb"}, "cannot be divided"),
    ("GKE-5", "partitionSize", {"partition_size": "1g.10gb"}, "it has 1g.5gb"),
    ("GKE-5", "partitionSize", {"partition_size": "4g.20gb"}, "has no 4g.20gb"),
    ("GKE-6", "sharing", {"sharing_strategy": "mps"}, "among how many"),
    ("GKE-7", "reservation", {"capacity": "reservation", "zones": ["us-central1-a"]}, "is missing"),
    ("GKE-7", "zones", {"capacity": "reservation", "reservation": "r"}, "has to be named"),
    ("GKE-7", "reservation", {"capacity": "spot", "reservation": "r"}, "uses no reservation"),
    ("GKE-7", "minNodes", {"capacity": "flexStart", "min_nodes": 1}, "when they are asked for"),
    ("GKE-7", "compact", {"capacity": "queued", "compact": True}, "not placed together"),
    ("GKE-7", "maxSurge", {"capacity": "flexStart", "max_surge": 1}, "short-lived"),
    ("GKE-8", "minNodes", {"min_nodes": 3}, "more than maxNodes, 1"),
    ("GKE-8", "maxUnavailable", {"max_unavailable": 0}, "spare node"),
    ("GKE-9", "driverVersion", {"driver_version": "latest", "image": "UBUNTU_CONTAINERD"}, "only GKE's default"),
    ("GKE-9", "localSsds", {"machine_type": "a2-ultragpu-1g", "local_ssds": 1}, "has its own"),
    ("GKE-10", "labels", {"labels": {"gke-no-default-nvidia-gpu-device-plugin": "true"}}, "no node ever gets one"),
    ("GKE-10", "labels", {"labels": {"node.kubernetes.io/role": "gpu"}}, "GKE refuses"),
    ("GKE-10", "labels", {"labels": {"gpu-ready/gpu": "no"}}, "not yours"),
    ("GKE-10", "taints", {"taints": [{"key": "nvidia.com/gpu", "effect": "NoExecute"}]}, "CLD-5"),
]


@pytest.mark.parametrize(("id", "key", "more", "said"), WRONG, ids=lambda one: one if isinstance(one, str) else "")
def test_what_cannot_be_has_an_id_a_path_and_a_fix(id: str, key: str, more: dict[str, Any], said: str) -> None:
    (found,) = gke.faults(wish(**more), platform=True)

    assert (found.id, found.path) == (id, f"pools[0].{key}")
    assert said in found.problem
    assert found.fix


def test_every_rule_has_an_example_and_a_row_in_the_catalogue() -> None:
    assert {row[0] for row in RULES_OF_POOLS} == {row[0] for row in WRONG}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"machine_type": "a2-ultragpu-8g", "zones": ["us-central1-a", "us-central1-c"]},
        {**N1, "accelerator": "nvidia-tesla-t4", "gpus": 4},
        {"capacity": "reservation", "reservation": "r", "zones": ["us-central1-a"]},
        {"partition_size": "1g.5gb", "sharing_strategy": "timeSharing", "sharing_clients": 3},
        {"capacity": "flexStart", "max_run_seconds": 3600},
        {"max_surge": 1, "max_unavailable": 0},
    ],
)
def test_what_can_be_is_let_pass(more: dict[str, Any]) -> None:
    assert gke.faults(wish(**more), platform=True) == []


@pytest.mark.parametrize("more", [{"partition_size": "1g.5gb"}, {"sharing_strategy": "mps", "sharing_clients": 2}])
def test_dividing_a_card_needs_gkes_own_plugin(more: dict[str, Any]) -> None:
    assert [(one.id, one.fix) for one in gke.faults(wish(**more), platform=False)] == [
        ("GKE-6", "gpu.driver: platform")
    ]
    assert gke.faults(wish(**more), platform=True) == []


def test_a_driver_of_gkes_cannot_be_chosen_where_the_operator_brings_one() -> None:
    assert [one.id for one in gke.faults(wish(driver_version="latest"), platform=False)] == ["GKE-9"]


def test_pools_have_names_of_their_own() -> None:
    two = wish()
    two["pools"] *= 2

    assert [one.problem for one in gke.faults(two, True)] == ["two pools have the name a100"]
    assert [one.id for one in gke.faults({**wish(), "pools": []}, True)] == ["GKE-8"]


def test_a_zone_where_the_card_was_not_seen_is_a_warning_for_stock_moves() -> None:
    assert gke.faults(wish(zones=["us-central1-d"]), True) == []
    assert gke.warnings(wish(zones=["us-central1-d", "us-central1-a"])) == [
        "GKE-4 pool a100: a2-highgpu-1g was not seen in us-central1-d in 2026"
    ]
    assert gke.warnings(wish("us-central1-a")) == []
    assert gke.warnings(wish("us-east4-a")) != []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {},
            "0 to 1 nodes, none while no pod asks for a card; a2-highgpu-1g in us-central1 3.67 USD per node and hour",
        ),
        ({}, "2,681 per month (onDemand, list price of 2026"),
        ({"capacity": "spot"}, "about 1.80 USD per node and hour, 1,314 per month"),
        ({"min_nodes": 1}, "1 to 1 nodes; "),
        ({"machine_type": "a2-highgpu-8g"}, "no believable price of a2-highgpu-8g in us-central1 (onDemand) is known"),
        ({"machine_type": "a2-ultragpu-1g"}, "no believable price"),
        ({"machine_type": "a2-ultragpu-1g", "capacity": "spot"}, "about 2.51"),
        ({"capacity": "flexStart"}, "no believable price"),
    ],
)
def test_a_price_is_dated_or_there_is_none(more: dict[str, Any], said: str) -> None:
    (line,) = gke_prices.lines(wish("us-central1-a", **more))

    assert line.startswith("cost: pool a100: ")
    assert said in line


SEEN = [
    ("googleapi: Error 403: Kubernetes Engine API has not been used in project 1 before or it is disabled.", "GKE-21"),
    ("Current errors: [ZONE_RESOURCE_POOL_EXHAUSTED]: The zone 'us-central1-a' does not have enough", "GKE-22"),
    ("[GCE_STOCKOUT]: Instance creation failed", "GKE-22"),
    ('Error 403: Insufficient regional quota to satisfy request: resource "NVIDIA_A100_GPUS"', "GKE-23"),
    ("Quota 'GPUS_ALL_REGIONS' exceeded.  Limit: 0.0 globally.", "GKE-23"),
    ('googleapi: Error 403: Required "container.clusters.update" permission(s) for "projects/p".', "GKE-24"),
    ("googleapi: Error 404: Not found: projects/p/locations/l/clusters/c., notFound", "GKE-25"),
    ("googleapi: Error 409: Already exists: projects/p/locations/l/clusters/c., alreadyExists", "GKE-26"),
    ("All cluster resources were brought up, but: only 0 nodes out of 2 have registered", "GKE-27"),
    ("timeout while waiting for state to become 'DONE' (last state: 'RUNNING', timeout: 45m0s)", "GKE-28"),
    ("Cannot destroy cluster because deletion_protection is set to true.", "GKE-29"),
    ("FAILED_PRECONDITION: Cluster is running incompatible operation operation-1", "GKE-30"),
    ("google: could not find default credentials.", "GKE-31"),
]


@pytest.mark.parametrize(("text", "id"), SEEN)
def test_googles_words_lead_to_an_id_and_a_next_step(text: str, id: str) -> None:
    found = recognize(f"1 error occurred:\n\t* {text}\n")
    assert found
    assert found.id == id

    (said,) = explained(text, {"project": "my-project", "location": "us-central1-a", "cluster": {"name": "ml"}})
    assert said.startswith(f"{id} cloud: ")
    assert "\nfix: " in said
    assert "{" not in said.replace("gke.pools: [{zones: ...}]", "")


def test_every_failure_with_signs_is_seen_above_and_what_nobody_knows_is_left_to_its_own_words() -> None:
    assert {one.id for one in GKE_FAILURES if one.signs} == {id for _text, id in SEEN}
    assert set(BY_ID) == {one.id for one in GKE_FAILURES}
    assert [*explained("something else", wish())] == []


# The same through a stack file ---------------------------------------------------------------------------------------


def stack(gpu: dict[str, Any] | None = None, validation: dict[str, Any] | None = None, **pool: Any) -> dict[str, Any]:
    pools = [{"name": "a100", "machineType": "a2-highgpu-1g", **pool}]
    gke_ = {"project": "my-project", "location": "us-central1", "cluster": "ml", "pools": pools}
    return {"target": "gke", "gke": gke_, "gpu": gpu or {}, "validation": validation or {}}


def lines(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(settings.SettingsError) as caught:
        settings.parse(raw)
    return [str(one) for one in caught.value.faults]


def test_all_faults_of_a_stack_are_listed_at_once_with_their_paths() -> None:
    said = lines(stack(zones=["europe-west4-a"], partitionSize="1g.10gb", diskGb=5))
    paths = ["gke.pools[0].diskGb", "gke.pools[0].zones", "gke.pools[0].partitionSize"]
    assert [one.partition(":")[0] for one in said] == paths  # what cannot be read comes first

    said = lines(stack(machineType="??", capacity="spott", minNodes=3, sharing={"strategy": "mps", "clients": "x"}))
    keys = [one.partition(":")[0].removeprefix("gke.pools[0].") for one in said]
    assert keys == ["machineType", "capacity", "sharing.clients", "minNodes"]  # no rule about what is not known

    said = lines(stack(zones=["europe-west4-a"], partitionSize="1g.10gb"))
    assert [one.partition(". ")[0] for one in said] == [
        "gke.pools[0].zones: GKE-4: europe-west4-a is not in us-central1, where the cluster is",
        "gke.pools[0].partitionSize: GKE-5: nvidia-tesla-a100 has no 1g.10gb; it has 1g.5gb, 2g.10gb, 3g.20gb, 7g.40gb",
    ]


def test_the_platform_owns_everything_unless_the_operator_is_asked_for() -> None:
    platform, operator = settings.parse(stack()), settings.parse(stack({"driver": "operator"}))

    assert {part.owner.value for _name, part in platform.ownership.parts()} == {"platform"}
    assert not platform.installs
    assert [part.owner.value for _name, part in operator.ownership.parts()] == [
        "us",
        "operator",
        "operator",
        "operator",
    ]
    assert operator.installs


def test_gkes_driver_and_plugin_under_an_operator_for_the_rest() -> None:
    both = settings.parse(stack({"driver": "platform", "operator": "install"}))

    assert [part.owner.value for _name, part in both.ownership.parts()] == [
        "platform", "operator", "platform", "operator",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("gpu", "path"),
    [
        ({"driver": "operator", "operator": "none"}, "gpu.operator"),
        ({"driver": "preinstalled"}, "gpu.driver"),
        ({"toolkit": "preinstalled"}, "gpu.toolkit"),
        ({"runtimeClass": "ours"}, "gpu.runtimeClass"),
        ({"operator": "external"}, "gpu.operator"),
        ({"operator": {"mode": "none", "version": "v26.7.0"}}, "gpu.operator.version"),
    ],
)
def test_wrong_mixtures_are_refused(gpu: dict[str, Any], path: str) -> None:
    assert [one.partition(": ")[0] for one in lines(stack(gpu))] == [path]


@pytest.mark.parametrize("operator", [{}, {"operator": "install"}])
@pytest.mark.parametrize(("how", "strategy"), [("timeSlicing", "timeSharing"), ("mps", "mps")])
def test_gkes_own_plugin_shares_by_a_setting_of_its_pools(operator: dict[str, Any], how: str, strategy: str) -> None:
    (said,) = lines(stack({"sharing": {how: {"replicas": 4}}, **operator}))

    assert said.startswith(f"gpu.sharing.{how}: has no effect on GKE's own plugin, which shares cards here")
    assert f"sharing: {{strategy: {strategy}, clients: 4}}" in said
    assert settings.parse(stack({"driver": "operator", "sharing": {how: {"replicas": 4}}})).gke


def test_what_belongs_to_another_target_is_refused() -> None:
    assert lines({**stack(), "cluster": {"context": "c", "nodes": ["a"]}})[0].startswith(
        "cluster: belongs to target cluster, but target is gke"
    )


def test_a_job_asks_for_a_whole_node_so_that_its_size_is_no_setting() -> None:
    assert "a100: 1" in lines(stack(validation={"gpus": 2}))[0]


def test_a_queue_gives_no_node_to_a_plain_pod() -> None:
    assert lines(stack(capacity="queued"))[0].startswith("validation.enabled: cannot prove a pool of capacity queued")
    assert settings.parse(stack(capacity="queued", validation={"enabled": False})).gke


def test_without_a_pool_nothing_is_said_of_queues() -> None:
    raw = stack()
    raw["gke"]["pools"] = []

    assert [one.partition(". ")[0] for one in lines(raw)] == ["gke.pools: GKE-8: names no pool"]


def test_what_is_meant_for_a_cluster_of_ours_has_no_effect_on_one_that_is_there() -> None:
    raw = stack()
    raw["gke"]["cluster"] = {"name": "ml", "systemNodes": 2, "privateNodes": False}

    assert lines(raw) == [
        f"gke.cluster.{key}: has no effect on a cluster that is there already. Fix: leave {key} out, or create: true"
        for key in ("privateNodes", "systemNodes")
    ]
    raw["gke"]["cluster"]["create"] = True
    assert settings.parse(raw).gke


def test_what_a_cluster_of_ours_costs_beside_its_pools_is_said() -> None:
    raw = stack()
    raw["gke"]["cluster"] = {"name": "ml", "create": True, "systemNodes": 2}

    said = [one for one in settings.parse(raw).lines() if one.startswith("cost: cluster ml: ")]
    assert len(said) == 1
    assert "2 x e2-standard-4 in each zone" in said[0]
    assert "Cloud NAT" in said[0]
    raw["gke"]["cluster"]["nat"] = False
    assert "Cloud NAT" not in "\n".join(settings.parse(raw).lines())
    assert "cost: cluster" not in "\n".join(settings.parse(stack()).lines())


def test_with_the_operator_all_pools_have_one_image() -> None:
    raw = stack({"driver": "operator"})
    raw["gke"]["pools"].append({"name": "l4", "machineType": "g2-standard-8", "image": "UBUNTU_CONTAINERD"})

    assert "all pools need one image" in lines(raw)[0]


def test_the_taints_of_pools_are_tolerated_by_everything_of_ours() -> None:
    wish = settings.parse(stack(taints=[{"key": "dedicated", "value": "ml"}]))

    assert wish.stack_args()["gpu"]["tolerations"] == [{"key": "dedicated", "operator": "Exists"}]
    assert '"key": "dedicated"' in wish.first_workload()
    assert "runtimeClassName" not in wish.first_workload()


def test_how_to_take_a_protected_pool_back_is_said_in_the_right_order() -> None:
    kept, free = stack(), stack()
    free["gke"]["allowReplace"] = True

    first, then = settings.parse(kept).destroy_hint("ml").splitlines()
    assert "pulumi config set --path gpu-ready:gke.allowReplace true -s ml && pulumi up -s ml" in first
    assert then == "then: pulumi destroy -s ml"
    assert settings.parse(free).destroy_hint("ml") == "pulumi destroy -s ml"


def test_before_the_engine_refuses_to_replace_a_pool_it_is_said_what_allows_that() -> None:
    kept, free = stack(), stack()
    free["gke"]["allowReplace"] = True

    (said,) = (one for one in settings.parse(kept).lines() if one.startswith("GKE-32"))
    assert "gke.allowReplace: true" in said
    assert not [one for one in settings.parse(free).lines() if "GKE-32" in one]
