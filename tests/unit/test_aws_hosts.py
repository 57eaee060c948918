"""Hosts that are EC2 instances, in a simulated account: the whole program, and what is said where it cannot be."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import settings
from decide import aws_hosts
from lab.cluster import derive
from lab.engine import Operation, Result
from tests.effort import long
from tests.unit.house import House
from tests.unit.sdk_types import args_of, strangers

# Importing the SDK of AWS alone takes seconds.
pytestmark = long

pytest.importorskip("pulumi_aws")

STACK = Path(__file__).resolve().parents[2] / "stacks/Pulumi.aws-g5-hosts.yaml"
SCRIPT = "joinScript"
PLACE: dict[str, Any] = {
    "region": "us-east-1",
    "subnet": "subnet-0123456789abcdef0",
    "sshFrom": ["203.0.113.7/32"],
    "publicKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdwdS1yZWFkeSBleGFtcGxlIG5vdCBhIHJlYWwga2V5 me@here",
}
INSTANCE, EIP = "aws:ec2/instance:Instance", "aws:ec2/eip:Eip"
AMAZON = {"type": "g5.xlarge", "image": "amzn-2023"}


def config(place: Any = (), **host: Any) -> dict[str, Any]:
    raw = {key.partition(":")[2]: one for key, one in yaml.safe_load(STACK.read_text())["config"].items()}
    metal = raw["bareMetal"]
    metal["ec2"] |= dict(place)
    metal["hosts"][0] |= host
    return {**raw, SCRIPT: "kubeadm join --token the-secret-token"}


class Rented(House):
    """A house whose host is yet to be made."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, derive.world(settings.parse(config(), [SCRIPT])))

    def go(self, op: Operation, place: Any = (), **host: Any) -> Result:
        return self.run(op, config(place, **host), secret_keys=[f"gpu-ready:{SCRIPT}"])

    def bought(self) -> dict[str, Any]:
        with self.world.open() as cluster:
            return {id: one["type"] for id, one in cluster.data.get("cloud", {}).items()}


@pytest.fixture
def rented(tmp_path: Path) -> Rented:
    return Rented(tmp_path)


def said(result: Result) -> str:
    return "\n".join(result.errors)


@long
def test_up_is_green_a_newer_image_or_script_changes_nothing_and_destroy_needs_no_ssh_and_leaves_nothing(
    rented: Rented, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rented.world.snapshot()
    first = rented.go("up")
    assert (first.exit, first.errors) == (0, [])
    assert first.outputs["report"]["nodes"][0]["card"] == "NVIDIA A10G"
    assert {"vol", "eni", EIP} <= set(rented.bought().values())
    sent = [goal for goal in first.registered.all() if goal.type.startswith(("aws:", "tls:"))]
    assert [one for goal in sent for one in strangers(args_of(goal.type), goal.plain)] == []
    rented.remote.contacts.clear()
    newer = {**config(), SCRIPT: "another"}
    newest = dict.fromkeys(aws_hosts.IMAGES, "ami-0000000000000009")
    monkeypatch.setattr("lab.cloud.aws_ec2.known_images", lambda: newest)
    again = rented.run("up", newer, secret_keys=[f"gpu-ready:{SCRIPT}"])
    assert (again.exit, set(again.changes), rented.remote.contacts) == (0, {"same"}, {})
    rented.world.switch("hosts.g5.ssh", "off")
    gone = rented.go("destroy")
    assert (gone.exit, gone.errors, rented.bought(), rented.remote.contacts) == (0, [], {}, {})
    assert rented.world.unexpected(before, rented.world.snapshot()) == []


@long
def test_what_is_taken_out_or_made_anew_is_asked_nothing_and_the_key_stays(rented: Rented) -> None:
    two = config()
    two["bareMetal"]["hosts"].append({"name": "other", "ec2": "g5.2xlarge", "reboot": "ifNeeded"})
    first = rented.run("up", two, secret_keys=[f"gpu-ready:{SCRIPT}"])
    assert (first.exit, first.errors) == (0, [])
    refused = rented.run("up", changed := config(ec2=AMAZON), secret_keys=[f"gpu-ready:{SCRIPT}"])
    assert 'image: "rocky-9" -> "amzn-2023"\nAWS-34 EC2 hosts: ' in said(refused)
    rented.world.switch("hosts.g5.ssh", "off")
    changed["bareMetal"]["ec2"]["allowReplace"] = True
    moved = rented.run("up", changed, secret_keys=[f"gpu-ready:{SCRIPT}"])
    assert (moved.exit, moved.errors) == (0, [])
    keys = [
        next(goal.plain["connection"]["hostKey"] for goal in one.registered.all() if goal.name == "nodes-g5-bundle")
        for one in (first, moved)
    ]
    assert keys[0] == keys[1]
    before, after = ({one["name"] for one in run.outputs["report"]["nodes"]} for run in (first, moved))
    assert (len(before), len(after), before & after) == (2, 1, set())
    assert sorted(one for one in rented.bought().values() if one in (INSTANCE, "vol", "eni")) == [
        INSTANCE,
        "eni",
        "vol",
    ]


def test_a_preview_of_nothing_yet_makes_nothing(rented: Rented) -> None:
    result = rented.go("preview")
    assert (result.exit, result.errors, rented.bought()) == (0, [], {})


def test_an_instance_is_closed_but_for_the_named_networks(rented: Rented) -> None:
    result = rented.go("preview")
    rule = result.one("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule").plain
    assert (rule["cidrIpv4"], rule["fromPort"], rule["toPort"]) == ("192.0.2.7/32", 22, 22)
    made = result.one(INSTANCE).plain
    assert made["metadataOptions"]["httpTokens"] == "required"
    assert (made["rootBlockDevice"]["encrypted"], made["rootBlockDevice"]["volumeType"]) == (True, "gp3")


def test_all_that_is_on_the_machine_goes_with_it(rented: Rented) -> None:
    goals = rented.go("preview").registered.all()
    instance = next(goal.urn for goal in goals if goal.type == INSTANCE)
    steps = [goal for goal in goals if goal.type.startswith("command:remote:")]
    assert len(steps) == 10
    assert {goal.new.deleted_with for goal in steps} == {instance}


@pytest.mark.parametrize(
    ("fault", "id"), [("stockout", "AWS-11"), ("quota", "AWS-10"), ("permission", "AWS-2"), ("no-offer", "AWS-12")]
)
def test_what_aws_cannot_give_is_named(rented: Rented, fault: str, id: str) -> None:
    rented.world.switch("cloud.fault", fault)
    result = rented.go("up")
    assert result.exit == 1
    assert f"{id} AWS " in said(result)


def test_a_script_that_fails_is_named_with_its_last_words(rented: Rented) -> None:
    rented.world.switch("cloud.fault", "not-ready")
    result = rented.go("up")
    assert "join: no such host\nHST-96 access: the script joinScript" in said(result)
    assert "(exit status 1)" in said(result)


def test_a_subnet_that_is_not_there_is_named(rented: Rented) -> None:
    missing = rented.go("preview", {"subnet": "subnet-00000000000000000"})
    assert "AWS-26 AWS network: subnet subnet-00000000000000000 is not there" in said(missing)


def test_neither_the_script_nor_the_key_stands_in_clear(rented: Rented) -> None:
    rented.world.switch("cloud.fault", "not-ready")
    rented.go("up")
    state = rented.engine.store.load()
    user_data = next(one for one in state["resources"] if one["type"] == INSTANCE)["inputs"]["userData"]
    assert "the-secret-token" not in json.dumps(
        {
            **state,
            "resources": [
                {
                    **one,
                    "inputs": {**one.get("inputs", {}), "userData": ""},
                    "outputs": {**one.get("outputs", {}), "userData": ""},
                }
                for one in state["resources"]
            ],
        }
    )
    assert isinstance(user_data, dict)
    assert "the-secret-token" in str(user_data)


def test_a_machine_is_told_its_only_key_and_its_script() -> None:
    head, _, rest = aws_hosts.user_data("PRIVATE\nKEY", "ssh-ed25519 AAAA", "#!/bin/bash\necho 'a' \"b\"\n").partition(
        "\n"
    )
    told = yaml.safe_load(rest)
    assert head == "#cloud-config"
    assert told["ssh_keys"] == {"ed25519_private": "PRIVATE\nKEY", "ed25519_public": "ssh-ed25519 AAAA"}
    assert told["ssh_deletekeys"] is True
    assert told["write_files"][0]["content"] == "#!/bin/bash\necho 'a' \"b\"\n"


def test_an_image_that_joins_by_itself_needs_no_script() -> None:
    told = yaml.safe_load(aws_hosts.user_data("PRIVATE", "ssh-ed25519 AAAA", None).partition("\n")[2])
    assert set(told) == {"ssh_deletekeys", "ssh_keys", "ssh_pwauth"}


def faults(place: Any = (), without: tuple[str, ...] = (), **host: Any) -> dict[str, str]:
    raw = {key: one for key, one in config(place, **host).items() if key not in without}
    with pytest.raises(settings.SettingsError) as caught:
        settings.parse(raw, [SCRIPT] if SCRIPT in raw else [])
    return {fault.path: fault.problem for fault in caught.value.faults}


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "0.0.0.0/1", "203.0.113.7/24", "10.0.0.0/99"])
def test_ssh_is_let_in_from_given_networks_alone(network: str) -> None:
    assert set(faults({"sshFrom": [network]})) == {"bareMetal.ec2.sshFrom"}
    assert set(faults({"sshFrom": []})) == {"bareMetal.ec2.sshFrom"}


def test_what_no_instance_can_be_is_refused() -> None:
    assert "no" in faults(ec2={"type": "g5.large"})["bareMetal.hosts[0].ec2.type"]
    assert set(faults(ec2={"type": "g5.xlarge", "image": "debian-12"})) == {"bareMetal.hosts[0].ec2.image"}
    assert set(faults(address="192.0.2.1", user="root")) == {
        "bareMetal.hosts[0].address",
        "bareMetal.hosts[0].user",
    }
    assert set(faults({"region": "cn-north-1"})) == {"bareMetal.hosts[0].ec2.ami"}


def test_a_machine_that_nothing_makes_a_node_is_refused() -> None:
    assert "joinScript" not in faults(without=(SCRIPT,))
    assert "does not join" in faults(without=(SCRIPT,))["bareMetal.hosts[0].ec2.ami"]


def test_a_script_and_a_place_without_an_instance_are_refused() -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdwdS1yZWFkeSBleGFtcGxlIG5vdCBhIHJlYWwga2V5"
    there = config()
    there["bareMetal"]["hosts"] = [{"name": "rtx", "address": "192.0.2.1", "hostKey": key}]
    with pytest.raises(settings.SettingsError) as caught:
        settings.parse(there, [SCRIPT])
    assert {fault.path for fault in caught.value.faults} == {"bareMetal.ec2", "joinScript"}


def test_an_instance_without_a_place_is_refused() -> None:
    nowhere = config()
    del nowhere["bareMetal"]["ec2"]
    with pytest.raises(settings.SettingsError) as caught:
        settings.parse(nowhere, [SCRIPT])
    assert [fault.path for fault in caught.value.faults] == ["bareMetal.ec2"]
