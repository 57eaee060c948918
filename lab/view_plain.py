"""Plain lines, for logs and pipes: one when something is done, one for each new word of progress."""

from __future__ import annotations

import threading
from typing import TextIO

from lab.events import Event, LogEvent, StepEvent, SummaryEvent
from lab.view import (
    DIAL,
    FAILED,
    QUIET,
    WAITED,
    Reason,
    change_lines,
    is_default_provider,
    is_retry,
    is_verdict,
    mark_of,
    reason,
    seconds_text,
)
from lab.view_model import about, named

PARTS = frozenset({"create-replacement", "delete-replaced"})
"""Not told one by one: the line of the `replace` says it."""


class PlainView:
    """Writes lines as things end; colors, cursor movements and rich are not needed for that."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.preview = False
        self.said: set[str] = set()
        self.notes: set[tuple[str, str]] = set()
        self.waited: dict[str, int] = {}
        self.judged: set[str] = set()
        """Resources whose step has said why it fails: the failure tells it, and all that follows."""
        self.lock = threading.RLock()

    def say(self, text: str, style: str = "", copied: bool = False, end: str = "\n") -> None:
        """One line of our own."""
        with self.lock:
            self._write(text, end)

    def begin(self, op: str, stack: str) -> None:
        """An operation starts."""
        self.preview = op == "preview"
        self.notes.clear()
        self.waited.clear()
        self.judged.clear()

    def event(self, event: Event) -> None:
        """Writes what is worth a line."""
        with self.lock:
            for line in self._lines(event):
                self._write(line)

    def end(self) -> None:
        """Nothing is left to write: each line was written when it was known."""

    def _write(self, line: str, end: str = "\n") -> None:
        self.out.write(line + end)
        self.out.flush()

    def _lines(self, event: Event) -> list[str]:
        if isinstance(event, SummaryEvent):
            return []
        return self._log_lines(event) if isinstance(event, LogEvent) else self._step_lines(event)

    def _step_lines(self, event: StepEvent) -> list[str]:
        self.judged.discard(event.urn)
        what = f"{event.op} {event.type} {event.name}"
        if event.phase == "failed" and event.message:
            self.said.add(event.message)  # it comes once more, as an error of the log
            return failure_lines(f"{FAILED.sign} {what} failed ({seconds_text(event.seconds)})", reason(event.message))
        if event.phase != "done" or event.op in PARTS or is_default_provider(event.type, event.name):
            return []
        if event.op in QUIET and not event.changes:
            return []
        took = "" if self.preview else f" ({seconds_text(event.seconds)})"
        changes = [f"    {line}" for line in change_lines(event.changes)]
        return [f"{mark_of(event.op).sign} {what}{took}", *changes]

    def _log_lines(self, event: LogEvent) -> list[str]:
        if is_retry(event.text):
            self.judged.discard(event.urn)
        if event.severity == "debug" or is_retry(event.text):
            return []
        if event.urn and event.severity == "info":
            return self._progress(event)
        if event.text in self.said:
            return []
        self.said.add(event.text)
        return [event.text if event.severity == "info" else about(event)]

    def _progress(self, event: LogEvent) -> list[str]:
        text = event.text.strip()
        self.judged |= {event.urn} if is_verdict(text) else set()
        is_old = event.urn in self.judged or (event.urn, text) in self.notes
        if not text or is_old or self._is_one_of_many(event.urn, text):
            return []
        self.notes.add((event.urn, text))
        return [f"  {named(event.urn)[1]}: {line}" for line in text.splitlines()]

    def _is_one_of_many(self, urn: str, text: str) -> bool:
        """Of a long wait a log shows that it lasts, each time twice as long, and not each try."""
        waited = WAITED.match(text)
        if waited is None:
            return bool(DIAL.match(text))
        seconds = int(waited[1])
        if seconds < 2 * self.waited.get(urn, 0):
            return True
        self.waited[urn] = seconds
        return False


def failure_lines(head: str, why: Reason) -> list[str]:
    """The head with the reason on the same line, the rest below."""
    return [f"{head}: {why.line}", *(f"    {line}" for line in why.more)]
