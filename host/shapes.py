"""Shapes of what comes from a host: each tells what is wrong with a value; only plain words pass."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from decide.wording import named, shown


class Text(NamedTuple):
    """A text of a form."""

    form: str

    def faults(self, given: Any, path: str) -> Iterator[str]:
        """What is wrong with it."""
        if not isinstance(given, str) or not re.fullmatch(self.form, given):
            yield f"{path} is {shown(given)}"


class Flag(NamedTuple):
    """Yes or no."""

    def faults(self, given: Any, path: str) -> Iterator[str]:
        """What is wrong with it."""
        if not isinstance(given, bool):
            yield f"{path} is {shown(given)}"


class Number(NamedTuple):
    """A whole number of something."""

    high: int

    def faults(self, given: Any, path: str) -> Iterator[str]:
        """What is wrong with it."""
        if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= self.high:
            yield f"{path} is {shown(given)}"


class Many(NamedTuple):
    """A list, not endless."""

    kind: Any
    most: int

    def faults(self, given: Any, path: str) -> Iterator[str]:
        """What is wrong with it or in it."""
        if not isinstance(given, list) or len(given) > self.most:
            yield f"{path} is {shown(given)}" if not isinstance(given, list) else f"{path} has {len(given)} entries"
            return
        for index, one in enumerate(given):
            yield from self.kind.faults(one, f"{path}[{index}]")


class Shape(NamedTuple):
    """An object with exactly these keys; `may` are those that an answer may leave out."""

    keys: Mapping[str, Any]
    may: tuple[str, ...] = ()

    def faults(self, given: Any, path: str) -> Iterator[str]:
        """What is wrong with it, with its keys or in it."""
        if not isinstance(given, dict):
            yield f"{path or 'the answer'} is {shown(given)}"
            return
        for key in [one for one in given if one not in self.keys][:3]:
            yield f"{_below(path, key)} is not known"
        for key, kind in self.keys.items():
            if key in given:
                yield from kind.faults(given[key], _below(path, key))
            elif key not in self.may:
                yield f"{_below(path, key)} is missing"


def _below(path: str, key: Any) -> str:
    return f"{path}.{named(key)}" if path else named(key)
