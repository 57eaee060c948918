"""Dicts and lists with outputs in them, as one output."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pulumi
import pytest

from components.outputs import resolved
from tests.unit.toy import Bench, Thing


def program(later: pulumi.Input[Any] = "p") -> None:
    a, b = Thing("a", text="12345"), Thing("b", text="1")
    known = resolved({"a": a.size, "list": [b.size, {"later": later}], "number": 7, "none": None})
    Thing("c", text=known.apply(json.dumps))


def test_each_value_comes_to_its_place_and_what_it_came_from_is_depended_on() -> None:
    made = Bench().up(program).one(name="c")
    assert json.loads(made.plain["text"]) == {"a": 5, "list": [1, {"later": "p"}], "number": 7, "none": None}
    names = sorted(urn.rpartition("::")[2] for urn in made.new.property_dependencies["text"])
    assert (names, made.secret("text")) == (["a", "b"], False)


def test_one_secret_among_them_makes_all_of_it_secret() -> None:
    assert Bench().up(lambda: program(pulumi.Output.secret("p"))).one(name="c").secret("text")


def test_one_that_comes_later_is_waited_for() -> None:
    async def word() -> str:
        await asyncio.sleep(0)
        return "q"

    made = Bench().up(lambda: program(word())).one(name="c")
    assert json.loads(made.plain["text"])["list"] == [1, {"later": "q"}]


def test_what_a_preview_does_not_know_is_not_known_and_is_depended_on_all_the_same() -> None:
    made = Bench().preview(program).one(name="c")
    assert repr(made.inputs["text"]) == "UNKNOWN"
    assert len(made.new.property_dependencies["text"]) == 2


def test_one_that_fails_fails_the_program() -> None:
    def fails(_size: int) -> str:
        raise ValueError("no such size")

    result = Bench().up(lambda: resolved([Thing("a").size.apply(fails)]).apply(str) and None)
    assert (result.exit, "no such size" in " ".join(result.errors)) == (1, True)


def test_it_is_one_output_where_the_sdk_makes_one_of_each_value(monkeypatch: pytest.MonkeyPatch) -> None:
    made, track, counts = list[int](), pulumi.Output._track, list[int]()

    def tracked(one: pulumi.Output[Any]) -> None:
        made.append(1)
        track(one)

    monkeypatch.setattr(pulumi.Output, "_track", tracked)

    def counted() -> None:
        for make in (resolved, pulumi.Output.from_input):
            size = Thing(make.__name__).size
            before = len(made)
            make({"sizes": [size] * 9, "numbers": [*range(9)]})
            counts.append(len(made) - before)

    assert Bench().up(counted).exit == 0
    assert (counts[0], counts[1] > 1) == (1, True), counts


@pytest.mark.parametrize("value", [{}, [], "text", 0, None, {"a": {}}])
def test_where_there_is_none_it_is_what_it_was(value: Any) -> None:
    def export() -> None:
        pulumi.export("it", resolved(value).apply(json.dumps))

    assert json.loads(Bench().up(export).outputs["it"]) == value
