"""What nvidia-smi and CUDA's vectorAdd print inside a validation pod, well and ill."""

from __future__ import annotations

import re

from lab.cluster import dividing, host, nccl
from lab.cluster.run import Run
from lab.cluster.store import Cluster, Object

_OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}
"""First driver branch for each major version of CUDA."""
_NOT_FOUND = 'exec: "nvidia-smi": executable file not found in $PATH'
_RUNC = "OCI runtime create failed: runc create failed: unable to start container process: error during container init"
_PASSED = """\
[Vector addition of 50000 elements]
Copy input data from the host memory to the CUDA device
CUDA kernel launch with 196 blocks of 256 threads
Copy output data from the CUDA device to the host memory
Test PASSED
Done
"""
_SMI_FAULTS = {
    "nvidia-smi": Run(
        0.5,
        9,
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
        "Make sure that the latest NVIDIA driver is installed and running.\n\n",
    ),
    "hang": Run(None, log=""),
}


def run(cluster: Cluster, pod: Object, container: Object) -> Run | None:
    """The outcome of a GPU program; None if this container runs none that is known."""
    text = " ".join([*(container.get("command") or ()), *(container.get("args") or ())])
    if "nvidia-smi" in text:
        said = "termination-log" in text
        return _smi(cluster, pod, container, text)._replace(said=said)
    if container["name"] == "nccl":
        return nccl.run(cluster, pod, container)
    if container["name"] == "framework":
        return _framework(cluster, pod, container)
    if "vectoradd" in f"{container['image']} {text}".lower():
        return _vectoradd(cluster, pod, container)
    return None


def _smi(cluster: Cluster, pod: Object, container: Object, text: str) -> Run:
    if not host.injects(cluster, pod, container):
        if text.startswith("nvidia-smi"):
            error = f"failed to create containerd task: failed to create shim task: {_RUNC}: {_NOT_FOUND}: unknown"
            return Run(0.0, 128, start_error=error)
        return Run(0.2, 127, "sh: 1: nvidia-smi: not found\n")
    node = host.declared(cluster, pod["spec"]["nodeName"])
    version, fault = host.driver(cluster, node["name"]), host.fault_of(cluster, pod)
    if not version:
        return _SMI_FAULTS["nvidia-smi"]
    if fault == "mismatch":
        library = ".".join(version.split(".")[:2])
        text = f"Failed to initialize NVML: Driver/library version mismatch\nNVML library version: {library}\n"
        return Run(0.5, 18, text)
    divided = dividing.geometry(cluster, node["name"])
    memory = "[Insufficient Permissions]" if divided else f"{node['memory_mib']} MiB"
    said = f"{node['card']}, {version}, {memory}\n" * host.cards_of(cluster, pod, container)
    return _SMI_FAULTS.get(fault) or Run(1.0, 0, said)


def _vectoradd(cluster: Cluster, pod: Object, container: Object) -> Run:
    cuda = re.search(r"cuda(\d+)", container["image"])
    driver = int((host.driver(cluster, pod["spec"]["nodeName"]) or "0").split(".")[0])
    too_old = bool(cuda) and driver < _OLDEST_DRIVER.get(int(cuda[1]), 0) if cuda else False
    if too_old or not host.injects(cluster, pod, container):
        return _not_allocated("CUDA driver version is insufficient for CUDA runtime version")
    if host.fault_of(cluster, pod) == "vectoradd":
        return _not_allocated("no CUDA-capable device is detected")
    return Run(2.0, 0, _PASSED)


def _framework(cluster: Cluster, pod: Object, container: Object) -> Run:
    if not host.injects(cluster, pod, container):
        return Run(3.0, 1, "no CUDA-capable device is detected by torch\n")
    if host.fault_of(cluster, pod) == "framework":
        return Run(3.0, 1, "no kernel image is available: the card is sm_86, the image has sm_90\n")
    script = container["command"][-1]
    printed = "Framework check PASSED\n" if 'print("Framework check PASSED")' in script else ""
    return Run(3.0, 0, f"card 0: matmul right\n{printed}")


def _not_allocated(why: str) -> Run:
    text = f"[Vector addition of 50000 elements]\nFailed to allocate device vector A (error code {why})!\n"
    return Run(0.5, 1, text)
