"""The device plugin alone, as its user meets it: up, again, over to the operator and back, what goes wrong, destroy."""

from pathlib import Path
from typing import Any

import pytest

from lab.world import WholeWorld
from settings import parse
from tests.effort import long
from tests.unit.house import CONFIG, HOSTS, HOSTS_CONFIG, WORLD, House, faults_of, with_gpu
from tests.unit.small_world import some

ALONE = with_gpu(operator="none")
READY = "gpu-validation-ready"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def changed(steps: Any) -> set[str]:
    return {name for op, _type, name in steps if op != "same"}


def test_up_proves_that_pods_get_cards_and_again_changes_nothing_and_destroy_leaves_nothing(house: House) -> None:
    before = house.world.snapshot()

    made = house.run("up", ALONE)
    again = house.run("up", ALONE, expect_no_changes=True)
    pods = [pod["spec"] for pod in some(house.world, "Pod") if pod["metadata"]["namespace"] == "nvidia-device-plugin"]

    assert (made.errors, again.errors, set(again.changes)) == ([], [], {"same"})
    assert [node["name"] for node in made.outputs["report"]["nodes"]] == ["gpu-1", "gpu-2"]
    assert made.outputs["report"]["operator"] == {
        "owner": "none",
        "version": "nvidia-device-plugin-0.20.0",
        "state": "2 ready",
    }
    assert sorted((pod["nodeName"], pod["runtimeClassName"]) for pod in pods) == [
        ("gpu-1", "nvidia"),
        ("gpu-2", "nvidia"),
    ]
    assert house.run("destroy").exit == 0
    assert WholeWorld.remainder(before, house.world.snapshot()) == []


@long
def test_over_to_the_operator_and_back_takes_one_up_each_and_never_two_plugins(house: House) -> None:
    assert house.run("up", ALONE).exit == 0

    over = house.run("up")
    assert (over.errors, house.run("up", expect_no_changes=True).exit) == ([], 0)
    assert over.outputs["report"]["operator"]["owner"] == "install"
    (nvidia,) = [one for one in some(house.world, "RuntimeClass") if one["metadata"]["name"] == "nvidia"]
    assert nvidia["metadata"]["ownerReferences"][0]["kind"] == "ClusterPolicy"
    assert not [one for one in some(house.world, "Namespace") if one["metadata"]["name"] == "nvidia-device-plugin"]

    back = house.run("up", ALONE)
    assert (back.errors, house.run("up", ALONE, expect_no_changes=True).exit) == ([], 0)
    order = [name for op, _type, name in back.steps if "replace" in op or op == "create"]
    assert order.index("gpu-stack-operator") < order.index("gpu-stack-namespace") < order.index("gpu-stack-plugin")
    assert some(house.world, "ClusterPolicy") == []


@long
@pytest.mark.parametrize(("seconds", "exit_code"), [(9, 0), (100, 1)])
def test_an_operators_class_that_is_late_to_go_is_waited_for_a_minute(
    tmp_path: Path, seconds: int, exit_code: int
) -> None:
    house = House(tmp_path, {**WORLD, "operator": {"collector_seconds": seconds}})
    assert house.run("up").exit == 0

    back = house.run("up", ALONE)

    assert (back.exit, any('"nvidia" already exists' in one for one in back.errors)) == (exit_code, bool(exit_code))
    assert house.run("up", ALONE).exit == 0
    assert house.run("up", ALONE, expect_no_changes=True).exit == 0


@long
def test_another_value_changes_the_plugin_and_proves_anew_and_nothing_else(house: House) -> None:
    assert house.run("up", ALONE).exit == 0

    moved = house.run("up", with_gpu(operator="none", plugin={"values": {"deviceIDStrategy": "index"}}))

    assert moved.errors == []
    jobs = {"gpu-validation-gpu-1", "gpu-validation-gpu-2", "gpu-validation-gate"}
    assert changed(moved.steps) == {"gpu-stack-plugin", READY, *jobs}


def test_nodes_whose_default_runtime_is_nvidia_need_no_class(tmp_path: Path) -> None:
    nodes = [{**node, "default_runtime": True} if node.get("card") else node for node in WORLD["nodes"]]
    house = House(tmp_path, {**WORLD, "nodes": nodes})

    made = house.run("up", with_gpu(operator="none", runtimeClass="none"))

    assert (made.errors, made.outputs["runtime_class"]) == ([], "")
    assert some(house.world, "RuntimeClass") == []
    assert "runtimeClassName" not in made.outputs["first_workload"]


@pytest.mark.parametrize(
    ("switch", "value", "id", "says"),
    [
        ("operator.fault", "crash", "DP-1", "Incompatible strategy detected"),
        ("nodes.gpu-1.toolkit", False, "RT-1", 'no runtime for "nvidia" is configured'),
        ("nodes.gpu-1.gpus", 0, "DP-15", "No devices found. Waiting indefinitely."),
        ("nodes.gpu-1.driver", None, "TK-4", "nvml error: driver not loaded"),
    ],
)
def test_the_gate_quotes_the_plugin_and_says_what_to_do(
    house: House, switch: str, value: Any, id: str, says: str
) -> None:
    house.world.switch(switch, value)

    failed = house.run("up", ALONE)

    (error,) = [text for text in failed.errors if "fix:" in text]
    assert (failed.exit, id in error, says in error) == (1, True, True), error
    assert "gpu.toolkit: operator" not in error.partition("fix:")[2]


@long
def test_a_taint_that_the_plugin_does_not_tolerate_is_seen_before_anything_is_made(house: House) -> None:
    house.world.switch("nodes.gpu-1.taints", ["dedicated=ml:NoSchedule"])

    refused = house.run("up", ALONE)
    dedicated = {"key": "dedicated", "operator": "Exists"}
    let = house.run("up", {**ALONE, "cluster": {**CONFIG["cluster"], "tolerations": [dedicated]}})

    assert "SCH-2" in refused.errors[0]
    assert let.errors == []


@long
def test_a_plugin_of_somebody_else_is_refused_by_name(house: House) -> None:
    with house.world.open() as cluster:
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "theirs"}})
        cluster.install_release("theirs", "theirs", "0.20.0", {}, "nvidia-device-plugin")
    house.world.switch("nodes.gpu-1.labels", {"nvidia.com/gpu.present": "true"})

    refused = house.run("up", ALONE)

    assert "CFG-4 ownership" in refused.errors[0]
    assert "DaemonSet theirs/theirs-nvidia-device-plugin" in refused.errors[0]


@long
def test_who_installed_the_plugin_does_not_declare_it_somebody_elses(house: House) -> None:
    assert house.run("up", ALONE).exit == 0

    refused = house.run("up", with_gpu(operator="external"))

    assert "CFG-9 ownership" in refused.errors[0]


@long
def test_discovery_describes_the_cards_also_on_a_node_whose_taint_has_another_value(house: House) -> None:
    house.world.switch("nodes.gpu-2.taints", ["nvidia.com/gpu=yes:NoSchedule"])

    made = house.run("up", with_gpu(operator="none", plugin={"discovery": True}))

    labels = {node["metadata"]["name"]: node["metadata"]["labels"] for node in some(house.world, "Node")}
    assert made.errors == []
    assert labels["gpu-2"]["nvidia.com/gpu.product"] == "Tesla-T4"


@long
def test_hosts_get_driver_and_toolkit_from_us_and_the_plugin_alone_and_all_is_taken_back(tmp_path: Path) -> None:
    house = House(tmp_path, HOSTS)
    before = house.world.snapshot()
    config = {**HOSTS_CONFIG, "gpu": {"operator": "none"}}

    made = house.run("up", config)
    again = house.run("up", config, expect_no_changes=True)

    assert (made.errors, again.errors) == ([], [])
    assert {node["name"] for node in made.outputs["report"]["nodes"]} == {"gpu-1", "gpu-2"}
    assert house.run("destroy").exit == 0
    assert WholeWorld.remainder(before, house.world.snapshot()) == []


def faults(gpu: dict[str, Any]) -> list[tuple[str, str]]:
    return faults_of({**CONFIG, "gpu": gpu})


@pytest.mark.parametrize(
    ("gpu", "path", "right"),
    [
        (
            {"operator": "none", "driver": "operator"},
            "gpu.driver",
            "gpu.driver: preinstalled, or gpu.operator: install",
        ),
        ({"plugin": {"discovery": True}}, "gpu.plugin.discovery", "leave discovery out, or gpu.operator: none"),
        (
            {"operator": {"mode": "none", "version": "v26.7.0"}},
            "gpu.operator.version",
            "leave version out; the plugin alone has gpu.plugin.version",
        ),
        ({"operator": {"mode": "none", "namespace": "x"}}, "gpu.operator.namespace", "leave namespace out"),
        ({"operator": {"namespace": "nvidia-device-plugin"}}, "gpu.operator.namespace", "namespace: gpu-operator"),
        (
            {"runtimeClass": "none"},
            "gpu.runtimeClass",
            "gpu.operator: none, which nodes that run Docker want; or gpu.runtimeClass: ours",
        ),
        (
            {"operator": "none", "plugin": {"values": {"migStrat": "single"}}},
            "gpu.plugin.values.migStrat",
            "did you mean migStrategy?",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_what_does(gpu: dict[str, Any], path: str, right: str) -> None:
    assert faults(gpu) == [(path, right)]


def test_the_trade_off_is_said_before_anything_is_made() -> None:
    lines = "\n".join(parse(ALONE).ownership.lines())

    assert "no driver or toolkit containers, MIG manager, metrics; gpu.operator: install has" in lines
    assert "each node needs the runtime handler nvidia" in lines
