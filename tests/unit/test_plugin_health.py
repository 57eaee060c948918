"""What the device plugin alone says, on small snapshots: the first thing that is not well, in words that fit."""

from typing import Any

import pytest

from decide import plugin_health
from decide.reading import Verdict
from tests.unit.small_snapshot import Object, daemon_set, event, healthy, node, pod, runs, unplaced, waits, wish

SPACE, NAME = "nvidia-device-plugin", "nvdp-nvidia-device-plugin"
WISH = wish(operator={"mode": "none", "release": "nvdp", "namespace": SPACE})
LOG = f"{SPACE}/{NAME}-abcde/nvidia-device-plugin-ctr"


def plugin(**counts: int) -> Object:
    found = daemon_set(NAME, SPACE)
    found["metadata"]["labels"] = {"helm.sh/chart": "nvidia-device-plugin-0.20.0"}
    found["status"] = {"desiredNumberScheduled": 1, "currentNumberScheduled": 1, "numberReady": 1, **counts}
    return found


def plugin_pod(ready: bool = True, **more: Any) -> Object:
    found = pod(f"{NAME}-abcde", runs("nvidia-device-plugin-ctr", ready), space=SPACE, ready=ready, **more)
    found["metadata"]["ownerReferences"] = [{"kind": "DaemonSet", "name": NAME}]
    return found


def snapshot(*pods: Object, **changed: Any) -> Object:
    return healthy(**{"clusterpolicies": [], "daemonsets": [plugin()], "pods": list(pods), **changed})


def judged(found: Object, **more: Any) -> Verdict:
    verdict = plugin_health.judge_bringer(found, {**WISH, **more})
    assert verdict
    return verdict


def test_a_plugin_that_runs_everywhere_is_well_and_reported_with_its_version() -> None:
    assert plugin_health.judge_bringer(snapshot(plugin_pod()), WISH) is None
    assert plugin_health.plugin_report(snapshot(), WISH)["version"] == "nvidia-device-plugin-0.20.0"


def test_with_an_operator_that_one_is_asked() -> None:
    assert judged(snapshot(), operator={"mode": "install", "namespace": "gpu-operator"}).id == "OP-4"


def test_no_daemon_set_and_no_pod_yet_are_progress() -> None:
    for found in (snapshot(daemonsets=[]), snapshot()):
        assert (judged(found).id, judged(found).hopeless) == ("DP-14", False)


def test_a_pod_that_starts_is_called_plugin_and_not_operator() -> None:
    verdict = judged(snapshot(plugin_pod(ready=False)))

    assert (verdict.id, verdict.layer) == ("DP-14", "plugin")


def test_a_crash_of_its_own_kind_is_the_plugins() -> None:
    crashed = pod(NAME, waits("nvidia-device-plugin-ctr", "CrashLoopBackOff", last="panic: x"), space=SPACE)

    assert judged(snapshot(crashed)).id == "DP-16"


def test_pods_that_admission_refuses_are_told_by_the_event_alone() -> None:
    said = 'Error creating: pods "nvdp-" is forbidden: pod rejected: RuntimeClass "nvidia" not found'
    refused = snapshot(daemonsets=[plugin(currentNumberScheduled=0)], events=[event(NAME, "FailedCreate", said)])
    odd = snapshot(daemonsets=[plugin(currentNumberScheduled=0)], events=[event(NAME, "FailedCreate", "quota")])

    assert (judged(refused).id, judged(refused).fix) == ("RT-7", "set gpu.runtimeClass: ours, or create it")
    assert (judged(odd).id, judged(odd).evidence) == ("DP-14", ("FailedCreate: quota",))


def test_a_taint_that_keeps_it_away_is_named() -> None:
    tainted = snapshot(nodes=[node(taints=["dedicated=ml:NoSchedule"])])

    assert (judged(tainted).id, "dedicated=ml:NoSchedule" in judged(tainted).problem) == ("DP-3", True)


def test_a_pod_of_before_is_waited_for() -> None:
    late = plugin()
    late["metadata"] |= {"generation": 2, "annotations": {"deprecated.daemonset.template.generation": "2"}}
    late["status"]["observedGeneration"] = 2
    older = plugin_pod(labels={"pod-template-generation": "1"})

    assert "older version" in judged(snapshot(older, daemonsets=[late])).problem
    late["status"]["observedGeneration"] = 1
    assert "changed just now" in judged(snapshot(older, daemonsets=[late])).problem


def test_by_labels_one_node_with_a_ready_plugin_will_do() -> None:
    nodes = [node("gpu-1", labels={"pool": "gpu"}), node("gpu-2", labels={"pool": "gpu"})]

    found = plugin_health.judge_bringer(
        snapshot(plugin_pod(), nodes=nodes), {**WISH, "nodes": [], "node_selector": {"pool": "gpu"}}
    )
    assert found is None


def test_a_plugin_that_no_node_takes_is_not_well() -> None:
    assert judged(snapshot(unplaced(plugin_pod(ready=False), "0/1 nodes are available"))).id == "SCH-8"


@pytest.mark.parametrize(
    ("log", "id"), [("No devices found. Waiting indefinitely.\n", "DP-15"), ("Registered device plugin\n", "DP-13")]
)
def test_a_silent_plugin_is_quoted(log: str, id: str) -> None:
    poor = node(gpus=0)
    found = snapshot(plugin_pod(), nodes=[poor], logs={LOG: log})

    assert plugin_health.silent_logs(found, WISH) == [(SPACE, f"{NAME}-abcde", "nvidia-device-plugin-ctr")]
    verdict = plugin_health.silent_plugin(found, WISH, poor)
    assert verdict
    assert (verdict.id, log.strip() in verdict.evidence[0]) == (id, True)
    assert plugin_health.silent_plugin({**found, "logs": {}}, WISH, poor) is None
