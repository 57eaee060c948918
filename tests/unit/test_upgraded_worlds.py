"""After an upgrade the old opinion of the operator stands there for a while: the gate believes it only with proof."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.steps import gate
from lab.cluster.driver_upgrade import STATE
from lab.cluster.world import World
from tests.effort import long
from tests.unit.house import CONFIG, WORLD, House
from tests.unit.small_snapshot import Object, wish
from tests.unit.small_world import (
    GPU_1,
    ON_HOST,
    after,
    find,
    pod_of,
    policy,
    some,
    with_operator,
    world,
)
from tests.unit.test_judged_worlds import Told, ask_for_proof, tell

pytestmark = long


BARE = {"name": "gpu-1", "card": "NVIDIA A10G"}
OTHER = {**GPU_1, "name": "gpu-2"}
SPACE, NEW, OLD = "gpu-operator", "v26.7.0", "v26.3.3"
EXPORTER_OFF: Object = {**ON_HOST, "dcgmExporter": {"enabled": False}}


def wished(*nodes: str, version: str = NEW, **more: Any) -> Object:
    """The wish of a stack that names the version of its operator."""
    operator = {"mode": "install", "release": "gpu-operator", "namespace": SPACE, "version": version}
    return wish(*nodes, operator=operator, **more)


def upgraded(made: World, version: str = NEW, values: Object | None = None) -> World:
    with made.open() as cluster:
        cluster.upgrade_release("gpu-operator", SPACE, version, ON_HOST if values is None else values)
    return made


def old_world(folder: Path, *nodes: Object, values: Object | None = None, **spec: Any) -> World:
    """A world whose operator has been at work for long."""
    return after(with_operator(world(folder, *(nodes or (GPU_1,)), **spec), values, OLD), 400)


def judged(made: World, params: Object, monkeypatch: pytest.MonkeyPatch, poll: float = 5) -> Told:
    return tell(made, gate, params, monkeypatch, poll)


def operands(made: World) -> list[Object]:
    """The DaemonSets of the operator that are meant for a node."""
    found = [
        one for one in some(made, "DaemonSet", SPACE) if one["metadata"]["name"] != "node-feature-discovery-worker"
    ]
    return [one for one in found if one["metadata"].get("ownerReferences") and one["status"]["desiredNumberScheduled"]]


def assert_rolled_out(made: World, version: str = NEW) -> None:
    for one in operands(made):
        status, labels = one["status"], one["spec"]["template"]["metadata"]["labels"]
        assert labels["helm.sh/chart"] == f"gpu-operator-{version}", one["metadata"]["name"]
        assert status["updatedNumberScheduled"] == status["desiredNumberScheduled"]
    deployment = find(made, "Deployment", "gpu-operator", SPACE)["status"]
    assert (deployment["replicas"], deployment["updatedReplicas"], deployment["availableReplicas"]) == (1, 1, 1)


# the whole program


def config(poll: int = 10, **operator: Any) -> dict[str, Any]:
    validation = {"timeoutSeconds": 600, "pollSeconds": poll}
    gpu = {**CONFIG["gpu"], "operator": {"mode": "install", **operator}}
    return {**CONFIG, "gpu": gpu, "validation": validation}


def test_an_upgrade_is_green_only_when_the_new_operator_has_done_its_work(tmp_path: Path) -> None:
    house = House(tmp_path, {**WORLD, "operator": {"ready_seconds": 10}})
    assert house.run("up", config(version=OLD)).exit == 0
    result = house.run("up", config(version=NEW))
    assert (result.exit, result.errors) == (0, [])
    assert result.outputs["report"]["operator"] == {"owner": "install", "version": NEW, "state": "ready"}
    assert_rolled_out(house.world)


def test_changed_values_are_green_only_when_the_operator_has_met_them(tmp_path: Path) -> None:
    house = House(tmp_path, {**WORLD, "operator": {"ready_seconds": 10, "reacts_seconds": 14}})
    assert house.run("up", config(version=NEW)).exit == 0
    result = house.run("up", config(6, version=NEW, values={"dcgmExporter": {"enabled": False}}))
    assert (result.exit, result.errors) == (0, [])
    assert "nvidia-dcgm-exporter" not in [one["metadata"]["name"] for one in some(house.world, "DaemonSet")]


def test_an_operator_that_somebody_else_has_moved_is_not_believed(tmp_path: Path) -> None:
    house = House(tmp_path, WORLD)
    assert house.run("up", config(30, version=NEW)).exit == 0
    upgraded(house.world, OLD)
    errors = house.run("up", config(31, version=NEW)).errors
    assert any("OP-20 operator: ClusterPolicy cluster-policy is of v26.3.3, and v26.7.0" in one for one in errors), (
        errors
    )


def test_an_operator_that_is_changed_to_external_is_not_uninstalled(tmp_path: Path) -> None:
    house = House(tmp_path, WORLD)
    assert house.run("up").exit == 0
    result = house.run("up", {**CONFIG, "gpu": {"operator": "external"}})
    assert result.exit == 1
    assert any(
        "CFG-9 ownership: the operator here is the one that this stack installed" in one for one in result.errors
    )
    assert find(house.world, "Deployment", "gpu-operator", SPACE)


# the gate alone


def test_a_policy_that_is_ready_from_before_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = old_world(tmp_path, operator={"reacts_seconds": 100})
    upgraded(made)
    ask_for_proof(made, wished())
    assert policy(made)["status"]["state"] == "ready"
    assert policy(made)["metadata"]["labels"]["app.kubernetes.io/version"] == NEW
    found = judged(made, wished(), monkeypatch)
    assert found.code == 0
    assert found.seconds >= 100
    assert any("is still that of gpu-operator-v26.3.3" in line for line in found.lines), found.lines
    assert_rolled_out(made)


def test_a_new_operator_that_cannot_start_is_named_though_the_old_one_says_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = old_world(tmp_path)
    made.switch("operator.fault", "image")
    upgraded(made)
    ask_for_proof(made, wished())
    found = judged(made, wished(), monkeypatch)
    assert (found.code, found.about["id"]) == (3, "CUDA-5")
    assert "gpu-operator-" in found.about["problem"]
    assert policy(made)["status"]["state"] == "ready"


def test_an_old_operator_that_knows_nothing_of_roll_outs_is_not_believed_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = old_world(tmp_path, GPU_1, OTHER)
    changed = {**ON_HOST, "daemonsets": {"tolerations": [{"operator": "Exists"}]}}
    params = wished("gpu-1", "gpu-2", version=OLD)
    upgraded(made, OLD, changed)
    ask_for_proof(made, params)
    found = judged(made, params, monkeypatch)
    assert found.code == 0
    assert_rolled_out(made, OLD)


def test_an_operator_of_another_version_than_the_wished_one_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = old_world(tmp_path)
    ask_for_proof(made, wished())
    found = judged(made, wished(), monkeypatch, 20)
    assert (found.code, found.about["id"]) == (3, "OP-20")
    assert "is of v26.3.3, and v26.7.0 was installed" in found.about["problem"]


def test_a_driver_upgrade_is_waited_for_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = old_world(tmp_path, BARE, operator={"driver_seconds": 60}, values={})
    upgraded(made, values={})
    ask_for_proof(made, wished())
    found = judged(made, wished(), monkeypatch)
    assert found.code == 0
    assert any("nvidia-driver-daemonset" in line and "waits in nvidia-driver-ctr" in line for line in found.lines)
    assert find(made, "Node", "gpu-1")["metadata"]["labels"][STATE] == "upgrade-done"
    assert "unschedulable" not in find(made, "Node", "gpu-1")["spec"]
    assert_rolled_out(made)


def test_a_proof_that_is_older_than_what_it_proves_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = old_world(tmp_path)
    ask_for_proof(made, wished())
    after(made, 30)
    assert judged(made, wished(version=OLD), monkeypatch).about["warnings"] == []
    upgraded(made)
    found = judged(made, wished(), monkeypatch)
    (warning,) = found.about["warnings"]
    assert warning.startswith("gpu-1 was proven before nvidia-device-plugin-daemonset-")
    assert warning.endswith(
        "began; to prove it anew: kubectl delete job -n gpu-ready check-gpu-1, then pulumi up --refresh"
    )


def test_a_driver_that_nobody_replaces_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: Object = {"driver": {"upgradePolicy": {"autoUpgrade": False}}}
    made = old_world(tmp_path, BARE, values=values)
    before = pod_of(made, "nvidia-driver-daemonset")["metadata"]["name"]
    upgraded(made, values=values)
    ask_for_proof(made, wished())
    found = judged(made, wished(), monkeypatch, 20)
    assert (found.code, found.about["id"]) == (3, "OP-21")
    assert "autoUpgrade is off" in found.about["problem"]
    assert before in found.about["fix"]
    assert pod_of(made, "nvidia-driver-daemonset")["metadata"]["name"] == before


# the simulated cluster plays it as it is


def test_the_old_operator_stays_until_the_new_one_is_ready(tmp_path: Path) -> None:
    made = upgraded(old_world(tmp_path))
    status = find(after(made, 1), "Deployment", "gpu-operator", SPACE)["status"]
    assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (2, 1, 1)
    assert status["observedGeneration"] == 2
    assert (
        len([one for one in some(made, "Pod", SPACE) if one["metadata"]["name"].startswith("gpu-operator-")][:2]) == 2
    )
    after(made, 30)
    assert "unavailableReplicas" not in find(made, "Deployment", "gpu-operator", SPACE)["status"]


def test_operands_are_replaced_one_node_at_a_time(tmp_path: Path) -> None:
    made = upgraded(old_world(tmp_path, GPU_1, OTHER))
    seen = set()
    for _ in range(80):
        status = find(after(made, 2), "DaemonSet", "nvidia-device-plugin-daemonset", SPACE)["status"]
        seen.add((status.get("updatedNumberScheduled", 0), status.get("numberUnavailable", 0)))
    assert {(2, 0), (1, 1)} <= seen
    assert max(down for _new, down in seen) == 1


def test_a_driver_pod_is_not_replaced_by_its_daemon_set(tmp_path: Path) -> None:
    values: Object = {"driver": {"upgradePolicy": {"autoUpgrade": False}}}
    made = after(upgraded(old_world(tmp_path, BARE, values=values), values=values), 300)
    driver = find(made, "DaemonSet", "nvidia-driver-daemonset", SPACE)
    assert (driver["status"].get("updatedNumberScheduled", 0), driver["status"]["desiredNumberScheduled"]) == (0, 1)
    assert policy(made)["status"]["state"] == "notReady"
    assert find(made, "Node", "gpu-1")["metadata"]["labels"]["nvidia.com/cuda.driver-version.full"] == "580.126.20"


def test_drivers_are_upgraded_one_cordoned_node_at_a_time(tmp_path: Path) -> None:
    made = old_world(tmp_path, BARE, {**BARE, "name": "gpu-2"}, values={}, operator={"driver_seconds": 20})
    upgraded(made, values={})
    states = set()
    for _ in range(60):
        nodes = [one for one in some(after(made, 5), "Node") if one["metadata"]["name"] in ("gpu-1", "gpu-2")]
        states.add(tuple(one["metadata"]["labels"].get(STATE, "") for one in nodes))
        assert sum(bool(one["spec"].get("unschedulable")) for one in nodes) <= 1
    assert ("pod-restart-required", "upgrade-required") in states
    assert ("upgrade-done", "upgrade-done") in states
    assert policy(made)["status"]["state"] == "ready"


def test_a_changed_policy_is_ready_from_before_until_the_operator_comes_to_it(tmp_path: Path) -> None:
    made = upgraded(old_world(tmp_path, operator={"reacts_seconds": 50}), OLD, EXPORTER_OFF)
    names = [one["metadata"]["name"] for one in operands(after(made, 49))]
    assert ("nvidia-dcgm-exporter" in names, policy(made)["status"]["state"]) == (True, "ready")
    names = [one["metadata"]["name"] for one in operands(after(made, 2))]
    assert "nvidia-dcgm-exporter" not in names
