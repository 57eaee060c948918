"""What moved on a host is proven again, there and nowhere else."""

from pathlib import Path
from typing import Any

import pytest

from tests.effort import long
from tests.unit.house import HOSTS, HOSTS_CONFIG, House, with_gpu
from tests.unit.small_machines import Homelab, Quick

pytestmark = long
READY, GATE, MATCH = "gpu-validation-ready", "gpu-validation-gate", "nodes-match"
PROVEN = {READY, "gpu-validation-rtx", GATE}
DRAINS = ("drain", "drain-late", "uncordon")
"""Steps that a host has where it may be rebooted."""
CENSUS = {"nodes-census"}
LOOK = {"nodes-rtx-folder", "nodes-rtx-bundle", "nodes-rtx-tools"}


@pytest.fixture
def rtx() -> Quick:
    return Quick("rtx", 1)


@pytest.fixture
def lab(tmp_path: Path, rtx: Quick) -> Homelab:
    made = Homelab(tmp_path, rtx, Quick("tesla", 2))
    assert made.up().exit == 0
    return made


def wished(lab: Homelab, tesla: str = "present", other: Any = None, **rtx: Any) -> dict[str, Any]:
    """The config of the lab with another wish for the first host, and maybe for the other."""
    config = lab.config(tesla=tesla)
    config["bareMetal"]["hosts"][0] |= rtx
    config["bareMetal"]["hosts"][1] |= other or {}
    return config


def changed(house: House, config: dict[str, Any]) -> set[str]:
    result = house.run("up", config)
    assert (result.exit, result.errors) == (0, [])
    return {name for op, _type, name in result.steps if op != "same"}


def steps(*names: str) -> set[str]:
    return {f"nodes-rtx-{name}" for name in names}


def test_a_moved_toolkit_is_checked_and_proven_on_its_host_alone(lab: Homelab) -> None:
    wish = wished(lab, toolkit={"version": "1.20.1"})

    assert changed(lab, wish) == steps("tools", "toolkit", "check") | PROVEN

    dials = lab.remote.connections
    assert (changed(lab, wish), lab.remote.connections) == (set(), dials)


def test_a_driver_that_was_kept_and_moved_by_hand_is_proven_when_somebody_looks(lab: Homelab, rtx: Quick) -> None:
    assert changed(lab, wished(lab, look=2)) == LOOK, "where nothing moved, a look is no more than that"
    rtx.driver = "595.91.07"
    assert changed(lab, wished(lab, look=3)) == LOOK | steps("reboot", "check") | PROVEN


def test_another_card_is_counted_anew_before_it_is_checked_and_proven(lab: Homelab, rtx: Quick) -> None:
    rtx.cards = 2
    assert changed(lab, wished(lab, look=2)) == LOOK | steps("reboot", "check") | PROVEN
    (check,) = [one for one in lab.engine.store.load()["resources"] if one["urn"].endswith("nodes-rtx-check")]
    assert "GR_CARDS='2'" in str(check["inputs"]["stdin"])


def test_another_boot_is_proven_only_where_a_step_went_through_it(lab: Homelab, rtx: Quick) -> None:
    """A driver that went to and fro looks as if nothing had happened."""
    rtx.boot_id = "99999999-2222-3333-4444-555555555555"
    lab.shows(rtx)
    assert changed(lab, wished(lab)) == set()
    assert changed(lab, wished(lab, reboot="ifNeeded")) == (
        steps("tools", "reboot", "check", *DRAINS) | CENSUS | {MATCH} | PROVEN
    )


def test_other_kernel_modules_of_the_same_version_are_proven_too(lab: Homelab) -> None:
    other = wished(lab, driver={"flavour": "proprietary", "version": "580.126.20"}, reboot="ifNeeded")
    assert changed(lab, other) == steps("tools", "driver", "reboot", "check", *DRAINS) | CENSUS | PROVEN


@pytest.mark.parametrize("state", ["offline", "abandoned"])
def test_a_host_that_is_not_there_keeps_its_proof_whatever_moves_elsewhere(lab: Homelab, state: str) -> None:
    lab.quick["tesla"].way = "silent"
    changed(lab, wished(lab, tesla=state))
    later = {"driver": {"flavour": "proprietary"}, "reboot": "ifNeeded"}
    noted = {f"nodes-tesla-{one}" for one in DRAINS} | CENSUS
    assert changed(lab, wished(lab, tesla=state, other=later)) == noted, "a wish that nobody was told"
    assert changed(lab, wished(lab, tesla=state, other=later, toolkit={"version": "1.20.1"})) == (
        steps("tools", "toolkit", "check") | PROVEN
    )


def test_nodes_that_are_no_hosts_are_proven_by_what_the_stack_makes_alone(tmp_path: Path) -> None:
    made = House(tmp_path).run("preview", with_gpu(operator="external")).registered
    marks = [one.plain["spec"]["template"]["metadata"]["annotations"] for one in made.all("Job")]
    assert [set(one) for one in marks] == [{"gpu-ready/proves", "gpu-ready/operator-revision"}] * 2
    assert '"made"' not in made.one("Command", READY).plain["stdin"]


def test_the_report_has_what_is_there_after_driver_and_toolkit_were_moved(tmp_path: Path) -> None:
    house, (rtx, tesla) = House(tmp_path, HOSTS), HOSTS_CONFIG["bareMetal"]["hosts"]
    assert house.run("up", HOSTS_CONFIG).exit == 0

    newer = {**rtx, "driver": {"branch": "595"}, "reboot": "ifNeeded"}
    moved = house.run("up", of(newer, tesla))
    assert (moved.exit, moved.errors) == (0, [])
    jobs = [name for op, type, name in moved.steps if type.endswith(":Job") and op != "same"]
    assert set(jobs) == {"gpu-validation-rtx"}
    assert [one["driver"] for one in moved.outputs["report"]["nodes"]] == ["595.91.07", "580.178.04"]

    other = of(newer, {**tesla, "toolkit": {"version": "1.20.1"}})
    jobs = [name for op, type, name in house.run("up", other).steps if type.endswith(":Job") and op != "same"]
    assert set(jobs) == {"gpu-validation-tesla"}
    assert set(house.run("up", other).changes) == {"same"}


def of(*hosts: Any) -> dict[str, Any]:
    """The demo with these hosts."""
    return {**HOSTS_CONFIG, "bareMetal": {**HOSTS_CONFIG["bareMetal"], "hosts": list(hosts)}}
