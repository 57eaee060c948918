"""One command from its first line to its last: preview, question, operation, report."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, TextIO

from lab import view_report
from lab.events import Event, LogEvent, StepEvent, SummaryEvent
from lab.session import Session
from lab.stack_file import WrongUse
from lab.view import QUIET, View, changed_count, is_default_provider, summary_text
from lab.view_model import named
from lab.view_report import Line

if TYPE_CHECKING:
    from lab.engine import Result

ASKS = frozenset({"up", "destroy"})
GATE = "-gate"
"""How the names of the steps end that make the report."""
NOT_ASKED = "{op} changes things, and nobody is here to be asked: add --yes."
STOPPING = "finishing what runs; Ctrl-C again stops at once"
KILLING = "stopping at once"
STOPPED = "stopped; the state is kept, and the next `up` goes on from here"
BARE: dict[str, Any] = {
    "simulated": True,
    "simulation": "built-in engine, simulated cluster; nothing real is touched",
    "switches": [],
    "switches_on": [],
    "notes": [],
    "pending": [],
    "outputs": {},
}
"""What each JSON document has, however early the command ended."""


@dataclass(frozen=True)
class Asked:
    """What the command line says beside the command and its stack."""

    sure: bool = False
    """No preview, no question."""
    json: bool = False
    clear_pending_creates: bool = False


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

    def __init__(self, op: str, session: Session, view: View, stdin: TextIO, asked: Asked) -> None:
        self.op, self.session, self.view = op, session, view
        self.stdin, self.asked = stdin, asked
        session.only_previews = op == "preview"
        self.summary: SummaryEvent | None = None
        self.gates: set[str] = set()
        """What happened to the gates."""
        self.interrupts = self.failed = 0

    def run(self) -> Outcome:
        """The whole command."""
        if self.op == "state":
            return self._state()
        if self.op in ASKS and not self.asked.sure and (self.asked.json or not self.stdin.isatty()):
            raise WrongUse(NOT_ASKED.format(op=self.op))
        # Before the settings are checked: one that is missing may be what an environment would bring.
        self._say(view_report.unread(self.session.stack.environments))
        self._say(Line(f"note: {note}", "yellow") for note in self.session.stack.notes)
        if self.op != "destroy":
            self.session.wish()
        self.session.store().load()
        return self._announced()

    def _announced(self) -> Outcome:
        switched = self._switches()
        nodes, hosts = self.session.node_count(), len(self.session.hosts())
        self._say(view_report.header(nodes, self.session.secret_count, hosts))
        self._say(Line(line, "yellow") for line in switched)
        outcome = self._asked() if self.op in ASKS and not self.asked.sure else self._carried_out()
        return replace(outcome, document={**self._around(nodes, hosts), **outcome.document})

    def _switches(self) -> list[str]:
        """Turns those of this run; a line for each, and one for all that were turned earlier and are not back."""
        lines = self.session.turn_switches()
        now = {path for path, _value in self.session.switches}
        return [*lines, *view_report.still_on([one for one in self.session.switched() if one.path not in now])]

    def _around(self, nodes: int, hosts: int) -> dict[str, Any]:
        """What the JSON document says of the circumstances."""
        stack = self.session.stack
        unread = {"environments_not_read": list(stack.environments)} if stack.environments else {}
        return {
            "simulation": f"{view_report.simulated(nodes, hosts)}; nothing real is touched",
            "switches": [{"path": f"world.{path}", "value": value} for path, value in self.session.switches],
            "switches_on": view_report.switches_on(self.session.switched()),
            "notes": list(stack.notes),
            **unread,
        }

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
            self._say(view_report.stays(left.expected, left.unexpected, left.switched, left.hosts, left.unknown))
        if result.exit and self.op == "destroy":
            self._say(view_report.protected(self.session.wanted, str(result.outputs.get("destroy_hint") or "")))
        if self.interrupts:
            self._say([Line(STOPPED, "yellow")])
        self._warn_of(result.pending)
        self._say([self._last_line(result)])
        return self._outcome(result)

    def _say_proof(self, outputs: dict[str, Any]) -> None:
        changed = changed_count(self.summary)
        earlier = "" if self.proves_now else f"proven earlier ({'no check' if changed else 'nothing'} ran now)"
        self._say(view_report.closing(outputs.get("report") or {}, outputs.get("hosts") or {}, earlier))
        if not changed:
            return
        self._say(view_report.workload(str(outputs.get("first_workload") or "")))
        self._say(view_report.take_back(self.session.wanted, str(outputs.get("destroy_hint") or "")))

    @property
    def proves_now(self) -> bool:
        """Whether a gate ran in this operation: an unchanged one hands on the report of an earlier one."""
        return bool(self.gates - QUIET) if self.gates else changed_count(self.summary) > 0

    def _warn_of(self, pending: Sequence[Mapping[str, Any]]) -> None:
        """The engine keeps such a note, as the real one does, until somebody says that it is settled."""
        if not pending:
            return
        holder = self.session.store().holder()
        text = view_report.running(holder, pending) if holder else view_report.unsettled(self.session.wanted, pending)
        self.view.event(LogEvent("warning", text))

    def _outcome(self, result: Result) -> Outcome:
        document: dict[str, Any] = {"stack": self.session.name, "outputs": result.outputs}
        document["pending"] = view_report.pending_urns(result.pending)
        if self.session.hosts():
            document["contacts"] = self.session.contacts
        if self.op == "up":
            document["proven_now"] = self.proves_now
        if self.op == "destroy" and result.exit == 0:
            document["stays"] = asdict(self.session.remainder())
        return Outcome(result.exit, document, "", changed_count(self.summary), tuple(result.errors))

    def _operate(self, op: Any) -> Result:
        self.gates.clear()
        with self._shown(op), self._interruptible():
            return self.session.run(op, self._take, self.asked.clear_pending_creates)

    def _take(self, event: Event) -> None:
        if isinstance(event, SummaryEvent):
            self.summary = event
        elif isinstance(event, StepEvent):
            self.failed += event.phase == "failed"
            self.gates |= {event.op} if event.name.endswith(GATE) and event.phase != "start" else set()
        self.view.event(event)

    def _last_line(self, result: Result) -> Line:
        summary = self.summary or SummaryEvent(self.op, {}, "failed", 0.0)
        ended = "stopped" if self.interrupts else "failed" if result.exit else "succeeded"
        counts = summary_text(summary, preview=summary.op == "preview") + (
            f", {self.failed} failed" if self.failed else ""
        )
        counts += view_report.contacts(self.session.hosts(), self.session.contacts, summary.op)
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
        switched = self._switches()
        resources = self.session.resources()
        nodes = self.session.node_count() if resources else 0
        hosts = len(self.session.hosts()) if resources else 0
        self._say(view_report.header(nodes, hosts=hosts) if resources else [])
        self._say(Line(line, "yellow") for line in switched)
        self._say(view_report.state_lines(resources))
        made = [item for item in resources if not is_default_provider(item["type"], named(item["urn"])[1])]
        count = f"{len(made)} resources" if resources else "nothing is there; `up` makes it"
        pending = self.session.pending()
        self._warn_of(pending)
        self._say([Line(f"rehearsal: state of {self.session.name}: {count}; nothing real is in it", "bold")])
        switches_on = view_report.switches_on(self.session.switched())
        around = self._around(nodes, hosts) if resources else {"switches_on": switches_on}
        known = {"stack": self.session.name, "resources": resources, "pending": view_report.pending_urns(pending)}
        return Outcome(0, {**around, **known, "result": "succeeded"})
