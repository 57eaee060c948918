"""The catalogue of failures: each text that people meet leads to its id, and ids never change their meaning."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from decide.failures import BY_ID, FAILURES, recognize

ROOT = Path(__file__).resolve().parents[2]
SEEN = [
    ("Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.126", "DRV-1"),
    ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that ...", "DRV-3"),
    ("modprobe: FATAL: Module nvidia not found in directory", "DRV-4"),
    ("modprobe: ERROR: could not insert 'nvidia': Key was rejected by service", "DRV-5"),
    ("ERROR: Unable to load the kernel module 'nvidia.ko'.", "DRV-6"),
    ("Could not resolve Linux kernel version", "DRV-7"),
    ("make: *** /lib/modules/6.8.0/build: No such file or directory.  Stop.", "DRV-8"),
    ("nvidia driver module is already loaded with refcount 44", "DRV-9"),
    ("ErrImagePull: nvcr.io/nvidia/driver:595.91.07-ubuntu26.04: not found", "DRV-10"),
    ("open /dev/nvidia-uvm: no such file or directory", "DRV-12"),
    ("No devices were found", "PCI-4"),
    ("Unable to determine the device handle for GPU0000:01:00.0: GPU is lost.  Reboot the system to recover", "PCI-8"),
    ("nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown", "TK-4"),
    ("nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open", "TK-9"),
    ("unable to setup runtime: unable to restart containerd", "TK-14"),
    ("chroot: failed to run command 'nvidia-smi': No such file or directory", "OP-2"),
    ('level=warning msg="failed to validate the driver, retrying after 5 seconds\\n"', "OP-2"),
    ("Incompatible platform detected\nIf this is a GPU node, did you configure the NVIDIA Container Toolkit?", "DP-1"),
    ("Detected non-NVML platform: could not load NVML library: libnvidia-ml.so.1: cannot open", "DP-2"),
    ("UnexpectedAdmissionError: Allocate failed: Requested: 1, Available: 0", "DP-12"),
    ('failed to get sandbox runtime: no runtime for "nvidia" is configured', "RT-1"),
    ("drop-in config version 4 higher than root config version 2", "RT-2"),
    ("failed to inject CDI devices: unresolvable CDI devices management.nvidia.com/gpu=all", "RT-6"),
    ('pods "a-" is forbidden: pod rejected: RuntimeClass "nvidia" not found', "RT-7"),
    ("waiting for nvidia container stack to be setup", "OP-1"),
    ("No GPU node in the cluster, do not create DaemonSets", "OP-5"),
    ('pods "a-" is forbidden: violates PodSecurity "baseline:latest": hostPath volumes', "OP-9"),
    ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "OP-10"),
    ("Failed to initialize NVML: Unknown Error", "CUDA-1"),
    ("(error code CUDA driver version is insufficient for CUDA runtime version)!", "CUDA-2"),
    ("CUDA unknown error - this may be due to an incorrectly set up environment", "CUDA-3"),
    ('exec: "nvidia-smi": executable file not found in $PATH', "CUDA-4"),
    ("sh: 1: nvidia-smi: not found", "CUDA-4"),
    ("ImagePullBackOff: Back-off pulling image", "CUDA-5"),
    ("manifest unknown: manifest tagged by latest is not found", "CUDA-5"),
    ("(error code no CUDA-capable device is detected)!", "CUDA-11"),
    ("(error code no kernel image is available for execution on the device)!", "CUDA-12"),
    ("FailedScheduling: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", "SCH-1"),
    ("FailedScheduling: 0/1 nodes are available: 1 node(s) had untolerated taint(s).", "SCH-2"),
]


@pytest.mark.parametrize(("text", "id"), SEEN)
def test_a_text_that_people_meet_leads_to_its_id(text: str, id: str) -> None:
    found = recognize(f"some line before\n{text}\nsome line after")
    assert found
    assert found.id == id


def test_every_failure_with_signs_has_a_text_above() -> None:
    assert {one.id for one in FAILURES if one.signs} == {id for _text, id in SEEN}


def test_an_unknown_text_gives_nothing_away() -> None:
    assert recognize("") is None
    assert recognize("Segmentation fault (core dumped)") is None


def test_ids_are_unique_and_every_entry_says_what_to_do() -> None:
    assert len(BY_ID) == len(FAILURES)
    for one in FAILURES:
        assert re.fullmatch(r"[A-Z]{2,4}-\d+", one.id)
        assert all((one.layer, one.cause, one.fix)), one


def test_each_id_that_a_verdict_names_is_in_the_catalogue() -> None:
    files = [*ROOT.glob("decide/*_health.py"), *ROOT.glob("components/steps/*.py")]
    named = {id for file in files for id in re.findall(r'"([A-Z]{2,4}-\d+)"', file.read_text())}
    assert len(named) > 20
    assert named <= set(BY_ID)


def test_no_settings_are_named_that_the_program_does_not_have() -> None:
    documented = (ROOT / "docs" / "parameters.md").read_text()
    texts = " ".join(f"{one.cause} {one.fix}" for one in FAILURES)
    keys = {key for _group, key in re.findall(r"\b(cluster|gpu|validation)\.(\w+)", texts)}
    assert {"tolerations", "runtimeClass", "cudaImage"} <= keys
    assert [key for key in sorted(keys) if f"| `{key}` |" not in documented] == []
