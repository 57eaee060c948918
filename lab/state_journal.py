"""What was done since a state was written whole: a line per step, so that a large state is not written anew each time.

Resources are known by number: those of the whole state by their place in it, later ones by the numbers after. A line
says what became of some of them: `moved` of what is as it was, and only done with now; `now` of what is another, or
gone; `begun` of what is under way, or is no longer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

Document = dict[str, Any]


def folded(document: Document, changes: Iterable[Document]) -> Document:
    """The state after these changes: what is done stands before what is still as it was."""
    there, begun = dict(enumerate(document["resources"])), dict[str, Document | None]()
    whole = len(there)
    for change in changes:
        there |= {number: there.pop(was) for number, was in change["moved"]}
        there |= dict(change["now"])
        begun |= dict(change["begun"])
    order = sorted(there, key=lambda number: (number < whole, number))
    return {
        **document,
        "resources": [there[number] for number in order if there[number] is not None],
        "pending_operations": [*document["pending_operations"], *filter(None, begun.values())],
    }


class Journal:
    """A file beside that of a state, which it names by its checksum: beside another it says nothing."""

    def __init__(self, state: Path) -> None:
        self.state, self.path = state, state.with_name(f"{state.name}.journal")

    def begin(self) -> None:
        """From now on it is about the state as it is in its file."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(self.path, flags, 0o600), "wb") as file:
            _put(file, _head(self.state.read_bytes()))

    def add(self, change: Document) -> None:
        """One line more, on the disk when this returns; or none."""
        with self.path.open("ab") as file:
            before = file.tell()
            try:
                _put(file, json.dumps(change).encode() + b"\n")
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(before)
                raise

    def end(self) -> None:
        """All of it stands in the state."""
        self.path.unlink(missing_ok=True)

    def read(self) -> list[bytes]:
        """Its lines, of which the first says what it is about; half a line was never promised to anybody."""
        try:
            return [line for line in self.path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        except FileNotFoundError:
            return []

    @staticmethod
    def since(lines: list[bytes], state: bytes) -> list[bytes]:
        """What these lines add to a state."""
        return lines[1:] if lines and lines[0] == _head(state) else []


def replace_file(path: Path, data: bytes) -> None:
    """Writes beside the file, flushes to the disk, then takes its place; its owner alone may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        _put(file, data)
    temporary.replace(path)


def _put(file: IO[bytes], data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _head(state: bytes) -> bytes:
    return json.dumps({"of": hashlib.sha256(state).hexdigest()}).encode() + b"\n"
