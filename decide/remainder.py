"""What `destroy` leaves behind on purpose, by name, and how to take it away by hand."""

from typing import NamedTuple

# Seen on a real API server after the release was uninstalled: Helm never deletes what stands in a chart's crds/ folder.
CRDS = (
    "clusterpolicies.nvidia.com",
    "computedomaincliques.resource.nvidia.com",
    "computedomains.resource.nvidia.com",
    "gpuclusters.nvidia.com",
    "nvidiadrivers.nvidia.com",
)
LABEL_PREFIXES = ("nvidia.com/gpu.deploy.", "nvidia.com/gpu.present")


class Left(NamedTuple):
    """Something that stays, why, and the command that removes it."""

    what: str
    why: str
    remove: str


def remainder(installed: bool, remove_crds: bool) -> list[Left]:
    """What stays after `destroy`; nothing where the operator was there before us."""
    if not installed:
        return []
    labels = Left(
        "node labels nvidia.com/gpu.present and nvidia.com/gpu.deploy.*",
        "written by the operator on GPU nodes; nothing takes them back",
        "kubectl label node NODE nvidia.com/gpu.present-  (and each nvidia.com/gpu.deploy.*)",
    )
    crds = Left(
        "custom resource definitions " + ", ".join(CRDS),
        "Helm keeps them, because deleting one deletes every object of its kind",
        "kubectl delete crd " + " ".join(CRDS),
    )
    return [labels] if remove_crds else [crds, labels]


def destroy_hint(stack: str, left: list[Left]) -> str:
    """How to take everything back, and what is then still there."""
    lines = [f"pulumi destroy -s {stack}"]
    lines += [f"stays: {one.what} ({one.why}); to remove: {one.remove}" for one in left]
    return "\n".join(lines)
