"""The step `reboot`: no reboot without need and consent, never two, and one that was called off is not forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from host import script
from lab.host.machine import LOST, Machine
from lab.host.standins import drivers
from lab.host.standins.box import Box
from lab.providers.transport import Finished, Script
from tests.effort import long
from tests.host.small_machine import TESLA, with_tools

pytestmark = long


CONSENT: dict[str, str | bool] = {"GR_CONSENT": "ifNeeded", "GR_REBOOT": True}
Step = Callable[..., Finished]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Its driver is installed; nothing of it is loaded, so that only the next boot brings it."""
    made = Machine.create(tmp_path / "machine", {"name": "tesla", "cards": [TESLA], "driver": "580.126.20"})
    box = Box(str(made.folder))
    with box.locked():
        box.state["modules"] = {}
        for card in box.state["pci"]:
            card["driver"] = ""
        drivers.publish(box)
        box.save()
    return with_tools(made)


@pytest.fixture
def step(machine: Machine) -> Step:
    old = machine.state["boot_id"]

    def run(**values: str | bool) -> Finished:
        told: dict[str, script.Value] = {"GR_BOOT_ID": old, **CONSENT, **values}
        text = script.step_text("reboot", told, script.bundle().hash)
        return machine.run(Script("sh -s apply", stdin=text), "root")

    return run


def last_words(ended: Finished) -> str:
    return ended.stderr.decode().splitlines()[-1]


def calls_for_a_reboot(machine: Machine) -> int:
    return sum("systemd-run" in call for call in machine.calls())


def loaded(machine: Machine) -> None:
    machine.run(Script("sh -s", stdin="modprobe nvidia_uvm"), "root")


def test_it_returns_before_the_host_goes_down_and_answers_in_the_next_boot(machine: Machine, step: Step) -> None:
    old = machine.state["boot_id"]
    ended = step()
    assert (ended.ending, ended.stdout) == ("exit status 75", b"")
    assert last_words(ended) == f"gpu-ready: not yet: the host reboots; it leaves boot {old}"
    again = step()
    assert (again.ending, last_words(again)) == ("exit status 75", f"gpu-ready: not yet: boot {old} is going down")
    machine.pass_time(80)
    said = json.loads(step().stdout)
    assert (said["boot_id"] != old, said["driver"], said["cards"]) == (True, "580.126.20", 1)
    assert calls_for_a_reboot(machine) == 1


def test_two_at_once_and_one_whom_the_reboot_cuts_off_make_one_reboot(machine: Machine, step: Step) -> None:
    with ThreadPoolExecutor() as both:
        ended = [one.result() for one in [both.submit(step), both.submit(step)]]
    assert {one.ending for one in ended} <= {"exit status 75", LOST}
    assert calls_for_a_reboot(machine) == 1


@pytest.mark.parametrize("values", [{"GR_REBOOT": False, "GR_BOOT_ID": ""}, {"GR_BOOT_ID": "another"}])
def test_without_need_in_this_boot_nothing_is_rebooted(machine: Machine, step: Step, values: dict[str, str]) -> None:
    assert json.loads(step(**values).stdout)["cards"] == 1
    assert calls_for_a_reboot(machine) == 0


def test_a_driver_that_works_by_now_is_nothing_to_reboot_for(machine: Machine, step: Step) -> None:
    """A text of another time, such as that of a new release, says that a reboot is needed."""
    loaded(machine)
    assert json.loads(step().stdout)["boot_id"] == machine.state["boot_id"]
    assert json.loads(step(GR_CONSENT="never").stdout)["cards"] == 1
    assert calls_for_a_reboot(machine) == 0


def test_a_driver_that_does_not_come_back_is_told_and_not_rebooted_for_once_more(machine: Machine, step: Step) -> None:
    step()
    machine.switch("fault", "card-lost")
    machine.pass_time(80)
    ended = step()
    assert (ended.ending, calls_for_a_reboot(machine)) == ("exit status 3", 1)
    assert b"PCI-8 card: a card stopped answering" in ended.stderr


def test_without_consent_it_is_refused(machine: Machine, step: Step) -> None:
    ended = step(GR_CONSENT="never")
    assert (ended.ending, calls_for_a_reboot(machine)) == ("exit status 3", 0)
    assert b"HST-64 driver: a reboot is needed" in ended.stderr


def test_one_that_was_called_off_is_told_and_scheduled_again_by_the_next_run(machine: Machine, step: Step) -> None:
    step()
    machine.run(Script("sh -s", stdin="systemctl stop gpu-ready-reboot.timer"), "root")
    early = step()
    assert (early.ending, "there is no trace of it" in last_words(early)) == ("exit status 75", True)
    machine.pass_time(61)
    late = step()
    assert late.ending == "exit status 3"
    assert "HST-58 reboot: the reboot was called off: 6" in late.stderr.decode()
    assert calls_for_a_reboot(machine) == 1
    assert (step().ending, calls_for_a_reboot(machine)) == ("exit status 75", 2)
    machine.pass_time(80)
    assert json.loads(step().stdout)["cards"] == 1
