"""The chart of NVIDIA's DRA driver: what of a rendering matters here, what its pods do, and what they offer."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from decide import defaults
from lab.cluster import host
from lab.cluster.operand_programs import CLAIMS, is_hit
from lab.cluster.run import GOES_ON, Run, waiting
from lab.cluster.store import ApiError, Cluster, Object

CHART = defaults.DRA_RELEASE
DRIVER = defaults.DEVICE_CLASS
_NAME = f"{CHART}-kubelet-plugin"
_FROM_LABELS = (
    ("feature.node.kubernetes.io/pci-10de.present", "true"),
    ("feature.node.kubernetes.io/pci-0302_10de.present", "true"),
    ("feature.node.kubernetes.io/pci-0300_10de.present", "true"),
    ("feature.node.kubernetes.io/cpu-model.vendor_id", "NVIDIA"),
    ("nvidia.com/gpu.present", "true"),
)
DEFAULTS: Object = {
    "gpuResourcesEnabledOverride": False,
    "nvidiaDriverRoot": "/",
    "image": {"repository": "registry.k8s.io/dra-driver-nvidia/dra-driver-nvidia-gpu", "tag": ""},
    "imagePullSecrets": [],
    "resources": {"gpus": {"enabled": True}, "computeDomains": {"enabled": True}},
    "kubeletPlugin": {
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}
                        for key, value in _FROM_LABELS
                    ]
                }
            }
        },
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    },
}
_REFUSED = (
    "execution error at (dra-driver-nvidia-gpu/templates/validation.yaml): The default value of "
    "'resources.gpus.enabled == true'. However, when 'resources.gpus.enabled=true' this DRA driver cannot be deployed "
    "alongside the standard GPU device plugin on the same node."
)
_CLASSES = {"gpu.nvidia.com": "gpu", "mig.nvidia.com": "mig", "vfio.gpu.nvidia.com": "vfio"}
NO_DRIVER = (
    "/driver-root (/ on host): nvidia-smi: not found, libnvidia-ml.so.1: not found\n"
    "Check failed. Has the NVIDIA GPU driver been set up? It is expected to be installed under NVIDIA_DRIVER_ROOT "
    "(currently set to '/') in the host filesystem."
)
CRASH = (
    "Error: error creating driver: error enumerating allocatable devices: error initializing NVML: Driver Not Loaded\n"
)


def rendered(name: str, namespace: str, version: str, values: Object) -> list[Object]:
    """The chart's DaemonSet and DeviceClasses; refuses what the chart refuses."""
    gpus, domains = (values["resources"][part]["enabled"] for part in ("gpus", "computeDomains"))
    if gpus and not values["gpuResourcesEnabledOverride"]:
        raise ApiError("Invalid", _REFUSED)
    image = f"{values['image']['repository']}:{values['image']['tag'] or f'v{version}'}"
    parts = [part for part, on in (("compute-domains", domains), ("gpus", gpus)) if on]
    return [_daemon_set(namespace, image, parts, values), *(_device_classes() if gpus else ())]


def _daemon_set(namespace: str, image: str, parts: list[str], values: Object) -> Object:
    labels, wish = {f"{CHART}-component": "kubelet-plugin"}, values["kubeletPlugin"]
    privileged = {"privileged": True}
    pod = {
        "initContainers": [{"name": "init-container", "image": image, "securityContext": privileged}],
        "containers": [{"name": part, "image": image, "securityContext": privileged} for part in parts],
        "affinity": copy.deepcopy(wish["affinity"]),
        "tolerations": copy.deepcopy(wish["tolerations"]),
        "priorityClassName": "system-node-critical",
        "volumes": [{"name": "cdi", "hostPath": {"path": "/var/run/cdi"}}],
        **({"imagePullSecrets": values["imagePullSecrets"]} if values["imagePullSecrets"] else {}),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": _NAME, "namespace": namespace, "labels": dict(labels)},
        "operand": CLAIMS,
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            "updateStrategy": {"type": "RollingUpdate"},
        },
    }


def _device_classes() -> Iterator[Object]:
    for name, kind in _CLASSES.items():
        expression = f"device.driver == '{DRIVER}' && device.attributes['{DRIVER}'].type == '{kind}'"
        yield {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "DeviceClass",
            "metadata": {"name": name},
            "spec": {"selectors": [{"cel": {"expression": expression}}]},
        }


def run(cluster: Cluster, pod: Object, container: str, seconds: float) -> Run:
    """What a container of the driver's pods does: the first waits for a driver, the other offers cards."""
    if container == "init-container":
        return Run(1.0) if host.driver(cluster, pod["spec"]["nodeName"]) else waiting(NO_DRIVER, seconds, 10.0)
    if is_hit(cluster, CLAIMS, "crash"):
        return Run(1.0, 1, CRASH, ready=False)
    cards = host.declared(cluster, pod["spec"]["nodeName"]).get("gpus", 0)
    lines = [f"Adding device gpu-{number} to allocatable devices" for number in range(cards)]
    return GOES_ON._replace(log="\n".join(["Traverse GPU devices", *lines, ""]))


def publish(cluster: Cluster) -> None:
    """ResourceSlices of the nodes where the driver runs; the kubelet takes away those of a driver that is gone."""
    for node in cluster.list("Node"):
        name = node["metadata"]["name"]
        found = [one for one in cluster.list("ResourceSlice") if one["spec"].get("nodeName") == name]
        wanted = _slice(cluster, node) if host.runs(cluster, name, CLAIMS) else None
        if wanted and not found:
            cluster.create(wanted)
        for one in found:
            if wanted is None:
                cluster.remove(one)
            elif one["spec"]["devices"] != wanted["spec"]["devices"]:
                one["spec"] = {**wanted["spec"], "pool": _pool(name, one["spec"]["pool"]["generation"] + 1)}
                cluster.touch(one)


def _slice(cluster: Cluster, node: Object) -> Object:
    meta = node["metadata"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": meta["name"], "uid": meta["uid"], "controller": True}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"generateName": f"{meta['name']}-{DRIVER}-", "ownerReferences": [owner]},
        "spec": {
            "driver": DRIVER,
            "nodeName": meta["name"],
            "pool": _pool(meta["name"], 1),
            "devices": list(_devices(cluster, meta["name"])),
        },
    }


def _pool(node: str, generation: int) -> Object:
    return {"name": node, "generation": generation, "resourceSliceCount": 1}


def _devices(cluster: Cluster, node: str) -> Iterator[Object]:
    facts, version = host.declared(cluster, node), host.driver(cluster, node)
    texts = {"type": "gpu", "productName": facts.get("card"), "architecture": facts.get("family", "").capitalize()}
    known = {key: {"string": value} for key, value in texts.items() if value}
    for number in range(facts.get("gpus", 0) - facts.get("unhealthy", 0)):
        yield {
            "name": f"gpu-{number}",
            "attributes": {**known, "driverVersion": {"version": _semantic(version or "0.0.0")}},
            "capacity": {"memory": {"value": f"{facts['memory_mib']}Mi"}},
        }


def _semantic(version: str) -> str:
    return ".".join(str(int(part)) for part in [*version.split("."), "0", "0"][:3])
