"""Failures that only AWS can have: what its answers mean, and the next step.

Texts are those of the EC2, EKS and IAM APIs as the provider hands them on.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from decide import aws_types
from decide.failures import Failure, given_away

ROWS: tuple[tuple[Any, ...], ...] = (
    ("AWS-1", "AWS account", "the credentials are not accepted, or have expired",
     "log in again: aws sso login, or AWS_PROFILE=... ; then aws sts get-caller-identity shows who you are",
     (r"No valid credential sources", r"ExpiredToken", r"InvalidClientTokenId", r"UnrecognizedClient",
      r"failed to refresh cached credentials")),
    ("AWS-2", "AWS account", "whoever runs this may not do what was asked of AWS",
     "have ACTION allowed, on eks, ec2, iam and autoscaling; a boundary or a service control policy may "
     "forbid it too",
     (r"AccessDenied", r"UnauthorizedOperation", r"is not authorized to perform", r"[Nn]ot ?[Aa]uthorized")),
    ("AWS-3", "AWS account", "the credentials are of another account than aws.account",
     "choose the right profile: AWS_PROFILE=...; or correct aws.account",
     (r"AWS account ID not allowed",)),
    ("AWS-4", "EKS cluster", "there is no such cluster in this region and account",
     "correct aws.cluster and aws.region: aws eks list-clusters --region REGION",
     (r"No cluster found", r"couldn't find resource", r"ResourceNotFoundException")),
    ("AWS-5", "EKS cluster", "the cluster is not ACTIVE", "wait, or look: aws eks describe-cluster --name CLUSTER"),
    ("AWS-6", "EKS cluster", "its version of Kubernetes is none that the operator is made for",
     "move the cluster to a version of that range; of a cluster that is made here: aws.cluster.version"),
    ("AWS-10", "AWS quota", "the account may not run as many vCPUs of these instances in this region",
     "ask for more, which takes from minutes to days: aws service-quotas request-service-quota-increase "
     "--service-code ec2 --quota-code CODE --desired-value N",
     (r"VcpuLimitExceeded", r"MaxSpotInstanceCountExceeded", r"vCPU (?:limit|capacity)")),
    ("AWS-11", "AWS capacity", "AWS has no such machine free in these zones just now; your quota is not the reason",
     "try again later; or add subnets in other zones; or other instanceTypes with the same cards; of a spot group: "
     "capacity: onDemand; of p4d, p4de and p5, which are sold ahead: capacity: capacityBlock",
     (r"InsufficientInstanceCapacity", r"could not launch .*capacity", r"UnfulfillableCapacity",
      r"ReservationCapacityExceeded")),
    ("AWS-12", "AWS capacity", "no zone of these subnets offers the instance type",
     "name subnets in the zones above: aws.nodes.subnets; or another instance type",
     (r"not supported in your requested Availability Zone", r"Unsupported: .*instance type")),
    ("AWS-13", "AWS capacity", "the capacity reservation cannot be used for this group",
     "compare zone, instance type and state: aws ec2 describe-capacity-reservations --capacity-reservation-ids ID",
     (r"InvalidCapacityReservation", r"[Cc]apacity ?[Rr]eservation.*(?:not|expired|mismatch)")),
    ("AWS-20", "AWS network", "a subnet has no free addresses, and a node takes several",
     "name larger subnets: aws.nodes.subnets; or free some",
     (r"InsufficientFreeAddresses", r"free addresses")),
    ("AWS-21", "AWS network", "the machines run and none of them reached the cluster",
     "give the subnets a way to the API server and to ECR: a NAT gateway, or endpoints for ec2, ecr.api, ecr.dkr, s3 "
     "and sts; and let the cluster's security group in",
     (r"NodeCreationFailure.*(?:no route|timed out|unreachable)", r"Ec2SubnetInvalidConfiguration")),
    ("AWS-22", "EKS access", "the machines run, and the cluster does not take the role of the nodes for one",
     "make an access entry of type EC2_LINUX for that role, or put it into aws-auth: aws eks "
     "create-access-entry --cluster-name CLUSTER --principal-arn ROLE --type EC2_LINUX",
     (r"AccessEntry", r"[Uu]nauthorized.*node", r"NodeCreationFailure.*(?:Unauthorized|role)")),
    ("AWS-23", "node image", "the machines run and their image does not make a node of this cluster",
     "choose an image of the cluster's own version: aws.nodes.image, ami or release",
     (r"InvalidAMIID", r"AmiIdNotFound", r"Requested AMI .* not supported", r"NodeCreationFailure.*(?:image|AMI)")),
    ("AWS-24", "EKS nodes", "the machines run, and did not become nodes in time",
     "look at one of them: aws ec2 get-console-output --instance-id ID; the usual reasons: no way out of the subnet, "
     "the role of the nodes, the image",
     (r"NodeCreationFailure", r"failed to join the kubernetes cluster")),
    ("AWS-25", "EKS nodes", "the node group failed when it was made; EKS never mends it, and starts no machine for it",
     "take it away: aws eks delete-nodegroup --region REGION --cluster-name CLUSTER --nodegroup-name GROUP; when it is "
     "gone: pulumi up --refresh; or pulumi destroy, then pulumi up"),
    ("AWS-30", "EKS nodes", "the change would delete the node group and make another, and end every pod on it",
     "take it back; or make a second group under another name first; or allow it: aws.nodes.allowReplace: true"),
    ("AWS-33", "EKS cluster", "the change would delete the cluster or its subnets, and all that runs there",
     "take it back; or make another stack beside it and move; or allow it: aws.nodes.allowReplace: true"),
    ("AWS-31", "EKS nodes", "there is a node group of this name already, and this stack did not make it",
     "choose another: aws.nodes.name; or take it over: pulumi import aws:eks/nodeGroup:NodeGroup",
     (r"NodeGroup already exists",)),
    ("AWS-26", "AWS network", "what an instance is made of is not there in this region and account",
     "correct bareMetal.ec2: region, subnet; or name an image of your own: bareMetal.hosts: [{ec2: {ami: ...}}]",
     (r"InvalidSubnetID", r"InvalidGroup\.NotFound", r"no matching EC2 Subnet")),
    ("AWS-27", "AWS quota", "the account has no public address left in this region (five unless more were asked for)",
     "release one, ask for more, or let the hosts do without: bareMetal.ec2.address: private",
     (r"AddressLimitExceeded",)),
    ("AWS-28", "EC2 hosts", "the secret joinScript makes user data longer than EC2 takes (16 KiB)",
     "let it fetch what it needs, and check it by a checksum"),
    ("AWS-34", "EC2 hosts", "the change would end the machine, or stop it and wipe its local disks",
     "take it back; or drain the node first, then allow it: bareMetal.ec2.allowReplace: true"),
    ("AWS-40", "workstation", "the AWS CLI is not on PATH; kubectl and the engine ask it for a token",
     "install the AWS CLI, version 2: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
     (r"exec: executable aws not found", r"exec: \"aws\"")),
)  # fmt: skip
FAILURES = tuple(Failure(*row) for row in ROWS)
BY_ID = {one.id: one for one in FAILURES}
# In this order: a capacity message may mention a group that failed to join, and quota is told apart from stock first.
_ORDER = sorted(FAILURES, key=lambda one: one.id in ("AWS-24", "AWS-2", "AWS-4"))


class Refusal(NamedTuple):
    """What is wrong in AWS: the id of a known failure, where, what exactly, and what to do."""

    id: str
    layer: str
    problem: str
    fix: str

    def lines(self) -> list[str]:
        """As each step of ours ends when it refuses."""
        return [f"{self.id} {self.layer}: {self.problem}", f"fix: {self.fix}"]


def explained(said: str, place: Mapping[str, Any]) -> Refusal | None:
    """What an answer of AWS means; nothing where it is not known."""
    known = given_away(said, _ORDER)
    if known is None:
        return None
    place = {**place, "action": next(iter(ACTION.findall(said)), "the action that AWS names")}
    advice = stock(place) if known.id == "AWS-11" else known.fix
    fix = f"{advice}; before the next up {REMOVE}" if "CREATE_FAILED" in said else advice
    about = place.get(NAMED.get(known.id, ""))
    return Refusal(known.id, known.layer, f"{known.cause}: {about}" if about else known.cause, filled(fix, place))


ACTION = re.compile(r"perform: ([a-z0-9-]+:\w+)")
NAMED = {"AWS-2": "action", "AWS-22": "role"}
"""What a cause is about, where it can be known."""


def stock(place: Mapping[str, Any]) -> str:
    """What helps where AWS has no machine, of that which the settings of this group take."""
    kind, types = place.get("capacity"), place.get("instance_types") or ()
    if kind == "capacityBlock":
        return "try again once the block runs: aws ec2 describe-capacity-reservations; it is of one type in one zone"
    sold_ahead = types and all(name in aws_types.TYPES and aws_types.TYPES[name].takes_blocks for name in types)
    ways = [
        "" if place.get("make") else "add subnets in other zones",
        "other instanceTypes with the same cards",
        "capacity: onDemand in place of spot" if kind == "spot" else "",
        "what is sold ahead: capacity: capacityBlock" if sold_ahead else "",
    ]
    return "try again later; or " + "; or ".join(way for way in ways if way)


REMOVE = (
    "take the failed group away, for EKS never mends it: aws eks delete-nodegroup --region REGION "
    "--cluster-name CLUSTER --nodegroup-name GROUP; when it is gone: pulumi up --refresh"
)


def refusal(id: str, problem: str, place: Mapping[str, Any], fix: str = "") -> Refusal:
    """A refusal of our own, before AWS is asked."""
    known = BY_ID[id]
    return Refusal(id, known.layer, problem or known.cause, fix or filled(known.fix, place))


def filled(fix: str, place: Mapping[str, Any]) -> str:
    """A command with the names of this stack in it."""
    for word, key in (
        ("CLUSTER", "cluster"),
        ("REGION", "region"),
        ("ROLE", "role"),
        ("GROUP", "name"),
        ("ACTION", "action"),
    ):
        if place.get(key):
            fix = re.sub(rf"\b{word}\b", str(place[key]), fix)
    return fix
