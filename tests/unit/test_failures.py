"""The catalogue of failures: each text that people meet leads to its id, and ids never change their meaning."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from decide import host_failures
from decide.failures import BY_ID, FAILURES, recognize
from decide.host_failures import HOST_FAILURES, Refusal, refusal

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
    ("Incompatible strategy detected auto\nIf this is a GPU node, did you configure", "DP-1"),
    ("No devices found. Waiting indefinitely.", "DP-15"),
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
    ("FailedScaleUp: Node scale up failed: GCE out of resources. Pod is at risk of not being scheduled.", "CLD-1"),
    ("FailedScaleUp: Node scale up failed: GCE quota exceeded.", "CLD-2"),
    ("Pod was terminated in response to imminent node shutdown.", "CLD-13"),
    ("NotTriggerScaleUp: pod didn't trigger scale-up: 1 it wouldn't fit if a new node is added", "SCH-4"),
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


# Of hosts -----------------------------------------------------------------------------------------------------------

SEEN_ON_HOSTS = [
    ("sudo: a password is required", "HST-1"),
    ("sudo: a terminal is required to read the password", "HST-1"),
    ("sudo: sorry, you must have a tty to run sudo", "HST-1"),
    ("ubuntu is not in the sudoers file.", "HST-1"),
    ("sudo: 1 incorrect password attempt", "HST-1"),
    ("error: after 2 failed attempts: ssh: handshake failed: ssh: host key mismatch", "HST-2"),
    ("after 10 failed attempts: dial tcp 192.0.2.10:22: connect: connection refused", "HST-82"),
    ("after 10 failed attempts: dial tcp 192.0.2.10:22: connect: no route to host", "HST-82"),
    ("after 2 failed attempts: dial tcp 192.0.2.10:22: i/o timeout", "HST-82"),
    ("after 2 failed attempts: dial tcp: lookup rtx.home.arpa on 127.0.0.53:53: no such host", "HST-82"),
    ("after 2 failed attempts: dial tcp 192.0.2.10:22: connect: network is unreachable", "HST-82"),
    ("after 2 failed attempts: ssh: handshake failed: EOF", "HST-82"),
    ("after 5 failed attempts: dial tcp: lookup rtx.home.arpa: i/o timeout", "HST-82"),
    ("after 5 failed attempts: dial tcp: lookup rtx on 127.0.0.53:53: server misbehaving", "HST-82"),
    ("after 5 failed attempts: dial tcp: lookup rtx: Temporary failure in name resolution", "HST-82"),
    ("after 5 failed attempts: dial tcp 192.0.2.10:22: connect: host is down", "HST-82"),
    ("after 5 failed attempts: dial tcp 192.0.2.10:22: connect: operation timed out", "HST-82"),
    ("after 5 failed attempts: ssh: handshake failed: write tcp 192.0.2.1:5->192.0.2.10:22: broken pipe", "HST-82"),
    (
        "after 2 failed attempts: ssh: handshake failed: ssh: no common algorithm for host key; client offered: "
        "[ssh-ed25519], server offered: [rsa-sha2-512]",
        "HST-2",
    ),
    ("failed to parse host key: ssh: no key found", "HST-2"),
    ('Process exited with status 3: running "sh -s remove":\nHST-75\n', "HST-75"),
    ("wait: remote command exited without exit status or exit signal: running", "HST-90"),
    ('Process exited with status 3: running "sh -s again":\nHST-70\n', "HST-70"),
    ("failed to copy file host/bundle.gz to remote path .gpu-ready-0/bundle: connection lost", "HST-90"),
    (
        'failed to copy file host/bundle.gz to remote path .gpu-ready-0/bundle: sftp: "Failure" (SSH_FX_FAILURE)',
        "HST-94",
    ),
    ("failed to create remote file .gpu-ready-0/bundle: permission denied", "HST-94"),
    ("failed to create parent directories for .gpu-ready-0/bundle: file does not exist", "HST-94"),
    ("mkdir: cannot create directory '.gpu-ready-0': Disk quota exceeded", "HST-94"),
    ("mkdir: cannot create directory '/run/gpu-ready.77': No space left on device", "HST-32"),
    ("sh: 8: cd: can't cd to .", "HST-94"),
    ("bash: line 8: cd: .: Permission denied", "HST-94"),
    ("ssh: subsystem request failed", "HST-95"),
    (
        "error receiving version packet from server: server unexpectedly closed connection: unexpected EOF",
        "HST-95",
    ),
    ("error receiving version packet from server: packet too long", "HST-95"),
    ("ssh: no key found", "HST-91"),
    ("ssh: this private key is passphrase protected", "HST-91"),
    ("dial unix /run/user/1000/agent: connect: no such file or directory", "HST-92"),
    ("ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey]", "HST-83"),
    ("nvidia.ko because it does not include the required GPU System Processor (GSP)", "PCI-2"),
    ("NVRM: supported through the NVIDIA 580.xx Legacy drivers", "PCI-3"),
    ("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'", "HST-31"),
    ("Error: Error: rpmdb open failed", "HST-31"),
    ("All matches were filtered out by modular filtering for argument: nvidia-driver-cuda", "HST-29"),
    (" Problem: nothing provides requested module(nvidia-driver:open-dkms)", "HST-29"),
    ("  - nothing provides dkms needed by kmod-nvidia-open-dkms-3:580.178.04-1.el9.x86_64", "PKG-1"),
    ("RPMDB already locked by 143\n  The application with PID 143 is: dnf", "TK-12"),
    ("Public key for libnvidia-ml-580.178.04-1.el9.x86_64.rpm is not installed\nError: GPG check FAILED", "TK-1"),
    ("repomd.xml GPG signature verification error: Bad GPG signature", "TK-1"),
    ("cp: error writing: No space left on device", "HST-32"),
    ("E: Unable to correct problems, you have held broken packages.", "HST-80"),
    ("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1 (unattended-upgr)", "TK-12"),
    ("GPG error: the public key is not available: NO_PUBKEY DDCAE044F796ECB0", "TK-1"),
    ("E: The repository 'x InRelease' is not signed.", "TK-1"),
    ("EXPKEYSIG A4B469963BF863CC cudatools", "TK-1"),
    ("Sub-process sqv: SHA1 is not considered secure since 2026-02-01", "TK-1"),
    ("E: Conflicting values set for option Signed-By regarding source", "HST-28"),
    ("NVRM: GPU 0000:01:00.0 is already bound to NovaCore.", "DRV-17"),
    ("ERROR: Installation has failed.  Please see the file '/var/log/nvidia-installer.log' for details.", "DRV-18"),
    ("CUDA error 802: system not yet initialized", "HST-23"),
    ("fabric manager NVIDIA GPU driver interface version 570 don't match with driver version 580", "DRV-13"),
    ("NVRM: API mismatch: the client has the version 580.173.02", "DRV-2"),
    ("containerd: failed to load TOML: duplicated tables", "HST-77"),
    ("toml: table nvidia already exists", "HST-77"),
]


@pytest.mark.parametrize(("text", "id"), SEEN_ON_HOSTS)
def test_a_text_that_hosts_print_leads_to_its_id_and_to_no_other(text: str, id: str) -> None:
    assert [one.id for one in host_failures.ALL if any(re.search(sign, text) for sign in one.signs)] == [id]


def test_every_sign_of_a_host_has_a_text_above() -> None:
    signs = [sign for one in HOST_FAILURES for sign in one.signs]
    assert [sign for sign in signs if not any(re.search(sign, text) for text, _ in SEEN_ON_HOSTS)] == []


def test_no_id_stands_in_both_lists() -> None:
    assert len(host_failures.BY_ID) == len(host_failures.ALL)


def test_entries_of_hosts_say_what_to_do_in_words_that_any_terminal_shows() -> None:
    for one in HOST_FAILURES:
        assert re.fullmatch(r"[A-Z]{2,4}-\d+", one.id)
        assert all((one.layer, one.cause, one.fix)), one
        assert f"{one.layer}{one.cause}{one.fix}".isascii(), one


def test_a_refusal_ends_in_the_two_lines_that_all_steps_end_in() -> None:
    assert refusal("HST-73").lines() == [
        "HST-73 node: the host is no node: it has no kubelet",
        "fix: let it join the cluster first: kubeadm join, or the installer of k3s or RKE2",
    ]
    assert refusal("PCI-1", "none", "buy one") == Refusal("PCI-1", "none", "buy one")


def test_each_id_that_a_plan_or_a_host_script_names_is_in_the_catalogue() -> None:
    files = [*ROOT.glob("decide/host_*.py"), *ROOT.glob("host/*.*")]
    texts = [file.read_text(encoding="utf-8") for file in files if file.suffix in (".py", ".sh")]
    named = {id for text in texts for id in re.findall(r"\b((?:HST|DRV|PCI|TK|RT|CFG)-\d+)\b", text)}
    assert len(named) > 40
    assert named <= set(host_failures.BY_ID)
