"""What all kinds of GPU nodes have in common, as the cluster layer sees it."""

from collections.abc import Mapping
from typing import Protocol

import pulumi


class GpuNodes(Protocol):
    """What the cluster layer needs to know of GPU nodes, whoever made them."""

    kubeconfig: pulumi.Output[str]
    context: pulumi.Output[str]
    node_selector: pulumi.Output[dict[str, str]]
    node_of_host: Mapping[str, pulumi.Output[str]]
    """Where hosts have names of their own: what exists is known by them, before their nodes are."""
    marks: Mapping[str, pulumi.Output[dict[str, str]]]
    """Of each of them the annotations under which its node is labelled."""
    made: Mapping[str, pulumi.Output[str]]
    """Of each of them what it was made: a proof is one of that, and of nothing else."""
    away: Mapping[str, str]
    """Those of them that are not present: `offline` or `abandoned`."""
    any_node: pulumi.Input[str]
    """Some node of the cluster; empty where hosts have no names of their own."""
