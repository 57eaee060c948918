"""The state of a stack: its entries, the file that keeps them, and the lock on that file.

A rehearsal: nothing is encrypted, secrets stand in the file in clear with a mark, and the file says so.
"""

from __future__ import annotations

import contextlib
import copy
import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Protocol

from lab.state_form import misfit
from lab.state_journal import Journal, folded, replace_file
from lab.state_lock import StateError, StateLock
from lab.values import from_json, to_json

VERSION: Final = 1
REHEARSAL: Final = "State of a rehearsal: no real resources, nothing is encrypted, no real secret belongs in here."
Document = dict[str, Any]


class StateUnreadableError(StateError):
    """The file is no state file, or only a part of one."""


class StateTooNewError(StateError):
    """The file was written by a later release."""


@dataclass(eq=False)
class Entry:
    """One resource as it stands in the state; the names are those of a real state file, in Python's spelling."""

    urn: str
    type: str
    custom: bool = True
    id: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    """URN and id of the provider resource, joined by "::"."""
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    protect: bool = False
    delete: bool = False
    """Replaced already, waits for its deletion."""
    external: bool = False
    """Only read, never ours to change."""
    pending_replacement: bool = False
    """Deleted already, waits for its replacement."""
    retain_on_delete: bool = False
    deleted_with: str = ""
    replace_with: list[str] = field(default_factory=list)
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    replacement_trigger: Any = None
    additional_secret_outputs: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, str] = field(default_factory=dict)
    import_id: str = ""
    """The id under which the program found it, if it was there before."""
    init_errors: list[str] = field(default_factory=list)
    resource_hooks: dict[str, list[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The logical name: the last part of the URN."""
        return self.urn.rpartition("::")[2]

    @property
    def provider_urn(self) -> str:
        """URN of the provider resource."""
        return self.provider.rpartition("::")[0]

    @property
    def is_provider(self) -> bool:
        """Whether this entry is itself a provider resource."""
        return self.type.startswith("pulumi:providers:")

    @property
    def is_default_provider(self) -> bool:
        """Whether the engine made this provider resource, not the program."""
        return self.is_provider and (self.name == "default" or self.name.startswith("default_"))

    def uses(self) -> set[str]:
        """URNs of everything that must outlive this resource."""
        by_property = {urn for urns in self.property_dependencies.values() for urn in urns}
        single = {self.parent, self.provider_urn, self.deleted_with} - {""}
        return single | by_property | {*self.dependencies, *self.replace_with}

    def to_state(self) -> Document:
        """The form of the state file; empty fields are left out."""
        pairs = ((name, to_json(getattr(self, key))) for key, name in _NAMES.items())
        return {name: value for name, value in pairs if not _is_empty(value) or name == "custom"}

    @staticmethod
    def from_state(document: Document) -> Entry:
        """The opposite of `to_state`."""
        return Entry(**{key: from_json(document[name]) for key, name in _NAMES.items() if name in document})

    def renamed(self, new_urn: Callable[[str], str]) -> Entry:
        """A copy that refers to resources by their new URNs (aliases)."""
        twin = copy.copy(self)
        twin.parent, twin.deleted_with = new_urn(self.parent), new_urn(self.deleted_with)
        twin.dependencies = [new_urn(urn) for urn in self.dependencies]
        twin.property_dependencies = {k: [new_urn(u) for u in urns] for k, urns in self.property_dependencies.items()}
        if self.provider:
            twin.provider = f"{new_urn(self.provider_urn)}::{self.provider.rpartition('::')[2]}"
        return twin


def _is_empty(value: Any) -> bool:
    return value is None or value is False or value in ("", [], {})


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


_NAMES: Final = {item.name: _camel(item.name) for item in fields(Entry)}


def _text(document: Document) -> bytes:
    return json.dumps(document, indent=1).encode() + b"\n"


def empty_document() -> Document:
    """A state without resources."""
    return {"rehearsal": REHEARSAL, "version": VERSION, "resources": [], "pending_operations": []}


class Store(Protocol):
    """Where a state is kept."""

    def load(self) -> Document:
        """The state, checked; an empty one if there is none."""
        ...

    def save(self, document: Document) -> None:
        """Keeps the state; when this returns, it is kept."""
        ...

    def note(self, change: Document) -> None:
        """Keeps what a step changed of it (a line of `lab.state_journal`); when this returns, it is kept."""
        ...

    def locked(self, notice: Callable[[str], None]) -> contextlib.AbstractContextManager[None]:
        """Holds the state for one operation; `notice` is told when a dead holder's lock was taken over."""
        ...

    def holder(self) -> str:
        """Who holds the state now and since when, or nothing."""
        ...


class MemoryStore:
    """A state for tests; it is kept as text, so that what could not be written to a file fails here too."""

    def __init__(self, document: Document | None = None) -> None:
        self._text, self._changes = json.dumps(document or empty_document()), list[str]()

    def load(self) -> Document:
        """A fresh copy of what was saved last."""
        return folded(json.loads(self._text), map(json.loads, self._changes))

    def save(self, document: Document) -> None:
        """Keeps the document."""
        self._text, self._changes = json.dumps(document), []

    def note(self, change: Document) -> None:
        """Keeps the change."""
        self._changes.append(json.dumps(change))

    @contextlib.contextmanager
    def locked(self, notice: Callable[[str], None]) -> Iterator[None]:
        """Nothing to lock: only one process sees it."""
        yield

    def holder(self) -> str:
        """Nobody, as far as anybody can see."""
        return ""


class FileStore:
    """A state file: mode 0600, replaced atomically, one backup of how it was before the operation, and a lock."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.backup = self.path.with_name(self.path.name + ".bak")
        self._lock, self._journal = StateLock(self.path), Journal(self.path)
        self._backed_up = self._noting = False

    def load(self) -> Document:
        """Reads and checks the file; a missing one is an empty state."""
        try:
            # First: whoever is at it writes the whole state before the journal goes.
            journal = self._journal.read()
            data = self.path.read_bytes()
            document = self._checked(json.loads(data.decode()))
        except FileNotFoundError:
            return empty_document()
        except (OSError, ValueError) as error:
            raise self._unreadable(str(error)) from error
        return self._continued(document, self._journal.since(journal, data))

    def _continued(self, document: Document, since: list[bytes]) -> Document:
        """With what an operation did that came to no end, or has not yet."""
        try:
            return self._checked(folded(document, map(json.loads, since))) if since else document
        except (StateError, LookupError, TypeError, ValueError) as error:
            wrong = f"its journal does not fit it; without {self._journal.path} it is as before the last operation"
            raise self._unreadable(wrong) from error

    def _checked(self, document: Any) -> Document:
        if not isinstance(document, dict) or not isinstance(document.get("version"), int):
            raise self._unreadable("it is JSON, but not a state")
        if document["version"] > VERSION:
            raise StateTooNewError(
                f"The state file {self.path} has version {document['version']}, this release reads up to {VERSION}. "
                f"Nothing was changed: use the release that wrote it, or {self._anew}."
            )
        try:
            begun = [(item["type"], item["resource"])[1] for item in document["pending_operations"]]
            entries = [Entry.from_state(item) for item in [*document["resources"], *begun]]
        except (KeyError, TypeError, AttributeError) as error:
            raise self._unreadable(f"a resource in it is incomplete ({error})") from error
        for wrong in filter(None, (misfit(entry, _NAMES) for entry in entries)):
            raise self._unreadable(wrong)
        return document

    @property
    def _anew(self) -> str:
        """A state of another time does not quite fit the world; where there is one, the user may choose."""
        anew = f"move the folder {self.path.parent} away to begin anew (the simulated cluster lies in it too)"
        return f"{self._go_on}, or {anew}" if self._has_backup() else anew

    @property
    def _go_on(self) -> str:
        command = shlex.join(["cp", str(self.backup), str(self.path)])
        return f"go on with the backup ({command}), which lacks what the last operation made"

    def _has_backup(self) -> bool:
        with contextlib.suppress(StateError):
            return bool(FileStore(self.backup).load()["resources"])
        return False

    def _unreadable(self, why: str) -> StateUnreadableError:
        return StateUnreadableError(
            f"The state file {self.path} cannot be read: {why}. Nothing was changed; {self._anew}."
        )

    def save(self, document: Document) -> None:
        """Takes the place of the file at once."""
        with self._writing():
            replace_file(self.path, _text(document))
            self._journal.end()
            self._noting = False

    def note(self, change: Document) -> None:
        """Adds a line to the journal, which begins with the state as it is."""
        with self._writing():
            if not self._noting:
                self._journal.begin()
            self._noting = True
            self._journal.add(change)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            if not self._backed_up:
                self._back_up()
            self._backed_up = True
            yield
        except OSError as error:
            raise StateError(f"The state {self.path} cannot be written: {error}. It is as it was.") from error

    def _back_up(self) -> None:
        """Before the first change of an operation; what an earlier one left in its journal comes to its place too."""
        was = self.path.read_bytes() if self.path.exists() else b""
        if not was or self._journal.since(self._journal.read(), was):
            replace_file(self.path, _text(self.load()))
        if was:
            replace_file(self.backup, self.path.read_bytes())

    @contextlib.contextmanager
    def locked(self, notice: Callable[[str], None]) -> Iterator[None]:
        """Holds the lock file; a second operation is refused meanwhile."""
        with self._lock.held(notice):
            self._backed_up = self._noting = False
            yield

    def holder(self) -> str:
        """Who holds it now."""
        return self._lock.holder()
