"""Argument types that several components share, and how they are read: checked by the same rules as a stack file."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypedDict

import pulumi
from pulumi import ResourceOptions
from typing_extensions import NotRequired

from decide import defaults, ownership, ownership_gke

OURS = {"app.kubernetes.io/managed-by": "gpu-ready"}
"""By this label the look tells what we made from what somebody else did."""
STACK = "gpu-ready/stack"
"""By this annotation what this stack made from what another one did; a label would be too short for some names."""


class OperatorMode(str, Enum):
    """Who brings the GPU operator."""

    INSTALL = "install"
    """This component installs it."""
    EXTERNAL = "external"
    """It is there already; nothing is installed, the gate verifies it."""
    NONE = "none"
    """There is none: the platform itself hands out cards."""


class BroughtBy(str, Enum):
    """Who brings a part of the software on a node."""

    OPERATOR = "operator"
    """The operator's container installs it."""
    PREINSTALLED = "preinstalled"
    """It is on the nodes already."""
    PLATFORM = "platform"
    """The cloud that makes the nodes brings it."""


class RuntimeClassBy(str, Enum):
    """Who brings the RuntimeClass."""

    OURS = "ours"
    """This stack: by the operator that it installs, or as an object of its own where the operator is external."""
    EXTERNAL = "external"
    """It is there already; nothing is made, the gate verifies it."""


class Toleration(TypedDict):
    """A taint that GPU pods shall tolerate."""

    key: NotRequired[str]
    """Key of the taint; without a key every taint is tolerated."""
    operator: NotRequired[str]
    """`Exists` or `Equal`."""
    value: NotRequired[str]
    """Value of the taint, for `Equal`."""
    effect: NotRequired[str]
    """`NoSchedule`, `PreferNoSchedule` or `NoExecute`; empty: all of them."""


class GpuChoices(TypedDict):
    """Who brings what. The same for all components of a stack."""

    target: NotRequired[str]
    """Where the nodes come from, where that decides: `gke`. Default: cluster"""
    image: NotRequired[str]
    """Operating system image of a pool's nodes, where that decides."""
    operator: NotRequired[OperatorMode]
    """Whether the GPU operator is installed or is there already. Default: install"""
    driver: NotRequired[BroughtBy]
    """Who brings the driver. Default: operator"""
    toolkit: NotRequired[BroughtBy]
    """Who brings the container toolkit. Default: operator"""
    runtime_class: NotRequired[RuntimeClassBy]
    """Who brings the RuntimeClass. Default: what goes with the operator"""
    operator_namespace: NotRequired[str]
    """Namespace of the GPU operator. Default: gpu-operator"""
    tolerations: NotRequired[list[Toleration]]
    """Taints of the GPU nodes beside `nvidia.com/gpu`."""


def this_stack() -> str:
    """What tells this stack from every other one."""
    return f"{pulumi.get_project()}/{pulumi.get_stack()}"


def text(value: Any) -> str | None:
    """An enum argument, which arrives as member, as text or not at all."""
    return value if value is None else str(value.value if isinstance(value, Enum) else value)


def owned(gpu: GpuChoices) -> ownership.Ownership:
    """Who owns what; refuses what the rules refuse, with the argument's name."""
    things = ("operator", "driver", "toolkit", "runtime_class", "image")
    decision = ownership.decide(gpu.get("target") or "cluster", {thing: text(gpu.get(thing)) for thing in things})
    if isinstance(decision, ownership.Ownership):
        return decision
    first, *more = decision
    others = [f"{one.setting}: {one.problem}. Right: {one.fix}" for one in more]
    raise pulumi.InputPropertyError(first.setting, "; ".join([f"{first.problem}. Right: {first.fix}", *others]))


def variant(gpu: GpuChoices) -> str:
    """Which of a platform's ways of bringing a driver this is; empty where the platform decides nothing."""
    if gpu.get("target") != "gke":
        return ""
    return ownership_gke.variant(text(gpu.get("driver")), gpu.get("image"))


def operator_namespace(gpu: GpuChoices) -> str:
    """Where the operator lives."""
    return gpu.get("operator_namespace") or defaults.OPERATOR_NAMESPACE


def count(path: str, value: Any) -> int:
    """A whole number; other languages send whole numbers as floats."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value) or value < 1:
        raise pulumi.InputPropertyError(path, f"a whole number of at least 1 belongs here, got {value!r}")
    return int(value)


def when_away(state: str, inputs: Sequence[str]) -> ResourceOptions:
    """What belongs to a host that is not there stays as it was; of one that will not come back it is let go too."""
    if state == "present":
        return ResourceOptions()
    return ResourceOptions(ignore_changes=[*inputs], retain_on_delete=state == "abandoned")


def tolerations(gpu: GpuChoices) -> list[dict[str, Any]]:
    """The taint that GPU nodes usually carry, then what the user adds."""
    extra: Sequence[Mapping[str, Any]] = gpu.get("tolerations") or ()
    return [defaults.GPU_TOLERATION, *(dict(one) for one in extra if dict(one) != defaults.GPU_TOLERATION)]


def reading(gpu: GpuChoices, kubeconfig: pulumi.Input[str], context: pulumi.Input[str]) -> dict[str, Any]:
    """What both the look and the gate have to know."""
    owners = dict(owned(gpu).parts())
    mode = text(gpu.get("operator")) or ("install" if owned(gpu).installs else "none")
    return {
        "kubeconfig": kubeconfig,
        "context": context,
        "tolerations": tolerations(gpu),
        "resource": defaults.RESOURCE_NAME,
        "operator": {"mode": mode, "release": defaults.RELEASE_NAME, "namespace": operator_namespace(gpu)},
        "stack": this_stack(),
        "runtime_class": {"name": defaults.RUNTIME_CLASS, "owner": owners["runtime_class"].owner.value},
    }
