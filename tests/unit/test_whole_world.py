"""The world with its machines: SSH finds them, switches reach them, their nodes follow them, and they are compared."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.cluster import host_spec
from lab.cluster.hosts import folder_of, machine_state
from lab.host import spec as machine_spec
from lab.host.machine import LOST, SWITCHES
from lab.provider import Context, ProviderError
from lab.providers import remote_command
from lab.providers.command import CommandProvider
from lab.stack_file import PLACEHOLDER
from lab.view_report import stays
from lab.world import WholeWorld, host_differences
from settings import stack_file
from tests.unit.small_world import condition, find

ROOT = Path(__file__).resolve().parents[2]
DEMO: dict[str, Any] = yaml.safe_load((ROOT / "lab/worlds/demo.yaml").read_text())


class Bench:
    """The world of the demo, and scripts sent to its hosts as resources do."""

    def __init__(self, folder: Path) -> None:
        self.world = WholeWorld(folder / "world.json")
        self.remote = self.world.remote_commands()
        self.provider = CommandProvider(remote=self.remote)
        self.said: list[str] = []

    def run(self, text: str, host: int = 0, address: str = "", **connection: Any) -> str:
        one = DEMO["hosts"][host]
        known = {"host": address or one["address"], "user": one.get("user", "root"), "hostKey": one["host_key"]}
        limits = {"dialErrorLimit": 1, "perDialTimeout": 10}
        ctx = Context("u", remote_command.COMMAND, "c", say=self.said.append)
        news = {"connection": {**known, **limits, **connection}, "create": "sh -s apply", "stdin": text}
        inputs, failures = self.provider.check(ctx, None, news)
        assert failures == []
        return str(self.provider.create(ctx, inputs)[1]["stdout"])

    def node(self, name: str) -> dict[str, Any]:
        return find(self.world, "Node", name)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: a copy of it costs less than another birth of two machines."""
    folder = tmp_path_factory.mktemp("demo")
    return WholeWorld.create(folder / "world.json", DEMO).path.parent


@pytest.fixture
def bench(untouched: Path, tmp_path: Path) -> Bench:
    return Bench(Path(shutil.copytree(untouched, tmp_path / "world", symlinks=True)))


def test_a_script_runs_on_the_machine_at_the_address_under_its_user(bench: Bench) -> None:
    assert (
        bench.run('. "$GPU_READY_ROOT/etc/os-release"; echo "$ID $(id -un) $1"; echo seen >&2') == "ubuntu ubuntu apply"
    )
    assert bench.run('. "$GPU_READY_ROOT/etc/os-release"; echo "$ID $(id -un)"', host=1) == "debian root"
    assert sorted(bench.said) == ["debian root", "seen", "ubuntu ubuntu apply"]
    assert {address: one.scripts for address, one in bench.remote.contacts.items()} == {
        "192.0.2.10": 1,
        "192.0.2.11": 1,
    }
    with pytest.raises(ProviderError, match=r'^Process exited with status 3: running "sh -s apply":\nno\n$'):
        bench.run("echo no >&2; exit 3")


def test_another_key_another_user_and_another_address_are_not_let_in(bench: Bench) -> None:
    with pytest.raises(ProviderError, match="host key mismatch"):
        bench.run("true", hostKey=DEMO["hosts"][1]["host_key"])
    with pytest.raises(ProviderError, match="unable to authenticate"):
        bench.run("true", user="root")
    with pytest.raises(ProviderError, match=r"dial tcp 192\.0\.2\.99:22: i/o timeout"):
        bench.run("true", address="192.0.2.99")


def test_a_reboot_cuts_the_script_off_closes_the_door_and_ends_in_a_new_boot_of_machine_and_node(bench: Bench) -> None:
    old = bench.node("gpu-2")["status"]["nodeInfo"]["bootID"]
    assert old == bench.run('cat "$GPU_READY_ROOT/proc/sys/kernel/random/boot_id"', host=1)

    with pytest.raises(ProviderError, match=LOST):
        bench.run("systemd-run --on-active=2 systemctl reboot; sleep 3", host=1)
    assert condition(bench.node("gpu-2"), "Ready")["status"] == "True"
    with pytest.raises(ProviderError, match=r"after 1 failed attempts: dial tcp 192\.0\.2\.11:22: connect: no route"):
        bench.run("true", host=1)

    bench.world.clock.sleep(38)
    assert condition(bench.node("gpu-2"), "Ready")["status"] == "Unknown"
    assert bench.node("gpu-2")["status"]["nodeInfo"]["bootID"] == old
    bench.world.clock.sleep(30)
    new = bench.run('cat "$GPU_READY_ROOT/proc/sys/kernel/random/boot_id"', host=1)
    assert bench.node("gpu-2")["status"]["nodeInfo"]["bootID"] == new != old
    assert condition(bench.node("gpu-2"), "Ready")["status"] == "True"
    assert condition(bench.node("gpu-1"), "Ready")["status"] == "True"


def test_a_second_stop_hangs_up_and_leaves_the_script_running_there(bench: Bench) -> None:
    killing = threading.Event()
    news = {"connection": {"host": DEMO["hosts"][1]["address"]}, "create": "sh -s", "stdin": "echo on >&2; read -r x"}
    ctx = Context("u", remote_command.COMMAND, "c", say=lambda _line: killing.set(), killing=killing)
    inputs = bench.provider.check(ctx, None, news)[0]
    with pytest.raises(ProviderError, match=LOST):
        bench.provider.create(ctx, inputs)


def test_switches_of_a_host_reach_its_machine_and_stay(bench: Bench) -> None:
    bench.world.switch("hosts.rtx.ssh", "refused")
    with pytest.raises(ProviderError, match="connection refused"):
        bench.run("true")
    bench.world.switch("hosts.rtx.ssh", "up")
    bench.world.switch("hosts.rtx.fault", "containerd-refuses")
    assert WholeWorld(bench.world.path).machine("rtx").state["fault"] == "containerd-refuses"
    assert bench.world.machine("tesla").state["fault"] == "none"
    assert bench.run("echo in") == "in"


def test_time_on_the_machines_runs_as_fast_as_for_whoever_watches(bench: Bench) -> None:
    WholeWorld(bench.world.path, speed=25.0).remote_commands()
    assert machine_state(bench.world.path, "rtx")["speed"] == 25.0
    bench.world.remote_commands()
    assert machine_state(bench.world.path, "rtx")["speed"] == 0.0


def test_hosts_are_compared_file_by_file(bench: Bench) -> None:
    before = json.loads(json.dumps(bench.world.snapshot()))
    assert bench.world.unexpected(before, bench.world.snapshot()) == []
    assert bench.world.unchanged(before, bench.world.snapshot()).keys() == {"rtx", "tesla"}

    bench.run('r=$GPU_READY_ROOT; echo x >"$r/home/ubuntu/new"; chmod 0600 "$r/etc/os-release"')
    bench.run('rm "$GPU_READY_ROOT/etc/hostname"; apt-mark hold bash; : >"$GPU_READY_ROOT/tmp/passing"', host=1)

    after = bench.world.snapshot()
    assert list(host_differences(before, after)) == bench.world.remainder(before, after)
    assert bench.world.unexpected(before, after) == [
        "host rtx: /etc/os-release differs",
        "host rtx: " + "/home" + "/ubuntu/new is new",
        "host tesla: /etc/hostname is gone",
        "host tesla: hold bash is new",
    ]
    assert bench.world.unchanged(before, after) == {}
    said = [line.text for line in stays([], [], hosts=bench.world.unchanged(before, before))]
    assert said[0].startswith("host rtx is as it was before the first up: 1")


def test_a_world_without_hosts_needs_no_machine(tmp_path: Path) -> None:
    made = WholeWorld.create(tmp_path / "world.json", {"nodes": [{"name": "cpu-1"}]})
    assert (made.hosts(), made.find("192.0.2.10", 22)) == ([], None)
    assert not folder_of(made.path, "rtx").parent.exists()


def test_cluster_and_machines_understand_the_same_description() -> None:
    assert set(host_spec.HOST) == set(machine_spec.DEFAULTS)
    assert {key: tuple(allowed) for key, allowed in host_spec.CHOICES.items()} == machine_spec.CHOICES
    assert set(host_spec.SWITCHES) <= set(SWITCHES)
    assert host_spec.HOST["password"] == PLACEHOLDER
    for host in DEMO["hosts"]:
        assert host["host_key"] == host_spec.made_up_key(host["name"])


def test_the_stack_of_the_demo_declares_the_hosts_of_its_world() -> None:
    declared = json.loads(stack_file.read(ROOT, "demo").own()["bareMetal"])["hosts"]
    known = {host["name"]: (host["address"], host["host_key"], host.get("user")) for host in DEMO["hosts"]}
    assert {host["name"]: (host["address"], host["hostKey"], host.get("user")) for host in declared} == known


@pytest.mark.parametrize(
    ("runtime", "build"), [("k3s", "+k3s1"), ("rke2-agent", "+rke2r1"), ("k0s", "+k0s"), ("containerd", "")]
)
def test_a_kubelet_says_whose_kubernetes_it_is(tmp_path: Path, runtime: str, build: str) -> None:
    about = yaml.safe_load((ROOT / "lab/worlds/homelab-k3s.yaml").read_text())
    about["hosts"][0]["runtime"] = runtime
    place = folder_of(tmp_path / "world.json", "box")
    place.mkdir(parents=True)
    (place / "machine.json").write_text(json.dumps({"runtime": runtime}))
    world = WholeWorld.outline(tmp_path / "world.json", about)
    assert find(world, "Node", "box")["status"]["nodeInfo"]["kubeletVersion"] == f"v1.35.4{build}"
