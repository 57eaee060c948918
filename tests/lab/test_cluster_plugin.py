"""The device plugin alone on a real API server: up, sharing, over to the operator and back, what goes wrong"""

from pathlib import Path
from typing import Any

import pytest

from lab.real.cluster import RealCluster
from tests.lab.real_cluster import RealHouse, late_to_go, verdicts, without_seconds
from tests.unit.house import House, with_gpu

REAL = ("kube-apiserver, -controller-manager and -scheduler", "etcd", "kubectl", "helm")
STANDINS = ("kubelets (kwok)", "the device plugin, the operator and their charts", "containers and what they print")
TURNS = {"timeSlicing": {"replicas": 4}}


@pytest.fixture
def alone(house: RealHouse) -> RealHouse:
    """A stack without operator."""
    house.config["gpu"] = {"operator": "none"}
    return house


def test_up_again_refresh_destroy_take_the_steps_of_the_rehearsal_and_leave_nothing(
    alone: RealHouse, tmp_path: Path
) -> None:
    before, rehearsal = alone.cluster.snapshot(), House(tmp_path)
    for op in ("up", "up", "refresh", "up", "destroy"):
        result, rehearsed = alone.run(op), rehearsal.run(op, with_gpu(operator="none"))
        assert result.exit == 0, "\n".join(result.errors)
        assert result.changes == rehearsed.changes, op
        if op == "up":
            assert without_seconds(result.outputs["report"]) == without_seconds(rehearsed.outputs["report"])
    assert alone.cluster.left(before) == []


def test_cards_are_shared_as_asked_and_no_longer_when_that_is_taken_back(alone: RealHouse) -> None:
    cards = {"gpu-1": "1", "gpu-2": "2"}
    alone.up(gpu={"sharing": TURNS})
    assert offered(alone.cluster) == {name: str(4 * int(count)) for name, count in cards.items()}
    assert set(alone.up(gpu={"sharing": TURNS}).changes) == {"same"}
    alone.up()
    assert offered(alone.cluster) == cards


def test_the_operator_shares_cards_too(house: RealHouse) -> None:
    house.up(gpu={"sharing": TURNS})
    assert offered(house.cluster) == {"gpu-1": "4", "gpu-2": "8"}
    assert set(house.up(gpu={"sharing": TURNS}).changes) == {"same"}


def offered(cluster: RealCluster) -> dict[str, str]:
    """How many cards each node hands out."""
    nodes = {node["metadata"]["name"]: node["status"]["allocatable"] for node in cluster.api.list("Node")}
    return {name: amounts["nvidia.com/gpu"] for name, amounts in nodes.items() if "nvidia.com/gpu" in amounts}


def test_discovery_labels_the_cards_and_goes_with_all_that_it_wrote(alone: RealHouse) -> None:
    before = alone.cluster.snapshot()
    alone.up(gpu={"plugin": {"discovery": True}})

    def labelled() -> bool:
        nodes = [alone.cluster.api.get("Node", name) or {} for name in ("gpu-1", "gpu-2")]
        products = [node["metadata"]["labels"].get("nvidia.com/gpu.product") for node in nodes]
        return products == ["NVIDIA-A10G", "Tesla-T4"]

    alone.cluster.plane.wait("labels of the cards", labelled)
    assert alone.run("destroy").exit == 0
    assert alone.cluster.left(before) == []


def test_over_to_the_operator_and_back_takes_one_up_each(alone: RealHouse) -> None:
    before = alone.cluster.snapshot()
    alone.up()
    over = alone.up(gpu={"operator": "install", "driver": "preinstalled", "toolkit": "preinstalled"})
    assert over.outputs["report"]["operator"]["owner"] == "install"
    assert names(alone.cluster, "Namespace") >= {"gpu-operator"}
    assert "nvidia-device-plugin" not in names(alone.cluster, "Namespace")
    with late_to_go(alone.cluster, "RuntimeClass", "nvidia", 8):
        back = alone.up()
    assert back.outputs["report"]["operator"]["state"] == "2 ready"
    assert names(alone.cluster, "ClusterPolicy") == set()
    assert alone.run("destroy").exit == 0
    assert alone.cluster.left(before) == []


def names(cluster: RealCluster, kind: str) -> set[str]:
    """All objects of a kind."""
    return {one["metadata"]["name"] for one in cluster.api.list(kind)}


def test_a_plugin_that_cannot_load_nvml_is_named_as_in_the_rehearsal_and_mended_by_the_next_up(
    alone: RealHouse, tmp_path: Path
) -> None:
    rehearsal = House(tmp_path)
    rehearsal.world.switch("operator.fault", "crash")
    alone.cluster.gpus.switch("operator.fault", "crash")
    failed, rehearsed = alone.run("up", validation={"timeoutSeconds": 25}), rehearsal.run("up", ALONE)
    assert (failed.exit, rehearsed.exit) == (1, 1)
    assert found(failed) == found(rehearsed) == ["DP-1"]
    assert "Incompatible strategy detected" in "\n".join(failed.errors)

    alone.cluster.gpus.reset()
    alone.up()


ALONE = with_gpu(operator="none")


def found(result: Any) -> list[str]:
    """Which failures were named."""
    return [one.partition(" ")[0] for one in verdicts(result)]


def test_a_plugin_of_somebody_else_is_refused_by_name_and_nothing_is_made(alone: RealHouse) -> None:
    alone.helm("install", "theirs", "nvidia-device-plugin", "--namespace", "theirs", "--create-namespace")
    alone.cluster.api.merge("Node", "gpu-1", None, {"metadata": {"labels": {"nvidia.com/gpu.present": "true"}}}, "they")
    before = alone.cluster.snapshot()
    refused = alone.run("up")
    assert found(refused) == ["CFG-4"], refused.errors
    assert "DaemonSet theirs/theirs-nvidia-device-plugin" in refused.errors[0]
    assert alone.cluster.left(before, 0) == []
