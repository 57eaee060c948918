"""The DaemonSets that the operator rolls out: names, labels, init containers and order as in the operator itself."""

from __future__ import annotations

from typing import NamedTuple

from lab.cluster import shares, slices
from lab.cluster.dividing import MANAGER
from lab.cluster.operand_programs import DRIVER, PLUGIN, TOOLKIT, VALIDATOR
from lab.cluster.store import Object


class Operand(NamedTuple):
    """One state of the operator's list and the DaemonSet behind it."""

    state: str
    daemon_set: str
    switch: str
    """Helm value and field of the ClusterPolicy that turns it on; empty = always on."""
    label: str
    """Node label that places it: nvidia.com/gpu.deploy.<label>."""
    init: tuple[str, ...]
    containers: tuple[str, ...]
    image: str
    runtime_class: bool = True
    host_pid: bool = False


EXPORTER = "nvidia-dcgm-exporter"
_WAITS = ("toolkit-validation",)
OPERANDS = (
    Operand("state-driver", DRIVER, "driver", "driver", ("k8s-driver-manager",), ("nvidia-driver-ctr",),
            "nvcr.io/nvidia/driver", False, True),
    Operand("state-container-toolkit", TOOLKIT, "toolkit", "container-toolkit", ("driver-validation",),
            ("nvidia-container-toolkit-ctr",), "nvcr.io/nvidia/k8s/container-toolkit", False, True),
    Operand("state-operator-validation", VALIDATOR, "", "operator-validator",
            ("driver-validation", "toolkit-validation", "cuda-validation", "plugin-validation"),
            ("nvidia-operator-validator",), "nvcr.io/nvidia/gpu-operator"),
    Operand("state-device-plugin", PLUGIN, "devicePlugin", "device-plugin", _WAITS,
            ("nvidia-device-plugin",), "nvcr.io/nvidia/k8s-device-plugin"),
    Operand("state-dcgm-exporter", EXPORTER, "dcgmExporter", "dcgm-exporter", _WAITS,
            ("nvidia-dcgm-exporter",), "nvcr.io/nvidia/k8s/dcgm-exporter"),
    Operand("gpu-feature-discovery", "gpu-feature-discovery", "gfd", "gpu-feature-discovery", _WAITS,
            ("gpu-feature-discovery",), "nvcr.io/nvidia/k8s-device-plugin"),
    Operand("state-mig-manager", MANAGER, "migManager", "mig-manager", _WAITS,
            ("nvidia-mig-manager",), "nvcr.io/nvidia/cloud-native/k8s-mig-manager", host_pid=True),
)  # fmt: skip
NODE_LABELS = (
    "driver", "gpu-feature-discovery", "container-toolkit", "device-plugin", "dcgm", "dcgm-exporter",
    "node-status-exporter", "operator-validator", "client",
)  # fmt: skip
"""What the operator writes as nvidia.com/gpu.deploy.* on every GPU node; `mig-manager` only where the card has MIG."""
VALIDATOR_IMAGE = "nvcr.io/nvidia/gpu-operator"


def daemon_set(operand: Operand, policy: Object, namespace: str) -> Object:
    """The DaemonSet of an operand as the operator would apply it; images and labels stand in the policy."""
    spec = policy["spec"]
    version = policy["metadata"]["labels"]["app.kubernetes.io/version"]
    labels = {**spec["daemonsets"]["labels"], "app": operand.daemon_set}
    tag = str(spec["driver"]["version"]) if operand.daemon_set == DRIVER else version
    given = spec.get(operand.switch or "validator", {})
    image = f"{given['repository']}/{operand.image.rpartition('/')[2]}" if given.get("repository") else operand.image
    pod: Object = {
        "nodeSelector": {f"nvidia.com/gpu.deploy.{operand.label}": "true"},
        "tolerations": list(spec["daemonsets"]["tolerations"]),
        "priorityClassName": "system-node-critical",
        "serviceAccountName": operand.daemon_set.replace("-daemonset", ""),
        "initContainers": [_container(name, f"{VALIDATOR_IMAGE}:{version}") for name in operand.init],
        "containers": [_container(name, f"{image}:{tag}") for name in operand.containers],
        "volumes": [{"name": "run-nvidia-validations", "hostPath": {"path": "/run/nvidia/validations"}}],
    }
    if operand.daemon_set in (PLUGIN, "gpu-feature-discovery"):
        pod["containers"][0] |= slices.variables(spec["mig"]["strategy"])
        config = spec["devicePlugin"]["config"]
        told = (config["name"], config["default"], "config-manager-init", "config-manager")
        pod["containers"] += shares.configure(pod, *told)
    if operand.daemon_set == EXPORTER and (named := spec["dcgmExporter"].get("config", {}).get("name")):
        pod["volumes"].append({"name": "metrics-config", "configMap": {"name": named}})
    if operand.daemon_set == MANAGER:
        told = spec["migManager"]
        pod["containers"][0] |= {"env": told["env"]} if told.get("env") else {}
        if told.get("config", {}).get("name"):
            pod["volumes"].append({"name": "mig-parted-config", "configMap": {"name": told["config"]["name"]}})
    if operand.host_pid:
        pod["hostPID"] = True
    if given.get("imagePullSecrets"):
        pod["imagePullSecrets"] = [{"name": name} for name in given["imagePullSecrets"]]
    if operand.runtime_class and not spec["cdi"]["nriPluginEnabled"]:
        pod["runtimeClassName"] = spec["operator"]["runtimeClass"]
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": operand.daemon_set, "namespace": namespace, "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"app": operand.daemon_set}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            "updateStrategy": {"type": "OnDelete" if operand.daemon_set == DRIVER else "RollingUpdate"},
        },
    }


def _container(name: str, image: str) -> Object:
    return {"name": name, "image": image, "securityContext": {"privileged": True}}
