"""Nothing is left of a run, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.real.hosts import bed as beds
from tests.lab.real_hosts import needs_hosts, wait_for

pytestmark = needs_hosts
REAL = ("systemd-nspawn", "network namespaces")
STANDINS = ()
RUN = """\
import signal, sys, time
# Whoever was started in the background of a shell ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
from lab.real.hosts.bed import Bed
with Bed() as bed:
    bed.host("rtx")
    print(bed.id, bed.keeper.pid, flush=True)
    time.sleep(600)
"""


def begun() -> tuple[subprocess.Popen[str], str, int]:
    """A run in a process of its own, its name and its keeper."""
    child = subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout as said:
        id, keeper = said.readline().split()
    assert left(id), "the test sees what a run has"
    return child, id, int(keeper)


def left(id: str) -> list[str]:
    """All that is still called so: folders, namespaces, cgroups, mounts, processes."""
    places = [beds.RUNS / id, beds.cgroups() / id, *Path("/run/netns").glob(f"{id}*")]
    found = [str(one) for one in places if one.exists()]
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if id in line]
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return found + [line for line in shown.splitlines() if id in line]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_takes_all_away(how: signal.Signals) -> None:
    child, id, _keeper = begun()
    child.send_signal(how)
    child.wait(30)
    wait_for(lambda: not left(id), 30)


def test_what_a_run_left_whose_keeper_was_killed_too_the_next_one_takes_away() -> None:
    child, id, keeper = begun()
    os.kill(keeper, signal.SIGKILL)
    child.kill()
    child.wait(30)
    assert left(id)
    beds.sweep()
    assert left(id) == []


def test_a_run_that_is_still_at_work_is_left_alone() -> None:
    child, id, _keeper = begun()
    beds.sweep()
    assert left(id)
    child.kill()
    child.wait(30)
    wait_for(lambda: not left(id), 30)
