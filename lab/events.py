"""What the engine tells whoever watches: the one stream behind the tree, the plain lines and --json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Change:
    """One property of an update or replacement; secrets come as "[secret]", unknowns as "[unknown]"."""

    path: str
    old: Any
    new: Any
    replaces: bool = False


@dataclass(frozen=True)
class StepEvent:
    """A step began, was done or failed."""

    phase: Literal["start", "done", "failed"]
    op: str
    type: str
    name: str
    urn: str
    parent: str = ""
    """URN of the parent; empty for the stack."""
    seconds: float = 0.0
    changes: tuple[Change, ...] = ()
    message: str = ""
    """Why it failed, whole."""


@dataclass(frozen=True)
class LogEvent:
    """A line for whoever watches."""

    severity: Literal["debug", "info", "warning", "error"]
    text: str
    urn: str = ""
    """The resource it belongs to; empty for the operation as a whole."""


@dataclass(frozen=True)
class SummaryEvent:
    """The end of an operation."""

    op: str
    changes: dict[str, int]
    """Counts by op as the real engine counts them: default providers and failed steps are not counted."""
    result: Literal["succeeded", "failed"]
    seconds: float


Event = StepEvent | LogEvent | SummaryEvent
