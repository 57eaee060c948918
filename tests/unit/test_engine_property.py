"""Whatever small stack is made, changed, shrunk and met by failures: the next `up` ends where the program wants it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pulumi
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.values import unwrap
from tests.effort import examples
from tests.unit.toy import Bench, Thing

NAMES = "abcde"


@dataclass(frozen=True)
class Wish:
    """One resource: what it is made of, and which earlier ones it needs, and how."""

    text: int
    fixed: int
    first: int
    needs: tuple[tuple[str, str], ...]


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Wish]:
    chosen = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5).map(sorted))
    number = st.integers(0, 1)
    found: dict[str, Wish] = {}
    for name in chosen:
        how = st.sampled_from(["text", "fixed", "order"])
        needs = draw(st.lists(st.tuples(st.sampled_from(sorted(found)), how), max_size=2)) if found else []
        found[name] = Wish(draw(number), draw(number), draw(number), tuple(needs))
    return found


def program(stack: dict[str, Wish]) -> Callable[[], None]:
    def run() -> None:
        made: dict[str, Thing] = {}
        for name, wish in stack.items():
            inputs: dict[str, Any] = {"text": [wish.text], "fixed": [wish.fixed], "first": wish.first}
            for other, how in wish.needs:
                if how != "order":
                    inputs[how].append(made[other].size)
            after = [made[other] for other, how in wish.needs if how == "order"]
            made[name] = Thing(name, pulumi.ResourceOptions(depends_on=after), **inputs)

    return run


def things(bench: Bench) -> dict[str, Any]:
    resources = bench.store.load()["resources"]
    return {e["urn"].rpartition("::")[2]: e for e in resources if e["type"] == "toy:index:Thing"}


@settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(wishes(), min_size=1, max_size=3), st.sets(st.tuples(
    st.sampled_from(["create", "update", "delete"]), st.sampled_from(NAMES)), max_size=3), st.booleans())  # fmt: skip
def test_the_state_ends_as_the_program_wants_and_the_world_with_it(
    stacks: list[dict[str, Wish]], failures: set[tuple[str, str]], go_on: bool
) -> None:
    bench = Bench()
    for stack in stacks:
        bench.toy.failing = failures
        bench.up(program(stack), continue_on_error=go_on)
    bench.toy.failing = set()
    wanted = program(stacks[-1])
    assert bench.up(wanted).exit == 0
    again = bench.up(wanted)
    assert (set(again.changes), again.pending) == ({"same"}, [])
    kept = things(bench)
    assert set(kept) == set(stacks[-1])
    assert {entry["id"]: unwrap(entry["outputs"]) for entry in kept.values()} == bench.toy.world
    assert bench.engine.run("destroy").exit == 0
    assert (bench.toy.world, bench.store.load()["resources"]) == ({}, [])
