"""The real steps on simulated hosts: killed wherever they change something, begun twice, done twice, taken back.

In `make check` one host is killed at one place of each step that counts, which takes seconds. All places of all steps
on both hosts, some minutes: GPU_READY_EVERY_LINE=1 make test ARGS="tests/host/test_interrupted_steps.py".
"""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lab.host.machine import Machine, Snapshot
from lab.host.standins.downloads import sha256
from lab.host.standins.run_file import program
from tests.effort import long
from tests.host.chain import STEPS, TAKEN_BACK, WISH, Chain
from tests.host.small_machine import CARD, TESLA
from tests.host.stepping import stepped, unheard

pytestmark = long


EVERY_LINE = os.environ.get("GPU_READY_EVERY_LINE") == "1"
HOSTS: dict[str, dict[str, Any]] = {
    "debian": {"name": "tesla", "cards": [TESLA], "nouveau": True, "distro": "debian-12", "user": "root"},
    "rocky": {"name": "g5", "cards": [TESLA], "nouveau": True, "distro": "rocky-9", "user": "rocky"},
    "ubuntu": {"name": "rtx", "cards": [CARD], "user": "ubuntu", "sudo": "password"},
    "run": {"name": "rtx", "cards": [CARD], "nouveau": True, "user": "root"},
}
RUN = {"source": "run", "version": "580.178.04", "sha256": sha256(program("580.178.04"))}
WISHES: dict[str, dict[str, Any]] = {"run": {**WISH, "driver": RUN}}
OWN_WAY = {"run": ("driver",)}
"""What such a host does as no other one does; the rest is shown by those."""
CONFIG, OURS = "/etc/containerd/config.toml", "/var/lib/gpu-ready/"
CLAIM = f"{OURS}claim"
"""Another one each time: who claims anew is another holder."""
TIDY = "# somebody's note\n"


def places(*steps: str) -> list[tuple[str, str]]:
    """Each host with each of these steps that tells something."""
    return [(name, step) for name in HOSTS for step in steps if step in OWN_WAY.get(name, steps)]


def host(folder: Path, name: str) -> Chain:
    return Chain(Machine.create(folder / name, HOSTS[name]), WISHES.get(name, WISH))


def differing(before: Snapshot, after: Snapshot) -> list[str]:
    old, new = ({**one, CLAIM: CLAIM in one} for one in (before, after))
    return sorted(key for key in old | new if old.get(key) != new.get(key))


def killed(chain: Chain, step: str, folder: Path, at: int, verb: str = "apply") -> None:
    """Runs a step and kills it after so many changes."""
    chain.texts[step] = chain.text(step) if verb == "apply" else chain.texts[step]
    with stepped(chain.machine, folder / f"{step}-{verb}-{at}", kill_at=at) as watch:
        ended = chain.run(step, verb)
    assert ended.ending == "signal: kill", f"{step} made {watch.changes} changes: {ended}"


def changing_calls(calls: list[str]) -> list[str]:
    verbs = ("apt-get -y", "mark hold", "mark unhold", "restart", "update-initramfs", "modprobe -r", "systemd-run")
    return [call for call in calls if any(verb in call for verb in verbs) and " -s " not in call]


def test_a_host_that_was_interrupted_everywhere_gets_there_and_back(tmp_path: Path) -> None:
    chain, pick = host(tmp_path, "debian"), random.Random(580)
    machine, start = chain.machine, chain.machine.snapshot()
    chain.do("tools")
    killed(chain, "driver", tmp_path, pick.randint(1, 60))
    chain.do("driver", "reboot", "toolkit")
    killed(chain, "runtime", tmp_path, pick.randint(1, 10))
    with ThreadPoolExecutor() as both:
        assert [one.ending for one in both.map(chain.run, ("runtime", "runtime"))] == ["", ""]
    assert chain.answers["reboot"]["cards"] == 1
    assert machine.state["handlers"] == ["nvidia", "runc"]

    done, calls = machine.snapshot(), len(machine.calls())
    chain.do("driver", "reboot", "toolkit", "runtime")
    assert differing(done, machine.snapshot()) == []
    assert changing_calls(machine.calls()[calls:]) == []

    config = machine.root / CONFIG[1:]
    config.write_text(config.read_text() + TIDY)
    killed(chain, "runtime", tmp_path, pick.randint(1, 5), "remove")
    chain.down()
    assert config.read_text().endswith(TIDY)
    config.write_text(config.read_text().removesuffix(TIDY))
    assert differing(start, machine.snapshot()) == []


@pytest.mark.skipif(not EVERY_LINE, reason="minutes long: GPU_READY_EVERY_LINE=1")
@pytest.mark.parametrize(("name", "step"), places(*STEPS))
def test_each_step_may_be_killed_at_each_change(tmp_path: Path, name: str, step: str) -> None:
    chain = host(tmp_path, name)
    machine = chain.machine
    chain.do(*STEPS[: STEPS.index(step)])
    before = machine.snapshot()
    machine.keep(tmp_path / "before")
    chain.texts[step] = chain.text(step)
    with stepped(machine, tmp_path / "steps", keep=True) as watch:
        chain.answers[step] = chain.patiently(step)
    after = machine.snapshot()
    faults = []
    for crash in watch.kept():
        machine.restore(crash)
        chain.patiently(step)
        faults += [f"{crash.name}, again: {path}" for path in differing(after, machine.snapshot())]
        if step in TAKEN_BACK:
            machine.restore(crash)
            ended = chain.run(step, "remove")
            left = [path for path in differing(before, machine.snapshot()) if not path.startswith(OURS)]
            faults += [f"{crash.name}, removed: {ended.ending} {path}" for path in ([""] if ended.ending else left)]
    assert faults == []


@pytest.mark.skipif(not EVERY_LINE, reason="minutes long: GPU_READY_EVERY_LINE=1")
@pytest.mark.parametrize(("name", "step"), places(*STEPS))
def test_each_step_may_lose_its_listener_at_each_word(tmp_path: Path, name: str, step: str) -> None:
    chain = host(tmp_path, name)
    machine = chain.machine
    chain.do(*STEPS[: STEPS.index(step)])
    before = machine.snapshot()
    machine.keep(tmp_path / "before")
    chain.texts[step] = chain.text(step)
    words = len(chain.run(step).mixed.splitlines())
    chain.answers[step] = chain.patiently(step)
    after = machine.snapshot()
    faults = []
    for heard in range(words + 1):
        machine.restore(tmp_path / "before")
        unheard(machine, "sh -s apply", chain.texts[step], heard)
        chain.patiently(step)
        faults += [f"heard {heard}, again: {path}" for path in differing(after, machine.snapshot())]
        if step in TAKEN_BACK:
            unheard(machine, "sh -s remove", chain.texts[step], heard)
            assert chain.run(step, "remove").ending == ""
            left = [path for path in differing(before, machine.snapshot()) if not path.startswith(OURS)]
            faults += [f"heard {heard}, removed: {path}" for path in left]
    assert faults == []


@pytest.mark.skipif(not EVERY_LINE, reason="minutes long: GPU_READY_EVERY_LINE=1")
@pytest.mark.parametrize(("name", "step"), places("tools", "driver", "toolkit", "runtime"))
def test_each_removal_may_be_killed_at_each_change(tmp_path: Path, name: str, step: str) -> None:
    chain = host(tmp_path, name)
    machine = chain.machine
    chain.up()
    for later in ("runtime", "toolkit", "driver"):
        if step == later:
            break
        assert chain.run(later, "remove").ending == ""
    with stepped(machine, tmp_path / "steps", keep=True) as watch:
        assert chain.run(step, "remove").ending == ""
    after = machine.snapshot()
    faults = []
    for crash in watch.kept():
        machine.restore(crash)
        ended = chain.run(step, "remove")
        faults += [f"{crash.name}: {ended.ending} {path}" for path in differing(after, machine.snapshot())]
    assert faults == []


@pytest.mark.skipif(not EVERY_LINE, reason="minutes long: GPU_READY_EVERY_LINE=1")
@pytest.mark.parametrize("name", [*HOSTS])
def test_each_step_may_run_twice_at_once(tmp_path: Path, name: str) -> None:
    chain = host(tmp_path, name)
    start = chain.machine.snapshot()
    for step in STEPS:
        chain.texts[step] = chain.text(step)
        with ThreadPoolExecutor() as both:
            ended = list(both.map(chain.run, (step, step)))
        assert {one.ending for one in ended} <= {"", "exit status 75"}, f"{step}: {ended}"
        chain.answers[step] = chain.patiently(step)
    for step in ("runtime", "toolkit", "driver", "tools"):
        with ThreadPoolExecutor() as both:
            assert [one.ending for one in both.map(chain.run, (step, step), ("remove", "remove"))] == ["", ""], step
    assert differing(start, chain.machine.snapshot()) == []
