"""What several cards of a node say together in a validation pod, well and ill, in the words of NCCL and PyTorch."""

from __future__ import annotations

from lab.cluster import host
from lab.cluster.run import Run
from lab.cluster.store import Cluster, Object

NVLINK = {"NVIDIA A100": 231.4, "NVIDIA H100": 362.0, "NVIDIA H200": 365.1}
"""Bus bandwidth where the cards have NVLink; the others have PCIe."""
_PCIE = 9.7
_TOO_SMALL = (
    "Error while creating shared memory segment /dev/shm/nccl-{} (size 9637888), error: No space left on device (28)"
)
_SYSTEM = (
    "NCCL error in: /pytorch/torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:3353, unhandled system error (run with "
    "NCCL_DEBUG=INFO for details), NCCL version 2.26.2\n"
    "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error. \n"
    "Last error:\n"
)


def run(cluster: Cluster, pod: Object, container: Object) -> Run:
    """The outcome of the all-reduce over the cards that the container asks for."""
    cards, fault = host.asked_cards(container), host.fault_of(cluster, pod)
    if not host.injects(cluster, pod, container):
        return Run(3.0, 1, f"card 0: SystemExit: the pod was given {cards} cards, and torch sees 0\n")
    if fault == "nccl-peers":
        seconds = next(int(one["value"]) for one in container["env"] if one["name"] == "LIMIT")
        return Run(float(seconds), 1, f"the all-reduce over {cards} cards hangs: no end after {seconds} s\n")
    if fault == "nccl-memory":
        return Run(8.0, 1, _without_memory(cards))
    card = str(host.declared(cluster, pod["spec"]["nodeName"])["card"])
    speed = next((found for known, found in NVLINK.items() if card.startswith(known)), _PCIE)
    return Run(9.0, 0, f"all-reduce over {cards} cards: {speed} GB/s, torch 2.7.1\n", said=True)


def _without_memory(cards: int) -> str:
    lines = [
        f"gpu:1{rank}:9{rank} [{rank}] misc/shmutils.cc:87 NCCL WARN {_TOO_SMALL.format(rank)}" for rank in range(cards)
    ]
    lines += [f"card {rank}: DistBackendError: {_SYSTEM}{_TOO_SMALL.format(rank)}" for rank in range(cards)]
    return "\n".join([*lines, f"a process of {cards} ended with status 1", ""])
