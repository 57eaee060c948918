"""The built-in engine: takes the steps of the real one, in process, for the rehearsal and for tests.

engine = Engine("gpu-ready", "demo", FileStore(".lab/demo/state.json"), [CommandProvider()])
result = engine.run("up", program)
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from lab.engine_backends import Backends
from lab.engine_goal import STACK_TYPE, Goal, Registered
from lab.engine_hooks import Hooks
from lab.engine_ledger import Ledger
from lab.engine_monitor import Monitor
from lab.engine_plan import Planner
from lab.engine_program import Program, ProgramRun, described
from lab.engine_steps import Executor, StepFailedError, StoppedError
from lab.engine_watch import Watch
from lab.events import Event, LogEvent, StepEvent, SummaryEvent
from lab.provider import Props, Provider
from lab.state import Document, Store
from lab.values import has_unknown, shown, to_json

Operation = Literal["preview", "up", "refresh", "destroy"]
CHANGED: Final = 7
"""Exit status when changes were not expected."""
THREADS_PER_STEP: Final = 4
"""A waiting registration holds a thread of the program; the real CLI gives four for each parallel step."""


@dataclass(frozen=True)
class Result:
    """What one operation did and left behind."""

    exit: int
    steps: list[tuple[str, str, str]]
    """(op, type, name) in the order they began."""
    changes: dict[str, int]
    """Counts by op, as the real engine counts."""
    outputs: Props
    """Exports afterwards (in a preview: as they would be), secrets and unknowns as words in brackets."""
    resources: list[Document]
    """The state afterwards."""
    pending: list[Document]
    """Operations begun and neither finished nor failed."""
    diagnostics: list[tuple[str, str, str]]
    """(severity, URN or "", text) of errors and warnings."""
    registered: Registered
    """What the program registered: `one`, `all`, `before`, `parent`, `children`, and each goal's options."""
    events: list[Event] = field(default_factory=list, repr=False)

    @property
    def errors(self) -> list[str]:
        """Texts of all errors."""
        return [text for severity, _urn, text in self.diagnostics if severity == "error"]

    def one(self, type: str = "", name: str = "") -> Goal:
        """The only registered resource of the type (full token or its end) and name."""
        return self.registered.one(type, name)

    def all(self, type: str = "", name: str = "") -> list[Goal]:
        """All such resources."""
        return self.registered.all(type, name)


class Engine:
    """One stack: its state, the providers that stand behind it, and one operation at a time."""

    def __init__(
        self,
        project: str,
        stack: str,
        store: Store,
        providers: Sequence[Provider],
        on_event: Callable[[Event], None] = lambda event: None,
        parallel: int = 8,
        one_thread: bool = False,
        root_directory: str = ".",
    ) -> None:
        self.project, self.stack, self.store, self.providers = project, stack, store, list(providers)
        self.on_event, self.root_directory = on_event, root_directory
        self.parallel = 1 if one_thread else parallel
        self.threads = 1 if one_thread else THREADS_PER_STEP * parallel
        self._stopping, self._killing = threading.Event(), threading.Event()

    def stop(self) -> None:
        """First call: begin nothing more, let running steps end. Second call: end them."""
        (self._killing if self._stopping.is_set() else self._stopping).set()

    def run(
        self,
        op: Operation,
        program: Program | None = None,
        config: Mapping[str, str] | None = None,
        secret_keys: Sequence[str] = (),
        continue_on_error: bool = False,
        refresh: bool = False,
        expect_no_changes: bool = False,
        clear_pending_creates: bool = False,
    ) -> Result:
        """Carries out one operation. Raises StateError (and changes nothing) when the state cannot be used."""
        watch = Watch(self.on_event, counts_refreshes=op == "refresh")
        self._stopping.clear()
        self._killing.clear()

        def operation() -> Result:
            with contextlib.ExitStack() as held:
                if op != "preview":
                    held.enter_context(self.store.locked(lambda text: watch.log("warning", text)))
                run = _Operation(self, op, watch, continue_on_error)
                run.begin(clear_pending_creates)
                if op == "refresh" or refresh:
                    run.executor.refresh()
                if op == "destroy":
                    run.destroy()
                elif op != "refresh":
                    run.program(program, config or {}, secret_keys)
                return run.result(expect_no_changes)

        return self._attended(operation)

    def _attended(self, operation: Callable[[], Result]) -> Result:
        """Works in a thread, so that this one can take Ctrl-C: it stops the operation and waits for it."""
        answer: queue.SimpleQueue[Result | BaseException] = queue.SimpleQueue()

        ctrl_c = {signal.SIGINT}

        def work() -> None:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ctrl_c)  # what it starts shall hear it
            try:
                answer.put(operation())
            except BaseException as error:
                answer.put(error)

        thread = threading.Thread(target=work, name="operation", daemon=True)
        # On a busy machine the operation may be well on its way before `start` returns: Ctrl-C waits until it is heard.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ctrl_c)
        thread.start()
        while True:
            try:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                found = answer.get()
                break
            except KeyboardInterrupt:
                signal.pthread_sigmask(signal.SIG_BLOCK, ctrl_c)
                self.stop()
        thread.join()
        if isinstance(found, BaseException):
            raise found
        return found

    @property
    def interrupts(self) -> tuple[threading.Event, threading.Event]:
        """Set by `stop`: gracefully, at once."""
        return self._stopping, self._killing


class _Operation:
    """The parts that work together during one operation."""

    def __init__(self, engine: Engine, op: Operation, watch: Watch, continue_on_error: bool) -> None:
        self.engine, self.op, self.watch = engine, op, watch
        preview = op == "preview"
        self.ledger = Ledger(engine.store, preview)
        stopping, killing = engine.interrupts
        say = lambda line, urn: watch.log("info", line, urn)  # noqa: E731
        backends = Backends(engine.providers, preview, say, self._provider_inputs, stopping, killing)
        complain = lambda error: self._complain(error.urn, str(error))  # noqa: E731
        self.planner = Planner(engine.project, engine.stack, self.ledger, backends, preview, complain)
        self.executor = Executor(
            self.ledger, self.planner, backends, Hooks(preview), watch, engine.parallel, continue_on_error
        )
        self.exports: Props | None = None

    def _provider_inputs(self, reference: str) -> Props:
        urn, _, id = reference.rpartition("::")
        goal = self.planner.registered.get(urn)
        known = self.ledger.known(urn, id)
        return known.inputs if known else goal.new.inputs if goal else {}

    def _complain(self, urn: str, text: str) -> None:
        self.executor.fail(urn)
        self.watch.log("error", text, urn)

    def begin(self, clear_pending_creates: bool) -> None:
        """Says what the last operation left unfinished."""
        if clear_pending_creates:
            self.ledger.unfinished = []
        # A preview holds nothing: what is begun by whoever holds the state is not known to be interrupted.
        running = self.op == "preview" and self.engine.store.holder()
        for item in [] if running else self.ledger.unfinished:
            urn = item["resource"]["urn"]
            text = "an earlier operation was interrupted while it was %s this: it may exist, done or half done"
            self.watch.log("warning", text % item["type"], urn)
        self.ledger.settle()

    def destroy(self) -> None:
        """Deletes everything."""
        if not self.executor.failed or self.executor.continue_on_error:
            self.executor.delete_groups(self.planner.deletions())

    def program(self, program: Program | None, config: Mapping[str, str], secret_keys: Sequence[str]) -> None:
        """Runs the program, and deletes what it no longer wants."""
        if program is None:
            raise ValueError(f"{self.op} needs a program")
        if self.executor.failed:
            return
        engine = self.engine
        run = ProgramRun(
            None, engine.project, engine.stack, config, secret_keys, self.op == "preview",
            engine.threads, engine.root_directory,
        )  # fmt: skip
        run.engine = monitor = Monitor(self.executor, run.settle)
        self._judge(run.run(program), monitor)
        self.exports = monitor.outputs

    def _judge(self, error: BaseException | None, monitor: Monitor) -> None:
        if isinstance(error, SystemExit) and not error.code:
            error = None
        if error is None and not monitor.finished:
            monitor.finish()
        elif error is not None and not _reported(error):
            self._complain("", described(error))

    def _finish_exports(self) -> Props:
        entry = next((e for e in self.ledger if e.type == STACK_TYPE and not e.delete), None)
        if entry is None:
            return {}
        if self.exports is not None:
            kept = entry.outputs if self.failed else {}
            known = {key: value for key, value in self.exports.items() if not has_unknown(value)}
            entry.outputs = {**kept, **(self.exports if self.op == "preview" else known)}
            self.ledger.save()
        return entry.outputs

    @property
    def failed(self) -> bool:
        """Whether anything went wrong, or the user stopped it."""
        return self.executor.failed or self.engine.interrupts[0].is_set()

    def result(self, expect_no_changes: bool) -> Result:
        """Closes the books."""
        if self.engine.interrupts[0].is_set():
            self._complain("", f"{self.op} canceled")
        outputs = self._finish_exports()
        self.watch.close_all()
        self.ledger.save()
        changes, failed = dict(self.watch.counts), self.failed
        seconds = time.monotonic() - self.watch.began
        self.watch.emit(SummaryEvent(self.op, changes, "failed" if failed else "succeeded", seconds))
        unexpected = CHANGED if expect_no_changes and set(changes) - {"same"} else 0
        return self._packed(1 if failed else unexpected, changes, outputs)

    def _packed(self, exit: int, changes: dict[str, int], outputs: Props) -> Result:
        document = self.ledger.document()
        events = self.watch.events
        return Result(
            exit=exit,
            steps=[(e.op, e.type, e.name) for e in events if isinstance(e, StepEvent) and e.phase == "start"],
            changes=changes,
            outputs=to_json(shown(outputs)),
            resources=document["resources"],
            pending=document["pending_operations"],
            diagnostics=[
                (e.severity, e.urn, e.text)
                for e in events
                if isinstance(e, LogEvent) and e.severity in ("error", "warning")
            ],
            registered=self.planner.registered,
            events=events,
        )


def _reported(error: BaseException | None) -> bool:
    """Whether the error only passes on what the engine itself has said already."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:  # the SDK makes causes that go round
        chain.append(error)
        error = error.__cause__ or error.__context__
    return any(isinstance(item, (StepFailedError, StoppedError)) for item in chain)
