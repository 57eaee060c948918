"""What the GPU operator does to a cluster, how it hangs and fails, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lab.cluster import kubelet
from lab.cluster.store import ApiError
from lab.cluster.world import World
from tests.unit.small_world import (
    CPU,
    GPU_1,
    GPU_2,
    ON_HOST,
    PRIVILEGED,
    after,
    condition,
    events,
    find,
    namespace,
    pod_of,
    policy,
    ready_world,
    some,
    state,
    with_operator,
    world,
)

BARE = {**GPU_1, "driver": None, "toolkit": False}
NFD_ONLY = {"node-feature-discovery": {"worker": {"tolerations": [{"operator": "Exists"}]}}}


def message(made: World) -> str:
    return str(condition(policy(made), "Error")["message"])


def gpus(made: World, node: str = "gpu-1") -> str | None:
    status = find(made, "Node", node)["status"]
    assert status["capacity"].get("nvidia.com/gpu") == status["allocatable"].get("nvidia.com/gpu")
    return status["allocatable"].get("nvidia.com/gpu")  # type: ignore[no-any-return]


def log(made: World, pod: str, container: str) -> str:
    name = pod_of(made, pod)["metadata"]["name"]
    with made.open() as cluster:
        found = cluster.get("Pod", name, "gpu-operator")
        return (found and kubelet.log_of(cluster, found, container)) or ""


def test_a_policy_goes_from_not_ready_to_ready_and_cards_are_advertised_on_the_way(tmp_path: Path) -> None:
    made = after(with_operator(world(tmp_path)), 10)
    assert policy(made)["status"]["state"] == "notReady"
    states = "state-operator-validation state-device-plugin state-dcgm-exporter gpu-feature-discovery"
    assert message(made) == f"ClusterPolicy is not ready; states not ready: [{states}]"
    assert condition(policy(made), "Ready")["status"] == "False"
    assert gpus(made) is None
    after(made, 60)
    assert policy(made)["status"]["state"] == "ready"
    assert condition(policy(made), "Ready")["reason"] == "Reconciled"
    assert (gpus(made), gpus(made, "gpu-2"), gpus(made, "cpu-1")) == ("1", "2", None)


def test_older_operators_put_a_comma_into_the_message(tmp_path: Path) -> None:
    made = after(with_operator(world(tmp_path), version="v26.3.3"), 10)
    assert message(made).startswith("ClusterPolicy is not ready, states not ready: [state-operator-validation ")


@pytest.mark.parametrize("seconds", [40, 200])
def test_it_takes_about_as_long_as_the_world_says(tmp_path: Path, seconds: int) -> None:
    made = with_operator(world(tmp_path, operator={"ready_seconds": seconds}))
    assert policy(after(made, seconds * 0.6))["status"]["state"] == "notReady"
    assert policy(after(made, seconds * 0.5))["status"]["state"] == "ready"


def test_a_gpu_node_gets_the_labels_of_operator_and_discovery(tmp_path: Path) -> None:
    made = ready_world(tmp_path)
    labels = find(made, "Node", "gpu-2")["metadata"]["labels"]
    wanted = {
        "feature.node.kubernetes.io/pci-10de.present": "true",
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.deploy.device-plugin": "true",
        "nvidia.com/gpu.product": "Tesla-T4",
        "nvidia.com/gpu.count": "2",
        "nvidia.com/gpu.memory": "15360",
        "nvidia.com/gpu.family": "turing",
        "nvidia.com/gpu.compute.major": "7",
        "nvidia.com/cuda.driver-version.full": "580.126.20",
    }
    assert wanted.items() <= labels.items()
    assert not any(name.startswith("nvidia.com") for name in find(made, "Node", "cpu-1")["metadata"]["labels"])


def test_runtime_classes_belong_to_the_policy(tmp_path: Path) -> None:
    made = ready_world(tmp_path)
    classes = some(made, "RuntimeClass")
    assert [one["metadata"]["name"] for one in classes] == ["nvidia", "nvidia-cdi", "nvidia-legacy"]
    owners = {one["metadata"]["ownerReferences"][0]["kind"] for one in classes}
    assert owners == {"ClusterPolicy"}


def test_an_existing_runtime_class_is_overwritten_and_goes_with_the_operator(tmp_path: Path) -> None:
    made = world(tmp_path, runtime_classes=[{"name": "nvidia", "handler": "nvidia"}])
    after(with_operator(made), 200)
    assert find(made, "RuntimeClass", "nvidia")["metadata"]["ownerReferences"]
    with made.open() as cluster:
        cluster.uninstall_release("gpu-operator", "gpu-operator")
    assert some(made, "RuntimeClass") == []


def test_the_nri_mode_makes_no_runtime_class(tmp_path: Path) -> None:
    made = after(with_operator(world(tmp_path), {**ON_HOST, "cdi": {"nriPluginEnabled": True}}), 200)
    assert some(made, "RuntimeClass") == []
    assert policy(made)["status"]["state"] == "ready"


def test_driver_and_toolkit_of_the_operator_serve_a_bare_node(tmp_path: Path) -> None:
    made = after(with_operator(world(tmp_path, CPU, BARE), {}), 60)
    assert "state-driver" in message(made)
    after(made, 200)
    assert policy(made)["status"]["state"] == "ready"
    assert gpus(made) == "1"
    assert find(made, "Node", "gpu-1")["metadata"]["labels"]["nvidia.com/cuda.driver-version.full"] == "595.91.07"


def test_the_operator_leaves_a_driver_on_the_host_alone(tmp_path: Path) -> None:
    made = after(with_operator(world(tmp_path), {"toolkit": {"enabled": False}}), 200)
    labels = find(made, "Node", "gpu-1")["metadata"]["labels"]
    assert labels["nvidia.com/gpu.deploy.driver"] == "pre-installed"
    assert find(made, "DaemonSet", "nvidia-driver-daemonset", "gpu-operator")["status"]["desiredNumberScheduled"] == 0
    assert labels["nvidia.com/cuda.driver-version.major"] == "580"


def test_without_any_driver_the_validator_hangs_and_nothing_is_advertised(tmp_path: Path) -> None:
    values = {"driver": {"enabled": False}}
    made = after(with_operator(world(tmp_path, CPU, BARE), values), 300)
    assert policy(made)["status"]["state"] == "notReady"
    assert "state-container-toolkit" in message(made)
    toolkit = pod_of(made, "nvidia-container-toolkit")
    assert "running" in state(toolkit, "driver-validation")
    assert state(toolkit, "nvidia-container-toolkit-ctr") == {"waiting": {"reason": "PodInitializing"}}
    text = log(made, "nvidia-container-toolkit", "driver-validation")
    assert "failed to validate the driver, retrying after 5 seconds" in text
    assert gpus(made) is None


def test_without_any_toolkit_no_pod_with_the_runtime_class_starts(tmp_path: Path) -> None:
    node = {**GPU_1, "toolkit": False}
    made = after(with_operator(world(tmp_path, CPU, node)), 300)
    assert "state-device-plugin" in message(made)
    texts = events(made, "nvidia-device-plugin", "FailedCreatePodSandBox")
    assert texts
    assert texts[0].endswith('no runtime for "nvidia" is configured')
    assert gpus(made) is None


def test_a_taint_that_nobody_tolerates_hides_the_node_from_everything(tmp_path: Path) -> None:
    node = {**GPU_1, "taints": ["dedicated=ml:NoSchedule"]}
    made = after(with_operator(world(tmp_path, CPU, node)), 200)
    assert "feature.node.kubernetes.io/pci-10de.present" not in find(made, "Node", "gpu-1")["metadata"]["labels"]
    assert condition(policy(made), "Ready")["reason"] == "NoGPUNodes"
    assert find(made, "DaemonSet", "nvidia-operator-validator", "gpu-operator")["status"]["desiredNumberScheduled"] == 0
    assert gpus(made) is None


def test_operands_that_do_not_tolerate_a_taint_stay_away_though_discovery_saw_the_card(tmp_path: Path) -> None:
    node = {**GPU_1, "taints": ["dedicated=ml:NoSchedule"]}
    made = after(with_operator(world(tmp_path, CPU, node), {**ON_HOST, **NFD_ONLY}), 200)
    assert find(made, "Node", "gpu-1")["metadata"]["labels"]["nvidia.com/gpu.present"] == "true"
    assert policy(made)["status"]["state"] == "ready"
    assert gpus(made) is None


def test_discovery_labels_a_node_when_its_images_have_come(tmp_path: Path) -> None:
    made = with_operator(world(tmp_path, GPU_1, operator={"discovery_seconds": 70}))
    with after(made, 60).open() as cluster:
        labels = cluster.list("Node")[0]["metadata"].get("labels", {})
        worker = next(pod for pod in cluster.list("Pod") if "discovery-worker" in pod["metadata"]["name"])
        assert [label for label in labels if label.startswith("feature.node")] == []
        assert worker["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating"
    with after(made, 20).open() as cluster:
        assert cluster.list("Node")[0]["metadata"]["labels"]["feature.node.kubernetes.io/pci-10de.present"] == "true"


def test_without_discovery_no_label_is_there(tmp_path: Path) -> None:
    made = after(with_operator(world(tmp_path), {**ON_HOST, "nfd": {"enabled": False}}), 200)
    assert condition(policy(made), "Ready")["reason"] == "NFDLabelsMissing"


def test_a_namespace_that_is_not_privileged_keeps_the_operands_out(tmp_path: Path) -> None:
    made = world(tmp_path)
    with made.open() as cluster:
        cluster.create(namespace("gpu-operator", {"pod-security.kubernetes.io/enforce": "baseline"}))
        cluster.install_release("gpu-operator", "gpu-operator", "v26.7.0", ON_HOST)
    after(made, 100)
    assert policy(made)["status"]["state"] == "notReady"
    (text, *_more) = events(made, "nvidia-device-plugin", "FailedCreate")
    assert 'violates PodSecurity "baseline:latest"' in text
    assert 'hostPath volumes (volume "run-nvidia-validations")' in text


def test_late_means_ten_minutes_more(tmp_path: Path) -> None:
    made = after(with_operator(world(tmp_path, operator={"fault": "late"})), 500)
    assert policy(made)["status"]["state"] == "notReady"
    assert policy(after(made, 200))["status"]["state"] == "ready"


@pytest.mark.parametrize(("node", "values"), [(BARE, {}), (GPU_1, ON_HOST)])
def test_stuck_means_that_the_runtime_never_learns_its_handler_until_the_switch_is_turned_back(
    tmp_path: Path, node: dict[str, Any], values: dict[str, Any]
) -> None:
    made = after(with_operator(world(tmp_path, CPU, node, operator={"fault": "stuck"}), values), 400)
    assert policy(made)["status"]["state"] == "notReady"
    assert events(made, "nvidia-operator-validator", "FailedCreatePodSandBox")
    made.switch("operator.fault", "none")
    assert policy(after(made, 200))["status"]["state"] == "ready"


def test_a_device_plugin_that_crashes_backs_off_and_is_named_by_the_policy(tmp_path: Path) -> None:
    made = after(with_operator(world(tmp_path, operator={"fault": "crash"})), 200)
    plugin = pod_of(made, "nvidia-device-plugin")
    waiting = state(plugin, "nvidia-device-plugin")["waiting"]
    assert waiting["reason"] == "CrashLoopBackOff"
    assert waiting["message"].startswith("back-off ")
    assert plugin["status"]["containerStatuses"][0]["restartCount"] >= 2
    assert "If this is a GPU node, did you configure the NVIDIA Container Toolkit?" in log(
        made, "nvidia-device-plugin", "nvidia-device-plugin"
    )
    assert "state-device-plugin" in message(made)


def test_a_validator_that_sees_no_cards_gives_up_and_begins_again(tmp_path: Path) -> None:
    made = after(with_operator(world(tmp_path, operator={"fault": "crash"})), 250)
    note = next(
        one
        for one in pod_of(made, "nvidia-operator-validator")["status"]["initContainerStatuses"]
        if one["name"] == "plugin-validation"
    )
    assert note["restartCount"] >= 1
    assert "GPU resources are not discovered by the node" in log(
        made, "nvidia-operator-validator", "plugin-validation"
    ) or "retry: 1" in log(made, "nvidia-operator-validator", "plugin-validation")


@pytest.mark.parametrize(
    ("part", "pod", "touched"),
    [("operator", "gpu-operator-", False), ("driver", "nvidia-driver-daemonset", True), ("gfd", "gpu-feature", True)],
)
def test_an_image_that_is_missing_hits_the_part_that_is_named(
    tmp_path: Path, part: str, pod: str, touched: bool
) -> None:
    made = world(tmp_path, CPU, BARE, operator={"fault": "image", "part": part})
    after(with_operator(made, {}), 300)
    found = [one for one in some(made, "Pod") if one["metadata"]["name"].startswith(pod)]
    found = [one for one in found if "node-feature" not in one["metadata"]["name"]]
    assert found[0]["status"]["containerStatuses"][0]["state"] != {}
    everything = [*found[0]["status"].get("initContainerStatuses", ()), *found[0]["status"]["containerStatuses"]]
    assert any(one["state"].get("waiting", {}).get("reason") == "ImagePullBackOff" for one in everything)
    assert ("status" in policy(made)) is touched


def test_unhealthy_cards_are_in_the_capacity_and_not_allocatable(tmp_path: Path) -> None:
    made = ready_world(tmp_path, CPU, {**GPU_2, "unhealthy": 1})
    status = find(made, "Node", "gpu-2")["status"]
    assert (status["capacity"]["nvidia.com/gpu"], status["allocatable"]["nvidia.com/gpu"]) == ("2", "1")


def test_mig_cards_get_the_mig_manager(tmp_path: Path) -> None:
    made = ready_world(tmp_path, CPU, {**GPU_1, "card": "NVIDIA A100-SXM4-40GB"})
    labels = find(made, "Node", "gpu-1")["metadata"]["labels"]
    assert labels["nvidia.com/mig.capable"] == "true"
    assert labels["nvidia.com/mig.config"] == "all-disabled"
    assert pod_of(made, "nvidia-mig-manager", "gpu-1")


# Releases


def uninstalled(made: World) -> list[str]:
    """Installs, waits, takes all back, and says what differs."""
    before = made.snapshot()
    after(with_operator(made), 200)
    return taken_back(made, before)


def taken_back(made: World, before: dict[str, Any]) -> list[str]:
    with made.open() as cluster:
        cluster.uninstall_release("gpu-operator", "gpu-operator")
        cluster.delete("Namespace", "gpu-operator")
    assert made.unexpected(before, made.snapshot()) == []
    return made.remainder(before, made.snapshot())


OF_DISCOVERY = [
    f"CustomResourceDefinition/{kind}.nfd.k8s-sigs.io is new"
    for kind in ("nodefeaturegroups", "nodefeaturerules", "nodefeatures")
]


def test_uninstalling_leaves_definitions_and_the_operators_node_labels_and_nothing_else(tmp_path: Path) -> None:
    left = uninstalled(world(tmp_path))
    assert [line for line in left if line.startswith("CustomResourceDefinition/")] == [
        "CustomResourceDefinition/clusterpolicies.nvidia.com is new",
        "CustomResourceDefinition/computedomaincliques.resource.nvidia.com is new",
        "CustomResourceDefinition/computedomains.resource.nvidia.com is new",
        "CustomResourceDefinition/gpuclusters.nvidia.com is new",
        *OF_DISCOVERY,
        "CustomResourceDefinition/nvidiadrivers.nvidia.com is new",
    ]
    assert len(left) == 10
    assert all("nvidia.com/gpu.present" in line and "gpu.product" not in line for line in left[8:])


def test_the_chart_can_take_its_own_definitions_along(tmp_path: Path) -> None:
    made = world(tmp_path)
    before = made.snapshot()
    after(with_operator(made, {**ON_HOST, "operator": {"cleanupCRD": True}}), 200)
    left = [line for line in taken_back(made, before) if line.startswith("Custom")]
    assert left == [
        "CustomResourceDefinition/computedomaincliques.resource.nvidia.com is new",
        "CustomResourceDefinition/computedomains.resource.nvidia.com is new",
        *OF_DISCOVERY,
    ]


def test_installing_again_over_the_remainder_works(tmp_path: Path) -> None:
    made = world(tmp_path)
    uninstalled(made)
    after(with_operator(made), 200)
    assert policy(made)["status"]["state"] == "ready"


def test_a_release_name_can_be_used_once(tmp_path: Path) -> None:
    made = with_operator(world(tmp_path))
    with made.open() as cluster, pytest.raises(ApiError, match=r"^cannot re-use a name that is still in use$"):
        cluster.install_release("gpu-operator", "gpu-operator", "v26.7.0", {})


def test_a_second_operator_is_refused_by_the_ownership_marks_of_the_first(tmp_path: Path) -> None:
    made = with_operator(world(tmp_path))
    with made.open() as cluster:
        cluster.create(namespace("other", PRIVILEGED))
        with pytest.raises(ApiError, match="exists and cannot be imported into the current release") as refused:
            cluster.install_release("second", "other", "v26.7.0", {})
    assert 'must equal "second": current value is "gpu-operator"' in str(refused.value)


def test_an_upgrade_brings_new_values_to_the_policy_and_its_daemon_sets(tmp_path: Path) -> None:
    made = after(with_operator(world(tmp_path), version="v26.3.3"), 200)
    with made.open() as cluster:
        cluster.upgrade_release("gpu-operator", "gpu-operator", "v26.7.0", {**ON_HOST, "gfd": {"enabled": False}})
    after(made, 100)
    assert find(made, "Deployment", "gpu-operator", "gpu-operator")["metadata"]["labels"]["helm.sh/chart"].endswith(
        "v26.7.0"
    )
    names = [one["metadata"]["name"] for one in some(made, "DaemonSet")]
    assert "gpu-feature-discovery" not in names
    assert policy(made)["status"]["state"] == "ready"
    secrets = {one["metadata"]["name"]: one["metadata"]["labels"]["status"] for one in some(made, "Secret")}
    assert secrets == {
        "sh.helm.release.v1.gpu-operator.v1": "superseded",
        "sh.helm.release.v1.gpu-operator.v2": "deployed",
    }


def test_new_tolerations_of_the_operands_bring_them_to_a_tainted_node(tmp_path: Path) -> None:
    node = {**GPU_1, "taints": ["dedicated=ml:NoSchedule"]}
    made = after(with_operator(world(tmp_path, CPU, node), {**ON_HOST, **NFD_ONLY}), 200)
    with made.open() as cluster:
        values = {**ON_HOST, **NFD_ONLY, "daemonsets": {"tolerations": [{"operator": "Exists"}]}}
        cluster.upgrade_release("gpu-operator", "gpu-operator", "v26.7.0", values)
    after(made, 200)
    assert (policy(made)["status"]["state"], gpus(made)) == ("ready", "1")


@pytest.mark.parametrize("verb", ["upgrade", "uninstall"])
def test_a_release_that_is_not_there_cannot_be_changed(tmp_path: Path, verb: str) -> None:
    with world(tmp_path).open() as cluster:
        upgrade = partial(cluster.upgrade_release, "x", "default", "v26.7.0", {})
        uninstall = partial(cluster.uninstall_release, "x", "default")
        acts: dict[str, Callable[[], object]] = {"upgrade": upgrade, "uninstall": uninstall}
        with pytest.raises(ApiError, match="release"):
            acts[verb]()


def test_a_release_needs_its_namespace(tmp_path: Path) -> None:
    with world(tmp_path).open() as cluster, pytest.raises(ApiError, match='namespaces "gpu-operator" not found'):
        cluster.install_release("gpu-operator", "gpu-operator", "v26.7.0", {})


def test_an_operator_that_is_there_from_the_start_is_ready_and_older_than_the_rehearsal(tmp_path: Path) -> None:
    made = world(tmp_path, operator={"installed": True})
    assert policy(made)["status"]["state"] == "ready"
    assert policy(made)["metadata"]["creationTimestamp"] == "2026-01-01T09:00:00Z"
    assert find(made, "RuntimeClass", "nvidia")
    assert gpus(made) == "1"


def test_a_release_is_forgotten_with_its_namespace(tmp_path: Path) -> None:
    made = ready_world(tmp_path)
    with made.open() as cluster:
        assert cluster.release("gpu-operator", "gpu-operator") is not None
        cluster.delete("Namespace", "gpu-operator")
        assert cluster.release("gpu-operator", "gpu-operator") is None
