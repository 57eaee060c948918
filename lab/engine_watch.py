"""What an operation tells: events as they happen, and the counts, steps and complaints for its result."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from lab.engine_plan import Step
from lab.events import Change, Event, LogEvent, StepEvent

Phase = Literal["start", "done", "failed"]
Severity = Literal["debug", "info", "warning", "error"]
COUNTED: Final = {"create", "update", "delete", "same", "replace", "discard", "import"}


@dataclass
class Watch:
    """Collects the events of one operation and hands them on, one at a time."""

    listener: Callable[[Event], None]
    events: list[Event] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    counts_refreshes: bool = False
    """Whether what a refresh finds is the result, or only the way to it."""
    began: float = field(default_factory=time.monotonic)
    _open: dict[str, tuple[Step, float]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def emit(self, event: Event) -> None:
        """Hands on one event."""
        with self._lock:
            self.events.append(event)
            self.listener(event)

    def log(self, severity: Severity, text: str, urn: str = "") -> None:
        """A line for the user."""
        self.emit(LogEvent(severity, text, urn))

    def start(self, step: Step) -> float:
        """A step begins."""
        self.emit(_event("start", step))
        return time.monotonic()

    def failed(self, step: Step, since: float, message: str) -> None:
        """A step failed."""
        self.emit(_event("failed", step, since, message))
        self.log("error", message, step.entry.urn)

    def done(self, step: Step, since: float, op: str = "", changes: tuple[Change, ...] = ()) -> None:
        """A step is done; a component stays open until its outputs are registered."""
        op = op or step.op
        with self._lock:
            self._count(step, op)
            if step.op in ("create", "update", "same") and not step.entry.custom:
                self._open[step.entry.urn] = (step, since)
                return
            self.emit(_event("done", step, since, op=op, changes=changes))

    def _count(self, step: Step, op: str) -> None:
        matters = self.counts_refreshes or step.op != "refresh"
        if op in COUNTED and matters and not step.entry.is_default_provider:
            self.counts[op] += 1

    def close(self, urn: str) -> None:
        """The outputs of a component are registered."""
        with self._lock:
            if urn in self._open:
                step, since = self._open.pop(urn)
                self.emit(_event("done", step, since))

    def close_all(self) -> None:
        """The operation is over: components that never registered outputs, and at last the stack."""
        for urn in reversed(list(self._open)):
            self.close(urn)


def _event(
    phase: Phase, step: Step, since: float = 0.0, message: str = "", op: str = "", changes: tuple[Change, ...] = ()
) -> StepEvent:
    entry = step.entry
    seconds = time.monotonic() - since if since else 0.0
    return StepEvent(
        phase=phase, op=op or step.op, type=entry.type, name=entry.name, urn=entry.urn, parent=entry.parent,
        seconds=seconds, changes=changes or step.changes, message=message,
    )  # fmt: skip
