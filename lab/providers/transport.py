"""A script and how it ended: what local and simulated remote commands have in common, whoever runs them."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO

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


Lines = queue.SimpleQueue[tuple[str, bytes]]
"""Name of the stream and a line of it; an empty line at its end."""


def pumped(child: subprocess.Popen[bytes], stdin: bytes) -> tuple[Lines, list[threading.Thread]]:
    """Feeds a child that has pipes for all three, and brings its lines as they come; who does that, to wait for."""
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    lines: Lines = queue.SimpleQueue()
    streams = (("stdout", child.stdout), ("stderr", child.stderr))
    threads = [threading.Thread(target=_pump, args=(name, file, lines), daemon=True) for name, file in streams]
    threads.append(threading.Thread(target=_feed, args=(child.stdin, stdin), daemon=True))
    for thread in threads:
        thread.start()
    return lines, threads


def _feed(stdin: IO[bytes], data: bytes) -> None:
    # It may not want to read all of it; what is left open then nobody closes.
    with contextlib.suppress(OSError), stdin:
        stdin.write(data)


def _pump(name: str, file: IO[bytes], lines: Lines) -> None:
    with file:
        for line in file:
            lines.put((name, line))
    lines.put((name, b""))


def kill(child: subprocess.Popen[bytes]) -> None:
    """With all that it started; a child that is gone already is fine."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
