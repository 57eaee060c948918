"""AWS in the rehearsal: a cluster in EKS, its node group with role and launch template, and what AWS says of itself."""

from __future__ import annotations

import hashlib
import json

from lab.cloud import aws_calls, aws_cluster, aws_ec2, aws_nodes
from lab.cloud.kind import Desk, Kind, Refuse, digits
from lab.cluster import pools
from lab.provider import PartialFailure, Props, ProviderError

__all__ = ["CALLS", "KINDS"]

NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
_GROUP_KEYS = """
    amiType capacityType clusterName forceUpdateVersion instanceTypes labels launchTemplate nodeGroupName
    nodeRepairConfig nodeRoleArn region releaseVersion scalingConfig subnetIds tags taints updateConfig version
"""
_TEMPLATE_KEYS = """
    blockDeviceMappings capacityReservationSpecification description imageId instanceMarketOptions instanceType
    metadataOptions name placement region tagSpecifications tags updateDefaultVersion userData vpcSecurityGroupIds
"""


def _denied(action: str) -> Refuse:
    def check(desk: Desk, _inputs: Props) -> None:
        if desk.fault == "permission":
            who = f"arn:aws:sts::{aws_calls.account(desk)}:assumed-role/developer/me"
            raise ProviderError(
                f"operation error: https response error StatusCode: 403, api error AccessDeniedException: User: {who} "
                f"is not authorized to perform: {action} because no identity-based policy allows the {action} action"
            )

    return check


def _group_id(_desk: Desk, inputs: Props) -> str:
    return f"{inputs['clusterName']}:{inputs['nodeGroupName']}"


def _group_before(desk: Desk, inputs: Props) -> None:
    _denied("eks:CreateNodegroup")(desk, inputs)
    aws_calls.describe_cluster(desk, str(inputs["clusterName"]))
    if _group_id(desk, inputs) in desk.resources:
        raise ProviderError(
            "operation error EKS: CreateNodegroup, api error ResourceInUseException: NodeGroup already exists with "
            f"name {inputs['nodeGroupName']} and cluster name {inputs['clusterName']}"
        )


def _group_made(desk: Desk, id: str, inputs: Props) -> None:
    """Machines are asked for; where none comes, or none joins, the group stays behind as CREATE_FAILED."""
    failed = desk.cluster.data.setdefault("failed_groups", [])
    why = aws_nodes.failure(desk.fault, inputs)
    if id in failed:
        return  # an update changes the numbers of a group that failed, and starts nothing
    if why and not pools.nodes_of(desk.cluster, id.replace(":", "-")):
        failed.append(id)
        text = f"waiting for EKS Node Group ({id}) create: unexpected state 'CREATE_FAILED', wanted target 'ACTIVE'. "
        raise PartialFailure(f"{text}last error: {why}", id, {}, [why])
    pools.declare(desk.cluster, aws_nodes.pool(desk, id, inputs))


def _group_gone(desk: Desk, id: str, _inputs: Props) -> None:
    failed = desk.cluster.data.setdefault("failed_groups", [])
    if id in failed:
        failed.remove(id)
    pools.take_away(desk.cluster, id.replace(":", "-"))


def _group_outputs(desk: Desk, id: str, inputs: Props) -> Props:
    place = f"{aws_calls.region(desk)}:{aws_calls.account(desk)}"
    version = desk.cluster.spec["kubernetes"]
    return {
        "arn": f"arn:aws:eks:{place}:nodegroup/{inputs['clusterName']}/{inputs['nodeGroupName']}/{digits(id, 8)}",
        "status": "ACTIVE",
        "resources": [{"autoscalingGroups": [{"name": f"eks-{inputs['nodeGroupName']}-{digits(id, 8)}"}]}],
        "version": inputs.get("version") or version,
        "releaseVersion": inputs.get("releaseVersion") or f"{version}.4-20260714",
    }


def _template_id(_desk: Desk, inputs: Props) -> str:
    return f"lt-0{hashlib.sha256(str(inputs['name']).encode()).hexdigest()[:16]}"


def _template_outputs(desk: Desk, id: str, inputs: Props) -> Props:
    """Each change is another version, and versions are never given again."""
    versions = desk.cluster.data.setdefault("template_versions", {}).setdefault(id, [])
    now = json.dumps(inputs, sort_keys=True)
    if not versions or versions[-1] != now:
        versions.append(now)
    arn = f"arn:aws:ec2:{aws_calls.region(desk)}:{aws_calls.account(desk)}:launch-template/{id}"
    return {"arn": arn, "latestVersion": len(versions), "defaultVersion": len(versions)}


def _role_outputs(desk: Desk, id: str, _inputs: Props) -> Props:
    return {"arn": f"arn:aws:iam::{aws_calls.account(desk)}:role/{id}", "uniqueId": f"AROA{digits(id, 16)}"}


def _role_kept(desk: Desk, id: str, _inputs: Props) -> None:
    left = [one["policyArn"] for one in desk.of_type(ATTACHMENT).values() if one["role"] == id]
    if left:
        raise ProviderError(
            "operation error IAM: DeleteRole, api error DeleteConflict: Cannot delete entity, must detach all policies "
            f"first ({', '.join(left)})"
        )


KINDS = {
    **aws_cluster.kinds(_denied),
    **aws_ec2.kinds(_denied),
    NODE_GROUP: Kind(
        inputs=frozenset(_GROUP_KEYS.split()),
        id_of=_group_id,
        outputs=_group_outputs,
        computed=("arn", "status", "resources"),
        replaces=(
            *("amiType", "capacityType", "clusterName", "instanceTypes", "launchTemplate.id"),
            *("nodeGroupName", "nodeRoleArn", "subnetIds"),
        ),
        required=("clusterName", "nodeRoleArn", "scalingConfig", "subnetIds"),
        name_key="nodeGroupName",
        check=aws_nodes.group_faults,
        before_create=_group_before,
        made=_group_made,
        gone=_group_gone,
        seconds={"create": 180.0, "update": 30.0, "delete": 200.0},
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": Kind(
        inputs=frozenset(_TEMPLATE_KEYS.split()),
        id_of=_template_id,
        outputs=_template_outputs,
        computed=("arn", "latestVersion", "defaultVersion"),
        replaces=("name",),
        check=aws_nodes.template_faults,
        before_create=_denied("ec2:CreateLaunchTemplate"),
    ),
    "aws:iam/role:Role": Kind(
        inputs=frozenset(["assumeRolePolicy", "description", "name", "path", "permissionsBoundary", "tags"]),
        id_of=lambda _desk, inputs: str(inputs["name"]),
        outputs=_role_outputs,
        computed=("arn", "uniqueId"),
        replaces=("name", "path"),
        required=("assumeRolePolicy",),
        before_create=_denied("iam:CreateRole"),
        before_delete=_role_kept,
    ),
    "aws:autoscaling/tag:Tag": Kind(
        inputs=frozenset(["autoscalingGroupName", "tag"]),
        id_of=lambda _desk, inputs: f"{inputs['autoscalingGroupName']},{inputs['tag']['key']}",
        replaces=("autoscalingGroupName", "tag.key"),
        required=("autoscalingGroupName", "tag"),
        name_key="",
    ),
    ATTACHMENT: Kind(
        inputs=frozenset(["policyArn", "role"]),
        id_of=lambda _desk, inputs: f"{inputs['role']}/{inputs['policyArn']}",
        replaces=("policyArn", "role"),
        required=("policyArn", "role"),
        name_key="",
    ),
}
CALLS = {**aws_calls.CALLS, "aws:ec2/getAmi:getAmi": aws_ec2.get_image}
