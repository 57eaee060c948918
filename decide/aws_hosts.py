"""EC2 instances as hosts over SSH: what is asked of AWS for them, as plain values in the words of pulumi-aws."""

import ipaddress
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from decide import aws_types, defaults
from decide.aws_checks import Judgement, Question
from decide.aws_failures import Refusal, explained, refusal
from decide.aws_rules import Wrong

Wish = Mapping[str, Any]
"""`region`, `subnet`, `ssh_from`, `public_key`, `security_groups`, `address`, `disk_gib`, `allow_replace`; and `hosts`,
each with `name`, `type`, `image` and perhaps `ami`."""


class Image(NamedTuple):
    """What a distribution publishes for EC2."""

    owner: str
    pattern: str
    user: str
    """Who logs in; may become root without a password."""


# Source: facts of 2026-11-21 (AWS ParallelCluster's tests, the distributions' own lists); not tried by us on EC2.
IMAGES: Mapping[str, Image] = {
    "rocky-8": Image("792107900819", "Rocky-8-EC2-Base-8.*.x86_64", "rocky"),
    "rocky-9": Image("792107900819", "Rocky-9-EC2-Base-9.*.x86_64", "rocky"),
    "ubuntu-22.04": Image("099720109477", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*", "ubuntu"),
    "ubuntu-24.04": Image("099720109477", "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*", "ubuntu"),
    "amzn-2023": Image("137112412989", "al2023-ami-2023.*-x86_64", "ec2-user"),
}
IMAGE_TAG = "gpu-ready/image"
OTHER_OWNERS = ("cn-", "us-gov-")
"""Beginnings of regions in which these images are published by other accounts."""
WIDEST = {4: 8, 6: 16}
"""The shortest prefix of a network that is not about everybody."""
LONGEST_USER_DATA = 16384  # bytes, by the API of EC2
JOIN, JOINED, JOIN_LOG = "/run/gpu-ready-join", "/var/lib/gpu-ready-joined", "/var/log/gpu-ready-join.log"


def faults(wish: Wish, has_script: bool) -> list[Wrong]:
    """What is wrong between the values, before anything is asked of AWS; the key of a host begins with its number."""
    hosts = [wrong for number, host in enumerate(wish["hosts"]) for wrong in _of_host(number, host, wish, has_script)]
    return [*_networks(wish), *hosts]


def _networks(wish: Wish) -> Iterator[Wrong]:
    example = "sshFrom: [203.0.113.7/32], the address you come from: curl -s https://checkip.amazonaws.com"
    if not wish["ssh_from"]:
        yield Wrong("ssh_from", "is empty: nobody could log in", example)
    for text in wish["ssh_from"]:
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            yield Wrong("ssh_from", str(error), example)
            continue
        if network.prefixlen < WIDEST[network.version]:
            yield Wrong("ssh_from", f"{text} lets everybody try to log in", example)


def _of_host(number: int, host: Mapping[str, Any], wish: Wish, has_script: bool) -> Iterator[Wrong]:
    why = aws_types.why_not(host["type"])
    if why:
        yield Wrong(f"{number}.type", why, "type: g5.xlarge")
    if not host.get("ami") and wish["region"].startswith(OTHER_OWNERS):
        problem = f"is missing: in {wish['region']} other accounts publish the images, and they are not known here"
        yield Wrong(f"{number}.ami", problem, "ami: ami-0123456789abcdef0")
    if not host.get("ami") and not has_script:
        problem = "has nothing that makes it a node: the image alone does not join a cluster"
        fix = (
            "a script that joins it at its first boot: pulumi config set --secret gpu-ready:joinScript < FILE; or ami: "
            "an image of your own that joins by itself"
        )
        yield Wrong(f"{number}.ami", problem, fix)


def questions(wish: Wish) -> dict[str, Question]:
    """What is asked before anything is made."""
    hosts = wish["hosts"]
    types = sorted({one["type"] for one in hosts})
    images = sorted({one["image"] for one in hosts if not one.get("ami")})
    return {
        "subnet": Question("aws:ec2/getSubnet:getSubnet", {"id": wish["subnet"]}),
        **{f"quota {code}": Question(QUOTA, {"serviceCode": "ec2", "quotaCode": code}) for code in _needed(wish)},
        **{f"offers {name}": Question(OFFERS, _offers(name)) for name in types},
        **{f"image {name}": Question(AMI, _newest(IMAGES[name])) for name in images},
    }


QUOTA = "aws:servicequotas/getServiceQuota:getServiceQuota"
OFFERS = "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings"
AMI = "aws:ec2/getAmi:getAmi"


def _offers(name: str) -> dict[str, Any]:
    return {"locationType": "availability-zone", "filters": [{"name": "instance-type", "values": [name]}]}


def _newest(image: Image) -> dict[str, Any]:
    """Images older than two years are hidden unless one asks for them too."""
    filters = [{"name": "name", "values": [image.pattern]}, {"name": "architecture", "values": ["x86_64"]}]
    return {"owners": [image.owner], "filters": filters, "mostRecent": True, "includeDeprecated": True}


def _needed(wish: Wish) -> dict[str, int]:
    """vCPUs of all hosts, by the quota that they count for."""
    found: dict[str, int] = {}
    for host in wish["hosts"]:
        code = aws_types.quota(host["type"], False).code
        found[code] = found.get(code, 0) + aws_types.vcpus([host["type"]], 1)
    return found


def judge(wish: Wish, found: Mapping[str, Any]) -> Judgement:
    """Whether the instances can come; what nobody may ask is said, and the creation will tell."""
    refused = {name: str(answer["refused"]) for name, answer in found.items() if "refused" in answer}
    missing = [_not_read(name, refused[name], wish) for name in refused if name.split()[0] in ("subnet", "image")]
    if missing:
        return Judgement(tuple(missing), ())
    notes = [f"{name} could not be looked at: {said.strip().splitlines()[-1][:300]}" for name, said in refused.items()]
    known = {name: answer for name, answer in found.items() if name not in refused}
    return Judgement((*_quotas(wish, known), *_zones(wish, known)), tuple(notes))


def _not_read(name: str, said: str, wish: Wish) -> Refusal:
    """Without subnet and image there is nothing to make."""
    known = explained(said, wish)
    if known and known.id not in ("AWS-4", "AWS-26"):
        return known
    return refusal("AWS-26", f"{name} {wish['subnet'] if name == 'subnet' else ''}".strip() + " is not there", wish)


def _quotas(wish: Wish, found: Mapping[str, Any]) -> Iterator[Refusal]:
    for code, needs in _needed(wish).items():
        has = float(found.get(f"quota {code}", {}).get("value", needs))
        if has < needs:
            problem = (
                f"the hosts need {needs} vCPUs, and the account may run {has:g} in {wish['region']} (quota {code})"
            )
            fix = (
                f"aws service-quotas request-service-quota-increase --region {wish['region']} --service-code ec2 "
                f"--quota-code {code} --desired-value {needs}; it takes from minutes to days"
            )
            yield refusal("AWS-10", problem, wish, fix)


def _zones(wish: Wish, found: Mapping[str, Any]) -> Iterator[Refusal]:
    zone = found["subnet"].get("availabilityZone")
    for name in sorted({one["type"] for one in wish["hosts"]}):
        zones = found.get(f"offers {name}", {}).get("locations", [zone])
        if zone not in zones:
            has = f"offered in {', '.join(sorted(zones))}" if zones else f"offered nowhere in {wish['region']}"
            problem = f"{wish['subnet']} lies in {zone}, and {name} is {has}"
            yield refusal("AWS-12", problem, wish, "bareMetal.ec2.subnet: one in a zone that has it; or another type")


def instance(wish: Wish, host: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of `aws.ec2.Instance` that are known before anything is made."""
    named = {"Name": host["name"], IMAGE_TAG: host["image"], **tags}
    return {
        "instance_type": host["type"],
        "subnet_id": wish["subnet"],
        "associate_public_ip_address": wish["address"] == "public",
        "metadata_options": {
            "http_endpoint": "enabled",
            "http_tokens": "required",
            "http_put_response_hop_limit": defaults.IMDS_HOP_LIMIT,  # user data holds the host's private key
        },
        "root_block_device": {
            "volume_type": "gp3",
            "volume_size": wish["disk_gib"],
            "encrypted": True,
            "delete_on_termination": True,
            "tags": named,  # tags of the provider do not reach a volume
        },
        "tags": named,
    }


def image_of(host: Mapping[str, Any]) -> str:
    """What the machine is made of; another one is another machine, a newer one of the same name is not."""
    return " ".join([host["image"], host.get("ami") or ""]).strip()


def replacing(wish: Wish, host: Mapping[str, Any]) -> dict[str, Any]:
    """The values whose change ends the machine, or stops it and wipes its instance store."""
    return {"image": image_of(host), "type": host["type"], "subnet": wish["subnet"], "key": wish["public_key"]}


def user_data(private: str, public: str, script: str | None) -> str:
    """What the machine is told at its first boot: who it is, and how it becomes a node. JSON is YAML too."""
    told: dict[str, Any] = {
        "ssh_deletekeys": True,  # the one below is then the only one, so that no client can be shown another
        "ssh_keys": {"ed25519_private": private, "ed25519_public": public},
        "ssh_pwauth": False,
    }
    if script:
        told["write_files"] = [{"path": JOIN, "permissions": "0700", "content": script}]
        told["runcmd"] = [
            ["sh", "-c", f"umask 077; bash {JOIN} >{JOIN_LOG} 2>&1; echo $? | (umask 022; cat >{JOINED})"]
        ]
    return f"#cloud-config\n{json.dumps(told)}\n"
