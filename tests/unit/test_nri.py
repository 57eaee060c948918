"""The operator's toolkit as an NRI plugin: what it is told, where that cannot be, and pods without a RuntimeClass."""

from pathlib import Path
from typing import Any

import pytest

from components.steps.runtimes import runtime_faults
from decide import defaults, nri, user_values
from tests.effort import long
from tests.unit.house import CONFIG, WORLD, House, faults_of
from tests.unit.small_snapshot import node, wish
from tests.unit.small_world import policy, some

NRI = {"driver": "preinstalled", "toolkit": "nri"}
WITHOUT = [{key: value for key, value in one.items() if key != "toolkit"} for one in WORLD["nodes"]]


@pytest.mark.parametrize("version", defaults.OPERATOR_VERSIONS)
def test_a_chart_that_does_not_know_it_is_refused_and_the_others_understand_what_they_are_told(version: str) -> None:
    known = user_values.chart(version).types
    assert bool(nri.problem(version, {})) is any(one.path not in known for one in nri.values())


def faults(**changes: Any) -> list[tuple[str, str]]:
    return faults_of({**CONFIG, **changes})


@pytest.mark.parametrize(
    ("changes", "path", "right"),
    [
        ({"gpu": {**NRI, "operator": {"version": "v25.10.1"}}}, "gpu.toolkit", "v26.3.3 or newer"),
        ({"gpu": {**NRI, "operator": {"values": {"cdi": {"enabled": False}}}}}, "gpu.toolkit", "leave that out"),
        ({"gpu": {**NRI, "runtimeClass": "ours"}}, "gpu.runtimeClass", "leave gpu.runtimeClass out"),
        ({"gpu": {"toolkit": "nri", "operator": "external"}}, "gpu.toolkit", "leave gpu.toolkit out"),
        ({"gpu": {"toolkit": "nri", "operator": "none"}}, "gpu.toolkit", "gpu.operator: install"),
        (
            {"gpu": {**NRI, "operator": {"values": {"cdi": {"nriPluginEnabled": True}}}}},
            "gpu.operator.values.cdi.nriPluginEnabled",
            "set gpu.toolkit: nri",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(changes: dict[str, Any], path: str, right: str) -> None:
    ((where, said),) = faults(**changes)
    assert (where, right in said) == (path, True), said


@pytest.mark.parametrize("flavour", ["k0s", "k3s", "rke2", "microk8s"])
def test_it_is_asked_nothing_of_where_a_distribution_has_its_containerd(flavour: str) -> None:
    assert faults(gpu=NRI, cluster={**CONFIG["cluster"], "flavour": flavour}) == []


@pytest.mark.parametrize(
    ("runtime", "id"),
    [
        ("containerd://1.6.33", "CFG-17"), ("containerd://1.7.8", "CFG-17"), ("containerd://1.7.29", "CFG-17"),
        ("containerd://1.7.30", ""), ("containerd://2.0.5", "CFG-17"), ("containerd://2.1.4-k3s1", ""),
        ("containerd://2.3.0", ""), ("cri-o://1.33.2", "CFG-17"), ("cri-o://1.34.0", ""), ("cri-o://1.9.1", "CFG-17"),
        ("docker://28.0.1", "CFG-11"),
    ],
)  # fmt: skip
def test_a_container_runtime_without_such_plugins_is_refused_by_the_look(runtime: str, id: str) -> None:
    one = node()
    one["status"]["nodeInfo"] |= {"containerRuntimeVersion": runtime, "kubeletVersion": "v1.35.4+k0s"}
    asked = wish()
    asked["runtime"] |= {"toolkit": "nri"}
    assert [fault.id for fault in runtime_faults({"nodes": [one]}, asked)] == [id] * bool(id)


@long
def test_there_and_back_the_proof_needs_no_class_and_only_operator_and_proof_move(tmp_path: Path) -> None:
    house = House(tmp_path, {**WORLD, "nodes": WITHOUT})
    made = house.run("up", {**CONFIG, "gpu": NRI})
    assert (made.errors, made.outputs["runtime_class"]) == ([], "")
    assert policy(house.world)["spec"]["cdi"]["nriPluginEnabled"] is True
    assert some(house.world, "RuntimeClass") == []
    assert "runtimeClassName" not in made.outputs["first_workload"]
    assert house.run("up", {**CONFIG, "gpu": NRI}, expect_no_changes=True).exit == 0

    back = house.run("up", {**CONFIG, "gpu": {**NRI, "toolkit": "operator"}})
    assert (back.errors, back.outputs["runtime_class"]) == ([], "nvidia")
    moved = {name for op, _type, name in back.steps if op != "same" and not name.startswith("gpu-validation")}
    assert moved == {"nodes-look", "gpu-stack-operator"}
