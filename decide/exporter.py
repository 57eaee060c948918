"""NVIDIA's DCGM exporter beside the device plugin alone: what the operator would make of it, without the operator.

Names, port and labels as those of the operator's, so that dashboards and alerts are about either.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from decide import dcgm, defaults
from decide.images import Images, mirrored
from decide.monitoring import NODE_OF_POD, OPERATOR, Metrics
from decide.plugin_values import node_terms

NAME = "nvidia-dcgm-exporter"
LABELS = {"app": NAME}
PORT = 9400
PORT_NAME = "gpu-metrics"
FOLDER = "/etc/dcgm-exporter/gpu-ready"
POD_RESOURCES = "/var/lib/kubelet/pod-resources"
"""Where the kubelet says which pod has which card."""
NODE = {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}


def daemon_set(wish: Mapping[str, Any], images: Images) -> dict[str, Any]:
    """On the nodes of the plugin; `wish` is as for the plugin, with its `runtime_class` and its `tolerations`."""
    terms = node_terms(wish.get("nodes") or (), wish.get("node_selector") or {}, bool(wish.get("hosts")))
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    pod = {
        "priorityClassName": "system-node-critical",
        **({"runtimeClassName": wish["runtime_class"]} if wish.get("runtime_class") else {}),
        **({"affinity": {"nodeAffinity": required}} if terms else {}),
        **({"imagePullSecrets": [{"name": one} for one in images.pull_secrets]} if images.pull_secrets else {}),
        "tolerations": _tolerations(wish.get("tolerations") or ()),
        "automountServiceAccountToken": False,
        "containers": [_container(mirrored(defaults.EXPORTER_IMAGE, images))],
        "volumes": [
            {"name": "pod-resources", "hostPath": {"path": POD_RESOURCES, "type": "Directory"}},
            {"name": "metrics", "configMap": {"name": dcgm.config_name()}},
        ],
    }
    return {"selector": {"matchLabels": LABELS}, "template": {"metadata": {"labels": LABELS}, "spec": pod}}


def _tolerations(extra: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    usual = [dict(one) for one in defaults.PLUGIN_TOLERATIONS]
    return [*usual, *(dict(one) for one in extra if dict(one) not in usual)]


def _container(image: str) -> dict[str, Any]:
    return {
        "name": NAME,
        "image": image,
        "args": ["-f", f"{FOLDER}/{dcgm.FILE}"],
        "env": [
            {"name": "DCGM_EXPORTER_LISTEN", "value": f":{PORT}"},
            {"name": "DCGM_EXPORTER_KUBERNETES", "value": "true"},
            # It asks for no card of its own, and sees all of them.
            {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"},
            NODE,
        ],
        "ports": [{"name": PORT_NAME, "containerPort": PORT}],
        # Root, and this one right: without them it has no figures of profiling.
        "securityContext": {"runAsUser": 0, "capabilities": {"add": ["SYS_ADMIN"]}},
        "readinessProbe": {"httpGet": {"path": "/health", "port": PORT}, "initialDelaySeconds": 5},
        "volumeMounts": [
            {"name": "pod-resources", "mountPath": POD_RESOURCES, "readOnly": True},
            {"name": "metrics", "mountPath": FOLDER, "readOnly": True},
        ],
    }


def service() -> dict[str, Any]:
    """One address for all of them."""
    return {"selector": LABELS, "ports": [{"name": PORT_NAME, "port": PORT, "protocol": "TCP"}]}


def annotations() -> dict[str, str]:
    """By these a plain Prometheus finds them."""
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(PORT)}


def monitor(wish: Metrics) -> dict[str, Any] | None:
    """By this the Prometheus operator does; a plain one has no such kind."""
    if wish.prometheus != OPERATOR:
        return None
    # Else `pod` and `namespace` would be the exporter's, not the workload's.
    endpoint = {"port": PORT_NAME, "path": "/metrics", "honorLabels": True, "relabelings": [dict(NODE_OF_POD)]}
    return {"jobLabel": "app", "selector": {"matchLabels": LABELS}, "endpoints": [endpoint]}
