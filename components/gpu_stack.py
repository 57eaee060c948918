"""What makes a cluster hand out GPUs: the operator or the device plugin alone, and the RuntimeClass if it is ours."""

from typing import Any, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi import ResourceOptions
from typing_extensions import NotRequired

from components.chart_args import known_values, known_version
from components.choices import (
    OURS,
    STACK,
    GpuChoices,
    Metrics,
    by_claim,
    count,
    divided,
    known_flavour,
    made_namespace,
    metrics,
    owned,
    pulled,
    shared,
    this_stack,
    tolerations,
    variant,
    when_away,
)
from components.driver_container import container_values
from components.helm_words import helm_words
from components.mig import mig_labels
from components.nri import by_nri, nri_values
from components.outputs import resolved
from components.runtime_class import runtime_class
from decide import defaults, flavour, images, mig, monitoring, operator_values, sharing
from decide.bringers import bringer
from decide.chart_books import OPERATOR
from decide.ownership import Owner, Ownership
from decide.reading import HOST_LABEL

PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged", **OURS}
"""Driver and toolkit containers change their host; where Pod Security is enforced, the namespace has to admit that."""


class GpuStackArgs(TypedDict):
    """Who brings what, and with which operator."""

    gpu: NotRequired[GpuChoices]
    """Who brings what."""
    operator_version: NotRequired[str]
    """Version of the gpu-operator chart, with its `v`. Default: the newest supported one"""
    plugin_version: NotRequired[str]
    """Version of the nvidia-device-plugin chart, where that alone is installed. Default: the newest supported one"""
    dra_version: NotRequired[str]
    """Version of the chart of NVIDIA's DRA driver, where claims hand out cards. Default: the newest supported one"""
    discovery: NotRequired[bool]
    """Whether GPU and node feature discovery come along with the device plugin alone. Default: no"""
    nodes: NotRequired[list[str]]
    """Names of the GPU nodes: there the device plugin alone runs."""
    node_selector: NotRequired[dict[str, str]]
    """Their labels, where their names are not known."""
    operator_timeout_seconds: NotRequired[int]
    """How long Helm may take for its hooks; readiness is judged by the gate."""
    remove_crds: NotRequired[bool]
    """Whether destroy takes the operator's custom resource definitions away too. Default: no"""
    hosts: NotRequired[dict[str, pulumi.Input[str]]]
    """Node of each host that this program knows by a name of its own; the node gets it as label `gpu-ready/host`."""
    marks: NotRequired[dict[str, pulumi.Input[dict[str, str]]]]
    """Of each host the annotations of that patch: under whose name it is made, and whether over an earlier one."""
    away: NotRequired[dict[str, str]]
    """Hosts that are not there, each `offline` or `abandoned`: labels stay as they are."""
    any_node: NotRequired[pulumi.Input[str]]
    """Some node of the cluster: one that is away and was never a node has its empty patch there."""
    metrics: NotRequired[Metrics]
    """What of the cards is watched, which the operator's exporter has to know. Default: as the chart has it"""
    values: NotRequired[dict[str, Any]]
    """Helm values beside those that follow from who brings what; merged last, checked against the chart's keys."""


class GpuStack(pulumi.ComponentResource):
    """The GPU operator or the device plugin alone, with derived values; the RuntimeClass where it is ours."""

    ownership: pulumi.Output[dict[str, Any]]
    """Who owns driver, toolkit, device plugin and RuntimeClass, and why."""
    runtime_class: pulumi.Output[str]
    """Name of the RuntimeClass that GPU pods may name; empty where there is none and none is needed."""
    resource_name: pulumi.Output[str]
    """What a pod asks for under `resources.limits`; empty where it asks by a claim."""
    device_class: pulumi.Output[str]
    """DeviceClass that a claim names; empty where pods ask by limits."""
    operator_version: pulumi.Output[str]
    """Version of the operator that this component installed; empty where it installed none."""
    operator_revision: pulumi.Output[str]
    """Number of the last change that Helm made to operator or plugin; empty where this component installed none."""

    def __init__(self, name: str, args: GpuStackArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("gpu-ready:index:GpuStack", name, {}, opts)
        gpu = args.get("gpu") or {}
        who = owned(gpu)
        installs = who.installs
        version = args.get("operator_version") or defaults.OPERATOR_VERSION
        revision: pulumi.Input[str] = ""
        space = self._namespace(name, gpu) if made_namespace(gpu) else None
        made = [runtime_class(name, space, self)] if who.runtime_class.owner is Owner.US else []
        if space:
            # Whoever changes over gets the one deleted with its namespace before the other is made: never two at once.
            called = bringer("install" if installs else "none", by_claim(gpu))["release"]
            hooks = helm_words(name, made_namespace(gpu), called)
            opts = ResourceOptions(parent=self, depends_on=made, replace_with=[space], hooks=hooks)
            install = self._operator if installs else self._dra if by_claim(gpu) else self._plugin
            release = install(name, args, who, space, opts)
            revision = release.status.apply(revision_of)
        for host, node in (args.get("hosts") or {}).items():
            self._label(name, host, node, args)
        self.ownership = pulumi.Output.from_input(who.as_export())
        classless = by_nri(gpu) or who.runtime_class.owner in (Owner.HOST, Owner.PLATFORM)
        named = "" if classless else defaults.RUNTIME_CLASS
        self.runtime_class = pulumi.Output.from_input(named)
        self.resource_name = pulumi.Output.from_input("" if by_claim(gpu) else mig.resource(divided(gpu)))
        self.device_class = pulumi.Output.from_input(defaults.DEVICE_CLASS if by_claim(gpu) else "")
        self.operator_version = pulumi.Output.from_input(version if installs else "")
        self.operator_revision = pulumi.Output.from_input(revision)
        self.register_outputs(
            {
                "ownership": self.ownership,
                "runtime_class": self.runtime_class,
                "resource_name": self.resource_name,
                "device_class": self.device_class,
                "operator_version": self.operator_version,
                "operator_revision": self.operator_revision,
            }
        )

    def _namespace(self, name: str, gpu: GpuChoices) -> kubernetes.core.v1.Namespace:
        return kubernetes.core.v1.Namespace(
            f"{name}-namespace",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=made_namespace(gpu), labels=PRIVILEGED, annotations={STACK: this_stack()}
            ),
            opts=ResourceOptions(parent=self, delete_before_replace=True),
        )

    def _plugin(
        self,
        name: str,
        args: GpuStackArgs,
        who: Ownership,
        namespace: kubernetes.core.v1.Namespace,
        opts: ResourceOptions,
    ) -> kubernetes.helm.v3.Release:
        from components import device_plugin  # what a stack does not use, its start shall not pay for
        from components.exporter import exporter_alone

        gpu = args.get("gpu") or {}
        container_values(gpu, who, {})
        options = {"tolerations": tolerations(gpu), "sharing": shared(gpu), "mig": divided(gpu), "images": pulled(gpu)}
        values = device_plugin.chart_values(args, who, options)
        wish = {**args, "timeout": helm_timeout(args)}
        exporter_alone(name, metrics(args.get("metrics")), args, who, namespace, opts, self)
        return device_plugin.device_plugin(name, wish, values, namespace, opts)

    def _dra(
        self,
        name: str,
        args: GpuStackArgs,
        who: Ownership,
        namespace: kubernetes.core.v1.Namespace,
        opts: ResourceOptions,
    ) -> kubernetes.helm.v3.Release:
        from components import dra_driver  # what a stack does not use, its start shall not pay for

        gpu, watched = args.get("gpu") or {}, metrics(args.get("metrics"))
        container_values(gpu, who, {})
        if watched and watched.exporter == monitoring.OURS:
            raise pulumi.InputPropertyError("metrics.exporter", "ours would have to claim the cards that pods claim")
        values = dra_driver.chart_values(args, tolerations(gpu), pulled(gpu))
        return dra_driver.dra_driver(name, {**args, "timeout": helm_timeout(args)}, values, namespace, opts)

    def _operator(
        self,
        name: str,
        args: GpuStackArgs,
        who: Ownership,
        namespace: kubernetes.core.v1.Namespace,
        opts: ResourceOptions,
    ) -> kubernetes.helm.v3.Release:
        version = known_version(
            "operatorVersion", args.get("operator_version") or defaults.OPERATOR_VERSION, defaults.OPERATOR_VERSIONS
        )
        before = self._before(name, args, namespace)
        return kubernetes.helm.v3.Release(
            f"{name}-operator",
            name=defaults.RELEASE_NAME,
            namespace=namespace.metadata.name,
            chart=defaults.OPERATOR_CHART,
            version=version,
            repository_opts=kubernetes.helm.v3.RepositoryOptsArgs(repo=defaults.OPERATOR_REPOSITORY),
            values=chart_values(args.get("gpu") or {}, args, who, version),
            # Helm would wait for the operator's Deployment and say nothing; the gate waits for GPUs and says why.
            skip_await=True,
            timeout=helm_timeout(args),
            # A stack that names no version keeps the one it has: a new release of ours moves no running operator.
            opts=ResourceOptions.merge(
                opts,
                ResourceOptions(depends_on=before, ignore_changes=[] if args.get("operator_version") else ["version"]),
            ),
        )

    def _before(self, name: str, args: GpuStackArgs, namespace: kubernetes.core.v1.Namespace) -> list[pulumi.Resource]:
        """What the operator's containers wait for."""
        gpu, found = args.get("gpu") or {}, list[pulumi.Resource]()
        if variant(gpu).startswith("gke"):
            from components.gke_driver import before_operator

            found += before_operator(name, gpu, namespace, self)
        if watched := metrics(args.get("metrics")):
            from components.monitoring import exporter_list

            found += exporter_list(name, watched, namespace, self)
        return [*found, *mig_labels(name, gpu, args, self)]

    def _label(self, name: str, host: str, node: pulumi.Input[str], args: GpuStackArgs) -> None:
        """A patch of one label: taken back, it leaves the node as it was.

        That of a host which is not there is let alone. On a node that is gone, taking it back would make an empty
        object of that name: hence an abandoned host's is forgotten without a call.
        """
        known, state = pulumi.Output.from_input(node), (args.get("away") or {}).get(host, "present")
        marks = (args.get("marks") or {}).get(host)
        kubernetes.core.v1.NodePatch(
            f"{name}-{host}",
            metadata=kubernetes.meta.v1.ObjectMetaPatchArgs(
                name=resolved([known, args.get("any_node")]).apply(lambda both: both[0] or both[1]),
                labels=known.apply(lambda found: {HOST_LABEL: host} if found else {}),
                annotations=None if marks is None else pulumi.Output.from_input(marks),
            ),
            opts=ResourceOptions.merge(ResourceOptions(parent=self), when_away(state, ["metadata"])),
        )


def revision_of(status: Any) -> str:
    """How often Helm has changed a release; who plays the program with mocks may give no status."""
    return str(status.revision) if status and status.revision else ""


def helm_timeout(args: GpuStackArgs) -> int:
    """How long Helm may take."""
    asked = args.get("operator_timeout_seconds") or defaults.OPERATOR_TIMEOUT_SECONDS
    return count("operatorTimeoutSeconds", asked)


def chart_values(gpu: GpuChoices, args: GpuStackArgs, who: Ownership, version: str) -> dict[str, Any]:
    """The operator's Helm values: derived, then the user's own, which must be keys that the chart knows."""
    own = known_values(args, version, who, OPERATOR)
    wish = {"tolerations": tolerations(gpu), "remove_crds": bool(args.get("remove_crds")), "platform": variant(gpu)}
    derived = [*operator_values.values(who, wish), *sharing.operator_values(sharing.read(shared(gpu)))]
    derived += mig.operator_values(divided(gpu))
    derived += container_values(gpu, who, own)
    derived += images.operator_values(pulled(gpu), version)
    derived += monitoring.operator_values(metrics(args.get("metrics")))
    if by_nri(gpu):
        derived += nri_values(version, own)
    elif who.toolkit.owner is Owner.OPERATOR:
        derived += flavour.values(toolkit_flavour(gpu, version))
    return operator_values.as_tree(derived, own)


def toolkit_flavour(gpu: GpuChoices, version: str) -> str:
    """The distribution whose containerd the toolkit container can find."""
    wish = known_flavour(gpu)
    found = flavour.problem(wish, version)
    if found:
        raise pulumi.InputPropertyError("flavour", ". Right: ".join(found))
    return wish
