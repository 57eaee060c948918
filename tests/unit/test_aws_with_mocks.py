"""AwsGpuNodes with mocks, in both worlds: an up, and a preview in which nothing is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from decide import aws_cluster, aws_nodes
from tests.effort import long

# Importing the SDK of AWS alone takes seconds.
pytestmark = long

CLUSTER = {
    "name": "research",
    "endpoint": "https://api.example.com",
    "certificateAuthorities": [{"data": "Q0E="}],
    "status": "ACTIVE",
    "version": "1.35",
    "vpcConfig": {"subnetIds": ["subnet-1", "subnet-2"]},
}
ANSWERS: dict[str, Any] = {
    "aws:eks/getCluster:getCluster": CLUSTER,
    "aws:eks/getNodeGroup:getNodeGroup": {"status": "ACTIVE"},
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": {"locations": ["us-east-1a"]},
    "aws:servicequotas/getServiceQuota:getServiceQuota": {"value": 64.0},
    "aws:ec2/getSubnet:getSubnet": {"availabilityZone": "us-east-1a", "availableIpAddressCount": 250},
    "aws:ssm/getParameter:getParameter": {"value": "ami-1"},
}
OUTPUTS: dict[str, dict[str, Any]] = {
    "pulumi:providers:aws": {},
    "gpu-ready:index:AwsGpuNodes": {},
    "command:local:Command": {"stdout": json.dumps({})},
    "aws:iam/role:Role": {"arn": "arn:aws:iam::123456789012:role/x", "name": "x"},
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": {},
    "aws:ec2/launchTemplate:LaunchTemplate": {"latestVersion": 3},
    "aws:eks/nodeGroup:NodeGroup": {"arn": "arn:aws:eks:us-east-1:123456789012:nodegroup/research/gpu/1"},
    **{f"aws:ec2/{name[0].lower()}{name[1:]}:{name}": {} for name in (
        "Vpc", "InternetGateway", "Subnet", "Eip", "NatGateway", "RouteTable", "Route", "RouteTableAssociation",
    )},
    "aws:eks/cluster:Cluster": {
        "endpoint": "https://api.example.com",
        "certificateAuthority": {"data": "Q0E="},
        "identities": [{"oidcs": [{"issuer": "https://oidc.example.com"}]}],
    },
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": {},
    "aws:eks/accessEntry:AccessEntry": {},
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": {},
    "aws:eks/addon:Addon": {},
}  # fmt: skip
"""Every type that may be made, and the outputs that only its provider knows."""
MAKE = {
    "name": "fresh",
    "version": "1.35",
    "zones": ["us-east-1a", "us-east-1b"],
    "public_cidrs": ["203.0.113.7/32"],
    "admins": ["arn:aws:iam::123456789012:role/admins"],
}


class Strict(pulumi.runtime.Mocks):
    """Takes no type that it does not know, and gives outputs only in an up."""

    def __init__(self, preview: bool) -> None:
        self.preview, self.made, self.asked = preview, dict[str, dict[str, Any]](), list[str]()

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        assert args.typ in OUTPUTS, args.typ
        self.made[f"{args.typ.rpartition(':')[2]} {args.name}"] = dict(args.inputs)
        outputs = {} if self.preview else OUTPUTS[args.typ]
        return (None if self.preview and args.typ != "pulumi:providers:aws" else f"{args.name}-id"), {
            **args.inputs,
            **outputs,
        }

    def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
        self.asked.append(args.token)
        return {**args.args, **ANSWERS[args.token]}


@pytest.fixture(params=[False, True], ids=["up", "preview"])
def mocks(request: pytest.FixtureRequest) -> Iterator[Strict]:
    strict = Strict(request.param)
    pulumi.runtime.set_mocks(strict, preview=request.param)
    yield strict
    pulumi.runtime.reset_options()


def nodes(**more: Any) -> Any:
    from components.aws import AwsGpuNodes

    args: Any = {"region": "us-east-1", "cluster": "research", "gpu": {"target": "aws"}, **more}
    return AwsGpuNodes("nodes", args)


def played(made: Any) -> None:
    @pulumi.runtime.test
    def program() -> Any:
        return made()

    program()


def test_a_node_group_is_made_in_a_cluster_that_is_there(mocks: Strict) -> None:
    played(lambda: nodes().context)

    group = mocks.made["NodeGroup nodes-group"]
    assert group["subnetIds"] == ["subnet-1", "subnet-2"]
    assert group["amiType"] == "AL2023_x86_64_NVIDIA"
    version = (group.get("launchTemplate") or {}).get("version")
    # Never $Latest, which would be a change at each up.
    assert version == "3" if not mocks.preview else not isinstance(version, str)
    assert sorted(set(mocks.asked)) == sorted(ANSWERS)


def test_the_role_of_a_node_may_no_more_than_a_node_needs(mocks: Strict) -> None:
    played(lambda: nodes().context)

    attached = {one["policyArn"] for name, one in mocks.made.items() if name.startswith("RolePolicyAttachment")}
    needed = {*aws_nodes.ROLE_POLICIES, aws_nodes.CNI_POLICY}
    assert attached == {f"arn:aws:iam::aws:policy/{policy}" for policy in needed}


@long
def test_a_cluster_of_ours_has_nodes_for_the_system_and_its_add_ons(mocks: Strict) -> None:
    played(lambda: nodes(cluster="fresh", make=MAKE).context)

    addons = {one["addonName"] for name, one in mocks.made.items() if name.startswith("Addon")}
    assert addons == {*aws_cluster.ADDONS_BEFORE_NODES, *aws_cluster.ADDONS_AFTER_NODES}
    assert mocks.made["NodeGroup nodes-system"]["amiType"] == "AL2023_x86_64_STANDARD"
    subnets = [one["cidrBlock"] for name, one in mocks.made.items() if name.startswith("Subnet")]
    assert sorted(subnets) == ["10.64.0.0/20", "10.64.16.0/20", "10.64.224.0/20", "10.64.240.0/20"]
    assert "aws:eks/getCluster:getCluster" not in mocks.asked


@long
@pytest.mark.parametrize("more", [{}, {"cluster": "fresh", "make": MAKE}], ids=["there", "ours"])
def test_the_kubeconfig_is_secret_in_both_worlds_and_holds_no_token(mocks: Strict, more: dict[str, Any]) -> None:
    found: list[Any] = []

    async def look(made: Any) -> Any:
        found.append((await made.kubeconfig.is_secret(), await made.kubeconfig.future()))
        return None

    played(lambda: pulumi.Output.from_input(look(nodes(**more))))

    ((secret, text),) = found
    assert secret
    if mocks.preview and more:
        assert text is None
    else:
        user = json.loads(text)["users"][0]["user"]
        assert user["exec"]["args"][:2] == ["eks", "get-token"]
        assert set(user) == {"exec"}


def test_a_wrong_wish_is_refused_before_anything_is_made(mocks: Strict) -> None:
    with pytest.raises(pulumi.InputPropertyError, match=r"no capacity blocks are sold for g5\.xlarge"):
        played(lambda: nodes(capacity="capacityBlock", reservation="cr-1", subnets=["subnet-1"]).context)

    assert set(mocks.made) <= {"AwsGpuNodes nodes"}
