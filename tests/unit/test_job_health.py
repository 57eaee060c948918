"""What a validation Job says: passed, on its way, or failed with the reason that people search for."""

from __future__ import annotations

from typing import Any

import pytest

from decide.job_health import judge_job
from decide.reading import Verdict
from tests.unit.small_snapshot import (
    OURS,
    check_pod,
    ended,
    event,
    healthy,
    job,
    runs,
    unplaced,
    waits,
    wish,
)


def judged(wished: Any = None, **changed: Any) -> Verdict:
    wished = wished or wish()
    found = judge_job(healthy(**changed), wished, wished["jobs"][0])
    assert found
    return found


def test_a_job_whose_log_says_that_the_test_passed_is_well() -> None:
    assert judge_job(healthy(), wish(), wish()["jobs"][0]) is None


def test_exit_0_without_the_proof_is_broken() -> None:
    found = judged(logs={f"{OURS}/check-gpu-1-abcde/vectoradd": "hello\n"})
    assert (found.state, found.id, found.evidence) == ("broken", "CUDA-10", ("vectoradd: hello",))


@pytest.mark.parametrize("log", [{}, {f"{OURS}/check-gpu-1-abcde/vectoradd": None}])
def test_a_log_that_cannot_be_read_is_no_reason_to_fail(log: dict[str, None]) -> None:
    assert judge_job(healthy(logs=log), wish(), wish()["jobs"][0]) is None


def test_a_job_that_is_gone_is_broken() -> None:
    assert judged(jobs=[]).id == "PLM-15"


@pytest.mark.parametrize(
    ("said", "id"),
    [
        ("Failed to initialize NVML: Driver/library version mismatch", "DRV-1"),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", "DRV-3"),
        ("No devices were found", "PCI-4"),
        ("sh: 1: nvidia-smi: not found", "CUDA-4"),
        ("Segmentation fault", "CUDA-13"),
    ],
)
def test_a_failed_nvidia_smi_is_named_by_its_own_words(said: str, id: str) -> None:
    bad = check_pod(smi=ended("nvidia-smi", 9, said), kernel=waits("vectoradd", "PodInitializing"), phase="Failed")
    found = judged(jobs=[job(over="Failed", reason="BackoffLimitExceeded")], pods=[bad])
    assert (found.state, found.id) == ("broken", id)
    assert found.problem.startswith("nvidia-smi failed on gpu-1")
    assert found.evidence == (f"nvidia-smi on gpu-1: {said}",)


@pytest.mark.parametrize(
    ("said", "id"),
    [
        ("(error code no CUDA-capable device is detected)!", "CUDA-11"),
        ("(error code CUDA driver version is insufficient for CUDA runtime version)!", "CUDA-2"),
        ("(error code no kernel image is available for execution on the device)!", "CUDA-12"),
    ],
)
def test_a_failed_kernel_launch_is_named_by_its_own_words(said: str, id: str) -> None:
    bad = check_pod(kernel=ended("vectoradd", 1, said), phase="Failed")
    assert judged(jobs=[job(over="Failed")], pods=[bad]).id == id


def test_a_job_out_of_time_whose_pod_is_gone_says_so() -> None:
    found = judged(jobs=[job(over="Failed", reason="DeadlineExceeded")], pods=[])
    assert (found.state, found.id) == ("broken", "PLM-8")
    assert found.problem == "validation Job check-gpu-1 failed: DeadlineExceeded"


def test_a_job_out_of_time_is_explained_by_the_events_of_its_pod() -> None:
    told = [
        event("check-gpu-1-abcde", "FailedScheduling", "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."),
        event("check-gpu-1", "DeadlineExceeded", "Job was active longer than specified deadline"),
        event("check-gpu-11-abcde", "Failed", "ErrImagePull"),
    ]
    found = judged(jobs=[job(over="Failed", reason="DeadlineExceeded")], pods=[], events=told)
    assert found.id == "SCH-1"
    assert found.evidence == (f"FailedScheduling: {told[0]['message']}",)


def test_a_pod_that_another_workload_left_no_card_for_is_explained() -> None:
    status = {"reason": "UnexpectedAdmissionError", "message": "Requested: 1, Available: 0"}
    bad = check_pod(phase="Failed", status={**status, "initContainerStatuses": [], "containerStatuses": []})
    assert judged(jobs=[job(over="Failed")], pods=[bad]).id == "DP-12"


@pytest.mark.parametrize(
    ("message", "id"),
    [
        ('Error creating: pods "a-" is forbidden: pod rejected: RuntimeClass "nvidia" not found', "RT-7"),
        ('Error creating: pods "a-" is forbidden: violates PodSecurity "restricted:latest": x', "OP-9"),
        ("Error creating: exceeded quota", "PLM-8"),
    ],
)
def test_a_pod_that_is_not_admitted_is_explained(message: str, id: str) -> None:
    found = judged(jobs=[job(over="")], pods=[], events=[event("check-gpu-1", "FailedCreate", message)])
    assert (found.state, found.id, found.hopeless) == ("waiting", id, True)
    assert found.evidence == (f"FailedCreate: {message}",)


def test_a_job_without_a_pod_is_waited_for() -> None:
    found = judged(jobs=[job(over="")], pods=[])
    assert (found.id, found.problem, found.hopeless) == ("PLM-16", "Job check-gpu-1 makes its pod", False)


def test_a_node_without_the_runtime_handler_is_named() -> None:
    said = 'Failed to create pod sandbox: no runtime for "nvidia" is configured'
    begun = check_pod(smi=waits("nvidia-smi", "PodInitializing"), ip="", phase="Pending")
    about = event("check-gpu-1-abcde", "FailedCreatePodSandBox", said)
    found = judged(jobs=[job(over="")], pods=[begun], events=[about])
    assert (found.id, found.hopeless, found.problem.split(":")[0]) == ("RT-1", True, "gpu-1")
    odd = event("check-gpu-1-abcde", "FailedCreatePodSandBox", "network plugin not ready")
    waiting = judged(jobs=[job(over="")], pods=[begun], events=[odd])
    assert (waiting.hopeless, waiting.problem) == (False, "gpu-1 cannot begin with the validation pod")


def test_an_image_that_does_not_come_is_hopeless_and_names_the_setting() -> None:
    begun = check_pod(smi=waits("nvidia-smi", "ErrImagePull", "not found"), phase="Pending")
    found = judged(jobs=[job(over="")], pods=[begun])
    assert (found.state, found.id, found.hopeless) == ("waiting", "CUDA-5", True)
    assert found.fix.endswith("validation.smiImage")


def test_a_pod_that_no_node_takes_is_explained_by_the_scheduler() -> None:
    waiting = unplaced(check_pod(phase="Pending"), "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
    found = judged(wish(gpus=8), jobs=[job(over="")], pods=[waiting])
    assert (found.id, found.fix) == ("SCH-1", "set validation.gpus to at most 1")


@pytest.mark.parametrize(
    ("smi", "kernel", "doing"),
    [
        (waits("nvidia-smi", "PodInitializing"), waits("vectoradd", "PodInitializing"), "nvidia-smi starts"),
        (runs("nvidia-smi"), waits("vectoradd", "PodInitializing"), "nvidia-smi runs"),
        (ended("nvidia-smi"), waits("vectoradd", "PodInitializing"), "vectoradd starts"),
        (ended("nvidia-smi"), runs("vectoradd"), "vectoradd runs"),
        (ended("nvidia-smi"), ended("vectoradd"), "the pod ends"),
    ],
)
def test_progress_names_the_step_and_one_that_runs_on_points_at_the_driver(smi: Any, kernel: Any, doing: str) -> None:
    found = judged(jobs=[job(over="")], pods=[check_pod(smi=smi, kernel=kernel, phase="Pending")])
    assert (found.id, found.problem, found.hopeless) == ("PLM-16", f"{doing} on gpu-1", False)
    assert "kubectl describe pod -n gpu-ready check-gpu-1-abcde" in found.fix
    assert ("dmesg" in found.fix) is doing.endswith("runs")


def test_the_newest_pod_of_a_job_speaks() -> None:
    old = check_pod(smi=ended("nvidia-smi", 9, "No devices were found"), made="2025-01-01T00:00:00Z")
    found = judged(jobs=[job(over="")], pods=[check_pod(smi=runs("nvidia-smi"), phase="Pending"), old])
    assert found.problem == "nvidia-smi runs on gpu-1"
