"""Validation Jobs: what a good one leaves behind, and each way to fail in the words of the real thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.cluster import kubelet
from lab.cluster.world import World
from tests.unit.small_world import (
    GPU_1,
    RESTRICTED,
    after,
    condition,
    events,
    find,
    job,
    namespace,
    pod_of,
    ready_world,
    run_job,
    state,
)


def log(made: World, pod: str, container: str) -> str:
    name = pod_of(made, pod)["metadata"]["name"]
    with made.open() as cluster:
        found = cluster.get("Pod", name, "default")
        assert found
        return kubelet.log_of(cluster, found, container) or ""


def test_a_good_job_completes_with_the_card_in_the_log_and_in_the_termination_message(tmp_path: Path) -> None:
    made = ready_world(tmp_path, GPU_1)
    done = run_job(made, job("check"))
    assert condition(done, "Complete")["status"] == "True"
    assert (done["status"]["succeeded"], "failed" in done["status"]) == (1, False)
    pod = pod_of(made, "check")
    assert pod["status"]["phase"] == "Succeeded"
    smi = state(pod, "nvidia-smi")["terminated"]
    assert (smi["exitCode"], smi["reason"]) == (0, "Completed")
    assert smi["message"] == "NVIDIA A10G, 580.126.20, 23028 MiB\n" == log(made, "check", "nvidia-smi")
    assert "message" not in state(pod, "vectoradd")["terminated"]
    lines = log(made, "check", "vectoradd").splitlines()
    assert lines[0] == "[Vector addition of 50000 elements]"
    assert lines[-2:] == ["Test PASSED", "Done"]
    assert events(made, "check", "Completed") == ["Job completed"]
    assert any(text.startswith("Pulling image") for text in events(made, "check-", "Pulling"))


def test_without_a_driver_nvidia_smi_says_what_the_real_one_says(tmp_path: Path) -> None:
    made = ready_world(tmp_path, GPU_1)
    made.switch("nodes.gpu-1.driver", None)
    run_job(made, job("check"))
    smi = state(pod_of(made, "check"), "nvidia-smi")["terminated"]
    assert (smi["exitCode"], "couldn't communicate with the NVIDIA driver" in smi["message"]) == (9, True)


def test_its_pod_carries_the_jobs_name_labels_and_owner(tmp_path: Path) -> None:
    made = ready_world(tmp_path, GPU_1)
    done = run_job(made, job("check"))
    meta = pod_of(made, "check")["metadata"]
    assert meta["labels"]["batch.kubernetes.io/job-name"] == "check" == meta["labels"]["gpu-ready/check"]
    assert [one["uid"] for one in meta["ownerReferences"]] == [done["metadata"]["uid"]]
    assert meta["name"].startswith("check-")
    assert len(meta["name"]) == len("check-") + 5


def test_time_passes_between_the_steps_of_a_pod(tmp_path: Path) -> None:
    made = ready_world(tmp_path, GPU_1)
    run_job(made, job("check"))
    pod = pod_of(made, "check")
    first, second = state(pod, "nvidia-smi")["terminated"], state(pod, "vectoradd")["terminated"]
    moments = [
        pod["status"]["startTime"],
        first["startedAt"],
        first["finishedAt"],
        second["startedAt"],
        second["finishedAt"],
    ]
    assert moments == sorted(moments)
    assert moments[0] < moments[1] < moments[2] < moments[4]


@pytest.mark.parametrize(
    ("fault", "container", "code", "text"),
    [
        ("nvidia-smi", "nvidia-smi", 9, "couldn't communicate with the NVIDIA driver"),
        ("mismatch", "nvidia-smi", 18, "Failed to initialize NVML: Driver/library version mismatch"),
        (
            "vectoradd",
            "vectoradd",
            1,
            "Failed to allocate device vector A (error code no CUDA-capable device is detected)!",
        ),
    ],
)
def test_a_fault_ends_the_job_with_its_real_words(
    tmp_path: Path, fault: str, container: str, code: int, text: str
) -> None:
    made = ready_world(tmp_path, GPU_1, jobs={"fault": fault})
    done = run_job(made, job("check"))
    assert condition(done, "Failed")["reason"] == "BackoffLimitExceeded"
    assert condition(done, "Failed")["message"] == "Job has reached the specified backoff limit"
    ended = state(pod_of(made, "check"), container)["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (code, "Error")
    assert text in ended["message"]
    assert text in log(made, "check", container)


def test_a_fault_can_be_bound_to_one_node(tmp_path: Path) -> None:
    made = ready_world(tmp_path, jobs={"fault": "nvidia-smi", "nodes": ["gpu-2"]})
    assert condition(run_job(made, job("one", "gpu-1")), "Complete")
    assert condition(run_job(made, job("two", "gpu-2")), "Failed")


def test_without_an_injected_card_the_program_is_not_there(tmp_path: Path) -> None:
    made = ready_world(tmp_path, {**GPU_1, "cdi": False})
    run_job(made, job("plain"))
    ended = state(pod_of(made, "plain"), "nvidia-smi")["terminated"]
    assert (ended["exitCode"], ended["message"]) == (127, "sh: 1: nvidia-smi: not found\n")
    assert condition(run_job(made, job("classed", runtimeClassName="nvidia")), "Complete")


def test_a_program_called_without_a_shell_fails_to_start(tmp_path: Path) -> None:
    made = ready_world(tmp_path, {**GPU_1, "cdi": False})
    wanted = job("direct")
    wanted["spec"]["template"]["spec"]["initContainers"][0]["command"] = ["nvidia-smi"]
    run_job(made, wanted)
    ended = state(pod_of(made, "direct"), "nvidia-smi")["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert 'exec: "nvidia-smi": executable file not found in $PATH' in ended["message"]


def test_a_driver_older_than_the_images_cuda_is_told_by_cuda(tmp_path: Path) -> None:
    made = ready_world(tmp_path, {**GPU_1, "driver": "470.256.02"})
    run_job(made, job("check"))
    text = state(pod_of(made, "check"), "vectoradd")["terminated"]["message"]
    assert "error code CUDA driver version is insufficient for CUDA runtime version" in text


def test_a_runtime_class_that_does_not_exist_is_refused_as_an_event_of_the_job(tmp_path: Path) -> None:
    made = ready_world(tmp_path, GPU_1)
    failed = run_job(made, job("check", runtimeClassName="nvidea"))
    assert "active" not in failed["status"]
    assert events(made, "check", "FailedCreate") == [
        'Error creating: pods "check-" is forbidden: pod rejected: RuntimeClass "nvidea" not found'
    ]


def test_a_handler_that_the_node_does_not_have_keeps_the_sandbox_from_starting(tmp_path: Path) -> None:
    made = ready_world(tmp_path, GPU_1, runtime_classes=[{"name": "kata", "handler": "kata"}])
    run_job(made, job("check", runtimeClassName="kata"), 30)
    assert state(pod_of(made, "check"), "vectoradd") == {"waiting": {"reason": "PodInitializing"}}
    assert events(made, "check", "FailedCreatePodSandBox") == [
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: "
        'no runtime for "kata" is configured'
    ]


def test_an_image_that_is_not_there_ends_in_back_off_and_recovers(tmp_path: Path) -> None:
    made = ready_world(tmp_path, GPU_1, jobs={"fault": "image"})
    run_job(made, job("check"))
    waiting = state(pod_of(made, "check"), "nvidia-smi")["waiting"]
    assert waiting["reason"] == "ImagePullBackOff"
    assert 'Back-off pulling image "cuda:12.5.0"' in waiting["message"]
    assert "not found" in waiting["message"]
    made.switch("jobs.fault", "none")
    assert condition(find(after(made, 120), "Job", "check"), "Complete")


def test_a_job_that_hangs_meets_its_deadline_and_its_pod_is_taken_away(tmp_path: Path) -> None:
    made = ready_world(tmp_path, GPU_1, jobs={"fault": "hang"})
    wanted = job("check")
    wanted["spec"]["activeDeadlineSeconds"] = 90
    assert find(after(made, 0), "Node", "gpu-1")
    assert run_job(made, wanted, 80)["status"]["active"] == 1
    done = find(after(made, 20), "Job", "check")
    assert condition(done, "Failed")["reason"] == "DeadlineExceeded"
    assert condition(done, "Failed")["message"] == "Job was active longer than specified deadline"
    with pytest.raises(StopIteration):
        pod_of(made, "check")


def test_a_failed_pod_is_tried_again_up_to_the_back_off_limit(tmp_path: Path) -> None:
    made = ready_world(tmp_path, GPU_1, jobs={"fault": "nvidia-smi"})
    wanted = job("check")
    wanted["spec"]["backoffLimit"] = 2
    assert run_job(made, wanted)["status"]["failed"] == 3


def test_a_pod_that_wants_privilege_is_refused_where_the_namespace_is_restricted(tmp_path: Path) -> None:
    made = ready_world(tmp_path, GPU_1)
    with made.open() as cluster:
        cluster.create(namespace("strict", RESTRICTED))
    wanted = job("check")
    wanted["metadata"]["namespace"] = "strict"
    wanted["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    run_job(made, wanted)
    (text,) = events(made, "check", "FailedCreate")
    assert text.startswith('Error creating: pods "check-" is forbidden: violates PodSecurity "restricted:latest": ')
    assert 'privileged (container "vectoradd" must not set securityContext.privileged=true)' in text
    assert (
        'unrestricted capabilities (container "vectoradd" must set securityContext.capabilities.drop=["ALL"])' in text
    )


def test_the_programs_own_job_passes_the_strictest_level(tmp_path: Path) -> None:
    made = ready_world(tmp_path, GPU_1)
    with made.open() as cluster:
        cluster.create(namespace("strict", RESTRICTED))
    wanted = job("check")
    wanted["metadata"]["namespace"] = "strict"
    assert condition(run_job(made, wanted), "Complete")


def test_deleting_a_job_takes_its_pods_along(tmp_path: Path) -> None:
    made = ready_world(tmp_path, GPU_1)
    run_job(made, job("check"))
    with made.open() as cluster:
        cluster.delete("Job", "check", "default")
    with pytest.raises(StopIteration):
        pod_of(made, "check")
