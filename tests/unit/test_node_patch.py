"""NodePatch: labels and annotations on nodes, each patch under a field manager of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest

from lab.cluster.world import World
from lab.engine import Engine
from lab.provider import Context, PartialFailure, ProviderError
from lab.providers.kubernetes import KubernetesProvider
from lab.providers.kubernetes_patch import TYPE
from lab.state import MemoryStore
from lab.values import UNKNOWN
from tests.unit.small_world import CPU, GPU_1, find, world

HOST = "gpu-ready/host"


class Bench:
    def __init__(self, made: World) -> None:
        self.world, self.provider = made, KubernetesProvider(made)

    def ctx(self, preview: bool = False) -> Context:
        return Context("urn", TYPE, "patch", preview=preview, config={})

    def refused(self, **news: Any) -> list[str]:
        return [f"{one.property}: {one.reason}" for one in self.provider.check(self.ctx(), None, news)[1]]

    def make(self, **meta: Any) -> tuple[str, Any, Any]:
        inputs, failures = self.provider.check(self.ctx(), None, {"metadata": {"name": "gpu-1", **meta}})
        assert failures == []
        id, outputs = self.provider.create(self.ctx(), inputs)
        return id, inputs, outputs

    def change(self, made: tuple[str, Any, Any], **meta: Any) -> tuple[str, Any, Any]:
        id, inputs, outputs = made
        news = self.provider.check(self.ctx(), inputs, {"metadata": {"name": "gpu-1", **meta}})[0]
        return id, news, self.provider.update(self.ctx(), id, inputs, outputs, news)

    def take_away(self, made: tuple[str, Any, Any]) -> None:
        self.provider.delete(self.ctx(), *made)

    @property
    def meta(self) -> dict[str, Any]:
        return dict(find(self.world, "Node", "gpu-1")["metadata"])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(world(tmp_path, CPU, {**GPU_1, "labels": {"pool": "gpu"}}))


def test_a_patch_comes_and_goes_and_the_node_is_as_it_was(bench: Bench) -> None:
    before = bench.world.snapshot()
    made = bench.make(labels={HOST: "rtx"}, annotations={"note": "ours"})
    assert made[0] == "gpu-1"
    assert bench.meta["labels"][HOST] == "rtx"
    assert bench.meta["annotations"] == {"note": "ours"}
    bench.take_away(made)
    assert bench.world.snapshot() == before


def test_what_a_patch_no_longer_names_is_let_go(bench: Bench) -> None:
    made = bench.change(bench.make(labels={HOST: "rtx", "more": "x"}), labels={HOST: "other"})
    assert (bench.meta["labels"][HOST], "more" in bench.meta["labels"]) == ("other", False)
    assert made[2]["__fieldManager"].startswith("pulumi-kubernetes-")


def test_two_patches_may_own_the_same_value_and_the_last_one_takes_it_along(bench: Bench) -> None:
    one, two = bench.make(labels={HOST: "rtx"}), bench.make(labels={HOST: "rtx", "b": "2"})
    assert one[2]["__fieldManager"] != two[2]["__fieldManager"]
    bench.take_away(one)
    assert bench.meta["labels"][HOST] == "rtx"
    bench.take_away(two)
    assert HOST not in bench.meta["labels"]


def test_what_was_there_before_stays_there(bench: Bench) -> None:
    made = bench.make(labels={"pool": "gpu"})
    bench.take_away(made)
    assert bench.meta["labels"]["pool"] == "gpu"


def test_a_value_that_somebody_else_owns_is_a_conflict_in_the_real_words(bench: Bench) -> None:
    with pytest.raises(ProviderError) as caught:
        bench.make(labels={"pool": "mine"})
    text = str(caught.value)
    assert 'Apply failed with 1 conflict: conflict with "kubelet" using v1: .metadata.labels.pool' in text
    assert "server-side apply field conflict detected" in text
    assert bench.meta["labels"]["pool"] == "gpu"

    bench.make(labels={"a": "1", "b": "1"})
    with pytest.raises(ProviderError, match=r"2 conflicts: conflicts with \"pulumi-kubernetes-\w+\":\n- \.meta"):
        bench.make(labels={"a": "2", "b": "2"})


def test_force_takes_a_value_over(bench: Bench) -> None:
    made = bench.make(labels={"pool": "mine"}, annotations={"pulumi.com/patchForce": "true"})
    assert bench.meta["labels"]["pool"] == "mine"
    bench.take_away(made)
    assert "pool" not in bench.meta["labels"]


def named(manager: str, **more: str) -> dict[str, str]:
    return {"pulumi.com/patchFieldManager": manager, **more}


def test_a_patch_that_was_forgotten_is_taken_up_again_under_its_name_and_taken_back_whole(bench: Bench) -> None:
    before = bench.world.snapshot()
    bench.make(labels={HOST: "rtx"}, annotations=named("ours"))
    again = bench.make(labels={HOST: "blue"}, annotations=named("ours"))
    assert (bench.meta["labels"][HOST], again[2]["__fieldManager"]) == ("blue", "ours")
    bench.take_away(again)
    assert bench.world.snapshot() == before


def test_a_node_has_one_such_name_and_force_takes_over_what_differs_and_shares_the_rest(bench: Bench) -> None:
    first = bench.make(labels={HOST: "rtx"}, annotations=named("a"))
    with pytest.raises(ProviderError, match=r'conflict with "a": .metadata.annotations.pulumi.com/patchFieldManager'):
        bench.make(labels={HOST: "rtx"}, annotations=named("b"))
    second = bench.make(labels={HOST: "rtx"}, annotations=named("b", **{"pulumi.com/patchForce": "true"}))
    bench.take_away(second)
    assert bench.meta["labels"][HOST] == "rtx"
    bench.take_away(first)
    assert HOST not in bench.meta["labels"]


def test_a_patch_under_another_name_lets_go_of_the_first_one(bench: Bench) -> None:
    before = bench.world.snapshot()
    made = bench.change(bench.make(labels={HOST: "rtx"}), labels={HOST: "rtx"}, annotations=named("ours"))
    assert made[2]["__fieldManager"] == "ours"
    bench.take_away(made)
    assert bench.world.snapshot() == before


def test_a_conflict_of_an_update_leaves_the_new_name_in_the_state_and_the_old_one_on_the_node(bench: Bench) -> None:
    made = bench.make(labels={HOST: "rtx"}, annotations=named("a"))
    with pytest.raises(PartialFailure, match="failed to fully initialize") as caught:
        bench.change(made, labels={HOST: "rtx"}, annotations=named("b"))
    assert caught.value.outputs["__fieldManager"] == "b"
    bench.take_away((made[0], made[1], caught.value.outputs))
    assert bench.meta["labels"][HOST] == "rtx"


def test_a_node_that_is_not_there_is_refused_in_the_servers_words(bench: Bench) -> None:
    with pytest.raises(ProviderError, match='API server: nodes "gpu-9" not found'):
        bench.make(name="gpu-9", labels={HOST: "rtx"})


def test_a_node_that_is_gone_needs_no_taking_back(bench: Bench) -> None:
    made = bench.make(labels={HOST: "rtx"})
    bench.world.switch("nodes.gpu-1.present", False)
    bench.take_away(made)
    assert bench.provider.read(bench.ctx(), *made) is None


def test_a_refresh_sees_what_somebody_changed(bench: Bench) -> None:
    made = bench.make(labels={HOST: "rtx"})
    with bench.world.open() as cluster:
        node = cluster.get("Node", "gpu-1")
        assert node is not None
        node["metadata"]["labels"][HOST] = "other"
        cluster.touch(node)
    found = bench.provider.read(bench.ctx(), *made)
    assert found is not None
    assert found[0]["metadata"]["labels"] == {HOST: "other"}


@pytest.mark.parametrize(
    ("news", "complaint"),
    [
        ({"metadata": {"labels": {HOST: "rtx"}}}, "`.metadata.name` to be set"),
        ({}, "`.metadata.name` to be set"),
        ({"metadata": {"name": "gpu-1", "lables": {}}}, "did you mean 'labels'?"),
        ({"metadata": {"name": "gpu-1", "labels": {HOST: 3}}}, "metadata.labels.gpu-ready/host: 3 is not of type"),
        ({"metadata": {"name": "gpu-1"}, "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}, "spec: the re"),
        ({"metadata": {"name": "gpu-1", "finalizers": ["a/b"]}}, "metadata.finalizers: the rehearsal patches labels"),
        ({"metadata": {"name": "gpu-1"}, "spec": {"taint": []}}, "did you mean 'taints'?"),
    ],
)
def test_what_no_node_takes_is_refused(bench: Bench, news: dict[str, Any], complaint: str) -> None:
    refused = bench.refused(**news)
    assert any(complaint in one for one in refused), refused
    assert len(refused) == 1


def test_a_name_may_be_known_only_later_and_a_preview_touches_nothing(bench: Bench) -> None:
    before = bench.world.snapshot()
    inputs, failures = bench.provider.check(bench.ctx(), None, {"metadata": {"name": UNKNOWN, "labels": {"a": "b"}}})
    assert failures == []
    assert bench.provider.create(bench.ctx(preview=True), inputs)[0] == ""
    assert bench.world.snapshot() == before


def test_through_the_sdk_a_name_from_a_step_makes_one_patch_and_then_nothing_changes(bench: Bench) -> None:
    node, value = "gpu-1", "rtx"

    def program() -> None:
        labels = {HOST: value}
        meta = kubernetes.meta.v1.ObjectMetaPatchArgs(name=pulumi.Output.from_input(node), labels=labels)
        kubernetes.core.v1.NodePatch("rtx-labels", metadata=meta)

    engine = Engine("p", "dev", MemoryStore(), [bench.provider])
    assert engine.run("up", program).changes == {"create": 2}
    assert engine.run("up", program).changes == {"same": 2}
    value = "other"
    assert engine.run("up", program).changes == {"same": 1, "update": 1}
    node = "cpu-1"
    assert engine.run("up", program).changes == {"same": 1, "replace": 1}
    assert HOST not in bench.meta["labels"]
    assert "other" in json.dumps(find(bench.world, "Node", "cpu-1"))
    engine.run("destroy")
    assert "other" not in json.dumps(find(bench.world, "Node", "cpu-1"))
