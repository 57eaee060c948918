"""Nodes that are hosts: described strictly, and showing what the machine behind them is."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from lab.cluster import derive
from lab.cluster.host_spec import made_up_key
from lab.cluster.hosts import folder_of
from lab.cluster.spec import WorldError, normal
from lab.cluster.world import World
from tests.unit.small_world import CPU, answer, condition, find, job, run_job, with_operator

RTX: dict[str, Any] = {
    "name": "rtx",
    "address": "192.0.2.10",
    "cards": ["NVIDIA GeForce RTX 4070"],
    "node": "gpu-1",
}
MACHINE: dict[str, Any] = {
    "boot_id": "11111111-2222-4333-8444-555555555555",
    "machine_id": "a" * 32,
    "up": True,
    "driver": None,
    "cards": ["NVIDIA GeForce RTX 4070"],
    "handlers": ["runc"],
    "containerd": "1.7.24",
    "kernel": "6.8.0-71-generic",
    "os_image": "Ubuntu 24.04.3 LTS",
}


class House:
    """A world with one host, whose machine is a file."""

    def __init__(self, folder: Path, **spec: Any) -> None:
        self.path = folder / "world.json"
        self.state = copy.deepcopy(MACHINE)
        self.tell()
        self.world = World.create(self.path, {"nodes": [CPU], "hosts": [RTX], **spec})

    def tell(self, **changes: Any) -> None:
        """What the machine writes about itself."""
        self.state.update(changes)
        folder = folder_of(self.path, "rtx")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "machine.json").write_text(json.dumps(self.state))

    @property
    def node(self) -> dict[str, Any]:
        return find(self.world, "Node", "gpu-1")

    def ready(self, after: float = 0) -> str:
        self.world.clock.sleep(after)
        return str(condition(self.node, "Ready")["status"])


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_node_shows_what_its_machine_is(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    info = answer(house.world, capsys, "get", "node", "gpu-1", "-o", "json")["status"]["nodeInfo"]
    assert info["bootID"] == MACHINE["boot_id"]
    assert info["machineID"] == MACHINE["machine_id"]
    assert (info["osImage"], info["kernelVersion"]) == ("Ubuntu 24.04.3 LTS", "6.8.0-71-generic")
    assert info["containerRuntimeVersion"] == "containerd://1.7.24"
    assert find(house.world, "Node", "cpu-1")["status"]["nodeInfo"].get("bootID") is None


def test_runtime_handlers_are_shown_where_the_runtime_tells_them(house: House) -> None:
    assert "runtimeHandlers" not in house.node["status"]
    house.tell(containerd="2.1.4", handlers=["runc", "nvidia"])
    assert [one["name"] for one in house.node["status"]["runtimeHandlers"]] == ["", "runc", "nvidia"]
    house.tell(containerd="1.7.24")
    assert "runtimeHandlers" not in house.node["status"]


def test_driver_and_handler_of_the_machine_are_what_pods_meet(house: House) -> None:
    on_host = {"driver": {"enabled": False}, "toolkit": {"enabled": False}}
    with_operator(house.world, on_host)
    house.world.clock.sleep(200)
    assert "nvidia.com/gpu" not in house.node["status"]["capacity"]

    house.tell(driver="580.126.20", handlers=["runc", "nvidia"])
    assert house.ready() == "True"
    house.world.clock.sleep(200)
    assert house.node["status"]["capacity"]["nvidia.com/gpu"] == "1"
    done = run_job(house.world, job("check", runtimeClassName="nvidia"))
    assert condition(done, "Complete")["status"] == "True"
    labels = house.node["metadata"]["labels"]
    assert labels["nvidia.com/gpu.product"] == "NVIDIA-GeForce-RTX-4070"
    assert labels["feature.node.kubernetes.io/system-os_release.ID"] == "ubuntu"
    assert labels["feature.node.kubernetes.io/system-os_release.VERSION_ID"] == "24.04"


def test_a_machine_that_is_off_makes_its_node_not_ready_after_some_time(house: House) -> None:
    house.world.switch("hosts.rtx.ssh", "off")
    assert house.ready() == "True"
    assert house.ready(after=30) == "True"
    assert house.ready(after=15) == "Unknown"
    assert {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"} in house.node["spec"]["taints"]
    house.world.switch("hosts.rtx.ssh", "up")
    assert house.ready() == "True"
    assert "taints" not in house.node["spec"]


def test_during_a_reboot_the_node_keeps_its_old_boot_id_and_comes_back_with_the_new_one(house: House) -> None:
    before = house.world.snapshot()
    house.tell(boot_id="new", off_until=60.0, up=False)
    assert (house.ready(after=20), house.node["status"]["nodeInfo"]["bootID"]) == ("True", MACHINE["boot_id"])
    assert (house.ready(after=25), house.node["status"]["nodeInfo"]["bootID"]) == ("Unknown", MACHINE["boot_id"])
    assert (house.ready(after=16), house.node["status"]["nodeInfo"]["bootID"]) == ("Unknown", MACHINE["boot_id"])
    assert (house.ready(after=5), house.node["status"]["nodeInfo"]["bootID"]) == ("True", "new")
    assert house.world.snapshot() == before, "a reboot that was consented to is nothing to take back"


def test_a_reboot_that_is_due_takes_the_machine_down_before_anybody_looked(house: House) -> None:
    house.tell(reboot_at=2.0)
    assert house.ready(after=1) == "True"
    assert house.ready(after=43) == "Unknown"
    assert house.ready(after=30) == "True"


def test_a_machine_that_writes_nonsense_changes_nothing(house: House) -> None:
    before = house.world.snapshot()
    (folder_of(house.path, "rtx") / "machine.json").write_text("{")
    assert house.ready() == "True"
    assert house.world.snapshot() == before


def test_a_declared_node_keeps_its_taints_and_a_host_may_be_no_node(tmp_path: Path) -> None:
    taints = ["dedicated=gpu:NoSchedule"]
    lone = {**RTX, "name": "lone", "address": "192.0.2.12", "node": ""}
    house = House(tmp_path, nodes=[CPU, {"name": "gpu-1", "taints": taints}], hosts=[RTX, lone])
    assert house.node["spec"]["taints"][0]["key"] == "dedicated"
    with house.world.open() as cluster:
        assert [one["name"] for one in cluster.spec["nodes"]] == ["cpu-1", "gpu-1"]
        assert cluster.spec["hosts"][0]["host_key"] == made_up_key("rtx")


def test_what_a_machine_decides_is_no_switch_of_its_node(house: House) -> None:
    with pytest.raises(WorldError, match="the node is host rtx: driver is what that machine has"):
        house.world.switch("nodes.gpu-1.driver", "580.126.20")
    with pytest.raises(WorldError, match=r"did you mean 'hosts\.rtx\.ssh'"):
        house.world.switch("hosts.rtx.shs", "off")
    with pytest.raises(WorldError, match="'of' is not one of 'up', 'refused'"):
        house.world.switch("hosts.rtx.ssh", "of")
    house.world.switch("nodes.gpu-1.labels", {"pool": "gpu"})
    assert house.node["metadata"]["labels"]["pool"] == "gpu"
    assert house.node["status"]["nodeInfo"]["bootID"] == MACHINE["boot_id"]


@pytest.mark.parametrize(
    ("host", "complaint"),
    [
        ({"adress": "x"}, "hosts[0].adress: there is no such key; did you mean 'address'?"),
        ({"address": ""}, "hosts[0].address: is missing, for example 192.0.2.10"),
        ({"name": ""}, "hosts[0].name: is missing, for example rtx"),
        (
            {"distro": "debian-1"},
            "hosts[0].distro: 'debian-1' is not one of 'ubuntu-24.04', 'debian-12', ",
        ),
        (
            {"distro": "debian-13"},
            "hosts[0].distro: debian-13 is not in the rehearsal: nobody but NVIDIA has the key",
        ),
        ({"cards": ["Tesla T5"]}, "hosts[0].cards: 'Tesla T5' is not in the catalog; did you mean 'Tesla T4'?"),
        ({"cards": "Tesla T4"}, "hosts[0].cards: 'Tesla T4' should look like []"),
        ({"port": "22"}, "hosts[0].port: '22': a whole number from 0 on belongs here"),
        ({"fault": "apt"}, "hosts[0].fault: 'apt' is not one of"),
    ],
)
def test_what_is_wrong_with_a_host_is_told_with_its_path(host: dict[str, Any], complaint: str) -> None:
    with pytest.raises(WorldError) as caught:
        normal({"hosts": [{**RTX, **host}]})
    assert complaint in str(caught.value)


def test_off_is_a_word_to_us_and_a_truth_value_to_yaml(house: House) -> None:
    assert normal({"hosts": [{**RTX, "ssh": False}]})["hosts"][0]["ssh"] == "off"
    house.world.switch("hosts.rtx.ssh", False)
    assert house.ready(after=60) == "Unknown"
    house.world.switch("hosts.rtx.ssh", True)
    assert house.ready() == "True"


def test_a_wrong_value_for_a_host_is_told_once_in_the_words_of_whoever_gave_it(house: House) -> None:
    with pytest.raises(WorldError) as refused:
        house.world.switch("hosts.rtx.ssh", 1.5)
    assert str(refused.value) == "1.5 is not one of 'up', 'refused', 'silent', 'off', 'denied'"


def test_hosts_are_maps_and_no_two_are_the_same() -> None:
    with pytest.raises(WorldError, match=r"hosts\[0\]: must be a map such as"):
        normal({"hosts": ["rtx"]})
    with pytest.raises(WorldError) as caught:
        normal({"hosts": [RTX, RTX]})
    assert str(caught.value).splitlines() == [
        "hosts: two have the name rtx",
        "hosts: two have the node gpu-1",
        "hosts: two have the address 192.0.2.10:22",
    ]


class Wish:
    """Settings of a stack file with hosts, as far as a world needs them."""

    target = "bareMetal"

    def __init__(self, *hosts: dict[str, Any]) -> None:
        plain = type("Plain", (), {})
        self.cluster, self.gpu, self.validation = plain(), plain(), plain()
        self.cluster.__dict__.update(context="home", nodes=(), node_selector={}, tolerations=[{"key": "dedicated"}])
        operator = plain()
        operator.__dict__.update(mode="install", namespace="gpu-operator")
        self.gpu.__dict__.update(operator=operator, driver=None, toolkit=None, runtime_class=None)
        self.validation.gpus = 2
        self.given = hosts

    def hosts_args(self) -> list[dict[str, Any]]:
        return list(self.given)


def test_a_world_is_derived_from_the_declared_hosts() -> None:
    key = made_up_key("mine")
    one = {"name": "a", "address": "gpu.example", "port": 2222, "user": "me", "host_key": key, "sudo": "password"}
    there = {"name": "b", "address": "192.0.2.7", "host_key": key, "state": "offline", "node_name": "node-b"}
    two = {**there, "wish": {"driver": {"source": "keep"}}}
    three = {"name": "c", "address": "192.0.2.8", "host_key": key, "wish": {"driver": {"source": "cudaRepo"}}}

    world = normal(derive.world(Wish(one, two, three)))

    first, second, third = world["hosts"]
    assert (first["address"], first["port"], first["user"], first["sudo"]) == ("gpu.example", 2222, "me", "password")
    assert (first["host_key"], first["node"], len(first["cards"])) == (key, "gpu-1", 2)
    assert (second["ssh"], second["driver"], second["node"]) == ("off", "580.126.20", "node-b")
    assert (third["distro"], third["driver"], third["node"]) == ("debian-12", None, "gpu-3")
    assert [node["name"] for node in world["nodes"]] == ["cpu-1", "gpu-1", "node-b", "gpu-3"]
    assert [node["host"] for node in world["nodes"]] == ["", "a", "b", "c"]
    assert world["nodes"][1]["taints"] == [{"key": "dedicated", "effect": "NoSchedule"}]
