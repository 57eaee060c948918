"""What containers do once they run: the seam between the kubelet and the programs inside pods."""

from __future__ import annotations

from typing import NamedTuple

from lab.cluster import host, operand_programs, programs
from lab.cluster.run import GOES_ON, Run
from lab.cluster.store import Cluster, Object

PULL_SECONDS = 4.0


class Trouble(NamedTuple):
    """Why something does not begin: a short reason and the whole text."""

    reason: str
    message: str


def run(cluster: Cluster, pod: Object, container: str) -> Run:
    """What this container does, as far as can be said now."""
    if cluster.private(pod).get("operand"):
        return operand_programs.run(cluster, pod, container)
    found = next(one for one in host.containers(pod) if one["name"] == container)
    if found in pod["spec"].get("initContainers", ()) and found["image"].startswith("cos-nvidia-installer"):
        return Run(40.0, log="Installing GPU driver\n")
    return programs.run(cluster, pod, found) or (Run(1.0) if host.is_of_job(pod) else GOES_ON)


def pull_seconds(cluster: Cluster, pod: Object) -> float:
    """How long one of the pod's images takes to arrive."""
    return operand_programs.pull_seconds(cluster, pod) if cluster.private(pod).get("operand") else PULL_SECONDS


def sandbox_trouble(cluster: Cluster, pod: Object) -> Trouble | None:
    """Why the container runtime cannot begin with the pod: its runtime handler is not configured on the node."""
    handler = host.handler_of(cluster, pod)
    if handler in ("", "runc") or host.has_handler(cluster, pod["spec"]["nodeName"], handler):
        return None
    why = f'failed to get sandbox runtime: no runtime for "{handler}" is configured'
    text = f"Failed to create pod sandbox: rpc error: code = Unknown desc = {why}"
    return Trouble("FailedCreatePodSandBox", text)


def image_trouble(cluster: Cluster, pod: Object, image: str) -> Trouble | None:
    """Why the image cannot be pulled."""
    operand = cluster.private(pod).get("operand")
    missing = operand_programs.is_hit(cluster, operand, "image") if operand else host.fault_of(cluster, pod) == "image"
    if not missing:
        return None
    cause = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": {image}: not found'
    return Trouble("ErrImagePull", f"rpc error: code = NotFound desc = {cause}")
