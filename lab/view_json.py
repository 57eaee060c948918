"""The operation as one JSON object, for programs that call ours."""

from __future__ import annotations

import threading
from dataclasses import asdict
from typing import Any

from lab.events import Event, LogEvent, StepEvent, SummaryEvent


class JsonView:
    """Says nothing while things happen; keeps what `--json` prints at the end."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._reset()

    def _reset(self) -> None:
        self.steps: list[dict[str, Any]] = []
        self.diagnostics: list[dict[str, str]] = []
        self.summary: SummaryEvent | None = None

    def say(self, text: str, style: str = "", copied: bool = False, end: str = "\n") -> None:
        """Lines for people have no place here."""

    def begin(self, op: str, stack: str) -> None:
        """An operation starts."""
        self._reset()

    def event(self, event: Event) -> None:
        """Keeps what happened."""
        with self.lock:
            if isinstance(event, SummaryEvent):
                self.summary = event
            elif isinstance(event, LogEvent):
                self._log(event)
            elif event.phase != "start":
                self.steps.append(_step(event))

    def end(self) -> None:
        """The document is asked for when all is known."""

    def _log(self, event: LogEvent) -> None:
        if event.severity != "debug":
            about = {"urn": event.urn} if event.urn else {}
            self.diagnostics.append({"severity": event.severity, "text": event.text, **about})

    def document(self) -> dict[str, Any]:
        """Steps, diagnostics and counts of the last operation."""
        summary = self.summary or SummaryEvent("", {}, "failed", 0.0)
        return {
            "steps": self.steps,
            "changes": summary.changes,
            "diagnostics": self.diagnostics,
            "result": summary.result,
            "seconds": round(summary.seconds, 3),
        }


def _step(event: StepEvent) -> dict[str, Any]:
    told: dict[str, Any] = {"op": event.op, "type": event.type, "name": event.name, "urn": event.urn}
    told |= {"result": event.phase, "seconds": round(event.seconds, 3)}
    told |= {"changes": [asdict(change) for change in event.changes]} if event.changes else {}
    return told | ({"message": event.message} if event.message else {})
