"""The operator's pods as a chain: the first link that is not well is the cause, what waits behind it is not."""

from __future__ import annotations

from typing import Any

import pytest

from decide.proof_health import judge, wanted_logs
from decide.reading import Verdict
from tests.unit.small_snapshot import (
    Object,
    daemon_set,
    event,
    external,
    healthy,
    job,
    node,
    operator_at_work,
    pod,
    policy,
    runs,
    unplaced,
    waits,
    wish,
)

VALIDATOR, PLUGIN = "nvidia-operator-validator-abcde", "nvidia-device-plugin-daemonset-abcde"
DRIVER, TOOLKIT = "nvidia-driver-daemonset-abcde", "nvidia-container-toolkit-daemonset-abcde"
NO_DRIVER = 'level=warning msg="failed to validate the driver, retrying after 5 seconds\\n"\n'
NO_RUNTIME = 'failed to get sandbox runtime: no runtime for "nvidia" is configured'


def validator(step: str) -> Object:
    return pod(VALIDATOR, waits("nvidia-operator-validator", "PodInitializing"), init=(runs(step),))


def judged(*pods: Object, wished: Any = None, **changed: Any) -> Verdict:
    return judge(operator_at_work(*pods, **changed), wished or wish())


def crashing(name: str, last: str = "") -> Object:
    return pod(name, waits("main", "CrashLoopBackOff", "back-off 40s restarting failed container", last=last))


def test_an_operator_that_has_not_reported_yet_is_waited_for() -> None:
    found = judge(healthy(clusterpolicies=[], jobs=[job(over="")], pods=[]), wish())
    assert (found.state, found.id, found.problem, found.hopeless) == ("waiting", "OP-4", "the operator starts", False)


def test_a_late_operator_is_progress_in_its_own_words() -> None:
    found = judged()
    assert (found.id, found.hopeless) == ("OP-4", False)
    assert found.problem == "states not ready: [state-driver]"


def test_the_first_pod_that_only_starts_is_progress() -> None:
    found = judged(pod(PLUGIN, waits("c", "PodInitializing")), pod(DRIVER, waits("c", "ContainerCreating")))
    assert (found.id, found.hopeless, found.problem) == ("OP-4", False, f"{DRIVER} on gpu-1 starts")


def test_a_node_without_driver_is_named_when_nobody_brings_one() -> None:
    logs = {f"gpu-operator/{VALIDATOR}/driver-validation": NO_DRIVER}
    found = judged(validator("driver-validation"), logs=logs)
    assert (found.id, found.layer, found.hopeless) == ("OP-2", "driver", True)
    assert found.problem.startswith("gpu-1 has no working driver")
    assert found.fix == "install a driver on gpu-1 so that nvidia-smi works there, or set gpu.driver: operator"
    assert found.evidence[-1] == "states not ready: [state-driver]"


@pytest.mark.parametrize(("node_of_driver", "hopeless"), [("gpu-1", False), ("gpu-2", True)])
def test_a_driver_that_is_still_being_built_on_that_node_is_waited_for(node_of_driver: str, hopeless: bool) -> None:
    logs = {f"gpu-operator/{VALIDATOR}/driver-validation": NO_DRIVER}
    driver = pod(DRIVER, runs("nvidia-driver-ctr"), node=node_of_driver)
    found = judged(validator("driver-validation"), driver, logs=logs)
    assert found.hopeless is hopeless


def test_waiting_for_the_toolkit_is_progress() -> None:
    said = "waiting for nvidia container stack to be setup"
    plugin = pod(PLUGIN, waits("c", "PodInitializing"), init=(runs("toolkit-validation"),))
    found = judged(plugin, logs={f"gpu-operator/{PLUGIN}/toolkit-validation": said})
    assert (found.id, found.hopeless) == ("OP-1", False)
    assert found.problem == f"{PLUGIN} on gpu-1 waits in toolkit-validation"


def test_a_crash_is_explained_by_its_log() -> None:
    found = judged(crashing(PLUGIN), logs={f"gpu-operator/{PLUGIN}/main": "Incompatible platform detected\n"})
    assert (found.id, found.hopeless) == ("DP-1", True)
    assert found.evidence[0] == f"{PLUGIN} (main): Incompatible platform detected"


def test_a_crash_of_an_unknown_kind_says_how_to_read_more() -> None:
    found = judged(crashing(PLUGIN, last="panic: nil"))
    assert (found.id, found.hopeless, found.problem) == ("OP-18", True, f"{PLUGIN} on gpu-1 crashes again and again")
    assert found.fix.endswith(f"kubectl logs -n gpu-operator {PLUGIN} -c main --previous")


def test_the_plugin_is_the_cause_and_not_the_validator_that_asks_for_its_cards() -> None:
    asks = pod(
        VALIDATOR, init=(waits("plugin-validation", "CrashLoopBackOff", last="GPU resources are not discovered"),)
    )
    found = judged(asks, crashing(PLUGIN, last="Detected non-NVML platform: could not load NVML library"))
    assert (found.id, found.problem.split(" ")[0]) == ("DP-2", PLUGIN)
    alone = judged(asks)
    assert (alone.id, alone.hopeless) == ("OP-4", False)
    assert alone.problem == f"{VALIDATOR} on gpu-1 waits for the node's cards"


def test_what_hangs_for_good_comes_before_what_may_still_come() -> None:
    found = judged(pod(DRIVER, runs("nvidia-driver-ctr")), crashing("gpu-feature-discovery-abcde"))
    assert (found.id, found.problem.split(" ")[0]) == ("OP-18", "gpu-feature-discovery-abcde")


def test_of_two_that_hang_the_one_that_the_other_needs_is_the_cause() -> None:
    found = judged(crashing(PLUGIN), crashing(TOOLKIT, last="unable to restart containerd"))
    assert (found.id, found.layer) == ("TK-14", "toolkit")


def test_an_image_of_the_operator_that_is_not_found_is_named() -> None:
    image = 'Back-off pulling image "nvcr.io/nvidia/gpu-operator:v1"'
    found = judged(pod("gpu-operator-abcde", waits("gpu-operator", "ImagePullBackOff", image)))
    assert (found.id, found.layer, found.hopeless) == ("CUDA-5", "image", True)
    driver = judged(pod(DRIVER, waits("c", "ErrImagePull", "nvcr.io/nvidia/driver:1-ubuntu26.04: not found")))
    assert driver.id == "DRV-10"


@pytest.mark.parametrize(("toolkit_there", "hopeless"), [(False, True), (True, False)])
def test_a_missing_runtime_handler_is_hopeless_unless_the_toolkit_is_on_its_way(
    toolkit_there: bool, hopeless: bool
) -> None:
    pods = [pod(VALIDATOR, waits("c", "PodInitializing"), ip="")]
    pods += [pod(TOOLKIT, runs("toolkit"))] if toolkit_there else []
    found = judged(*pods, events=[event(VALIDATOR, "FailedCreatePodSandBox", NO_RUNTIME)])
    assert found.hopeless is hopeless
    if hopeless:
        assert (found.id, found.evidence[0].endswith(NO_RUNTIME)) == ("RT-1", True)


def test_a_sandbox_that_fails_for_another_reason_is_waited_for() -> None:
    events = [event(VALIDATOR, "FailedCreatePodSandBox", "network plugin not ready")]
    found = judged(pod(VALIDATOR, waits("c", "PodInitializing"), ip=""), events=events)
    assert (found.id, found.hopeless) == ("OP-4", False)
    assert found.fix == f"kubectl describe pod -n gpu-operator {VALIDATOR}"


def test_an_operator_that_no_node_takes_is_explained_by_the_taints_of_the_nodes() -> None:
    alone = unplaced(pod("gpu-operator-abcde"), "0/1 nodes are available: 1 node(s) had untolerated taint(s).")
    found = judged(alone, nodes=[node(taints=["nvidia.com/gpu=present:NoSchedule"])])
    assert (found.id, found.hopeless) == ("SCH-2", True)
    assert found.problem.endswith("gpu-1 has taint nvidia.com/gpu=present:NoSchedule")
    full = judged(unplaced(pod("gpu-operator-abcde"), "0/1 nodes are available: 1 Insufficient cpu."))
    assert (full.id, full.hopeless) == ("SCH-8", True)


def test_pods_that_are_done_and_pods_of_others_are_left_alone() -> None:
    done = pod("nvidia-cuda-validator-abcde", runs("c"), phase="Succeeded")
    other = {**crashing("nvidia-device-plugin-x"), "metadata": {"name": "nvidia-device-plugin-x", "namespace": "ml"}}
    assert judged(done, other).problem == "states not ready: [state-driver]"


def test_only_a_few_logs_are_asked_for_and_none_of_what_only_waits_for_cards() -> None:
    many = [pod(f"{PLUGIN}-{n}", waits("c", "CrashLoopBackOff")) for n in range(9)]
    wanted = wanted_logs(operator_at_work(validator("plugin-validation"), *many), wish(jobs=[]))
    assert len(wanted) == 4
    assert all(name.startswith(PLUGIN) for _space, name, _container in wanted)
    assert wanted_logs(operator_at_work(validator("driver-validation")), wish(jobs=[])) == [
        ("gpu-operator", VALIDATOR, "driver-validation")
    ]


def test_an_external_operator_that_is_not_there_is_said() -> None:
    found = judge(healthy(clusterpolicies=[], nodes=[node(gpus=0)]), external())
    assert (found.id, found.hopeless) == ("CFG-5", True)


def test_a_stand_alone_plugin_is_enough_wherever_it_runs() -> None:
    assert judge(healthy(clusterpolicies=[], nodes=[node(labels={})]), external()).state == "ready"
    plugin = [daemon_set("nvidia-device-plugin-daemonset", "kube-system")]
    found = judge(healthy(clusterpolicies=[], nodes=[node(gpus=0)], daemonsets=plugin), external())
    assert (found.id, found.problem) == ("DP-13", "gpu-1 advertises no nvidia.com/gpu")


def test_an_external_operator_that_is_not_ready_is_judged_like_ours() -> None:
    assert judge(healthy(clusterpolicies=[policy("notReady", "states not ready: [x]")]), external()).id == "OP-4"
