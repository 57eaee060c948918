"""NVIDIA's DRA driver alone, in place of a device plugin: its chart as a Helm release, and claims that pods name."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi import ResourceOptions

from components.chart_args import known_values, known_version
from decide import defaults, dra_values
from decide.chart_books import DRA
from decide.images import Images
from decide.operator_values import as_tree

CLAIM = "gpu"
"""What a pod of ours calls its claim."""


def dra_driver(
    name: str,
    args: Mapping[str, Any],
    values: Mapping[str, Any],
    namespace: kubernetes.core.v1.Namespace,
    opts: ResourceOptions,
) -> kubernetes.helm.v3.Release:
    """The release; the gate waits for its pods and for cards in ResourceSlices, and says what they say."""
    return kubernetes.helm.v3.Release(
        f"{name}-dra",
        name=defaults.DRA_RELEASE,
        namespace=namespace.metadata.name,
        chart=defaults.DRA_CHART,
        version=version_of(args),
        values=dict(values),
        skip_crds=True,  # all of them are about ComputeDomains, which are off
        skip_await=True,
        timeout=args["timeout"],
        opts=ResourceOptions.merge(
            opts, ResourceOptions(ignore_changes=[] if args.get("dra_version") else ["version"])
        ),
    )


def version_of(args: Mapping[str, Any]) -> str:
    """The one that is asked for, or ours."""
    return known_version("draVersion", str(args.get("dra_version") or defaults.DRA_VERSION), defaults.DRA_VERSIONS)


def chart_values(args: Mapping[str, Any], tolerations: list[dict[str, Any]], images: Images) -> dict[str, Any]:
    """The driver's Helm values: derived, then the user's own, which must be keys that the chart knows."""
    version = version_of(args)
    own = known_values(args, version, None, DRA)
    wish = {key: args.get(key) for key in ("nodes", "node_selector", "hosts")}
    return as_tree([*dra_values.values({**wish, "tolerations": tolerations}, images, version)], own)


def claim_template(
    name: str, cards: int, namespace: kubernetes.core.v1.Namespace, labels: Mapping[str, str], opts: ResourceOptions
) -> kubernetes.resource.v1.ResourceClaimTemplate:
    """What each validation pod claims: so many whole cards of one node."""
    resource = kubernetes.resource.v1
    exactly = resource.ExactDeviceRequestArgs(
        device_class_name=defaults.DEVICE_CLASS, allocation_mode="ExactCount", count=cards
    )
    devices = resource.DeviceClaimArgs(requests=[resource.DeviceRequestArgs(name=CLAIM, exactly=exactly)])
    return resource.ResourceClaimTemplate(
        f"{name}-claim",
        # Its spec cannot be changed: another number is another template.
        metadata=kubernetes.meta.v1.ObjectMetaArgs(
            name=f"gpus-{cards}", namespace=namespace.metadata.name, labels=dict(labels)
        ),
        spec=resource.ResourceClaimTemplateSpecArgs(spec=resource.ResourceClaimSpecArgs(devices=devices)),
        opts=opts,
    )


def by_claim(template: pulumi.Input[str]) -> dict[str, Any]:
    """Of a pod, that it claims what the template says."""
    core = kubernetes.core.v1
    return {"resource_claims": [core.PodResourceClaimArgs(name=CLAIM, resource_claim_template_name=template)]}


def of_claim() -> kubernetes.core.v1.ResourceRequirementsArgs:
    """Of a container, that it gets the cards of its pod's claim."""
    core = kubernetes.core.v1
    return core.ResourceRequirementsArgs(claims=[core.ResourceClaimArgs(name=CLAIM)])
