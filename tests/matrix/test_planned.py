"""For every host there is a plan that can be right, or a refusal that helps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tests.effort import THOROUGH
from tests.matrix.axes import AXES, Point, every
from tests.matrix.cover import covering, pairs, spread
from tests.matrix.planned import Outcome, outcome, unsound

MAIN = ("system", "card", "runtime", "source", "secure boot")
"""What a host is, and where its driver shall come from: all of it; what is found there comes in by pairs."""


def points() -> list[Point]:
    """Everything that is planned."""
    labels = {axis: list(values) for axis, values in AXES.items()}
    return [*(every(*MAIN) if THOROUGH else ()), *spread(labels, 20000 if THOROUGH else 2500)]


def wrong(point: Point, made: Outcome) -> list[str]:
    return [f"{point}: {one}" for one in unsound(point, made)]


def test_every_host_gets_a_plan_that_can_be_right_or_a_refusal(record_property: Callable[[str, object], None]) -> None:
    made = [(point, outcome(point)) for point in points()]
    assert [line for point, one in made for line in wrong(point, one)] == []
    ids = Counter(one.refused[0].id if one.refused else "planned" for _point, one in made)
    by_id = ", ".join(f"{number} {name}" for name, number in ids.most_common())
    record_property("planned", f"{len(made)} combinations, decided without a machine: {by_id}")
    assert len(made) > 2000
    assert ids["planned"] > 20
    assert len(ids) > 10, ids


def test_the_pairs_are_all_met_by_few_points() -> None:
    many = spread({axis: list(values)[:4] for axis, values in AXES.items()}, 2000)
    chosen = covering(many)
    assert set().union(*map(pairs, chosen)) == set().union(*map(pairs, many))
    assert len(chosen) < 60


def test_points_are_taken_from_everywhere() -> None:
    axes = {"a": "abc", "b": "de", "c": "fghi"}
    assert len({tuple(point.items()) for point in spread(axes, 100)}) == 24
    assert {point["c"] for point in spread(axes, 5)} == set("fghi")
