"""The look refuses before anything is made: each fault, all faults at once, and nothing that is our own."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from components.steps import look
from components.steps.kubectl import Unreadable
from decide.reading import broken, waits
from tests.unit.small_snapshot import (
    MARKED,
    RELEASE,
    STACK,
    Object,
    Refusal,
    by_labels,
    daemon_set,
    external,
    listed,
    made_by_policy,
    node,
    policy,
    wish,
)

TAINT = "dedicated=ml:NoSchedule"
FOREIGN = {"meta.helm.sh/release-name": "gpu-operator", "meta.helm.sh/release-namespace": "nvidia"}


def cluster(**changed: Any) -> Object:
    """A cluster with one GPU node on which nothing is installed yet."""
    bare = node(gpus=0)
    kinds = ("namespaces", "clusterpolicies", "runtimeclasses", "deployments", "daemonsets")
    return {"nodes": [bare], **{kind: [] for kind in kinds}, **changed}


def named(name: str, space: str = "", **meta: Any) -> Object:
    return {"metadata": {"name": name, **({"namespace": space} if space else {}), **meta}}


def marks(stack: str = STACK["gpu-ready/stack"]) -> Object:
    """By which an object is known to be of this stack, or of another one."""
    return {"labels": dict(MARKED), "annotations": {"gpu-ready/stack": stack}}


def ours(**changed: Any) -> Object:
    """A cluster in which our own release did its work."""
    made = {
        "nodes": [node()],
        "namespaces": [named("gpu-operator", **marks())],
        "clusterpolicies": [policy()],
        "deployments": [named("gpu-operator", "gpu-operator", annotations=dict(RELEASE))],
        "daemonsets": [made_by_policy(daemon_set("nvidia-device-plugin-daemonset"))],
        "runtimeclasses": [made_by_policy(named("nvidia"))],
    }
    return cluster(**{**made, **changed})


def ids(snapshot: Object, wished: Any = None) -> list[str]:
    return [one.id for one in look.all_faults(snapshot, wished or wish())]


def only(snapshot: Object, wished: Any = None) -> Any:
    (fault,) = look.all_faults(snapshot, wished or wish())
    assert fault.state == "broken"
    return fault


def test_a_bare_cluster_and_one_with_our_own_release_are_fine() -> None:
    assert ids(cluster()) == []
    assert ids(ours()) == []


@pytest.mark.parametrize(
    "annotations",
    [{"objectset.rio.cattle.io/owner-name": "runtimes"}, {"meta.helm.sh/release-name": "rke2-runtimeclasses"}],
    ids=["k3s", "rke2"],
)
def test_the_runtime_class_that_k3s_and_rke2_bring_along_may_be_the_operators(annotations: Object) -> None:
    brought = {**named("nvidia", annotations=annotations), "handler": "nvidia"}
    assert ids(cluster(runtimeclasses=[brought])) == []
    assert ids(cluster(runtimeclasses=[{**brought, "handler": "runc"}])) == ["CFG-6"]
    assert ids(cluster(runtimeclasses=[brought]), wish(runtime_class={"name": "nvidia", "owner": "us"})) == ["CFG-6"]


@pytest.mark.parametrize(
    ("wanted", "hint"), [("gpu1", "did you mean gpu-1?"), ("worker", "there are: gpu-1"), ("gpu-1.lan", "gpu-1?")]
)
def test_a_node_that_is_not_there_comes_with_what_was_probably_meant(wanted: str, hint: str) -> None:
    found = only(cluster(), wish(wanted))
    assert (found.id, found.problem.startswith(f"there is no node {wanted};")) == ("CFG-1", True)
    assert found.problem.endswith(hint)


def test_an_empty_cluster_says_that_there_are_no_nodes() -> None:
    assert only(cluster(nodes=[])).problem == "there is no node gpu-1; there are: none"


def test_labels_that_no_node_has_come_with_what_nodes_have() -> None:
    nodes = [node("a", labels={"pool": "cpu", "zone": "a"}), node("b", labels={"pool": "big"})]
    found = only(cluster(nodes=nodes, clusterpolicies=[]), {**by_labels(pool="gpu", zone="a", rack="7")})
    assert found.id == "CFG-2"
    assert found.problem == "no node has pool=gpu (nodes have: big, cpu), rack=7 (nodes have: no such label)"


def test_labels_that_no_node_has_together_are_said_so() -> None:
    nodes = [node("a", labels={"pool": "gpu"}), node("b", labels={"zone": "a"})]
    found = only(cluster(nodes=nodes), by_labels(pool="gpu", zone="a"))
    assert found.problem == "no node has all of these at once: pool=gpu, zone=a"


@pytest.mark.parametrize(
    ("bad", "id", "problem", "fix"),
    [
        (node(gpus=0, ready=False), "CFG-3", "gpu-1 is not Ready", "kubectl describe node gpu-1"),
        (node(gpus=0, cordoned=True), "SCH-7", "gpu-1 is cordoned", "kubectl uncordon gpu-1"),
        (node(gpus=0, taints=[TAINT]), "SCH-2", f"gpu-1 has taint {TAINT}", f"kubectl taint node gpu-1 {TAINT}-"),
    ],
)
def test_a_node_that_takes_no_gpu_pods_is_named_with_the_command(bad: Any, id: str, problem: str, fix: str) -> None:
    found = only(cluster(nodes=[bad]))
    assert found.id == id
    assert found.problem.startswith(problem)
    assert found.fix.endswith(fix)


def test_a_taint_that_is_tolerated_and_a_node_that_is_not_ours_are_fine() -> None:
    nodes = [node(gpus=0, taints=["nvidia.com/gpu=present:NoSchedule"]), node("other", gpus=0, ready=False)]
    assert ids(cluster(nodes=nodes)) == []


@pytest.mark.parametrize(
    ("kind", "there", "shown"),
    [
        ("clusterpolicies", named("cluster-policy"), "ClusterPolicy cluster-policy"),
        ("deployments", named("gpu-operator", "nvidia"), "Deployment nvidia/gpu-operator"),
        (
            "daemonsets",
            daemon_set("nvidia-device-plugin-daemonset", "kube-system"),
            "DaemonSet kube-system/nvidia-device",
        ),
        (
            "daemonsets",
            daemon_set("nvidia-gpu-device-plugin-small-cos", "kube-system"),
            "DaemonSet kube-system/nvidia-gpu",
        ),
        ("nodes", node(gpus=2), "node gpu-1 hands out 2 nvidia.com/gpu"),
    ],
)
def test_whatever_hands_out_gpus_already_is_not_doubled(kind: str, there: Object, shown: str) -> None:
    found = only(cluster(**{kind: [there]}))
    assert (found.id, shown in found.problem) == ("CFG-4", True)
    assert "gpu.operator: external" in found.fix
    assert ids(cluster(**{kind: [there]}), external()) == ["CFG-7"]


@pytest.mark.parametrize(
    "there",
    [
        {"daemonsets": [daemon_set("nvidia-gpu-device-plugin", "kube-system", desired=0)]},
        {"daemonsets": [daemon_set("amdgpu-device-plugin", "kube-system")]},
        {"deployments": [named("amd-gpu-operator-controller", "amd")]},
    ],
)
def test_what_hands_out_nothing_of_nvidia_is_left_alone(there: Object) -> None:
    assert ids(cluster(**there)) == []


def test_an_external_operator_that_is_nowhere_is_refused() -> None:
    assert ids(cluster(runtimeclasses=[named("nvidia")]), external()) == ["CFG-5"]


def test_the_class_of_an_operator_that_is_nowhere_is_no_fault_of_its_own() -> None:
    assert ids(cluster(), external()) == ["CFG-5"]
    alone = {**external(), "operator": {**external()["operator"], "mode": "none"}}
    assert ids(cluster(deployments=[named("gpu-operator", "nvidia")]), alone) == ["CFG-4", "CFG-7"]


@pytest.mark.parametrize(
    "changed",
    [
        {"namespaces": [named("gpu-operator")]},
        {"namespaces": []},
        {"namespaces": [named("gpu-operator", labels={"app.kubernetes.io/managed-by": "Helm"})]},
        {"namespaces": [named("gpu-operator"), named("other", **marks())]},
    ],
)
def test_a_release_of_the_same_name_without_our_mark_is_foreign(changed: Object) -> None:
    assert ids(ours(**changed)) == ["CFG-4"]


@pytest.mark.parametrize(
    "marks", [{}, FOREIGN, {**RELEASE, "meta.helm.sh/release-name": "other"}], ids=["none", "elsewhere", "other name"]
)
def test_a_policy_without_the_marks_of_our_release_is_foreign(marks: dict[str, str]) -> None:
    foreign = policy()
    foreign["metadata"]["annotations"] = marks
    assert "CFG-4" in ids(ours(clusterpolicies=[foreign]))


def test_a_runtime_class_of_somebody_else_is_refused_with_the_setting_that_fits() -> None:
    found = only(cluster(runtimeclasses=[named("nvidia"), named("kata")]))
    assert (found.id, "gpu.operator and gpu.runtimeClass: external" in found.fix) == ("CFG-6", True)
    beside = {**external(), "runtime_class": {"name": "nvidia", "owner": "us"}}
    found = only(ours(namespaces=[], runtimeclasses=[named("nvidia")]), beside)
    assert found.fix.startswith("set gpu.runtimeClass: external")


def test_a_runtime_class_with_our_mark_is_ours() -> None:
    assert ids(cluster(runtimeclasses=[named("nvidia", **marks())])) == []


def test_the_class_that_a_foreign_operator_made_is_no_fault_of_its_own() -> None:
    assert ids(ours(namespaces=[])) == ["CFG-4"]
    assert ids(ours(namespaces=[], runtimeclasses=[named("nvidia")])) == ["CFG-4", "CFG-6"]


def test_an_external_runtime_class_has_to_be_there() -> None:
    assert only(cluster(daemonsets=[daemon_set("nvidia-device-plugin")]), external()).id == "CFG-7"
    assert ids(cluster(nodes=[node()], runtimeclasses=[named("nvidia")]), external()) == []


def test_all_faults_are_said_at_once() -> None:
    snapshot = cluster(
        nodes=[node(gpus=0, ready=False, cordoned=True, taints=[TAINT])],
        deployments=[named("gpu-operator", "nvidia")],
        runtimeclasses=[named("nvidia")],
    )
    assert ids(snapshot, wish("gpu-1", "gpu-2")) == ["CFG-1", "CFG-3", "SCH-7", "SCH-2", "CFG-4", "CFG-6"]


# our own operator under other settings


def installed_elsewhere(**changed: Any) -> Object:
    """The wish of somebody who has changed `gpu.operator.namespace` since."""
    return wish(operator={"mode": "install", "release": "gpu-operator", "namespace": "other", **changed})


@pytest.mark.parametrize("namespace", ["gpu-operator", "other"])
def test_an_own_operator_that_is_declared_external_would_be_uninstalled(namespace: str) -> None:
    wished = external()
    wished["operator"] = {**wished["operator"], "namespace": namespace}
    found = only(ours(), wished)
    assert found.id == "CFG-9"
    assert "this stack installed in namespace gpu-operator; with" in found.problem
    assert "would uninstall it, and nothing would hand out GPUs" in found.problem
    assert found.fix.startswith("set gpu.operator: install again; ")


def test_beside_an_own_operator_a_foreign_one_is_external_all_the_same() -> None:
    plugin = daemon_set("nvidia-device-plugin", "kube-system")
    assert ids(ours(daemonsets=[plugin]), external()) == []


def test_an_own_operator_cannot_move_to_another_namespace() -> None:
    found = only(ours(), installed_elsewhere())
    assert found.id == "CFG-9"
    assert "this stack installed in namespace gpu-operator; it cannot move to other" in found.problem
    assert "not by this stack" not in found.problem
    assert found.fix.startswith("set gpu.operator.namespace: gpu-operator again; to move it: pulumi destroy")


def test_an_own_operator_that_moves_beside_a_foreign_one_has_two_faults() -> None:
    plugin = daemon_set("nvidia-device-plugin", "kube-system")
    assert ids(ours(daemonsets=[plugin]), installed_elsewhere()) == ["CFG-9", "CFG-4"]


def test_a_deployment_without_a_policy_is_known_again_too() -> None:
    assert ids(ours(clusterpolicies=[], runtimeclasses=[named("nvidia")]), external()) == ["CFG-9"]
    assert "CFG-9" in ids(ours(clusterpolicies=[], runtimeclasses=[]), installed_elsewhere())


# the step


class Clock:
    """Time that passes only by waiting."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(time, "sleep", self.sleep)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def reads(monkeypatch: pytest.MonkeyPatch, ask: Callable[[str], list[Object]]) -> Clock:
    monkeypatch.setattr(look, "objects", lambda _params, kinds, *_where: listed(kinds, ask))
    return Clock(monkeypatch)


def test_the_step_prints_what_was_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    reads(monkeypatch, cluster().__getitem__)
    assert look.main(wish()) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"context": "demo", "nodes": ["gpu-1"], "kubelets": ["v1.35.4"]}
    assert said.err == ""


def test_the_step_refuses_with_every_fault_and_its_fix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reads(monkeypatch, cluster(runtimeclasses=[named("nvidia")]).__getitem__)
    assert look.main(wish("gpu-2")) == 3
    said = capsys.readouterr()
    assert [line.split(" ")[0] for line in said.err.splitlines()] == ["CFG-6", "fix:", "CFG-1", "fix:"]
    assert said.out == ""


def test_a_server_that_is_just_coming_back_gets_a_little_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(kind: str) -> list[Object]:
        if clock.now < 9:
            raise Unreadable(waits("PLM-3"))
        return list(cluster()[kind])

    clock = reads(monkeypatch, ask)
    assert look.main(wish()) == 0
    assert capsys.readouterr().err.splitlines()[0] == (
        "waiting for API server: the cluster does not answer (at most 30 s more)"
    )


def test_a_server_that_stays_away_is_refused_in_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(kind: str) -> list[Object]:
        raise Unreadable(waits("PLM-3"))

    clock = reads(monkeypatch, ask)
    assert look.main(wish()) == 3
    assert (clock.now, Refusal(capsys.readouterr().err)["id"]) == (30, "PLM-3")


def test_what_waiting_does_not_mend_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(kind: str) -> list[Object]:
        raise Unreadable(broken("PLM-13"))

    clock = reads(monkeypatch, ask)
    assert look.main(wish()) == 3
    assert clock.now == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith("fix: grant it get and list on")


def test_a_namespace_that_somebody_else_has_made_is_refused_before_ours_collides_with_it() -> None:
    fault = only(cluster(namespaces=[named("gpu-ready")]))
    assert (fault.id, fault.problem) == ("CFG-8", "namespace gpu-ready is here already and is not ours")
    assert "kubectl delete namespace gpu-ready" in fault.fix


def test_a_namespace_with_our_mark_is_ours() -> None:
    assert ids(cluster(namespaces=[named("gpu-ready", **marks()), named("gpu-operator", **marks())])) == []


def test_a_kubectl_that_hangs_cannot_hold_the_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock(monkeypatch)

    def run(command: list[str], timeout: float, **_: Any) -> Any:
        assert timeout > 0
        if clock.now < 25:
            return subprocess.CompletedProcess(command, 1, b"", b"Unable to connect to the server: EOF")
        clock.now += timeout
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)
    assert look.main(wish()) == 3
    assert clock.now <= 45
    told = Refusal(capsys.readouterr().err)
    assert (told["id"], "gave no answer in" in told["evidence"][-1]) == ("PLM-3", True)


def test_a_namespace_of_another_stack_is_refused_and_so_is_that_of_a_renamed_one() -> None:
    fault = only(cluster(namespaces=[named("gpu-ready", **marks("gpu-ready/old"))]))
    assert (fault.id, fault.problem) == ("CFG-8", "namespace gpu-ready belongs to stack gpu-ready/old")
    assert "validation.namespace" in fault.fix
    assert "kubectl annotate namespace gpu-ready gpu-ready/stack=gpu-ready/demo --overwrite" in fault.fix


def test_the_operator_of_another_stack_is_an_external_one() -> None:
    theirs = ours(namespaces=[named("gpu-operator", **marks("gpu-ready/other"))])
    assert ids(theirs, external()) == []
    assert "CFG-4" in ids(theirs)


def test_a_runtime_class_of_another_stack_is_not_ours() -> None:
    assert ids(cluster(runtimeclasses=[named("nvidia", **marks("gpu-ready/other"))])) == ["CFG-6"]
