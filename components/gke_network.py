"""The way out for nodes without public addresses: a router with address translation, for a cluster of ours.

Google's SDK has both in its largest part, which takes seconds to load: hence their types by name. A test holds the
properties against the SDK's own files.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import ResourceOptions
from pulumi_gcp import _utilities

from decide import gke_cluster

ROUTER, NAT = "gcp:compute/router:Router", "gcp:compute/routerNat:RouterNat"


def way_out(name: str, gke: Mapping[str, Any], opts: ResourceOptions) -> list[pulumi.Resource]:
    """Private nodes pull images through it; nothing where the network has one."""
    if not gke_cluster.needs_nat(gke):
        return []
    same_sdk = ResourceOptions.merge(opts, ResourceOptions(version=_utilities.get_version()))
    router = pulumi.CustomResource(ROUTER, f"{name}-router", gke_cluster.router(gke), same_sdk)
    after = ResourceOptions.merge(same_sdk, ResourceOptions(depends_on=[router]))
    return [pulumi.CustomResource(NAT, f"{name}-nat", gke_cluster.nat(gke), after)]
