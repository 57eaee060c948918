"""`join: k3s`: what a stack file may say, what the plan makes of it, and the program on a machine with nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi.runtime import rpc

import settings
from lab.world import WholeWorld
from tests.effort import long
from tests.unit.house import ROOT, House

NAME = "homelab-k3s-new"
WORLD: dict[str, Any] = yaml.safe_load((ROOT / f"lab/worlds/{NAME}.yaml").read_text())
CONFIG: dict[str, Any] = {
    key.removeprefix("gpu-ready:"): value
    for key, value in yaml.safe_load((ROOT / f"stacks/Pulumi.{NAME}.yaml").read_text())["config"].items()
}
BARE: dict[str, Any] = CONFIG["bareMetal"]
BOX: dict[str, Any] = BARE["hosts"][0]
TOKEN = "K10not-a-real-token"
TOO_MUCH = {"k3s": "server", "server": "https://a:6443"}
SECOND = {**BOX, "name": "second", "address": "192.0.2.21"}


def config(*hosts: dict[str, Any], cluster: Any = None, **more: Any) -> dict[str, Any]:
    known = {**CONFIG, "bareMetal": {**BARE, "hosts": list(hosts or [BOX]), **more}}
    return known if cluster is None else {**known, "cluster": cluster}


def faults(raw: dict[str, Any], *secrets: str) -> list[str]:
    with pytest.raises(settings.SettingsError) as caught:
        settings.parse({**raw, **dict.fromkeys(secrets, "")}, secret_keys=secrets)
    return [f"{one.path}: {one.problem}" for one in caught.value.faults]


# --- what is said -----------------------------------------------------------------------------------------------------


def test_one_machine_needs_no_cluster_and_gets_all_that_its_step_is_told() -> None:
    wish = settings.parse(config())
    args = wish.nodes_args()
    assert wish.makes_cluster
    assert not {"context", "kubeconfig"} & set(args)
    assert args["hosts"][0]["join"] == {
        "k3s": "server", "version": BARE["k3s"]["version"], "sha256": BARE["k3s"]["sha256"], "remove_data": True,
    }  # fmt: skip


def test_an_agent_finds_the_server_of_its_stack_or_names_one() -> None:
    agent = {**SECOND, "join": {"k3s": "agent"}}
    both = settings.parse({**config(BOX, agent), "k3sToken": ""}, secret_keys=["k3sToken"])
    assert both.nodes_args()["hosts"][1]["join"]["server"] == "https://192.0.2.20:6443"
    alone = {**SECOND, "join": {"k3s": "agent", "server": "https://first:6443"}}
    there = settings.parse({**config(alone, cluster={"context": "home"}), "k3sToken": ""}, secret_keys=["k3sToken"])
    assert not there.makes_cluster
    assert there.nodes_args()["context"] == "home"


@pytest.mark.parametrize(
    ("raw", "secrets", "said"),
    [
        (config(cluster={"context": "home"}), (), "cluster.context: has no effect: a host of this stack makes"),
        (config({**BOX, "join": None}, k3s=None), (), "cluster: is missing"),
        (config(k3s=None), (), "bareMetal.k3s: is missing: which k3s"),
        (config(k3s={"version": "v1.34.1+k3s1"}), (), "bareMetal.k3s.sha256: is missing"),
        (config(k3s={**BARE["k3s"], "version": "latest"}), (), "bareMetal.k3s.version: a release of k3s such as"),
        (config(k3s={**BARE["k3s"], "sha256": "abc"}), (), "bareMetal.k3s.sha256: a checksum of 64"),
        (config(BOX, {**SECOND, "join": "k3s"}), (), "bareMetal.hosts[1].join: is a second server"),
        (config(BOX, {**SECOND, "join": None}), (), "bareMetal.hosts[1].join: is missing: another host makes"),
        (config(BOX, {**SECOND, "join": {"k3s": "agent"}}), (), "bareMetal.hosts[1].join: wants the secret k3sToken"),
        (config({**BOX, "join": "k8s"}), (), "bareMetal.hosts[0].join.k3s: server or agent belongs here"),
        (config({**BOX, "join": TOO_MUCH}), (), "bareMetal.hosts[0].join.server: has no effect"),
        (config({**BOX, "join": None}, cluster={"context": "a"}), (), "bareMetal.k3s: has no effect"),
        (config({**BOX, "join": None}, k3s=None, cluster={"context": "a"}), ("k3sToken",), "k3sToken: has no effect"),
        (
            config({**BOX, "join": {"k3s": "agent"}}, cluster={"context": "a"}),
            ("k3sToken",),
            "bareMetal.hosts[0].join.server: is missing",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_with_its_place(raw: dict[str, Any], secrets: tuple[str, ...], said: str) -> None:
    found = faults(raw, *secrets)
    assert [one for one in found if one.startswith(said)], found
    assert len(found) == 1, found


# --- the whole program ------------------------------------------------------------------------------------------------


@long
def test_one_machine_and_nothing_else_becomes_a_cluster_that_is_proven_and_is_taken_back(tmp_path: Path) -> None:
    house = House(tmp_path, WORLD)
    before = house.world.snapshot()
    made = house.run("up", CONFIG)
    assert (made.exit, made.errors) == (0, [])
    assert made.outputs["report"]["ready"] is True
    assert made.outputs["hosts"]["box"]["node"] == "box"
    said = house.remote.connections
    again = house.run("up", CONFIG, expect_no_changes=True)
    assert (again.exit, house.remote.connections) == (0, said)
    gone = house.run("destroy", CONFIG)
    assert (gone.exit, gone.errors) == (0, [])
    assert WholeWorld.unexpected(before, house.world.snapshot()) == []


@long
def test_the_key_to_the_cluster_and_the_token_stand_in_no_state_in_clear(tmp_path: Path) -> None:
    house = House(tmp_path, WORLD)
    raw = {**CONFIG, "k3sToken": TOKEN}
    assert house.run("up", raw, secret_keys=["gpu-ready:k3sToken"]).exit == 0
    key = house.world.machine("box").root / "etc/rancher/k3s/k3s.yaml"
    held = [line.split(": ")[1] for line in key.read_text().splitlines() if "client-key-data" in line]
    state = house.engine.store.load()
    assert held[0] in json.dumps(state)
    assert [word for word in (held[0], TOKEN) if word in json.dumps(without_secrets(state))] == []
    assert [event for event in house.events if held[0] in str(event) or TOKEN in str(event)] == []


def without_secrets(value: Any) -> Any:
    """What stands in clear."""
    if isinstance(value, dict):
        kept = () if rpc._special_sig_key in value else value.items()
        return {key: without_secrets(one) for key, one in kept}
    return [without_secrets(one) for one in value] if isinstance(value, list) else value
