"""The step `runtime` on k0s: a file in the folder that it watches, and what it makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host import script
from lab.host.machine import Machine
from lab.providers.transport import Finished, Script
from tests.effort import long
from tests.host.chain import Chain
from tests.host.small_machine import CARD, with_tools
from tests.host.stepping import stepped, unheard
from tests.host.test_interrupted_steps import OURS, differing

pytestmark = long

FILE = "etc/k0s/containerd.d/gpu-ready.toml"


def born(folder: Path, runtime: str = "k0s-worker", **spec: object) -> Machine:
    return Machine.create(folder, {"name": "rtx", "cards": [CARD], "runtime": runtime, "user": "root", **spec})


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return with_tools(born(tmp_path / "machine", toolkit="1.20.0"))


def text() -> str:
    return script.step_text("runtime", {"GR_KIND": "k0s", "GR_UNIT": "k0sworker"}, script.bundle().hash)


def runtime(machine: Machine, verb: str = "apply") -> Finished:
    return machine.run(Script(f"sh -s {verb}", stdin=text()), "root")


def starts(machine: Machine, unit: str = "k0sworker") -> int:
    return int(machine.state["services"][unit]["starts"])


@pytest.mark.parametrize(("runtime", "unit"), [("k0s", "k0scontroller"), ("k0s-worker", "k0sworker")])
@pytest.mark.parametrize("containerd", ["1.7.29", "2.2.1"])
def test_a_node_gets_there_without_a_restart_and_back_to_where_it_began(
    tmp_path: Path, runtime: str, unit: str, containerd: str
) -> None:
    chain = Chain(born(tmp_path / "machine", runtime, containerd=containerd))
    machine, start = chain.machine, chain.machine.snapshot()
    chain.up()
    assert (machine.state["handlers"], starts(machine, unit)) == (["nvidia", "runc"], 1)
    assert (machine.root / FILE).read_text().endswith("SystemdCgroup = true\n")
    assert len(chain.answers["check"]["cards"]) == 1

    done = machine.snapshot()
    chain.do("runtime", "check")
    assert differing(done, machine.snapshot()) == []

    chain.down()
    assert differing(start, machine.snapshot()) == []
    assert (machine.state["handlers"], starts(machine, unit)) == (["runc"], 1)


def test_settings_that_somebody_took_over_are_refused_before_anything_is_changed(tmp_path: Path) -> None:
    chain = Chain(born(tmp_path / "machine"))
    (chain.machine.root / "etc/k0s/containerd.toml").write_text("version = 2\n")
    chain.do("tools")
    chain.texts["driver"] = chain.text("driver")
    assert b"RT-17 runtime: /etc/k0s/containerd.toml is not k0s's any more" in chain.run("driver").stderr


def test_settings_that_were_taken_over_meanwhile_are_found_by_the_step(machine: Machine) -> None:
    (machine.root / "etc/k0s/containerd.toml").write_text("version = 2\n")
    ended = runtime(machine)
    assert (ended.ending, b"RT-17 runtime" in ended.stderr) == ("exit status 3", True)
    assert not (machine.root / FILE).exists()


def test_one_that_has_it_from_somebody_else_is_left_alone(machine: Machine) -> None:
    assert runtime(machine).ending == ""
    theirs = machine.root / "etc/k0s/containerd.d/nvidia.toml"
    theirs.write_text((machine.root / FILE).read_text())
    assert (runtime(machine, "remove").ending, starts(machine)) == ("", 1)
    assert machine.state["handlers"] == ["nvidia", "runc"]
    ended = runtime(machine)
    assert (json.loads(ended.stdout)["changed"], (machine.root / FILE).exists()) == (False, False)


def test_one_that_does_not_come_up_with_it_gets_its_old_settings_back(machine: Machine) -> None:
    machine.switch("fault", "containerd-refuses")
    ended = runtime(machine)
    assert b"HST-77 runtime: k0sworker did not come back with the handler nvidia; the old file is" in ended.stderr
    assert ((machine.root / FILE).exists(), machine.state["handlers"]) == (False, ["runc"])


def test_it_may_be_killed_at_each_change(machine: Machine, tmp_path: Path) -> None:
    before = machine.snapshot()
    with stepped(machine, tmp_path / "steps", keep=True) as watch:
        assert runtime(machine).ending == ""
    after = machine.snapshot()
    for crash in watch.kept():
        machine.restore(crash)
        assert runtime(machine).ending == "", crash.name
        assert differing(after, machine.snapshot()) == [], crash.name
        machine.restore(crash)
        assert runtime(machine, "remove").ending == "", crash.name
        assert [path for path in differing(before, machine.snapshot()) if not path.startswith(OURS)] == [], crash.name


def test_nobody_has_to_listen(machine: Machine) -> None:
    unheard(machine, "sh -s apply", text())
    assert machine.state["handlers"] == ["nvidia", "runc"]
