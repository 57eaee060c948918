"""The step `driver` on a host that works already: it leaves a whole stack behind, wherever it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from host import script
from lab.host.machine import Machine
from lab.host.standins.box import Box
from lab.providers.transport import Finished, Script
from tests.effort import long
from tests.host.small_machine import CARD, UBUNTU_DRIVER, with_tools

pytestmark = long


LOADED = {"nvidia", "nvidia_uvm"}
NEWER = {"GR_WANT_DRIVER": "595", "GR_PACKAGES": " ".join(UBUNTU_DRIVER).replace("580", "595")}
DAEMON = "nvidia-persistenced"


def born(folder: Path, version: str = "580.126.20", **wish: Any) -> Machine:
    """A machine with a driver that works, which our record says is ours."""
    made = with_tools(Machine.create(folder, {"name": "rtx", "cards": [CARD], "driver": version, **wish}))
    sh(made, f"systemctl start {DAEMON}")
    packages = [name for name in made.state["packages"] if "nvidia" in name]
    note(made, "packages", *packages)
    return made


def sh(machine: Machine, text: str, verb: str = "") -> Finished:
    return machine.run(Script(f"sh -s {verb}", stdin=text), "root")


def note(machine: Machine, name: str, *lines: str) -> None:
    record = machine.root / "var/lib/gpu-ready/record"
    record.mkdir(exist_ok=True)
    (record / f"driver.{name}").write_text("".join(f"{line}\n" for line in sorted(lines)))


def driver(machine: Machine, verb: str = "apply", **values: str) -> Finished:
    told: dict[str, script.Value] = {
        "GR_DECIDED": "distro 580 open", "GR_PACKAGES": " ".join(UBUNTU_DRIVER), "GR_WANT_DRIVER": "580", **values,
    }  # fmt: skip
    return sh(machine, script.step_text("driver", told, script.bundle().hash), verb)


def daemon(machine: Machine) -> bool:
    return bool(machine.state["services"][DAEMON]["active"])


def packages(machine: Machine) -> set[str]:
    return {name for name, one in machine.state["packages"].items() if one["status"] == "installed"}


def new_package(machine: Machine, name: str, *needs: str) -> None:
    box = Box(str(machine.folder))
    with box.locked():
        box.state["packages"][name] = {
            "version": "1", "status": "installed", "depends": list(needs), "provides": [], "auto": False, "files": [],
        }  # fmt: skip
        box.save()


def test_a_driver_that_is_the_wished_one_and_works_is_not_touched(tmp_path: Path) -> None:
    machine = born(tmp_path / "machine")
    sh(machine, f"systemctl stop {DAEMON}")
    calls = len(machine.calls())
    said = json.loads(driver(machine).stdout)
    assert (said["driver"], said["reboot"]) == ("580.126.20", False)
    assert not [call for call in machine.calls()[calls:] if "modprobe" in call or "systemctl st" in call]
    assert not daemon(machine), "it was stopped by somebody"


def test_a_new_version_is_loaded_and_what_kept_the_cards_awake_runs_again(tmp_path: Path) -> None:
    machine = born(tmp_path / "machine")
    said = json.loads(driver(machine, **NEWER).stdout)
    assert (said["driver"], said["reboot"]) == ("595.91.07", False)
    assert (set(machine.state["modules"]), daemon(machine)) == (LOADED, True)


def test_a_module_in_use_is_left_to_a_reboot(tmp_path: Path) -> None:
    machine = born(tmp_path / "machine", fault="gpu-in-use")
    ended = driver(machine, **NEWER)
    assert (json.loads(ended.stdout)["reboot"], daemon(machine)) == (True, True)
    assert "module 580.126.20 is loaded and in use, 595.91.07 is installed" in ended.stderr.decode()


def test_a_removal_that_apt_does_not_let_through_leaves_the_driver_at_work(tmp_path: Path) -> None:
    machine = born(tmp_path / "machine")
    machine.switch("fault", "apt-lock-for-ever")
    assert driver(machine, "remove").ending == "exit status 75"
    assert (set(machine.state["modules"]), daemon(machine)) == (LOADED, True)


def test_modules_that_went_before_one_that_is_in_use_are_loaded_again(tmp_path: Path) -> None:
    machine = born(tmp_path / "machine", fault="gpu-in-use")
    ended = driver(machine, "remove")
    assert "the module is in use and stays loaded until the next reboot" in ended.stderr.decode()
    assert set(machine.state["modules"]) == LOADED


def test_a_package_that_somebody_needs_stays_with_what_it_needs(tmp_path: Path) -> None:
    machine = born(tmp_path / "machine")
    needed = machine.state["packages"]["nvidia-utils-580-server"]["depends"][0].split()[0]
    new_package(machine, "cuda-demo", "nvidia-utils-580-server")
    ended = driver(machine, "remove")
    assert ended.ending == ""
    assert "left in place, because cuda-demo needs it: nvidia-utils-580-server\n" in ended.stderr.decode()
    left = packages(machine)
    assert {"cuda-demo", "nvidia-utils-580-server", needed} <= left
    assert "nvidia-headless-no-dkms-580-server-open" not in left
    assert not (machine.root / "var/lib/gpu-ready/record/driver.packages").exists()


def test_what_came_along_and_somebody_asked_apt_for_stays(tmp_path: Path) -> None:
    machine = Machine.create(tmp_path / "machine", {"name": "rtx", "cards": [CARD]})
    with_tools(machine)
    before = packages(machine)
    assert driver(machine).ending == ""
    came = sorted(name for name, one in machine.state["packages"].items() if one["auto"] and name not in before)
    assert len(came) > 2
    sh(machine, f"apt-mark manual {came[0]}")
    ended = driver(machine, "remove")
    assert ended.ending == ""
    assert f"left in place, because somebody else asked apt for it: {came[0]}\n" in ended.stderr.decode()
    needed = packages(machine) - before
    assert came[0] in needed
    assert not needed & set(UBUNTU_DRIVER)


@pytest.mark.parametrize("repository", [True, False])
def test_a_network_that_is_not_there_is_no_fault_of_a_signature(tmp_path: Path, repository: bool) -> None:
    machine = Machine.create(
        tmp_path / "machine", {"name": "rtx", "cards": [CARD], "fault": "no-network", "lists": False}
    )
    with_tools(machine)
    url = "https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64"
    values = {"GR_REPO": f"{url}/ /", "GR_KEY_URL": f"{url}/x.deb", "GR_KEY_SHA256": "0" * 64}
    said = driver(machine, **(values if repository else {})).stderr.decode()
    assert "HST-33 packages: a package repository is out of reach: " in said
    assert f"Could not resolve '{'developer.download.nvidia.com' if repository else 'archive.ubuntu.com'}'" in said
