"""`join: k3s`: what a stack file may say, what the plan makes of it, and the program on a machine with nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi.runtime import rpc

import settings
from decide import host_plan
from lab.world import WholeWorld
from tests.effort import long
from tests.unit.house import ROOT, House
from tests.unit.small_host import facts

NAME = "homelab-k3s-new"
WORLD: dict[str, Any] = yaml.safe_load((ROOT / f"lab/worlds/{NAME}.yaml").read_text())
CONFIG: dict[str, Any] = {
    key.removeprefix("gpu-ready:"): value
    for key, value in yaml.safe_load((ROOT / f"stacks/Pulumi.{NAME}.yaml").read_text())["config"].items()
}
BARE: dict[str, Any] = CONFIG["bareMetal"]
BOX: dict[str, Any] = BARE["hosts"][0]
SECRETS = ["gpu-ready:k3sToken"]
TOKEN = "K10not-a-real-token"
ALONE = {"name": "second", "address": "192.0.2.21", "hostKey": BOX["hostKey"],
         "join": {"k3s": "agent", "server": "https://first:6443"}}  # fmt: skip
KEPT = {**BARE["k3s"], "removeData": False}
K3S = {"kind": "k3s", "version": "2.1.5", "config": "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
       "handlers": ["nvidia", "runc"], "unit": "k3s", "template": "", "default": ""}  # fmt: skip
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
    there = settings.parse({**config(ALONE, cluster={"context": "home"}), "k3sToken": ""}, secret_keys=["k3sToken"])
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


@pytest.mark.parametrize(
    ("raw", "secrets", "stays"),
    [
        (config(), [], []),
        (config(k3s=KEPT), [], ["custom resource", "node labels", "the data of k3s on box"]),
        (config(ALONE, k3s=KEPT, cluster={"context": "home"}), ["k3sToken"],
         ["custom resource", "node labels", "the data of k3s on second", "the nodes of second"]),
    ],
)  # fmt: skip
def test_what_destroy_leaves_is_said(raw: dict[str, Any], secrets: list[str], stays: list[str]) -> None:
    wish = settings.parse({**raw, **dict.fromkeys(secrets, "")}, secret_keys=secrets)
    found = [one.what for one in wish.remainder()]
    assert [one for one, begins in zip(found, stays, strict=True) if one.startswith(begins)] == found


# --- what is decided --------------------------------------------------------------------------------------------------


def wish(**join: Any) -> dict[str, Any]:
    known = {"k3s": "server", "version": "v1.34.1+k3s1", "sha256": "0" * 64, **join}
    return {"name": "rtx", "driver": {"source": "auto"}, "join": known}


BEFORE: dict[str, Any] = {"kubelet": False, "runtime": {**K3S, "kind": "", "unit": "", "handlers": [], "config": ""}}
AFTER: dict[str, Any] = {
    "kubelet": True,
    "k3s": "program",
    "runtime": K3S,
    "ours": {"driver": "distro 580 open", "toolkit": "1.20.0", "runtime": False, "join": "server"},
}


def test_the_plan_is_the_same_before_and_after() -> None:
    plans = [host_plan.plan(facts(**said), wish()) for said in (BEFORE, AFTER)]
    assert all(isinstance(one, host_plan.Plan) for one in plans), plans
    first, second = (one.values for one in plans if isinstance(one, host_plan.Plan))
    assert first == second
    assert first["runtime"] == {"GR_KIND": "k3s", "GR_UNIT": "k3s"}
    assert first["join"]["GR_URL"].endswith("/v1.34.1+k3s1/k3s")


@pytest.mark.parametrize(
    ("said", "asked", "problem"),
    [
        ({**AFTER, "ours": {**AFTER["ours"], "join": ""}}, wish(), "this machine is a node already: k3s runs there"),
        ({**BEFORE, "kubelet": True}, wish(), "this machine is a node already: its kubelet has joined"),
        ({**BEFORE, "k3s": "data"}, wish(), "there is a k3s already (data)"),
        (AFTER, wish(k3s="agent", server="https://a:6443"), "this machine is k3s server of this stack, and agent"),
        (AFTER, {"name": "rtx"}, "this machine is k3s server by gpu-ready, and join is not said any more"),
    ],
)
def test_what_is_somebodys_is_refused_before_anything_is_done(said: Any, asked: Any, problem: str) -> None:
    refused = host_plan.plan(facts(**said), asked)
    assert isinstance(refused, tuple)
    assert [one.id for one in refused] == ["HST-98"]
    assert refused[0].problem.startswith(problem)


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
    assert WholeWorld.remainder(before, house.world.snapshot()) == [], "the cluster went too"


@long
def test_the_key_to_the_cluster_and_the_token_stand_in_no_state_in_clear(tmp_path: Path) -> None:
    house = House(tmp_path, WORLD)
    raw = {**CONFIG, "k3sToken": TOKEN}
    assert house.run("up", raw, secret_keys=SECRETS).exit == 0
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


BOTH: dict[str, Any] = {
    **WORLD,
    "hosts": [
        WORLD["hosts"][0],
        {**WORLD["hosts"][0], "name": "second", "address": "192.0.2.21", "node": "second", "host_key": ""},
    ],
}


def second(world: WholeWorld, **more: Any) -> dict[str, Any]:
    key = world.machine("second").host_key
    return {"name": "second", "address": "192.0.2.21", "user": "ubuntu", "hostKey": key, **more}


@long
def test_an_agent_joins_the_server_of_its_stack(tmp_path: Path) -> None:
    house = House(tmp_path, BOTH)
    before = house.world.snapshot()
    raw = {**config(BOX, second(house.world, join={"k3s": "agent"})), "k3sToken": TOKEN}
    made = house.run("up", raw, secret_keys=SECRETS)
    assert (made.exit, made.errors) == (0, [])
    assert {name: one["node"] for name, one in made.outputs["hosts"].items()} == {"box": "box", "second": "second"}
    assert house.run("up", raw, secret_keys=SECRETS, expect_no_changes=True).exit == 0
    assert house.run("destroy", raw, secret_keys=SECRETS).exit == 0
    assert WholeWorld.remainder(before, house.world.snapshot()) == []


@long
def test_an_agent_joins_a_cluster_that_is_there_and_leaves_its_node_behind(tmp_path: Path) -> None:
    there = {"context": "home", "nodes": [{"name": "first"}]}
    house = House(tmp_path, {**BOTH, **there, "hosts": BOTH["hosts"][1:]})
    before = house.world.snapshot()
    join = {"k3s": "agent", "server": "https://192.0.2.1:6443"}
    raw = {**config(second(house.world, join=join), cluster={"context": "home"}), "k3sToken": TOKEN}
    made = house.run("up", raw, secret_keys=SECRETS)
    assert (made.exit, made.errors) == (0, [])
    assert "kubeconfig" not in made.outputs
    assert "the nodes of second" in made.outputs["destroy_hint"]
    assert house.run("destroy", raw, secret_keys=SECRETS).exit == 0
    assert WholeWorld.unexpected(before, house.world.snapshot()) == [
        "Node/second is new",
        "RuntimeClass/nvidia is gone",  # only a server brings it back
    ]


@long
def test_an_agent_whose_server_is_silent_is_told_so_and_what_was_done_is_taken_back(tmp_path: Path) -> None:
    there = {"context": "home", "nodes": [{"name": "first"}]}
    house = House(tmp_path, {**BOTH, **there, "hosts": [{**BOTH["hosts"][1], "fault": "k3s-server-silent"}]})
    before = house.world.snapshot()
    join = {"k3s": "agent", "server": "https://192.0.2.1:6443"}
    raw = {**config(second(house.world, join=join), cluster={"context": "home"}), "k3sToken": TOKEN}
    made = house.run("up", raw, secret_keys=SECRETS)
    assert made.exit == 1
    assert [text for text in made.errors if "HST-99 node: k3s-agent is not ready after 180 s" in text], made.errors
    assert house.run("destroy", raw, secret_keys=SECRETS).exit == 0
    assert [one for one in WholeWorld.unexpected(before, house.world.snapshot()) if one.startswith("host")] == []


@long
def test_join_that_is_left_out_again_takes_no_cluster_away_unasked(tmp_path: Path) -> None:
    house = House(tmp_path, WORLD)
    assert house.run("up", CONFIG).exit == 0
    raw = config({key: value for key, value in BOX.items() if key != "join"}, k3s=None, cluster={"context": "none-yet"})
    failed = house.run("up", raw)
    assert failed.exit == 1
    assert [text for text in failed.errors if "join is not said any more" in text], failed.errors
    assert house.world.machine("box").state["services"]["k3s"]["active"]
