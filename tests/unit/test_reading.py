"""Reading objects with gaps, and the small rules of Kubernetes that verdicts are made from."""

from __future__ import annotations

from typing import Any

import pytest

from decide import reading
from tests.unit.small_snapshot import by_labels, event, node, pod, taint, wish


@pytest.mark.parametrize("broken", [None, 1, "text", [], [1], {}, {"metadata": None}, {"metadata": ["x"]}])
def test_what_is_not_there_reads_as_nothing(broken: Any) -> None:
    assert reading.name_of(broken) == ""
    assert reading.labels_of(broken) == {}
    assert reading.list_at(broken, "metadata", "x") == []
    assert reading.at(broken, "metadata", "x", "y") is None
    assert reading.condition_of(broken, "Ready") == {}
    assert reading.holds(broken, "Ready") is False


@pytest.mark.parametrize(
    ("written", "number"), [("2", 2), (3, 3), ("", 0), ("many", 0), (None, 0), (1.5, 0), ([], 0), ("1k", 0)]
)
def test_numbers_may_be_text_and_everything_else_counts_as_zero(written: Any, number: int) -> None:
    assert reading.number_at({"n": written}, "n") == number


TAINT = "dedicated=ml:NoSchedule"


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"key": "dedicated", "operator": "Exists"}, True),
        ({"key": "dedicated", "operator": "Equal", "value": "ml"}, True),
        ({"key": "dedicated", "value": "ml", "effect": "NoSchedule"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "dedicated", "value": "other"}, False),
        ({"key": "dedicated"}, False),
        ({"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({}, False),
    ],
)
def test_tolerations_are_read_as_the_scheduler_reads_them(toleration: dict[str, str], tolerated: bool) -> None:
    assert reading.untolerated(node(taints=[TAINT]), [toleration]) == ([] if tolerated else [TAINT])


def test_a_taint_without_value_is_covered_by_its_key_alone() -> None:
    assert reading.untolerated(node(taints=["spot:NoSchedule"]), [{"key": "spot"}]) == []
    assert reading.shown_taint(taint("spot:NoSchedule")) == "spot:NoSchedule"


def test_taints_that_keep_nobody_away_or_have_their_own_words_are_left_out() -> None:
    tainted = node(taints=["soft:PreferNoSchedule", "node.kubernetes.io/unschedulable:NoSchedule", "hard:NoExecute"])
    assert reading.untolerated(tainted, None) == ["hard:NoExecute"]


def test_the_command_that_takes_a_taint_off_names_node_and_taint() -> None:
    assert reading.untaint(node("gpu-7"), [TAINT]) == f"kubectl taint node gpu-7 {TAINT}-"


def test_nodes_are_chosen_by_name_or_by_labels() -> None:
    nodes = {"nodes": [node("a", labels={"pool": "gpu"}), node("b"), None, "c"]}
    assert [reading.name_of(one) for one in reading.chosen_nodes(nodes, wish("b", "z"))] == ["b"]
    assert [reading.name_of(one) for one in reading.chosen_nodes(nodes, by_labels(pool="gpu"))] == ["a"]
    assert reading.chosen_nodes(nodes, by_labels(pool="cpu")) == []


def test_events_about_one_object_come_in_order_of_time() -> None:
    events = [
        event("a", "Second", "b", "2026-01-01T00:00:02Z"),
        event("b", "Other", "x"),
        event("a", "First", "a", "2026-01-01T00:00:01Z"),
    ]
    assert reading.events_about({"events": events}, "a") == ["First: a", "Second: b"]


def test_the_last_lines_of_a_log_come_in_order_each_once_and_never_empty() -> None:
    assert reading.last_lines("a\nb\n\nretry\nretry\n  c \nretry\n", 3) == ["b", "c", "retry"]
    assert reading.last_lines(" \n") == []


def test_a_pod_is_named_with_its_node_if_it_has_one() -> None:
    assert reading.located(pod("plugin", node="gpu-1")) == "plugin on gpu-1"
    assert reading.located({"metadata": {"name": "plugin"}}) == "plugin"


def test_a_verdict_takes_cause_fix_and_layer_from_the_catalogue() -> None:
    found = reading.stuck("RT-7")
    assert (found.state, found.hopeless, found.layer) == ("waiting", True, "runtime")
    assert found.problem == "the RuntimeClass does not exist"
    assert "gpu.runtimeClass" in found.fix
    own = reading.broken("RT-7", "another problem", "a line", "", fix="another fix")
    assert own == reading.Verdict("broken", "RT-7", "another problem", ("a line",), False, "another fix")
    assert reading.Verdict("ready").layer == ""
