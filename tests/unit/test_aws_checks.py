"""What AWS answers before anything is made, and what its refusals mean."""

from typing import Any

import pytest

from decide import aws_checks, aws_failures
from tests.unit.test_aws_nodes import wish

ANSWERS: dict[str, Any] = {
    "group": {"refused": "reading EKS Node Group (research:gpu): couldn't find resource"},
    "offers": {"locations": ["us-east-1a", "us-east-1b"]},
    "quota": {"value": 64.0},
    "image": {"value": "ami-1"},
    "subnet subnet-1": {"availabilityZone": "us-east-1a", "availableIpAddressCount": 200},
    "subnet subnet-2": {"availabilityZone": "us-east-1f", "availableIpAddressCount": 200},
}


def ids(wanted: dict[str, Any], **answers: Any) -> list[str]:
    return [one.id for one in aws_checks.judge(wanted, {**ANSWERS, **answers}).refusals]


def test_an_account_with_quota_zone_addresses_and_image_is_let_through() -> None:
    assert aws_checks.judge(wish(), ANSWERS) == aws_checks.Judgement((), ())


def test_everything_that_is_asked_has_an_answer_in_this_test() -> None:
    asked = aws_checks.questions(wish(), "1.35", ["subnet-1", "subnet-2"])
    assert set(asked) == set(ANSWERS)
    assert (
        asked["image"].args["name"].startswith("/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/nvidia/")
    )


@pytest.mark.parametrize(
    ("id", "answers"),
    [
        ("AWS-10", {"quota": {"value": 0.0}}),
        ("AWS-12", {"offers": {"locations": ["us-east-1c"]}}),
        ("AWS-12", {"offers": {"locations": []}}),
        (
            "AWS-20",
            {f"subnet subnet-{n}": {"availabilityZone": "us-east-1a", "availableIpAddressCount": 5} for n in (1, 2)},
        ),
        ("AWS-23", {"image": {"value": ""}}),
        ("AWS-23", {"image": {"refused": "invoke of aws:ssm failed: ParameterNotFound: "}}),
    ],
)
def test_what_aws_cannot_give_is_refused_by_its_id(id: str, answers: dict[str, Any]) -> None:
    assert ids(wish(), **answers) == [id]


def test_the_quota_is_named_with_the_request_that_raises_it() -> None:
    refused = aws_checks.judge(wish(instance_types=["g5.4xlarge"]), {**ANSWERS, "quota": {"value": 8}}).refusals[0]
    assert "1 x g5.4xlarge need 16 vCPUs, and the account may run 8 of on-demand G" in refused.problem
    assert "--quota-code L-DB2E81BA --desired-value 16" in refused.fix


def test_what_was_bought_ahead_needs_no_quota() -> None:
    assert ids(wish(capacity="reservation", reservation="cr-1"), quota={"value": 0.0}) == []


def test_a_group_that_is_there_is_not_refused_for_what_its_own_nodes_use_up() -> None:
    full = {f"subnet subnet-{n}": {"availabilityZone": "us-east-1a", "availableIpAddressCount": 0} for n in (1, 2)}
    assert ids(wish(), group={"status": "ACTIVE"}, quota={"value": 0.0}, **full) == []
    assert ids(wish(), **full) == ["AWS-20"]


def test_a_group_that_failed_is_named_before_another_up_is_believed() -> None:
    (refused,) = aws_checks.judge(wish(), {**ANSWERS, "group": {"status": "CREATE_FAILED"}}).refusals
    assert refused.id == "AWS-25"
    assert "delete-nodegroup --region us-east-1 --cluster-name research --nodegroup-name gpu" in refused.fix


def test_a_question_that_nobody_may_ask_is_no_fault_of_the_wish() -> None:
    judgement = aws_checks.judge(wish(), {**ANSWERS, "quota": {"refused": "AccessDenied: servicequotas"}})
    assert judgement.refusals == ()
    assert judgement.notes == ("the quota could not be looked at: AccessDenied: servicequotas",)


@pytest.mark.parametrize(
    ("id", "found"),
    [
        ("AWS-4", {"refused": "reading EKS Cluster (research): couldn't find resource"}),
        ("AWS-1", {"refused": "No valid credential sources found"}),
        ("AWS-2", {"refused": "api error AccessDeniedException: User: me is not authorized to perform: eks:Describe"}),
        ("AWS-3", {"refused": "AWS account ID not allowed: 123456789012"}),
        ("AWS-4", {"refused": "something that nobody has seen"}),
        ("AWS-5", {"status": "CREATING", "version": "1.35"}),
        ("AWS-6", {"status": "ACTIVE", "version": "1.29"}),
    ],
)
def test_a_cluster_that_is_none_to_make_nodes_for_is_refused(id: str, found: dict[str, Any]) -> None:
    refused = aws_checks.judge_cluster(wish(), found).refusals
    assert [one.id for one in refused] == [id]
    assert "research" in refused[0].problem


def test_a_version_matters_only_where_we_install_the_operator() -> None:
    old = {"status": "ACTIVE", "version": "1.29"}
    assert aws_checks.judge_cluster({**wish(), "installs": False}, old).refusals == ()


def test_a_cluster_that_we_make_is_of_a_version_that_the_operator_is_made_for() -> None:
    old, new = ({**wish(), "make": {"version": one}} for one in ("1.28", "1.35"))
    (refused,) = aws_checks.judge_made(old).refusals
    assert (refused.id, refused.fix) == ("AWS-6", 'aws.cluster.version: "1.35"')
    assert aws_checks.judge_made(new).refusals == aws_checks.judge_made({**old, "installs": False}).refusals == ()


# what AWS says later


@pytest.mark.parametrize(
    ("said", "id"),
    [
        ("AsgInstanceLaunchFailures: ... InsufficientInstanceCapacity - We currently do not have", "AWS-11"),
        ("VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU limit of 0", "AWS-10"),
        ("NodeCreationFailure: Unauthorized: the role of the instances is in no AccessEntry", "AWS-22"),
        ("NodeCreationFailure: no route to the API server. Instances failed to join the kubernetes cluster", "AWS-21"),
        ("NodeCreationFailure: the AMI of the instances is of another version", "AWS-23"),
        ("NodeCreationFailure: Instances failed to join the kubernetes cluster", "AWS-24"),
        ("ResourceInUseException: NodeGroup already exists with name gpu", "AWS-31"),
        ("UnauthorizedOperation: You are not authorized to perform this operation", "AWS-2"),
        ("ExpiredToken: The security token included in the request is expired", "AWS-1"),
        ("getting credentials: exec: executable aws not found", "AWS-40"),
    ],
)
def test_an_answer_of_aws_has_a_meaning_and_a_next_step(said: str, id: str) -> None:
    found = aws_failures.explained(said, wish())
    assert found is not None
    assert found.id == id
    assert found.lines()[1].startswith("fix: ")


def test_what_may_not_be_done_is_named_and_so_is_the_role_that_is_let_in_nowhere() -> None:
    denied = aws_failures.explained("User: me is not authorized to perform: eks:CreateNodegroup on resource: x", wish())
    assert denied is not None
    assert denied.problem.endswith(": eks:CreateNodegroup")
    assert denied.fix.startswith("have eks:CreateNodegroup allowed")
    unsaid = aws_failures.explained("UnauthorizedOperation", wish())
    assert unsaid is not None
    assert "ACTION" not in unsaid.fix
    role = "arn:aws:iam::123456789012:role/nodes"
    outside = aws_failures.explained("NodeCreationFailure: Unauthorized: the role", wish(role=role))
    assert outside is not None
    assert outside.problem.endswith(f": {role}")
    assert f"--principal-arn {role}" in outside.fix


@pytest.mark.parametrize(
    ("group", "advised"),
    [
        ({"capacity": "onDemand"}, ()),
        ({"capacity": "spot"}, ("onDemand",)),
        ({"capacity": "spot", "instance_types": ["p5.48xlarge"]}, ("onDemand", "capacityBlock")),
        ({"capacity": "capacityBlock", "instance_types": ["p5.48xlarge"]}, ()),
    ],
)
def test_where_there_is_no_stock_nothing_is_advised_that_the_settings_refuse(
    group: dict[str, Any], advised: tuple[str, ...]
) -> None:
    found = aws_failures.explained("InsufficientInstanceCapacity", wish(**group))
    assert found is not None
    assert tuple(one for one in ("onDemand", "capacityBlock") if f"capacity: {one}" in found.fix) == advised


def test_an_answer_that_nobody_has_seen_is_left_as_it_is() -> None:
    assert aws_failures.explained("the moon is full", wish()) is None


def test_ids_are_given_once() -> None:
    assert len(aws_failures.BY_ID) == len(aws_failures.FAILURES)
