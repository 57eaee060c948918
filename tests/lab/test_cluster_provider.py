"""The providers on a real API server, held against those on the simulated one: same refusals, same words."""

import re
from pathlib import Path
from typing import Any

import pulumi_kubernetes as kubernetes
import pytest
from pulumi import ResourceOptions

from lab.cluster.store import ApiError
from lab.provider import Context, ProviderError
from lab.providers.kubernetes import KubernetesProvider
from lab.providers.kubernetes_patch import TYPE
from lab.world import WholeWorld
from tests.lab.engines import built_in_only
from tests.lab.real_cluster import RealHouse
from tests.unit.house import WORLD, House

pytestmark = built_in_only
REAL = ("kube-apiserver", "etcd")
STANDINS = ("the Kubernetes provider (ours)",)


def patch(**labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "gpu-1", "labels": labels}}


def conflict(provider: Any, context: Context, *before: dict[str, str], **wanted: str) -> str:
    """The refusal of a patch after these others, with field managers by number."""
    about = Context(context.urn, TYPE, "one", config=context.config)
    managers = []
    for labels in before:
        _, outputs = provider.create(about, patch(**labels))
        managers.append(outputs["__fieldManager"])
    with pytest.raises(ProviderError) as refused:
        provider.create(about, patch(**wanted))
    text = str(refused.value).replace(": conflicts with", ":\nconflicts with")
    named = re.findall(r'conflicts with "([^"]+)"', text)
    assert named == sorted(named), "whoever they are, in the order of their names"
    for number, manager in enumerate(managers):
        text = text.replace(manager, f"manager-{number}")
    own = text.partition('field manager "')[2].partition('"')[0]
    return text.replace(own, "own")


@pytest.mark.parametrize("before", [({"a": "1"},), ({"a": "1", "b": "1"},), ({"a": "1"}, {"b": "1"})])
def test_conflicts_of_server_side_apply_have_the_same_words(
    house: RealHouse, tmp_path: Path, before: tuple[dict[str, str], ...]
) -> None:
    simulated = KubernetesProvider(WholeWorld.create(tmp_path / "world.json", dict(WORLD)))
    real = conflict(house.ours.kubernetes, house.context(), *before, a="2", b="2")
    told = conflict(simulated, Context(house.context().urn, TYPE, "one"), *before, a="2", b="2")
    assert sorted(real.splitlines()) == sorted(told.splitlines())


def test_a_label_that_the_kubelet_wrote_is_named_as_such(house: RealHouse, tmp_path: Path) -> None:
    """Who wrote it with an update is told with the version; who applied it, without."""
    world = WholeWorld.create(tmp_path / "world.json", dict(WORLD))
    world.switch("nodes.gpu-1.labels", {"a": "1"})
    house.cluster.api.merge("Node", "gpu-1", None, {"metadata": {"labels": {"a": "1"}}}, "kubelet")
    real = conflict(house.ours.kubernetes, house.context(), {"b": "1"}, a="2", b="2")
    told = conflict(KubernetesProvider(world), Context(house.context().urn, TYPE, "one"), {"b": "1"}, a="2", b="2")
    assert sorted(real.splitlines()) == sorted(told.splitlines())


def test_a_patch_of_a_node_is_taken_back_and_leaves_it_as_it_was(house: RealHouse) -> None:
    before = house.cluster.snapshot()
    made = house.make("up", lambda: node_patch(house, {"gpu-ready/host": "rtx"}))
    assert made.exit == 0, made.errors
    assert house.cluster.snapshot()["Node/gpu-1"]["metadata"]["labels"]["gpu-ready/host"] == "rtx"
    assert house.make("up", lambda: node_patch(house, {"gpu-ready/host": "rtx"})).changes.get("update") is None
    assert house.make("destroy", lambda: None).exit == 0
    assert house.cluster.left(before) == []


def test_the_empty_patch_and_the_sleeping_job_of_a_host_that_is_away_are_taken(house: RealHouse) -> None:
    before = house.cluster.snapshot()

    def program() -> None:
        cluster = node_patch(house, {})
        sleeping_job(cluster)

    made = house.make("up", program)
    assert made.exit == 0, made.errors
    assert [job["status"]["conditions"][0]["type"] for job in house.cluster.api.list("Job")] == ["Suspended"]
    assert house.make("up", program).changes.get("update") is None
    assert house.make("destroy", lambda: None).exit == 0
    assert house.cluster.left(before) == []


def node_patch(house: RealHouse, labels: dict[str, str]) -> kubernetes.Provider:
    cluster = kubernetes.Provider(
        "cluster", kubeconfig=str(house.cluster.kubeconfig), context="lab", cluster_identifier="lab"
    )
    kubernetes.core.v1.NodePatch(
        "label",
        metadata=kubernetes.meta.v1.ObjectMetaPatchArgs(name="gpu-1", labels=labels),
        opts=ResourceOptions(provider=cluster),
    )
    return cluster


def sleeping_job(cluster: kubernetes.Provider) -> None:
    core = kubernetes.core.v1
    pod = core.PodSpecArgs(restart_policy="Never", containers=[core.ContainerArgs(name="a", image="a")])
    kubernetes.batch.v1.Job(
        "sleeps",
        metadata=kubernetes.meta.v1.ObjectMetaArgs(
            namespace="default",
            annotations={"pulumi.com/skipAwait": "true"},
        ),
        spec=kubernetes.batch.v1.JobSpecArgs(suspend=True, template=core.PodTemplateSpecArgs(spec=pod)),
        opts=ResourceOptions(provider=cluster),
    )


def test_a_runtime_class_that_came_meanwhile_is_refused_in_the_same_words(house: RealHouse, tmp_path: Path) -> None:
    rehearsal = House(tmp_path, {**WORLD, "runtime_classes": ["nvidia"]})
    theirs = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}}
    house.cluster.api.create({**theirs, "handler": "nvidia"}, "somebody")

    def with_provider(**where: Any) -> None:
        cluster = kubernetes.Provider("cluster", **{"cluster_identifier": "lab", **where})
        kubernetes.node.v1.RuntimeClass(
            "ours",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name="nvidia"),
            handler="nvidia",
            opts=ResourceOptions(provider=cluster),
        )

    real = house.make("up", lambda: with_provider(kubeconfig=str(house.cluster.kubeconfig), context="lab"))
    told = rehearsal.make("up", lambda: with_provider(context="demo"))
    assert real.errors == told.errors != []


def test_a_field_that_the_server_does_not_know_is_refused(house: RealHouse) -> None:
    """So every manifest of the program was held against the server, strictly."""
    pod = {"containers": [{"name": "a", "image": "a"}], "runtime_classname": "nvidia"}
    wanted = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "default"}, "spec": pod}
    with pytest.raises(ApiError, match="runtime_classname"):
        house.ours.kubernetes.make(house.context(), wanted)
