"""Decides which steps a registration means: the rules of the real engine, without doing anything yet."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from lab.engine_backends import Backends, RefusedError
from lab.engine_goal import STACK_TYPE, Alias, Goal, Registered
from lab.engine_ledger import Ledger
from lab.events import Change
from lab.provider import Diff
from lab.state import Entry
from lab.values import MISSING, UNKNOWN, Asset, covers, get_path, has_unknown, ignoring, parse_path, shown, unwrap


@dataclass(frozen=True, eq=False)
class Step:
    """One thing to do; `entry` is what it is about, `old` what stood in the state before."""

    op: str
    entry: Entry
    old: Entry | None = None
    changes: tuple[Change, ...] = ()
    deletes_first: bool = False
    """Part of a replacement that deletes before it makes: until it is made, the old entry waits in the state."""


@dataclass
class Planner:
    """Remembers what has been registered and decided in one operation."""

    project: str
    stack: str
    ledger: Ledger
    backends: Backends
    preview: bool
    complain: Callable[[RefusedError], None]
    """Reports an error that a preview goes on after."""
    registered: Registered = field(default_factory=Registered)
    replaced: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    """URNs whose deletion is decided: nothing with `deleted_with` one of them needs a deletion of its own."""
    _condemned: set[str] = field(default_factory=set)
    """Deleted ahead of the replacement of something they depend on; not registered yet."""

    def plan(self, goal: Goal) -> list[Step]:
        """The steps for one registered resource."""
        old = self._enter(goal)
        if goal.new.import_id and (old is None or goal.new.import_id not in (old.id, old.import_id)):
            return self._import(goal, old)
        recreating = goal.urn in self._condemned
        if old is None or old.external or recreating:
            goal.new.inputs = self.backends.check(goal.new, None, goal.inputs)
        if old is None:
            return [Step("create", goal.new)]
        if recreating:
            return self._recreation(goal, old)
        if old.external:
            return [Step("create-replacement", goal.new, old), Step("replace", goal.new, old)]
        return self._compare(goal, old)

    def _import(self, goal: Goal, old: Entry | None) -> list[Step]:
        if old is not None:
            raise RefusedError(f"it cannot be imported as {goal.new.import_id!r}: it is {old.id!r} already", goal.urn)
        found = copy.copy(goal.new)
        found.id, found.inputs = found.import_id, {}
        return [Step("import", found)]

    def plan_imported(self, goal: Goal, found: Entry) -> list[Step]:
        """What makes of the imported resource the one that the program wants."""
        return self._compare(goal, found)

    def plan_read(self, goal: Goal, id: str) -> list[Step]:
        """The steps for a resource that the program only looks at."""
        goal.new.id, goal.new.external = id, True
        old = self._enter(goal)
        if old is None or old.external or old.id == id:
            return [Step("read", goal.new, old)]
        self.replaced.add(goal.urn)
        return [Step("read-replacement", goal.new, old), Step("replace", goal.new, old)]

    def name(self, goal: Goal) -> str:
        """Gives the resource its URN."""
        goal.new.urn = urn_of(self.project, self.stack, goal.new.parent, goal.type, goal.name)
        return goal.urn

    def _enter(self, goal: Goal) -> Entry | None:
        new = goal.new
        self.name(goal)
        if goal.urn in self.registered:
            raise RefusedError(f"Duplicate resource URN {goal.urn!r}: give one of the two another name", goal.urn)
        if new.parent and new.parent not in self.registered:
            raise RefusedError(f"its parent {new.parent!r} is not registered", goal.urn)
        if goal.remote:
            raise RefusedError("components from other packages are not rehearsed", goal.urn)
        if new.parent:
            goal.inherit(self.registered[new.parent])
        self.registered.add(goal)
        return self._old(goal)

    def _old(self, goal: Goal) -> Entry | None:
        old = self.ledger.find(goal.urn)
        if old is not None:
            return old
        alias = next((urn for urn in self._aliases(goal) if urn in self.ledger.before), "")
        if alias in self.registered or alias in self.ledger.aliases:
            raise RefusedError(f"its alias {alias!r} is taken by another resource", goal.urn)
        if alias:
            self.ledger.aliases[alias] = goal.urn
        return self.ledger.find(alias)

    def _aliases(self, goal: Goal) -> Iterable[str]:
        before = {new: old for old, new in self.ledger.aliases.items()}
        own = [self._alias(goal, alias, before) for alias in goal.aliases]
        parent = goal.new.parent
        if parent not in before:
            return own
        names = [(goal.type, goal.name), *((_type(urn), urn.rpartition("::")[2]) for urn in own)]
        return [*own, *(self._inherited(type, name, parent, before[parent]) for type, name in names)]

    def _alias(self, goal: Goal, alias: Alias, before: dict[str, str]) -> str:
        parent = before.get(alias.parent, alias.parent) if alias.parent else goal.new.parent
        args = ("" if alias.no_parent else parent, alias.type or goal.type, alias.name or goal.name)
        return alias.urn or urn_of(self.project, self.stack, *args)

    def _inherited(self, type: str, name: str, parent: str, before: str) -> str:
        old_name, new_name = before.rpartition("::")[2], parent.rpartition("::")[2]
        name = old_name + name.removeprefix(new_name) if name.startswith(new_name) else name
        return urn_of(self.project, self.stack, before, type, name)

    def _compare(self, goal: Goal, old: Entry) -> list[Step]:
        goal.new.inputs = self.backends.check(
            goal.new, old.inputs, ignoring(goal.inputs, old.inputs, goal.new.ignore_changes)
        )
        diff = self._diff(goal, old)
        if diff.replaces or old.pending_replacement:
            return self._replacement(goal, old, diff)
        if diff.changed or old.init_errors:
            return [Step("update", goal.new, old, _changes(goal.new, old, diff))]
        return [Step("same", goal.new, old)]

    def _diff(self, goal: Goal, old: Entry) -> Diff:
        new = goal.new
        if _triggered(new.replacement_trigger, old.replacement_trigger):
            return Diff(replaces=("replacementTrigger",))
        if new.deleted_with in self.replaced:
            return Diff(replaces=("deletedWith",))
        if self.replaced & set(new.replace_with):
            return Diff(replaces=("replaceWith",))
        if self._moves_away(old, new):
            return Diff(replaces=("provider",))
        return _replacing_on(self.backends.diff(new, old, new.inputs), new.replace_on_changes)

    def _moves_away(self, old: Entry, new: Entry) -> bool:
        """Whether another provider means another resource; the last one of the old name is asked, whichever it had."""
        if old.provider == new.provider or self.ledger.aliases.get(old.provider_urn) == new.provider_urn:
            return False
        if not old.provider or not new.provider:
            return True
        last = self.ledger.before.get(old.provider_urn)
        return self.backends.provider_replaced(last.inputs if last else {}, new.provider)

    def _replacement(self, goal: Goal, old: Entry, diff: Diff) -> list[Step]:
        if goal.new.protect and old.protect:
            self._refuse_replacement(goal.urn, goal.urn)
        self.replaced.add(goal.urn)
        goal.new.inputs = self.backends.check(goal.new, None, goal.inputs)
        changes = _changes(goal.new, old, diff)
        wish = goal.delete_before_replace
        first = diff.delete_before_replace if wish is None else wish
        make = Step("create-replacement", goal.new, old, changes, first)
        swap = Step("replace", goal.new, old, changes)
        if not first:
            return [make, swap]
        steps = [self._condemn(goal.urn, entry) for entry in reversed(self._dependents(old))]
        if not old.pending_replacement:
            self.deleted.add(old.urn)
            steps.append(Step("delete-replaced", old, old, deletes_first=True))
        return [*steps, swap, make]

    def _refuse_replacement(self, urn: str, cause: str) -> None:
        part = "" if urn == cause else f" as part of replacing {cause!r}"
        error = RefusedError(
            f"unable to replace {urn!r}{part}: it is protected. Remove `protect` from the program, run `up`, try again",
            cause,
        )
        if not self.preview or part:
            raise error
        self.complain(error)

    def _condemn(self, cause: str, entry: Entry) -> Step:
        if entry.protect:
            self._refuse_replacement(entry.urn, cause)
        self._condemned.add(entry.urn)
        self.deleted.add(entry.urn)
        return Step("delete-replaced", entry, entry, deletes_first=True)

    def _recreation(self, goal: Goal, old: Entry) -> list[Step]:
        self._condemned.discard(goal.urn)
        self.deleted.discard(goal.urn)
        self.replaced.add(goal.urn)
        return [Step("replace", goal.new, old), Step("create-replacement", goal.new, old, deletes_first=True)]

    def _dependents(self, root: Entry) -> list[Entry]:
        """What the provider would replace if the root's properties became unknown, and what that takes along."""
        found: list[Entry] = []
        urns = {root.urn}
        for entry in self.ledger.old:
            free = not entry.delete and entry is not root and not self._is_registered(entry)
            if free and (self._goes_along(entry, urns) or root.urn in entry.replace_with):
                urns.add(entry.urn)
                found.append(entry)
        return [entry for entry in found if entry.urn not in self._condemned]

    def _is_registered(self, entry: Entry) -> bool:
        return entry.urn in self.registered or entry.urn in self.ledger.aliases

    def _goes_along(self, entry: Entry, urns: set[str]) -> bool:
        if {entry.provider_urn, entry.deleted_with} & urns:
            return True
        return entry.custom and not entry.external and self._would_be_replaced(entry, urns)

    def _would_be_replaced(self, entry: Entry, urns: set[str]) -> bool:
        unsure = {key for key, deps in entry.property_dependencies.items() if urns & set(deps)} & set(entry.inputs)
        if not unsure:
            return False
        inputs = {key: UNKNOWN if key in unsure else value for key, value in entry.inputs.items()}
        return bool(_replacing_on(self.backends.diff(entry, entry, inputs), entry.replace_on_changes).replaces)

    def deletions(self) -> list[list[Step]]:
        """Groups of deletions: everything in a group is independent, a later group is what an earlier one hung on."""
        steps = [step for entry in self.ledger.old for step in self._deletion(entry)]
        self.deleted.update(step.entry.urn for step in steps)
        return groups(steps)

    def _deletion(self, entry: Entry) -> list[Step]:
        if entry.delete:
            return [Step("discard-replaced" if entry.external else "delete-replaced", entry, entry)]
        if self._is_registered(entry):
            return []
        if entry.pending_replacement:
            return [Step("remove-pending-replace", entry, entry)]
        return [Step("discard" if entry.external else "delete", entry, entry)]


def groups(steps: list[Step]) -> list[list[Step]]:
    """Splits deletions into antichains, dependents first."""
    levels: list[list[Step]] = []
    rest = list(steps)
    while rest:
        urns = {step.entry.urn for step in rest}
        free = [step for step in rest if not (step.entry.uses() - {step.entry.urn}) & urns]
        levels.insert(0, free or rest)
        rest = [step for step in rest if step not in levels[0]]
    return levels


def urn_of(project: str, stack: str, parent: str, type: str, name: str) -> str:
    """The URN of a resource; the types of its ancestors are part of it, but for the stack."""
    ancestors = parent.split("::")[2] if parent else STACK_TYPE
    qualified = type if ancestors == STACK_TYPE else f"{ancestors}${type}"
    return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"


def _type(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def _triggered(new: Any, old: Any) -> bool:
    if has_unknown(new) or has_unknown(old):
        return True
    return new is not None and old is not None and unwrap(new) != unwrap(old)


def _replacing_on(diff: Diff, patterns: list[str]) -> Diff:
    wanted = [parse_path(pattern) for pattern in patterns]
    hit = [path for path in diff.changed if any(covers(pattern, parse_path(path)) for pattern in wanted)]
    return replace(diff, replaces=tuple(dict.fromkeys([*diff.replaces, *hit])))


def _changes(new: Entry, old: Entry, diff: Diff) -> tuple[Change, ...]:
    paths = dict.fromkeys([*diff.changed, *diff.replaces])
    return tuple(_change(path, old.inputs, new.inputs, path in diff.replaces) for path in paths)


def _change(path: str, old: Any, new: Any, replaces: bool) -> Change:
    before, after = (shown(get_path(side, parse_path(path))) for side in (old, new))
    before, after = (str(side) if isinstance(side, Asset) else side for side in (before, after))
    if "[secret]" in (before, after):
        before = after = "[secret]"
    return Change(path, None if before is MISSING else before, None if after is MISSING else after, replaces)
