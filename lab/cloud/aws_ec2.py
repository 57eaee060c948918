"""Instances of the rehearsal's EC2: a simulated machine each, with the key that user data gave it, and an address."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from typing import Any

from decide import aws_hosts, aws_types
from lab.cloud.aws_cluster import Denied, id_of_kind, in_use
from lab.cloud.kind import Desk, Kind
from lab.cluster import hosts
from lab.cluster.host_spec import DISTROS, made_up_key, normal_host
from lab.cluster.nodes import sync_nodes
from lab.cluster.spec import normal_node
from lab.provider import CheckFailure, Props, ProviderError

INSTANCE, EIP, GROUP = "aws:ec2/instance:Instance", "aws:ec2/eip:Eip", "aws:ec2/securityGroup:SecurityGroup"
_INSTANCE_KEYS = """
    ami associatePublicIpAddress availabilityZone iamInstanceProfile instanceType keyName metadataOptions
    privateIp region rootBlockDevice sourceDestCheck subnetId tags userData userDataReplaceOnChange
    vpcSecurityGroupIds
"""
_RULE_KEYS = "cidrIpv4 cidrIpv6 description fromPort ipProtocol region securityGroupId tags toPort"
_CREATE = "creating EC2 Instance: operation error EC2: RunInstances, https response error StatusCode: 400, api error "
_FAILURES = {
    "stockout": "InsufficientInstanceCapacity: We currently do not have sufficient {type} capacity in the Availability "
    "Zone you requested",
    "quota": "VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of 0 allows for "
    "the instance bucket that the specified instance type belongs to",
}


def _instance_faults(inputs: Props) -> Iterator[CheckFailure]:
    options, disk = inputs.get("metadataOptions"), inputs.get("rootBlockDevice")
    if not isinstance(options, dict) or options.get("httpTokens") != "required":
        yield CheckFailure("metadataOptions", "httpTokens: required belongs here")
    if not isinstance(disk, dict) or disk.get("encrypted") is not True:
        yield CheckFailure("rootBlockDevice", "encrypted: true belongs here")
    data = inputs.get("userData")
    if isinstance(data, str) and len(data.encode()) > aws_hosts.LONGEST_USER_DATA:
        yield CheckFailure("userData", "expected length of user_data to be in the range (0 - 16384)")


def _before(denied: Denied) -> Any:
    def check(desk: Desk, inputs: Props) -> None:
        denied("ec2:RunInstances")(desk, inputs)
        if desk.fault in _FAILURES:
            raise ProviderError(_CREATE + _FAILURES[desk.fault].format(type=inputs["instanceType"]))
        if _distro(inputs) not in DISTROS:
            raise ProviderError(f"the rehearsal has no machine with {_distro(inputs)}; there are {', '.join(DISTROS)}")

    return check


def _distro(inputs: Props) -> str:
    return str((inputs.get("tags") or {}).get(aws_hosts.IMAGE_TAG))


def _private(id: str) -> str:
    number = int(hashlib.sha256(id.encode()).hexdigest(), 16)
    return f"10.0.{number % 250}.{number // 250 % 250 + 4}"


def _name(id: str, inputs: Props) -> str:
    return str((inputs.get("tags") or {}).get("Name") or id)


def _made(desk: Desk, id: str, inputs: Props) -> None:
    """A machine, its disk and its interface; whatever joins a cluster at its first boot has done so."""
    if desk.cluster.data.setdefault("instances", {}).get(id):
        return
    from lab.host.machine import Machine

    name, told = _name(id, inputs), _told(inputs)
    works = desk.fault != "not-ready"
    joins = works and ("runcmd" in told or inputs["ami"] not in known_images().values())
    host = normal_host(_host(id, name, inputs, told))
    place = hosts.folder_of(desk.world.path, name)
    shutil.rmtree(place, ignore_errors=True)
    machine = Machine.create(place, {**host, "joined": joins}, speed=desk.world.clock.speed)
    left = {aws_hosts.JOINED: "0\n" if works else "1\n", aws_hosts.JOIN_LOG: "" if works else "join: no such host\n"}
    for path, text in {"/var/lib/cloud/instance/boot-finished": "", **(left if "runcmd" in told else {})}.items():
        file = machine.root / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    desk.cluster.data["instances"][id] = name
    desk.cluster.spec["hosts"].append(host)
    if joins:
        desk.cluster.spec["nodes"].append(normal_node({"name": host["node"], "host": name}))
    for kind in ("vol", "eni"):
        desk.resources[_part(kind, id)] = {"type": kind, "inputs": {"of": id}}
    sync_nodes(desk.cluster)


def _host(id: str, name: str, inputs: Props, told: Props) -> Props:
    it = aws_types.TYPES[str(inputs["instanceType"])]
    return {
        "name": name,
        "address": _private(id),
        "user": aws_hosts.IMAGES[_distro(inputs)].user,
        "host_key": (told.get("ssh_keys") or {}).get("ed25519_public") or made_up_key(id),
        "distro": _distro(inputs),
        "cards": [it.card] * it.gpus,
        "machine_id": hashlib.sha256(id.encode()).hexdigest()[:32],
        "nouveau": True,
        "instance_store": ["blank"],
        "node": f"ip-{_private(id).replace('.', '-')}",
    }


def _fresh(desk: Desk, inputs: Props) -> str:
    """Another one each time, also where all that was asked for is the same."""
    number = desk.cluster.data["instances_ever"] = desk.cluster.data.get("instances_ever", 0) + 1
    desk.cluster.changed = True
    return id_of_kind("i")(desk, {**inputs, "number": number})


def _told(inputs: Props) -> Props:
    """What cloud-init reads."""
    head, _, rest = str(inputs.get("userData") or "").partition("\n")
    return dict(json.loads(rest)) if head == "#cloud-config" else {}


def _part(kind: str, id: str) -> str:
    return id.replace("i-", f"{kind}-", 1)


def known_images() -> dict[str, str]:
    """Ids of the images that distributions publish."""
    return {
        name: f"ami-{hashlib.sha256(one.pattern.encode()).hexdigest()[:17]}" for name, one in aws_hosts.IMAGES.items()
    }


def get_image(_desk: Desk, args: Props) -> Props:
    """The newest image of a name."""
    patterns = {one.pattern: name for name, one in aws_hosts.IMAGES.items()}
    wanted = [value for one in args["filters"] if one["name"] == "name" for value in one["values"]]
    if not wanted or wanted[0] not in patterns:
        raise ProviderError("Your query returned no results. Please change your search criteria and try again.")
    return {**args, "id": known_images()[patterns[wanted[0]]]}


def _gone(desk: Desk, id: str, inputs: Props) -> None:
    """With its disk and its interface; a cloud controller of AWS would take the Node away, and so does this one."""
    name = desk.cluster.data["instances"].pop(id, None)
    spec = desk.cluster.data["spec"]
    spec["hosts"] = [one for one in spec["hosts"] if one["name"] != name]
    spec["nodes"] = [one for one in spec["nodes"] if one["host"] != name or not name]
    sync_nodes(desk.cluster)
    desk.resources.pop(_part("eni", id), None)
    if (inputs.get("rootBlockDevice") or {}).get("deleteOnTermination", True):
        desk.resources.pop(_part("vol", id), None)


def _outputs(desk: Desk, id: str, inputs: Props) -> Props:
    public = _public(f"auto {id}") if inputs.get("associatePublicIpAddress") else ""
    return {
        "arn": f"arn:aws:ec2:::instance/{id}",
        "privateIp": _private(id),
        "publicIp": public,
        "instanceState": "running",
    }


def _public(id: str) -> str:
    return f"198.51.100.{int(hashlib.sha256(id.encode()).hexdigest(), 16) % 250 + 4}"


def _address_made(desk: Desk, id: str, inputs: Props) -> None:
    """From now on the machine answers there."""
    name = desk.cluster.data.get("instances", {}).get(inputs.get("instance"))
    for host in desk.cluster.spec["hosts"]:
        if name and host["name"] == name:
            host["address"] = _public(id)


def _ref(group: str) -> Any:
    return in_use("EC2 Security Group", (INSTANCE, group))


def kinds(denied: Denied) -> dict[str, Kind]:
    """Instances, and what they need."""
    rule = Kind(
        inputs=frozenset(_RULE_KEYS.split()),
        id_of=id_of_kind("sgr"),
        replaces=("securityGroupId",),
        required=("securityGroupId", "ipProtocol"),
        name_key="",
    )
    return {
        INSTANCE: Kind(
            inputs=frozenset(_INSTANCE_KEYS.split()),
            id_of=_fresh,
            outputs=_outputs,
            computed=("arn", "privateIp", "publicIp", "instanceState"),
            replaces=("ami", "associatePublicIpAddress", "keyName", "subnetId"),
            required=("ami", "instanceType"),
            name_key="",
            check=_instance_faults,
            before_create=_before(denied),
            made=_made,
            gone=_gone,
            seconds={"create": 20.0, "update": 60.0, "delete": 40.0},
        ),
        GROUP: Kind(
            inputs=frozenset(["description", "name", "region", "revokeRulesOnDelete", "tags", "vpcId"]),
            id_of=id_of_kind("sg"),
            outputs=lambda _desk, id, _inputs: {"arn": f"arn:aws:ec2:::security-group/{id}"},
            computed=("arn",),
            replaces=("description", "name", "vpcId"),
            before_create=denied("ec2:CreateSecurityGroup"),
            before_delete=_ref("vpcSecurityGroupIds"),
        ),
        "aws:ec2/keyPair:KeyPair": Kind(
            inputs=frozenset(["keyName", "keyNamePrefix", "publicKey", "region", "tags"]),
            id_of=lambda _desk, inputs: str(inputs["keyName"]),
            replaces=("keyName", "publicKey"),
            required=("publicKey",),
            name_key="keyName",
            before_create=denied("ec2:ImportKeyPair"),
        ),
        EIP: Kind(
            inputs=frozenset(["domain", "instance", "region", "tags"]),
            id_of=id_of_kind("eipalloc"),
            outputs=lambda _desk, id, _inputs: {"publicIp": _public(id), "allocationId": id},
            computed=("publicIp", "allocationId"),
            replaces=("domain",),
            name_key="",
            made=_address_made,
            before_delete=in_use("EC2 EIP", ("aws:ec2/natGateway:NatGateway", "allocationId")),
        ),
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": rule,
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": rule,
    }
