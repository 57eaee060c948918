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
CLEANED = ("clusterpolicies.nvidia.com", "gpuclusters.nvidia.com", "nvidiadrivers.nvidia.com")
"""What the chart's own clean-up hook deletes (`operator.cleanupCRD`)."""
BEFORE_26_7 = ("clusterpolicies.nvidia.com", "nvidiadrivers.nvidia.com")
"""What older charts bring."""
LABEL_PREFIXES = ("nvidia.com/gpu.deploy.", "nvidia.com/gpu.present")


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
    """The custom resource definitions that a version of the chart brings."""
    from decide import user_values  # knows all charts, and the rehearsal's kubectl starts very often without them

    return CRDS if user_values.number(version) >= (26, 7) else BEFORE_26_7


def remainder(installed: bool, remove_crds: bool, version: str, goes: str = "") -> list[Left]:
    """What stays after `destroy`; nothing where the operator was before us, or with a `cluster` or `nodes` that go."""
    if not installed or goes == "cluster":
        return []
    stays = [name for name in definitions(version) if not (remove_crds and name in CLEANED)]
    labels = Left(
        "node labels nvidia.com/gpu.present and nvidia.com/gpu.deploy.*",
        "written by the operator on GPU nodes; nothing takes them back",
        "kubectl label node NODE nvidia.com/gpu.present-  (and each nvidia.com/gpu.deploy.*)",
    )
    crds = Left(
        "custom resource definitions " + ", ".join(stays),
        "Helm keeps them, because deleting one deletes every object of its kind",
        "kubectl delete crd " + " ".join(stays),
    )
    return [*([crds] if stays else []), *([] if goes == "nodes" else [labels])]


def destroy_hint(stack: str, left: list[Left], hosts: Sequence[str] = ()) -> str:
    """How to take everything back, what that does to hosts, and what is then still there."""
    lines = [f"pulumi destroy -s {stack}"]
    if hosts:
        lines.append(f"on {', '.join(hosts)}: {ON_HOSTS}")
    lines += [f"stays: {one.what} ({one.why}); to remove: {one.remove}" for one in left]
    return "\n".join(lines)
