"""The world's file, its clock, its switches, and descriptions that make no sense."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from lab.cluster import derive
from lab.cluster.clock import Clock, stamp
from lab.cluster.spec import WorldError, normal
from lab.cluster.store import ApiError
from lab.cluster.world import REMAINDER, World
from tests.unit.small_world import (
    CPU,
    GPU_1,
    after,
    condition,
    find,
    job,
    namespace,
    policy,
    ready_world,
    run_job,
    some,
    with_operator,
    world,
)

WORLDS = Path(__file__).resolve().parents[2] / "lab" / "worlds"


# time


def test_the_clock_begins_at_zero_and_sleeping_moves_it(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    assert clock.now() == 0
    clock.sleep(90)
    clock.sleep(-5)
    assert Clock(tmp_path / "clock").now() == 90


def test_the_clock_never_goes_back(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    clock.reach(50)
    clock.reach(20)
    assert clock.now() == 50


def test_sleeps_that_overlap_do_not_add_up(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock", speed=2000)
    sleepers = [threading.Thread(target=clock.sleep, args=(100,)) for _ in range(3)]
    for one in sleepers:
        one.start()
    for one in sleepers:
        one.join()
    assert 100 <= clock.now() < 200


def test_moments_are_written_as_kubernetes_does() -> None:
    assert stamp(0) == "2026-01-01T10:00:00Z"
    assert stamp(3661) == "2026-01-01T11:01:01Z"


def test_a_program_in_the_rehearsal_sleeps_in_simulated_time(tmp_path: Path) -> None:
    made = world(tmp_path)
    code = "import time; began = time.monotonic(); time.sleep(1000); print(time.monotonic() - began)"
    env = {**os.environ, **made.env()}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=20)
    assert float(done.stdout) == 1000
    assert made.clock.now() == 1000


def test_a_program_outside_of_a_rehearsal_keeps_its_time(tmp_path: Path) -> None:
    env = {**os.environ, **world(tmp_path).env()}
    del env["GPU_READY_CLOCK"]
    code = "import time; began = time.monotonic(); time.sleep(0.001); print(time.monotonic() - began)"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=20)
    assert float(done.stdout) < 1


# the file


def test_two_worlds_from_one_description_are_alike(tmp_path: Path) -> None:
    one, two = ready_world(tmp_path / "one"), ready_world(tmp_path / "two")
    assert one.snapshot() == two.snapshot()


def test_what_happens_does_not_depend_on_how_often_one_looks(tmp_path: Path) -> None:
    seldom, often = with_operator(world(tmp_path / "one")), with_operator(world(tmp_path / "two"))
    after(seldom, 120)
    for _ in range(40):
        after(often, 3).snapshot()
    assert seldom.snapshot() == often.snapshot()


def test_an_error_while_it_is_open_leaves_the_world_as_it_was(tmp_path: Path) -> None:
    made = world(tmp_path)
    before = made.snapshot()

    def fail() -> None:
        with made.open() as cluster:
            cluster.create(namespace("x"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert made.snapshot() == before


def test_several_threads_share_a_world(tmp_path: Path) -> None:
    made = world(tmp_path)

    def add(name: str) -> None:
        with made.open() as cluster:
            cluster.create(namespace(name))

    names = [f"n{number}" for number in range(8)]
    threads = [threading.Thread(target=add, args=(name,)) for name in names]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert set(names) <= {one["metadata"]["name"] for one in some(made, "Namespace")}


def test_a_snapshot_survives_json(tmp_path: Path) -> None:
    found = ready_world(tmp_path).snapshot()
    assert json.loads(json.dumps(found)) == found


def test_looking_at_a_world_where_nothing_happens_does_not_write(tmp_path: Path) -> None:
    made = ready_world(tmp_path)
    made.snapshot()
    before = made.path.stat().st_mtime_ns
    after(made, 1000).snapshot()
    assert made.path.stat().st_mtime_ns == before


# the API server


def test_objects_get_what_a_server_gives_them(tmp_path: Path) -> None:
    with world(tmp_path).open() as cluster:
        made = cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}})
    meta = made["metadata"]
    assert meta["namespace"] == "default"
    assert meta["name"].startswith("a-")
    assert meta["creationTimestamp"] == "2026-01-01T10:00:00Z"
    assert len(meta["uid"]) == 36
    assert int(meta["resourceVersion"]) > 1000


def test_a_new_spec_is_a_new_generation_and_identity_stays(tmp_path: Path) -> None:
    with world(tmp_path).open() as cluster:
        made = cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}})
        uid, version = made["metadata"]["uid"], made["metadata"]["resourceVersion"]
        cluster.replace({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "2"}})
        now = cluster.get("ConfigMap", "a", "default")
    assert now
    assert (now["metadata"]["uid"], now["data"], now["metadata"]["generation"]) == (uid, {"k": "2"}, 2)
    assert now["metadata"]["resourceVersion"] > version


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        ({"kind": "ConfigMap", "metadata": {"name": "a", "namespace": "no"}}, 'namespaces "no" not found'),
        ({"kind": "Namespace", "metadata": {"name": "default"}}, 'namespaces "default" already exists'),
        (
            {"kind": "RuntimeClass", "metadata": {"name": "nvidia"}},
            'runtimeclasses.node.k8s.io "nvidia" already exists',
        ),
        ({"kind": "Jobb", "metadata": {"name": "a"}}, 'no matches for kind "Jobb"'),
        ({"kind": "GPUCluster", "metadata": {"name": "a"}}, 'no matches for kind "GPUCluster" in version "v1"'),
        ({"kind": "Pod", "metadata": {}}, "name or generateName is required"),
    ],
)
def test_the_server_refuses_in_its_own_words(tmp_path: Path, obj: dict[str, Any], text: str) -> None:
    made = world(tmp_path, runtime_classes=[{"name": "nvidia"}])
    with made.open() as cluster, pytest.raises(ApiError) as refused:
        cluster.create({"apiVersion": "v1", **obj})
    assert text in str(refused.value)


def test_what_is_not_there_can_be_neither_changed_nor_deleted(tmp_path: Path) -> None:
    with world(tmp_path).open() as cluster:
        for act in (lambda: cluster.replace(namespace("x")), lambda: cluster.delete("Namespace", "x")):
            with pytest.raises(ApiError, match='namespaces "x" not found'):
                act()


def test_a_namespace_takes_everything_in_it_along(tmp_path: Path) -> None:
    made = ready_world(tmp_path)
    before = made.snapshot()
    with made.open() as cluster:
        cluster.create(namespace("gpu-ready"))
    wanted = job("check")
    wanted["metadata"]["namespace"] = "gpu-ready"
    run_job(made, wanted)
    with made.open() as cluster:
        cluster.delete("Namespace", "gpu-ready")
    assert made.remainder(before, made.snapshot()) == []


# switches


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("nodes.gpu-1.taints", ["a=b:NoSchedule"]),
        ("operator.fault", "stuck"),
        ("jobs.nodes", ["gpu-1"]),
        ("api", "down"),
        ("kubernetes", "1.36"),
    ],
)
def test_a_switch_stays_turned(tmp_path: Path, path: str, value: Any) -> None:
    made = world(tmp_path)
    made.switch(path, value)
    with World(made.path).open() as cluster:
        spec = cluster.spec
    assert value in (spec.get(path), spec["operator"]["fault"], spec["jobs"]["nodes"], *TAINTS_AS_GIVEN(spec))


def TAINTS_AS_GIVEN(spec: dict[str, Any]) -> list[Any]:
    return [[f"{one['key']}={one['value']}:{one['effect']}" for one in node["taints"]] for node in spec["nodes"]]


@pytest.mark.parametrize(
    ("path", "close"),
    [
        ("nodes.gpu-1.taint", "nodes.gpu-1.taints"),
        ("nodes.gpu-9.taints", "nodes.gpu-2.taints"),
        ("operator.falt", "operator.fault"),
        ("ap", "api"),
        ("nodes", None),
    ],
)
def test_an_unknown_switch_is_a_fault_with_the_one_that_was_meant(tmp_path: Path, path: str, close: str | None) -> None:
    with pytest.raises(WorldError, match="there is no such switch") as refused:
        world(tmp_path).switch(path, "x")
    assert close is None or f"did you mean '{close}'?" in str(refused.value)


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("operator.fault", "late!", "'none', 'late', 'stuck', 'crash', 'image'; did you mean 'late'?"),
        ("nodes.gpu-1.ready", "no", "'no' should look like True"),
        ("nodes.gpu-1.gpus", -1, "-1: a whole number from 0 on belongs here"),
        ("nodes.gpu-1.gpus", 1.5, "1.5: a whole number from 0 on belongs here"),
        ("operator.ready_seconds", -0.5, "-0.5: a number from 0 on belongs here"),
        ("kubernetes", "new", "'new': a version belongs here, as a text such as '1.35'"),
        ("kubernetes", 1.35, "1.35: a version belongs here, as a text such as '1.35'"),
        ("namespaces", [7], "7 is no name"),
        ("runtime_classes", [{"handler": "x"}], "is no name nor a map such as {name: nvidia"),
        ("nodes.gpu-1.taints", ["oops"], "'oops' is no taint, for example nvidia.com/gpu=present:NoSchedule"),
        ("nodes.gpu-1.card", "Tesla T5", "'Tesla T5' is not in the catalog; did you mean 'Tesla T4'?"),
        ("nodes.gpu-1.taints", [1], "1 is no taint, for example nvidia.com/gpu=present:NoSchedule"),
        ("nodes.gpu-1.driver", "none", "'none': a version belongs here, for example 580.126.20, or null for no driver"),
        ("nodes.gpu-1.driver", "abc", "'abc': a version belongs here, for example 580.126.20"),
        ("nodes.gpu-1.driver", True, "True: a version belongs here, for example 580.126.20"),
        ("nodes.gpu-1.memory", "lots", "'lots': an amount of memory belongs here, for example 64Gi"),
        ("api", True, "True is not one of 'up', 'down', 'slow'"),
        ("operator.fault", None, "None should look like 'none'"),
    ],
)
def test_a_switch_takes_no_nonsense_and_stays_as_it_was(tmp_path: Path, path: str, value: Any, text: str) -> None:
    made = world(tmp_path)
    before = made.path.read_bytes()
    with pytest.raises(WorldError) as refused:
        made.switch(path, value)
    assert text in str(refused.value)
    assert not str(refused.value).startswith((path, "nodes[1]")), "whoever turned the switch has its path already"
    assert len(str(refused.value).splitlines()) == 1, "one fault is told once"
    assert made.path.read_bytes() == before


def test_what_is_switched_is_known_until_it_is_as_at_the_beginning(tmp_path: Path) -> None:
    made = world(tmp_path)
    assert made.switched() == []
    made.switch("operator.fault", "stuck")
    made.switch("operator.fault", "late")
    made.switch("nodes.gpu-1.taints", ["a=b:NoSchedule"])
    with pytest.raises(WorldError):
        made.switch("api", "of")
    operator, taints = World(made.path).switched()
    assert operator == ("operator.fault", "late", "none")
    assert (taints.path, taints.value) == ("nodes.gpu-1.taints", [{"key": "a", "value": "b", "effect": "NoSchedule"}])
    made.switch("operator.fault", "none")
    made.switch("nodes.gpu-1.taints", taints.beginning)
    made.switch("kubernetes", "1.35")
    assert made.switched() == []


@pytest.mark.parametrize("value", [None, "580", "580.126", "580.126.20"])
def test_a_driver_is_a_version_or_none(tmp_path: Path, value: str | None) -> None:
    made = world(tmp_path)
    made.switch("nodes.gpu-1.driver", value)
    with made.open() as cluster:
        assert cluster.spec["nodes"][1]["driver"] == value


def test_node_names_with_dots_have_switches_too(tmp_path: Path) -> None:
    made = world(tmp_path, {**GPU_1, "name": "ip-10-0-0-1.ec2.internal"})
    made.switch("nodes.ip-10-0-0-1.ec2.internal.ready", False)
    assert condition(find(made, "Node", "ip-10-0-0-1.ec2.internal"), "Ready")["status"] == "Unknown"


def test_labels_and_taints_of_a_node_follow_their_switches(tmp_path: Path) -> None:
    made = world(tmp_path, {**GPU_1, "labels": {"pool": "a", "old": "yes"}})
    made.switch("nodes.gpu-1.labels", {"pool": "b"})
    made.switch("nodes.gpu-1.taints", ["x:NoExecute"])
    node = find(made, "Node", "gpu-1")
    assert node["metadata"]["labels"]["pool"] == "b"
    assert "old" not in node["metadata"]["labels"]
    assert node["spec"]["taints"] == [{"key": "x", "effect": "NoExecute"}]
    made.switch("nodes.gpu-1.taints", [])
    assert "taints" not in find(made, "Node", "gpu-1")["spec"]


def test_a_node_can_leave_and_come_back(tmp_path: Path) -> None:
    made = ready_world(tmp_path)
    made.switch("nodes.gpu-1.present", False)
    assert [one["metadata"]["name"] for one in some(made, "Node")] == ["cpu-1", "gpu-2"]
    assert policy(after(made, 60))["status"]["state"] == "ready"
    made.switch("nodes.gpu-1.present", True)
    assert find(after(made, 100), "Node", "gpu-1")["status"]["allocatable"]["nvidia.com/gpu"] == "1"


def test_a_node_that_is_not_ready_says_why(tmp_path: Path) -> None:
    made = world(tmp_path, {**GPU_1, "ready": False})
    found = condition(find(made, "Node", "gpu-1"), "Ready")
    assert (found["status"], found["message"]) == ("Unknown", "Kubelet stopped posting node status.")


def test_a_node_gets_other_hardware(tmp_path: Path) -> None:
    made = world(tmp_path)
    made.switch("nodes.gpu-1.memory", "8Gi")
    made.switch("nodes.gpu-1.kernel", "6.9.0")
    status = find(made, "Node", "gpu-1")["status"]
    assert (status["allocatable"]["memory"], status["nodeInfo"]["kernelVersion"]) == ("8Gi", "6.9.0")


def test_somebody_makes_namespaces_and_takes_them_away_again(tmp_path: Path) -> None:
    made = world(tmp_path)
    made.switch("namespaces", ["gpu-operator", "default"])
    assert find(made, "Namespace", "gpu-operator")["status"] == {"phase": "Active"}
    made.switch("namespaces", ["default"])
    assert [one["metadata"]["name"] for one in some(made, "Namespace")].count("default") == 1
    assert not any(one["metadata"]["name"] == "gpu-operator" for one in some(made, "Namespace"))


def test_somebody_makes_runtime_classes_and_takes_them_away_again(tmp_path: Path) -> None:
    made = world(tmp_path)
    made.switch("runtime_classes", ["nvidia", {"name": "other", "handler": "runc"}])
    assert {one["metadata"]["name"]: one["handler"] for one in some(made, "RuntimeClass")} == {
        "nvidia": "nvidia", "other": "runc",
    }  # fmt: skip
    made.switch("runtime_classes", [{"name": "nvidia", "handler": "nvidia-cdi"}])
    assert [(one["metadata"]["name"], one["handler"]) for one in some(made, "RuntimeClass")] == [
        ("nvidia", "nvidia-cdi")
    ]
    made.switch("runtime_classes", [])
    assert some(made, "RuntimeClass") == []


def test_somebody_installs_the_operator_changes_it_and_takes_it_away(tmp_path: Path) -> None:
    made = world(tmp_path)
    made.switch("operator.installed", True)
    assert policy(after(made, 200))["status"]["state"] == "ready"
    made.switch("operator.version", "v25.3.4")
    with made.open() as cluster:
        found = cluster.release("gpu-operator", "gpu-operator")
        assert found is not None
        assert (found["version"], found["revision"]) == ("v25.3.4", 2)
    made.switch("operator.installed", False)
    assert some(made, "ClusterPolicy") == []
    assert not any(one["metadata"]["name"] == "gpu-operator" for one in some(made, "Namespace"))


def test_before_anybody_installs_the_operator_it_is_said_which_one(tmp_path: Path) -> None:
    made = world(tmp_path)
    for path, value in (("version", "v25.3.4"), ("namespace", "theirs"), ("installed", True)):
        made.switch(f"operator.{path}", value)
    with made.open() as cluster:
        found = cluster.release("gpu-operator", "theirs")
        assert found is not None
        assert found["version"] == "v25.3.4"


def test_nobody_installs_a_second_operator_or_moves_one(tmp_path: Path) -> None:
    made = ready_world(tmp_path)
    with pytest.raises(WorldError, match=r"nobody can install the operator now: .*name that is still in use"):
        made.switch("operator.installed", True)
    other = world(tmp_path / "other")
    other.switch("operator.installed", True)
    with pytest.raises(WorldError, match="the operator is in gpu-operator; turn operator"):
        other.switch("operator.namespace", "elsewhere")
    other.switch("namespaces", ["gpu-operator"])
    with pytest.raises(WorldError, match="the operator is in gpu-operator; turn operator"):
        other.switch("namespaces", [])


# descriptions


def test_every_fault_of_a_description_is_told_at_once() -> None:
    with pytest.raises(WorldError) as refused:
        normal({"node": [], "api": "sideways", "operator": {"ready": 1}, "nodes": [{"card": "x"}, "y"]})
    lines = str(refused.value).splitlines()
    assert lines == [
        "node: there is no such key; did you mean 'nodes'?",
        "operator.ready: there is no such key; did you mean 'ready_seconds'?",
        "api: 'sideways' is not one of 'up', 'down', 'slow'",
        "nodes[0].name: is missing, for example gpu-1",
        "nodes[0].card: 'x' is not in the catalog",
        "nodes[1]: must be a map such as {name: gpu-1, card: Tesla T4}",
    ]


@pytest.mark.parametrize("wanted", [{"operator": []}, {"nodes": "gpu-1"}, {"nodes": {"gpu-1": {}}}])
def test_a_wrong_shape_is_told(wanted: dict[str, Any]) -> None:
    with pytest.raises(WorldError, match="should look like"):
        normal(wanted)


def test_a_card_has_one_piece_unless_said_otherwise_and_brings_its_data() -> None:
    (node,) = normal({"nodes": [{"name": "a", "card": "Tesla-T4"}]})["nodes"]
    assert (node["gpus"], node["card"], node["memory_mib"], node["mig"]) == (1, "Tesla T4", 15360, False)


@pytest.mark.parametrize("path", sorted(WORLDS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_worlds_that_come_along_can_be_made_and_belong_to_a_stack(tmp_path: Path, path: Path) -> None:
    said = yaml.safe_load(path.read_text())
    made = World.create(tmp_path / "world.json", said)
    bare = [one for one in said["hosts"] if one.get("runtime") == "none"]  # nodes once somebody makes them some
    assert len(some(made, "Node")) + len(bare) >= len(said["hosts"]) >= 1
    assert (WORLDS.parents[1] / "stacks" / f"Pulumi.{path.name}").is_file()


def test_an_operator_and_classes_that_are_there_from_the_start(tmp_path: Path) -> None:
    made = World.create(tmp_path / "world.json", {"nodes": [CPU], "operator": {"installed": True}})
    assert "nvidia" in [one["metadata"]["name"] for one in some(made, "RuntimeClass")]


def wish(**gpu: Any) -> Any:
    operator = SimpleNamespace(mode=gpu.pop("mode", "install"), namespace="gpu-operator")
    return SimpleNamespace(
        cluster=SimpleNamespace(
            context="home",
            nodes=gpu.pop("nodes", ("a", "b")),
            node_selector={"pool": "gpu"},
            tolerations=gpu.pop("tolerations", ()),
        ),
        gpu=SimpleNamespace(**{"operator": operator, "driver": None, "toolkit": None, "runtime_class": None, **gpu}),
        validation=SimpleNamespace(gpus=2),
    )


def test_a_world_is_derived_from_the_declared_nodes(tmp_path: Path) -> None:
    wanted = wish(
        driver="preinstalled", tolerations=[SimpleNamespace(key="dedicated", value="ml", effect="NoSchedule")]
    )
    made = World.create(tmp_path / "world.json", derive.world(wanted))
    with made.open() as cluster:
        cpu, one, two = cluster.spec["nodes"]
    assert (one["name"], two["name"], cpu["card"]) == ("a", "b", None)
    assert (one["driver"], one["toolkit"], one["gpus"]) == ("580.126.20", False, 2)
    assert one["taints"] == [{"key": "dedicated", "value": "ml", "effect": "NoSchedule"}]
    assert find(made, "Node", "a")["metadata"]["labels"]["pool"] == "gpu"


@pytest.mark.parametrize(
    ("choices", "operator", "runtime_class"),
    [
        ({}, False, False),
        ({"runtime_class": "external"}, False, True),
        ({"mode": "external"}, True, True),
        ({"mode": "external", "runtime_class": "ours"}, True, False),
    ],
)
def test_what_a_stack_calls_external_is_there_in_its_world(
    tmp_path: Path, choices: dict[str, Any], operator: bool, runtime_class: bool
) -> None:
    made = World.create(tmp_path / "world.json", derive.world(wish(**choices)))
    assert bool(some(made, "ClusterPolicy")) is operator
    assert any(one["metadata"]["name"] == "nvidia" for one in some(made, "RuntimeClass")) is runtime_class


def test_without_declared_nodes_the_selectors_nodes_are_made_up(tmp_path: Path) -> None:
    names = [one["name"] for one in derive.world(wish(nodes=()))["nodes"]]
    assert names == ["cpu-1", "gpu-1", "gpu-2"]


# the remainder


def test_only_the_named_remainder_is_expected(tmp_path: Path) -> None:
    made = world(tmp_path, CPU)
    before = made.snapshot()
    with made.open() as cluster:
        cluster.create(namespace("left-over"))
    made.switch("nodes.cpu-1.labels", {"nvidia.com/gpu.present": "true", "other": "x"})
    after_it = made.snapshot()
    assert made.remainder(before, after_it) == [
        "Namespace/left-over is new",
        "Node/cpu-1 has labels nvidia.com/gpu.present",
        "Node/cpu-1 has labels other",
    ]
    assert made.unexpected(before, after_it) == ["Namespace/left-over is new", "Node/cpu-1 has labels other"]
    assert made.unexpected(after_it, before)[0] == "Namespace/left-over is gone"


def test_the_remainder_names_definitions_and_labels() -> None:
    assert "clusterpolicies.nvidia.com" in REMAINDER.definitions
    assert "nvidia.com/gpu.present" in REMAINDER.node_labels


def test_a_family_of_labels_is_told_in_one_word(tmp_path: Path) -> None:
    made = world(tmp_path, CPU)
    before = made.snapshot()
    made.switch("nodes.cpu-1.labels", {f"nvidia.com/gpu.deploy.{one}": "true" for one in ("a", "b")})
    assert made.remainder(before, made.snapshot()) == ["Node/cpu-1 has labels nvidia.com/gpu.deploy.*"]
