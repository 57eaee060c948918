"""Points that meet every pair of values of any two axes: most faults need no more than two things to come together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import gcd, prod

Pair = frozenset[tuple[str, str]]


def pairs(point: Mapping[str, str]) -> set[Pair]:
    """All pairs that a point meets."""
    return {frozenset(two) for two in combinations(point.items(), 2)}


def covering(points: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """As few of these points as a greedy hand picks that meet every pair which any of them meets; always the same."""
    met = {number: pairs(point) for number, point in enumerate(points)}
    left: set[Pair] = set().union(*met.values()) if met else set()
    gains, chosen = {number: len(one) for number, one in met.items()}, []
    while left:
        best = _best(gains, met, left)
        chosen.append(dict(points[best]))
        left -= met[best]
    return chosen


def _best(gains: dict[int, int], met: Mapping[int, set[Pair]], left: set[Pair]) -> int:
    """A gain only ever shrinks: one that is up to date and not below the others' old ones is the largest."""
    while True:
        number = max(gains, key=lambda one: gains[one])
        now = len(met[number] & left)
        if now == gains[number]:
            return number
        gains[number] = now


def spread(axes: Mapping[str, Sequence[str]], at_most: int) -> list[dict[str, str]]:
    """Points from all over the product of these axes, evenly; all of them where they are few enough."""
    whole = prod(map(len, axes.values()))
    # A step without a common divisor visits every value of every axis.
    step = next(one for one in range(max(1, whole // at_most), whole + 2) if gcd(one, whole) == 1)
    return [_numbered(axes, number * step % whole) for number in range(min(whole, at_most))]


def _numbered(axes: Mapping[str, Sequence[str]], number: int) -> dict[str, str]:
    point = {}
    for axis, values in axes.items():
        number, at = divmod(number, len(values))
        point[axis] = values[at]
    return point
