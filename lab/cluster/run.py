"""The outcome of one container."""

from __future__ import annotations

from typing import NamedTuple


class Run(NamedTuple):
    """How long a container runs, how it ends and what it prints."""

    seconds: float | None
    """None: it goes on until something else changes."""
    code: int = 0
    log: str = ""
    ready: bool = True
    said: bool = False
    """Whether it wrote its output to the termination log too."""
    start_error: str = ""
    """Why it could not even start."""
    detail: str = ""


GOES_ON = Run(None)


def waiting(line: str, seconds: float, every: float = 5.0) -> Run:
    """A container that repeats one line until what it waits for is there."""
    return Run(None, log=f"{line}\n" * min(40, 1 + int(seconds // every)), ready=False)
