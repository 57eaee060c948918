"""Values of the device plugin alone: derived, each with its reason, all of them keys of every chart that we support."""

from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from decide import defaults, plugin_values, user_values
from decide.operator_values import as_tree
from decide.ownership import Ownership, decide
from tests.effort import examples

ALONE = {"operator": "none"}
NAMED = plugin_values.node_terms(["gpu-1", "gpu-2"], {}, False)


def owned(target: str = "cluster", **wish: Any) -> Ownership:
    decided = decide(target, {**ALONE, **wish})
    assert isinstance(decided, Ownership), decided
    return decided


def tree(options: dict[str, Any] | None = None, **wish: Any) -> dict[str, Any]:
    return as_tree(plugin_values.values(owned(**wish), options))


def test_the_plugin_runs_under_the_class_unless_nvidia_is_the_default_runtime() -> None:
    assert tree()["runtimeClassName"] == "nvidia"
    assert tree(runtime_class="external")["runtimeClassName"] == "nvidia"
    assert tree(runtime_class="none") == {}


def test_declared_nodes_are_alternatives_by_name_because_the_api_takes_one_name_in_a_term() -> None:
    assert [term["matchFields"][0]["values"] for term in NAMED] == [["gpu-1"], ["gpu-2"]]


def test_labels_are_one_alternative_and_hosts_are_found_by_our_own_label() -> None:
    (by_label,) = plugin_values.node_terms([], {"pool": "gpu", "arch": "a"}, False)
    (of_hosts,) = plugin_values.node_terms([], {}, True)

    assert [(one["key"], one["values"]) for one in by_label["matchExpressions"]] == [("arch", ["a"]), ("pool", ["gpu"])]
    assert of_hosts["matchExpressions"] == [{"key": "gpu-ready/host", "operator": "Exists"}]


def test_added_tolerations_repeat_those_of_the_chart() -> None:
    mine = {"key": "dedicated", "operator": "Exists"}

    assert [one["key"] for one in tree({"tolerations": [defaults.GPU_TOLERATION, mine]})["tolerations"]] == [
        "CriticalAddonsOnly",
        "nvidia.com/gpu",
        "dedicated",
    ]
    assert "tolerations" not in tree({"tolerations": [defaults.GPU_TOLERATION]})


def test_the_worker_of_discovery_meets_a_tainted_node_whatever_the_taints_value() -> None:
    found = tree({"discovery": True})

    gpu = next(one for one in found["nfd"]["worker"]["tolerations"] if one["key"] == "nvidia.com/gpu")
    assert (found["gfd"]["enabled"], gpu["operator"]) == (True, "Exists")


options = st.fixed_dictionaries(
    {},
    optional={
        "discovery": st.booleans(),
        "hosts": st.booleans(),
        "nodes": st.lists(st.text(min_size=1, max_size=5), max_size=3),
        "node_selector": st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), max_size=3),
        "tolerations": st.lists(st.fixed_dictionaries({"key": st.text(max_size=5), "operator": st.just("Exists")})),
    },
)


@pytest.mark.parametrize("version", defaults.PLUGIN_VERSIONS)
@hypothesis.settings(max_examples=examples(30), deadline=None)
@hypothesis.given(
    target=st.sampled_from(["cluster", "bareMetal"]),
    runtime_class=st.sampled_from([None, "ours", "external", "none"]),
    option=options,
)
def test_every_combination_gives_keys_of_the_chart_each_with_a_reason(
    version: str, target: str, runtime_class: str | None, option: dict[str, Any]
) -> None:
    derived = plugin_values.values(owned(target, runtime_class=runtime_class), option)

    known = user_values.chart(version, defaults.PLUGIN_CHART)
    beside = [one.path for one in derived if not one.path.startswith("nfd.")]
    assert [path for path in beside if path not in known.places] == []
    assert all(one.reason for one in derived)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"deviceIDStratgy": "index"}, "did you mean deviceIDStrategy?"),
        ({"runtimeClassName": "other"}, "set gpu.runtimeClass: ours, external or none"),
        ({"affinity": {"nodeAffinity": {}}}, "leave it out; the plugin runs on the declared nodes"),
        ({"gfd": {"enabled": "yes"}}, "set gpu.plugin.discovery: true"),
        ({"somethingElse": {"entirely": True}}, "leave it out"),
    ],
)
def test_a_value_that_cannot_be_is_answered_with_what_to_do(values: dict[str, Any], said: str) -> None:
    (fault,) = user_values.faults(values, defaults.PLUGIN_VERSION, owned(), defaults.PLUGIN_CHART)

    assert fault.fix == said


def test_what_the_chart_knows_is_let_through() -> None:
    good = {"deviceIDStrategy": "index", "resources": {"limits": {"memory": "50Mi"}}, "nfd": {"master": {}}}

    assert user_values.faults(good, defaults.PLUGIN_VERSION, owned(), defaults.PLUGIN_CHART) == []
