"""Every Helm value that we set is a key of every chart that we support, in the right type."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from decide import defaults, user_values
from decide.operator_values import as_tree, values
from decide.ownership import Ownership, decide
from tests.effort import examples

CHARTS = Path(user_values.__file__).parent / "charts"
TYPES = {bool: "bool", str: "string", int: "int", list: "list", dict: "map"}

wishes = st.fixed_dictionaries(
    {},
    optional={
        "operator": st.just("install"),
        "driver": st.sampled_from(["operator", "preinstalled"]),
        "toolkit": st.sampled_from(["operator", "preinstalled"]),
        "runtime_class": st.just("ours"),
    },
)
options = st.fixed_dictionaries(
    {},
    optional={
        "remove_crds": st.booleans(),
        "tolerations": st.lists(st.fixed_dictionaries({"key": st.text(max_size=5), "operator": st.just("Exists")})),
    },
)


def chart(version: str) -> dict[str, Any]:
    known = json.loads((CHARTS / f"gpu-operator-{version}.json").read_text(encoding="utf-8"))
    return dict(known)


def leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def test_the_supported_versions_are_those_whose_keys_we_have() -> None:
    versions = {
        path.name.removeprefix("gpu-operator-").removesuffix(".json") for path in CHARTS.glob("gpu-operator-*.json")
    }
    plugins = {path.stem.removeprefix("nvidia-device-plugin-v") for path in CHARTS.glob("nvidia-*.json")}

    drivers = {path.stem.removeprefix("dra-driver-nvidia-gpu-v") for path in CHARTS.glob("dra-*.json")}

    assert drivers == set(defaults.DRA_VERSIONS)
    assert plugins == set(defaults.PLUGIN_VERSIONS)
    assert versions == set(defaults.OPERATOR_VERSIONS)


@pytest.mark.parametrize("version", defaults.OPERATOR_VERSIONS)
def test_a_key_list_is_of_the_chart_and_version_that_its_name_says(version: str) -> None:
    known = chart(version)

    assert (known["chart"], known["version"].lstrip("v")) == (defaults.OPERATOR_CHART, version.lstrip("v"))


@pytest.mark.parametrize("version", defaults.OPERATOR_VERSIONS)
@hypothesis.settings(max_examples=examples(40), deadline=None)
@hypothesis.given(wish=wishes, option=options)
def test_derived_values_are_keys_of_the_chart_in_its_types(
    version: str, wish: dict[str, Any], option: dict[str, Any]
) -> None:
    ownership = decide("cluster", wish)
    assert isinstance(ownership, Ownership)
    types = chart(version)["values"]

    tree = as_tree(values(ownership, option))

    assert {path: TYPES[type(value)] for path, value in leaves(tree)} == {path: types[path] for path, _ in leaves(tree)}


@pytest.mark.parametrize("version", defaults.OPERATOR_VERSIONS)
def test_every_key_of_the_chart_can_be_set_unless_something_else_decides_it(version: str) -> None:
    samples = {"bool": True, "string": "x", "int": 1, "list": [], "map": {"a": "b"}}
    refused = []
    for path, kind in chart(version)["values"].items():
        first, _, rest = path.partition(".")
        tree = {first: nest(rest, samples[kind])} if rest else {first: samples[kind]}
        refused += [one.path for one in user_values.faults(tree, version)]

    decided = {path for path in refused if any(path == owned for owned in user_values.OWNED)}
    dead = {path for path in refused if any(path.startswith(one.path) for one in user_values.DEAD)}
    assert set(refused) - decided - dead == set()


def nest(path: str, value: Any) -> dict[str, Any]:
    """A value below a dotted path; keys like `kubernetes.io/os` stay whole."""
    if path in ("kubernetes.io/os", "openshift.io/scc"):
        return {path: value}
    first, _, rest = path.partition(".")
    return {first: nest(rest, value) if rest else value}


@pytest.mark.parametrize("path", sorted(user_values.OWNED))
def test_what_we_decide_is_a_key_of_the_newest_chart(path: str) -> None:
    assert path in chart(defaults.OPERATOR_VERSION)["values"]


@pytest.mark.parametrize("dead", user_values.DEAD, ids=lambda dead: dead.path)
def test_a_dead_key_is_no_default_of_the_versions_that_lost_it(dead: user_values.Dead) -> None:
    lost = [v for v in defaults.OPERATOR_VERSIONS if user_values.number(v) >= user_values.number(dead.since)]
    kept_as_a_no_op = {"kataManager"}

    still_there = [
        v for v in lost if any(key.startswith(f"{dead.path}.") or key == dead.path for key in chart(v)["values"])
    ]

    assert lost
    assert not still_there or dead.path in kept_as_a_no_op
