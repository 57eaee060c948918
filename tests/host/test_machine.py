"""A simulated machine as its callers see it: log-ins, reboots, faults, snapshots."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lab.host.machine import LOST, Machine
from lab.host.spec import BadSpec, checked
from lab.host.standins.box import dumps, loads
from lab.host.standins.tools import MODULES
from lab.host.tools import REPOSITORY
from lab.providers.transport import Script
from tests.host.small_machine import CARD, TOOLKIT, UBUNTU_DRIVER, Bench, born, sh


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine.create(tmp_path / "machine", {"name": "rtx", "cards": [CARD], "sudo": "password"})


def test_a_spec_with_faults_is_refused_with_all_of_them() -> None:
    with pytest.raises(BadSpec) as refused:
        checked({"cards": ["Voodoo 2"], "distro": "beos", "colour": "red"})
    for words in ("Voodoo 2", "distro: 'beos' is none of", "colour: unknown", "name: is missing"):
        assert words in str(refused.value)


def test_a_script_runs_with_its_own_root_tools_and_user(machine: Machine) -> None:
    ended = machine.run(
        Script("sh -s apply", stdin='echo "$1 $(id -un) $(uname -r)"; pwd; apt-get check; exit 3'), "ubuntu"
    )
    assert ended.ending == "exit status 3"
    assert ended.stdout.decode().splitlines()[:2] == ["apply ubuntu 6.8.0-117-generic", str(machine.root)]


def test_lines_are_said_while_it_runs(machine: Machine) -> None:
    said: list[str] = []
    script = Script("sh -s", stdin="echo one; echo two >&2", logging=frozenset({"stderr"}))
    ended = machine.run(script, "root", said.append)
    assert (said, ended.ending, ended.stdout, ended.stderr) == (["two"], "", b"one\n", b"two\n")


def test_nothing_of_the_real_machine_is_called(machine: Machine) -> None:
    script = "for name in dnf rpm curl wget gpg lspci python3 nvidia-smi; do command -v $name; done; exit 0"
    assert sh(machine, script).stdout == b""
    where = sh(
        machine, "".join(f"command -v {name};" for name in ("apt-get", "modprobe", "systemctl", "sudo", "sleep"))
    )
    assert all(line.startswith(str(machine.folder)) for line in where.stdout.decode().splitlines())


def test_a_program_is_there_once_its_package_is(machine: Machine) -> None:
    install = f"apt-get -qq update; apt-get install -y {' '.join(UBUNTU_DRIVER)} >&2; modprobe nvidia; nvidia-smi -L"
    assert sh(machine, install).stdout.decode().splitlines()[-1].startswith("GPU 0: ")
    assert sh(machine, "apt-get purge -y nvidia-utils-580-server; nvidia-smi").ending == "exit status 127"


def test_each_stand_in_has_its_function() -> None:
    for name, module in MODULES.items():
        loaded = __import__(f"lab.host.standins.{module}", fromlist=["main"])
        assert callable(getattr(loaded, name.replace("-", "_").replace(".", "_"))), name


def test_no_stand_in_loads_what_takes_longer_than_itself() -> None:
    modules = sorted({f"lab.host.standins.{module}" for module in MODULES.values()})
    slow = "{'re', 'json', 'pathlib', 'typing', 'contextlib', 'functools', 'collections', 'enum', 'subprocess'}"
    load = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); import {', '.join(modules)}"
    program = f"{load}; print(*{slow} & {{*sys.modules}})"
    ended = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "\n"


def test_the_state_is_read_as_json_reads_it() -> None:
    value = {"a": [1, 2.5, True, None, 'ü\n"q"'], "b": {}, "c": {"d": -1}}
    assert loads(dumps(value)) == value


# sudo


@pytest.mark.parametrize(
    ("how", "call", "status", "words"),
    [
        ("passwordless", "sudo -n id -u", "", "0"),
        ("password", "sudo -n id -u", "exit status 1", "sudo: a password is required"),
        ("password", "echo rehearsal | sudo -k -S -p '' id -u", "", "0"),
        ("password", "yes no | sudo -S -p '' id -u", "exit status 1", "3 incorrect password attempts"),
        ("password", "sudo -S id -u </dev/null", "exit status 1", "no password was provided"),
        ("none", "echo rehearsal | sudo -S -p '' id -u", "exit status 1", "ubuntu is not in the sudoers file."),
        ("none", "sudo -n true", "exit status 1", "sudo: a password is required"),
        ("passwordless", "GR_SECRET=x sudo -n env", "", "SUDO_USER=ubuntu"),
        ("passwordless", "sudo -n no-such-thing", "exit status 1", "sudo: no-such-thing: command not found"),
    ],
)  # fmt: skip
def test_sudo_asks_as_it_does(tmp_path: Path, how: str, call: str, status: str, words: str) -> None:
    machine = Machine.create(tmp_path / "machine", {"name": "rtx", "sudo": how})
    ended = sh(machine, call, "ubuntu")
    assert (ended.ending, words in ended.mixed.decode()) == (status, True)
    assert b"GR_SECRET" not in ended.mixed


def test_sudo_leaves_the_rest_of_stdin_to_the_command(machine: Machine) -> None:
    ended = sh(machine, "printf 'rehearsal\\nfor the command\\n' | sudo -k -S -p '' cat", "ubuntu")
    assert ended.stdout == b"for the command\n"


def test_only_root_restarts_services(machine: Machine) -> None:
    ended = sh(machine, "systemctl restart containerd", "ubuntu")
    assert (ended.ending, b"Interactive authentication required" in ended.stderr) == ("exit status 1", True)


# going down, coming up


def test_a_scheduled_reboot_ends_what_runs_and_brings_another_boot_id(machine: Machine) -> None:
    old = machine.state["boot_id"]
    assert sh(machine, "systemd-run --on-active=2 systemctl reboot").ending == ""
    assert (machine.door(), machine.state["boot_id"]) == ("up", old)
    ended = sh(machine, "echo here; sleep 10; echo never")
    assert (ended.ending, ended.stdout) == (LOST, b"here\n")
    assert machine.door() == "off"
    assert later(machine, 47).door() == "refused"
    assert later(machine, 10).door() == "up"
    assert machine.state["boot_id"] != old
    assert (
        sh(machine, 'cat "$GPU_READY_ROOT/proc/sys/kernel/random/boot_id"').stdout.decode().strip()
        == machine.state["boot_id"]
    )


def later(machine: Machine, seconds: float) -> Machine:
    machine.pass_time(seconds)
    return machine


def test_a_power_cut_ends_a_script_in_the_middle(machine: Machine) -> None:
    def cut() -> None:
        while not (machine.root / "tmp/begun").exists():
            time.sleep(0.005)
        machine.power_cut()

    thread = threading.Thread(target=cut)
    thread.start()
    ended = sh(machine, 'touch "$GPU_READY_ROOT/tmp/begun"; while :; do read -r line </dev/zero; done')
    thread.join()
    assert ended.ending == LOST


def test_who_hangs_up_leaves_the_script_running(machine: Machine) -> None:
    stop = threading.Event()
    text = (
        'echo begun; while [ ! -e "$GPU_READY_ROOT/go" ]; do /bin/sleep 0.01; done; echo late >"$GPU_READY_ROOT/late"'
    )
    ended = machine.run(Script("sh -s", stdin=text), "root", lambda _line: stop.set(), stop)
    assert ended.ending == LOST
    (machine.root / "go").touch()
    for _try in range(400):
        if (machine.root / "late").exists():
            return
        time.sleep(0.005)
    raise AssertionError("the script was ended")


def test_a_reboot_that_never_comes_changes_nothing(ubuntu: Bench) -> None:
    old = ubuntu.machine.state["boot_id"]
    ubuntu.machine.switch("fault", "reboot-never")
    ubuntu.reboot()
    assert (ubuntu.machine.state["boot_id"], ubuntu.machine.door()) == (old, "up")


def test_a_machine_may_never_come_back(ubuntu: Bench) -> None:
    ubuntu.machine.switch("fault", "reboot-for-ever")
    ubuntu.reboot()
    assert ubuntu.machine.door() == "off"


def test_a_machine_of_a_world_that_knew_less_takes_what_came_since(ubuntu: Bench) -> None:
    box = ubuntu.machine._box()
    del box.state["sftp"]
    box.save()
    ubuntu.machine.describe({"sftp": "up", "ssh": "silent"})
    assert (ubuntu.machine.door(), "sftp" in ubuntu.machine.state) == ("silent", False)
    ubuntu.machine.describe({"sftp": "missing"})
    assert ubuntu.machine.state["sftp"] == "missing"


@pytest.mark.parametrize("door", ["up", "refused", "silent", "off", "denied"])
def test_the_door_is_as_described(ubuntu: Bench, door: str) -> None:
    ubuntu.machine.describe({"ssh": door, "cards": ["ignored"]})
    assert ubuntu.machine.door() == door


def test_what_cannot_change_is_not_changed(ubuntu: Bench) -> None:
    with pytest.raises(BadSpec, match="cannot be changed"):
        ubuntu.machine.switch("distro", "debian-12")
    with pytest.raises(BadSpec, match="is none of"):
        ubuntu.machine.switch("fault", "earthquake")


# time


def test_sleep_and_date_are_simulated(machine: Machine) -> None:
    began = time.monotonic()
    ended = sh(machine, "a=$(date +%s); sleep 1h 30m; echo $(($(date +%s) - a))")
    assert (ended.stdout, time.monotonic() - began < 5) == (b"5400\n", True)


def test_machines_of_a_world_have_its_time(tmp_path: Path) -> None:
    machine = Machine.create(tmp_path / "hosts" / "rtx", {"name": "rtx"})
    sh(machine, "sleep 7")
    assert float((tmp_path / "clock").read_text()) == 7


# snapshots


def test_a_snapshot_sees_each_kind_of_change(ubuntu: Bench) -> None:
    machine, before = ubuntu.machine, ubuntu.machine.snapshot()
    ubuntu.write("/etc/containerd/config.toml", "other")
    ubuntu.write("/etc/new/file", "")
    ubuntu.file("/etc/hostname").chmod(0o600)
    ubuntu.well("apt-mark hold kubelet")
    ubuntu.well("apt-mark auto vim")
    ubuntu.well("systemctl disable unattended-upgrades")
    ubuntu.write("/tmp/passing", "")
    after = machine.snapshot()
    assert sorted(key for key in {*before, *after} if before.get(key) != after.get(key)) == [
        "/etc/containerd/config.toml", "/etc/hostname", "/etc/new/", "/etc/new/file",
        "/etc/systemd/system/multi-user.target.wants/unattended-upgrades.service", "hold kubelet", "package vim",
        "service unattended-upgrades",
    ]  # fmt: skip


def test_what_was_kept_comes_back(ubuntu: Bench, tmp_path: Path) -> None:
    ubuntu.machine.keep(tmp_path / "kept")
    before = ubuntu.machine.snapshot()
    ubuntu.install(*UBUNTU_DRIVER)
    ubuntu.machine.restore(tmp_path / "kept")
    assert ubuntu.machine.snapshot() == before


def test_the_cluster_reads_the_state_as_plain_json(ubuntu: Bench) -> None:
    state = loads((ubuntu.machine.folder / "machine.json").read_text())
    assert (state["driver"], state["cards"], state["handlers"]) == (None, [CARD], ["runc"])
    ubuntu.install(*UBUNTU_DRIVER)
    ubuntu.well("modprobe nvidia")
    state = loads((ubuntu.machine.folder / "machine.json").read_text())
    assert (state["driver"], state["containerd"], state["os_image"]) == ("580.173.02", "1.7.24", "Ubuntu 24.04.3 LTS")


def test_each_call_is_noted(ubuntu: Bench) -> None:
    ubuntu("apt-mark showhold")
    assert ubuntu.machine.calls()[-1] == "root apt-mark showhold"


# units


def test_units_that_are_not_there_are_refused(ubuntu: Bench) -> None:
    assert ubuntu("systemctl restart crio") == (5, "", "Failed to restart crio.service: Unit crio.service not found.\n")
    assert ubuntu("systemctl is-active crio").status == 3
    assert ubuntu("systemctl is-enabled crio").status == 1
    assert ubuntu("systemctl frobnicate containerd").status == 1


def test_enabling_is_seen_on_the_disk(ubuntu: Bench) -> None:
    link = ubuntu.file("/etc/systemd/system/multi-user.target.wants/containerd.service")
    ubuntu.well("systemctl disable --now containerd")
    assert (link.is_symlink(), ubuntu("systemctl is-active containerd").out) == (False, "inactive\n")
    ubuntu.well("systemctl enable --now containerd")
    assert (link.is_symlink(), ubuntu("systemctl is-active containerd").out) == (True, "active\n")


def test_only_a_reboot_can_be_scheduled(ubuntu: Bench) -> None:
    assert ubuntu("systemd-run --on-active=5 rm -rf /").status == 1


def test_the_persistence_daemon_needs_the_driver(ubuntu: Bench) -> None:
    ubuntu.install(*UBUNTU_DRIVER, *TOOLKIT[:0])
    assert ubuntu("systemctl start nvidia-persistenced").status == 1
    ubuntu.well("modprobe nvidia")
    ubuntu.well("systemctl start nvidia-persistenced")
    assert "in use" in ubuntu("modprobe -r nvidia").err


def test_a_machine_can_be_born_without_a_cluster(tmp_path: Path) -> None:
    machine = born(tmp_path / "machine", joined=False, containerd_config="", nova=True)
    assert not (machine.root / "etc/kubernetes/kubelet.conf").exists()
    assert not (machine.root / "etc/containerd/config.toml").exists()
    assert (machine.root / "sys/module/nova_core").is_dir()
