"""What the program registered: the SDK's requests as plain objects, and the questions tests ask of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lab.state import Entry
from lab.values import Secret, from_wire, get_path, parse_path, unwrap

STACK_TYPE: Final = "pulumi:pulumi:Stack"
HOOKS: Final = ("before_create", "after_create", "before_update", "after_update", "before_delete", "after_delete")


@dataclass(frozen=True)
class Alias:
    """Another name a resource may have had; empty fields are as they are now."""

    urn: str = ""
    name: str = ""
    type: str = ""
    parent: str = ""
    no_parent: bool = False


@dataclass
class Goal:
    """One resource as the program wants it: its future state entry, and the options that do not stand there."""

    new: Entry
    name: str
    inputs: dict[str, Any]
    """As registered, secrets marked; what the provider made of them is `new.inputs`."""
    delete_before_replace: bool | None = None
    aliases: list[Alias] = field(default_factory=list)
    version: str = ""
    remote: bool = False
    protect: bool | None = None
    retain_on_delete: bool | None = None

    @property
    def urn(self) -> str:
        """Its URN, once it has been planned."""
        return self.new.urn

    @property
    def type(self) -> str:
        """The full token."""
        return self.new.type

    @property
    def plain(self) -> dict[str, Any]:
        """Inputs without secret marks."""
        return dict(unwrap(self.inputs))

    def secret(self, path: str) -> bool:
        """Whether the input at the path is a secret, or lies in one."""
        return isinstance(get_path(self.inputs, parse_path(path)), Secret)

    def timeout(self, operation: str) -> float | None:
        """Seconds from custom_timeouts."""
        return seconds(self.new.custom_timeouts.get(operation, ""))

    def inherit(self, parent: Goal) -> None:
        """The options a child takes over unless it says otherwise."""
        if self.protect is None:
            self.new.protect, self.protect = parent.new.protect, parent.protect
        if self.retain_on_delete is None:
            self.new.retain_on_delete, self.retain_on_delete = parent.new.retain_on_delete, parent.retain_on_delete
        self.new.deleted_with = self.new.deleted_with or parent.new.deleted_with


def seconds(text: str) -> float | None:
    """`1h30m`, `90s`, `1.5m` in seconds."""
    if not text:
        return None
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    parts = re.findall(r"([\d.]+)(ms|h|m|s)", text)
    if "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration: write 90s, 5m or 1h30m")
    return sum(float(number) * units[unit] for number, unit in parts)


def goal_from(request: Any) -> Goal:
    """Reads a RegisterResourceRequest."""
    inputs = from_wire(request.object)
    dbr = bool(request.deleteBeforeReplace) if request.deleteBeforeReplaceDefined else None
    protect = bool(request.protect) if request.HasField("protect") else None
    retain = bool(request.retainOnDelete) if request.HasField("retainOnDelete") else None
    return Goal(
        new=_entry_from(request, inputs), name=request.name, inputs=inputs, delete_before_replace=dbr,
        aliases=[_alias_from(alias) for alias in request.aliases], version=request.version,
        remote=request.remote, protect=protect, retain_on_delete=retain,
    )  # fmt: skip


def _entry_from(request: Any, inputs: dict[str, Any]) -> Entry:
    has_trigger = request.HasField("replacement_trigger")
    return Entry(
        urn="", type=request.type, custom=request.custom, inputs=inputs, parent=request.parent,
        provider=request.provider, dependencies=sorted(request.dependencies),
        property_dependencies={k: sorted(v.urns) for k, v in sorted(request.propertyDependencies.items())},
        protect=request.protect, retain_on_delete=request.retainOnDelete, deleted_with=request.deletedWith,
        replace_with=list(request.replace_with), ignore_changes=list(request.ignoreChanges),
        replace_on_changes=list(request.replaceOnChanges),
        additional_secret_outputs=list(request.additionalSecretOutputs),
        replacement_trigger=from_wire(request.replacement_trigger) if has_trigger else None,
        import_id=request.importId, custom_timeouts=_timeouts(request.customTimeouts),
        resource_hooks=_hooks(request.hooks),
    )  # fmt: skip


def _timeouts(message: Any) -> dict[str, str]:
    return {key: getattr(message, key) for key in ("create", "update", "delete", "read") if getattr(message, key)}


def _hooks(message: Any) -> dict[str, list[str]]:
    return {key: list(getattr(message, key)) for key in (*HOOKS, "on_error") if getattr(message, key)}


def _alias_from(message: Any) -> Alias:
    if message.urn:
        return Alias(urn=message.urn)
    spec = message.spec
    return Alias(name=spec.name, type=spec.type, parent=spec.parentUrn, no_parent=spec.noParent)


class Registered(Mapping[str, Goal]):
    """All that the program registered, by URN, and how it hangs together."""

    def __init__(self) -> None:
        self._goals: dict[str, Goal] = {}

    def __getitem__(self, urn: str) -> Goal:
        return self._goals[urn]

    def __iter__(self) -> Any:
        return iter(self._goals)

    def __len__(self) -> int:
        return len(self._goals)

    def add(self, goal: Goal) -> None:
        """Remembers one registration."""
        self._goals[goal.urn] = goal

    def all(self, type: str = "", name: str = "") -> list[Goal]:
        """Every resource of the type (a full token, or its end such as "Job") and name."""
        return [g for g in self._goals.values() if _is_type(g.type, type) and name in ("", g.name)]

    def one(self, type: str = "", name: str = "") -> Goal:
        """The only such resource; anything else is an error that says what there is."""
        found = self.all(type, name)
        if len(found) != 1:
            there = ", ".join(f"{goal.type} {goal.name}" for goal in self._goals.values())
            raise LookupError(f"{len(found)} resources are {type or 'anything'} {name}; registered: {there}")
        return found[0]

    def parent(self, goal: Goal) -> Goal | None:
        """The parent; None for the stack."""
        return self._goals.get(goal.new.parent)

    def children(self, goal: Goal) -> list[Goal]:
        """The resources whose parent it is."""
        return [other for other in self._goals.values() if other.new.parent == goal.urn]

    def before(self, first: Goal, second: Goal) -> bool:
        """Whether the second waits for the first, directly or through others."""
        seen: set[str] = set()
        waiting = list(second.new.uses())
        while waiting:
            urn = waiting.pop()
            if urn == first.urn:
                return True
            if urn not in seen and urn in self._goals:
                seen.add(urn)
                waiting.extend(self._goals[urn].new.uses())
        return False


def _is_type(type: str, wanted: str) -> bool:
    return wanted in ("", type) or type.endswith(f":{wanted}")
