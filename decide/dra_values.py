"""Helm values of the DRA driver alone, each with its reason; and what it does not do."""

from collections.abc import Iterator, Mapping
from typing import Any

from decide import defaults, user_values
from decide.images import WHY, WHY_SECRETS, Images, mirrored
from decide.operator_values import Value
from decide.plugin_values import node_terms

TERMS = "kubeletPlugin.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"

NOT_DONE = (
    "gpu.allocation: dra brings no driver, no container toolkit, no labels of feature discovery and no MIG manager",
    f"each GPU node needs Kubernetes {'.'.join(map(str, defaults.DRA_KUBERNETES))} or newer, driver "
    f"{defaults.DRA_DRIVER_BRANCH} or newer, and CDI switched on in its container runtime, as containerd 2 has it",
    f"pods ask by a ResourceClaim of DeviceClass {defaults.DEVICE_CLASS}, not by limits of {defaults.RESOURCE_NAME}",
)


def values(wish: Mapping[str, Any], images: Images, version: str) -> Iterator[Value]:
    """What options (`tolerations`, `nodes`, `node_selector`, `hosts`) ask of the chart."""
    why = "gpu.allocation: dra; the chart wants to hear that no device plugin runs beside it"
    yield Value("gpuResourcesEnabledOverride", True, why)
    why = "NVLink between nodes, which this release does not set up; without it no controller runs"
    yield Value("resources.computeDomains.enabled", False, why)
    terms = node_terms(wish.get("nodes") or (), wish.get("node_selector") or {}, bool(wish.get("hosts")))
    if terms:
        why = "the nodes that the stack is about; the chart's own list wants labels that nobody writes here"
        yield Value(TERMS, terms, why)
    added = [dict(one) for one in wish.get("tolerations") or () if dict(one) != defaults.GPU_TOLERATION]
    if added:
        why = "GPU nodes carry these taints; the list replaces the chart's, so its default is repeated"
        yield Value("kubeletPlugin.tolerations", [*map(dict, defaults.DAEMONSET_TOLERATIONS), *added], why)
    yield from _images(images, version)


def _images(images: Images, version: str) -> Iterator[Value]:
    usual = user_values.chart(version, user_values.DRA.chart).defaults["image.repository"]
    if images.registry:
        yield Value("image.repository", mirrored(str(usual), images), WHY)
    if images.pull_secrets:
        yield Value("imagePullSecrets", [{"name": name} for name in images.pull_secrets], WHY_SECRETS)
