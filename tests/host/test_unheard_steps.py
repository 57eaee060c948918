"""Steps whose end nobody heard of are in no state: the tools take them back; and one at a time, whatever happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.host.machine import Machine
from lab.host.standins.box import Box
from lab.host.standins.packing import HALF
from tests.effort import long
from tests.host.chain import Chain
from tests.host.small_machine import CARD, TESLA

pytestmark = long
OURS = "var/lib/gpu-ready"


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    spec = {"name": "tesla", "cards": [TESLA], "nouveau": True, "distro": "debian-12", "user": "root"}
    return Chain(Machine.create(tmp_path / "tesla", spec))


def noted(chain: Chain) -> list[str]:
    record = chain.machine.root / OURS / "record"
    return sorted(path.name for path in record.iterdir()) if record.exists() else []


@pytest.mark.parametrize("last", ["driver", "toolkit", "runtime"])
def test_what_was_done_and_not_heard_of_is_taken_back_with_the_tools(chain: Chain, last: str) -> None:
    start = chain.machine.snapshot()
    steps = ["tools", "driver", "reboot", "toolkit", "runtime"]
    chain.do(*steps[: steps.index(last) + 1])
    assert [name for name in noted(chain) if name.endswith(".begun")] == [f"{last}.begun"]
    for step in ("toolkit", "driver"):
        if steps.index(step) < steps.index(last):
            assert chain.run(step, "remove").ending == ""
    assert chain.run("tools", "remove").ending == ""
    assert chain.machine.snapshot() == start


def test_what_cannot_be_taken_back_is_a_refusal(chain: Chain) -> None:
    start = chain.machine.snapshot()
    chain.do("tools", "driver", "reboot")
    (chain.machine.root / OURS / "record/driver.begun").write_text("GR_BEGUN='yes'\n")
    chain.machine.switch("fault", "apt-lock-for-ever")
    ended = chain.run("tools", "remove")
    assert (ended.ending, b"not yet: TK-12" in ended.mixed) == ("exit status 75", True)
    chain.machine.switch("fault", "none")
    assert chain.run("tools", "remove").ending == ""
    assert chain.machine.snapshot() == start


def test_what_was_heard_of_is_left_to_its_own_removal(chain: Chain) -> None:
    chain.up()
    before = chain.machine.snapshot()
    ended = chain.run("tools", "remove")
    assert (ended.ending, b"the tools stay: other steps have not been removed" in ended.mixed) == ("", True)
    assert chain.machine.snapshot() == before


def test_a_step_that_a_state_knows_is_never_taken_for_one_that_it_does_not(chain: Chain) -> None:
    """The second time it may be an update that fails, and the state still has the first."""
    chain.do("tools", "driver", "reboot")
    chain.machine.switch("fault", "no-network")
    chain.run("driver")
    assert not [name for name in noted(chain) if name.endswith(".begun")]


def test_tools_that_did_not_arrive_leave_nothing(tmp_path: Path) -> None:
    machine = Machine.create(tmp_path / "rtx", {"name": "rtx", "cards": [CARD], "user": "root"})
    chain, start = Chain(machine), machine.snapshot()
    text = chain.text("tools")
    chain.texts["tools"] = text.replace("GR_BUNDLE='", "GR_BUNDLE='0")
    ended = chain.run("tools")
    assert (ended.ending, b"HST-75" in ended.mixed) == ("exit status 3", True)
    assert machine.snapshot() == start
    chain.texts["tools"] = text
    assert chain.run("tools").ending == ""


def test_whoever_waits_for_the_lock_keeps_it_from_the_next(tmp_path: Path) -> None:
    machine = Machine.create(tmp_path / "rtx", {"name": "rtx", "cards": [CARD], "user": "root"})
    chain = Chain(machine)
    chain.do("tools")
    lock = machine.root / "run/gpu-ready.lock"
    before = lock.stat().st_ino
    assert chain.run("tools", "remove").ending == ""
    assert lock.stat().st_ino == before


def test_a_step_of_an_earlier_release_runs_without_a_claim(chain: Chain) -> None:
    start = chain.machine.snapshot()
    chain.do("tools")
    del chain.answers["tools"]["claim"]
    text = chain.text("driver")
    assert "GR_CLAIM" not in text
    chain.texts["driver"] = text
    assert chain.run("driver").ending == ""
    assert chain.run("driver", "remove").ending == ""
    assert chain.run("tools", "remove").ending == ""
    assert chain.machine.snapshot() == start


def test_a_driver_that_cannot_be_built_is_taken_back_all_the_same(chain: Chain) -> None:
    """Half configured it is neither installed nor gone, and whoever insists on finishing it fails for ever."""
    start = chain.machine.snapshot()
    chain.do("tools")
    chain.texts["driver"] = chain.text("driver")
    chain.machine.switch("fault", "module-build-fails")
    assert b"DRV-8 driver" in chain.run("driver").mixed
    assert b"DRV-8 driver" in chain.run("driver").mixed, "nothing else stands in the way the second time"
    assert chain.run("tools", "remove").ending == ""
    assert chain.machine.snapshot() == start


@pytest.mark.parametrize("goes_on", ["driver", "tools"])
def test_a_package_that_was_cut_off_while_it_was_unpacked_is_unpacked_again_or_taken_away(
    chain: Chain, goes_on: str
) -> None:
    """dpkg neither configures nor removes it, and apt takes it for installed."""
    start = chain.machine.snapshot()
    chain.do("tools", "driver")
    box = Box(str(chain.machine.folder))
    with box.locked():
        box.state["packages"]["libcuda1"].update(status=HALF)
        box.save()
    if goes_on == "driver":
        chain.do("driver")
        assert chain.machine.state["packages"]["libcuda1"]["status"] == "installed"
    assert chain.run("tools", "remove").ending == ""
    assert chain.machine.snapshot() == start
