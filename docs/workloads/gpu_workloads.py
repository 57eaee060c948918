"""The workloads of this folder for a Pulumi program of yours: copy this file beside its `__main__.py`.

    import pulumi, gpu_workloads

    ready = pulumi.StackReference("ORGANIZATION/gpu-ready/STACK")  # the stack that made the nodes ready
    gpu_workloads.pytorch_job(ready)

What pods need on those nodes (labels, tolerations, RuntimeClass) comes from that stack's output `first_workload`.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import yaml

# Types of specs are Any: of a plain dict against the SDK's, mypy takes minutes and gigabytes.
PLACEMENT = ("nodeSelector", "tolerations", "runtimeClassName")
CARD = "nvidia.com/gpu"
USER = 65532
PYTORCH = "docker.io/pytorch/pytorch:2.7.1-cuda12.8-cudnn9-runtime"
VLLM = "docker.io/vllm/vllm-openai:v0.11.0"
CUDA = "nvcr.io/nvidia/cuda:12.5.0-base-ubuntu22.04"
VECTORADD = "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda12.5.0"
TRAIN = """\
import torch
print(torch.cuda.get_device_name(), "torch", torch.__version__, flush=True)
inputs = torch.rand(4096, 16, device="cuda")
wanted = inputs.sum(1, keepdim=True)
model = torch.nn.Linear(16, 1).cuda()
steps = torch.optim.Adam(model.parameters(), lr=0.05)
for step in range(500):
    loss = torch.nn.functional.mse_loss(model(inputs), wanted)
    steps.zero_grad()
    loss.backward()
    steps.step()
print(f"loss {loss.item():.6f}")
"""


def gpu_pod(
    ready: pulumi.StackReference, container: Mapping[str, Any], resource: str = CARD, **more: Any
) -> pulumi.Output[dict[str, Any]]:
    """A pod's spec: on a node with cards, one of them, and no privilege at all."""
    secure = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    one = {**container, "resources": {"limits": {resource: "1"}}, "securityContext": secure}
    user = {"runAsNonRoot": True, "runAsUser": USER, "seccompProfile": {"type": "RuntimeDefault"}}

    def placed(first_workload: str) -> dict[str, Any]:
        known = [*yaml.safe_load_all(first_workload)][-1]["spec"]
        where = {key: known[key] for key in PLACEMENT if key in known}
        common = {"automountServiceAccountToken": False, "securityContext": user, "containers": [one]}
        return {**where, **common, **more}

    return pulumi.Output.from_input(ready.require_output("first_workload")).apply(placed)


def of(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    """What every object below says; `Any`, because type checkers take minutes for the unions of all nested inputs."""
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def in_memory(size: str) -> dict[str, Any]:
    """What processes on one node hand to each other; a container of its own accord has 64 MiB."""
    return {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": size}}


def named(name: str, namespace: str) -> Any:
    """Metadata of an object."""
    return {"name": name, "namespace": namespace}


def pytorch_job(ready: pulumi.StackReference, namespace: str = "ml") -> kubernetes.batch.v1.Job:
    """A training run on one card."""
    train = {
        "name": "train",
        "image": PYTORCH,
        "command": ["python3", "-c", TRAIN],
        "env": [{"name": "HOME", "value": "/tmp"}],
        "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
    }
    pod = gpu_pod(ready, train, restartPolicy="Never", volumes=[in_memory("1Gi")])
    spec: Any = {"backoffLimit": 2, "activeDeadlineSeconds": 3600, "template": {"spec": pod}}
    return kubernetes.batch.v1.Job("train", metadata=named("train", namespace), spec=spec)


def inference_server(
    ready: pulumi.StackReference, namespace: str = "ml", model: str = "Qwen/Qwen3-0.6B"
) -> kubernetes.core.v1.Service:
    """A server with the API of OpenAI on one card, and its address in the cluster."""
    labels, health = {"app": "llm"}, {"path": "/health", "port": "http"}
    server = {
        "name": "server",
        "image": VLLM,
        "command": ["python3", "-m", "vllm.entrypoints.openai.api_server"],
        "args": [f"--model={model}", "--port=8000"],
        "env": [{"name": "HOME", "value": "/cache"}, {"name": "USER", "value": "vllm"}],
        "ports": [{"name": "http", "containerPort": 8000}],
        "startupProbe": {"httpGet": health, "periodSeconds": 10, "failureThreshold": 90},
        "readinessProbe": {"httpGet": health},
        "volumeMounts": [{"name": "cache", "mountPath": "/cache"}, {"name": "shm", "mountPath": "/dev/shm"}],
    }
    cache = {"name": "cache", "emptyDir": {"sizeLimit": "20Gi"}}
    pod = gpu_pod(ready, server, volumes=[cache, in_memory("2Gi")])
    spec: Any = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    address: Any = {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    kubernetes.apps.v1.Deployment("llm", metadata=named("llm", namespace), spec=spec)
    return kubernetes.core.v1.Service("llm", metadata=named("llm", namespace), spec=address)


def shared_gpu(ready: pulumi.StackReference, namespace: str = "ml", pods: int = 2) -> kubernetes.apps.v1.Deployment:
    """Several pods on one card."""
    labels = {"app": "shared"}
    shared = {"name": "shared", "image": CUDA, "command": ["sh", "-c", "while nvidia-smi -L; do sleep 60; done"]}
    spec: Any = {
        "replicas": pods,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": gpu_pod(ready, shared)},
    }
    return kubernetes.apps.v1.Deployment("shared", metadata=named("shared", namespace), spec=spec)


def mig_slice(
    ready: pulumi.StackReference, namespace: str = "ml", resource: str = "nvidia.com/mig-1g.5gb"
) -> kubernetes.batch.v1.Job:
    """A CUDA kernel in a MIG slice; the stack's `resource_name` says what its slices are called."""
    kernel = {"name": "vectoradd", "image": VECTORADD}
    pod = gpu_pod(ready, kernel, resource, restartPolicy="Never")
    spec: Any = {"backoffLimit": 0, "activeDeadlineSeconds": 600, "template": {"spec": pod}}
    return kubernetes.batch.v1.Job("in-a-slice", metadata=named("in-a-slice", namespace), spec=spec)
