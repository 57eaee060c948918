"""The nvidia-device-plugin chart: the objects of a rendering that matter here, and what its pods do."""

from __future__ import annotations

import copy

from lab.cluster import host, shares, slices
from lab.cluster.operand_programs import ALONE, PLUGIN, is_hit
from lab.cluster.run import GOES_ON, Run
from lab.cluster.store import Cluster, Object

CHART = "nvidia-device-plugin"
_FROM_LABELS = [
    [("feature.node.kubernetes.io/pci-10de.present", "true")],
    [("feature.node.kubernetes.io/cpu-model.vendor_id", "NVIDIA")],
    [("nvidia.com/gpu.present", "true")],
]
_GPU = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
DEFAULTS: Object = {
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": key, "operator": "In", "values": [value]} for key, value in term]}
                    for term in _FROM_LABELS
                ]
            }
        }
    },
    "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}, _GPU],
    "runtimeClassName": None,
    "migStrategy": None,
    "gfd": {"enabled": False},
    "config": {"map": {}, "default": ""},
    "podAnnotations": {},
    "nfd": {"worker": {"tolerations": [{**_GPU, "operator": "Equal", "value": "present"}]}},
}
NO_NVML = (
    "Detected non-NVML platform: could not load NVML library: libnvidia-ml.so.1: cannot open shared object file: "
    "No such file or directory\nIncompatible strategy detected auto\n"
    "If this is a GPU node, did you configure the NVIDIA Container Toolkit?\n"
    "error starting plugins: error creating plugin manager: unable to create plugin manager: "
    "invalid device discovery strategy\n"
)
NO_DRIVER = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: error running prestart hook #0: exit status 1, stdout: , "
    "stderr: Auto-detected mode as 'legacy'\nnvidia-container-cli: initialization error: nvml error: driver not loaded"
)
NO_CARD = "No devices found. Waiting indefinitely.\n"
SERVES = "Registered device plugin for 'nvidia.com/gpu' with Kubelet\n"


def rendered(name: str, namespace: str, version: str, values: Object) -> list[Object]:
    """The chart's objects; of node feature discovery its DaemonSet and its master."""
    full = f"{name}-{CHART}"
    image = f"nvcr.io/nvidia/k8s-device-plugin:v{version}"
    found = [_daemon_set(full, namespace, CHART, image, values, ALONE, full)]
    if values["config"]["map"]:
        meta = {"name": f"{full}-configs", "namespace": namespace}
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": values["config"]["map"]})
    if values["gfd"]["enabled"]:
        part = "gpu-feature-discovery"
        found.append(_daemon_set(f"{full}-{part}", namespace, part, image, values, part, full))
        found += _discovery(f"{name}-node-feature-discovery", namespace, values["nfd"]["worker"]["tolerations"])
    return found


def _daemon_set(name: str, namespace: str, part: str, image: str, values: Object, operand: str, full: str) -> Object:
    labels = {"app.kubernetes.io/name": CHART, "app.kubernetes.io/instance": full.partition("-")[0]}
    pod: Object = {
        "containers": [{"name": f"{part}-ctr", "image": image, **slices.variables(values["migStrategy"])}],
        "affinity": copy.deepcopy(values["affinity"]),
        "tolerations": copy.deepcopy(values["tolerations"]),
        "priorityClassName": "system-node-critical",
        "annotations": dict(values["podAnnotations"]),
        "volumes": [{"name": "kubelet-device-plugins-dir", "hostPath": {"path": "/var/lib/kubelet/device-plugins"}}],
    }
    if values["config"]["map"]:
        named = (f"{full}-configs", values["config"]["default"], f"{part}-init", f"{part}-sidecar")
        pod["containers"] = [*shares.configure(pod, *named), *pod["containers"]]
    if values["runtimeClassName"]:
        pod["runtimeClassName"] = values["runtimeClassName"]
    return _workload("DaemonSet", name, namespace, labels, pod, operand)


def _discovery(full: str, namespace: str, tolerations: list[Object]) -> list[Object]:
    image = "registry.k8s.io/nfd/node-feature-discovery:v0.19.0"
    pods: list[tuple[str, str, list[Object]]] = [("Deployment", "master", []), ("DaemonSet", "worker", tolerations)]
    return [
        _workload(
            kind,
            f"{full}-{part}",
            namespace,
            {"app": f"{full}-{part}"},
            {"containers": [{"name": part, "image": image}], "tolerations": tolerated},
            f"node-feature-discovery-{part}",
        )
        for kind, part, tolerated in pods
    ]


def _workload(kind: str, name: str, namespace: str, labels: Object, pod: Object, operand: str) -> Object:
    annotations = pod.pop("annotations", {})
    template = {"metadata": {"labels": labels, **({"annotations": annotations} if annotations else {})}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "operand": operand,
        "spec": {
            "selector": {"matchLabels": labels},
            "template": template,
            **({"updateStrategy": {"type": "RollingUpdate"}} if kind == "DaemonSet" else {}),
        },
    }


def run(cluster: Cluster, pod: Object) -> Run:
    """What the plugin's container does: it needs the driver's library, and a card."""
    node = pod["spec"]["nodeName"]
    if is_hit(cluster, PLUGIN, "crash") or not host.under_nvidia(cluster, pod):
        return Run(1.0, 1, NO_NVML, ready=False)
    if not host.driver(cluster, node):
        return Run(0.0, 128, start_error=NO_DRIVER, ready=False)
    return GOES_ON._replace(log=SERVES if host.declared(cluster, node).get("gpus") else NO_CARD)
