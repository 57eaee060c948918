"""Pools in the gate's eyes: nodes that are not there yet are no fault, until the cloud says that none will come."""

from __future__ import annotations

from typing import Any

import pytest

from decide.proof_health import judge, report
from decide.ready_health import judge_ready
from tests.unit.small_snapshot import Object, check_pod, event, healthy, job, node, unplaced, wish

SELECTOR = {"cloud.google.com/gke-nodepool": "a100"}
POOL = {"name": "a100", "node_selector": SELECTOR, "gpus": 8, "least": 0, "most": 3}
JOBS = [{"slot": "a100", "name": "check-a100", "node": None, "gpus": 8, "pool": "a100"}]
PLATFORM: Object = {
    "operator": {"mode": "none", "namespace": "gpu-operator"},
    "runtime_class": {"name": "nvidia", "owner": "platform"},
}


def of_pool(**more: Any) -> Object:
    return wish(**{"pools": [{**POOL, **more}], "jobs": JOBS, **PLATFORM}) | {"nodes": []}


def of_nodes(*nodes: Object, **more: Any) -> Object:
    """A cluster without operator whose validation pod waits for a node."""
    pod = unplaced(check_pod("a100"), "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
    found = {"nodes": list(nodes), "pods": [pod], "jobs": [job("a100", over="")], "clusterpolicies": []}
    return healthy(**{**found, "runtimeclasses": [], "logs": {}, **more})


def born(name: str = "gke-1", **more: Any) -> Object:
    return node(name, 8, **{"labels": SELECTOR, **more})


def told(reason: str, message: str) -> list[Object]:
    return [event("check-a100-abcde", reason, message)]


def test_a_pool_without_nodes_is_ready_for_its_job_which_brings_one_up() -> None:
    assert judge_ready(of_nodes(), of_pool()).state == "ready"


def test_a_pool_has_the_nodes_that_it_never_gives_up() -> None:
    found = judge_ready(of_nodes(), of_pool(least=2))

    assert (found.state, found.id, found.problem) == ("waiting", "CLD-11", "pool a100 has 0 of 2 nodes")


def test_machines_take_long_to_join_so_nobody_gives_up_early() -> None:
    found = judge(of_nodes(born(ready=False)), of_pool())

    assert (found.state, found.id, found.hopeless) == ("waiting", "CLD-10", False)
    assert "gke-1: Kubelet stopped posting" in found.evidence[0]


def test_a_node_whose_driver_is_still_being_installed_is_waited_for() -> None:
    found = judge_ready(of_nodes(born(free=0) | {"status": born(ready=True)["status"] | {"capacity": {}}}), of_pool())
    bare = born()
    bare["status"].update(capacity={}, allocatable={})

    assert judge_ready(of_nodes(bare), of_pool())[:2] == ("waiting", "CLD-12")
    assert not judge_ready(of_nodes(bare), of_pool()).hopeless
    assert found.state == "ready"  # only one with cards counts, and this one has them


@pytest.mark.parametrize(
    ("reason", "message", "id", "hopeless"),
    [
        ("FailedScaleUp", "failed: GCE out of resources. Pod is at risk of not being scheduled.", "CLD-1", False),
        ("FailedScaleUp", "failed: GCE quota exceeded.", "CLD-2", True),
        ("FailedScaleUp", "failed: something else", "CLD-8", False),
        ("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 it wouldn't fit if a new node is added", "SCH-4", True),
        ("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached", "CLD-9", False),
        ("TriggeredScaleUp", "pod triggered scale-up: [{a100 0->1 (max: 3)}]", "CLD-11", False),
    ],
)
def test_what_the_autoscaler_says_names_the_layer(reason: str, message: str, id: str, hopeless: bool) -> None:
    found = judge(of_nodes(events=told(reason, message)), of_pool())

    assert (found.state, found.id, found.hopeless) == ("waiting", id, hopeless)
    assert "a100" in found.problem
    assert message in found.evidence[0]


def test_the_last_word_of_the_autoscaler_counts() -> None:
    first = event("check-a100-abcde", "FailedScaleUp", "GCE out of resources", "2026-01-01T00:00:00Z")
    later = event("check-a100-abcde", "TriggeredScaleUp", "[{a100 0->1 (max: 3)}]", "2026-01-01T00:05:00Z")

    assert judge(of_nodes(events=[later, first]), of_pool()).id == "CLD-11"


def test_without_an_autoscaler_the_scheduler_has_the_reason() -> None:
    tainted = born(taints=["dedicated=ml:NoSchedule"])

    assert judge(of_nodes(tainted), of_pool()).id == "SCH-2"


def test_the_report_says_how_many_nodes_of_a_pool_were_not_tested() -> None:
    nodes = [born("gke-1"), born("gke-2"), born("gke-3")]
    tested = check_pod("gke-1", labels={"batch.kubernetes.io/job-name": "check-a100"})
    found = report(of_nodes(*nodes, pods=[tested], jobs=[job("a100")]), of_pool())

    assert found["pools"] == [{"name": "a100", "nodes": 3, "tested": 1, "not_tested": 2, "most": 3}]
    assert "pool a100: 2 of 3 nodes not tested; one whole node stands for all" in found["warnings"]
    assert found["not_tested"] == ["gke-2", "gke-3"]
