"""The lock on a state file: one operation at a time, and the name of who has it."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any


class StateError(Exception):
    """The state cannot be used; the text says why and what to do, and nothing was changed."""


class StateLockedError(StateError):
    """Another operation uses the state."""


class StateLock:
    """A file beside the state; the kernel lets go of it when its holder dies, so that no lock is stale here."""

    def __init__(self, state: Path) -> None:
        self.state, self.path = state, state.with_name(state.name + ".lock")

    @contextlib.contextmanager
    def held(self, notice: Callable[[str], None]) -> Iterator[None]:
        """Holds it for one operation; `notice` is told when a dead holder's lock was taken over."""
        with self._file() as file:
            self._acquire(file, notice)
            try:
                yield
            finally:
                file.seek(0)
                file.truncate()

    def holder(self) -> str:
        """Who holds it now and since when, or nothing."""
        try:
            with self.path.open() as file:
                left = _left_by(file)
                # Only where a name stands: a look must not get in the way of an operation that begins.
                return _described(left) if left and (_is_elsewhere(left) or _is_held(file)) else ""
        except OSError:
            return ""

    def _file(self) -> IO[str]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        except OSError as error:
            raise StateError(f"The state {self.state} cannot be used: {error}. Nothing was changed.") from error

    def _acquire(self, file: IO[str], notice: Callable[[str], None]) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateLockedError(self._in_use(_left_by(file), "Wait until it has ended.")) from error
        left = _left_by(file)
        if left and _is_elsewhere(left):
            raise StateLockedError(self._in_use(left, f"If it is gone, delete {self.path}."))
        if left:
            notice(f"The last operation ended without letting go of the state ({_described(left)}): lock taken over.")
        file.seek(0)
        file.truncate()
        me = {"pid": os.getpid(), "host": socket.gethostname(), "user": getpass.getuser(), "since": time.time()}
        json.dump(me, file)
        file.flush()

    def _in_use(self, left: dict[str, Any], advice: str) -> str:
        return f"Another operation uses the state {self.state}: {_described(left)}. Nothing was changed. {advice}"


def _left_by(file: IO[str]) -> dict[str, Any]:
    file.seek(0)
    try:
        return dict(json.loads(file.read() or "{}"))
    except ValueError:
        return {"user": "somebody", "pid": "?", "host": "an unknown host"}


def _is_elsewhere(left: dict[str, Any]) -> bool:
    return left.get("host") != socket.gethostname()


def _is_held(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _described(left: dict[str, Any]) -> str:
    age = f", for {time.time() - left['since']:.0f} s" if "since" in left else ""
    return f"{left.get('user')}, process {left.get('pid')} on {left.get('host')}{age}"
