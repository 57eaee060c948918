"""The machine as its stand-ins see it: a state file, a root folder and simulated time."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from _json import (
    encode_basestring_ascii,
    make_encoder,
    make_scanner,
)  # without the ten milliseconds that loading `json` takes

from lab.host.standins.patterns import find

MYPY = False
if MYPY:
    from collections.abc import Callable
    from typing import Any, NoReturn

START = 1767261600.0
"""What `lab.cluster.clock` starts with; loading it here would cost more than it does."""


class _Strict:
    """What the scanner of JSON asks for."""

    strict, object_hook, object_pairs_hook = True, None, None
    parse_float, parse_int, parse_constant = float, int, float

    def __init__(self) -> None:
        self.memo: dict[str, str] = {}


class Ended(Exception):
    """A stand-in ends with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def loads(text: str) -> Any:
    """Reads JSON."""
    return make_scanner(_Strict())(text, 0)[0]  # type: ignore[arg-type]


def dumps(value: object) -> str:
    """Writes JSON, in one line and in a stable order."""
    encode = make_encoder(None, repr, encode_basestring_ascii, None, ": ", ", ", True, False, True)
    return "".join(encode(value, 0))


class Box:
    """One machine, as long as one stand-in runs."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.root = os.path.join(folder, "root")
        self.user = os.environ.get("GPU_READY_USER", "root")
        self.state: dict[str, Any] = self.load()

    # what is known

    def load(self) -> dict[str, Any]:
        """Reads the state anew."""
        with open(os.path.join(self.folder, "machine.json"), encoding="utf-8") as file:
            loaded: dict[str, Any] = loads(file.read())
        return loaded

    def save(self) -> None:
        """Keeps the state, whole or not at all; whoever steps through the script sees the change."""
        target = os.path.join(self.folder, "machine.json")
        with open(f"{target}.new", "w", encoding="utf-8") as file:
            file.write(dumps(self.state))
        os.replace(f"{target}.new", target)
        step()

    def locked(self) -> Locked:
        """One stand-in at a time changes the machine; what it reads is what the last one left."""
        return Locked(self)

    def fault(self, name: str) -> bool:
        """Whether this machine has the fault."""
        return bool(self.state["fault"] == name)

    @property
    def is_root(self) -> bool:
        """Whether the caller is root here; who really runs the rehearsal does not count."""
        return self.user == "root"

    # files under its root

    def path(self, name: str) -> str:
        """Where a file of the machine lies; a caller may have put the root before it already."""
        return name if name.startswith(self.root + "/") else self.root + "/" + name.lstrip("/")

    def inside(self, name: str) -> str:
        """The name of a file as the machine knows it."""
        return name.removeprefix(self.root)

    def read(self, name: str) -> str | None:
        """The text of a file; None where there is none."""
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return None

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Puts a file there."""
        file = _made(self.path(name), _opened)
        os.write(file, text.encode())
        os.fchmod(file, mode)
        os.close(file)

    def link(self, name: str, target: str) -> None:
        """Puts a symbolic link there."""
        _made(self.path(name), lambda path: os.symlink(target, path))

    def remove(self, name: str) -> None:
        """Takes a file away, if it is there."""
        if os.path.lexists(self.path(name)):
            os.unlink(self.path(name))

    def prune(self, folder: str) -> None:
        """Takes away a folder that is left empty, and those around it, but for those that were there at birth."""
        keep = self.state["folders"]
        while folder not in keep and folder.count("/") > 1:
            try:
                os.rmdir(self.path(folder))
            except OSError:
                return
            folder = os.path.dirname(folder)

    def clear(self, folder: str) -> None:
        """Takes a folder away with all that is in it, if it is there."""
        path = self.path(folder)
        if not os.path.isdir(path):
            return
        for where, folders, files in os.walk(path, topdown=False):
            for name in [*files, *folders]:
                inside = os.path.join(where, name)
                (os.unlink if os.path.islink(inside) or name in files else os.rmdir)(inside)
        os.rmdir(path)

    def exists(self, name: str) -> bool:
        """Whether a file, folder or link is there."""
        return os.path.lexists(self.path(name))

    def find(self, pattern: str) -> list[str]:
        """Names of the files that fit, as the machine knows them."""
        return find(self.root, self.inside(pattern))

    # simulated time

    @property
    def clock(self) -> str:
        """The file of simulated time; where it lies is said from the folder of the machine."""
        return os.path.join(self.folder, self.state["clock"])

    def now(self) -> float:
        """Seconds of simulated time."""
        try:
            with open(self.clock, encoding="utf-8") as file:
                return float(file.read() or 0)
        except (OSError, ValueError):
            return 0.0

    def spend(self, seconds: float) -> None:
        """Moves simulated time on; when the machine goes down meanwhile, so does the caller."""
        speed = float(os.environ.get("GPU_READY_SPEED") or self.state["speed"])
        wanted = self.now() + seconds
        if speed > 0:
            time.sleep(seconds / speed)
        with open(os.open(self.clock, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if wanted > float(file.read() or 0):
                os.pwrite(file.fileno(), f"{wanted:015.3f}".encode(), 0)  # as lab.cluster.clock does
        self.stop_if_down()

    def stop_if_down(self) -> None:
        """Nothing runs on a machine that is off, but what it starts itself."""
        if os.environ.get("GPU_READY_BOOTING"):
            return
        state, now = self.load(), self.now()
        due = state["reboot_at"]
        if now < state["off_until"] or (due is not None and now >= due):
            if os.environ.get("GPU_READY_ROOT"):
                os.killpg(os.getpgrp(), 9)
            raise Ended(137)


def _opened(path: str) -> int:
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)


def _made(path: str, make: Callable[[str], Any]) -> Any:
    """Makes something new at a path, in place of what is there; a folder that is missing is made."""
    try:
        return make(path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    except FileExistsError:
        os.unlink(path)
    return make(path)


class Locked:
    """As long as this is entered, no other stand-in changes the machine."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.file = os.open(os.path.join(box.folder, "machine.lock"), os.O_WRONLY | os.O_CREAT, 0o600)

    def __enter__(self) -> None:
        fcntl.flock(self.file, fcntl.LOCK_EX)
        self.box.state = self.box.load()

    def __exit__(self, *_error: object) -> None:
        os.close(self.file)


def say(*lines: str) -> None:
    """Prints to stdout."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def warn(*lines: str) -> None:
    """Prints to stderr."""
    sys.stdout.flush()
    sys.stderr.write("".join(f"{line}\n" for line in lines))


def fail(status: int, *lines: str) -> NoReturn:
    """Prints to stderr and ends."""
    warn(*lines)
    raise Ended(status)


def step() -> None:
    """Lets whoever steps through a script look at the machine before the next change."""
    ask, answer = os.environ.get("GPU_READY_STEP"), os.environ.get("GPU_READY_STEP_ANSWER")
    if not ask or not answer:
        return
    with open(os.open(ask, os.O_WRONLY), "w", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    descriptor = os.open(answer, os.O_RDONLY)
    os.read(descriptor, 1)
    os.close(descriptor)
