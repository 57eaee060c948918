"""Target `cluster` in operator mode on a real API server, from nothing to nothing, and what may go wrong on the way."""

import base64
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.real.certificates import Authority
from lab.real.cluster import RealCluster
from lab.real.ports import free_port
from tests.lab.conftest import GPU_1
from tests.lab.engines import built_in_only
from tests.lab.real_cluster import RealHouse, verdicts, without_seconds
from tests.unit.house import CONFIG, House

REAL = ("kube-apiserver, -controller-manager and -scheduler", "etcd", "kubectl", "helm")
STANDINS = ("kubelets (kwok)", "the operator and its chart", "containers and what they print")


def test_up_again_refresh_destroy_take_the_steps_of_the_rehearsal_and_leave_nothing(
    house: RealHouse, tmp_path: Path
) -> None:
    before, rehearsal = house.cluster.snapshot(), House(tmp_path)
    for op in ("up", "up", "refresh", "up", "destroy"):
        result, rehearsed = house.run(op), rehearsal.run(op)
        assert result.exit == 0, "\n".join(result.errors)
        assert result.changes == rehearsed.changes, op
        if op == "up":
            assert without_seconds(result.outputs["report"]) == without_seconds(rehearsed.outputs["report"])
    assert house.cluster.left(before) == []


def test_what_containers_print_comes_through_the_api_server(house: RealHouse) -> None:
    house.up()
    api = house.cluster.api
    pods = api.list("Pod", "gpu-ready")
    logs = {api.text(f"/api/v1/namespaces/gpu-ready/pods/{pod['metadata']['name']}/log?container=vectoradd")
            for pod in pods}  # fmt: skip
    assert len(pods) == 2
    assert all("Test PASSED" in text for text in logs)


@pytest.mark.parametrize("fault", ["nvidia-smi", "vectoradd", "image"])
def test_a_job_that_fails_is_explained_as_in_the_rehearsal_and_mended_by_the_next_up(
    house: RealHouse, tmp_path: Path, fault: str
) -> None:
    rehearsal = House(tmp_path)
    rehearsal.world.switch("jobs.fault", fault)
    house.cluster.gpus.switch("jobs.fault", fault)
    failed, rehearsed = house.run("up", validation={"timeoutSeconds": 20}), rehearsal.run("up", CONFIG)
    assert failed.exit == rehearsed.exit == 1
    assert alike(failed) == alike(rehearsed) != []

    house.cluster.gpus.reset()
    house.up()


def alike(result: Any) -> list[str]:
    """Findings without the names that a server generates, and which of two nodes was the first to have its Job fail."""
    said = [re.sub(r"not ready after \d+ s, still waiting for: ", "", one) for one in verdicts(result)]
    return [re.sub(r"gpu-[12]", "NODE", re.sub(r"(gpu-validation-gpu-\d)-\w+-\w+", r"\1", one)) for one in said]


def test_a_job_that_asks_for_more_cards_than_any_node_has_names_the_scheduler(house: RealHouse) -> None:
    failed = house.run("up", validation={"gpus": 2, "timeoutSeconds": 15})
    assert ids(failed) == ["SCH-1 scheduler"], failed.errors
    pods = {pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"][0]["matchFields"][0]["values"][0]: pod["status"]["phase"]
        for pod in house.cluster.api.list("Pod", "gpu-ready")}  # fmt: skip
    assert pods == {"gpu-1": "Pending", "gpu-2": "Succeeded"}, "the one with two cards runs it"


def taint(house: RealHouse) -> None:
    one = {"key": "maintenance", "value": "today", "effect": "NoSchedule"}
    house.cluster.api.merge("Node", "gpu-1", None, {"spec": {"taints": [one]}}, "somebody")


def unlabel(house: RealHouse) -> None:
    house.cluster.api.merge("Node", "gpu-1", None, {"metadata": {"labels": {"pool": None}}}, "somebody")


def occupy(house: RealHouse) -> None:
    """Somebody else's pod takes the only card."""
    limits = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    pod = {"containers": [{"name": "a", "image": "a", **limits}], "nodeSelector": {"kubernetes.io/hostname": "gpu-1"}}
    meta = {"name": "training", "namespace": "default"}
    house.cluster.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod}, "somebody")

    def placed() -> bool:
        return bool((house.cluster.api.get("Pod", "training", "default") or {})["spec"].get("nodeName"))

    house.cluster.plane.wait("the pod", placed)


@built_in_only
@pytest.mark.parametrize(("change", "id", "said"), [
    (taint, "SCH-2", "maintenance"), (unlabel, "CFG-2", "pool=gpu"), (occupy, "SCH-1", "training"),
])  # fmt: skip
def test_a_job_that_nobody_can_place_names_what_keeps_it_away(
    house: RealHouse, change: Callable[[RealHouse], None], id: str, said: str
) -> None:
    house.cluster.api.merge("Node", "gpu-1", None, {"metadata": {"labels": {"pool": "gpu"}}}, "somebody")
    house.after("gpu-validation-ready", lambda: change(house))
    failed = house.run("up", cluster={"nodes": [], "nodeSelector": {"pool": "gpu"}}, validation={"timeoutSeconds": 15})
    assert failed.exit == 1
    assert len(house.cluster.api.list("Job", "gpu-ready")) == 1
    assert ids(failed)[-1].startswith(id), failed.errors
    assert said in failed.errors[0]


@pytest.mark.parametrize(
    ("where", "id"),
    [
        ({"context": "lba"}, "PLM-12"),
        ({"kubeconfig": "/nowhere/config"}, "PLM-12"),
        ({"context": "stranger"}, "PLM-13"),
    ],
)
def test_a_wrong_kubeconfig_is_named_and_nothing_is_made(house: RealHouse, where: dict[str, str], id: str) -> None:
    before = house.cluster.snapshot()
    failed = house.run("up", cluster=where)
    assert verdicts(failed)[-1].startswith(id), failed.errors
    assert house.cluster.left(before, 0) == []


def another_authority(cluster: Any, user: Any, folder: Path) -> None:
    """As in a kubeconfig of before the cluster was made anew."""
    cluster["certificate-authority-data"] = base64.b64encode(Authority(folder).certificate.read_bytes()).decode()


def another_server(cluster: Any, user: Any, folder: Path) -> None:
    """Nobody listens there."""
    cluster["server"] = f"https://127.0.0.1:{free_port()}"


def another_token(cluster: Any, user: Any, folder: Path) -> None:
    """As one that has run out."""
    user["token"] = "gone"


@pytest.mark.parametrize(("change", "found"), [
    (another_authority, "PLM-14 API server: the API server's certificate is not the one that the kubeconfig expects"),
    (another_server, "PLM-3 API server: "), (another_token, "PLM-14 API server: the credentials of this context"),
])  # fmt: skip
def test_a_kubeconfig_of_another_cluster_is_named_and_nothing_is_made(
    house: RealHouse, tmp_path: Path, change: Callable[..., None], found: str
) -> None:
    before, known = house.cluster.snapshot(), yaml.safe_load(house.cluster.kubeconfig.read_text())
    users = {one["name"]: one["user"] for one in known["users"]}
    change(known["clusters"][0]["cluster"], users["lab"], tmp_path / "other")
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(known))
    failed = house.run("up", cluster={"kubeconfig": str(file)}, validation={"timeoutSeconds": 15})
    assert failed.exit == 1
    assert verdicts(failed)[-1].startswith(found), failed.errors
    assert house.cluster.left(before, 0) == []


def test_a_node_that_is_replaced_is_made_ready_by_the_operator_and_proven_by_the_next_proof(house: RealHouse) -> None:
    house.up()
    house.cluster.remove_node("gpu-1")
    house.cluster.add_node(**GPU_1, machine_id="f" * 32)
    assert set(house.up().changes) == {"same"}
    proven = house.up(validation={"smiImage": "nvcr.io/nvidia/cuda:12.5.1-base-ubuntu22.04"})
    assert proven.changes["replace"] == 2, proven.changes
    assert proven.outputs["report"]["ready"] is True


def test_a_runtime_class_of_somebody_else_is_refused_before_anything_is_made(house: RealHouse) -> None:
    theirs = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "x"}
    house.cluster.api.create(theirs, "somebody")
    before = house.cluster.snapshot()
    failed = house.run("up")
    assert verdicts(failed) == ["CFG-6 ownership: RuntimeClass nvidia is here already and is not ours"]
    assert house.cluster.left(before, 0) == []


def test_what_is_made_on_request_is_taken_by_the_server_too(house: RealHouse) -> None:
    """Each request goes there with strict validation of its fields."""
    before = house.cluster.snapshot()
    house.config["monitoring"] = {"enabled": True, "prometheus": "plain"}
    house.config["gpu"] |= {"sharing": {"timeSlicing": {"replicas": 2}}}
    assert house.up(validation={"framework": "pytorch"}).outputs["report"]["ready"] is True
    assert house.run("destroy").exit == 0
    assert house.cluster.left(before) == []


def test_an_operator_that_is_late_is_waited_for(house: RealHouse) -> None:
    house.cluster.gpus.switch("operator.ready_seconds", 150)
    began = time.monotonic()
    house.up()
    assert time.monotonic() - began > 15


@pytest.mark.parametrize("fault", ["stuck", "crash", "image"])
def test_an_operator_that_fails_is_explained_as_in_the_rehearsal(house: RealHouse, tmp_path: Path, fault: str) -> None:
    rehearsal = House(tmp_path)
    rehearsal.world.switch("operator.fault", fault)
    house.cluster.gpus.switch("operator.fault", fault)
    settings = {"timeoutSeconds": 25}
    failed = house.run("up", validation=settings)
    rehearsed = rehearsal.run("up", CONFIG)
    assert failed.exit == rehearsed.exit == 1
    assert ids(failed) == ids(rehearsed) != []


def ids(result: Any) -> list[str]:
    """Which failures were named."""
    return [one.partition(":")[0] for one in verdicts(result)]


def test_another_chart_takes_the_place_of_the_stand_in(
    tmp_path: Path, built: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with RealCluster(tmp_path / "one", built) as one:
        own = one.charts.files("gpu-operator")["gpu-operator-v26.7.0.tgz"]
    other = tmp_path / "other.tgz"
    other.write_bytes(own.read_bytes())
    monkeypatch.setenv("LAB_CHART", str(other))
    with RealCluster(tmp_path / "two", built) as two:
        assert list(two.charts.files("gpu-operator")) == ["other.tgz"]
        assert list(two.charts.files("nvidia-device-plugin")) == list(one.charts.files("nvidia-device-plugin"))
        two.add_node(**GPU_1)
        house = RealHouse(two, tmp_path)
        house.up(cluster={"nodes": ["gpu-1"]})
