"""What the rehearsal's AWS answers to questions: clusters, node groups, zones, quotas, subnets, images."""

from __future__ import annotations

import hashlib

from lab.cloud.kind import Desk, authority
from lab.cluster.access import address
from lab.provider import Props, ProviderError

CLUSTER = "aws:eks/cluster:Cluster"
_ZONES = ("a", "b", "c")
NO_SUBNET = "subnet-00000000000000000"
"""The one that is not there."""


def region(desk: Desk) -> str:
    """Of the provider in use."""
    return str(desk.ctx.config.get("region") or "us-east-1")


def account(desk: Desk) -> str:
    """The twelve digits of it."""
    return str(desk.cluster.spec["cloud"]["project"] or "123456789012")


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:17]


def describe_cluster(desk: Desk, name: str) -> Props:
    """A cluster as EKS describes it; refused in the provider's words where there is none."""
    made = {one["name"]: one for one in desk.of_type(CLUSTER).values()}
    if name not in (*made, *desk.cluster.spec["cloud"]["clusters"]):
        raise ProviderError(f"reading EKS Cluster ({name}): couldn't find resource")
    known = made.get(name, {}).get("vpcConfig", {})
    network = {
        "vpcId": f"vpc-{_hex(name)}",
        "subnetIds": known.get("subnetIds") or [f"subnet-{_hex(name + zone)}" for zone in _ZONES],
        "clusterSecurityGroupId": f"sg-{_hex(name)}",
    }
    return {
        "name": name,
        "arn": f"arn:aws:eks:{region(desk)}:{account(desk)}:cluster/{name}",
        "endpoint": f"https://{address(name)}",
        "certificateAuthorities": [{"data": authority(name)}],
        "status": "ACTIVE",
        "version": desk.cluster.spec["kubernetes"],
        "vpcConfig": network,
        "accessConfigs": [{"authenticationMode": "API_AND_CONFIG_MAP"}],
    }


def _get_cluster(desk: Desk, args: Props) -> Props:
    if desk.fault == "disabled":
        raise ProviderError("No valid credential sources found. Please see the provider's documentation")
    allowed = desk.ctx.config.get("allowedAccountIds") or [account(desk)]
    if account(desk) not in allowed:
        raise ProviderError(f"AWS account ID not allowed: {account(desk)}")
    return {**args, **describe_cluster(desk, str(args["name"]))}


def _get_group(desk: Desk, args: Props) -> Props:
    id = f"{args['clusterName']}:{args['nodeGroupName']}"
    if id not in desk.resources:
        raise ProviderError(f"reading EKS Node Group ({id}): couldn't find resource")
    failed = id in desk.cluster.data.get("failed_groups", ())
    return {**args, "status": "CREATE_FAILED" if failed else "ACTIVE"}


def _get_offerings(desk: Desk, args: Props) -> Props:
    zones = ("x",) if desk.fault == "no-offer" else _ZONES
    places = [f"{region(desk)}{zone}" for zone in zones]
    return {**args, "locations": places, "instanceTypes": [args["filters"][0]["values"][0]] * len(places)}


def _get_quota(desk: Desk, args: Props) -> Props:
    if desk.fault == "permission":
        raise ProviderError("api error AccessDeniedException: not authorized to perform: servicequotas:GetServiceQuota")
    return {**args, "value": 0.0 if desk.fault == "quota" else 768.0}


def _get_subnet(desk: Desk, args: Props) -> Props:
    known = [f"subnet-{_hex(name + zone)}" for name in desk.cluster.spec["cloud"]["clusters"] for zone in _ZONES]
    number = known.index(args["id"]) if args["id"] in known else int(_hex(str(args["id"])), 16)
    if args["id"] == NO_SUBNET:
        raise ProviderError("reading EC2 Subnet: no matching EC2 Subnet found")
    free = 3 if desk.fault == "no-addresses" else 4000
    vpc = f"vpc-{_hex('default')}"
    return {
        **args,
        "vpcId": vpc,
        "availabilityZone": f"{region(desk)}{_ZONES[number % 3]}",
        "availableIpAddressCount": free,
    }


def _get_parameter(_desk: Desk, args: Props) -> Props:
    return {**args, "value": f"ami-{_hex(str(args['name']))}", "type": "String"}


CALLS = {
    "aws:eks/getCluster:getCluster": _get_cluster,
    "aws:eks/getNodeGroup:getNodeGroup": _get_group,
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": _get_offerings,
    "aws:servicequotas/getServiceQuota:getServiceQuota": _get_quota,
    "aws:ec2/getSubnet:getSubnet": _get_subnet,
    "aws:ssm/getParameter:getParameter": _get_parameter,
}
