"""Look and gate on the simulated cluster: each switch of a world, and what its user then reads."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from components.steps import gate, look
from lab.cluster import kubectl as stand_in
from lab.cluster.world import World
from tests.unit.small_snapshot import MARKED, OURS, STACK, Object, Refusal, external, wish
from tests.unit.small_world import GPU_1, RESTRICTED, after, job, namespace, with_operator, world

BARE = {"name": "gpu-1", "card": "NVIDIA A10G"}
TAINT = "dedicated=ml:NoSchedule"
EVERYTHING_BY_OPERATOR: Object = {"driver": {"enabled": True}, "toolkit": {"enabled": True}}


class Told(NamedTuple):
    """How a step ended, and what its user has read."""

    code: int
    about: Any
    lines: list[str]
    seconds: float


def tell(made: World, step: Any, params: Object, monkeypatch: pytest.MonkeyPatch, poll: float = 20) -> Told:
    """Runs a step against a world, in its time."""

    def call(command: list[str], **_: Any) -> Any:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = stand_in.main([str(made.path), *command[1:]])
        return subprocess.CompletedProcess(command, code, out.getvalue().encode(), err.getvalue().encode())

    monkeypatch.setattr(subprocess, "run", call)
    monkeypatch.setattr(time, "sleep", made.clock.sleep)
    monkeypatch.setattr(time, "monotonic", made.clock.now)
    out, err, began = io.StringIO(), io.StringIO(), made.clock.now()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = step.main({**params, "poll_seconds": poll})
    about = Refusal(err.getvalue()) if code else json.loads(out.getvalue())
    assert not (code and out.getvalue())
    return Told(code, about, err.getvalue().splitlines(), made.clock.now() - began)


def ask_for_proof(made: World, params: Object, **pod: Any) -> None:
    """The validation Jobs, as the program makes them."""
    with made.open() as cluster:
        cluster.create(namespace(OURS, RESTRICTED))
        for one in params["jobs"]:
            wanted = job(one["name"], one["node"], one["gpus"], **pod)
            wanted["metadata"]["namespace"] = OURS
            cluster.create(wanted)


Play = Callable[..., Told]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Installs the operator in a world, turns a switch, asks for proof, and lets the gate judge."""

    def run(*nodes: Object, wished: Object | None = None, values: Object | None = None, **more: Any) -> Told:
        params, pod, switch = wished or wish(), more.pop("pod", {}), more.pop("switch", None)
        settled, installs = more.pop("settled", False), more.pop("installs", True)
        made = world(tmp_path, *(nodes or (GPU_1,)), **more)
        if installs:
            with_operator(made, values)
        if settled:
            after(made, 100)
        ask_for_proof(made, params, **pod)
        if switch:
            made.switch(*switch)
        return tell(made, gate, params, monkeypatch)

    return run


def test_a_healthy_cluster_is_proven(play: Play) -> None:
    found = play()
    assert (found.code, found.about["nodes"][0]["card"], found.about["warnings"]) == (0, "NVIDIA A10G", [])
    assert [check["passed"] for check in found.about["nodes"][0]["checks"]] == [True, True]
    assert found.lines[0].startswith("waiting for operator: gpu-operator-")


def test_a_driver_that_is_being_built_is_waited_for(play: Play) -> None:
    found = play(BARE, values=EVERYTHING_BY_OPERATOR, operator={"driver_seconds": 40})
    assert (found.code, found.about["nodes"][0]["driver"]) == (0, "595.91.07")
    assert any("nvidia-driver-daemonset" in line and "waits in nvidia-driver-ctr" in line for line in found.lines)


def test_a_late_operator_is_waited_for_and_named_by_the_pod_that_is_late(play: Play) -> None:
    found = play(operator={"fault": "late"})
    assert found.code == 0
    assert any("nvidia-device-plugin-daemonset" in line and "starts" in line for line in found.lines)
    assert not any("crash" in line for line in found.lines)


@pytest.mark.parametrize(
    ("nodes", "more", "id", "words"),
    [
        ((GPU_1,), {"operator": {"fault": "stuck"}}, "RT-1", "nvidia-operator-validator"),
        ((GPU_1,), {"operator": {"fault": "crash"}}, "DP-1", "nvidia-device-plugin-daemonset"),
        ((GPU_1,), {"operator": {"fault": "crash", "part": "operator"}}, "OP-18", "gpu-operator-"),
        ((GPU_1,), {"operator": {"fault": "image"}}, "CUDA-5", "gpu-operator-"),
        (
            (BARE,),
            {"operator": {"fault": "crash", "part": "driver"}, "values": EVERYTHING_BY_OPERATOR},
            "DRV-7",
            "nvidia-driver-daemonset",
        ),
        (
            (BARE,),
            {"operator": {"fault": "image", "part": "driver"}, "values": EVERYTHING_BY_OPERATOR},
            "DRV-10",
            "nvidia-driver-daemonset",
        ),
        (
            (BARE,),
            {"operator": {"fault": "crash", "part": "toolkit", "driver_seconds": 20}, "values": EVERYTHING_BY_OPERATOR},
            "TK-14",
            "nvidia-container-toolkit-daemonset",
        ),
        (({**BARE, "toolkit": True},), {}, "OP-2", "gpu-1 has no working driver"),
        (({**GPU_1, "toolkit": False},), {}, "RT-1", "no handler for the RuntimeClass"),
        (({**GPU_1, "card": None},), {}, "OP-5", "finds no NVIDIA card on gpu-1"),
        ((GPU_1,), {"jobs": {"fault": "nvidia-smi"}}, "DRV-3", "nvidia-smi failed on gpu-1"),
        ((GPU_1,), {"jobs": {"fault": "mismatch"}}, "DRV-1", "nvidia-smi failed on gpu-1"),
        ((GPU_1,), {"jobs": {"fault": "vectoradd"}}, "CUDA-11", "vectoradd failed on gpu-1"),
        ((GPU_1,), {"jobs": {"fault": "image"}}, "CUDA-5", "nvidia-smi failed on gpu-1"),
        ((GPU_1,), {"wished": wish(gpus=8)}, "SCH-1", "asks for 8 nvidia.com/gpu"),
        (({**GPU_1, "taints": [TAINT]},), {}, "SCH-2", f"gpu-1 has taint {TAINT}"),
        ((GPU_1,), {"pod": {"runtimeClassName": "absent"}}, "RT-7", "is refused"),
        ((GPU_1,), {"pod": {"hostPID": True}}, "OP-9", "is refused"),
        ((GPU_1,), {"settled": True, "switch": ("nodes.gpu-1.taints", [TAINT])}, "DP-3", f"gpu-1 has taint {TAINT}"),
        ((GPU_1,), {"switch": ("nodes.gpu-1.present", False)}, "CFG-1", "not in the cluster: gpu-1"),
        ((GPU_1,), {"switch": ("nodes.gpu-1.ready", False)}, "CFG-3", "not Ready: gpu-1"),
        ((GPU_1,), {"wished": external(), "installs": False}, "CFG-5", "nothing in the cluster hands out GPUs"),
    ],
)
def test_the_first_broken_layer_is_named(play: Play, nodes: Any, more: Object, id: str, words: str) -> None:
    found = play(*nodes, **more)
    assert (found.code, found.about["id"]) == (3, id)
    assert words in found.about["problem"]
    assert found.lines[-1] == f"fix: {found.about['fix']}"
    assert found.seconds < 300


@pytest.mark.parametrize(
    ("node", "more", "id", "words"),
    [
        (GPU_1, {"jobs": {"fault": "hang"}}, "PLM-16", "nvidia-smi runs on gpu-1"),
        ({**GPU_1, "busy": 1}, {"settled": True}, "SCH-1", "taken by default/busy-on-gpu-1 (1 on gpu-1)"),
        (GPU_1, {"switch": ("api", "down")}, "PLM-3", "the cluster does not answer"),
    ],
)
def test_what_may_still_come_is_waited_for_until_the_deadline(
    play: Play, node: Object, more: Object, id: str, words: str
) -> None:
    found = play(node, wished=wish(timeout_seconds=120), **more)
    assert (found.code, found.about["id"]) == (3, id)
    assert found.lines[-2].startswith(f"{id} ")
    assert f"not ready after 120 s, still waiting for: {found.about['problem']}" in found.lines[-2]
    assert words in found.about["problem"]


def test_a_card_that_is_unhealthy_is_a_warning(play: Play) -> None:
    found = play({**GPU_1, "gpus": 2, "unhealthy": 1})
    assert found.code == 0
    assert found.about["warnings"][0].startswith("DP-4: gpu-1 hands out 1 of 2 cards")


def test_a_node_that_nobody_declared_is_reported_as_not_tested(play: Play) -> None:
    found = play(GPU_1, {**GPU_1, "name": "gpu-2"})
    assert (found.code, found.about["not_tested"]) == (0, ["gpu-2"])


def test_a_platform_that_hands_out_cards_by_itself_is_proven_as_external(play: Play) -> None:
    node = {**GPU_1, "device_plugin": True}
    classes = [{"name": "nvidia", "handler": "nvidia"}]
    found = play(node, wished=external(), installs=False, runtime_classes=classes, pod={"runtimeClassName": "nvidia"})
    assert (found.code, found.about["operator"]) == (0, {"owner": "external", "state": "", "version": ""})


@pytest.mark.parametrize(
    ("spec", "wished", "ids"),
    [
        ({}, wish(), []),
        ({"operator": {"installed": True}}, wish(), ["CFG-4"]),
        ({"operator": {"installed": True}}, external(), []),
        ({}, external(), ["CFG-5"]),
        ({"runtime_classes": [{"name": "nvidia", "handler": "nvidia"}]}, wish(), ["CFG-6"]),
        ({}, wish("gpu-9"), ["CFG-1"]),
        ({"context": "other"}, wish(), ["PLM-12"]),
        ({"api": "down"}, wish(), ["PLM-3"]),
        ({"api": "slow"}, wish(), []),
    ],
)
def test_the_look_refuses_what_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: Object, wished: Object, ids: list[str]
) -> None:
    found = tell(world(tmp_path, GPU_1, **spec), look, wished, monkeypatch)
    about = found.about
    assert ([about["id"], *about["also"]] if found.code else []) == ids
    assert found.code == (3 if ids else 0)


def test_the_look_knows_its_own_release_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = world(tmp_path, GPU_1)
    with made.open() as cluster:
        ours = namespace("gpu-operator", dict(MARKED))
        ours["metadata"]["annotations"] = dict(STACK)
        cluster.create(ours)
        cluster.install_release("gpu-operator", "gpu-operator", "v26.7.0", {"driver": {"enabled": False}})
    assert tell(after(made, 200), look, wish(), monkeypatch).code == 0


def test_the_look_takes_a_release_in_an_unmarked_namespace_for_foreign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tell(after(with_operator(world(tmp_path, GPU_1)), 200), look, wish(), monkeypatch)
    assert (found.code, found.about["id"]) == (3, "CFG-4")
    assert "ClusterPolicy cluster-policy" in found.about["problem"]


def test_what_is_broken_on_a_node_that_nobody_declared_is_a_warning_and_no_failure(play: Play) -> None:
    found = play(GPU_1, {**GPU_1, "name": "gpu-2", "toolkit": False})
    assert found.code == 0, found.lines[-3:]
    assert [line for line in found.about["warnings"] if "gpu-2" in line], found.about["warnings"]


def test_a_node_that_opted_out_of_the_plugin_is_named_with_the_label(play: Play) -> None:
    label = "nvidia.com/gpu.deploy.device-plugin"
    found = play({**GPU_1, "labels": {label: "false"}})
    assert (found.code, found.about["id"]) == (3, "DP-3")
    assert f"gpu-1 has {label}=false" in found.about["problem"]
    assert f"kubectl label node gpu-1 --overwrite {label}=true" in found.about["fix"]
    assert found.seconds < 300


def test_a_node_whose_cards_are_all_unhealthy_is_named_for_that(play: Play) -> None:
    found = play({**GPU_1, "unhealthy": 1})
    assert (found.code, found.about["id"]) == (3, "DP-4")
    assert "hands out 0 of 1 cards" in found.about["problem"]


def test_the_operator_is_found_where_its_policy_says_that_it_lives(play: Play) -> None:
    wished = external()
    wished["operator"] = {**wished["operator"], "namespace": "somewhere-else"}
    found = play(GPU_1, wished=wished, operator={"fault": "crash"})
    assert (found.code, found.about["id"]) == (3, "DP-1")
    assert found.seconds < 400


def test_a_wrong_context_is_answered_with_the_one_that_was_probably_meant(play: Play) -> None:
    found = play(GPU_1, wished={**wish(), "context": "dem"})
    assert (found.code, found.about["id"]) == (3, "PLM-12")
    assert "did you mean demo?" in found.about["problem"]


def test_slow_discovery_is_progress_and_no_refusal(play: Play) -> None:
    found = play(operator={"discovery_seconds": 300})
    assert found.code == 0, found.lines[-3:]
    assert any("node-feature-discovery-worker" in line and "on gpu-1 starts" in line for line in found.lines)
    assert not [line for line in found.lines if "gives up" in line or "finds no NVIDIA card" in line]
    assert 300 < found.seconds < 450


def test_discovery_that_never_comes_ends_at_the_limit_and_not_before(play: Play) -> None:
    found = play(wished=wish(timeout_seconds=240), operator={"discovery_seconds": 100_000})
    assert (found.code, found.about["id"]) == (3, "OP-5")
    assert "not ready after 240 s, still waiting for: " in found.lines[-2]
    assert "node-feature-discovery-worker" in found.lines[-2]
    assert "kubectl describe pod -n gpu-operator gpu-operator-node-feature-discovery-worker-" in found.lines[-1]
    assert 240 <= found.seconds < 300
