"""The words of the output: what a step, a change and a failure are called, on a terminal and off it."""

from __future__ import annotations

import difflib
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from lab.events import Change, Event, SummaryEvent

UNKNOWN, SECRET = "[unknown]", "[secret]"
LONG = 72
"""A value that takes more than this on one line is shown as the lines that changed."""
SHOWN_LINES = 16
COLUMNS = 32
"""Columns of a line of text end here at the latest."""


class Mark(NamedTuple):
    """How one kind of step is shown."""

    sign: str
    style: str
    doing: str
    done: str


MARKS: dict[str, Mark] = {
    "create": Mark("+", "green", "creating", "created"),
    "update": Mark("~", "yellow", "updating", "updated"),
    "delete": Mark("-", "red", "deleting", "deleted"),
    "replace": Mark("±", "magenta", "replacing", "replaced"),
    "create-replacement": Mark("+", "magenta", "creating the new one", "created anew"),
    "delete-replaced": Mark("-", "magenta", "deleting the old one", "old one deleted"),
    "same": Mark("·", "dim", "comparing", "unchanged"),
    "refresh": Mark("↻", "cyan", "looking", "looked at"),
    "read": Mark("<", "cyan", "reading", "read"),
    "remove-pending-replace": Mark("-", "red", "forgetting, deleted already", "forgotten, deleted already"),
    "discard": Mark("<", "cyan", "forgetting", "forgotten"),
}
FAILED = Mark("✗", "bold red", "failing", "failed")
QUIET = frozenset({"same", "refresh", "read"})
"""Steps that change nothing."""
ORDER = ("create", "update", "replace", "delete")


class View(Protocol):
    """Shows one operation after the other to somebody."""

    def say(self, text: str, style: str = "", copied: bool = False, end: str = "\n") -> None:
        """One line of our own; `style` is dropped where there is no color; what will be `copied` is never wrapped."""
        ...

    def begin(self, op: str, stack: str) -> None:
        """An operation starts."""
        ...

    def event(self, event: Event) -> None:
        """Something happened; may be called from any thread."""
        ...

    def end(self) -> None:
        """The operation is over; what was shown stays."""
        ...


def short_type(token: str) -> str:
    """`kubernetes:core/v1:Namespace` -> `Namespace`; providers keep their package."""
    if token.startswith("pulumi:providers:"):
        return f"Provider {token.rpartition(':')[2]}"
    return token.rpartition(":")[2]


def is_default_provider(token: str, name: str) -> bool:
    """Made by the engine, not by the program: of no interest to the reader."""
    return token.startswith("pulumi:providers:") and name.startswith("default")


def seconds_text(seconds: float) -> str:
    """`0.4s`, `12s`, `2m 05s`."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    if seconds < 99.5:
        return f"{seconds:.0f}s"
    return f"{int(seconds) // 60}m {int(seconds) % 60:02d}s"


def value_text(value: Any) -> str:
    """One value on one line."""
    if value is None:
        return "(none)"
    if value == UNKNOWN:
        return "known after up"
    if value == SECRET:
        return SECRET
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text.replace(f'"{UNKNOWN}"', "known after up").replace(f'"{SECRET}"', SECRET)


def leaves(change: Change) -> Iterator[Change]:
    """The smallest parts of a change: `values: {...} -> {...}` becomes `values.driver.enabled: true -> false`."""
    if not (isinstance(change.old, Mapping) and isinstance(change.new, Mapping)):
        yield change
        return
    for key in [*change.old, *(key for key in change.new if key not in change.old)]:
        old, new = change.old.get(key), change.new.get(key)
        if old != new:
            yield from leaves(Change(f"{change.path}.{key}" if change.path else str(key), old, new, change.replaces))


def change_lines(changes: tuple[Change, ...]) -> list[str]:
    """Each changed property with its values; of a long text only the lines that changed."""
    return [line for change in changes for leaf in leaves(change) for line in _leaf_lines(leaf)]


def _leaf_lines(leaf: Change) -> list[str]:
    why = "  (needs a new one)" if leaf.replaces else ""
    old, new = value_text(leaf.old), value_text(leaf.new)
    if leaf.replaces and leaf.old == leaf.new != SECRET:
        return [f"{leaf.path}: {_cut(new)}{why}"]  # it asks for a new one whenever the old one is not well
    if len(old) + len(new) <= LONG or leaf.new in (UNKNOWN, SECRET):
        return [f"{leaf.path}: {_cut(old)} -> {new}{why}"]
    return [f"{leaf.path}:{why}", *(f"  {line}" for line in _changed_lines(_lines(leaf.old), _lines(leaf.new)))]


def _lines(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return value.splitlines()
    return json.dumps(value, indent=1, ensure_ascii=False, default=str).splitlines()


def _changed_lines(old: list[str], new: list[str]) -> list[str]:
    rows = [row for row in list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:] if not row.startswith("@@")]
    changed = [f"{row[0]} {_cut(row[1:])}".rstrip() for row in rows]
    rest = len(changed) - SHOWN_LINES
    return changed if rest <= 1 else [*changed[:SHOWN_LINES], f"... {rest} more changed lines"]


def _cut(text: str, width: int = 110) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


class Reason(NamedTuple):
    """Why something failed: one line for beside the resource, and the rest."""

    line: str
    more: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    """What a step of ours says before its verdict; plain lines show it when it comes."""


VERDICT = re.compile(r"^(?:\w+: )?[A-Z]{2,5}-\d+ \S.*")
"""A failure of the catalog, as our steps print it: `RT-1 container runtime: ...`, then `fix: ...`."""
NO_PYTHON = re.compile(r"python3: (?:command )?not found|python3: No such file or directory")
"""What a shell says where our steps cannot begin, and so cannot explain."""
NOISE = re.compile(
    r"^(exit status \d+|running \".*\"|error|.*: exit status \d+.*|Process exited with \w+ \w+: running .*)?:?$"
)
RETRY = re.compile(r"^retrying \w+ due to on-error hook request \(\d+/\d+\)$")
"""Said by the engine at each try; what is waited for, and since when, is said by the step itself."""
DIAL = re.compile(r"^Dial \d+/\S+ failed: retrying")
WAITED = re.compile(r"^trying again after (\d+) simulated seconds$")


def is_retry(text: str) -> bool:
    """Whether the engine only says that it tries again."""
    return bool(RETRY.match(text))


def is_verdict(line: str) -> bool:
    """Whether a step says with this line why it fails; it will be said again when it has failed."""
    return bool(VERDICT.match(line)) or line.startswith("fix:")


def reason(message: str) -> Reason:
    """Puts what a reader needs first: the verdict of our own steps, else the first line that says something."""
    raw = [line for line in message.splitlines() if line.strip() and not line.lstrip().startswith(("{", "["))]
    lines = [line.strip() for line in raw]
    verdicts = [at for at, line in enumerate(lines) if VERDICT.match(line)]
    if verdicts:
        evidence = tuple(line.strip() for line in raw[: verdicts[0]] if line.startswith("  "))
        return Reason(lines[verdicts[0]], tuple(lines[verdicts[0] + 1 :]), evidence)
    if any(NO_PYTHON.search(line) for line in lines):
        return Reason("python3 is not on PATH", ("fix: install Python 3.8 or newer where this runs",))
    if any(line.startswith("Traceback ") for line in lines):
        return Reason(lines[-1], _last_lines(lines[:-1]))
    telling = [line for line in lines if not NOISE.match(line)] or lines or ["no reason given"]
    return Reason(telling[0], _last_lines(telling[1:]))


def _last_lines(lines: list[str], most: int = 8) -> tuple[str, ...]:
    rest = len(lines) - most
    return tuple(lines) if rest <= 1 else (f"... {rest} lines before", *lines[-most:])


def summary_text(summary: SummaryEvent, preview: bool) -> str:
    """`3 created, 1 updated, 8 unchanged` or, before it is done, `3 to create, 8 unchanged`."""
    counts = dict(summary.changes)
    unchanged = sum(counts.pop(op, 0) for op in QUIET)
    known = [op for op in (*ORDER, *counts) if counts.get(op)]
    parts = [f"{counts[op]} to {op}" if preview else f"{counts[op]} {mark_of(op).done}" for op in dict.fromkeys(known)]
    parts = parts or ["0 changes"]
    return ", ".join([*parts, f"{unchanged} unchanged"] if unchanged else parts)


def wrapped(text: str, width: int) -> str:
    """Broken between words; what follows the first line stands under its text, or under its last column."""
    if len(text) <= width:
        return text
    gaps = [gap.end() for gap in re.finditer(r"\S {2,}(?=\S)", text[:COLUMNS])]
    left = len(text) - len(text.lstrip())
    under = gaps[-1] if gaps else left + 2
    return textwrap.fill(
        text, width, subsequent_indent=" " * under, drop_whitespace=True, break_long_words=False, break_on_hyphens=False
    )


def fitted(line: str, width: int) -> str:
    """A change on a narrow screen: the values matter most, then the end of the path."""
    path, colon, values = line.partition(": ")
    room = width - len(values) - 3
    if len(line) <= width or not colon or room < 12 or line.lstrip()[:1] in "+-":
        return line
    return f"…{path[-room:]}: {values}"


def mark_of(op: str) -> Mark:
    """How a step is shown; an op nobody knows is shown by its name."""
    return MARKS.get(op, Mark("?", "", op, op))


def changed_count(summary: SummaryEvent | None) -> int:
    """How many resources were changed, or would be."""
    return sum(count for op, count in summary.changes.items() if op not in QUIET) if summary else 0
