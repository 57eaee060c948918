"""A cluster in EKS with its network: what is asked of AWS for it, as plain values in the words of pulumi-aws."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from decide import defaults
from decide.aws_rules import Wrong

Wish = Mapping[str, Any]
"""`region`, `name`, `version`, `zones`, `network`, `endpoint`, `public_cidrs`, `system_type`, `system_nodes`."""

ADDONS_BEFORE_NODES = ("eks-pod-identity-agent", "vpc-cni", "kube-proxy")
"""Without these no node becomes Ready."""
ADDONS_AFTER_NODES = ("coredns",)
"""It stays DEGRADED until there is a node that it tolerates."""
ADMIN_POLICY = "AmazonEKSClusterAdminPolicy"
PUBLIC, PRIVATE = "kubernetes.io/role/elb", "kubernetes.io/role/internal-elb"
"""By these tags load balancers find their subnets."""


def trust(service: str, *actions: str) -> dict[str, Any]:
    """Who may take a role."""
    allowed = {"Effect": "Allow", "Principal": {"Service": service}, "Action": list(actions)}
    return {"Version": "2012-10-17", "Statement": [allowed]}


CLUSTER_TRUST = trust("eks.amazonaws.com", "sts:AssumeRole")
POD_TRUST = trust("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")


def usual(wish: Wish) -> dict[str, Any]:
    """The wish with its defaults."""
    return {
        "network": defaults.AWS_NETWORK,
        "endpoint": "public",
        "public_cidrs": [],
        "admins": [],
        "system_type": defaults.SYSTEM_TYPE,
        "system_nodes": defaults.SYSTEM_NODES,
        **wish,
    }


class Zone(NamedTuple):
    """The two subnets of a zone."""

    name: str
    private: str
    public: str

    @property
    def letter(self) -> str:
        """What tells it from the others of its region: `a` of us-east-1a."""
        return self.name[-1]


def zones(wish: Wish) -> list[Zone]:
    """The network in sixteenths: nodes and pods in the first ones, what faces the internet in the last."""
    parts = [str(one) for one in ipaddress.ip_network(wish["network"]).subnets(prefixlen_diff=4)]
    names = wish["zones"]
    return [Zone(name, parts[number], parts[-1 - number]) for number, name in enumerate(names)]


def replacing(wish: Wish) -> dict[str, Any]:
    """The values whose change means another network or cluster, and the end of everything in it."""
    return {key: wish[key] for key in ("name", "network", "zones")}


def cluster(wish: Wish) -> dict[str, Any]:
    """Arguments of `aws.eks.Cluster`, but for role and subnets."""
    return {
        "name": wish["name"],
        "version": wish["version"],
        # Entries of the API alone: nobody can lock himself out by an edit of aws-auth.
        "access_config": {"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": True},
        "bootstrap_self_managed_addons": False,
        "upgrade_policy": {"support_type": "STANDARD"},  # extended support costs six times as much
    }


def vpc_config(wish: Wish) -> dict[str, Any]:
    """From where the API server is reached; from the nodes always by the private way."""
    is_public = wish["endpoint"] == "public"
    more = {"public_access_cidrs": list(wish["public_cidrs"])} if is_public else {}
    return {"endpoint_private_access": True, "endpoint_public_access": is_public, **more}


def system_nodes(wish: Wish) -> dict[str, Any]:
    """Arguments of the node group for all that needs no card; without it a cluster of tainted nodes hangs."""
    count = wish["system_nodes"]
    return {
        "node_group_name": "system",
        "ami_type": "AL2023_x86_64_STANDARD",
        "capacity_type": "ON_DEMAND",
        "instance_types": [wish["system_type"]],
        "scaling_config": {"min_size": count, "max_size": count + 1, "desired_size": count},
        "update_config": {"max_unavailable": 1},
    }


def faults(wish: Wish) -> list[Wrong]:
    """What is wrong with a cluster that is to be made."""
    return [wrong for rule in RULES for wrong in rule(wish)]


def _zones(wish: Wish) -> Iterator[Wrong]:
    names = list(wish["zones"])
    example = f"zones: [{wish['region']}a, {wish['region']}b]"
    if len(set(names)) < 2 or len(names) > 4:
        yield Wrong("zones", "EKS wants from 2 to 4 different zones", example)
    odd = [name for name in names if name[:-1] != wish["region"]]
    if odd:
        yield Wrong("zones", f"{', '.join(odd)} is not in {wish['region']}", example)


def _network(wish: Wish) -> Iterator[Wrong]:
    example = f"network: {defaults.AWS_NETWORK}"
    try:
        found = ipaddress.ip_network(wish["network"])
    except ValueError as error:
        yield Wrong("network", str(error), example)
        return
    if not (16 <= found.prefixlen <= 20 and found.is_private):
        yield Wrong("network", "a private network of /16 to /20 belongs here: each pod takes an address of it", example)


def _endpoint(wish: Wish) -> Iterator[Wrong]:
    example = "publicCidrs: [203.0.113.7/32], the address you come from: curl -s https://checkip.amazonaws.com"
    if wish["endpoint"] == "public" and not wish["public_cidrs"]:
        yield Wrong("public_cidrs", "is missing: the API server would be open to everybody", example)
    if wish["endpoint"] == "private" and wish["public_cidrs"]:
        yield Wrong("public_cidrs", "has no effect with endpoint private", "leave publicCidrs out")


def _version(wish: Wish) -> Iterator[Wrong]:
    if not wish.get("version"):
        yield Wrong("version", "is missing: whoever makes a cluster says which", f'version: "{defaults.EKS_VERSION}"')


RULES = (_zones, _network, _endpoint, _version)
