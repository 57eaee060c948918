"""The program's own waiting takes simulated time, and nobody else's does."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from lab.cluster.clock import Clock
from lab.program_time import simulated


def module(name: str, text: str) -> dict[str, Any]:
    """A module of the program."""
    space: dict[str, Any] = {"__name__": name, "time": time, "asyncio": asyncio}
    exec(text, space)
    return space


WAITS = """
def waits(seconds):
    before = time.monotonic()
    time.sleep(seconds)
    return time.monotonic() - before

async def naps(seconds):
    return await asyncio.sleep(seconds, "done")
"""


@pytest.mark.parametrize("name", ["components", "components.host_step"])
def test_the_program_sleeps_in_simulated_time(tmp_path: Path, name: str) -> None:
    clock, began = Clock(tmp_path / "clock"), time.monotonic()
    program = module(name, WAITS)
    with simulated(clock):
        assert program["waits"](600) == 600
        loop = asyncio.new_event_loop()  # `asyncio.run` would take away the loop that the SDK's mocks ask for
        assert loop.run_until_complete(program["naps"](600)) == "done"
        loop.close()
    assert clock.now() == 1200
    assert time.monotonic() - began < 5


def test_everybody_else_sleeps_for_real(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    with simulated(clock):
        assert 0.01 <= module("elsewhere", WAITS)["waits"](0.01) < 5
        assert 0.01 <= module("components_of_others", WAITS)["waits"](0.01) < 5
    assert clock.now() == 0


def test_afterwards_the_program_sleeps_for_real_again_also_when_two_rehearsals_overlap(tmp_path: Path) -> None:
    sleep, count, nap = time.sleep, time.monotonic, asyncio.sleep
    one, two = Clock(tmp_path / "one"), Clock(tmp_path / "two")
    first, second = simulated(one), simulated(two)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert module("components", WAITS)["waits"](30) == 30
    second.__exit__(None, None, None)
    assert (time.sleep, time.monotonic, asyncio.sleep) == (sleep, count, nap)
    assert two.now() == 30
