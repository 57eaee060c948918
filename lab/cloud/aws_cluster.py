"""A cluster in EKS of the rehearsal, and the network, roles and add-ons that it is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from lab.cloud.aws_calls import CLUSTER, account, describe_cluster, region
from lab.cloud.kind import Desk, Kind, Refuse
from lab.provider import Props, ProviderError

Denied = Callable[[str], Refuse]
_ADDON_KEYS = """
    addonName addonVersion clusterName configurationValues podIdentityAssociations preserve
    resolveConflictsOnCreate resolveConflictsOnUpdate serviceAccountRoleArn tags
"""
_CLUSTER_KEYS = """
    accessConfig bootstrapSelfManagedAddons deletionProtection enabledClusterLogTypes name region
    roleArn tags upgradePolicy version vpcConfig
"""


def id_of_kind(prefix: str) -> Callable[[Desk, Props], str]:
    """Ids as EC2 gives them; of what was asked for, so that they are the same in each rehearsal."""

    def id_of(desk: Desk, inputs: Props) -> str:
        told = f"{desk.ctx.name}{sorted(inputs.items())}"
        return f"{prefix}-0{hashlib.sha256(told.encode()).hexdigest()[:16]}"

    return id_of


def in_use(what: str, *users: tuple[str, str]) -> Callable[[Desk, str, Props], None]:
    """Refuses to delete what others stand on."""

    def check(desk: Desk, id: str, _inputs: Props) -> None:
        for token, key in users:
            held = [other for other, one in desk.of_type(token).items() if id in _listed(one.get(key))]
            if held:
                raise ProviderError(
                    f"deleting {what} ({id}): api error DependencyViolation: it has dependencies ({held[0]})"
                )

    return check


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [value]


def _subnets_of(desk: Desk, id: str, _inputs: Props) -> None:
    """A cluster keeps interfaces in its subnets."""
    for one in (*desk.of_type(CLUSTER).values(), *desk.of_type("aws:eks/nodeGroup:NodeGroup").values()):
        known = (one.get("vpcConfig") or {}).get("subnetIds") or one.get("subnetIds") or ()
        if id in known:
            raise ProviderError(f"deleting EC2 Subnet ({id}): api error DependencyViolation: it has dependencies")


def _part(keys: str, prefix: str, replaces: str, **more: object) -> Kind:
    return Kind(
        inputs=frozenset([*keys.split(), "tags", "region"]),
        id_of=id_of_kind(prefix),
        replaces=tuple(replaces.split()),
        name_key="",
        **more,  # type: ignore[arg-type]
    )


def _cluster_before(desk: Desk, inputs: Props) -> None:
    if inputs["name"] in (*desk.of_type(CLUSTER), *desk.cluster.spec["cloud"]["clusters"]):
        raise ProviderError(
            f"creating EKS Cluster ({inputs['name']}): api error ResourceInUseException: Cluster already exists with "
            f"name: {inputs['name']}"
        )
    if len((inputs.get("vpcConfig") or {}).get("subnetIds") or ()) < 2:
        raise ProviderError("api error InvalidParameterException: Subnets specified must be in at least two AZs")


def _cluster_kept(desk: Desk, id: str, _inputs: Props) -> None:
    if any(one["clusterName"] == id for one in desk.of_type("aws:eks/nodeGroup:NodeGroup").values()):
        raise ProviderError(f"deleting EKS Cluster ({id}): api error ResourceInUseException: Cluster has nodegroups")


def _cluster_outputs(desk: Desk, id: str, _inputs: Props) -> Props:
    found = describe_cluster(desk, id)
    issuer = f"https://oidc.eks.{region(desk)}.amazonaws.com/id/{hashlib.sha256(id.encode()).hexdigest()[:32].upper()}"
    return {
        "arn": found["arn"],
        "endpoint": found["endpoint"],
        "certificateAuthority": found["certificateAuthorities"][0],
        "identities": [{"oidcs": [{"issuer": issuer}]}],
        "status": "ACTIVE",
    }


def _of_cluster(*keys: str) -> Callable[[Desk, Props], str]:
    def id_of(_desk: Desk, inputs: Props) -> str:
        return ":".join(str(inputs[key]) for key in ("clusterName", *keys))

    return id_of


def _provider_arn(desk: Desk, _inputs: Props) -> str:
    return f"arn:aws:iam::{account(desk)}:oidc-provider/{str(_inputs['url']).removeprefix('https://')}"


def kinds(denied: Denied) -> dict[str, Kind]:
    """What a cluster is made of, and its network."""
    return {**_network(denied), **_CLUSTER}


def _network(denied: Denied) -> dict[str, Kind]:
    subnet, table = "aws:ec2/subnet:Subnet", "aws:ec2/routeTable:RouteTable"
    of_vpc = (
        (subnet, "vpcId"),
        ("aws:ec2/internetGateway:InternetGateway", "vpcId"),
        (table, "vpcId"),
    )
    return {
        "aws:ec2/vpc:Vpc": _part(
            "cidrBlock enableDnsHostnames enableDnsSupport", "vpc", "cidrBlock",
            before_create=denied("ec2:CreateVpc"), before_delete=in_use("EC2 VPC", *of_vpc),
        ),
        subnet: _part(
            "availabilityZone cidrBlock mapPublicIpOnLaunch vpcId", "subnet", "availabilityZone cidrBlock vpcId",
            before_delete=_subnets_of,
        ),
        "aws:ec2/internetGateway:InternetGateway": _part("vpcId", "igw", ""),
        "aws:ec2/natGateway:NatGateway": _part("allocationId subnetId", "nat", "allocationId subnetId"),
        table: _part("vpcId routes", "rtb", "vpcId"),
        "aws:ec2/route:Route": _part(
            "destinationCidrBlock gatewayId natGatewayId routeTableId", "r", "destinationCidrBlock routeTableId"
        ),
        "aws:ec2/routeTableAssociation:RouteTableAssociation": _part("routeTableId subnetId", "rtbassoc", "subnetId"),
    }  # fmt: skip


_CLUSTER = {
    CLUSTER: Kind(
        inputs=frozenset(_CLUSTER_KEYS.split()),
        id_of=lambda _desk, inputs: str(inputs["name"]),
        outputs=_cluster_outputs,
        computed=("arn", "endpoint", "certificateAuthority", "identities", "status"),
        replaces=("name", "roleArn", "bootstrapSelfManagedAddons"),
        required=("roleArn", "vpcConfig"),
        before_create=_cluster_before,
        before_delete=_cluster_kept,
        seconds={"create": 600.0, "update": 300.0, "delete": 400.0},
    ),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": Kind(
        inputs=frozenset(["clientIdLists", "tags", "thumbprintLists", "url"]),
        id_of=_provider_arn,
        replaces=("url",),
        required=("url", "clientIdLists"),
        name_key="",
    ),
    "aws:eks/accessEntry:AccessEntry": Kind(
        inputs=frozenset(["clusterName", "kubernetesGroups", "principalArn", "tags", "type", "userName"]),
        id_of=_of_cluster("principalArn"),
        replaces=("clusterName", "principalArn", "type"),
        name_key="",
    ),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": Kind(
        inputs=frozenset(["accessScope", "clusterName", "policyArn", "principalArn"]),
        id_of=_of_cluster("principalArn", "policyArn"),
        replaces=("accessScope", "clusterName", "policyArn", "principalArn"),
        name_key="",
    ),
    "aws:eks/addon:Addon": Kind(
        inputs=frozenset(_ADDON_KEYS.split()),
        id_of=_of_cluster("addonName"),
        replaces=("addonName", "clusterName"),
        name_key="",
        seconds={"create": 30.0, "update": 30.0, "delete": 10.0},
    ),
}
