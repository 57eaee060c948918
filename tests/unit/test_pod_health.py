"""Why one pod does not run: troubles of containers, and the four things that one sentence of the scheduler can mean."""

from __future__ import annotations

from typing import Any

import pytest

from decide import job_health, placement_health, pod_health
from tests.unit.small_snapshot import (
    by_labels,
    container,
    ended,
    event,
    healthy,
    node,
    pod,
    runs,
    unplaced,
    waits,
    wish,
)

SHORT = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. preemption: 0/1 nodes are available."
TAINT = "dedicated=ml:NoSchedule"


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (waits("c", "ImagePullBackOff", "not found"), "image", "ImagePullBackOff: not found"),
        (waits("c", "InvalidImageName"), "image", "InvalidImageName: "),
        (waits("c", "CrashLoopBackOff", "back-off 40s", last=" panic\n"), "crash", "panic"),
        (waits("c", "CrashLoopBackOff", "back-off 40s"), "crash", ""),
        (waits("c", "CreateContainerConfigError", "no secret"), "error", "CreateContainerConfigError: no secret"),
        (ended("c", 1, "boom\n"), "error", "boom"),
        (ended("c", 137), "error", "exit status 137"),
        (runs("c", ready=False), "waiting", ""),
    ],
)
def test_trouble_of_a_container(status: dict[str, Any], kind: str, text: str) -> None:
    assert pod_health.container_trouble(status) == pod_health.Trouble("c", kind, text)


@pytest.mark.parametrize(
    "status", [runs("c", ready=True), ended("c"), waits("c", "PodInitializing"), waits("c", "ContainerCreating"), {}]
)
def test_a_container_that_is_well_or_begins_is_no_trouble(status: dict[str, Any]) -> None:
    assert pod_health.container_trouble(status) is None


def test_init_containers_speak_first_and_the_pod_itself_last() -> None:
    both = pod("p", ended("main", 1), init=(ended("init", 2),))
    assert [one.container for one in pod_health.pod_troubles(both)] == ["init", "main"]
    refused = pod("p", status={"reason": "UnexpectedAdmissionError", "message": "Requested: 1, Available: 0"})
    assert [one.text for one in pod_health.pod_troubles(refused)] == [
        "UnexpectedAdmissionError: Requested: 1, Available: 0"
    ]


def test_a_sandbox_failure_counts_until_the_pod_has_an_address() -> None:
    events = [
        event("p", "FailedCreatePodSandBox", "no runtime"),
        event("p", "Scheduled", "later", "2026-02-01T00:00:00Z"),
    ]
    found = pod_health.sandbox_failure({"events": events}, pod("p", ip=""))
    assert found == "FailedCreatePodSandBox: no runtime"
    assert pod_health.sandbox_failure({"events": events}, pod("p")) == ""
    assert pod_health.sandbox_failure({"events": events}, pod("q", ip="")) == ""


def place(said: str, wished: Any = None, gpus: int = 1, target: str | None = "gpu-1", **snapshot: Any) -> Any:
    found = unplaced(pod("check"), said)
    return placement_health.unschedulable(healthy(**snapshot), wished or wish(), found, gpus, target)


def test_a_node_that_is_not_there_is_named() -> None:
    found = place("0/1 nodes are available", target="gpu-9")
    assert (found.id, found.problem, found.hopeless) == ("SCH-6", "no node matches node gpu-9", True)
    assert found.evidence == ("0/1 nodes are available",)


def test_labels_that_no_node_has_are_named() -> None:
    found = place("0/1", by_labels(pool="gpu", zone="a"), target=None)
    assert (found.id, found.problem) == ("SCH-6", "no node matches labels pool=gpu,zone=a")


def test_a_cordoned_node_is_named_with_the_command_that_opens_it() -> None:
    found = place("unschedulable", nodes=[node(cordoned=True)])
    assert (found.id, found.problem, found.fix) == ("SCH-7", "cordoned: gpu-1", "kubectl uncordon gpu-1")


def test_a_taint_is_named_with_its_node_and_the_command_that_takes_it_off() -> None:
    found = place("1 node(s) had untolerated taint(s)", nodes=[node(taints=[TAINT, "nvidia.com/gpu=x:NoSchedule"])])
    assert found.id == "SCH-2"
    assert found.problem == f"gpu-1 has taint {TAINT}, which GPU pods do not tolerate"
    assert found.fix.endswith(f"kubectl taint node gpu-1 {TAINT}-")
    assert found.hopeless


def test_too_many_cards_asked_for_is_hopeless_and_says_how_many_there_are() -> None:
    found = place(SHORT, gpus=8, nodes=[node(gpus=2)])
    assert (found.id, found.hopeless) == ("SCH-1", True)
    assert found.problem == "the pod asks for 8 nvidia.com/gpu, and no matching node has more than 2"
    assert found.fix == "set validation.gpus to at most 2"


def test_busy_cards_are_waited_for_and_their_holders_named() -> None:
    limits = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    holder = {
        "metadata": {"name": "training", "namespace": "ml"},
        "spec": {"nodeName": "gpu-1", "containers": [limits]},
    }
    over = {**holder, "status": {"phase": "Succeeded"}, "metadata": {"name": "old", "namespace": "ml"}}
    other = {**holder, "spec": {"nodeName": "gpu-2", "containers": [limits]}}
    found = place(SHORT, all_pods=[holder, over, other, {"spec": {}}])
    assert (found.id, found.hopeless, found.state) == ("SCH-1", False, "waiting")
    assert found.problem == "no free card on gpu-1, taken by ml/training (1 on gpu-1)"
    assert place(SHORT).problem == "no free card on gpu-1"


def test_a_reason_of_the_schedulers_own_is_repeated() -> None:
    found = place("0/1 nodes are available: 1 Insufficient cpu.")
    assert (found.id, found.hopeless) == ("SCH-8", True)
    assert found.problem == "the scheduler finds no place: 0/1 nodes are available: 1 Insufficient cpu."


def test_one_open_node_of_several_is_enough_to_look_further() -> None:
    nodes = [node("a", cordoned=True), node("b", taints=[TAINT]), node("c", gpus=4)]
    assert place(SHORT, wish("a", "b", "c"), gpus=4, target=None, nodes=nodes).problem == "no free card on c"


def test_a_failed_image_of_a_check_names_the_setting() -> None:
    trouble = pod_health.Trouble("vectoradd", "image", "ErrImagePull: not found")
    found = job_health.failed_container({}, pod("check"), trouble, "waiting")
    assert (found.id, found.fix.split(": ")[-1]) == ("CUDA-5", "validation.cudaImage")
    assert found.problem == "vectoradd failed on gpu-1: the image cannot be pulled"


def test_the_log_says_what_the_termination_message_does_not() -> None:
    logs = {"gpu-operator/check/nvidia-smi": "first\nNo devices were found\n"}
    trouble = pod_health.Trouble("nvidia-smi", "error", "exit status 6")
    found = job_health.failed_container({"logs": logs}, pod("check"), trouble, "broken")
    assert found.id == "PCI-4"
    assert found.evidence[-2:] == ("nvidia-smi on gpu-1: No devices were found", "nvidia-smi on gpu-1: exit status 6")


def test_an_unknown_failure_says_where_and_repeats_the_words() -> None:
    found = job_health.failed_container(
        {}, pod("check"), pod_health.Trouble("x", "error", "Segmentation fault"), "broken"
    )
    assert (found.id, found.problem) == ("CUDA-13", "x failed on gpu-1")
    assert found.evidence == ("x on gpu-1: Segmentation fault",)


def test_a_container_without_any_state_is_no_trouble() -> None:
    assert pod_health.pod_troubles(pod("p", container("c"))) == []
