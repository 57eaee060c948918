"""Takes the steps: asks providers to act, keeps the state, tells what happens, retries what hooks want retried."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from lab.engine_backends import Backends, RefusedError
from lab.engine_hooks import Hooks
from lab.engine_ledger import Ledger
from lab.engine_plan import Planner, Step
from lab.engine_watch import Watch
from lab.events import Change
from lab.provider import PartialFailure, Props, ProviderError
from lab.state import Entry
from lab.state_lock import StateError
from lab.values import MISSING, Secret, diff_paths, get_path, ignoring, secrets_like, show_path, shown, unwrap

MOST_RETRIES: Final = 100
T = TypeVar("T")


class StepFailedError(Exception):
    """A step failed, and was reported."""


class StoppedError(Exception):
    """Nothing may begin any more."""


@dataclass
class Executor:
    """Executes planned steps, at most `parallel` chains of them at a time."""

    ledger: Ledger
    planner: Planner
    backends: Backends
    hooks: Hooks
    watch: Watch
    parallel: int
    continue_on_error: bool = False
    failed: bool = False
    broken: set[str] = field(default_factory=set)
    """URNs that failed, or were skipped because they need one that failed."""

    def __post_init__(self) -> None:
        self._slots = threading.BoundedSemaphore(self.parallel)
        self._actions: dict[str, Callable[[Step], None]] = {
            "delete": self._delete, "delete-replaced": self._delete, "discard": self._delete,
            "discard-replaced": self._delete, "same": self._same, "create": self._create,
            "create-replacement": self._create,
            "import": self._import, "update": self._update, "read": self._read, "read-replacement": self._read,
            "replace": lambda step: None, "remove-pending-replace": lambda step: self.ledger.forget(step.entry),
        }  # fmt: skip

    def guard(self) -> None:
        """Refuses to begin anything after a failure or when the user wants to stop."""
        if self._is_over():
            raise StoppedError("the operation has been stopped")

    def _is_over(self) -> bool:
        return self.backends.stopping.is_set() or (self.failed and not self.continue_on_error)

    def run(self, steps: list[Step]) -> None:
        """Takes the steps one after the other, when a slot is free."""
        with self._slots:
            self.run_now(steps)

    def run_now(self, steps: list[Step]) -> None:
        """The same without waiting for a slot."""
        for step in steps:
            self.guard()
            self._take(step)

    def _take(self, step: Step) -> None:
        since = self.watch.start(step)
        self._attempt(step, since, lambda: self._actions[step.op](step))
        self.watch.done(step, since)

    def _attempt(self, step: Step, since: float, action: Callable[[], T]) -> T:
        try:
            return action()
        except (ProviderError, RefusedError, StateError) as error:
            message = str(error)
        except Exception as error:  # a fault of a stand-in must not lose the state
            message = f"the stand-in for {step.entry.type} broke: {type(error).__name__}: {error}"
        self.fail(step.entry.urn)
        self.watch.failed(step, since, message)
        raise StepFailedError(message)

    def fail(self, urn: str) -> None:
        """From now on the operation is a failed one."""
        self.failed = True
        self.broken.add(urn)

    def _same(self, step: Step) -> None:
        assert step.old is not None
        step.entry.id, step.entry.outputs = step.old.id, _hidden(step.entry, step.old.outputs)
        self.ledger.finish(step.entry, step.old)

    def _create(self, step: Step) -> None:
        new = step.entry
        backend, context = self.backends.of(new), self.backends.context(new, "create")
        self._hook("before_create", new, None)
        error = self._act("create", new, None, lambda: backend.create(context, new.inputs))
        is_gone = step.old is None or (step.deletes_first and step.old.pending_replacement)
        if step.old is not None and not is_gone:
            step.old.delete = True
        self.ledger.finish(new, step.old if is_gone else None)
        self._settle(error, "after_create", new, None)

    def _update(self, step: Step) -> None:
        new, old = step.entry, step.old
        assert old is not None
        backend, context = self.backends.of(new), self.backends.context(new, "update")
        self._hook("before_update", new, old)
        new.id = old.id
        act: Callable[[], tuple[str, Props]] = lambda: (  # noqa: E731
            old.id, backend.update(context, old.id, old.inputs, old.outputs, new.inputs))  # fmt: skip
        error = self._act("update", new, old, act)
        self.ledger.finish(new, old)
        self._settle(error, "after_update", new, old)

    def _act(
        self, operation: str, new: Entry, old: Entry | None, action: Callable[[], tuple[str, Props]]
    ) -> PartialFailure | None:
        partial = None
        try:
            new.id, outputs = self._begun(operation, new, lambda: self._retrying(operation, new, old, action))
        except PartialFailure as error:
            partial = error
            new.id, outputs, new.init_errors = error.id, error.outputs, list(error.reasons)
        new.outputs = _hidden(new, outputs)
        return partial

    def _settle(self, error: PartialFailure | None, moment: str, new: Entry, old: Entry | None) -> None:
        if error is not None:
            raise error
        self._hook(moment, new, old)

    def _begun(self, operation: str, entry: Entry, action: Callable[[], T]) -> T:
        real = entry.custom and not entry.is_provider
        if real:
            self.ledger.begin({"create": "creating", "update": "updating"}.get(operation, "deleting"), entry)
        try:
            return action()
        except PartialFailure:
            raise
        except (ProviderError, RefusedError):
            if real and not self.backends.killing.is_set():
                self.ledger.abandon(entry)
            raise

    def _retrying(self, operation: str, new: Entry | None, old: Entry | None, action: Callable[[], T]) -> T:
        errors: list[str] = []
        urn = (new or old or Entry("", "")).urn
        while True:
            try:
                return action()
            except ProviderError as error:
                errors.insert(0, str(error))
                if len(errors) >= MOST_RETRIES:
                    self.watch.log("warning", f"maximum number of error hook retries ({MOST_RETRIES}) reached", urn)
                    raise
                if self.backends.stopping.is_set() or not self.hooks.wants_retry(operation, new, old, errors):
                    raise
            text = f"retrying {operation} due to on-error hook request ({len(errors)}/{MOST_RETRIES})"
            self.watch.log("warning", text, urn)

    def _hook(self, moment: str, new: Entry | None, old: Entry | None) -> None:
        for warning in self.hooks.run(moment, new, old):
            self.watch.log("warning", warning, (new or old or Entry("", "")).urn)

    def _delete(self, step: Step) -> None:
        entry = step.entry
        if entry.protect and step.op == "delete":
            raise RefusedError(
                "it is protected and cannot be deleted: remove `protect` from the program, run `up`, then try again",
                entry.urn,
            )
        self._hook("before_delete", None, entry)
        if not self.backends.preview and not self._spared(entry):
            backend, context = self.backends.of(entry), self.backends.context(entry, "delete")
            act = lambda: backend.delete(context, entry.id, entry.inputs, entry.outputs)  # noqa: E731
            self._begun("delete", entry, lambda: self._retrying("delete", None, entry, act))
        if step.deletes_first:
            entry.pending_replacement = True
            self.ledger.abandon(entry)
        else:
            self.ledger.forget(entry)
        self._hook("after_delete", None, entry)

    def _spared(self, entry: Entry) -> bool:
        goes_with = entry.deleted_with in self.planner.deleted
        return not entry.custom or entry.external or entry.retain_on_delete or goes_with

    def _read(self, step: Step) -> None:
        new = step.entry
        found = self.backends.of(new).read(self.backends.context(new, "read"), new.id, new.inputs, {})
        if found is None:
            raise RefusedError(f"there is no {new.type} with the id {new.id!r}", new.urn)
        new.outputs = _hidden(new, found[1])
        if step.op == "read-replacement" and step.old is not None:
            step.old.delete = True
        self.ledger.finish(new, None if step.op == "read-replacement" else step.old)

    def _import(self, step: Step) -> None:
        entry = step.entry
        found = self.backends.of(entry).read(self.backends.context(entry, "read"), entry.id, {}, {})
        if found is None:
            raise RefusedError(f"there is no {entry.type} with the id {entry.id!r} to import", entry.urn)
        entry.inputs, entry.outputs = found
        self.ledger.finish(entry)

    def delete_groups(self, groups: Iterable[list[Step]]) -> None:
        """Deletes group after group; what a failed deletion still needs stays."""
        for group in groups:
            needed = self._needed()
            chains = [[step] for step in group if step.entry.urn not in needed]
            # A protected one fails at once: last, so that it does not keep the others of its group from going.
            self._side_by_side(sorted(chains, key=lambda chain: chain[0].entry.protect), self.run)
            if self._is_over():
                return

    def _side_by_side(self, items: list[Any], action: Callable[[Any], None]) -> None:
        def quietly(item: Any) -> None:
            try:
                action(item)
            except (StepFailedError, StoppedError):
                return

        with ThreadPoolExecutor(self.parallel) as pool:
            list(pool.map(quietly, items))

    def _needed(self) -> set[str]:
        found: set[str] = set()
        waiting = [entry for entry in self.ledger if entry.urn in self.broken]
        waiting += [goal.new for urn, goal in self.planner.registered.items() if urn in self.broken]
        while waiting:
            fresh = waiting.pop().uses() - found
            found |= fresh
            waiting += [entry for entry in self.ledger if entry.urn in fresh]
        return found

    def refresh(self) -> None:
        """Reads everything; what is gone leaves the state, what changed is taken over."""
        self._side_by_side(list(self.ledger.old), self._refresh)
        self.ledger.prune()

    def _refresh(self, entry: Entry) -> None:
        with self._slots:
            self.guard()
            step = Step("refresh", entry, entry)
            since = self.watch.start(step)
            op, changes = self._attempt(step, since, lambda: self._look_again(entry))
            self.watch.done(step, since, op, changes)

    def _look_again(self, entry: Entry) -> tuple[str, tuple[Change, ...]]:
        if not entry.custom or entry.is_provider or entry.pending_replacement:
            return "same", ()
        backend, context = self.backends.of(entry), self.backends.context(entry, "read")
        found = backend.read(context, entry.id, entry.inputs, entry.outputs)
        if found is None:
            self.ledger.forget(entry)
            return "delete", ()
        inputs, outputs = secrets_like(found[0], entry.inputs), secrets_like(found[1], entry.outputs)
        # As the real engine counts: what the next `up` of the same program would change back, and no other outputs.
        diff = backend.diff(context, entry.id, inputs, outputs, ignoring(entry.inputs, inputs, entry.ignore_changes))
        changes = (*_drift(entry.inputs, inputs), *_drift(entry.outputs, outputs)) if diff.differs else ()
        entry.inputs, entry.outputs, entry.init_errors = inputs, outputs, []
        return ("update" if diff.differs else "same"), tuple({change.path: change for change in changes}.values())


def _hidden(entry: Entry, outputs: Props) -> Props:
    """The outputs, secret where the program says so, and where an input of that name is."""
    leaks = (key for key, value in entry.inputs.items() if isinstance(value, Secret))
    secret = {key for key in (*entry.additional_secret_outputs, *leaks) if key in outputs}
    return {**outputs, **{key: Secret(unwrap(outputs[key])) for key in secret}}


def _drift(old: Props, new: Props) -> Iterable[Change]:
    for path in diff_paths(old, new):
        before, after = (shown(get_path(side, path)) for side in (old, new))
        yield Change(show_path(path), None if before is MISSING else before, None if after is MISSING else after)
