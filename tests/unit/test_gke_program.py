"""Target gke, the whole program: what is made in which order, what a change means, and what refusals say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

import settings
from lab.cluster import derive
from tests.effort import long
from tests.unit.house import House

ROOT = Path(__file__).resolve().parents[2]
STACK: dict[str, Any] = {
    key.removeprefix("gpu-ready:"): value
    for key, value in yaml.safe_load((ROOT / "stacks/Pulumi.gke-a100.yaml").read_text())["config"].items()
}
POOL, CLUSTER = "gcp:container/nodePool:NodePool", "gcp:container/cluster:Cluster"
LOGIN, LOOK = "nodes-login", "nodes-look"
PROOF = ["gpu-validation-namespace", "gpu-validation-ready", "gpu-validation-a100", "gpu-validation-gate"]


def stack(gpu: dict[str, Any] | None = None, pool: dict[str, Any] | None = None, **gke: Any) -> dict[str, Any]:
    """The stack file with a few things changed."""
    pools = [{**STACK["gke"]["pools"][0], **(pool or {})}]
    return {**STACK, "gke": {**STACK["gke"], "pools": pools, **gke}, "gpu": {**STACK["gpu"], **(gpu or {})}}


def housed(folder: Path, config: dict[str, Any] = STACK, **cloud: Any) -> House:
    """A world that fits the stack."""
    spec = derive.world(settings.parse(config))
    return House(folder, {**spec, "cloud": {**spec["cloud"], **cloud}})


@pytest.fixture
def house(tmp_path: Path) -> House:
    return housed(tmp_path)


def made(result: Any, *ops: str) -> list[str]:
    """Names of custom resources, in the order in which they were done."""
    return [name for op, typ, name in result.steps if op in ops and not typ.startswith(("gpu-ready:", "pulumi:"))]


def test_a_pool_is_looked_for_made_and_proven_on_one_whole_node_that_comes_for_it(house: House) -> None:
    result = house.run("up", STACK)

    assert (result.exit, result.errors) == (0, [])
    steps = made(result, "create")
    # Neither of the two in the middle waits for the other.
    assert [*steps[:3], *sorted(steps[3:5]), *steps[5:]] == [LOGIN, LOOK, "nodes-a100", *sorted(PROOF[:2]), *PROOF[2:]]
    report = result.outputs["report"]
    assert report["pools"] == [{"name": "a100", "nodes": 1, "tested": 1, "not_tested": 0, "most": 1}]
    assert report["nodes"][0]["card"] == "NVIDIA A100-SXM4-40GB"
    assert result.outputs["runtime_class"] == ""
    assert "kubeconfig" not in result.outputs


def test_a_second_up_changes_nothing_and_scaling_is_a_change_in_place(house: House) -> None:
    assert house.run("up", STACK).exit == 0

    again = house.run("up", STACK, expect_no_changes=True)
    assert (again.exit, set(again.changes)) == (0, {"same"})
    larger = house.run("up", stack(pool={"maxNodes": 3}))
    assert (larger.exit, larger.errors) == (0, [])
    assert "nodes-a100" in made(larger, "update")
    assert not made(larger, "replace", "create-replacement", "delete-replaced")


@long
def test_another_machine_type_replaces_the_pool_only_where_that_is_allowed(house: House) -> None:
    assert house.run("up", STACK).exit == 0
    other = {"machineType": "a2-highgpu-2g"}

    kept = house.run("up", stack(pool=other))
    assert kept.exit == 1
    assert any("protect" in text for text in kept.errors)

    allowed = house.run("up", stack(allowReplace=True))
    assert (allowed.exit, set(made(allowed, "create", "update", "replace"))) == (0, set())
    moved = house.run("up", stack(pool=other, allowReplace=True))
    assert (moved.exit, moved.errors) == (0, [])
    assert "nodes-a100" in made(moved, "create-replacement")
    assert [one["gpus"] for one in moved.outputs["report"]["nodes"]] == [2]


@long
def test_destroy_stops_at_a_protected_pool_and_takes_everything_back_in_order_once_it_may(house: House) -> None:
    before = house.world.snapshot()
    config = stack({"driver": "operator"})
    assert house.run("up", config).exit == 0

    assert house.run("destroy", config).exit == 1
    free = {**config, "gke": {**config["gke"], "allowReplace": True}}
    assert house.run("up", free).exit == 0
    gone = house.run("destroy", free)

    assert (gone.exit, gone.resources) == (0, [])
    order = made(gone, "delete")
    assert order.index("gpu-stack-operator") < order.index("gpu-stack-quota") < order.index("gpu-stack-namespace")
    assert order.index("gpu-stack-namespace") < order.index("nodes-a100") < order.index(LOGIN)
    assert house.world.unexpected(before, house.world.snapshot()) == []


@long
@pytest.mark.parametrize("image", ["COS_CONTAINERD", "UBUNTU_CONTAINERD"])
def test_with_the_operator_each_image_gets_its_driver_in_its_own_way(tmp_path: Path, image: str) -> None:
    config = stack({"driver": "operator"}, {"image": image})
    house = housed(tmp_path, config)

    result = house.run("up", config)

    assert (result.exit, result.errors) == (0, [])
    assert ("gpu-stack-nvidia-driver-installer" in made(result, "create")) == (image == "COS_CONTAINERD")
    order = made(result, "create")
    assert order.index("gpu-stack-namespace") < order.index("gpu-stack-quota") < order.index("gpu-stack-operator")
    values = result.one("kubernetes:helm.sh/v3:Release").inputs["values"]
    assert values["toolkit"]["env"] == [{"name": "RUNTIME_CONFIG_SOURCE", "value": "file"}]
    assert ("hostPaths" in values) == (image == "COS_CONTAINERD")


@long
def test_gkes_driver_under_our_operator_is_one_advertiser(tmp_path: Path) -> None:
    config = stack({"operator": "install"})
    result = housed(tmp_path, config).run("up", config)

    assert (result.exit, result.errors) == (0, [])
    assert result.outputs["ownership"]["plugin"]["owner"] == "platform"
    assert result.outputs["report"]["warnings"] == []


@long
def test_a_cluster_of_ours_comes_first_and_goes_last(tmp_path: Path) -> None:
    config = stack(cluster={"name": "ml", "create": True})
    house = housed(tmp_path, config)
    before = house.world.snapshot()

    result = house.run("up", config)
    assert (result.exit, result.errors) == (0, [])
    order = made(result, "create")
    assert order[0] == LOGIN
    assert order.index("nodes-router") < order.index("nodes-nat") < order.index("nodes-a100")
    assert order.index("nodes-cluster") < order.index("nodes-system") < order.index(LOOK) < order.index("nodes-a100")
    assert set(house.run("up", config, expect_no_changes=True).changes) == {"same"}

    free = {**config, "gke": {**config["gke"], "allowReplace": True}}
    assert house.run("up", free).exit == 0  # deletion protection is a change of the cluster
    gone = house.run("destroy", free)
    assert (gone.exit, gone.resources) == (0, [])
    order = made(gone, "delete")
    assert order.index("nodes-a100") < order.index("nodes-cluster")
    assert order.index("nodes-system") < order.index("nodes-cluster")
    assert house.world.unexpected(before, house.world.snapshot()) == []


@pytest.mark.parametrize(
    ("fault", "pool", "said"),
    [
        ("permission", {}, "GKE-24"),
        ("disabled", {}, "GKE-21"),
        ("stockout", {"minNodes": 1}, "GKE-22"),
        ("quota", {"minNodes": 1}, "GKE-23"),
        ("not-ready", {"minNodes": 1}, "GKE-27"),
        ("stockout", {}, "CLD-1"),
        ("quota", {}, "CLD-2"),
        ("not-ready", {}, "CLD-10"),
        ("no-driver", {}, "CLD-12"),
    ],
)
def test_what_goes_wrong_at_google_has_an_id_and_a_next_step(
    house: House, fault: str, pool: dict[str, Any], said: str
) -> None:
    config = {**stack(pool=pool), "validation": {"timeoutSeconds": 600, "pollSeconds": 30}}
    # Who may not do something may look at the cluster still.
    house.world.switch("cloud.fault", fault)

    result = house.run("up", config)

    assert result.exit == 1
    told = "\n".join([*result.errors, *(str(event) for event in house.events)])
    assert f"{said} cloud: " in told
    assert "fix: " in told


@long
def test_a_pool_without_stock_is_tried_again_by_the_next_up(house: House) -> None:
    config = stack(pool={"minNodes": 1})
    house.world.switch("cloud.fault", "stockout")
    assert house.run("up", config).exit == 1

    house.world.switch("cloud.fault", "none")
    result = house.run("up", config)

    assert (result.exit, result.errors) == (0, [])


@long
def test_slow_machines_are_waited_for(house: House) -> None:
    house.world.switch("cloud.fault", "slow")
    assert house.run("up", STACK).exit == 0


def test_without_googles_login_program_nothing_is_made(house: House) -> None:
    house.world.switch("cloud.login", False)

    result = house.run("up", STACK)

    assert result.exit == 1
    assert any("gke-gcloud-auth-plugin is not on PATH" in text for text in result.errors)
    assert any("gcloud components install" in text for text in result.errors)
    assert "nodes-a100" not in made(result, "create")


def test_an_autopilot_cluster_is_recognised_before_anything_is_made(tmp_path: Path) -> None:
    result = housed(tmp_path, autopilot=True).run("up", STACK)

    assert result.exit == 1
    assert any("GKE-20 cluster: ml: this is an Autopilot cluster" in text for text in result.errors)
    assert made(result, "create") in ([], [LOGIN])


def test_a_cluster_that_is_not_there_is_said_by_name(house: House) -> None:
    result = house.run("up", stack(cluster="other"))

    assert result.exit == 1
    assert any("clusters/other" in text for text in result.errors)


@long
def test_two_pools_have_a_job_each(tmp_path: Path) -> None:
    config = stack()
    config["gke"]["pools"].append({"name": "l4", "machineType": "g2-standard-48", "maxNodes": 2})
    result = housed(tmp_path, config).run("up", config)

    assert (result.exit, result.errors) == (0, [])
    assert [(one["card"], one["gpus"]) for one in result.outputs["report"]["nodes"]] == [
        ("NVIDIA A100-SXM4-40GB", 1),
        ("NVIDIA L4", 4),
    ]


@long
@pytest.mark.parametrize(
    ("pool", "cards"),
    [
        ({"partitionSize": "1g.5gb"}, {"gpus": 1, "slices": 7, "slice": "1g.5gb"}),
        ({"sharing": {"strategy": "mps", "clients": 4}}, {"gpus": 1, "shares": 4, "sharing": "MPS"}),
        (
            {"partitionSize": "3g.20gb", "sharing": {"strategy": "timeSharing", "clients": 3}},
            {"gpus": 1, "slices": 2, "slice": "3g.20gb", "shares": 6, "sharing": "time-sliced"},
        ),
    ],
)
def test_a_divided_card_is_proven_too_and_counted_as_one(
    house: House, pool: dict[str, Any], cards: dict[str, Any]
) -> None:
    result = house.run("up", stack(pool=pool))

    assert (result.exit, result.errors) == (0, [])
    (node,) = result.outputs["report"]["nodes"]
    counted = ("gpus", "slices", "slice", "shares", "sharing")
    assert {key: node[key] for key in counted if key in node} == cards


@long
@pytest.mark.parametrize("create", [True, False])
def test_a_first_preview_knows_everything_that_is_made(tmp_path: Path, create: bool) -> None:
    config = stack({"driver": "operator"}, cluster={"name": "ml", "create": create})
    seen = housed(tmp_path / "a", config).run("preview", config)
    up = housed(tmp_path / "b", config).run("up", config)

    assert (seen.exit, seen.errors) == (0, [])
    assert {name for op, _type, name in seen.steps if op == "create"} == {
        name for op, _type, name in up.steps if op == "create"
    }


def test_the_kubeconfig_is_a_secret_wherever_it_stands(house: House) -> None:
    assert house.run("up", STACK).exit == 0
    state = house.engine.store.load()

    provider = next(one for one in state["resources"] if one["type"] == "pulumi:providers:kubernetes")
    assert "4dabf18193072939515e22adb298388d" in json.dumps(provider["inputs"]["kubeconfig"])
    assert provider["inputs"]["clusterIdentifier"] == "gke:my-project/us-central1-a/ml"


def test_without_googles_sdk_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib
    import sys

    monkeypatch.delitem(sys.modules, "components.gke", raising=False)
    monkeypatch.setitem(sys.modules, "pulumi_gcp", None)

    with pytest.raises(pulumi.RunError, match="make setup WITH=gke"):
        importlib.import_module("components.gke")
    sys.modules.pop("components.gke", None)


@long
def test_the_stack_file_as_the_rehearsal_runs_it_with_processes(tmp_path: Path) -> None:
    spec = derive.world(settings.parse(STACK))
    house = House(tmp_path, spec, processes=True)

    assert house.run("up", STACK).exit == 0
    assert set(house.run("up", STACK, expect_no_changes=True).changes) == {"same"}
