"""Ownership: exactly one owner for each thing, or a refusal with a reason; for every combination there is."""

import itertools
import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from decide import defaults, operator_values
from decide.ownership import (
    NOTES,
    RULES,
    TARGETS,
    Owner,
    Ownership,
    Part,
    Refusal,
    decide,
)
from tests.effort import examples

OPERATOR = Part(Owner.OPERATOR, "because")
HOST = Part(Owner.HOST, "because")
EXTERNAL = Part(Owner.EXTERNAL, "because")
US = Part(Owner.US, "because")

ASKED: dict[str, list[Any]] = {
    "operator": [None, "install", "external", "none", "other"],
    "driver": [None, "operator", "preinstalled", "platform", "other", True, ["operator"]],
    "toolkit": [None, "operator", "nri", "preinstalled", "other", 1],
    "runtime_class": [None, "ours", "external", "none", "other", {}],
    "plugin": [None, "operator"],
    "image": [None, "UBUNTU_CONTAINERD"],
}
EVERY_WISH = [dict(zip(ASKED, asked, strict=True)) for asked in itertools.product(*ASKED.values())]


def owners(wish: dict[str, Any]) -> dict[str, str]:
    decided = decide("cluster", wish)
    assert isinstance(decided, Ownership), decided
    return {name: part.owner.value for name, part in decided.parts()}


def is_sound(decided: Any) -> bool:
    """One owner with a reason for each of the four, or refusals that name setting, problem and fix."""
    if isinstance(decided, Ownership):
        parts = decided.parts()
        return len(parts) == 4 and all(type(part.owner) is Owner and part.reason for _, part in parts)
    return bool(decided) and all(isinstance(one, Refusal) and all(one) for one in decided)


@pytest.mark.parametrize("target", [*TARGETS, "other", ""])
def test_every_combination_has_one_owner_for_each_thing_or_a_refusal(target: str) -> None:
    assert [wish for wish in EVERY_WISH if not is_sound(decide(target, wish))] == []


@pytest.mark.parametrize("version", defaults.OPERATOR_VERSIONS)
def test_every_ownership_with_every_version_gives_values_with_a_reason(version: str) -> None:
    wishes = [(target, wish) for target in TARGETS for wish in EVERY_WISH]
    decided = {one for target, wish in wishes if isinstance(one := decide(target, wish), Ownership)}

    assert decided
    for ownership in decided:
        derived = operator_values.values(ownership)
        assert operator_values.faults({"dcgm": {"enabled": True}}, version, ownership) == []
        assert all(value.path and value.reason for value in derived)
        assert len({value.path for value in derived}) == len(derived)


@hypothesis.settings(max_examples=examples(150), deadline=None)
@hypothesis.given(
    st.text() | st.sampled_from([*TARGETS]),
    st.dictionaries(
        st.sampled_from([*ASKED, "junk"]),
        st.none()
        | st.text()
        | st.integers()
        | st.floats()
        | st.lists(st.text())
        | st.sampled_from(["install", "ours"]),
    ),
)
def test_no_wish_raises_an_exception(target: str, wish: dict[str, Any]) -> None:
    assert is_sound(decide(target, wish))


def test_every_row_of_the_table_is_reached_and_no_other() -> None:
    reached = set()
    for wish in EVERY_WISH:
        mode = wish["operator"]
        reached |= {(mode, thing, asked) for thing, asked in wish.items() if isinstance(asked, (str, type(None)))}
    rows = {(mode, thing, asked) for (_, mode), rules in RULES.items() for thing, row in rules.items() for asked in row}

    assert rows <= reached


@pytest.mark.parametrize("asked", [{}, {"operator": "install"}, {"runtime_class": "ours"}, {"driver": "operator"}])
def test_our_operator_owns_everything_unless_told_otherwise(asked: dict[str, Any]) -> None:
    assert set(owners(asked).values()) == {"operator"}


def test_what_is_preinstalled_belongs_to_the_host() -> None:
    assert owners({"driver": "preinstalled", "toolkit": "preinstalled"}) == {
        "driver": "host",
        "toolkit": "host",
        "plugin": "operator",
        "runtime_class": "operator",
    }


def test_an_external_operator_owns_all_but_a_runtime_class_that_is_ours() -> None:
    assert set(owners({"operator": "external"}).values()) == {"external"}
    assert owners({"operator": "external", "runtime_class": "ours"})["runtime_class"] == "us"


def test_an_external_runtime_class_beside_our_operator_is_refused() -> None:
    assert decide("cluster", {"runtime_class": "external"}) == (
        Refusal(
            "gpu.runtimeClass",
            "the operator that we install would overwrite the RuntimeClass nvidia that somebody else made",
            "gpu.runtimeClass: ours, or gpu.operator: external",
        ),
    )


def test_settings_without_effect_are_all_refused_at_once() -> None:
    decided = decide("cluster", {"operator": "external", "driver": "operator", "toolkit": "preinstalled"})

    assert isinstance(decided, tuple)
    assert [refusal.setting for refusal in decided] == ["gpu.driver", "gpu.toolkit"]


def test_a_second_plugin_owner_cannot_be_asked_for() -> None:
    assert decide("cluster", {"plugin": "us"}) == (
        Refusal("gpu.plugin", 'nobody but the operator can own it, got the text "us"', "leave gpu.plugin out"),
    )


@pytest.mark.parametrize("operator", ["install", "external"])
def test_hosts_of_ours_own_driver_and_toolkit_whoever_brings_the_operator(operator: str) -> None:
    decided = decide("bareMetal", {"operator": operator})

    assert isinstance(decided, Ownership)
    assert (decided.driver.owner, decided.toolkit.owner, decided.notes) == (Owner.HOST, Owner.HOST, ())
    plugin = Owner.OPERATOR if operator == "install" else Owner.EXTERNAL
    assert (decided.plugin.owner, decided.runtime_class.owner) == (plugin, plugin)


def test_the_operator_that_we_install_beside_hosts_of_ours_brings_neither_driver_nor_toolkit() -> None:
    decided = decide("bareMetal", {})

    assert isinstance(decided, Ownership)
    told = operator_values.as_tree(operator_values.values(decided))
    assert (told["driver"], told["toolkit"], told["devicePlugin"]) == (
        {"enabled": False},
        {"enabled": False},
        {"enabled": True},
    )


@pytest.mark.parametrize("thing", ["driver", "toolkit"])
@pytest.mark.parametrize("asked", ["operator", "preinstalled"])
def test_on_hosts_of_ours_nobody_else_is_asked_for_driver_or_toolkit(thing: str, asked: str) -> None:
    decided = decide("bareMetal", {thing: asked})

    assert isinstance(decided, tuple)
    assert [(one.setting, "bareMetal.hosts" in one.fix) for one in decided] == [(f"gpu.{thing}", True)]


def test_notes_are_said_where_all_of_their_owners_are_met() -> None:
    driver_in_container = decide("cluster", {"toolkit": "preinstalled"})
    nothing_preinstalled = decide("cluster", {})
    all_preinstalled = decide("cluster", {"driver": "preinstalled", "toolkit": "preinstalled"})

    assert isinstance(driver_in_container, Ownership)
    operators = [text for when, text in NOTES if when.get("plugin") is not Owner.US]
    assert driver_in_container.notes == tuple(operators)
    assert "/run/nvidia/driver" in driver_in_container.notes[1]
    assert isinstance(nothing_preinstalled, Ownership)
    assert nothing_preinstalled.notes == ()
    assert isinstance(all_preinstalled, Ownership)
    assert all_preinstalled.notes == (NOTES[0][1],)


def test_the_table_is_printed_with_a_reason_per_line() -> None:
    decided = decide("cluster", {"toolkit": "preinstalled"})

    assert isinstance(decided, Ownership)
    lines = decided.lines()
    assert [line[:13].strip() for line in lines[:4]] == ["driver", "toolkit", "device plugin", "RuntimeClass"]
    assert lines[1].split()[1] == "host"
    assert all(len(line) > 40 for line in lines)
    assert [line for line in lines if line.startswith("note: ")] == [f"note: {note}" for note in decided.notes]


@pytest.mark.parametrize("wish", EVERY_WISH[:60])
def test_plain_values_carry_all_of_it_there_and_back(wish: dict[str, Any]) -> None:
    decided = decide("cluster", wish)
    if isinstance(decided, Ownership):
        assert Ownership.from_export(json.loads(json.dumps(decided.as_export()))) == decided


@pytest.mark.parametrize(
    "driver",
    [
        None,
        Owner.HOST,
        (Owner.HOST, "because"),
        Part((Owner.HOST, Owner.OPERATOR), "because"),  # type: ignore[arg-type]
        Part("host", "because"),  # type: ignore[arg-type]
        Part(None, "because"),  # type: ignore[arg-type]
        Part(Owner.HOST, ""),
    ],
)
def test_two_owners_no_owner_and_no_reason_cannot_be_made(driver: Any) -> None:
    with pytest.raises(TypeError, match="exactly one owner with a reason"):
        Ownership(driver=driver, toolkit=OPERATOR, plugin=OPERATOR, runtime_class=OPERATOR)


@pytest.mark.parametrize("other", [US, HOST, EXTERNAL])
def test_nobody_but_the_operator_can_own_what_the_operator_overwrites(other: Part) -> None:
    with pytest.raises(ValueError, match="runtime_class"):
        Ownership(driver=OPERATOR, toolkit=OPERATOR, plugin=OPERATOR, runtime_class=other)


@pytest.mark.parametrize("thing", ["driver", "toolkit", "runtime_class"])
def test_an_operator_that_is_not_ours_owns_nothing_as_ours(thing: str) -> None:
    parts = dict.fromkeys(("driver", "toolkit", "plugin", "runtime_class"), EXTERNAL)

    with pytest.raises(ValueError, match="plugin"):
        Ownership(**{**parts, thing: OPERATOR})
