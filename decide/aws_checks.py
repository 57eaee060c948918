"""Whether AWS can give what is wished, judged from what it answered before anything is made.

`found` has an entry for each question that was asked: the answer as the provider gives it, or `{"refused": text}`.
A question that nobody may ask is no fault of the wish: it is said, and the creation will tell.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from decide import aws_types, defaults
from decide.aws_failures import Refusal, explained, refusal
from decide.aws_images import IMAGES

Wish = Mapping[str, Any]
Found = Mapping[str, Any]


GROUP = "aws:eks/getNodeGroup:getNodeGroup"
NOT_THERE = re.compile(r"couldn't find|ResourceNotFound|NotFoundException|No node group found")


class Judgement(NamedTuple):
    """What stands against the wish, and what could not be seen."""

    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]


class Question(NamedTuple):
    """One question to AWS."""

    token: str
    args: Mapping[str, Any]


def questions(wish: Wish, version: str, subnets: list[str]) -> dict[str, Question]:
    """What is asked about the node group, once cluster and subnets are known."""
    first, spot = wish["instance_types"][0], wish["capacity"] == "spot"
    group = {"clusterName": wish["cluster"], "nodeGroupName": wish["name"]}
    offered = {"locationType": "availability-zone", "filters": [_filter(wish)]}
    asked = {
        **({} if wish.get("make") else {"group": Question(GROUP, group)}),
        "offers": Question("aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings", offered),
        "quota": Question(
            "aws:servicequotas/getServiceQuota:getServiceQuota",
            {"serviceCode": "ec2", "quotaCode": aws_types.quota(first, spot).code},
        ),
        **{f"subnet {id}": Question("aws:ec2/getSubnet:getSubnet", {"id": id}) for id in subnets},
    }
    parameter = image_parameter(wish["image"], version)
    if parameter:
        asked["image"] = Question("aws:ssm/getParameter:getParameter", {"name": parameter})
    return asked


def _filter(wish: Wish) -> dict[str, Any]:
    return {"name": "instance-type", "values": list(wish["instance_types"])}


def image_parameter(image: str, version: str) -> str:
    """Where AWS publishes the newest release of an image for a version of Kubernetes; empty for an image of one's own.

    Sources: facts of 2026-11-21 (EKS user guide, pulumi-eks, Bottlerocket).
    """
    if image == "al2023":
        root = f"/aws/service/eks/optimized-ami/{version}/amazon-linux-2023"
        return f"{root}/x86_64/nvidia/recommended/image_id"
    if image == "bottlerocket":
        return f"/aws/service/bottlerocket/aws-k8s-{version}-nvidia/x86_64/latest/image_id"
    return ""


def judge_cluster(wish: Wish, found: Any) -> Judgement:
    """Whether the cluster is there, well, and of a version that the operator is made for."""
    if "refused" in found:
        said = str(found["refused"])
        known = explained(said, wish) or refusal("AWS-4", f"the cluster cannot be read: {_short(said)}", wish)
        return Judgement((known._replace(problem=f"{known.problem} ({wish['cluster']}, {wish['region']})"),), ())
    return Judgement(tuple(_cluster_faults(wish, found)), ())


def judge_made(wish: Wish) -> Judgement:
    """Whether the cluster that will be made is one that the operator is made for."""
    return Judgement(tuple(_cluster_faults(wish, {"status": "ACTIVE", **wish["make"]})), ())


def _cluster_faults(wish: Wish, found: Any) -> Iterator[Refusal]:
    status, version = found.get("status"), str(found.get("version") or "")
    if status != "ACTIVE":
        yield refusal("AWS-5", f"cluster {wish['cluster']} is {status}, not ACTIVE", wish)
    oldest, newest = defaults.KUBERNETES_OLDEST, defaults.KUBERNETES_NEWEST
    if wish.get("installs", True) and version and not _number(oldest) <= _number(version) <= _number(newest):
        problem = f"cluster {wish['cluster']} is Kubernetes {version}; the operator is made for {oldest} to {newest}"
        fix = f'aws.cluster.version: "{defaults.EKS_VERSION}"' if wish.get("make") else ""
        yield refusal("AWS-6", problem, wish, fix)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def judge(wish: Wish, found: Found) -> Judgement:
    """Whether the node group can come; one that is there already is not judged by what its own nodes use up."""
    refused = {name: str(answer["refused"]) for name, answer in found.items() if "refused" in answer}
    unseen = [name for name, said in refused.items() if not (name == "group" and NOT_THERE.search(said))]
    known = {name: answer for name, answer in found.items() if name not in refused}
    there = "group" in known
    if there and known["group"].get("status") == "CREATE_FAILED":
        return Judgement((refusal("AWS-25", "", wish),), ())
    rules = (_no_image,) if there else (_no_image, _not_offered, _quota_too_small, _no_addresses)
    notes = [f"{_asked(name)} could not be looked at: {_short(found[name]['refused'])}" for name in unseen]
    if "image" in unseen and "ParameterNotFound" in str(found["image"]["refused"]):
        return Judgement((_missing_image(wish, found),), ())
    return Judgement(tuple(one for rule in rules for one in rule(wish, known)), tuple(notes))


def _asked(name: str) -> str:
    words = {
        "group": "whether the node group is there",
        "offers": "which zones have the type",
        "quota": "the quota",
        "image": "the image",
    }
    return words.get(name, name)


def _short(said: str) -> str:
    lines = str(said).strip().splitlines()
    return lines[-1][:300] if lines else ""


def _no_image(wish: Wish, found: Found) -> Iterator[Refusal]:
    if "image" in found and not found["image"].get("value"):
        yield _missing_image(wish, found)


def _missing_image(wish: Wish, _found: Found) -> Refusal:
    problem = f"AWS publishes no image {IMAGES[wish['image']].ami_type} for the cluster's version of Kubernetes"
    return refusal("AWS-23", problem, wish)


def _not_offered(wish: Wish, found: Found) -> Iterator[Refusal]:
    """All of the types nowhere; a zone that has one of them is enough."""
    if "offers" not in found:
        return
    zones = set(found["offers"].get("locations") or ())
    made = (wish.get("make") or {}).get("zones") or ()
    ours = {one.get("availabilityZone") for one in _subnets(found).values()} or set(made)
    if ours and not ours & zones:
        types = ", ".join(wish["instance_types"])
        has = f"offered in {', '.join(sorted(zones))}" if zones else f"offered nowhere in {wish['region']}"
        there = ", ".join(sorted(str(one) for one in ours))
        yield refusal("AWS-12", f"the subnets lie in {there}, and {types} is {has}", wish)


def _quota_too_small(wish: Wish, found: Found) -> Iterator[Refusal]:
    if "quota" not in found or wish["capacity"] in ("capacityBlock", "reservation"):
        return
    spot, first = wish["capacity"] == "spot", wish["instance_types"][0]
    has, needs = float(found["quota"].get("value") or 0), aws_types.vcpus(wish["instance_types"], wish["desired"])
    if has < needs:
        quota = aws_types.quota(first, spot)
        problem = (
            f"{wish['desired']} x {first} need {needs} vCPUs, and the account may run {has:g} of "
            f"{quota.about} in {wish['region']} (quota {quota.code})"
        )
        fix = (
            f"aws service-quotas request-service-quota-increase --region {wish['region']} --service-code ec2 "
            f"--quota-code {quota.code} --desired-value {needs}; it takes from minutes to days"
        )
        yield refusal("AWS-10", problem, wish, fix)


def _no_addresses(wish: Wish, found: Found) -> Iterator[Refusal]:
    free = {id: int(one.get("availableIpAddressCount") or 0) for id, one in _subnets(found).items()}
    if free and sum(free.values()) < ADDRESSES_OF_A_NODE * max(wish["desired"], 1):
        said = ", ".join(f"{id} has {count}" for id, count in sorted(free.items()))
        problem = f"a node takes up to {ADDRESSES_OF_A_NODE} addresses at once, of those that are free {said}"
        yield refusal("AWS-20", problem, wish)


ADDRESSES_OF_A_NODE = 15
"""A network interface of a g5.xlarge with all of its addresses, which the network add-on takes ahead."""


def _subnets(found: Found) -> dict[str, Any]:
    return {name.partition(" ")[2]: answer for name, answer in found.items() if name.startswith("subnet ")}
