"""Target aws in a stack file: what arrives, and what is refused with its path."""

from typing import Any

import pytest

import settings


def raw(gpu: Any = None, validation: Any = None, **aws: Any) -> dict[str, Any]:
    said = {"target": "aws", "aws": {"region": "us-east-1", "cluster": "research", **aws}}
    return {**said, **({"gpu": gpu} if gpu else {}), **({"validation": validation} if validation else {})}


def faults(config: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(settings.SettingsError) as caught:
        settings.parse(config)
    return {one.path: str(one) for one in caught.value.faults}


MAKE = {"name": "fresh", "create": True, "version": "1.35", "zones": ["us-east-1a", "us-east-1b"]}
OPEN = {**MAKE, "publicCidrs": ["203.0.113.7/32"]}


def test_nothing_is_said_to_stay_in_a_cluster_or_on_nodes_that_destroy_deletes() -> None:
    assert settings.parse(raw(cluster=OPEN)).destroy_hint("ml") == "pulumi destroy -s ml"
    hint = settings.parse(raw()).destroy_hint("ml")
    assert ("custom resource definitions" in hint, "node labels" in hint) == (True, False)


def test_a_region_and_a_cluster_are_enough() -> None:
    wish = settings.parse(raw())
    args = wish.nodes_args()
    assert (args["region"], args["cluster"], args["name"], args["store"]) == ("us-east-1", "research", "gpu", "raid0")
    assert args["gpu"]["target"] == "aws"
    assert "make" not in args
    assert wish.installs


@pytest.mark.parametrize(
    ("nodes", "owners"),
    [
        ({}, ("platform", "platform", "operator", "operator")),
        ({"image": "bottlerocket"}, ("platform", "platform", "platform", "platform")),
        (
            {"image": "ubuntu", "ami": "ami-0123456789abcdef0"},
            ("operator", "operator", "operator", "operator"),
        ),
    ],
)
def test_the_image_decides_who_owns_what(nodes: dict[str, Any], owners: tuple[str, ...]) -> None:
    wish = settings.parse(raw(nodes=nodes))
    assert tuple(part.owner.value for _name, part in wish.ownership.parts()) == owners


def test_a_second_driver_is_refused_with_the_image_that_has_none() -> None:
    assert "aws.nodes.image: ubuntu" in faults(raw(gpu={"driver": "operator"}))["gpu.driver"]


def test_taints_of_the_group_are_tolerated_by_all_that_is_made() -> None:
    wish = settings.parse(raw(nodes={"taints": [{"key": "dedicated", "value": "gpu"}]}))
    wanted = {"key": "dedicated", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}
    assert wanted in wish.nodes_args()["gpu"]["tolerations"]
    assert '"dedicated"' in wish.first_workload()
    assert "eks.amazonaws.com/nodegroup" in wish.first_workload()


def test_a_cluster_that_is_made_arrives_whole() -> None:
    args = settings.parse(raw(cluster=OPEN)).nodes_args()
    assert args["cluster"] == "fresh"
    assert args["make"]["zones"] == ["us-east-1a", "us-east-1b"]
    assert args["make"]["network"] == "10.64.0.0/16"


@pytest.mark.parametrize(
    ("aws", "path", "said"),
    [
        ({"region": "us east"}, "aws.region", "a region belongs here"),
        ({"nodes": {"instanceTypes": ["m6i.large"]}}, "aws.nodes.instanceTypes", "known families"),
        ({"nodes": {"image": "bottlerocket", "instanceStore": "raid0"}}, "aws.nodes.instanceStore", "more than image"),
        ({"nodes": {"desired": 0}}, "aws.nodes.desired", "nobody starts a node for the proof"),
        ({"nodes": {"desird": 1}}, "aws.nodes.desird", "did you mean desired?"),
        ({"nodes": {"ami": "ami-x"}}, "aws.nodes.ami", "an id such as ami-"),
        ({"nodes": {"release": "latest"}}, "aws.nodes.release", "such as 1.35.4-20260714"),
        ({"nodes": {"desired": 5}}, "aws.nodes.desired", "Fix: max: 5"),
        ({"nodes": {"min": 3}}, "aws.nodes.desired", "Fix: desired: 3, max: 3"),
        ({"account": "12"}, "aws.account", "12 digits"),
        ({"cluster": {"name": "x", "zones": ["us-east-1a"]}}, "aws.cluster.zones", "there already"),
        ({"cluster": MAKE}, "aws.cluster.publicCidrs", "open to everybody"),
        ({"cluster": {**OPEN, "zones": ["eu-west-1a", "eu-west-1b"]}}, "aws.cluster.zones", "not in us-east-1"),
        ({"cluster": {**OPEN, "network": "8.8.0.0/16"}}, "aws.cluster.network", "a private network"),
        ({"cluster": {**OPEN, "version": None}}, "aws.cluster.version", "is missing"),
    ],
)
def test_a_fault_has_its_path_and_what_would_be_right(aws: dict[str, Any], path: str, said: str) -> None:
    found = faults(raw(**aws))
    assert said in found[path]
    assert len(found) == 1, found


def test_a_value_that_cannot_be_read_hides_no_other_fault() -> None:
    nodes = {"capacity": "spott", "diskGib": 10, "min": 9, "instanceTypes": ["m5.large"]}
    assert set(faults(raw(nodes=nodes))) == {
        f"aws.nodes.{key}" for key in ("capacity", "diskGib", "desired", "instanceTypes")
    }
    made = {**OPEN, "network": "10.0.0.0/24", "version": "new", "zones": ["us-east-1a"]}
    assert set(faults(raw(cluster=made, nodes={"max": 0}))) == {
        "aws.cluster.network",
        "aws.cluster.version",
        "aws.cluster.zones",
        "aws.nodes.max",
    }
    unknown = {"capacity": "capacityBlock", "instanceTypes": ["m5.large", "m5.xlarge"]}
    assert "aws.nodes.instanceTypes" in faults(raw(nodes=unknown))
    broken = {"image": "windows", "reservation": "x", "subnets": "y", "labels": 1, "taints": 2, "max": 0}
    assert set(faults(raw(nodes=broken))) == {f"aws.nodes.{key}" for key in broken}


def test_a_proof_asks_for_a_whole_node_whatever_is_said() -> None:
    assert "a whole node" in faults(raw(validation={"gpus": 2}))["validation.gpus"]


def test_an_autoscaler_may_begin_with_nothing() -> None:
    wish = settings.parse(raw(nodes={"desired": 0, "max": 4, "autoscaler": True}))
    assert wish.nodes_args()["autoscaler"] is True
