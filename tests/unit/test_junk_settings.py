"""Whatever stands in a stack file, nothing but a `SettingsError` comes of it, and all of its faults are in words."""

import copy
import json
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml
from hypothesis import strategies as st

import settings
from tests.effort import examples, long

STACKS = Path(__file__).resolve().parents[2] / "stacks"
words = st.sampled_from(
    ["cluster", "install", "external", "ours", "operator", "gpu-1", "true", "15", "", "{}", "[", "ü"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=8) | st.binary(max_size=3)
keys = words | st.sampled_from(
    ["target", "gpu", "context", "nodes", "nodeSelector", "mode", "values", "driver", "enabled", "gke", "bareMetal"]
)
junk = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys | scalars, inner, max_size=4),
    max_leaves=8,
)


def wishes() -> list[dict[str, Any]]:
    """What the stacks that come with the program say; a secret is a text to whoever reads it."""
    found = []
    for file in sorted(STACKS.glob("Pulumi.*.yaml")):
        config = yaml.safe_load(file.read_text(encoding="utf-8"))["config"]
        own = {key.removeprefix("gpu-ready:"): value for key, value in config.items() if key.startswith("gpu-ready:")}
        found.append(
            {key: "" if isinstance(value, dict) and "secure" in value else value for key, value in own.items()}
        )
    return found


Place = tuple[int | str, ...]


def places(tree: Any, above: Place = ()) -> list[Place]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [above] * bool(above) + [found for key, value in inner for found in places(value, (*above, key))]


MORE: tuple[dict[str, Any], ...] = ({}, {"monitoring": {"enabled": True}}, {"gpu": {"operator": "none"}})
WISHES = [{**wish, **more} for wish in wishes() for more in MORE]
PLACES = [(index, place) for index, wish in enumerate(WISHES) for place in places(wish)]
PLAIN: tuple[Any, ...] = (5, -1, "x", "", None, True, [], {}, [1], {"a": 1}, [[]], [{}], "\0", 1.5, {"mode": "none"})


def parsed_or_refused(raw: Any, secret_keys: Any = ()) -> None:
    """Either all that the program needs, or faults in words; any other exception fails the test."""
    refused: settings.SettingsError | None = None
    try:
        wish = settings.parse(raw, secret_keys)
        json.dumps([wish.nodes_args() if wish.target == "cluster" else {}, wish.stack_args()])
        json.dumps([wish.ownership.as_export(), wish.lines(), wish.first_workload()])
    except settings.SettingsError as error:
        refused = error
    if refused is not None:
        assert refused.faults
        assert len(str(refused).encode("utf-8", "strict").splitlines()) == len(refused.faults) + 1
        assert all(fault.path and fault.problem and fault.right for fault in refused.faults)


def changed(wish: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    raw = copy.deepcopy(wish)
    at: Any = raw
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    return raw


@hypothesis.settings(max_examples=examples(120), deadline=None)
@hypothesis.given(st.dictionaries(keys | scalars, junk, max_size=5) | junk, st.lists(keys, max_size=2))
def test_junk_is_refused_in_words(raw: Any, secret_keys: list[str]) -> None:
    parsed_or_refused(raw, secret_keys)


@hypothesis.settings(max_examples=examples(250), deadline=None)
@hypothesis.given(st.sampled_from(PLACES), junk)
def test_junk_in_one_place_of_a_right_config_is_refused_in_words(place: tuple[int, Place], value: Any) -> None:
    parsed_or_refused(changed(WISHES[place[0]], place[1], value))


@long
@pytest.mark.parametrize("index", range(len(WISHES)))
def test_each_place_of_each_stack_may_hold_anything(index: int) -> None:
    for place in places(WISHES[index]):
        for value in PLAIN:
            parsed_or_refused(changed(WISHES[index], place, value))


def test_a_section_that_is_no_section_is_the_only_thing_to_say() -> None:
    for wish in wishes():
        for section in ("gpu", wish["target"]):
            with pytest.raises(settings.SettingsError) as refused:
                settings.parse(changed(wish, (section,), 5))
            assert section in {fault.path for fault in refused.value.faults}
