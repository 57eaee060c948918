"""The instance store of a host: found, made one, used for what the container runtime keeps, and given back."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from lab.host.machine import Machine, Snapshot
from tests.effort import long
from tests.host.chain import WISH, Chain
from tests.host.stepping import stepped

EVERY_LINE = os.environ.get("GPU_READY_EVERY_LINE") == "1"
A10G = "NVIDIA A10G"
WITH_STORE = {**WISH, "instance_store": "containers", "operator": "none", "runtime_class": "none"}
G5: dict[str, Any] = {
    "name": "g5", "cards": [A10G], "driver": "580.173.02", "toolkit": "1.20.0", "distro": "rocky-9", "user": "root",
    "instance_store": ["blank"],
}  # fmt: skip
FOLDER, OURS, CLAIM = "/var/lib/containerd", "/var/lib/gpu-ready/", "/var/lib/gpu-ready/claim"
BOOT = "/usr/local/sbin/gpu-ready-store"


def host(folder: Path, **more: Any) -> Chain:
    return Chain(Machine.create(folder / "machine", {**G5, **more}), WITH_STORE)


def with_store(folder: Path, **more: Any) -> Chain:
    chain = host(folder, **more)
    chain.do("tools", "store")
    return chain


def kept(chain: Chain, folder: str = FOLDER) -> dict[str, str]:
    """What the container runtime finds where it looks."""
    root = chain.machine.root / folder[1:]
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def disks(chain: Chain) -> list[list[list[str]]]:
    """The signatures on each disk that is not the system's."""
    return [one["signs"] for name, one in chain.machine.state["disks"].items() if "Block_Store" not in name]


def at_work(chain: Chain) -> set[str]:
    return {name for name, one in chain.machine.state["services"].items() if one["active"]}


def journal(chain: Chain) -> str:
    return (chain.machine.folder / "journal.log").read_text()


def refused(chain: Chain, *steps: str) -> str:
    chain.do(*steps)
    chain.texts["store"] = chain.text("store")
    ended = chain.run("store")
    assert ended.ending == "exit status 3", ended
    return ended.stderr.decode()


def differing(before: Snapshot, after: Snapshot) -> list[str]:
    old, new = ({**one, CLAIM: CLAIM in one} for one in (before, after))
    return sorted(key for key in old | new if old.get(key) != new.get(key))


PLACES: dict[str, dict[str, Any]] = {
    "/var/lib/containerd": {},
    "/var/lib/docker": {"runtime": "docker", "distro": "debian-12"},
    "/var/lib/rancher/k3s/agent/containerd": {"runtime": "k3s", "distro": "ubuntu-24.04"},
    "/var/lib/rancher/rke2/agent/containerd": {"runtime": "rke2-agent"},
}


@long
@pytest.mark.parametrize("folder", [*PLACES])
def test_what_the_runtime_keeps_moves_to_the_disk_and_back(tmp_path: Path, folder: str) -> None:
    chain = host(tmp_path, **PLACES[folder])
    machine, start, before, running = chain.machine, chain.machine.snapshot(), kept(chain, folder), at_work(chain)
    assert before
    chain.do("tools", "store")
    assert list(machine.state["mounts"]) == [folder]
    assert kept(chain, folder) == before
    assert chain.answers["store"] == {"store": folder, "disks": 1}
    assert at_work(chain) == running

    done, calls = machine.snapshot(), len(machine.calls())
    chain.do("store")
    assert differing(done, machine.snapshot()) == []
    assert not [call for call in machine.calls()[calls:] if " stop " in call or "mkfs" in call or "wipefs -q" in call]

    for step in ("store", "tools"):
        assert chain.run(step, "remove").ending == ""
    assert machine.state["mounts"] == {}
    assert disks(chain) == [[]]
    assert kept(chain, folder) == before
    assert differing(start, machine.snapshot()) == []


def test_the_runtime_stands_still_while_it_moves(tmp_path: Path) -> None:
    chain = with_store(tmp_path)
    calls = [call.partition(" ")[2] for call in chain.machine.calls()]
    order = [
        "systemctl stop kubelet",
        "rmp -fa",
        "systemctl stop kubelet containerd",
        f"mount -o noatime.*{FOLDER}",
        "start",
    ]
    last = -1
    for one in order:
        last = next(at for at, call in enumerate(calls) if at > last and re.search(one, call))


@pytest.mark.parametrize("name", ["rocky-9", "debian-12"])
@long
def test_several_disks_are_one_and_mdadm_comes_and_goes(tmp_path: Path, name: str) -> None:
    chain = host(tmp_path, distro=name, instance_store=["blank", "blank"])
    start = chain.machine.snapshot()
    chain.do("tools", "store")
    assert chain.machine.state["mounts"] == {FOLDER: "/dev/md127"}
    assert "mdadm" in chain.machine.state["packages"]
    assert chain.answers["store"]["disks"] == 2
    chain.machine.power_cut()
    chain.machine.pass_time(100)
    assert kept(chain)
    chain.do("store")
    for step in ("store", "tools"):
        assert chain.run(step, "remove").ending == ""
    assert disks(chain) == [[], []]
    assert differing(start, chain.machine.snapshot()) == []


@pytest.mark.parametrize("many", [1, 2])
@long
def test_after_a_stop_blank_disks_are_made_anew_before_the_runtime_starts(tmp_path: Path, many: int) -> None:
    chain = with_store(tmp_path, instance_store=["blank"] * many)
    before = {one["uuid"] for one in chain.machine.state["disks"].values()} - {""}
    chain.machine.stop_and_start()
    chain.machine.pass_time(100)
    state = chain.machine.state
    assert list(state["mounts"]) == [FOLDER]
    assert not before & {one["uuid"] for one in state["disks"].values()}
    assert state["services"]["containerd"]["active"]
    assert kept(chain) == {}
    done = chain.machine.snapshot()
    chain.do("store")
    assert differing(done, chain.machine.snapshot()) == []


def test_after_a_reboot_it_is_the_same_disk_whatever_its_number(tmp_path: Path) -> None:
    chain = with_store(tmp_path)
    before, state = kept(chain), chain.machine.state
    chain.machine.power_cut()
    chain.machine.pass_time(100)
    now = chain.machine.state
    assert now["mounts"] == state["mounts"]
    (name,) = state["mounts"].values()
    assert now["disks"][name]["device"] != state["disks"][name]["device"]
    assert kept(chain) == before
    assert now["services"]["containerd"]["active"]


def test_a_disk_with_something_on_it_is_never_touched(tmp_path: Path) -> None:
    chain = host(tmp_path, instance_store=["ext4 data"])
    said = chain_refusals(chain)
    assert "DSK-1 disk: /dev/disk/by-id/nvme-Amazon_EC2_NVMe_Instance_Storage_" in said
    assert "is not blank: ext4 data" in said
    assert "fix: save what is on it" in said
    assert disks(chain) == [[["ext4", "data"]]]


def chain_refusals(chain: Chain) -> str:
    """What the first step says of the plan."""
    chain.do("tools")
    chain.texts["driver"] = chain.text("driver")
    ended = chain.run("driver")
    assert ended.ending == "exit status 3", ended
    return ended.stderr.decode()


def test_a_disk_that_somebody_used_since_the_look_is_not_touched_either(tmp_path: Path) -> None:
    chain = host(tmp_path)
    chain.do("tools")
    signed(chain.machine, ["xfs", "theirs"])
    before = chain.machine.snapshot()
    said = refused(chain)
    assert "DSK-1 disk" in said
    assert "xfs theirs" in said
    assert disks(chain) == [[["xfs", "theirs"]]]
    assert [path for path in differing(before, chain.machine.snapshot()) if not path.startswith(OURS)] == []


def signed(machine: Machine, sign: list[str]) -> None:
    """Somebody made a file system there."""
    box = machine._box()
    with box.locked():
        for name, one in box.state["disks"].items():
            if "Instance_Storage" in name:
                one["signs"] = [sign]
        box.save()


@long
def test_a_boot_that_finds_a_foreign_disk_starts_no_runtime_and_touches_nothing(tmp_path: Path) -> None:
    chain = with_store(tmp_path)
    chain.machine.stop_and_start()
    # As if another one had taken it before our unit ran: what that did is undone.
    chain.machine.power_cut()
    signed(chain.machine, ["ext4", "theirs"])
    chain.machine.power_cut()
    chain.machine.pass_time(300)
    assert not chain.machine.state["services"]["containerd"]["active"]
    assert "DSK-1 disk" in journal(chain)
    assert disks(chain) == [[["ext4", "theirs"]]]
    assert "DSK-1" in refused(chain)
    assert chain.run("store", "remove").ending == ""
    assert chain.machine.state["services"]["containerd"]["active"]
    assert disks(chain) == [[["ext4", "theirs"]]]


def test_without_a_disk_it_is_refused(tmp_path: Path) -> None:
    assert "DSK-2 disk: the host has no instance store" in chain_refusals(host(tmp_path, instance_store=[]))


def test_what_does_not_fit_back_stays_and_is_told(tmp_path: Path) -> None:
    chain = with_store(tmp_path)
    before, done = kept(chain), chain.machine.snapshot()
    (chain.machine.folder / "free").write_text("5000\n")
    ended = chain.run("store", "remove")
    assert ended.ending == "exit status 3"
    assert b"DSK-4 disk" in ended.stderr
    assert b"5 MB are free" in ended.stderr
    assert kept(chain) == before
    assert differing(done, chain.machine.snapshot()) == []
    assert chain.machine.state["services"]["containerd"]["active"]


@long
def test_a_runtime_that_does_not_come_up_on_it_gets_its_old_folder_back(tmp_path: Path) -> None:
    chain = host(tmp_path)
    chain.do("tools")
    before, content = chain.machine.snapshot(), kept(chain)
    config = chain.machine.root / "etc/containerd/config.toml"
    good = config.read_text()
    config.write_text("version = [\n")
    said = refused(chain)
    assert "DSK-5 disk: containerd did not come back with its instance store" in said
    config.write_text(good)
    assert kept(chain) == content
    assert disks(chain) == [[]]
    assert [path for path in differing(before, chain.machine.snapshot()) if not path.startswith(OURS)] == []
    chain.do("store")
    assert kept(chain) == content


@long
@pytest.mark.parametrize("verb", ["apply", "remove"])
@pytest.mark.parametrize("many", [1, 2] if EVERY_LINE else [1])
def test_it_may_be_killed_at_each_change(tmp_path: Path, verb: str, many: int) -> None:
    chain = host(tmp_path, instance_store=["blank"] * many)
    machine = chain.machine
    chain.do("tools")
    before, content, running = machine.snapshot(), kept(chain), at_work(chain)
    chain.texts["store"] = chain.text("store")
    if verb == "remove":
        chain.do("store")
    with stepped(machine, tmp_path / "steps", keep=True) as watch:
        assert chain.run("store", verb).ending == ""
    after, crashes, faults = machine.snapshot(), watch.kept(), []
    assert len(crashes) > 10
    for crash in crashes if EVERY_LINE else crashes[4::12]:
        for boots in (False, True):
            for then in ("apply", "remove"):
                machine.restore(crash)
                if boots:
                    machine.power_cut()
                    machine.pass_time(100)
                ended = chain.run("store", then)
                wanted = after if then == verb else before
                told = f"{crash.name} {'booted, ' if boots else ''}{then}"
                faults += [f"{told}: {ended.mixed.decode()}"] if ended.ending else []
                faults += [f"{told}: {kept(chain)}"] if kept(chain) != content else []
                faults += [f"{told}: not at work {running - at_work(chain)}"] if running - at_work(chain) else []
                if then in (verb, "remove"):
                    left = [path for path in differing(wanted, machine.snapshot()) if not path.startswith(OURS)]
                    faults += [f"{told}: {path}" for path in left]
    assert "\n".join(faults) == ""
