"""Small simulated clusters for tests, and short ways to look at them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from lab.cluster import kubectl
from lab.cluster.store import Object
from lab.cluster.world import World

PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged"}
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
ON_HOST = {"driver": {"enabled": False}, "toolkit": {"enabled": False}}
GPU_1 = {"name": "gpu-1", "card": "NVIDIA A10G", "driver": "580.126.20", "toolkit": True}
GPU_2 = {
    "name": "gpu-2",
    "card": "Tesla T4",
    "gpus": 2,
    "driver": "580.126.20",
    "toolkit": True,
    "taints": ["nvidia.com/gpu=present:NoSchedule"],
}
CPU = {"name": "cpu-1"}
TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists"}
SMI = "nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | tee /dev/termination-log"


def world(folder: Path, *nodes: Object, **spec: Any) -> World:
    """A world with these nodes (by default one CPU node and two GPU nodes)."""
    return World.create(folder / "world.json", {"nodes": list(nodes or (CPU, GPU_1, GPU_2)), **spec})


def namespace(name: str, labels: dict[str, str] | None = None) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}}


def with_operator(made: World, values: Object | None = None, version: str = "v26.7.0") -> World:
    """Installs the operator as the program does; nothing has happened yet."""
    with made.open() as cluster:
        cluster.create(namespace("gpu-operator", PRIVILEGED))
        cluster.install_release("gpu-operator", "gpu-operator", version, ON_HOST if values is None else values)
    return made


def ready_world(folder: Path, *nodes: Object, **spec: Any) -> World:
    """A world whose operator has done its work."""
    return after(with_operator(world(folder, *nodes, **spec)), 200)


def after(made: World, seconds: float) -> World:
    made.clock.sleep(seconds)
    return made


def job(name: str, node: str | None = "gpu-1", gpus: int = 1, **pod: Any) -> Object:
    """A validation Job as the program makes it."""
    limits = {"resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}
    secure = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    common = {**limits, "securityContext": secure, "terminationMessagePolicy": "FallbackToLogsOnError"}
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    spec = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [{"name": "nvidia-smi", "image": "cuda:12.5.0", "command": ["sh", "-c", SMI], **common}],
        "containers": [{"name": "vectoradd", "image": "cuda-sample:vectoradd-cuda12.5.0", **common}],
        "tolerations": [TOLERATION],
        **(
            {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}} if node else {}
        ),
        **pod,
    }
    template = {"metadata": {"labels": {"gpu-ready/check": name}}, "spec": spec}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": 600, "template": template},
    }


def run_job(made: World, wanted: Object, seconds: float = 60) -> Object:
    """Makes a Job and gives it back as it is some time later."""
    with made.open() as cluster:
        cluster.create(wanted)
    return find(after(made, seconds), "Job", wanted["metadata"]["name"], wanted["metadata"]["namespace"])


def find(made: World, kind: str, name: str, where: str | None = None) -> Object:
    with made.open() as cluster:
        found = copy.deepcopy(cluster.get(kind, name, where))
    assert found is not None, f"no {kind} {name}"
    return found


def some(made: World, kind: str, where: str | None = None) -> list[Object]:
    with made.open() as cluster:
        return copy.deepcopy(cluster.list(kind, where))


def pod_of(made: World, owner: str, node: str | None = None) -> Object:
    """The first pod whose name begins so, on this node."""
    found = [pod for pod in some(made, "Pod") if pod["metadata"]["name"].startswith(owner)]
    return next(pod for pod in found if node in (None, pod["spec"].get("nodeName")))


def events(made: World, about: str, reason: str = "") -> list[str]:
    """Texts of the events about objects whose name begins so."""
    found = [one for one in some(made, "Event") if one["involvedObject"]["name"].startswith(about)]
    return [one["message"] for one in found if reason in ("", one["reason"])]


def state(pod: Object, container: str) -> Object:
    """The state of one container of a pod."""
    statuses = [*pod["status"].get("initContainerStatuses", ()), *pod["status"].get("containerStatuses", ())]
    return next(one["state"] for one in statuses if one["name"] == container)


def condition(obj: Object, kind: str) -> Object:
    return next(one for one in obj["status"]["conditions"] if one["type"] == kind)


def policy(made: World) -> Object:
    return find(made, "ClusterPolicy", "cluster-policy")


def ask(made: World, capsys: Any, *words: str) -> tuple[int, str, str]:
    """kubectl's status, output and complaint."""
    code = kubectl.main([str(made.path), *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def answer(made: World, capsys: Any, *words: str) -> Any:
    code, out, err = ask(made, capsys, *words)
    assert code == 0, err
    return json.loads(out)
