"""Order of Debian version numbers, and whether one meets what a package asks for."""

from __future__ import annotations

MYPY = False
if MYPY:
    from collections.abc import Iterable

OPERATORS = {
    "=": (0,), ">=": (0, 1), "<=": (-1, 0), "<<": (-1,), ">>": (1,),
    "eq": (0,), "ge": (0, 1), "le": (-1, 0), "lt": (-1,), "gt": (1,), "ne": (-1, 1),
}  # fmt: skip
"""Operator -> the outcomes of `compare` that meet it."""


def compare(left: str, right: str) -> int:
    """-1, 0 or 1, by the rules of dpkg: epoch, then upstream version, then revision."""
    for a, b in zip(_parts(left), _parts(right), strict=True):
        order = _compare_part(a, b)
        if order:
            return order
    return 0


def meets(version: str, operator: str, wanted: str) -> bool:
    """Whether a version meets `>= 1.2` and the like; no operator means any version."""
    return not operator or compare(version, wanted) in OPERATORS[operator]


def ordered(versions: Iterable[str]) -> list[str]:
    """The lowest first."""
    found: list[str] = []
    for version in versions:
        place = 0
        while place < len(found) and compare(found[place], version) < 0:
            place += 1
        found.insert(place, version)
    return found


def wish(text: str) -> tuple[str, str, str]:
    """`name (>= 1.2)` -> name, operator, version."""
    name, _space, rest = text.partition(" (")
    operator, _space, version = rest.rstrip(")").partition(" ")
    return name, operator, version


def _parts(version: str) -> tuple[str, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return (epoch, upstream, revision) if dash else (epoch, rest, "0")


def _compare_part(left: str, right: str) -> int:
    while left or right:
        words, left = _split(left, digits=False)
        other, right = _split(right, digits=False)
        order = _compare_words(words, other)
        if order:
            return order
        number, left = _split(left, digits=True)
        second, right = _split(right, digits=True)
        difference = int(number or 0) - int(second or 0)
        if difference:
            return 1 if difference > 0 else -1
    return 0


def _split(text: str, *, digits: bool) -> tuple[str, str]:
    end = 0
    while end < len(text) and text[end].isdigit() == digits:
        end += 1
    return text[:end], text[end:]


def _compare_words(left: str, right: str) -> int:
    for index in range(max(len(left), len(right))):
        difference = _rank(left[index : index + 1]) - _rank(right[index : index + 1])
        if difference:
            return 1 if difference > 0 else -1
    return 0


def _rank(letter: str) -> int:
    """A tilde comes before the end of the text, letters come before everything else."""
    if letter == "~":
        return -1
    return 0 if not letter else ord(letter) + (0 if letter.isalpha() else 256)
