"""Argument types that several components share, and how they are read: checked by the same rules as a stack file."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypedDict

import pulumi
from pulumi import ResourceOptions
from typing_extensions import NotRequired

from components.image_args import DriverContainer, Images, Proxy
from components.sharing_args import AllocationBy, Mig, Sharing
from decide import defaults, flavour, images, mig, monitoring, ownership, ownership_gke, sharing
from decide.bringers import bringer
from decide.ownership import Owner
from decide.ownership_dra import DRA

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
    """None: the device plugin alone, which this component installs or the platform brings along."""


class BroughtBy(str, Enum):
    """Who brings a part of the software on a node."""

    OPERATOR = "operator"
    """The operator's container installs it."""
    NRI = "nri"
    """Likewise, as a plugin of the container runtime whose settings stay as they are; the toolkit alone."""
    PREINSTALLED = "preinstalled"
    """It is on the nodes already."""
    PLATFORM = "platform"
    """The cloud that makes the nodes brings it."""


class RuntimeClassBy(str, Enum):
    """Who brings the RuntimeClass."""

    OURS = "ours"
    """This stack: by the operator that it installs, or as an object of its own where there is none of ours."""
    EXTERNAL = "external"
    """It is there already; nothing is made, the gate verifies it."""
    NONE = "none"
    """None: nvidia is the default runtime of the nodes, and pods name no class."""


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


class ExporterBy(str, Enum):
    """Whose exporter says what the cards do."""

    OURS = "ours"
    """The operator's that this stack installs."""
    EXTERNAL = "external"
    """One that is there already."""


class PrometheusBy(str, Enum):
    """How Prometheus finds what it shall read."""

    OPERATOR = "operator"
    """By objects of the Prometheus operator."""
    PLAIN = "plain"
    """By annotations, and files."""


class Metrics(TypedDict):
    """Figures of the cards: where they come from, and who fetches them. The same for all components of a stack."""

    exporter: NotRequired[ExporterBy]
    """Whose exporter. Default: ours"""
    prometheus: NotRequired[PrometheusBy]
    """How Prometheus finds it. Default: operator"""
    labels: NotRequired[dict[str, str]]
    """Labels of ServiceMonitor and PrometheusRule, where Prometheus takes only those that carry them."""


class Watching(TypedDict):
    """What the look at a cluster has to know of the monitoring that will be made there."""

    prometheus: NotRequired[PrometheusBy]
    """How Prometheus finds what it shall read. Default: operator"""
    namespace: NotRequired[str]
    """Namespace of rules and dashboards. Default: gpu-monitoring"""


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
    allocation: NotRequired[AllocationBy]
    """How pods get cards. Default: devicePlugin"""
    sharing: NotRequired[Sharing]
    """Whether several pods share a card. Default: no"""
    mig: NotRequired[Mig]
    """Whether cards are divided into slices. Default: no"""
    images: NotRequired[Images]
    """Where images come from. Default: where their makers have them"""
    proxy: NotRequired[Proxy]
    """By which way out the driver container fetches packages. Default: directly"""
    driver_container: NotRequired[DriverContainer]
    """The operator's driver container. Default: as the chart has it"""
    flavour: NotRequired[str]
    """Distribution of Kubernetes, where the operator's toolkit container has to find its containerd. Default: other"""
    operator_namespace: NotRequired[str]
    """Namespace of the GPU operator. Default: gpu-operator"""
    tolerations: NotRequired[list[Toleration]]
    """Taints of the GPU nodes beside `nvidia.com/gpu`."""
    monitoring: NotRequired[Watching]
    """What will watch them, for the look. Default: nothing"""


def shared(gpu: GpuChoices) -> dict[str, Any] | None:
    """How cards are shared, in plain values; nothing where each is one pod's alone."""
    wish = gpu.get("sharing")
    if not wish:
        return None
    strategy, replicas = text(wish["strategy"]), count("sharing.replicas", wish["replicas"])
    if strategy not in sharing.STRATEGIES or not 2 <= replicas <= sharing.MOST:
        known = f"{' or '.join(sharing.STRATEGIES)} among 2 to {sharing.MOST}"
        raise pulumi.InputPropertyError("sharing", f"{known} belongs here, got {dict(wish)!r}")
    return {"strategy": strategy, "replicas": replicas}


def pulled(gpu: GpuChoices) -> images.Images:
    """Where images come from."""
    return images.read(gpu.get("images"))


def divided(gpu: GpuChoices) -> mig.Mig | None:
    """How cards are divided; nothing where they are handed out whole."""
    asked = gpu.get("mig")
    if not asked:
        return None
    if gpu.get("sharing"):
        raise pulumi.InputPropertyError("mig", "and sharing: a card is shared in one way")
    layouts = {
        name: {size: count(f"mig.layouts.{name}", number) for size, number in one.items()}
        for name, one in (asked.get("layouts") or {}).items()
    }
    wish = mig.read({**asked, "strategy": text(asked.get("strategy")), "layouts": layouts})
    for fault in mig.faults(wish) if wish else ():
        raise pulumi.InputPropertyError(f"mig.{fault.path}", f"{fault.problem}. Right: {fault.fix}")
    return wish


def metrics(args: Metrics | None) -> monitoring.Metrics | None:
    """Where figures come from; refuses words that nobody knows. None: nothing is watched."""
    if args is None:
        return None
    wish = monitoring.read({**args, "exporter": text(args.get("exporter")), "prometheus": text(args.get("prometheus"))})
    for key, kind in (("exporter", ExporterBy), ("prometheus", PrometheusBy)):
        if getattr(wish, key) not in {str(one.value) for one in kind}:
            known = " or ".join(one.value for one in kind)
            raise pulumi.InputPropertyError(f"metrics.{key}", f"{known} belongs here, got {getattr(wish, key)!r}")
    return wish


def watching(gpu: GpuChoices) -> dict[str, Any]:
    """What the look has to compare the cluster to."""
    asked = gpu.get("monitoring")
    if asked is None:
        return {}
    needs = [] if text(asked.get("prometheus")) == PrometheusBy.PLAIN.value else list(monitoring.DEFINITIONS)
    return {"monitoring": {"needs": needs, "namespace": asked.get("namespace") or defaults.MONITORING_NAMESPACE}}


def this_stack() -> str:
    """What tells this stack from every other one."""
    return f"{pulumi.get_project()}/{pulumi.get_stack()}"


def text(value: Any) -> str | None:
    """An enum argument, which arrives as member, as text or not at all."""
    return value if value is None else str(value.value if isinstance(value, Enum) else value)


def owned(gpu: GpuChoices) -> ownership.Ownership:
    """Who owns what; refuses what the rules refuse, with the argument's name."""
    things = ("operator", "driver", "toolkit", "runtime_class", "image", "allocation")
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
    """Where the operator lives, or the device plugin alone."""
    if text(gpu.get("operator")) == OperatorMode.NONE.value:
        return defaults.DRA_NAMESPACE if by_claim(gpu) else defaults.PLUGIN_NAMESPACE
    return gpu.get("operator_namespace") or defaults.OPERATOR_NAMESPACE


def made_namespace(gpu: GpuChoices) -> str:
    """The namespace of what we install; empty where we install nothing."""
    who = owned(gpu)
    return operator_namespace(gpu) if who.installs or who.plugin.owner is Owner.US else ""


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


def known_flavour(gpu: GpuChoices) -> str:
    """The distribution of Kubernetes."""
    wish = gpu.get("flavour") or "other"
    if wish not in flavour.FLAVOURS:
        raise pulumi.InputPropertyError("flavour", f"{' or '.join(flavour.FLAVOURS)} belongs here, got {wish!r}")
    return wish


def by_claim(gpu: GpuChoices) -> bool:
    """Whether pods get cards by claims, of which each is of a whole card."""
    claims = text(gpu.get("allocation")) == DRA
    if claims and (gpu.get("sharing") or gpu.get("mig")):
        raise pulumi.InputPropertyError("allocation", "and sharing or mig: by claims cards are handed out whole")
    return claims


def reading(gpu: GpuChoices, kubeconfig: pulumi.Input[str], context: pulumi.Input[str]) -> dict[str, Any]:
    """What both the look and the gate have to know."""
    owners = dict(owned(gpu).parts())
    by = owners["toolkit"].owner
    toolkit = by.value if by is not Owner.OPERATOR else text(gpu.get("toolkit")) or by.value
    mode = text(gpu.get("operator")) or ("install" if owned(gpu).installs else "none")
    return {
        "kubeconfig": kubeconfig,
        "context": context,
        "tolerations": tolerations(gpu),
        "resource": defaults.RESOURCE_NAME,
        "runtime": {"toolkit": toolkit, "flavour": known_flavour(gpu), "signs": flavour.SIGNS},
        "operator": {"mode": mode, **bringer(mode, by_claim(gpu)), "namespace": operator_namespace(gpu)},
        "releases": [defaults.RELEASE_NAME, defaults.PLUGIN_RELEASE, defaults.DRA_RELEASE],
        "stack": this_stack(),
        "runtime_class": {"name": defaults.RUNTIME_CLASS, "owner": owners["runtime_class"].owner.value},
        **watching(gpu),
    }
