"""Target aws on the built-in engine, in a simulated account: what is made, and what is said where AWS says no."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from lab.engine import Operation, Result
from tests.effort import long
from tests.unit.house import House
from tests.unit.sdk_types import args_of, strangers

# Importing the SDK of AWS alone takes seconds.
pytestmark = long

pytest.importorskip("pulumi_aws")

WORLD: dict[str, Any] = {
    "context": "research",
    "nodes": [{"name": "cpu-1"}],
    "cloud": {"name": "aws", "project": "123456789012", "clusters": ["research"]},
}
GROUP, TEMPLATE = "aws:eks/nodeGroup:NodeGroup", "aws:ec2/launchTemplate:LaunchTemplate"
RESERVED = {"reservation": "cr-0123456789abcdef0", "subnets": ["subnet-0123456789abcdef0"]}


class Account(House):
    """A house whose cluster is in AWS."""

    def __init__(self, folder: Path, clusters: Any = ("research",), nodes: Any = ({"name": "cpu-1"},)) -> None:
        cloud = {**WORLD["cloud"], "clusters": list(clusters)}
        super().__init__(folder, {**WORLD, "cloud": cloud, "nodes": list(nodes)})

    def bought(self) -> dict[str, Any]:
        """What the account has, by kind."""
        with self.world.open() as cluster:
            return {one["type"]: one["inputs"] for one in cluster.data.get("cloud", {}).values()}

    def pools(self) -> set[str]:
        """Names of the groups that bring nodes."""
        with self.world.open() as cluster:
            return set(cluster.data.get("pools", {}))

    def node_count(self) -> int:
        """Nodes of the cluster, the one for what needs no card among them."""
        with self.world.open() as cluster:
            return len(cluster.list("Node"))

    def nodes(self, op: Operation, **wish: Any) -> Result:
        """The component alone."""

        def made() -> None:
            from components.aws import AwsGpuNodes

            args: Any = {"region": "us-east-1", "cluster": "research", "gpu": {"target": "aws"}, **wish}
            args["gpu"] = {**args["gpu"], "image": wish.get("image")}
            pulumi.export("kubeconfig", AwsGpuNodes("nodes", args).kubeconfig)

        return self.make(op, made)


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path)


def said(result: Result) -> str:
    return "\n".join(result.errors)


def config(**nodes: Any) -> dict[str, Any]:
    return {
        "target": "aws",
        "aws": {"region": "us-east-1", "cluster": "research", "nodes": nodes},
        "validation": {"timeoutSeconds": 900, "pollSeconds": 25},
    }


@long
def test_up_is_green_again_changes_nothing_and_destroy_leaves_nothing(account: Account) -> None:
    before = account.world.snapshot()
    first = account.run("up", config())
    assert (first.exit, first.errors) == (0, [])
    assert first.outputs["report"]["nodes"][0]["card"] == "NVIDIA A10G"
    assert first.outputs["node_selector"] == {"eks.amazonaws.com/nodegroup": "gpu"}
    assert set(account.run("up", config()).changes) == {"same"}
    gone = account.run("destroy", config())
    assert (gone.exit, account.bought()) == (0, {})
    assert account.world.unexpected(before, account.world.snapshot()) == []


@long
def test_what_a_colleague_sees_of_the_kubeconfig_is_a_secret(account: Account) -> None:
    assert account.nodes("up").outputs["kubeconfig"] == "[secret]"


@long
def test_a_spot_machine_that_is_taken_back_in_the_proof_is_named_and_the_next_up_is_green(account: Account) -> None:
    spot = config(capacity="spot", instanceTypes=["g5.xlarge", "g5.2xlarge"])
    account.world.switch("cloud.fault", "interrupted")
    failed = account.run("up", spot)
    assert failed.exit == 1
    assert "CLD-13 cloud: research-gpu-" in said(failed)
    assert "imminent node shutdown" in said(failed)
    account.world.switch("cloud.fault", "none")
    again = account.run("up", spot)
    assert (again.exit, again.errors) == (0, [])
    assert set(account.run("up", spot).changes) == {"same"}


MAKE = {"version": "1.35", "zones": ["us-east-1a", "us-east-1b"], "publicCidrs": ["203.0.113.7/32"]}


@long
def test_a_cluster_is_made_with_its_network_and_destroy_leaves_nothing(tmp_path: Path) -> None:
    account = Account(tmp_path, clusters=[], nodes=[])
    wish = config()
    wish["aws"]["cluster"] = {"name": "fresh", "create": True, **MAKE}
    wish["aws"]["cluster"]["admins"] = ["arn:aws:iam::123456789012:role/admins"]
    before = account.world.snapshot()
    shown = account.run("preview", wish)
    assert (shown.exit, shown.errors, account.bought()) == (0, [], {})
    first = account.run("up", wish)
    assert (first.exit, first.errors) == (0, [])
    assert first.outputs["report"]["nodes"][0]["card"] == "NVIDIA A10G"
    sent = [goal for goal in first.registered.all() if goal.type.startswith("aws:")]
    assert [one for goal in sent for one in strangers(args_of(goal.type), goal.plain)] == []
    assert set(account.run("up", wish).changes) == {"same"}
    assert account.run("destroy", wish).exit == 0
    assert account.bought() == {}
    assert account.world.unexpected(before, account.world.snapshot()) == []


def made(account: Account, op: Operation = "up", **more: Any) -> Result:
    make = {"name": "fresh", "version": "1.35", "zones": MAKE["zones"], "public_cidrs": MAKE["publicCidrs"], **more}
    return account.nodes(op, cluster="fresh", make=make)


def test_a_cluster_of_an_old_version_is_refused_before_its_network_is_shown(account: Account) -> None:
    refused = said(made(account, "preview", version="1.28"))
    assert "AWS-6 EKS cluster: cluster fresh is Kubernetes 1.28" in refused


@long
def test_who_has_no_quota_learns_it_before_a_network_is_made(account: Account) -> None:
    account.world.switch("cloud.fault", "quota")
    assert said(made(account)).startswith("AWS-10 ")
    assert account.bought() == {}


@long
def test_a_cluster_is_closed_but_for_the_named_networks_and_knows_entries_alone(account: Account) -> None:
    result = made(account)
    assert (result.exit, result.errors) == (0, [])
    cluster = result.one("aws:eks/cluster:Cluster").plain
    assert cluster["accessConfig"]["authenticationMode"] == "API"
    assert cluster["vpcConfig"]["publicAccessCidrs"] == ["203.0.113.7/32"]
    assert cluster["vpcConfig"]["endpointPrivateAccess"] is True
    hidden = made(account, endpoint="private", public_cidrs=[]).one("aws:eks/cluster:Cluster").plain
    assert hidden["vpcConfig"]["endpointPublicAccess"] is False
    assert "publicAccessCidrs" not in hidden["vpcConfig"]


@long
def test_in_a_cluster_of_ours_no_pod_has_the_networks_rights_by_way_of_its_node(account: Account) -> None:
    goals = made(account).registered.all()
    policies = {
        goal.name: goal.plain["policyArn"].rpartition("/")[2] for goal in goals if goal.type.endswith("Attachment")
    }
    with_it = [name for name, policy in policies.items() if policy == "AmazonEKS_CNI_Policy"]
    assert with_it == ["nodes-cni-role-AmazonEKS_CNI_Policy"]


@long
def test_a_change_that_would_delete_the_cluster_is_refused(account: Account) -> None:
    made(account)
    refused = made(account, zones=["us-east-1a", "us-east-1c"])
    assert 'zones: ["us-east-1a", "us-east-1b"] -> ["us-east-1a", "us-east-1c"]\nAWS-33 EKS cluster: ' in said(refused)
    assert made(account).exit == 0


def test_a_cluster_that_cannot_be_is_refused(account: Account) -> None:
    refused = said(made(account, "preview", zones=["us-east-1a"], network="10.0.0.0/24", public_cidrs=[]))
    for words in ("from 2 to 4 different zones", "/16 to /20", "open to everybody"):
        assert words in refused


def test_what_the_usual_group_sends_is_known_to_the_installed_sdk(account: Account) -> None:
    sent = [goal for goal in account.nodes("up").registered.all() if goal.type.startswith("aws:")]
    assert {GROUP, TEMPLATE} <= {goal.type for goal in sent}
    assert [one for goal in sent for one in strangers(args_of(goal.type), goal.plain)] == []


def test_without_stock_the_next_step_is_said(account: Account) -> None:
    account.world.switch("cloud.fault", "stockout")
    assert "AWS-11 AWS capacity: " in said(account.nodes("up"))


def test_a_preview_of_nothing_yet_asks_aws_and_makes_nothing(account: Account) -> None:
    result = account.nodes("preview")
    assert (result.exit, result.errors, account.bought()) == (0, [], {})
    assert result.one(GROUP).plain["subnetIds"]


@long
@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"image": "bottlerocket"},
        {"image": "ubuntu", "ami": "ami-0123456789abcdef0"},
        {"capacity": "spot", "instance_types": ["g5.xlarge", "g5.2xlarge"], "max": 3},
        {"capacity": "capacityBlock", "instance_types": ["p5.48xlarge"], **RESERVED},
        {"capacity": "reservation", **RESERVED},
        {
            "taints": [{"key": "a", "value": "b", "effect": "NoExecute"}],
            "labels": {"team": "x"},
            "kms_key": "arn:aws:kms:us-east-1:123456789012:key/1",
            "release": "1.35.4-20260714",
            "tags": {"team": "x"},
            "account": "123456789012",
        },
        {"autoscaler": True, "desired": 0, "max": 2},
        {"node_role": "arn:aws:iam::123456789012:role/nodes"},
    ],
    ids=lambda wish: "-".join(map(str, list(wish)[:2])) or "plain",
)
def test_every_property_that_is_sent_is_one_of_the_installed_sdk(account: Account, wish: dict[str, Any]) -> None:
    result = account.nodes("up", **wish)
    assert (result.exit, result.errors) == (0, [])
    sent = [goal for goal in result.registered.all() if goal.type.startswith("aws:")]
    assert {GROUP, TEMPLATE} <= {goal.type for goal in sent}
    assert [one for goal in sent for one in strangers(args_of(goal.type), goal.plain)] == []
    assert set(account.nodes("up", **wish).changes) == {"same"}


def test_a_larger_disk_is_another_version_of_the_template_and_an_update_of_the_group(account: Account) -> None:
    account.nodes("up")
    changes = account.nodes("up", disk_gib=200)
    assert (changes.exit, changes.changes["update"]) == (0, 2)
    assert account.bought()[GROUP]["launchTemplate"]["version"] == "2"


@long
def test_a_change_that_would_delete_the_group_is_refused_with_what_changed(account: Account) -> None:
    account.nodes("up")
    refused = account.nodes("up", instance_types=["g5.2xlarge"])
    assert refused.exit == 1
    assert 'instance_types: ["g5.xlarge"] -> ["g5.2xlarge"]\nAWS-30 EKS nodes: ' in said(refused)
    assert account.bought()[GROUP]["instanceTypes"] == ["g5.xlarge"]
    assert account.nodes("up").exit == 0
    allowed = account.nodes("up", instance_types=["g5.2xlarge"], allow_replace=True)
    assert (allowed.exit, allowed.changes["replace"]) == (0, 1)
    assert account.bought()[GROUP]["instanceTypes"] == ["g5.2xlarge"]


@long
def test_an_autoscaler_is_told_by_tags_of_the_group_itself(account: Account) -> None:
    result = account.nodes("up", autoscaler=True, max=3)
    tags = {goal.plain["tag"]["key"]: goal.plain for goal in result.registered.all() if goal.type.endswith(":Tag")}
    cards = tags["k8s.io/cluster-autoscaler/node-template/resources/nvidia.com/gpu"]
    assert cards["tag"] == {
        "key": "k8s.io/cluster-autoscaler/node-template/resources/nvidia.com/gpu",
        "value": "1",
        "propagateAtLaunch": False,
    }
    assert cards["autoscalingGroupName"].startswith("eks-gpu-")
    assert not [goal for goal in account.nodes("preview").registered.all() if goal.type.endswith(":Tag")]


@long
def test_an_autoscaler_moves_the_number_of_nodes_and_up_leaves_it(account: Account) -> None:
    wish = {"autoscaler": True, "desired": 0, "max": 3}
    account.nodes("up", **wish)
    assert set(account.nodes("up", **{**wish, "desired": 2}).changes) == {"same"}


@pytest.mark.parametrize(
    ("fault", "id"),
    [
        ("quota", "AWS-10"),
        ("no-offer", "AWS-12"),
        ("no-addresses", "AWS-20"),
        ("disabled", "AWS-1"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(account: Account, fault: str, id: str) -> None:
    account.world.switch("cloud.fault", fault)
    for op in ("preview", "up"):
        refused = account.nodes(op)
        assert refused.exit == 1
        assert said(refused).startswith(id)
        assert "\nfix: " in said(refused)
    assert account.bought() == {}


@long
@pytest.mark.parametrize(
    ("fault", "id"),
    [
        ("stockout", "AWS-11"),
        ("quota", "AWS-10"),
        ("permission", "AWS-2"),
        ("no-access", "AWS-22"),
        ("no-route", "AWS-21"),
        ("wrong-image", "AWS-23"),
        ("not-ready", "AWS-24"),
    ],
)
def test_what_aws_says_later_is_explained_with_the_next_step(account: Account, fault: str, id: str) -> None:
    account.world.switch("cloud.fault", fault)
    failed = account.nodes("up", checks=False)
    assert failed.exit == 1
    assert f"{id} " in said(failed)
    assert id != "AWS-22" or "for one: arn:aws:iam::" in said(failed)
    account.world.switch("cloud.fault", "none")
    assert account.nodes("destroy").exit == 0
    assert account.bought() == {}
    assert account.nodes("up").exit == 0


@long
def test_a_group_that_failed_is_made_anew_by_a_destroy_and_not_by_another_up(account: Account) -> None:
    account.world.switch("cloud.fault", "stockout")
    assert "AWS-11 " in said(account.nodes("up"))
    account.world.switch("cloud.fault", "none")
    assert said(account.nodes("up")).startswith("AWS-25 ")
    account.nodes("up", checks=False)
    assert account.pools() == set()
    account.nodes("destroy")
    account.nodes("up")
    assert account.pools() == {"research-gpu"}


def test_what_the_look_refuses_leaves_nothing_in_the_account(account: Account) -> None:
    refused = account.run("up", {**config(), "gpu": {"operator": "external"}})
    assert "CFG-5 " in said(refused)
    assert account.bought() == {}


def test_without_the_cli_of_aws_nothing_is_made(account: Account) -> None:
    account.world.switch("cloud.login", False)
    refused = account.nodes("up")
    assert "aws is not on PATH\nfix: install the AWS CLI, version 2" in said(refused)
    assert GROUP not in account.bought()


@long
def test_fewer_nodes_are_wished_and_fewer_there_are(account: Account) -> None:
    account.nodes("up", desired=2, max=2)
    account.world.clock.sleep(300)
    assert account.node_count() == 3
    changed = account.nodes("up", desired=1, max=2)
    assert (changed.exit, changed.errors) == (0, [])
    assert account.node_count() == 2


def test_who_may_not_ask_for_quotas_is_told_and_goes_on(account: Account) -> None:
    account.world.switch("cloud.fault", "permission")
    warned = account.nodes("preview")
    texts = [text for severity, _urn, text in warned.diagnostics if severity == "warning"]
    assert any(text.startswith("the quota could not be looked at") for text in texts), texts


def test_the_credentials_of_another_account_are_refused(account: Account) -> None:
    assert said(account.nodes("up", account="999999999999")).startswith("AWS-3 AWS account: ")


def test_a_cluster_that_is_not_there_is_refused_by_its_name(account: Account) -> None:
    assert "(reserch, us-east-1)" in said(account.nodes("up", cluster="reserch"))


def test_users_of_the_component_are_guarded_by_the_rules_of_the_stack_file(account: Account) -> None:
    assert "g5g has ARM processors" in said(account.nodes("preview", instance_types=["g5g.xlarge"]))
    assert "one of al2023, bottlerocket, ubuntu" in said(account.nodes("preview", image="windows"))
