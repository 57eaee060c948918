"""The seam between the engine and what stands behind a resource type.

The engine knows steps and state; a provider knows what a type means. These are the questions that the
real engine asks a real provider, in Python: values are JSON-like, secrets are `values.Secret`, what is
not known yet (only in a preview) is `values.UNKNOWN`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

Props = dict[str, Any]


@dataclass(frozen=True)
class CheckFailure:
    """One input that the provider refuses."""

    property: str
    reason: str


@dataclass(frozen=True)
class Diff:
    """What differs between state and program: property paths such as `spec.template`."""

    changed: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    delete_before_replace: bool = False

    @property
    def differs(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.changed or self.replaces)


class ProviderError(Exception):
    """The provider refuses or fails; the text is what the user reads. Nothing goes into the state."""


class PartialFailure(ProviderError):
    """Made, but not well: id and outputs go into the state together with the reasons (`initErrors`)."""

    def __init__(self, message: str, id: str, outputs: Props, reasons: list[str]) -> None:
        super().__init__(message)
        self.id, self.outputs, self.reasons = id, outputs, reasons


@dataclass(frozen=True)
class Context:
    """What a provider may know about the operation it is part of."""

    urn: str
    type: str
    name: str
    preview: bool = False
    config: Props = field(default_factory=dict)
    """Inputs of the provider resource in use (`kubernetes.Provider(...)`); empty for a default provider."""
    timeout: float | None = None
    """Seconds from custom_timeouts, if the program set any."""
    additional_secret_outputs: tuple[str, ...] = ()
    say: Callable[[str], None] = lambda _line: None
    """Shows one line of progress beside the resource."""
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when the user wants to stop: give up waiting, leave the world consistent."""
    killing: threading.Event = field(default_factory=threading.Event)
    """Set when the user wants to stop at once: end what was started, whatever state that leaves."""


class Provider(Protocol):
    """One package (`command`, `kubernetes`). `typ` is the full token."""

    package: str

    def check(self, ctx: Context, olds: Props | None, news: Props) -> tuple[Props, list[CheckFailure]]:
        """Complete and validate inputs: defaults, autonames. Unknown types and misspelt keys are failures."""
        ...

    def diff(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Diff: ...

    def create(self, ctx: Context, inputs: Props) -> tuple[str, Props]:
        """Returns id and outputs. In a preview: ("", outputs with UNKNOWN), and nothing is made."""
        ...

    def update(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Props: ...

    def delete(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> None: ...

    def read(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> tuple[Props, Props] | None:
        """Inputs and outputs as they are now; None when it is gone. Used by refresh."""
        ...

    def invoke(self, ctx: Context, token: str, args: Props) -> Props: ...

    def check_config(self, news: Props) -> list[CheckFailure]:
        """Inputs of the explicit provider resource itself."""
        ...

    def diff_config(self, olds: Props, news: Props) -> Diff: ...
