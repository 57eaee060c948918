"""Values: secrets, unknowns, and paths into them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.values import (
    MISSING,
    UNKNOWN,
    Secret,
    covers,
    diff_paths,
    from_json,
    from_wire,
    get_path,
    has_unknown,
    parse_path,
    secrets_like,
    show_path,
    shown,
    to_json,
    to_wire,
    unwrap,
    with_old,
)

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), plain | plain.map(Secret) | st.just(UNKNOWN), max_size=3))
def test_values_survive_the_wire_and_the_file(value: dict[str, Any]) -> None:
    assert from_wire(to_wire(value)) == from_json(to_json(value)) == value


@given(plain)
def test_a_value_does_not_differ_from_itself_with_or_without_mark(value: Any) -> None:
    assert diff_paths(value, value) == diff_paths(Secret(value), value) == []


@given(
    st.lists(
        st.text(min_size=1, max_size=4).filter(lambda t: t not in "*" and not set(t) & set('"\\')) | st.integers(0, 9),
        min_size=1,
    )
)
def test_paths_survive_being_shown(pieces: list[Any]) -> None:
    if isinstance(pieces[0], str):
        assert parse_path(show_path(tuple(pieces))) == tuple(pieces)


@pytest.mark.parametrize(("old", "new", "paths"), [
    ({"a": 1}, {"a": 1.0}, []),
    ({"a": 1}, {"a": True}, ["a"]),
    ({"a": [1, 2]}, {"a": [1, 3]}, ["a[1]"]),
    ({"a": [1, 2]}, {"a": [1]}, ["a"]),
    ({"a": {"b.c": 1}}, {"a": {}}, ['a["b.c"]']),
    ({}, {"a": None}, ["a"]),
    ({"a": UNKNOWN}, {"a": UNKNOWN}, ["a"]),
    ({"a": Secret("x")}, {"a": Secret("y"), "b": 1}, ["a", "b"]),
])  # fmt: skip
def test_differences_are_paths(old: Any, new: Any, paths: list[str]) -> None:
    assert [show_path(path) for path in diff_paths(old, new)] == paths


@pytest.mark.parametrize(("old", "new", "paths"), [
    (Secret(1), Secret(1), []),
    (Secret(1), Secret(2), [()]),
    ({"a": [1, {"b": 2}]}, {"a": [1, {"b": Secret(2)}]}, [("a", 1, "b")]),
    ({"a": Secret({"b": 1})}, {"a": {"b": Secret(1)}}, [("a",)]),
    ({"a": Secret({"b": 1})}, {"a": Secret({"b": 2})}, [("a", "b")]),
])  # fmt: skip
def test_marks_of_secrecy_count_where_asked(old: Any, new: Any, paths: list[Any]) -> None:
    assert diff_paths(old, new, marks=True) == paths


@pytest.mark.parametrize(("pattern", "path", "inside"), [
    ("a", "a.b", True),
    ("a.b", "a", False),
    ("a[*]", "a[3].x", True),
    ("a[*].x", "a[3].y", False),
    ("*", "a", True),
])  # fmt: skip
def test_a_pattern_covers_what_lies_inside_it(pattern: str, path: str, inside: bool) -> None:
    assert covers(("*",) if pattern == "*" else parse_path(pattern), parse_path(path)) is inside


@pytest.mark.parametrize(("path", "result"), [
    ("a", {"a": 1, "list": [{"x": 2, "y": 2}]}),
    ("gone", {"a": 2, "list": [{"x": 2, "y": 2}], "gone": 9}),
    ("list[0].x", {"a": 2, "list": [{"x": 1, "y": 2}]}),
    ("list[*].x", {"a": 2, "list": [{"x": 1, "y": 2}]}),
    ("nothing.here", {"a": 2, "list": [{"x": 2, "y": 2}]}),
])  # fmt: skip
def test_ignored_paths_are_as_they_were(path: str, result: Any) -> None:
    old = {"a": 1, "list": [{"x": 1}], "gone": 9}
    new = {"a": 2, "list": [{"x": 2, "y": 2}]}
    assert with_old(new, old, parse_path(path)) == result


def test_a_new_key_that_is_ignored_goes_away() -> None:
    assert with_old({"a": {"b": 1}, "c": 2}, {}, ("c",)) == {"a": {"b": 1}}


def test_secrets_are_found_masked_and_carried_over() -> None:
    value = {"a": Secret({"b": [1]}), "c": [UNKNOWN, "x"]}
    assert shown(value) == {"a": "[secret]", "c": ["[unknown]", "x"]}
    assert get_path(value, ("a", "b", 0)) == Secret(1)
    assert get_path(value, ("a", "z")) is MISSING
    assert has_unknown(value)
    assert not has_unknown(value["a"])
    assert secrets_like({"a": 1, "c": [2, 3], "d": 4}, {"a": Secret(0), "c": [0, Secret(0)]}) == {
        "a": Secret(1), "c": [2, Secret(3)], "d": 4}  # fmt: skip
    assert repr(value["a"]) == "Secret([secret])"
    assert unwrap(Secret({"x": [1]})) == {"x": [1]}
