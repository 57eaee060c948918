"""The state while an operation runs: what is new, what is still as it was, what has begun."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from lab.state import Document, Entry, Store, empty_document


class Ledger:
    """Keeps the entries of one operation and writes them to the store after every step (never in a preview)."""

    def __init__(self, store: Store, preview: bool) -> None:
        document = store.load()
        self._store, self._preview = store, preview
        self.old = [Entry.from_state(item) for item in document["resources"]]
        self.before = {entry.urn: entry for entry in self.old if not entry.delete}
        """What the last operation left, by URN."""
        self.new: list[Entry] = []
        self.aliases: dict[str, str] = {}
        """Old URN -> the URN it has now."""
        self.unfinished: list[Document] = document["pending_operations"]
        """Begun by an earlier operation, and never heard of again."""
        self._begun: dict[str, Document] = {}
        self._lock = threading.RLock()
        self._written = document

    def find(self, urn: str) -> Entry | None:
        """The entry of the last operation under this URN, unless it is done with."""
        return next((entry for entry in self.old if entry.urn == urn and not entry.delete), None)

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter([*self.new, *self.old])

    def begin(self, op: str, entry: Entry) -> None:
        """Notes that the world may be changed from now on."""
        with self._lock:
            self._begun[entry.urn] = {"type": op, "resource": entry.to_state()}
            self.save()

    def finish(self, entry: Entry, replaces: Entry | None = None) -> None:
        """The entry is done; the old one that it took the place of goes."""
        with self._lock:
            self._begun.pop(entry.urn, None)
            if not any(other is entry for other in self.new):
                self.new.append(entry)
            self.forget(replaces)

    def forget(self, entry: Entry | None) -> None:
        """Takes an entry out of the state."""
        with self._lock:
            self.old = [other for other in self.old if other is not entry]
            self.new = [other for other in self.new if other is not entry]
            if entry is not None:
                self._begun.pop(entry.urn, None)
            self.save()

    def abandon(self, entry: Entry) -> None:
        """The step failed, and the provider says that nothing was left half done."""
        with self._lock:
            self._begun.pop(entry.urn, None)
            self.save()

    def prune(self) -> None:
        """Drops references to resources that are gone (found so by a refresh)."""
        there = {entry.urn for entry in self}
        for entry in self.old:
            entry.dependencies = [urn for urn in entry.dependencies if urn in there]
            kept = {key: [u for u in urns if u in there] for key, urns in entry.property_dependencies.items()}
            entry.property_dependencies = {key: urns for key, urns in kept.items() if urns}
        self.save()

    def document(self) -> Document:
        """The state as it is now, in the form of the file."""
        creating = [item for item in self.unfinished if item["type"] == "creating"]
        # One that was deleted before, and is replaced now, gets a second deletion but no place in the state: as really.
        kept = [entry for entry in self if not (entry.delete and entry.pending_replacement)]
        now = [entry.renamed(self._urn_now) for entry in kept] if self.aliases else kept
        return {
            **empty_document(),
            "resources": [entry.to_state() for entry in now],
            "pending_operations": [*creating, *self._begun.values()],
        }

    def _urn_now(self, urn: str) -> str:
        return self.aliases.get(urn, urn)

    def save(self) -> None:
        """Writes the state if it differs from what was written last."""
        if self._preview:
            return
        with self._lock:
            document = self.document()
            if document != self._written:
                self._store.save(document)
                self._written = document
