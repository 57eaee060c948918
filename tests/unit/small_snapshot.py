"""Small snapshots of clusters as the gate and the look read them, and short ways to break one thing in them."""

from __future__ import annotations

import copy
import re
from typing import Any

Object = dict[str, Any]
RESOURCE = "nvidia.com/gpu"
FOUND = {"feature.node.kubernetes.io/pci-10de.present": "true"}
PASSED = "[Vector addition of 50000 elements]\nTest PASSED\nDone\n"
SMI = "NVIDIA A10G, 580.126.20, 23028 MiB"
OPERATOR, OURS = "gpu-operator", "gpu-ready"
MARKED = {"app.kubernetes.io/managed-by": "gpu-ready"}
STACK = {"gpu-ready/stack": "gpu-ready/demo"}
RELEASE = {"meta.helm.sh/release-name": "gpu-operator", "meta.helm.sh/release-namespace": OPERATOR}


def wish(*nodes: str, gpus: int = 1, **more: Any) -> Object:
    """Parameters of a step, by default about the node gpu-1."""
    names = list(nodes or ("gpu-1",))
    return {
        "kubeconfig": "~/.kube/config",
        "context": "demo",
        "nodes": names,
        "node_selector": {},
        "tolerations": [{"key": RESOURCE, "operator": "Exists"}],
        "resource": RESOURCE,
        "operator": {"mode": "install", "release": "gpu-operator", "namespace": OPERATOR},
        "runtime": {"toolkit": "host", "flavour": "other", "signs": {"k3s": "+k3s"}},
        "releases": ["gpu-operator", "nvdp"],
        "stack": STACK["gpu-ready/stack"],
        "makes": [OPERATOR, OURS],
        "runtime_class": {"name": "nvidia", "owner": "operator"},
        "jobs": [{"slot": name, "name": f"check-{name}", "node": name, "gpus": gpus} for name in names],
        "validation_namespace": OURS,
        "timeout_seconds": 900,
        "poll_seconds": 5,
        "grace_seconds": 60,
        "seconds": 30,
        **more,
    }


def external(**more: Any) -> Object:
    """The wish of somebody who has an operator or a plugin already."""
    operator = {"mode": "external", "release": "gpu-operator", "namespace": OPERATOR}
    changed: Object = {"makes": [OURS], "runtime_class": {"name": "nvidia", "owner": "external"}}
    return wish(operator=operator, **changed, **more)


def by_labels(**labels: str) -> Object:
    """The wish of somebody whose nodes come and go."""
    return wish(nodes=[], node_selector=labels, jobs=[{"slot": "any", "name": "check-any", "node": None, "gpus": 1}])


def node(name: str = "gpu-1", gpus: int = 1, ready: bool = True, **more: Any) -> Object:
    """A GPU node; `taints` as `key=value:Effect`, `free` where not all cards are healthy."""
    taints = [taint(one) for one in more.get("taints", ())]
    status = "True" if ready else "Unknown"
    said = "kubelet is posting ready status" if ready else "Kubelet stopped posting node status."
    return {
        "metadata": {"name": name, "labels": {**FOUND, **more.get("labels", {})}},
        "spec": {"taints": taints, **({"unschedulable": True} if more.get("cordoned") else {})},
        "status": {
            "capacity": {RESOURCE: str(gpus)},
            "allocatable": {RESOURCE: str(more.get("free", gpus))},
            "conditions": [{"type": "Ready", "status": status, "message": said}],
            "nodeInfo": {"kubeletVersion": "v1.35.4"},
        },
    }


def taint(written: str) -> Object:
    rest, _, effect = written.rpartition(":")
    key, _, value = rest.partition("=")
    return {"key": key, **({"value": value} if value else {}), "effect": effect}


def policy(state: str = "ready", message: str = "", **labels: str) -> Object:
    """A ClusterPolicy of our own release."""
    conditions = [{"type": "Error", "status": "True", "message": message}] if message else []
    labels = {"app.kubernetes.io/version": "v26.7.0", **labels}
    meta = {"name": "cluster-policy", "labels": labels, "annotations": dict(RELEASE)}
    return {"metadata": meta, "status": {"state": state, "conditions": conditions}}


def container(name: str, **state: Any) -> Object:
    """The status of one container: `running=`, `waiting=`, `terminated=`, and `ready`, `last` beside."""
    ready, last = state.pop("ready", False), state.pop("last", "")
    found: Object = {"name": name, "ready": ready, "state": state, "restartCount": 1 if last else 0}
    return {**found, "lastState": {"terminated": {"exitCode": 1, "message": last}} if last else {}}


def ended(name: str, code: int = 0, message: str = "", start: int = 0, end: int = 1) -> Object:
    when = {"startedAt": f"2026-01-01T00:00:{start:02}Z", "finishedAt": f"2026-01-01T00:00:{end:02}Z"}
    return container(name, terminated={"exitCode": code, "message": message, **when})


def runs(name: str, ready: bool = False) -> Object:
    return container(name, running={"startedAt": "2026-01-01T00:00:00Z"}, ready=ready)


def waits(name: str, reason: str, message: str = "", last: str = "") -> Object:
    return container(name, waiting={"reason": reason, "message": message}, last=last)


def pod(name: str, *main: Object, init: tuple[Object, ...] = (), **more: Any) -> Object:
    """A pod of a namespace, by default the operator's, bound to gpu-1 and not ready."""
    phase = more.get("phase", "Pending")
    return {
        "metadata": {
            "name": name,
            "namespace": more.get("space", OPERATOR),
            "labels": more.get("labels", {}),
            "creationTimestamp": more.get("made", "2026-01-01T00:00:00Z"),
        },
        "spec": {"nodeName": more.get("node", "gpu-1"), "tolerations": more.get("tolerations", [])},
        "status": {
            "phase": phase,
            "podIP": more.get("ip", "10.0.0.9"),
            "initContainerStatuses": list(init),
            "containerStatuses": list(main),
            "conditions": [{"type": "Ready", "status": "True" if more.get("ready") else "False"}],
            **more.get("status", {}),
        },
    }


def unplaced(found: Object, said: str) -> Object:
    """The same pod as the scheduler leaves it when no node takes it."""
    del found["spec"]["nodeName"], found["status"]["podIP"]
    found["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": said}]
    return found


def check_pod(name: str = "gpu-1", smi: Object | None = None, kernel: Object | None = None, **more: Any) -> Object:
    """The pod of a validation Job, which has passed unless something else is said."""
    smi = smi or ended("nvidia-smi", message=SMI + "\n", end=2)
    kernel = kernel or ended("vectoradd", start=3, end=7)
    labels = {"batch.kubernetes.io/job-name": f"check-{name}"}
    about = {"space": OURS, "labels": labels, "node": name, "phase": "Succeeded", **more}
    return pod(f"check-{name}-abcde", kernel, init=(smi,), **about)


def job(name: str = "gpu-1", over: str = "Complete", reason: str = "") -> Object:
    conditions = [{"type": over, "status": "True", "reason": reason}] if over else []
    return {"metadata": {"name": f"check-{name}", "namespace": OURS}, "status": {"conditions": conditions}}


def event(about: str, reason: str, message: str, last: str = "2026-01-01T00:00:00Z") -> Object:
    return {"involvedObject": {"name": about}, "reason": reason, "message": message, "lastTimestamp": last}


def daemon_set(name: str, space: str = OPERATOR, *tolerations: Object, **more: Any) -> Object:
    meta = {"name": name, "namespace": space, **more.get("meta", {})}
    spec = {"template": {"spec": {"tolerations": list(tolerations)}}}
    return {"metadata": meta, "spec": spec, "status": {"desiredNumberScheduled": more.get("desired", 1)}}


def made_by_policy(found: Object) -> Object:
    found["metadata"]["ownerReferences"] = [{"kind": "ClusterPolicy", "name": "cluster-policy"}]
    return found


def healthy(*names: str, **changed: Any) -> Object:
    """What the gate reads when everything is proven, but for what is changed."""
    names = names or ("gpu-1",)
    found: Object = {
        "nodes": [node(name) for name in names],
        "clusterpolicies": [policy()],
        "runtimeclasses": [{"metadata": {"name": "nvidia"}}],
        "daemonsets": [],
        "jobs": [job(name) for name in names],
        "pods": [check_pod(name) for name in names],
        "events": [],
        "all_pods": [],
        "logs": {f"{OURS}/check-{name}-abcde/vectoradd": PASSED for name in names},
    }
    return copy.deepcopy({**found, **changed})


def operator_at_work(*pods: Object, said: str = "states not ready: [state-driver]", **changed: Any) -> Object:
    """A cluster whose operator is not ready, with these pods of it."""
    logs = changed.pop("logs", {})
    base = healthy(clusterpolicies=[policy("notReady", said)], jobs=[job(over="")], pods=list(pods), **changed)
    return {**base, "logs": logs}


KINDS = {
    "nodes": "Node",
    "pods": "Pod",
    "jobs": "Job",
    "events": "Event",
    "daemonsets": "DaemonSet",
    "deployments": "Deployment",
    "namespaces": "Namespace",
    "clusterpolicies": "ClusterPolicy",
    "runtimeclasses": "RuntimeClass",
}


class Refusal:
    """What a step has written to its user's screen when it refused: the last id, problem and fix, and the others."""

    def __init__(self, written: str) -> None:
        self.lines = written.splitlines()
        reasons = [re.fullmatch(r"([A-Z]+-\d+) ([\w ]+): (.*)", line) for line in self.lines]
        self.reasons = [found.groups() for found in reasons if found]
        self.fixes = [line[5:] for line in self.lines if line.startswith("fix: ")]

    def __getitem__(self, key: str) -> Any:
        *others, (id, layer, problem) = self.reasons
        plain = problem.rpartition("still waiting for: ")[2]
        about = {"id": id, "layer": layer, "problem": plain, "fix": self.fixes[-1], "also": [one[0] for one in others]}
        return {**about, "evidence": [line[2:] for line in self.lines if line.startswith("  ")]}[key]


def listed(kinds: str, ask: Any, space: str = "") -> list[Object]:
    """What `kubectl get a,b [-n SPACE]` lists: the objects of each kind, with their kind."""
    plain = [kind.split(".")[0] for kind in kinds.split(",")]
    found = [{"kind": KINDS[kind], **one} for kind in plain for one in ask(kind)]
    return [one for one in found if not space or one["metadata"].get("namespace", OURS) == space]
