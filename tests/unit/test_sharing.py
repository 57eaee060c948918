"""Several pods on one card: from the setting to the plugin's configuration, and how the gate and the report count."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import choices
from components.sharing_args import SharingBy
from decide import defaults, gke_pool, share_health, sharing, user_values
from decide.operator_values import as_tree
from decide.sharing import Sharing
from settings import parse
from tests.effort import long
from tests.unit.house import CONFIG, House, faults_of, with_gpu
from tests.unit.small_snapshot import healthy, node, wish
from tests.unit.small_world import some

TURNS, MPS = Sharing("timeSlicing", 4), Sharing("mps", 6)
ON_HOSTS = {"driver": "preinstalled", "toolkit": "preinstalled"}
SHARED = wish(sharing={"strategy": "timeSlicing", "replicas": 4})


def test_the_configuration_refuses_a_second_share_to_a_pod_where_the_plugin_does_not_by_itself() -> None:
    assert sharing.config(TURNS).splitlines() == [
        "version: v1",
        "sharing:",
        "  timeSlicing:",
        "    failRequestsGreaterThanOne: true",
        "    resources:",
        "      - name: nvidia.com/gpu",
        "        replicas: 4",
    ]
    assert "failRequestsGreaterThanOne" not in sharing.config(MPS)


@pytest.mark.parametrize("version", defaults.OPERATOR_VERSIONS)
def test_what_the_operator_is_told_is_known_to_its_chart(version: str) -> None:
    derived = list(sharing.operator_values(TURNS))

    assert [one.path for one in derived if one.path not in user_values.chart(version).types] == []
    assert all(one.reason for one in derived)
    told = as_tree(derived)["devicePlugin"]["config"]
    assert told["data"][told["default"]] == sharing.config(TURNS)


@pytest.mark.parametrize("version", defaults.PLUGIN_VERSIONS)
def test_what_the_plugin_alone_is_told_is_known_to_its_chart(version: str) -> None:
    derived = list(sharing.plugin_values(MPS))

    assert [
        one.path for one in derived if one.path not in user_values.chart(version, "nvidia-device-plugin").types
    ] == []
    told = as_tree(derived)["config"]
    assert told["map"][told["default"]] == sharing.config(MPS)


def test_another_configuration_is_rolled_out_though_nobody_watches_its_content() -> None:
    for values, path in (
        (sharing.operator_values, "devicePlugin.config.name"),
        (sharing.plugin_values, "podAnnotations"),
    ):
        told = [next(one.value for one in values(how) if one.path == path) for how in (TURNS, MPS, Sharing("mps", 7))]
        assert len({str(one) for one in told}) == 3


def test_without_sharing_nothing_is_said() -> None:
    assert [*sharing.operator_values(None), *sharing.plugin_values(None)] == []


def faults(gpu: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    return faults_of({**CONFIG, "gpu": gpu, **more})


@pytest.mark.parametrize(
    ("gpu", "path", "right"),
    [
        ({"sharing": {"mps": {"replicas": 2}, "timeSlicing": {}}}, "gpu.sharing", "leave mps out"),
        ({"sharing": {"mode": "none", "mps": {"replicas": 2}}}, "gpu.sharing.mode", "leave mode out"),
        ({"sharing": {"mps": {"replicas": 1}}}, "gpu.sharing.mps.replicas", "replicas: 4"),
        ({"sharing": "mps"}, "gpu.sharing.mode", "sharing: {mps: {replicas: 4}}"),
        ({"sharing": {"mode": "timeSlicing"}}, "gpu.sharing.mode", "sharing: {timeSlicing: {replicas: 4}}"),
        ({"sharing": "mig"}, "gpu.sharing.mode", "sharing: {mig: {profile: all-1g.5gb}}"),
        (
            {"operator": "external", "sharing": {"mps": {}}},
            "gpu.sharing.mps",
            "configure it where that one is, or gpu.operator: install",
        ),
        ({"operator": "none", "sharing": {"mps": {}}}, "gpu.sharing.mps", "gpu.plugin: {discovery: true}"),
        (
            {"operator": {"values": {"devicePlugin": {"config": {"name": "mine"}}}}, "sharing": {"mps": {}}},
            "gpu.operator.values.devicePlugin.config",
            "leave one of them out",
        ),
        (
            {"operator": "none", "plugin": {"values": {"config": {"name": "mine"}}}, "sharing": {"timeSlicing": {}}},
            "gpu.plugin.values.config",
            "leave one of them out",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(gpu: dict[str, Any], path: str, right: str) -> None:
    assert faults(gpu) == [(path, right)]


def test_what_sharing_costs_is_said_before_anything_is_made() -> None:
    lines = "\n".join(parse(with_gpu(sharing={"timeSlicing": {}})).ownership.lines())

    assert "nothing keeps their memory, faults or metrics apart" in lines
    assert "gpu.sharing" not in "\n".join(parse(with_gpu(sharing="none")).ownership.lines())


def test_a_job_gets_one_share_so_more_cards_for_it_are_refused() -> None:
    assert faults({"sharing": {"timeSlicing": {}}}, validation={"gpus": 2}) == [
        ("validation.gpus", "validation: {gpus: 1}")
    ]


@pytest.mark.parametrize("wrong", [{"strategy": "mig", "replicas": 2}, {"strategy": "mps", "replicas": 100}])
def test_components_refuse_what_a_stack_file_cannot_say(wrong: Any) -> None:
    with pytest.raises(pulumi.InputPropertyError):
        choices.shared({"sharing": wrong})
    assert choices.shared({"sharing": {"strategy": SharingBy.MPS, "replicas": 2}}) == {
        "strategy": "mps",
        "replicas": 2,
    }


# the gate


def with_count(shares: int, cards: int | None = None, **labels: str) -> dict[str, Any]:
    count = {} if cards is None else {"nvidia.com/gpu.count": str(cards)}
    return healthy(nodes=[node(gpus=shares, labels={**count, **labels})])


@pytest.mark.parametrize(("shares", "cards"), [(4, 1), (8, 2), (8, None), (4, None)])
def test_as_many_shares_as_asked_for_are_well(shares: int, cards: int | None) -> None:
    assert share_health.judge_shares(with_count(shares, cards), SHARED) is None


@pytest.mark.parametrize(("shares", "cards"), [(1, 1), (4, 2), (2, None)])
def test_another_number_is_named(shares: int, cards: int | None) -> None:
    found = share_health.judge_shares(with_count(shares, cards), SHARED)

    assert found
    assert (found.id, f"hands out {shares}" in found.problem) == ("SH-1", True)


def test_a_label_that_chooses_another_configuration_is_why() -> None:
    found = share_health.judge_shares(with_count(1, 1, **{share_health.CHOICE: "other"}), SHARED)

    assert found
    assert "kubectl label node gpu-1 nvidia.com/device-plugin.config-" in found.fix


def test_cards_are_nobodys_business_where_none_are_shared() -> None:
    assert share_health.judge_shares(with_count(3), wish()) is None
    assert share_health.cards_of(node(gpus=3), wish()) == {"gpus": 3}


def test_a_report_counts_cards_and_names_the_shares() -> None:
    assert share_health.cards_of(node(gpus=8), SHARED) == {"gpus": 2, "shares": 8, "sharing": "time-sliced"}


@pytest.mark.parametrize(
    ("wanted", "handed_out", "counted"),
    [
        ({}, 2, {"gpus": 2}),
        ({"partition_size": "1g.5gb"}, 14, {"gpus": 2, "slices": 14, "slice": "1g.5gb"}),
        ({"sharing_strategy": "mps", "sharing_clients": 4}, 8, {"gpus": 2, "shares": 8, "sharing": "MPS"}),
        (
            {"partition_size": "3g.20gb", "sharing_strategy": "timeSharing", "sharing_clients": 3},
            12,
            {"gpus": 2, "slices": 4, "slice": "3g.20gb", "shares": 12, "sharing": "time-sliced"},
        ),
    ],
)
def test_cards_that_gke_divides_are_counted_as_cards(
    wanted: dict[str, Any], handed_out: int, counted: dict[str, Any]
) -> None:
    pool = gke_pool.divided({"machine_type": "a2-highgpu-2g", **wanted})
    other = {"name": "other", "node_selector": {"pool": "other"}, "gpus": 1, "shares": 2, "sharing": "mps"}
    pools = [other, {"name": "a100", "node_selector": {"pool": "a100"}, "gpus": 1, **pool}]

    found = share_health.cards_of(node(gpus=handed_out, labels={"pool": "a100"}), wish(nodes=[], pools=pools))
    assert found == counted


# the whole program


@pytest.mark.parametrize("gpu", [ON_HOSTS, {"operator": "none"}], ids=["operator", "plugin alone"])
@long
def test_on_changed_and_off_change_the_plugin_and_the_proof_alone(tmp_path: Path, gpu: dict[str, Any]) -> None:
    house = House(tmp_path)
    assert house.run("up", with_gpu(**gpu)).exit == 0
    release = "gpu-stack-operator" if gpu is ON_HOSTS else "gpu-stack-plugin"

    for wanted, shares in (
        ({"timeSlicing": {"replicas": 4}}, "8"),
        ({"timeSlicing": {"replicas": 3}}, "6"),
        ("none", "2"),
    ):
        config = with_gpu(**gpu, sharing=wanted)
        done = house.run("up", config)

        assert done.errors == []
        moved = {name for op, _type, name in done.steps if op != "same"}
        assert {one for one in moved if not one.startswith("gpu-validation")} == {release}
        held = {
            one["metadata"]["name"]: one["status"]["capacity"].get("nvidia.com/gpu")
            for one in some(house.world, "Node")
        }
        assert held["gpu-2"] == shares
        assert [one["gpus"] for one in done.outputs["report"]["nodes"]] == [1, 2]
        assert house.run("up", config, expect_no_changes=True).exit == 0
    assert [one for one in some(house.world, "ConfigMap") if "version: v1" in str(one)] == []


def test_a_node_with_a_configuration_of_its_own_stops_the_proof_with_its_label(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.world.switch("nodes.gpu-2.labels", {"nvidia.com/device-plugin.config": "other"})

    failed = house.run("up", with_gpu(operator="none", sharing={"timeSlicing": {"replicas": 4}}))

    (error,) = [text for text in failed.errors if "fix:" in text]
    assert "SH-1 plugin: gpu-2 hands out 2 nvidia.com/gpu" in error
