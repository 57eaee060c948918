"""What a node group of the rehearsal's AWS takes, the nodes that it brings, and why sometimes none comes."""

from __future__ import annotations

from collections.abc import Iterator

from decide import aws_types
from lab.cloud.kind import Desk
from lab.cluster.pools import Pool
from lab.provider import CheckFailure, Props

_EFFECTS = {"NO_SCHEDULE": "NoSchedule", "PREFER_NO_SCHEDULE": "PreferNoSchedule", "NO_EXECUTE": "NoExecute"}
_CHOICES = {
    "amiType": ("AL2023_x86_64_NVIDIA", "BOTTLEROCKET_x86_64_NVIDIA", "AL2023_x86_64_STANDARD", "CUSTOM"),
    "capacityType": ("ON_DEMAND", "SPOT", "CAPACITY_BLOCK"),
}
_DRIVER = "580.159.03"  # of release v20260714
_OS = {
    "AL2023_x86_64_NVIDIA": "Amazon Linux 2023.8.20260714",
    "BOTTLEROCKET_x86_64_NVIDIA": "Bottlerocket OS 1.50.0 (aws-k8s-1.35-nvidia)",
    "AL2023_x86_64_STANDARD": "Amazon Linux 2023.8.20260714",
    "CUSTOM": "Ubuntu 24.04.3 LTS",
}
_LAUNCH = "AsgInstanceLaunchFailures: Could not launch On-Demand Instances."
_JOIN = "Instances failed to join the kubernetes cluster"
_FAILURES = {
    "stockout": f"{_LAUNCH} InsufficientInstanceCapacity - We currently do not have sufficient {{type}} capacity in "
    "the Availability Zone you requested. Our system will be working on provisioning additional capacity.",
    "quota": f"{_LAUNCH} VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU limit of 0 "
    "allows for the instance bucket that the specified instance type belongs to.",
    "no-access": f"NodeCreationFailure: Unauthorized: the role of the instances is in no AccessEntry. {_JOIN}",
    "no-route": f"NodeCreationFailure: no route to the API server. {_JOIN}",
    "wrong-image": f"NodeCreationFailure: the AMI of the instances is of another version. {_JOIN}",
    "not-ready": f"NodeCreationFailure: {_JOIN}",
}


def group_faults(inputs: Props) -> Iterator[CheckFailure]:
    """What the API of EKS refuses at once."""
    for key, known in _CHOICES.items():
        if isinstance(inputs.get(key), str) and inputs[key] not in known:
            yield CheckFailure(key, f"expected one of {', '.join(known)}, got {inputs[key]!r}")
    sizes = inputs.get("scalingConfig") or {}
    amounts = [one for key in ("minSize", "desiredSize", "maxSize") if isinstance(one := sizes.get(key), (int, float))]
    if amounts != sorted(amounts):
        yield CheckFailure("scalingConfig", "minSize, desiredSize and maxSize are not in order")
    for one in inputs.get("taints") or ():
        if isinstance(one, dict) and one.get("effect") not in _EFFECTS:
            yield CheckFailure("taints", f"expected one of {', '.join(_EFFECTS)}, got {one.get('effect')!r}")
    template = inputs.get("launchTemplate")
    if isinstance(template, dict) and str(template.get("version")).startswith("$"):
        yield CheckFailure("launchTemplate.version", "a number belongs here: this would be a change at each up")


def template_faults(inputs: Props) -> Iterator[CheckFailure]:
    """Metadata without a token is what house and account refuse."""
    options = inputs.get("metadataOptions")
    if not isinstance(options, dict) or options.get("httpTokens") != "required":
        yield CheckFailure("metadataOptions", "httpTokens: required belongs here")


def failure(fault: str, inputs: Props) -> str:
    """Why no machine comes, or none of them becomes a node, in the words of AWS."""
    if not (inputs.get("scalingConfig") or {}).get("desiredSize"):
        return ""
    return _FAILURES.get(fault, "").format(type=", ".join(inputs.get("instanceTypes") or ("p5.48xlarge",)))


def pool(desk: Desk, id: str, inputs: Props) -> Pool:
    """The nodes of a group; one that an autoscaler knows brings more when pods ask."""
    template = desk.resources.get(str((inputs.get("launchTemplate") or {}).get("id")), {}).get("inputs", {})
    name = (inputs.get("instanceTypes") or [template.get("instanceType") or "g5.xlarge"])[0]
    kind, it = inputs.get("amiType") or "CUSTOM", aws_types.TYPES.get(name)
    labels = {
        "eks.amazonaws.com/nodegroup": inputs["nodeGroupName"],
        "eks.amazonaws.com/capacityType": inputs.get("capacityType") or "ON_DEMAND",
        "node.kubernetes.io/instance-type": name,
        **(inputs.get("labels") or {}),
    }
    cards = (
        {
            "card": it.card,
            "gpus": it.gpus,
            "cpus": it.vcpus,
            "memory": f"{it.memory_gib}Gi",
            "driver": None if kind == "CUSTOM" else _DRIVER,
            "toolkit": kind != "CUSTOM",
            "device_plugin": kind.startswith("BOTTLEROCKET"),
        }
        if it
        else {}
    )
    node = {
        **cards,
        "labels": labels,
        "taints": [_taint(one) for one in inputs.get("taints") or ()],
        "node_info": {"osImage": _OS[kind]},
    }
    sizes = {key: int(value) for key, value in inputs["scalingConfig"].items()}
    most = sizes["maxSize"] if "k8s.amazonaws.com/accelerator" in labels else sizes["desiredSize"]
    return Pool(id.replace(":", "-"), node, sizes["desiredSize"], most, "AWS")


def _taint(one: Props) -> dict[str, str]:
    value = {"value": str(one["value"])} if one.get("value") else {}
    return {"key": str(one["key"]), **value, "effect": _EFFECTS[one["effect"]]}
