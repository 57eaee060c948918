"""AwsGpuHosts with mocks, in both worlds: an up, and a preview in which nothing is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from tests.effort import long

# Importing the SDK of AWS alone takes seconds.
pytestmark = long

pytest.importorskip("pulumi_tls")

ANSWERS: dict[str, Any] = {
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": {"locations": ["us-east-1a"]},
    "aws:servicequotas/getServiceQuota:getServiceQuota": {"value": 64.0},
    "aws:ec2/getSubnet:getSubnet": {"availabilityZone": "us-east-1a", "vpcId": "vpc-1"},
    "aws:ec2/getAmi:getAmi": {"id": "ami-1"},
}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdwdS1yZWFkeSBleGFtcGxlIG5vdCBhIHJlYWwga2V5"
OUTPUTS: dict[str, dict[str, Any]] = {
    "pulumi:providers:aws": {},
    "gpu-ready:index:AwsGpuHosts": {},
    "gpu-ready:index:GpuHost": {},
    "command:local:Command": {"stdout": json.dumps({"nodes": {"g5": "n"}, "marks": {"g5": {}}, "any_node": ""})},
    "command:remote:Command": {"stdout": "{}"},
    "command:remote:CopyToRemote": {},
    "tls:index/privateKey:PrivateKey": {"publicKeyOpenssh": f"{KEY}\n", "privateKeyOpenssh": "PRIVATE"},
    "aws:ec2/keyPair:KeyPair": {"keyName": "key"},
    "aws:ec2/securityGroup:SecurityGroup": {},
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": {},
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": {},
    "aws:ec2/instance:Instance": {"privateIp": "10.0.0.4"},
    "aws:ec2/eip:Eip": {"publicIp": "198.51.100.4"},
}
"""Every type that may be made, and the outputs that only its provider knows."""


class Strict(pulumi.runtime.Mocks):
    """Takes no type that it does not know, and gives outputs only in an up."""

    def __init__(self, preview: bool) -> None:
        self.preview, self.made = preview, dict[str, dict[str, Any]]()

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        assert args.typ in OUTPUTS, args.typ
        self.made[f"{args.typ.rpartition(':')[2]} {args.name}"] = dict(args.inputs)
        outputs = {} if self.preview else OUTPUTS[args.typ]
        id = None if self.preview and args.typ != "pulumi:providers:aws" else f"{args.name}-id"
        return id, {**args.inputs, **outputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
        return {**args.args, **ANSWERS[args.token]}


@pytest.fixture(params=[False, True], ids=["up", "preview"])
def mocks(request: pytest.FixtureRequest) -> Iterator[Strict]:
    strict = Strict(request.param)
    pulumi.runtime.set_mocks(strict, preview=request.param)
    yield strict
    pulumi.runtime.reset_options()


def played(script: str = "kubeadm join", **more: Any) -> None:
    from components.aws_hosts import AwsGpuHosts

    place = {
        **{"region": "us-east-1", "subnet": "subnet-1", "ssh_from": ["2001:db8::/48"], "public_key": KEY},
        **{"security_groups": ["sg-2"], "address": "public", "disk_gib": 100, "tags": {}, "allow_replace": False},
        "join_script": pulumi.Output.secret(script),
        **more,
    }
    host: Any = {"name": "g5", "ec2": {"type": "g5.xlarge", "image": "amzn-2023"}}
    args: Any = {"context": "c", "hosts": [host], "ec2": place}

    @pulumi.runtime.test
    def program() -> Any:
        return AwsGpuHosts("nodes", args).context

    program()


@pytest.mark.parametrize(("address", "place"), [("public", "198.51.100.4"), ("private", "10.0.0.4")])
def test_an_instance_is_reached_as_its_user_by_the_key_that_was_made_for_it(
    mocks: Strict, address: str, place: str
) -> None:
    played(address=address)

    connection = mocks.made["Command nodes-g5-boot"].get("connection") or {}
    if mocks.preview:
        assert "hostKey" not in connection or connection["hostKey"] is None
    else:
        known = connection.get("value", connection)
        assert (known["host"], known["user"], known["hostKey"]) == (place, "ec2-user", KEY)
        assert mocks.made["Instance nodes-g5-instance"]["vpcSecurityGroupIds"] == ["nodes-ssh-id", "sg-2"]
    assert ("Eip nodes-g5-address" in mocks.made) is (address == "public")
    assert mocks.made["SecurityGroupIngressRule nodes-ssh-0"]["cidrIpv6"] == "2001:db8::/48"


def test_user_data_that_ec2_would_not_take_is_refused_with_the_fix(mocks: Strict) -> None:
    if mocks.preview:
        pytest.skip("the key in it is not known yet")
    with pytest.raises(pulumi.RunError, match=r"AWS-28 EC2 hosts: .*16 KiB"):
        played("x" * 20000)


def test_what_cannot_be_is_refused_for_users_of_the_component_too(mocks: Strict) -> None:
    with pytest.raises(pulumi.InputPropertyError, match="lets everybody try to log in"):
        played(ssh_from=["0.0.0.0/0"])

    assert not any(name.startswith("Instance") for name in mocks.made)
