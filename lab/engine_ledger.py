"""The state while an operation runs: what is new, what is still as it was, what has begun."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from lab.state import Document, Entry, Store, empty_document


class Ledger:
    """Keeps the entries of one operation and notes in the store what each step changed (never in a preview)."""

    def __init__(self, store: Store, preview: bool) -> None:
        document = store.load()
        self._store, self._preview = store, preview
        self._old = dict.fromkeys(Entry.from_state(item) for item in document["resources"])
        self._new: dict[Entry, None] = {}
        self.before = {entry.urn: entry for entry in self._old if not entry.delete}
        """What the last operation left, by URN."""
        self._at: dict[str, list[Entry]] = {}
        for entry in self._old:
            self._at.setdefault(entry.urn, []).append(entry)
        self.aliases: dict[str, str] = {}
        """Old URN -> the URN it has now."""
        self.unfinished: list[Document] = document["pending_operations"]
        """Begun by an earlier operation, and never heard of again."""
        self._begun: dict[str, Document] = {}
        self._lock = threading.RLock()
        self._kept(document, self._old)

    def _kept(self, document: Document, entries: Iterable[Entry]) -> None:
        """The store has exactly these; from now on it is told by number what becomes of them."""
        self._written: Document | None = document
        self._noted: dict[int, Document | None] = dict(enumerate(document["resources"]))
        self._numbers = dict(zip(entries, self._noted, strict=True))
        self._noted_begun: dict[str, Document] = {}
        self._moved: list[tuple[int, int]] = []
        self._as_a_whole = bool(self._new)
        """Lines for what comes now would be about other numbers."""

    @property
    def old(self) -> list[Entry]:
        """What is still as it was."""
        with self._lock:
            return [*self._old]

    @property
    def new(self) -> list[Entry]:
        """What is done with."""
        with self._lock:
            return [*self._new]

    def find(self, urn: str) -> Entry | None:
        """The entry of the last operation under this URN, unless it is done with."""
        entry = self.before.get(urn)
        return entry if entry in self._old and not entry.delete else None

    def known(self, urn: str, id: str) -> Entry | None:
        """The entry with this URN and id, the new one first."""
        with self._lock:
            return next((one for one in self._at.get(urn, ()) if one.id == id and self._has(one)), None)

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter([*self._new, *self._old])

    def _has(self, entry: Entry) -> bool:
        return entry in self._new or entry in self._old

    def begin(self, op: str, entry: Entry) -> None:
        """Notes that the world may be changed from now on."""
        with self._lock:
            self._begun[entry.urn] = {"type": op, "resource": entry.to_state()}
            self.note(entry)

    def finish(self, entry: Entry, replaces: Entry | None = None, beside: Entry | None = None) -> None:
        """The entry is done; the old one that it took the place of goes, or stands `beside` it for now."""
        with self._lock:
            self._begun.pop(entry.urn, None)
            if entry not in self._new:
                self._new[entry] = None
                self._at.setdefault(entry.urn, []).insert(0, entry)
            self._drop(replaces)
            self._move(entry, replaces)
            self.note(entry, replaces, beside)

    def forget(self, entry: Entry) -> None:
        """Takes an entry out of the state."""
        with self._lock:
            self._drop(entry)
            self.note(entry)

    def _drop(self, entry: Entry | None) -> None:
        if entry is not None:
            self._old.pop(entry, None)
            self._new.pop(entry, None)
            self._begun.pop(entry.urn, None)

    def abandon(self, entry: Entry) -> None:
        """The step failed, and the provider says that nothing was left half done."""
        with self._lock:
            self._begun.pop(entry.urn, None)
            self.note(entry)

    def settle(self) -> None:
        """What was left unfinished stands in no line to come."""
        if self._written and self._written["pending_operations"]:
            self.save()

    def prune(self) -> None:
        """Drops references to resources that are gone (found so by a refresh)."""
        there = {entry.urn for entry in self}
        for entry in self._old:
            entry.dependencies = [urn for urn in entry.dependencies if urn in there]
            kept = {key: [u for u in urns if u in there] for key, urns in entry.property_dependencies.items()}
            entry.property_dependencies = {key: urns for key, urns in kept.items() if urns}
        self.save()

    def document(self) -> Document:
        """The state as it is now, in the form of the file."""
        creating = [item for item in self.unfinished if item["type"] == "creating"]
        kept = filter(_stands, self)
        now = [entry.renamed(self._urn_now) for entry in kept] if self.aliases else kept
        return {
            **empty_document(),
            "resources": [entry.to_state() for entry in now],
            "pending_operations": [*creating, *self._begun.values()],
        }

    def _urn_now(self, urn: str) -> str:
        return self.aliases.get(urn, urn)

    def save(self) -> None:
        """Writes the whole state if it differs from what was written last."""
        if self._preview:
            return
        with self._lock:
            document = self.document()
            if document != self._written:
                self._store.save(document)
                self._kept(document, filter(_stands, self))

    def note(self, *touched: Entry | None) -> None:
        """Writes what became of these entries, if it is not what stands there; to be moved alone can wait."""
        if self._preview:
            return
        with self._lock:
            if self.aliases or self._as_a_whole:
                self.save()
                return
            entries = [entry for entry in touched if entry is not None]
            now = {number: state for number, state in map(self._state, entries) if state != self._noted.get(number)}
            begun = {urn: self._begun.get(urn) for urn in {entry.urn for entry in entries}}
            begun = {urn: item for urn, item in begun.items() if item != self._noted_begun.get(urn)}
            if now or begun:
                self._put(now, begun)

    def _put(self, now: dict[int, Document | None], begun: dict[str, Document | None]) -> None:
        self._written, self._as_a_whole = None, True  # should this fail, what comes next has to say it too
        self._store.note({"moved": self._moved, "now": [*now.items()], "begun": [*begun.items()]})
        self._as_a_whole, self._moved = False, []
        self._noted |= now
        self._noted_begun |= {urn: item for urn, item in begun.items() if item}
        for urn in begun.keys() - self._begun.keys():
            self._noted_begun.pop(urn, None)

    def _state(self, entry: Entry) -> tuple[int, Document | None]:
        number = self._numbers.setdefault(entry, max(len(self._numbers), len(self._noted)))
        return number, entry.to_state() if self._has(entry) and _stands(entry) else None

    def _move(self, entry: Entry, replaces: Entry | None) -> None:
        """What is as it was before needs no second text in the store."""
        if replaces is None or self._preview:
            return
        number, state = self._state(entry)
        was = self._numbers.get(replaces, -1)
        if state == self._noted.get(was):
            self._moved.append((number, was))
            self._noted[number] = self._noted.pop(was)


def _stands(entry: Entry) -> bool:
    """One that was deleted before, and is replaced now, gets a second deletion but no place in the state: as really."""
    return not (entry.delete and entry.pending_replacement)
