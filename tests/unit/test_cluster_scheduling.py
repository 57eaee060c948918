"""Pods find a node by name, labels, taints and free resources, or learn why not in the scheduler's own words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.cluster.scheduler import quantity, requests, tolerates
from tests.unit.small_world import (
    CPU,
    GPU_1,
    GPU_2,
    after,
    condition,
    events,
    job,
    pod_of,
    ready_world,
    run_job,
    world,
)


def why(folder: Path, wanted: dict[str, Any], *nodes: dict[str, Any], **spec: Any) -> str:
    """What the scheduler says about a Job's pod that it cannot place."""
    made = ready_world(folder, *nodes, **spec)
    run_job(made, wanted)
    found = condition(pod_of(made, wanted["metadata"]["name"]), "PodScheduled")
    assert (found["status"], found["reason"]) == ("False", "Unschedulable")
    return str(found["message"])


def test_a_pod_lands_on_the_node_that_its_affinity_names(tmp_path: Path) -> None:
    made = ready_world(tmp_path)
    for node in ("gpu-1", "gpu-2"):
        run_job(made, job(f"check-{node}", node))
        assert pod_of(made, f"check-{node}")["spec"]["nodeName"] == node
    assert "Successfully assigned default/check-gpu-1-" in events(made, "check-gpu-1", "Scheduled")[0]


def test_too_few_cards_are_told_with_the_nodes_that_are_out_of_the_question(tmp_path: Path) -> None:
    text = why(tmp_path, job("much", gpus=5), kubernetes="1.33")
    assert text == (
        "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. "
        "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )


def test_cards_that_others_use_are_told_as_a_case_where_preemption_found_nobody(tmp_path: Path) -> None:
    text = why(tmp_path, job("late"), {**GPU_1, "busy": 1}, CPU, kubernetes="1.33")
    assert text == (
        "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) didn't satisfy plugin(s) [NodeAffinity]. "
        "preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, "
        "1 Preemption is not helpful for scheduling."
    )


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("1.32", "1 node(s) had untolerated taint {dedicated: ml}. preemption: 0/1"),
        ("1.33", "1 node(s) had untolerated taint {dedicated: ml}. preemption: 0/1"),
        ("1.34", "1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/1"),
        ("1.36", "1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/1"),
    ],
)
def test_a_taint_is_named_only_by_older_schedulers(tmp_path: Path, version: str, text: str) -> None:
    tainted = {**GPU_1, "taints": ["dedicated=ml:NoSchedule"]}
    assert text in why(tmp_path, job("check"), tainted, kubernetes=version)


def test_a_selector_that_fits_no_node_is_told(tmp_path: Path) -> None:
    text = why(tmp_path, job("check", None, nodeSelector={"pool": "gpu"}), GPU_1, CPU)
    assert "2 node(s) didn't match Pod's node affinity/selector." in text


def test_a_node_that_does_not_answer_is_told_as_its_taint(tmp_path: Path) -> None:
    text = why(tmp_path, job("check"), {**GPU_1, "ready": False}, kubernetes="1.33")
    assert "1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }" in text


def test_a_pod_is_placed_as_soon_as_the_reason_is_gone(tmp_path: Path) -> None:
    made = ready_world(tmp_path, {**GPU_1, "busy": 1})
    run_job(made, job("check"))
    assert "nodeName" not in pod_of(made, "check")["spec"]
    made.switch("nodes.gpu-1.busy", 0)
    assert condition(pod_of(after(made, 60), "check"), "PodScheduled")["status"] == "True"


def test_a_cluster_without_nodes_says_so(tmp_path: Path) -> None:
    made = world(tmp_path, {**CPU, "present": False})
    run_job(made, job("check"))
    assert condition(pod_of(made, "check"), "PodScheduled")["message"] == "no nodes available to schedule pods"


@pytest.mark.parametrize(
    ("toleration", "covered"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "a", "operator": "Exists"}, True),
        ({"key": "a", "value": "b"}, True),
        ({"key": "a", "operator": "Equal", "value": "b", "effect": "NoSchedule"}, True),
        ({"key": "a", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "a", "value": "c"}, False),
        ({"key": "x", "operator": "Exists"}, False),
        ({}, False),
    ],
)
def test_a_toleration_covers_a_taint_by_key_value_and_effect(toleration: dict[str, str], covered: bool) -> None:
    assert tolerates([toleration], {"key": "a", "value": "b", "effect": "NoSchedule"}) is covered


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1), (2, 2), ("500m", 0.5), ("2Gi", 2 * 2**30), ("1k", 1000), ("nonsense", 0)]
)
def test_quantities_are_read_with_their_units(text: str, number: float) -> None:
    assert quantity(text) == number


def test_a_pod_takes_the_larger_of_its_first_and_its_main_containers() -> None:
    def asks(*gpus: int) -> list[dict[str, Any]]:
        return [{"resources": {"limits": {"nvidia.com/gpu": str(one)}}} for one in gpus]

    assert requests({"initContainers": asks(2, 3), "containers": asks(1, 1)}) == {"nvidia.com/gpu": 3}
    assert requests({"initContainers": asks(1), "containers": asks(1, 1)}) == {"nvidia.com/gpu": 2}


def test_two_cards_serve_two_jobs_and_the_third_waits(tmp_path: Path) -> None:
    made = ready_world(tmp_path, CPU, GPU_2)
    made.switch("jobs.fault", "hang")
    for name in ("a", "b", "c"):
        run_job(made, job(name, "gpu-2"), 1)
    placed = [name for name in "abc" if "nodeName" in pod_of(made, name)["spec"]]
    assert placed == ["a", "b"]
