"""What `destroy` leaves behind on purpose, by name, and how to take it away by hand."""

from collections.abc import Sequence
from typing import NamedTuple

# Seen on a real API server after v26.7.0 was uninstalled: Helm never deletes what stands in a chart's crds/ folder.
CRDS = (
    "clusterpolicies.nvidia.com",
    "computedomaincliques.resource.nvidia.com",
    "computedomains.resource.nvidia.com",
    "gpuclusters.nvidia.com",
    "nvidiadrivers.nvidia.com",
)
DISCOVERY = (
    "nodefeaturegroups.nfd.k8s-sigs.io",
    "nodefeaturerules.nfd.k8s-sigs.io",
    "nodefeatures.nfd.k8s-sigs.io",
)
"""What node feature discovery brings, which both charts have in them."""
CLEANED = ("clusterpolicies.nvidia.com", "gpuclusters.nvidia.com", "nvidiadrivers.nvidia.com")
"""What the chart's own clean-up hook deletes (`operator.cleanupCRD`)."""
BEFORE_26_7 = ("clusterpolicies.nvidia.com", "nvidiadrivers.nvidia.com")
"""What older charts bring."""
LABEL_PREFIXES = ("nvidia.com/gpu.deploy.", "nvidia.com/gpu.present", "nvidia.com/mig.config")


ON_HOSTS = (
    "removes the driver, toolkit, runtime handler and k3s that up installed; what was there before stays as it is; "
    "a host that does not answer stops it (--run-program says why): state: abandoned, pulumi up, then this again"
)


class Left(NamedTuple):
    """Something that stays, why, and the command that removes it."""

    what: str
    why: str
    remove: str


def definitions(version: str) -> tuple[str, ...]:
    """The custom resource definitions that a version of the operator's own chart brings."""
    from decide import user_values  # knows all charts, and the rehearsal's kubectl starts very often without them

    return CRDS if user_values.number(version) >= (26, 7) else BEFORE_26_7


def remainder(version: str, remove_crds: bool = False, discovers: bool = True, goes: str = "") -> list[Left]:
    """What stays after `destroy`, but for what goes with a `cluster` or with `nodes`.

    `version` is that of our operator, empty without one; `discovers`: node feature discovery came along.
    """
    if goes == "cluster":
        return []
    brought = [*(definitions(version) if version else ()), *(DISCOVERY if discovers else ())]
    stays = [name for name in brought if not (remove_crds and name in CLEANED)]
    labels = Left(
        "node labels nvidia.com/gpu.present, nvidia.com/gpu.deploy.* and, of cards with MIG, nvidia.com/mig.config*",
        "written by the operator on GPU nodes; nothing takes them back",
        "kubectl label node NODE nvidia.com/gpu.present-  (and each nvidia.com/gpu.deploy.*)",
    )
    crds = Left(
        "custom resource definitions " + ", ".join(stays),
        "Helm keeps them, because deleting one deletes every object of its kind",
        "kubectl delete crd " + " ".join(stays),
    )
    return [*([crds] if stays else []), *([labels] if version and goes != "nodes" else [])]


def destroy_hint(stack: str, left: list[Left], hosts: Sequence[str] = ()) -> str:
    """How to take everything back, what that does to hosts, and what is then still there."""
    lines = [f"pulumi destroy -s {stack}"]
    if hosts:
        lines.append(f"on {', '.join(hosts)}: {ON_HOSTS}")
    lines += [f"stays: {one.what} ({one.why}); to remove: {one.remove}" for one in left]
    return "\n".join(lines)
