"""One command from its first line to its last: preview, question, operation, report."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from lab import view_report
from lab.events import Event, StepEvent, SummaryEvent
from lab.session import Session
from lab.stack_file import WrongUse
from lab.view import View, changed_count, is_default_provider, summary_text
from lab.view_model import named
from lab.view_report import Line

if TYPE_CHECKING:
    from lab.engine import Result

ASKS = frozenset({"up", "destroy"})
NOT_ASKED = "{op} changes things, and nobody is here to be asked: add --yes."
STOPPING = "finishing what runs; Ctrl-C again stops at once"
KILLING = "stopping at once"
STOPPED = "stopped; the state is kept, and the next `up` goes on from here"


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    exit: int
    document: dict[str, Any] = field(default_factory=dict)
    """What `--json` says beside steps and diagnostics."""
    error: str = ""
    changed: int = 0
    """How many resources were changed."""
    failures: tuple[str, ...] = ()
    """What the failed resources said, whole."""


class Operation:
    """Runs one command for one session and shows it."""

    def __init__(
        self, op: str, session: Session, view: View, stdin: TextIO, sure: bool = False, json: bool = False
    ) -> None:
        self.op, self.session, self.view = op, session, view
        self.stdin, self.sure, self.json = stdin, sure, json
        self.summary: SummaryEvent | None = None
        self.interrupts = self.failed = 0

    def run(self) -> Outcome:
        """The whole command."""
        if self.op == "state":
            return self._state()
        if self.op in ASKS and not self.sure and (self.json or not self.stdin.isatty()):
            raise WrongUse(NOT_ASKED.format(op=self.op))
        # Before the settings are checked: one that is missing may be what an environment would bring.
        self._say(view_report.unread(self.session.stack.environments))
        if self.op != "destroy":
            self.session.wish()
        self.session.store().load()
        return self._announced()

    def _announced(self) -> Outcome:
        switched = self.session.turn_switches()
        nodes = self.session.node_count()
        self._say(view_report.header(nodes, self.session.secret_count))
        self._say(Line(line, "yellow") for line in switched)
        outcome = self._asked() if self.op in ASKS and not self.sure else self._carried_out()
        simulated = f"{view_report.simulated(nodes)}; nothing real is touched"
        unread = self.session.stack.environments
        around = {"simulated": simulated, **({"environments_not_read": list(unread)} if unread else {})}
        document = {**around, **outcome.document}
        return Outcome(outcome.exit, document, outcome.error, outcome.changed, outcome.failures)

    def _asked(self) -> Outcome:
        """Preview first, then the question; without changes there is nothing to ask."""
        result = self._preview()
        self._say([Line(f"preview: {summary_text(self.summary, preview=True)}" if self.summary else "preview", "bold")])
        if result is not None and result.exit:
            self._say([self._last_line(result)])
            return self._outcome(result)
        if changed_count(self.summary) and not self._confirmed():
            self._say([Line("rehearsal: nothing was changed; nothing real was touched", "bold")])
            return Outcome(1)
        return self._carried_out()

    def _preview(self) -> Result | None:
        if self.op == "destroy":
            with self._shown("preview"):
                for event in self.session.planned_deletions():
                    self._take(event)
            return None
        return self._operate("preview")

    def _confirmed(self) -> bool:
        self.view.say(f"{self.op} {self.session.name} in the simulated cluster? [y/N] ", "bold", end="")
        return self.stdin.readline().strip().lower() in ("y", "yes")

    def _carried_out(self) -> Outcome:
        result = self._operate(self.op)
        if result.exit == 0 and self.op == "up":
            self._say_proof(result.outputs)
        if result.exit == 0 and self.op == "destroy":
            left = self.session.remainder()
            self._say(view_report.stays(left.expected, left.unexpected, left.switched))
        if self.interrupts:
            self._say([Line(STOPPED, "yellow")])
        self._say([self._last_line(result)])
        return self._outcome(result)

    def _say_proof(self, outputs: dict[str, Any]) -> None:
        self._say(view_report.closing(outputs.get("report") or {}))
        if not changed_count(self.summary):
            return
        self._say(view_report.workload(str(outputs.get("first_workload") or "")))
        self._say(view_report.take_back(self.session.name, str(outputs.get("destroy_hint") or "")))

    def _outcome(self, result: Result) -> Outcome:
        stays = {"stays": asdict(self.session.remainder())} if self.op == "destroy" and result.exit == 0 else {}
        document = {"stack": self.session.name, "outputs": result.outputs, **stays}
        return Outcome(result.exit, document, "", changed_count(self.summary), tuple(result.errors))

    def _operate(self, op: Any) -> Result:
        with self._shown(op), self._interruptible():
            return self.session.run(op, self._take)

    def _take(self, event: Event) -> None:
        if isinstance(event, SummaryEvent):
            self.summary = event
        elif isinstance(event, StepEvent) and event.phase == "failed":
            self.failed += 1
        self.view.event(event)

    def _last_line(self, result: Result) -> Line:
        summary = self.summary or SummaryEvent(self.op, {}, "failed", 0.0)
        ended = "stopped" if self.interrupts else "failed" if result.exit else "succeeded"
        counts = summary_text(summary, preview=summary.op == "preview") + (
            f", {self.failed} failed" if self.failed else ""
        )
        inside = self.session.simulated_seconds()
        return view_report.last(summary.op, self.session.name, ended, summary.seconds, counts, inside)

    def _say(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self.view.say(line.text, line.style, line.copied)

    @contextmanager
    def _shown(self, op: str) -> Iterator[None]:
        self.view.begin(op, self.session.name)
        try:
            yield
        finally:
            self.view.end()

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C asks the engine to stop, twice makes it; a program's own thread cannot set that up."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._interrupted)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _interrupted(self, *_signal: object) -> None:
        self.interrupts += 1
        self.session.stop()
        self.view.say(STOPPING if self.interrupts == 1 else KILLING, "bold yellow")

    def _state(self) -> Outcome:
        resources = self.session.resources()
        self._say(view_report.header(self.session.node_count()) if resources else [])
        self._say(view_report.state_lines(resources))
        made = [item for item in resources if not is_default_provider(item["type"], named(item["urn"])[1])]
        count = f"{len(made)} resources" if resources else "nothing is there; `up` makes it"
        self._say([Line(f"rehearsal: state of {self.session.name}: {count}; nothing real is in it", "bold")])
        return Outcome(0, {"stack": self.session.name, "resources": resources, "result": "succeeded"})
