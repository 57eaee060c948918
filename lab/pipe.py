"""Output whose reader may go away (`... | head -3`)."""

from __future__ import annotations

import os
from typing import Any, TextIO, cast

GONE = 141
"""What a shell says of a tool that lost its reader: 128 + SIGPIPE."""


class Lasting:
    """A stream that takes text for nobody once its reader is gone.

    An operation that has begun goes on to its end: one that dies in the middle of a line would leave a half-made stack
    behind, and whoever wrote `| head` wanted fewer lines, not fewer resources.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self.is_gone = stream, False

    def write(self, text: str) -> int:
        """Writes, or drops."""
        self._try(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        """Hands on what was written."""
        self._try(self._stream.flush)

    def _try(self, act: Any, *words: str) -> None:
        if self.is_gone:
            return
        try:
            act(*words)
        except BrokenPipeError:
            self.is_gone = True
            # Python itself flushes at its end, and a `print` of the program comes here past us.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def lasting(stream: TextIO) -> TextIO:
    """The stream, fit to lose its reader."""
    return cast(TextIO, Lasting(stream))


def status(exit: int, *streams: TextIO) -> int:
    """The exit status: what failed has failed, and what nobody read is not said to be fine."""
    for stream in streams:
        stream.flush()
    return exit or (GONE if any(getattr(stream, "is_gone", False) for stream in streams) else 0)
