"""Lets the program's own waiting take simulated time: its error hooks sleep in the process of the rehearsal."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lab.cluster.clock import Clock

PROGRAM = "components"
"""Whoever else sleeps in this process (the engine, a view) means real seconds."""
Call = Callable[..., Any]
_sleep, _count, _nap = time.sleep, time.monotonic, asyncio.sleep
_lock = threading.Lock()
_clocks: list[Clock] = []


@contextmanager
def simulated(clock: Clock) -> Iterator[None]:
    """While this lasts, `time.sleep`, `time.monotonic` and `asyncio.sleep` mean simulated seconds to the program."""
    with _lock:
        _clocks.append(clock)
        _put(_meant(_sleep, _simulated_sleep), _meant(_count, _simulated_count), _meant(_nap, _simulated_nap))
    try:
        yield
    finally:
        with _lock:
            _clocks.remove(clock)
            if not _clocks:
                _put(_sleep, _count, _nap)


def _simulated_sleep(seconds: float) -> None:
    _clocks[-1].sleep(seconds)


def _simulated_count() -> float:
    return _clocks[-1].now()


async def _simulated_nap(seconds: float, result: Any = None) -> Any:
    _clocks[-1].sleep(seconds)
    return await _nap(0, result)


def _put(sleep: Call, count: Call, nap: Call) -> None:
    setattr(time, "sleep", sleep)  # noqa: B010 - mypy knows these as functions of their modules
    setattr(time, "monotonic", count)  # noqa: B010
    setattr(asyncio, "sleep", nap)  # noqa: B010


def _meant(real: Call, simulated: Call) -> Call:
    """The one or the other, by who calls."""

    def chosen(*args: Any, **more: Any) -> Any:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        ours = bool(_clocks) and (caller == PROGRAM or caller.startswith(f"{PROGRAM}."))
        return (simulated if ours else real)(*args, **more)

    return chosen
