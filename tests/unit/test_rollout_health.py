"""`ready` is believed only with proof that it is about what was changed last."""

from __future__ import annotations

from typing import Any

import pytest

from decide.proof_health import judge, report
from tests.unit.small_snapshot import (
    OPERATOR,
    Object,
    by_labels,
    check_pod,
    daemon_set,
    ended,
    external,
    healthy,
    job,
    made_by_policy,
    node,
    pod,
    policy,
    runs,
    waits,
    wish,
)

CHART, STATE = "helm.sh/chart", "nvidia.com/gpu-driver-upgrade-state"
NEW, OLD = "gpu-operator-v26.7.0", "gpu-operator-v26.3.3"
PLUGIN, DRIVER = "nvidia-device-plugin-daemonset", "nvidia-driver-daemonset"
TEMPLATE = "deprecated.daemonset.template.generation"


def fresh_policy(state: str = "ready", **spec: Any) -> Object:
    """A policy of the newest chart, as Helm has written it."""
    found = policy(state, "" if state == "ready" else "states not ready: [state-driver]", **{CHART: NEW})
    found["metadata"]["generation"] = 2
    return {**found, "spec": {"daemonsets": {"labels": {CHART: NEW}}, **spec}}


def operand(name: str = PLUGIN, desired: int = 1, updated: int = 1, chart: str = NEW, **more: Any) -> Object:
    """A DaemonSet of the operator in its second form."""
    found = made_by_policy(daemon_set(name))
    found["metadata"].update(generation=2, annotations={TEMPLATE: "2"} if more.get("counted", True) else {})
    found["spec"]["template"]["metadata"] = {"labels": {CHART: chart}}
    found["spec"]["updateStrategy"] = {"type": more.get("strategy", "RollingUpdate")}
    counts = {"desiredNumberScheduled": desired, "updatedNumberScheduled": updated}
    seen = {"observedGeneration": more.get("observed", 2)}
    found["status"] = {key: value for key, value in {**counts, **seen}.items() if value}
    return found


def placed(name: str, form: int, where: str = "gpu-1", of: str = PLUGIN, **more: Any) -> Object:
    """A pod of a DaemonSet, of its first or second form."""
    found = pod(name, runs("main", ready=True), node=where, labels={"pod-template-generation": str(form)}, **more)
    found["metadata"]["ownerReferences"] = [{"kind": "DaemonSet", "name": of}]
    found["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    return found


def deployment(replicas: int = 1, updated: int = 1, available: int = 1, **more: Any) -> Object:
    counts = {"replicas": replicas, "updatedReplicas": updated, "availableReplicas": available}
    status = {key: value for key, value in counts.items() if value}
    meta = {"name": more.get("name", "gpu-operator"), "namespace": OPERATOR, "generation": 2}
    spec = {"replicas": more["wanted"]} if "wanted" in more else {}
    return {"metadata": meta, "spec": spec, "status": {"observedGeneration": more.get("observed", 2), **status}}


def cluster(*daemon_sets: Object, pods: tuple[Object, ...] = (), **changed: Any) -> Object:
    made = healthy(**{"clusterpolicies": [fresh_policy()], "deployments": [deployment()], **changed})
    return {**made, "daemonsets": list(daemon_sets), "pods": [*made["pods"], *pods]}


def named(version: str = "v26.7.0") -> Object:
    operator = {"mode": "install", "release": "gpu-operator", "namespace": OPERATOR, "version": version}
    return wish(operator=operator)


def test_a_cluster_in_its_newest_form_is_ready() -> None:
    assert judge(cluster(operand()), named()).state == "ready"


# the version


@pytest.mark.parametrize("labels", [{"app.kubernetes.io/version": "v26.3.3"}, {"app.kubernetes.io/version": ""}])
def test_a_policy_of_another_version_is_not_what_was_installed(labels: dict[str, str]) -> None:
    other = policy(**labels, **{CHART: OLD})
    found = judge(cluster(clusterpolicies=[other]), named())
    assert (found.id, found.hopeless) == ("OP-20", True)
    assert found.problem == "ClusterPolicy cluster-policy is of v26.3.3, and v26.7.0 was installed"


@pytest.mark.parametrize("labels", [{"app.kubernetes.io/version": "main"}, {"app.kubernetes.io/version": ""}])
def test_the_label_of_the_chart_is_as_good_as_that_of_the_operator(labels: dict[str, str]) -> None:
    assert judge(cluster(clusterpolicies=[policy(**labels, **{CHART: NEW})]), named()).state == "ready"


@pytest.mark.parametrize("wished", [wish(), external(), named("")])
def test_a_stack_that_names_no_version_believes_any(wished: Object) -> None:
    assert judge(cluster(clusterpolicies=[policy(**{"app.kubernetes.io/version": "v1"})]), wished).state == "ready"


def test_a_policy_without_any_version_says_nothing_against_it() -> None:
    bare = policy()
    bare["metadata"]["labels"] = {}
    assert judge(cluster(clusterpolicies=[bare]), named()).state == "ready"


# the operator


@pytest.mark.parametrize(
    "late",
    [
        deployment(observed=1),
        deployment(replicas=2),
        deployment(updated=0),
        deployment(available=0),
        deployment(wanted=2),
        {**deployment(), "status": None},
    ],
)
def test_an_operator_that_is_being_replaced_is_not_believed(late: Object) -> None:
    found = judge(cluster(operand(), deployments=[late]), wish())
    assert (found.state, found.id, found.hopeless) == ("waiting", "OP-19", False)
    assert found.problem.startswith("the operator says ready, but Deployment gpu-operator is not rolled out (replicas:")


def test_the_new_operator_that_cannot_start_is_the_reason() -> None:
    image = 'Back-off pulling image "nvcr.io/nvidia/gpu-operator:v26.7.0"'
    new = pod("gpu-operator-new", waits("gpu-operator", "ImagePullBackOff", image))
    found = judge(cluster(pods=(new,), deployments=[deployment(replicas=2)]), wish())
    assert (found.id, found.hopeless) == ("CUDA-5", True)


def test_a_foreign_operator_that_rests_is_not_our_business_but_one_that_is_being_replaced_is() -> None:
    assert judge(cluster(operand(), deployments=[deployment(available=0)]), external()).state == "ready"
    assert judge(cluster(operand(), deployments=[deployment(replicas=2)]), external()).id == "OP-19"


def test_other_deployments_are_left_alone() -> None:
    assert (
        judge(cluster(deployments=[deployment(updated=0, name="node-feature-discovery-gc")]), wish()).state == "ready"
    )


# its DaemonSets


@pytest.mark.parametrize(
    ("late", "sign"),
    [
        (operand(chart=OLD), f"{PLUGIN} is still that of {OLD}"),
        (operand(observed=1), f"{PLUGIN} was changed just now"),
        (operand(desired=0, updated=0, observed=0), f"{PLUGIN} was changed just now"),
        (operand(updated=0), f"{PLUGIN} has new pods on 0 of 1 nodes only"),
    ],
)
def test_daemon_sets_of_before_are_not_believed(late: Object, sign: str) -> None:
    found = judge(cluster(late), wish())
    assert (found.state, found.id, found.hopeless) == ("waiting", "OP-19", False)
    assert found.problem == f"the operator says ready, but {sign}"
    assert judge(cluster(late), external()).id == "OP-19"


def test_all_signs_are_in_the_evidence() -> None:
    found = judge(cluster(operand(updated=0), operand("nvidia-dcgm-exporter", chart=OLD)), wish())
    assert found.problem.endswith(f"nvidia-dcgm-exporter is still that of {OLD}")
    assert found.evidence == (f"{PLUGIN} has new pods on 0 of 1 nodes only",)


def test_a_daemon_set_that_says_nothing_of_its_chart_is_judged_by_its_counts() -> None:
    assert judge(cluster(operand(chart="")), wish()).state == "ready"
    assert judge(cluster(operand(chart="", updated=0)), wish()).id == "OP-19"


def test_a_daemon_set_that_reaches_no_node_need_not_be_new() -> None:
    assert judge(cluster(operand(desired=0, updated=0, chart=OLD)), wish()).state == "ready"


def test_what_is_late_on_nodes_of_others_is_not_our_business() -> None:
    pods = (placed("a", 2), placed("b", 1, "gpu-2"))
    assert judge(cluster(operand(desired=2, updated=1), pods=pods), wish()).state == "ready"
    both = cluster(operand(desired=2, updated=1), pods=pods, nodes=[node(), node("gpu-2")])
    assert judge(both, by_labels()).id == "OP-19"
    here = (placed("a", 1), placed("b", 2, "gpu-2"))
    assert judge(cluster(operand(desired=2, updated=1), pods=here), wish()).id == "OP-19"


def test_without_the_count_of_templates_every_missing_pod_counts() -> None:
    pods = (placed("a", 2), placed("b", 1, "gpu-2"))
    assert judge(cluster(operand(desired=2, updated=1, counted=False), pods=pods), wish()).id == "OP-19"


def test_plugins_that_no_operator_made_are_left_alone() -> None:
    assert judge(cluster(daemon_set(PLUGIN, "kube-system")), wish()).state == "ready"


# what nobody can see


@pytest.mark.parametrize(("waited", "state"), [(0, "waiting"), (14.9, "waiting"), (15, "ready")])
def test_a_policy_that_was_changed_once_gets_a_moment(waited: float, state: str) -> None:
    assert judge(cluster(operand()), wish(waited=waited)).state == state
    assert judge(cluster(operand()), {**external(), "waited": waited}).state == "ready"


def test_a_policy_that_was_never_changed_needs_none() -> None:
    first = fresh_policy()
    first["metadata"]["generation"] = 1
    assert judge(cluster(operand(), clusterpolicies=[first]), wish(waited=0)).state == "ready"


# drivers, which no DaemonSet replaces


def driver_cluster(state: str = "notReady", label: str = "", **spec: Any) -> Object:
    labels = {STATE: label} if label else {}
    older = (placed(f"{DRIVER}-x", 1, of=DRIVER), placed(f"{DRIVER}-y", 1, "gpu-2", DRIVER))
    return cluster(
        operand(DRIVER, desired=2, updated=0, strategy="OnDelete"),
        pods=older,
        nodes=[node(labels=labels), node("gpu-2")],
        clusterpolicies=[fresh_policy(state, **spec)],
    )


def test_an_older_driver_is_no_stale_word_but_a_warning() -> None:
    assert judge(driver_cluster("ready"), wish()).state == "ready"
    (warning,) = report(driver_cluster("ready"), wish())["warnings"]
    assert warning == (
        f"OP-21: {DRIVER}-x on gpu-1 is of an older version; the operator's upgrade controller replaces it"
    )


@pytest.mark.parametrize(("label", "shown"), [("", "not begun"), ("upgrade-required", "upgrade-required")])
def test_the_upgrade_controller_is_what_is_waited_for(label: str, shown: str) -> None:
    found = judge(driver_cluster(label=label), wish())
    assert (found.id, found.hopeless) == ("OP-21", False)
    assert found.problem == (
        f"{DRIVER}-x on gpu-1 is of an older version; the operator's upgrade controller replaces it ({shown})"
    )


def test_an_upgrade_that_failed_and_one_that_nobody_does_are_hopeless() -> None:
    failed = judge(driver_cluster(label="upgrade-failed"), wish())
    assert (failed.id, failed.hopeless, "has given up" in failed.problem) == ("OP-21", True, True)
    by_hand = judge(driver_cluster(driver={"upgradePolicy": {"autoUpgrade": False}}), wish())
    assert (by_hand.id, by_hand.hopeless, "autoUpgrade is off" in by_hand.problem) == ("OP-21", True, True)
    assert by_hand.fix == f"take the GPU pods off gpu-1, then kubectl delete pod -n {OPERATOR} {DRIVER}-x"


def test_a_pod_that_is_not_well_comes_before_the_driver_that_waits() -> None:
    made = driver_cluster()
    made["pods"].append(pod(f"{PLUGIN}-x", waits("main", "CrashLoopBackOff")))
    made["jobs"] = [job(over="")]
    assert judge(made, wish()).id == "OP-18"


@pytest.mark.parametrize(("began", "count"), [("2026-01-01T00:00:05Z", 0), ("2026-01-01T00:00:06Z", 1), (None, 0)])
def test_a_proof_from_before_the_plugin_began_is_a_warning(began: str | None, count: int) -> None:
    smi, kernel = ended("nvidia-smi", start=5, end=6), ended("vectoradd", start=7, end=8)
    proof = check_pod(smi=smi, kernel=kernel)
    plugin = placed(f"{PLUGIN}-x", 2, status={"startTime": began})
    other = placed(f"{PLUGIN}-y", 2, "gpu-2", status={"startTime": "2026-02-01T00:00:00Z"})
    exporter = placed("nvidia-dcgm-exporter-x", 2, status={"startTime": "2026-02-01T00:00:00Z"})
    made = cluster(operand(), pods=(plugin, other, exporter))
    made["pods"][0] = proof
    assert len(report(made, wish())["warnings"]) == count
    made["pods"][0] = {**proof, "status": {"phase": "Succeeded"}}
    assert report(made, wish())["warnings"] == []


@pytest.mark.parametrize("part", ["spec", "status", "metadata"])
@pytest.mark.parametrize("gap", [None, [], "x", {}])
def test_gaps_in_an_answer_never_raise(part: str, gap: Any) -> None:
    whole = [operand(), deployment(), fresh_policy()]
    for broken in whole:
        broken[part] = gap
        snapshot = cluster(whole[0], deployments=[whole[1]], clusterpolicies=[whole[2]])
        assert judge(snapshot, named()).state in ("ready", "waiting", "broken")
