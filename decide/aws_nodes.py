"""A node group with cards in EKS: what is asked of AWS for it, as plain values in the words of pulumi-aws."""

from collections.abc import Mapping
from typing import Any

from decide import defaults
from decide.aws_images import IMAGES
from decide.aws_types import TYPES

Wish = Mapping[str, Any]
"""A node group as the settings and the component know it; `component.AwsNodeGroup` has its keys."""

NODE_GROUP_LABEL = "eks.amazonaws.com/nodegroup"
"""EKS writes it on each node of a managed node group."""
EFFECTS = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
CAPACITY = {"onDemand": "ON_DEMAND", "spot": "SPOT", "capacityBlock": "CAPACITY_BLOCK", "reservation": "ON_DEMAND"}
ROLE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
"""The least that a node needs, where the network add-on has an identity of its own."""
CNI_POLICY = "AmazonEKS_CNI_Policy"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def role_policies(wish: Wish) -> tuple[str, ...]:
    """What the role of the nodes may; in a cluster that is there the network add-on may do what its node may."""
    return ROLE_POLICIES if wish.get("make") else (*ROLE_POLICIES, CNI_POLICY)


def selector(wish: Wish) -> dict[str, str]:
    """Labels by which the nodes of this group are found."""
    return {NODE_GROUP_LABEL: str(wish["name"])}


def labels(wish: Wish) -> dict[str, str]:
    """Labels of the nodes beside EKS's own; an autoscaler has to know of cards before there is a node."""
    scales = {defaults.ACCELERATOR_LABEL: accelerator(wish)} if wish.get("autoscaler") else {}
    return {**scales, **dict(wish.get("labels") or {})}


def accelerator(wish: Wish) -> str:
    """The card, as the autoscaler's label has it."""
    return TYPES[wish["instance_types"][0]].card.lower().replace(" ", "-")


def taints(wish: Wish) -> list[dict[str, str]]:
    """The taint that keeps others off the cards, then the user's own."""
    own = [defaults.GPU_TAINT] if wish.get("gpu_taint", True) else []
    return [*own, *(dict(one) for one in wish.get("taints") or ())]


def tolerations(wish: Wish) -> list[dict[str, str]]:
    """What a pod needs to stand all taints of the group but the usual one."""
    found = [dict(one) for one in wish.get("taints") or ()]
    return [{"operator": "Equal" if one.get("value") else "Exists", **one} for one in found]


def node_group(wish: Wish) -> dict[str, Any]:
    """Arguments of `aws.eks.NodeGroup` that are known before anything is made."""
    image = IMAGES[wish["image"]]
    block = wish["capacity"] == "capacityBlock"
    return {
        "node_group_name": wish["name"],
        "capacity_type": CAPACITY[wish["capacity"]],
        **({"ami_type": image.ami_type} if image.ami_type else {}),
        **({"release_version": wish["release"]} if wish.get("release") else {}),
        **({} if block else {"instance_types": list(wish["instance_types"])}),
        "scaling_config": {"min_size": wish["min"], "max_size": wish["max"], "desired_size": wish["desired"]},
        "labels": labels(wish),
        "taints": [_taint(one) for one in taints(wish)],
        # Where cards are scarce there is none for a node before the old one is gone.
        "update_config": {"max_unavailable": 1, "update_strategy": "MINIMAL"},
    }


def _taint(one: Mapping[str, str]) -> dict[str, str]:
    value = {"value": one["value"]} if one.get("value") else {}
    return {"key": one["key"], **value, "effect": EFFECTS[one["effect"]]}


def partition(region: str) -> str:
    """The part of AWS that a region belongs to."""
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rsplit("-", 2)[0], "aws")


def launch_template(wish: Wish, tags: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of `aws.ec2.LaunchTemplate`, but for what a node is told at its first boot."""
    disks = [_disk(name, holds, wish) for name, holds in IMAGES[wish["image"]].disks]
    named = {"Name": f"{wish['cluster']}-{wish['name']}", **tags}
    return {
        **_template(named, disks, wish.get("hop_limit") or defaults.IMDS_HOP_LIMIT),
        **({"image_id": wish["ami"]} if wish.get("ami") else {}),
        **_bought(wish),
    }


def system_template(cluster: str) -> dict[str, Any]:
    """Likewise for nodes without cards."""
    disk = _disk("/dev/xvda", True, {"disk_gib": defaults.SYSTEM_DISK_GIB})
    return _template({"Name": f"{cluster}-system"}, [disk], defaults.IMDS_HOP_LIMIT)


def _template(named: Mapping[str, str], disks: list[Any], hops: int) -> dict[str, Any]:
    return {
        "update_default_version": True,
        "metadata_options": {
            "http_endpoint": "enabled",
            "http_tokens": "required",
            "http_put_response_hop_limit": hops,
        },
        "block_device_mappings": disks,
        "tag_specifications": [
            {"resource_type": kind, "tags": dict(named)} for kind in ("instance", "volume", "network-interface")
        ],
    }


def _disk(name: str, holds_images: bool, wish: Wish) -> dict[str, Any]:
    size = {"volume_size": wish.get("disk_gib") or defaults.NODE_DISK_GIB} if holds_images else {}
    key = {"kms_key_id": wish["kms_key"]} if wish.get("kms_key") else {}
    ebs = {"volume_type": "gp3", "encrypted": "true", "delete_on_termination": "true", **size, **key}
    return {"device_name": name, "ebs": ebs}


def _bought(wish: Wish) -> dict[str, Any]:
    """What was bought ahead; a block is of one instance type, which stands in the template then."""
    if not wish.get("reservation"):
        return {}
    target = {"capacity_reservation_target": {"capacity_reservation_id": wish["reservation"]}}
    if wish["capacity"] == "reservation":
        return {"capacity_reservation_specification": target}
    return {
        "instance_type": wish["instance_types"][0],
        "instance_market_options": {"market_type": "capacity-block"},
        "capacity_reservation_specification": target,
    }


REPLACES = ("cluster", "name", "image", "capacity", "instance_types", "subnets", "node_role")
"""What cannot be changed on a node group that is there: EKS makes another one, and every pod on it ends."""


def replacing(wish: Wish) -> dict[str, Any]:
    """The values whose change means another node group; what was left out is not among them."""
    return {key: wish[key] for key in REPLACES if wish.get(key)}


def group_tags(wish: Wish) -> dict[str, str]:
    """Tags of the autoscaling group by which an autoscaler knows a node that is not there yet."""
    prefix = "k8s.io/cluster-autoscaler/node-template"
    told = {f"{prefix}/label/{key}": value for key, value in labels(wish).items()}
    told |= {f"{prefix}/taint/{one['key']}": f"{one.get('value', '')}:{one['effect']}" for one in taints(wish)}
    cards = str(TYPES[wish["instance_types"][0]].gpus)
    return {**told, f"{prefix}/resources/{defaults.RESOURCE_NAME}": cards}


def pool(wish: Wish) -> Any:
    """The group as the validation knows it."""
    scales = bool(wish.get("autoscaler"))
    return {
        "name": wish["name"],
        "node_selector": selector(wish),
        "gpus": TYPES[wish["instance_types"][0]].gpus,
        "least": wish["min"] if scales else wish["desired"],
        "most": wish["max"] if scales else wish["desired"],
    }
