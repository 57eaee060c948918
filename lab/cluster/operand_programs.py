"""What the pods of the GPU operator do: who waits for whom, in which words, and how they fail."""

from __future__ import annotations

from collections.abc import Callable

from lab.cluster import host
from lab.cluster.run import GOES_ON, Run, waiting
from lab.cluster.store import Cluster, Object

DRIVER, TOOLKIT, VALIDATOR = (
    "nvidia-driver-daemonset",
    "nvidia-container-toolkit-daemonset",
    "nvidia-operator-validator",
)
PLUGIN = "nvidia-device-plugin-daemonset"
ALONE = "nvidia-device-plugin"
"""The plugin as its own chart brings it."""
CLAIMS = "dra-driver-nvidia-gpu"
"""What hands out cards by claims."""
MANAGER = ["config-manager"]
"""What chooses a configuration of the plugin, once before it and then beside it."""
OPERATOR = "gpu-operator"
DISCOVERY = "node-feature-discovery"
PARTS = {
    "operator": OPERATOR,
    "driver": DRIVER,
    "toolkit": TOOLKIT,
    "validator": VALIDATOR,
    "device-plugin": PLUGIN,
    "gfd": "gpu-feature-discovery",
    "dcgm-exporter": "nvidia-dcgm-exporter",
}
"""Words of the world's `operator.part` and the pods that they mean."""
_USUAL_PART = {"crash": "device-plugin", "image": "operator"}
_LATE_SECONDS = 600.0
_FIXED_SECONDS = 8.0  # what the rest of an installation takes: operator, discovery, validation
_GIVES_UP_SECONDS = 150.0  # the validator asks 30 times for the node's cards
_CRASHES = {
    PLUGIN: (
        "Detected non-NVML platform: could not load NVML library: libnvidia-ml.so.1: cannot open shared object file: "
        "No such file or directory\nIncompatible platform detected\n"
        "If this is a GPU node, did you configure the NVIDIA Container Toolkit?\n"
        "error starting plugins: error creating plugin manager: unable to create plugin manager: "
        "invalid device discovery strategy\n"
    ),
    DRIVER: "Could not resolve Linux kernel version\n",
    TOOLKIT: 'level=error msg="error running nvidia-toolkit: unable to setup runtime: unable to restart containerd"\n',
    OPERATOR: "unable to start manager: failed to wait for clusterpolicy caches to sync: timed out\n",
}


def is_hit(cluster: Cluster, operand: str, fault: str) -> bool:
    """Whether the world's operator fault is this one and hits this operand."""
    wish = cluster.spec["operator"]
    part = wish.get("part") or _USUAL_PART.get(fault, "")
    return bool(wish["fault"] == fault and PARTS.get(part) == (PLUGIN if operand in (ALONE, CLAIMS) else operand))


def pull_seconds(cluster: Cluster, pod: Object) -> float:
    """Images take what is left of the time that the world gives the operator; they come in two waves."""
    wish = cluster.spec["operator"]
    if cluster.private(pod)["operand"].startswith(DISCOVERY):
        return float(wish["discovery_seconds"])
    if not cluster.private(pod).get("slow"):
        return 4.0
    total = wish["ready_seconds"] + (_LATE_SECONDS if wish["fault"] == "late" else 0.0)
    return float(max(1.0, (total - _FIXED_SECONDS) / 2))


def run(cluster: Cluster, pod: Object, container: str) -> Run:
    """What this container of an operand does."""
    operand = cluster.private(pod)["operand"]
    found = next(one for one in host.containers(pod) if one["name"] == container)
    if found.get("command") == MANAGER:
        return Run(1.0) if found in pod["spec"].get("initContainers", ()) else GOES_ON
    if operand in (ALONE, CLAIMS):
        return _of_a_chart(cluster, pod, container)
    program = _INIT.get(container)
    if program:
        return program(cluster, pod, _elapsed(cluster, pod, container))
    if is_hit(cluster, operand, "crash"):
        return Run(1.0, 1, _CRASHES.get(operand, "panic: simulated crash\n"), ready=False)
    if operand == DRIVER:
        return _driver(cluster, pod, _elapsed(cluster, pod, container))
    if operand == "nvidia-mig-manager":
        from lab.cluster.dividing import log_of

        return GOES_ON._replace(log=log_of(cluster, pod["spec"]["nodeName"]))
    if operand == VALIDATOR:
        return GOES_ON._replace(log="all validations are successful\n")
    return GOES_ON


def _of_a_chart(cluster: Cluster, pod: Object, container: str) -> Run:
    """What hands out cards without an operator."""
    if cluster.private(pod)["operand"] == ALONE:
        from lab.cluster.plugin_chart import run as plugin

        return plugin(cluster, pod)
    from lab.cluster.dra_chart import run as driver

    return driver(cluster, pod, container, _elapsed(cluster, pod, container))


def _elapsed(cluster: Cluster, pod: Object, container: str) -> float:
    note = cluster.private(pod).get("containers", {}).get(container, {})
    return float(cluster.now - note.get("since", cluster.now))


def _driver(cluster: Cluster, pod: Object, seconds: float) -> Run:
    needed = float(cluster.spec["operator"]["driver_seconds"])
    if seconds < needed:
        cluster.wake(cluster.now + needed - seconds)
        return Run(None, log="Installing NVIDIA driver kernel modules...\n", ready=False)
    return GOES_ON._replace(log="Done, now waiting for signal\n")


def _driver_validation(cluster: Cluster, pod: Object, seconds: float) -> Run:
    node = pod["spec"]["nodeName"]
    if host.driver(cluster, node):
        own = "Detected a pre-installed driver on the host" if host.declared(cluster, node)["driver"] else ""
        return Run(1.0, log=own and f'level=info msg="{own}"\n')
    if cluster.get("DaemonSet", DRIVER, pod["metadata"]["namespace"]):
        ask = "running command bash with args [-c stat /run/nvidia/validations/.driver-ctr-ready]"
        return waiting(
            f"{ask}\nstat: cannot statx '/run/nvidia/validations/.driver-ctr-ready': No such file or directory\n"
            "command failed, retrying after 5 seconds",
            seconds,
        )
    return waiting(_NO_DRIVER_OLD if _before_26_7(cluster) else _NO_DRIVER, seconds)


_NO_DRIVER = (
    'level=info msg="Attempting to validate a driver container installation"\n'
    'level=warning msg="failed to validate the driver, retrying after 5 seconds\\n"'
)
_NO_DRIVER_OLD = (
    "running command chroot with args [/run/nvidia/driver nvidia-smi]\n"
    "chroot: failed to run command 'nvidia-smi': No such file or directory\n"
    "command failed, retrying after 5 seconds"
)


def _before_26_7(cluster: Cluster) -> bool:
    return str(cluster.data.get("operator_version", "v26.7.0")) < "v26.7"


def _toolkit_validation(cluster: Cluster, pod: Object, seconds: float) -> Run:
    """In the validator it runs nvidia-smi; in all other pods it waits for the file that the validator leaves."""
    if cluster.private(pod)["operand"] == VALIDATOR:
        return Run(1.0, log="NVIDIA-SMI\n")
    if host.finished(cluster, pod["spec"]["nodeName"], VALIDATOR, "toolkit-validation"):
        return Run(0.5)
    return waiting("waiting for nvidia container stack to be setup", seconds)


def _plugin_validation(cluster: Cluster, pod: Object, seconds: float) -> Run:
    node = cluster.get("Node", pod["spec"]["nodeName"])
    amounts = node["status"]["capacity"] if node else {}
    if any(key.startswith(host.HANDED_OUT) and amount != "0" for key, amount in amounts.items()):
        return Run(1.0)
    tries = 1 + int(min(seconds, _GIVES_UP_SECONDS) // 5)
    lines = [f'level=info msg="GPU resources are not yet discovered by the node, retry: {n}"' for n in range(1, tries)]
    error = "Error: error validating plugin installation: GPU resources are not discovered by the node"
    if seconds >= _GIVES_UP_SECONDS:
        return Run(_GIVES_UP_SECONDS, 1, "\n".join([*lines, error, ""]))
    cluster.wake(cluster.now + _GIVES_UP_SECONDS - seconds)
    return Run(None, log="\n".join([*lines, ""]), ready=False)


def _cuda_validation(cluster: Cluster, pod: Object, seconds: float) -> Run:
    return Run(2.0, log="cuda workload validation is successful\n")


def _driver_manager(cluster: Cluster, pod: Object, seconds: float) -> Run:
    return Run(2.0)


_INIT: dict[str, Callable[[Cluster, Object, float], Run]] = {
    "k8s-driver-manager": _driver_manager,
    "driver-validation": _driver_validation,
    "toolkit-validation": _toolkit_validation,
    "cuda-validation": _cuda_validation,
    "plugin-validation": _plugin_validation,
}
