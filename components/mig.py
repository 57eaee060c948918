"""The label by which the MIG manager divides cards of a node; where it is taken back, the operator writes its own."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi import ResourceOptions

from components.choices import GpuChoices, divided, this_stack, when_away
from decide.reading import MIG_CONFIG, MIG_MARK

FORCED = {"pulumi.com/patchForce": "true"}
"""The operator has written `all-disabled` on each such node that was there before."""


def mig_labels(name: str, gpu: GpuChoices, args: Mapping[str, Any], parent: pulumi.Resource) -> list[pulumi.Resource]:
    """A patch of one label for each node. The operator comes after them: with it goes who would divide cards anew."""
    wish = divided(gpu)
    if not wish:
        return []
    hosts, away = args.get("hosts") or {}, args.get("away") or {}
    there: dict[str, pulumi.Input[str]] = {**{node: node for node in args.get("nodes") or ()}, **hosts}
    return [
        _patch(f"{name}-mig-{one}", node, wish.of(one), when_away(away.get(one, "present"), ["metadata"]), args, parent)
        for one, node in there.items()
    ]


def _patch(
    name: str,
    node: pulumi.Input[str],
    profile: str,
    kept: ResourceOptions,
    args: Mapping[str, Any],
    parent: pulumi.Resource,
) -> kubernetes.core.v1.NodePatch:
    known = pulumi.Output.from_input(node)
    return kubernetes.core.v1.NodePatch(
        name,
        metadata=kubernetes.meta.v1.ObjectMetaPatchArgs(
            name=pulumi.Output.all(known, args.get("any_node")).apply(lambda both: both[0] or both[1]),
            labels=known.apply(lambda found: {MIG_CONFIG: profile} if found else {}),
            annotations=known.apply(lambda found: {**FORCED, MIG_MARK: this_stack()} if found else {}),
        ),
        opts=ResourceOptions.merge(ResourceOptions(parent=parent), kept),
    )
