"""The whole judgement: the first broken layer decides, everything proven is a report, and no object can upset it."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from components.steps import look
from decide.operator_health import CHAIN
from decide.proof_health import judge, report, wanted_logs
from decide.ready_health import judge_ready
from tests.effort import examples
from tests.unit.small_snapshot import (
    FOUND,
    OURS,
    PASSED,
    SMI,
    by_labels,
    check_pod,
    daemon_set,
    ended,
    external,
    healthy,
    job,
    node,
    pod,
    policy,
    runs,
    waits,
    wish,
)

TAINT = "dedicated=ml:NoSchedule"
FAILED_SMI = check_pod(smi=ended("nvidia-smi", 9, "No devices were found"), phase="Failed")


def test_a_cluster_where_everything_is_proven_is_ready() -> None:
    assert judge(healthy(), wish()).state == "ready"
    assert judge(healthy("gpu-1", "gpu-2"), wish("gpu-1", "gpu-2")).state == "ready"


def test_a_node_that_is_not_there_is_named() -> None:
    found = judge(healthy(), wish("gpu-1", "gpu-7"))
    assert (found.state, found.id, found.problem) == ("waiting", "CFG-1", "not in the cluster: gpu-7")
    assert found.hopeless


def test_labels_without_a_node_are_named() -> None:
    found = judge(healthy(), by_labels(pool="gpu"))
    assert (found.id, found.problem) == ("CFG-2", "no node has the labels pool=gpu")


def test_a_node_that_is_not_ready_is_named_with_the_command() -> None:
    found = judge(healthy(nodes=[node(ready=False)]), wish())
    assert (found.id, found.problem) == ("CFG-3", "not Ready: gpu-1")
    assert found.evidence == ("gpu-1: Kubelet stopped posting node status.",)
    assert found.fix.endswith("kubectl describe node gpu-1")


def test_where_no_host_is_there_nothing_is_judged_and_nothing_is_said_to_be_proven() -> None:
    nobody = {**wish(), "nodes": [], "away": {"rtx": "offline", "old": "abandoned"}}
    broken = healthy(nodes=[node(ready=False)])
    assert judge(broken, nobody).state == judge_ready(broken, nobody).state == "ready"
    assert report(broken, nobody) == {"ready": None, "why": "no host is there: old is abandoned; rtx is offline"}


def test_beside_hosts_that_are_not_there_the_others_are_judged() -> None:
    some = {**wish(), "away": {"rtx": "offline"}}
    assert judge_ready(healthy(nodes=[node(ready=False)]), some).id == "CFG-3"
    assert report(healthy(), some)["warnings"][0] == "not tested: rtx is offline"


def test_of_nodes_found_by_labels_one_may_be_down() -> None:
    nodes = [node(labels={"pool": "gpu"}), node("gpu-2", ready=False, labels={"pool": "gpu"})]
    jobs, pods = [job("any")], [check_pod("any", node="gpu-1")]
    logs = {f"{OURS}/check-any-abcde/vectoradd": PASSED}
    assert judge(healthy(nodes=nodes, jobs=jobs, pods=pods, logs=logs), by_labels(pool="gpu")).state == "ready"
    nodes[0] = node(ready=False, labels={"pool": "gpu"})
    assert judge(healthy(nodes=nodes), by_labels(pool="gpu")).id == "CFG-3"


def test_a_failed_check_says_more_than_an_operator_that_still_waits() -> None:
    changed = {"jobs": [job(over="Failed")], "pods": [FAILED_SMI], "clusterpolicies": [policy("notReady", "x")]}
    assert judge(healthy(**changed), wish()).id == "PCI-4"


def test_a_check_that_never_got_a_node_leaves_the_word_to_the_operator() -> None:
    changed = {"jobs": [job(over="Failed")], "pods": [], "clusterpolicies": [policy("notReady", "x")]}
    assert judge(healthy(**changed), wish()).id == "OP-4"


def test_of_several_failed_checks_none_is_kept_back() -> None:
    second = check_pod("gpu-2", smi=ended("nvidia-smi", 9, "GPU is lost"), phase="Failed")
    jobs = [job("gpu-1", over="Failed"), job("gpu-2", over="Failed")]
    found = judge(healthy("gpu-1", "gpu-2", jobs=jobs, pods=[FAILED_SMI, second]), wish("gpu-1", "gpu-2"))
    assert found.id == "PCI-4"
    assert found.evidence[-1] == "also PCI-8: nvidia-smi failed on gpu-2: the card stopped answering"


def test_the_worst_check_speaks_first() -> None:
    starts = check_pod("gpu-1", smi=waits("nvidia-smi", "PodInitializing"), phase="Pending")
    no_image = check_pod("gpu-2", smi=waits("nvidia-smi", "ErrImagePull"), phase="Pending")
    jobs = [job("gpu-1", over=""), job("gpu-2", over="")]
    found = judge(healthy("gpu-1", "gpu-2", jobs=jobs, pods=[starts, no_image]), wish("gpu-1", "gpu-2"))
    assert found.id == "CUDA-5"


@pytest.mark.parametrize(("wished", "id", "hopeless"), [(wish(), "RT-7", False), (external(), "CFG-7", True)])
def test_a_missing_runtime_class_is_waited_for_where_somebody_will_make_it(
    wished: Any, id: str, hopeless: bool
) -> None:
    found = judge(healthy(runtimeclasses=[]), wished)
    assert (found.id, found.hopeless) == (id, hopeless)


@pytest.mark.parametrize(
    ("wished", "who"), [(wish(), "cluster.tolerations"), (external(), "the DaemonSets of the operator")]
)
def test_a_taint_that_keeps_the_stack_away_is_named_with_node_and_command(wished: Any, who: str) -> None:
    sets = [daemon_set("gpu-operator-node-feature-discovery-worker"), daemon_set("nvidia-dcgm-exporter")]
    found = judge(healthy(nodes=[node(gpus=0, taints=[TAINT])], daemonsets=sets), wished)
    assert (found.id, found.hopeless) == ("DP-3", True)
    assert found.problem.startswith(f"gpu-1 has taint {TAINT}, which gpu-operator-node-feature-discovery-worker")
    assert who in found.fix
    assert found.fix.endswith(f"kubectl taint node gpu-1 {TAINT}-")


def test_a_taint_that_the_stack_tolerates_is_not_to_blame() -> None:
    sets = [daemon_set("nvidia-device-plugin-daemonset", "gpu-operator", {"operator": "Exists"})]
    assert judge(healthy(nodes=[node(gpus=0, taints=[TAINT])], daemonsets=sets), wish()).id == "DP-13"


def test_a_card_that_discovery_does_not_see_is_said_with_the_operators_words() -> None:
    blind = node(gpus=0)
    blind["metadata"]["labels"] = {}
    found = judge(healthy(nodes=[blind], clusterpolicies=[policy("ready", "No NFD labels found")]), wish())
    assert (found.id, found.evidence) == ("OP-5", ("ClusterPolicy: No NFD labels found",))
    assert "gpu-1" in found.problem


def test_discovery_that_does_not_run_is_the_cause_of_the_missing_label() -> None:
    blind = node(gpus=0)
    blind["metadata"]["labels"] = {}
    worker = pod("gpu-operator-node-feature-discovery-worker-x", waits("worker", "ErrImagePull", "not found"))
    found = judge(healthy(nodes=[blind], pods=[worker]), wish())
    assert (found.id, found.problem.split(" ")[0]) == ("CUDA-5", worker["metadata"]["name"])


@pytest.mark.parametrize(("labels", "id"), [({}, "OP-5"), (FOUND, "OP-4")])
@pytest.mark.parametrize("state", [waits("worker", "ContainerCreating"), runs("worker")])
def test_discovery_that_begins_is_what_a_node_without_label_waits_for(state: Any, labels: Any, id: str) -> None:
    without = node(gpus=0)
    without["metadata"]["labels"] = labels
    worker = pod("gpu-operator-node-feature-discovery-worker-x", state)
    found = judge(healthy(nodes=[without], pods=[worker]), wish())
    assert (found.id, found.hopeless, found.problem.split(" ")[0]) == (id, False, worker["metadata"]["name"])


def test_a_labelled_node_without_cards_points_at_the_plugin() -> None:
    found = judge(healthy(nodes=[node(gpus=0)]), wish())
    assert (found.id, found.problem, found.hopeless) == ("DP-13", "gpu-1 advertises no nvidia.com/gpu", True)


def test_each_declared_node_has_to_hand_out_cards() -> None:
    nodes = [node("gpu-1"), node("gpu-2", gpus=0), node("gpu-3", gpus=0)]
    found = judge(healthy("gpu-1", "gpu-2", nodes=nodes), wish("gpu-1", "gpu-2", "gpu-3"))
    assert found.problem == "gpu-2 advertises no nvidia.com/gpu"
    assert found.evidence == ("also DP-13: gpu-3 advertises no nvidia.com/gpu",)


def test_the_log_of_a_failed_container_is_asked_for_and_else_that_of_the_kernel_launch() -> None:
    assert wanted_logs(healthy(), wish()) == [(OURS, "check-gpu-1-abcde", "vectoradd")]
    assert wanted_logs(healthy(pods=[FAILED_SMI]), wish()) == [(OURS, "check-gpu-1-abcde", "nvidia-smi")]
    assert wanted_logs(healthy(pods=[check_pod(phase="Running")]), wish()) == []
    refused = check_pod(phase="Failed", status={"reason": "UnexpectedAdmissionError", "containerStatuses": []})
    assert wanted_logs(healthy(pods=[refused]), wish()) == [(OURS, "check-gpu-1-abcde", "vectoradd")]


# the report


def test_the_report_says_per_node_what_was_proven() -> None:
    found = report(healthy(), wish())
    assert found["nodes"] == [
        {
            "name": "gpu-1",
            "card": "NVIDIA A10G",
            "driver": "580.126.20",
            "memory": "23028 MiB",
            "cuda": "",
            "gpus": 1,
            "seconds": 7,
            "checks": [
                {"name": "nvidia-smi", "passed": True, "evidence": SMI},
                {"name": "vectoradd", "passed": True, "evidence": "Test PASSED"},
            ],
        }
    ]
    assert (found["ready"], found["warnings"], found["not_tested"]) == (True, [], [])
    assert found["operator"] == {"owner": "install", "version": "v26.7.0", "state": "ready"}


def test_the_report_falls_back_on_labels_where_nvidia_smi_said_nothing() -> None:
    labels = {
        "nvidia.com/gpu.product": "Tesla-T4",
        "nvidia.com/cuda.driver-version.full": "580.1",
        "nvidia.com/cuda.runtime-version.full": "13.0",
    }
    silent = check_pod(smi=ended("nvidia-smi"))
    (found,) = report(healthy(nodes=[node(labels=labels)], pods=[silent]), wish())["nodes"]
    assert (found["card"], found["driver"], found["cuda"], found["memory"]) == ("Tesla-T4", "580.1", "13.0", "")


def test_the_report_says_which_gpu_nodes_were_not_tested() -> None:
    nodes = [node("gpu-1"), node("gpu-3"), node("gpu-2"), node("cpu-1", gpus=0)]
    assert report(healthy(nodes=nodes), wish())["not_tested"] == ["gpu-2", "gpu-3"]


def test_cards_that_the_plugin_holds_back_are_a_warning() -> None:
    assert judge(healthy(nodes=[node(gpus=2, free=1)]), wish()).state == "ready"
    (said,) = report(healthy(nodes=[node(gpus=2, free=1)]), wish())["warnings"]
    assert said.startswith("DP-4: gpu-1 hands out 1 of 2 cards")


def test_a_log_that_could_not_be_read_is_a_warning() -> None:
    found = report(healthy(logs={}), wish())
    assert found["nodes"][0]["checks"][1]["passed"] is True
    assert [said.split(":")[0] for said in found["warnings"]] == ["gpu-1"]


def test_times_that_are_not_there_count_as_zero() -> None:
    odd = check_pod(smi=ended("nvidia-smi"), kernel=waits("vectoradd", "x"))
    odd["status"]["initContainerStatuses"][0]["state"]["terminated"].update(startedAt="soon", finishedAt="later")
    assert report(healthy(pods=[odd]), wish())["nodes"][0]["seconds"] == 0
    assert report(healthy(pods=[]), wish())["nodes"][0]["seconds"] == 0


# nothing can upset it

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "True", "False", "1", "ready", "gpu-1"])
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(SCALARS, inner, max_size=2)
)
WHOLE = healthy(
    clusterpolicies=[policy("notReady", "x")],
    namespaces=[{"metadata": {"name": "gpu-operator", "labels": {}}}],
    deployments=[{"kind": "Deployment", "metadata": {"name": "gpu-operator"}}],
    daemonsets=[daemon_set("nvidia-device-plugin")],
    pods=[check_pod(), *(pod(name, waits("c", "CrashLoopBackOff", last="x"), init=(ended("i", 1),)) for name in CHAIN)],
    jobs=[job(over="Failed")],
    nodes=[node(taints=[TAINT], cordoned=True), node("gpu-2", gpus=0)],
)


def places(thing: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = thing.items() if isinstance(thing, dict) else enumerate(thing) if isinstance(thing, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


PLACES = places(WHOLE)[1:]
# A container that crashes and has no name.
NAMELESS = [(("jobs",), None)] + [
    (("pods", number, "status", *where), None)
    for number in range(1, len(WHOLE["pods"]))
    for where in (("initContainerStatuses", 0, "state"), ("containerStatuses", 0, "name"))
]


@settings(max_examples=examples(80), deadline=None)
@example(NAMELESS, "", wish())
@given(
    st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING), min_size=1, max_size=6),
    st.sampled_from(["", "ready"]),
    st.sampled_from([wish(), external(), wish("gpu-1", "gpu-2"), by_labels(pool="gpu")]),
)
def test_no_object_of_whatever_shape_raises(changes: list[Any], state: str, wished: Any) -> None:
    broken = json.loads(json.dumps(WHOLE))
    if state:
        broken["clusterpolicies"][0]["status"]["state"] = state
    for path, value in changes:
        put(broken, path, value)
    assert judge(broken, wished).state in {"ready", "waiting", "broken"}
    json.dumps(report(broken, wished), sort_keys=True)
    assert all(isinstance(word, str) for one in wanted_logs(broken, wished) for word in one)
    assert all(fault.fix for fault in look.all_faults(broken, wished))
    json.dumps(look.what_was_found(broken, wished))


def put(thing: Any, path: tuple[Any, ...], value: Any) -> None:
    """Sets a value deep inside, if the way there is still there."""
    for key in path[:-1]:
        try:
            thing = thing[key]
        except (KeyError, IndexError, TypeError):
            return
    with contextlib.suppress(IndexError, TypeError):
        thing[path[-1]] = value
