"""Runs programs that may say anything, for ever: how long they run and how much they say is bounded."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from settings.stack_file import WrongUse

MOST_BYTES = 256 * 1024  # the facts of a host are 10 KB at most
_PIECE = 32 * 1024
_GLANCE_SECONDS = 0.2  # how soon it is seen that somebody wants to stop


class Said(NamedTuple):
    """What a program said, and how it ended."""

    status: int
    stdout: bytes
    stderr: bytes
    cut: str = ""
    """Why it was ended by us: `time`, `size` or `stop`."""


@dataclass(frozen=True)
class Programs:
    """The programs that are found on PATH."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set by whoever wants all of them to end now."""

    def need(self, *names: str) -> None:
        """Each of them has to be there before anything begins."""
        for name in names:
            if self._path(name) is None:
                raise WrongUse(f"{name} is not on PATH: install an OpenSSH client.")

    def _path(self, name: str) -> str | None:
        return shutil.which(name, path=self.environment.get("PATH"))

    def run(self, command: Sequence[str], stdin: str = "", seconds: float = 60.0) -> Said:
        """Runs one to its end, or ends it with all its children when it takes too long or says too much."""
        program = self._path(command[0]) or command[0]
        with subprocess.Popen(
            [program, *command[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.environment, "LC_ALL": "C"},  # errors are known by their words
            start_new_session=True,  # no terminal to ask at, and a group that can be ended as a whole
        ) as process:
            talk = _Talk(process, stdin.encode(), time.monotonic() + seconds, self.stopping)
            try:
                cut = talk.to_the_end()
            finally:
                _end(process)
        return Said(process.returncode, bytes(talk.said["stdout"]), bytes(talk.said["stderr"]), cut)


class _Talk:
    """Feeds a program and listens to it at the same time, so that neither waits for the other."""

    def __init__(
        self, process: subprocess.Popen[bytes], stdin: bytes, deadline: float, stopping: threading.Event
    ) -> None:
        self.process, self.left, self.deadline, self.stopping = process, stdin, deadline, stopping
        self.said = {"stdout": bytearray(), "stderr": bytearray()}
        self.ears = selectors.DefaultSelector()
        assert process.stdin
        assert process.stdout
        assert process.stderr
        os.set_blocking(process.stdin.fileno(), False)
        self.ears.register(process.stdin, selectors.EVENT_WRITE)
        self.ears.register(process.stdout, selectors.EVENT_READ, "stdout")
        self.ears.register(process.stderr, selectors.EVENT_READ, "stderr")

    def to_the_end(self) -> str:
        """Until it has said all; else why not."""
        with self.ears:
            while self.ears.get_map():
                if self.stopping.is_set():
                    return "stop"
                left = self.deadline - time.monotonic()
                if left <= 0:
                    return "time"
                for key, _ in self.ears.select(min(left, _GLANCE_SECONDS)):
                    self._hear(key) if key.data else self._feed(key)
                if any(len(heard) > MOST_BYTES for heard in self.said.values()):
                    return "size"
        return self._gone()

    def _gone(self) -> str:
        """It may close its streams and stay."""
        try:
            self.process.wait(max(0.0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return "time"
        return ""

    def _hear(self, key: selectors.SelectorKey) -> None:
        piece = os.read(key.fd, _PIECE)
        self.said[key.data] += piece
        if not piece:
            self.ears.unregister(key.fileobj)

    def _feed(self, key: selectors.SelectorKey) -> None:
        try:
            self.left = self.left[os.write(key.fd, self.left) :] if self.left else b""
        except BrokenPipeError:  # it does not want to know more
            self.left = b""
        if not self.left:
            self.ears.unregister(key.fileobj)
            assert self.process.stdin
            with suppress(BrokenPipeError):
                self.process.stdin.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
