"""An operator or plugin of somebody else on a real API server: used and left alone if declared, refused if not"""

from collections.abc import Callable

import pytest

from tests.lab.real_cluster import RealHouse, verdicts

REAL = ("kube-apiserver, -controller-manager and -scheduler", "etcd", "kubectl", "helm")
STANDINS = ("kubelets (kwok)", "the device plugin, the operator and their charts", "containers and what they print")
THERE = ("--namespace", "theirs", "--create-namespace", "--set")


def operator(house: RealHouse) -> None:
    """Somebody installed it, on nodes that have driver and toolkit."""
    house.helm("install", "theirs", "gpu-operator", *THERE, "driver.enabled=false,toolkit.enabled=false")


def plugin(house: RealHouse) -> None:
    """Somebody installed the plugin alone, marked the nodes for it, and made the class that it runs under."""
    api = house.cluster.api
    for name in ("gpu-1", "gpu-2"):
        api.merge("Node", name, None, {"metadata": {"labels": {"nvidia.com/gpu.present": "true"}}}, "they")
    about = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}}
    api.create({**about, "handler": "nvidia"}, "they")
    house.helm("install", "theirs", "nvidia-device-plugin", *THERE, "runtimeClassName=nvidia")


def settled(house: RealHouse) -> None:
    """What they installed hands out cards, and says so."""

    def gives() -> bool:
        api = house.cluster.api
        states = [one.get("status", {}).get("state") for one in api.list("ClusterPolicy")]
        nodes = [node for node in api.list("Node") if "nvidia.com/gpu" in node["status"]["allocatable"]]
        return len(nodes) == 2 and states in ([], ["ready"])

    house.cluster.plane.wait("their cards", gives)


@pytest.mark.parametrize("theirs", [operator, plugin], ids=["operator", "plugin"])
def test_what_is_declared_is_proven_and_only_what_is_ours_is_made_and_taken_back(
    house: RealHouse, theirs: Callable[[RealHouse], None]
) -> None:
    theirs(house)
    settled(house)
    before = house.cluster.snapshot()
    house.config["gpu"] = {"operator": "external"}

    made = house.up()
    assert made.outputs["report"]["ready"] is True
    assert made.outputs["report"]["operator"]["owner"] == "external"
    after = house.cluster.snapshot()
    assert {name: after[name] for name in before} == before
    new = {name for name in after if name not in before}
    assert new >= {"Namespace/gpu-ready"}
    assert all("gpu-ready" in name for name in new), new

    assert set(house.up().changes) == {"same"}
    assert house.run("destroy").exit == 0
    assert house.cluster.left(before) == []


def test_what_is_not_declared_is_refused_and_nothing_is_made(house: RealHouse) -> None:
    operator(house)
    settled(house)
    before = house.cluster.snapshot()
    refused = house.run("up")
    assert any(one.startswith("CFG-4 ownership") for one in verdicts(refused)), refused.errors
    assert "gpu.operator: external" in "\n".join(refused.errors)
    assert house.cluster.left(before, 0) == []


def test_what_is_declared_and_not_there_is_refused_and_nothing_is_made(house: RealHouse) -> None:
    before = house.cluster.snapshot()
    house.config["gpu"] = {"operator": "external"}
    refused = house.run("up")
    assert any(one.startswith("CFG-5 ownership") for one in verdicts(refused)), refused.errors
    assert house.cluster.left(before, 0) == []
