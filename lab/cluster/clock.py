"""Simulated time: a number in a file, which only simulated waiting moves forward."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

START = 1767261600.0
"""2026-01-01T10:00:00Z: a fixed start makes two rehearsals of one program look the same."""
_really_sleep = time.sleep


def stamp(seconds: float) -> str:
    """A moment of simulated time as Kubernetes writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START + seconds))


class Clock:
    """Shared by all processes of a rehearsal; seconds since its start."""

    def __init__(self, path: Path | str, speed: float = 0.0) -> None:
        self.path, self.speed = Path(path), speed

    def now(self) -> float:
        """Seconds of simulated time; 0 where nobody waited yet."""
        try:
            return float(self.path.read_text() or 0)
        except FileNotFoundError:
            return 0.0

    def sleep(self, seconds: float) -> None:
        """Simulated sleep; sleeps that overlap in real time overlap in simulated time too."""
        wanted = self.now() + max(seconds, 0.0)
        if self.speed > 0 and seconds > 0:
            _really_sleep(seconds / self.speed)
        self.reach(wanted)

    def reach(self, moment: float) -> None:
        """Moves the clock to a moment, unless it is there or past it already.

        Readers take no lock, so the number changes in one write of always the same length.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if moment > float(file.read() or 0):
                os.pwrite(descriptor, f"{moment:015.3f}".encode(), 0)


def from_environment() -> Clock | None:
    """The clock of the rehearsal that this process is part of, if any."""
    path = os.environ.get("GPU_READY_CLOCK")
    return Clock(path, float(os.environ.get("GPU_READY_SPEED") or 0)) if path else None
