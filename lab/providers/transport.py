"""A script and how it ended: what local and simulated remote commands have in common, whoever runs them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lab.provider import Context


@dataclass(frozen=True)
class Script:
    """One text to run somewhere."""

    text: str
    interpreter: tuple[str, ...] = ("/bin/sh", "-c")
    stdin: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str | None = None
    logging: frozenset[str] = frozenset({"stdout", "stderr"})
    """The streams whose lines are shown while it runs."""


@dataclass(frozen=True)
class Finished:
    """How a script ended: "" for well, else `exit status 3` or `signal: killed`."""

    ending: str
    stdout: bytes
    stderr: bytes
    mixed: bytes
    """Both streams in the order of arrival, for the error."""


Transport = Callable[[Context, Script], Finished]
"""Runs a script somewhere and shows its lines with `ctx.say`; gives up at `ctx.timeout` or `ctx.killing`."""


def quoted(text: str) -> str:
    """A script as an error repeats it."""
    return json.dumps(text, ensure_ascii=False)


def readable(data: bytes) -> str:
    """Output for people, whatever bytes are in it."""
    return data.decode(errors="replace")
