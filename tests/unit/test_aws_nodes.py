"""What is asked of AWS for a node group, and what is refused before anybody is asked."""

import base64
from typing import Any

import pytest

from decide import aws_images, aws_nodes, aws_prices, aws_rules, aws_types, catalog

WISH: dict[str, Any] = {
    "region": "us-east-1",
    "cluster": "research",
    "name": "gpu",
    "instance_types": ["g5.xlarge"],
    "image": "al2023",
    "capacity": "onDemand",
    "min": 0,
    "desired": 1,
    "max": 1,
    "store": "raid0",
    "subnets": [],
}
BLOCK = {
    "instance_types": ["p5.48xlarge"],
    "capacity": "capacityBlock",
    "reservation": "cr-0123456789abcdef0",
    "subnets": ["subnet-0123456789abcdef0"],
}
UBUNTU = {"image": "ubuntu", "ami": "ami-0123456789abcdef0", "store": "none"}


def wish(**more: Any) -> dict[str, Any]:
    return {**WISH, **more}


# the table


def test_every_card_of_the_table_is_in_the_catalog() -> None:
    assert {one.card for one in aws_types.TYPES.values()} <= {one.name for one in catalog.CARDS.values()}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("g5.large", "g5.large does not exist; there are g5.xlarge, g5.2xlarge"),
        ("g5g.xlarge", "ARM processors"),
        ("g6f.large", "a part of a card"),
        ("g7e.2xlarge", "driver branch 595"),
        ("m6i.large", "not known as an instance type with NVIDIA cards; known families: g4dn, g5"),
    ],
)
def test_an_instance_type_that_cannot_be_had_is_refused_with_the_reason(name: str, said: str) -> None:
    assert said in aws_types.why_not(name)


def test_what_may_be_had_in_place_of_a_type_has_as_many_of_the_same_cards() -> None:
    assert aws_types.like("g5.12xlarge") == ["g5.24xlarge"]
    assert "g5.xlarge" not in aws_types.like("g5.xlarge")


def test_quotas_count_vcpus_of_g_and_p_apart_and_spot_apart() -> None:
    codes = [aws_types.quota(name, spot).code for name in ("g5.xlarge", "p5.48xlarge") for spot in (False, True)]
    assert codes == ["L-DB2E81BA", "L-3819A6DF", "L-417A185B", "L-7212CCBC"]
    assert aws_types.vcpus(["g5.4xlarge", "g5.xlarge"], 3) == 48


# the node group


def test_a_g5_node_group_has_the_image_with_the_driver_and_the_taint_that_eks_does_not_write() -> None:
    group = aws_nodes.node_group(wish())
    assert (group["ami_type"], group["capacity_type"]) == ("AL2023_x86_64_NVIDIA", "ON_DEMAND")
    assert group["instance_types"] == ["g5.xlarge"]
    assert group["taints"] == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}]
    assert group["update_config"]["update_strategy"] == "MINIMAL"
    assert "release_version" not in group


def test_the_launch_template_wants_a_token_encrypts_and_says_nothing_that_eks_forbids_there() -> None:
    template = aws_nodes.launch_template(wish(), {"team": "research"})
    assert template["metadata_options"] == {
        "http_endpoint": "enabled",
        "http_tokens": "required",
        "http_put_response_hop_limit": 1,
    }
    disk = template["block_device_mappings"][0]
    assert (disk["device_name"], disk["ebs"]["encrypted"], disk["ebs"]["volume_size"]) == ("/dev/xvda", "true", 100)
    assert {one["resource_type"] for one in template["tag_specifications"]} == {
        "instance",
        "volume",
        "network-interface",
    }
    forbidden = {"iam_instance_profile", "network_interfaces", "instance_initiated_shutdown_behavior", "instance_type"}
    assert not forbidden & set(template)


def test_bottlerocket_keeps_images_on_its_second_disk_and_both_are_encrypted() -> None:
    disks = aws_nodes.launch_template(wish(image="bottlerocket", store="none"), {})["block_device_mappings"]
    assert [(one["device_name"], "volume_size" in one["ebs"]) for one in disks] == [
        ("/dev/xvda", False),
        ("/dev/xvdb", True),
    ]
    assert all(one["ebs"]["encrypted"] == "true" for one in disks)


def test_an_image_of_ones_own_has_no_ami_type_and_stands_in_the_template() -> None:
    assert "ami_type" not in aws_nodes.node_group(wish(**UBUNTU))
    assert aws_nodes.launch_template(wish(**UBUNTU), {})["image_id"] == UBUNTU["ami"]


def test_a_capacity_block_has_its_type_in_the_template_and_there_alone() -> None:
    group, template = aws_nodes.node_group(wish(**BLOCK)), aws_nodes.launch_template(wish(**BLOCK), {})
    assert (group["capacity_type"], "instance_types" in group) == ("CAPACITY_BLOCK", False)
    assert template["instance_type"] == "p5.48xlarge"
    assert template["instance_market_options"] == {"market_type": "capacity-block"}


def test_a_reservation_is_bought_on_demand_and_no_market() -> None:
    bought = wish(capacity="reservation", reservation="cr-0123456789abcdef0")
    assert aws_nodes.node_group(bought)["capacity_type"] == "ON_DEMAND"
    assert "instance_market_options" not in aws_nodes.launch_template(bought, {})
    target = aws_nodes.launch_template(bought, {})["capacity_reservation_specification"]
    assert target == {"capacity_reservation_target": {"capacity_reservation_id": "cr-0123456789abcdef0"}}


def test_an_autoscaler_is_told_of_cards_labels_and_taints_before_there_is_a_node() -> None:
    scaled = wish(
        autoscaler=True, taints=[{"key": "dedicated", "effect": "NoSchedule"}], instance_types=["g5.12xlarge"]
    )
    told = aws_nodes.group_tags(scaled)
    prefix = "k8s.io/cluster-autoscaler/node-template"
    assert told[f"{prefix}/resources/nvidia.com/gpu"] == "4"
    assert told[f"{prefix}/taint/nvidia.com/gpu"] == "present:NoSchedule"
    assert told[f"{prefix}/taint/dedicated"] == ":NoSchedule"
    assert told[f"{prefix}/label/k8s.amazonaws.com/accelerator"] == "nvidia-a10g"
    assert "k8s.amazonaws.com/accelerator" not in aws_nodes.labels(wish())


def test_own_taints_become_tolerations() -> None:
    taints = [{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}, {"key": "x", "effect": "NoExecute"}]
    assert aws_nodes.tolerations(wish(taints=taints)) == [
        {"operator": "Equal", "key": "dedicated", "value": "gpu", "effect": "NoSchedule"},
        {"operator": "Exists", "key": "x", "effect": "NoExecute"},
    ]


# what a node is told


def decoded(image: str, store: str) -> str:
    place = {"name": "research", "endpoint": "https://api", "ca": "Q0E="}
    return base64.b64decode(aws_images.user_data(image, store, place, {"b": "2", "a": "1"})).decode()


def test_local_disks_become_one_array_by_a_part_that_eks_merges() -> None:
    text = decoded("al2023", "raid0")
    head, _, body = text.partition("\n\n")
    assert 'boundary="gpu-ready"' in head
    assert body.startswith("--gpu-ready\nContent-Type: application/node.eks.aws\n")
    assert '"strategy": "RAID0"' in body
    assert body.endswith("\n--gpu-ready--\n")
    assert "cluster" not in body


def test_what_eks_says_itself_is_not_said_again() -> None:
    assert (decoded("al2023", "none"), decoded("bottlerocket", "none")) == ("", "")


def test_an_image_of_ones_own_is_told_everything() -> None:
    text = decoded("ubuntu", "none")
    assert "/etc/eks/bootstrap.sh research --apiserver-endpoint https://api --b64-cluster-ca Q0E=" in text
    assert "--node-labels=a=1,b=2" in text


# rules


def test_the_usual_wishes_are_without_faults() -> None:
    for one in (wish(), wish(**BLOCK), wish(**UBUNTU), wish(image="bottlerocket", store="none")):
        assert aws_rules.faults(one) == []


@pytest.mark.parametrize(
    ("more", "key", "said"),
    [
        ({"instance_types": []}, "instance_types", "from 1 to 20"),
        ({"instance_types": ["g5.xlarge", "g5.12xlarge"]}, "instance_types", "1 x NVIDIA A10G, 4 x NVIDIA A10G"),
        ({"instance_types": ["g5.xlarge", "g5.xlarge"]}, "instance_types", "more than once"),
        ({"desired": 2}, "desired", "min 0, desired 2 and max 1 are not in order"),
        ({"image": "ubuntu", "store": "none"}, "ami", "is missing"),
        ({"ami": "ami-0123456789abcdef0"}, "ami", "has no effect"),
        ({**UBUNTU, "release": "1"}, "release", "has no effect"),
        ({"image": "bottlerocket"}, "store", "raid0 is more than"),
        ({"capacity": "reservation"}, "reservation", "is missing"),
        (
            {"capacity": "spot", "reservation": "cr-0123456789abcdef0"},
            "reservation",
            "has no effect with capacity spot",
        ),
        ({**BLOCK, "instance_types": ["g5.xlarge"]}, "capacity", "no capacity blocks are sold for g5.xlarge"),
        ({**BLOCK, "subnets": []}, "subnets", "lies in one zone"),
        ({"labels": {"eks.amazonaws.com/nodegroup": "x"}}, "labels", "is not yours to write"),
        ({"labels": {"node.kubernetes.io/x": "y"}}, "labels", "is not yours to write"),
        ({"taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]}, "taints", "gpuTaint: false"),
    ],
)
def test_what_cannot_be_is_refused_with_the_key(more: dict[str, Any], key: str, said: str) -> None:
    found = [(one.key, one.problem + one.fix) for one in aws_rules.faults(wish(**more))]
    assert [place for place, text in found if said in text] == [key], found


def test_what_is_no_fault_is_still_said() -> None:
    notes = aws_rules.notes(wish(region="us-west-1", capacity="spot", max=3))
    assert [note.split(" ")[0] for note in notes] == ["nobody", "spot", "nothing"]
    assert "us-east-1" in notes[0]
    assert aws_rules.notes(wish()) == []


def test_what_would_make_another_group_does_not_hold_what_was_left_out() -> None:
    assert set(aws_nodes.replacing(wish())) == {"cluster", "name", "image", "capacity", "instance_types"}


# cost


def test_a_price_is_dated_or_there_is_none() -> None:
    (line,) = aws_prices.lines(wish())
    assert "1 node; g5.xlarge in us-east-1 1.006 USD per node and hour (onDemand, list price of 2026" in line
    (unknown,) = aws_prices.lines(wish(instance_types=["g6.xlarge"]))
    assert "no believable price of g6.xlarge in us-east-1" in unknown
    (spot,) = aws_prices.lines(wish(capacity="spot", autoscaler=True, max=3))
    assert "0 to 3 nodes; g5.xlarge in us-east-1 about 0.43 to 0.44 USD" in spot


def test_no_row_of_the_price_table_is_of_a_type_that_cannot_be_had() -> None:
    assert {kind for kind, _region in aws_prices.PRICES} <= set(aws_types.TYPES)
