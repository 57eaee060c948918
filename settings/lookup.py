"""Finds a setting by its path, for whoever changes single values of a config."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from settings.kinds import ListOf, Section, camel
from settings.model import Config


def setting_at(steps: Sequence[str]) -> "dataclasses.Field[Any] | None":
    """The setting at `["gpu", "operator"]`; None where there is none."""
    shape: type | None = Config
    found: dataclasses.Field[Any] | None = None
    for step in steps:
        if shape is None:
            return None
        if not step.isdigit():
            found = next((one for one in dataclasses.fields(shape) if camel(one.name) == step), None)
            if found is None:
                return None
        shape = _inside(found.metadata["kind"]) if found else None
    return found


def _inside(kind: Any) -> type | None:
    kind = kind.kind if isinstance(kind, ListOf) else kind
    return kind.shape if isinstance(kind, Section) else None


def short_key(steps: Sequence[str]) -> str:
    """The key that a mere text stands for at this place; nothing where a text is just a text."""
    found = setting_at(steps)
    return getattr(found.metadata["kind"], "short", "") if found else ""


def example_at(steps: Sequence[str]) -> str:
    """A right value for this place, as YAML; nothing for a place that nobody knows."""
    found = setting_at(steps)
    return str(found.metadata["example"]).partition(": ")[2] if found else ""
