"""The whole program on the built-in engine: what is made, in which order, and the story from failure to green."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.effort import long
from tests.unit.house import CONFIG, WORLD, House, with_gpu

LOOK, READY, GATE = "nodes-look", "gpu-validation-ready", "gpu-validation-gate"
EXPORTS = {"report", "node_selector", "runtime_class", "resource_name", "ownership", "destroy_hint", "first_workload"}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@long
def test_fail_fix_green_and_then_nothing_changes_and_destroy_gives_the_cluster_back(tmp_path: Path) -> None:
    house = House(tmp_path, processes=True)
    before = house.world.snapshot()
    house.world.switch("jobs.fault", "nvidia-smi")

    failed = house.run("up")
    assert failed.exit == 1
    (error,) = [text for text in failed.errors if "DRV-3" in text]
    *_evidence, reason, fix = error.strip().splitlines()  # a report on stdout would stand anywhere in it
    assert (reason.startswith("DRV-3 driver: nvidia-smi failed on gpu-"), fix.startswith("fix: ")) == (True, True)
    assert '"evidence"' not in error

    house.world.switch("jobs.fault", "none")
    green = house.run("up")
    assert (green.exit, green.errors) == (0, [])
    assert [(node["name"], node["card"]) for node in green.outputs["report"]["nodes"]] == [
        ("gpu-1", "NVIDIA A10G"),
        ("gpu-2", "Tesla T4"),
    ]

    assert set(green.outputs) >= EXPORTS
    assert green.outputs["ownership"]["driver"]["owner"] == "host"
    assert "pulumi destroy -s demo" in green.outputs["destroy_hint"]

    again = house.run("up", expect_no_changes=True)
    assert (again.exit, set(again.changes)) == (0, {"same"})

    gone = house.run("destroy")
    assert (gone.exit, gone.resources) == (0, [])
    assert house.world.unexpected(before, house.world.snapshot()) == []


@long
def test_a_renamed_context_with_the_old_name_as_identifier_changes_only_what_reads_the_cluster(house: House) -> None:
    assert house.run("up").exit == 0
    house.world.switch("contexts", ["home"])
    cluster = {**CONFIG["cluster"], "context": "home", "identifier": "demo"}

    moved = house.run("up", {**CONFIG, "cluster": cluster})

    assert (moved.exit, moved.errors) == (0, [])
    assert {name for op, _type, name in moved.steps if op != "same"} == {"cluster", LOOK, READY, GATE}


def test_another_number_proves_again_and_touches_nothing_else(house: House) -> None:
    assert house.run("up").exit == 0

    proven = house.run("up", {**CONFIG, "validation": {**CONFIG["validation"], "run": 2}})

    assert (proven.exit, proven.errors) == (0, [])
    jobs = {"gpu-validation-gpu-1", "gpu-validation-gpu-2"}
    assert {name for op, _type, name in proven.steps if op != "same"} == {READY, *jobs, GATE}


@long
def test_a_second_stack_beside_the_first_proves_in_a_namespace_of_its_own(house: House) -> None:
    assert house.run("up").exit == 0
    other = House.beside(house, "other")
    external = {**CONFIG, "gpu": {"operator": "external"}}

    refused = other.run("up", external)
    own = other.run("up", {**external, "validation": {**CONFIG["validation"], "namespace": "proof"}})

    assert any("belongs to stack gpu-ready/demo" in text for text in refused.errors), refused.errors
    assert (own.exit, own.errors) == (0, [])
    assert house.run("up", expect_no_changes=True).exit == 0


def test_a_preview_shows_everything_and_makes_nothing(house: House) -> None:
    before = house.world.snapshot()

    shown = house.run("preview")

    assert (shown.exit, shown.changes) == (0, {"create": 13})
    assert house.world.snapshot() == before


def test_the_look_comes_before_anything_is_made_the_jobs_between_the_two_gates(house: House) -> None:
    made = house.run("preview").registered

    look, ready, gate = made.one("Command", LOOK), made.one("Command", READY), made.one("Command", GATE)
    release, jobs = made.one("Release"), made.all("Job")
    assert len(jobs) == 2
    assert all(made.before(look, one) for one in (release, *made.all("Namespace"), *jobs))
    assert made.before(release, ready)
    assert all(made.before(ready, job) and made.before(job, gate) for job in jobs)


def test_every_job_can_be_made_afresh_and_none_is_awaited_by_the_provider(house: House) -> None:
    for job in house.run("preview").all("Job"):
        meta = job.plain["metadata"]
        assert "name" not in meta
        assert job.delete_before_replace is True
        assert meta["annotations"] == {"pulumi.com/skipAwait": "true", "pulumi.com/replaceUnready": "true"}


def test_the_job_outlives_the_gate_and_the_engine_outwaits_both_gates(house: House) -> None:
    made = house.run("preview").registered
    for name in (READY, GATE):
        limit = made.one("Command", name).timeout("create")
        assert limit is not None
        assert limit > 600
    assert all(job.plain["spec"]["activeDeadlineSeconds"] > 600 for job in made.all("Job"))


def test_objects_go_to_the_declared_context_and_never_to_the_current_one(house: House) -> None:
    made = house.run("preview").registered
    provider = made.one("pulumi:providers:kubernetes")
    assert provider.plain["context"] == provider.plain["clusterIdentifier"] == "demo"
    assert provider.plain["kubeconfig"] == "~/.kube/config"
    objects = [one for one in made.values() if one.type.startswith("kubernetes:")]
    assert {one.new.provider.split("::")[-2] for one in objects} == {"cluster"}


def test_with_an_external_operator_nothing_is_installed_and_the_cards_are_proven_all_the_same(tmp_path: Path) -> None:
    house = House(tmp_path, {**WORLD, "operator": {"installed": True}})
    result = house.run("up", with_gpu(operator="external"))
    assert (result.exit, result.errors) == (0, [])
    assert result.all("Release") == []
    assert [one.plain["spec"]["template"]["spec"]["runtimeClassName"] for one in result.all("Job")] == ["nvidia"] * 2


@pytest.mark.parametrize(
    ("spec", "choices", "id"),
    [
        ({"operator": {"installed": True}}, {}, "CFG-4"),
        ({}, {"operator": "external"}, "CFG-5"),
        ({"runtime_classes": [{"name": "nvidia", "handler": "nvidia"}]}, {}, "CFG-6"),
    ],
)
def test_what_is_found_and_not_declared_is_refused_before_anything_is_made(
    tmp_path: Path, spec: dict[str, Any], choices: dict[str, Any], id: str
) -> None:
    house = House(tmp_path, {**WORLD, **spec})
    before = house.world.snapshot()

    result = house.run("up", with_gpu(**choices))

    assert result.exit == 1
    assert any(id in text and "set gpu." in text for text in result.errors), result.errors
    assert house.world.snapshot() == before


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"cluster": {"context": "demo", "nodes": "gpu-1"}}, "cluster.nodes"),
        ({"clutser": {}}, "clutser"),
        ({"bareMetal": {"hosts": []}}, "bareMetal"),
        ({"gpu": {"operator": "external", "driver": "preinstalled"}}, "gpu.driver"),
        ({"validation": {"timeoutSeconds": -1}}, "validation.timeoutSeconds"),
    ],
)
def test_a_wrong_config_registers_nothing_at_all(house: House, more: dict[str, Any], problem: str) -> None:
    result = house.run("up", {**CONFIG, **more})
    assert result.exit == 1
    assert problem in "\n".join(result.errors)
    assert [one["urn"] for one in result.resources if "Stack" not in one["type"]] == []


def test_a_password_with_a_line_break_registers_nothing_and_is_not_shown(house: House) -> None:
    result = house.run("up", {**CONFIG, "sshPassword": "hunter2\n"}, secret_keys=["gpu-ready:sshPassword"])
    assert (result.exit, "sshPassword: is not one line" in "\n".join(result.errors)) == (1, True)
    assert "hunter2" not in "\n".join(result.errors) + repr(house.events)
    assert [one["urn"] for one in result.resources if "Stack" not in one["type"]] == []


def test_switching_the_validation_off_leaves_no_job_and_no_gate(house: House) -> None:
    made = house.run("preview", {**CONFIG, "validation": {"enabled": False}}).registered
    assert made.all("Job") == []
    assert [one.name for one in made.all("Command")] == [LOOK]


def test_a_lost_node_is_named_by_the_gate_and_the_job_is_made_afresh_when_it_is_back(house: House) -> None:
    house.world.switch("jobs.fault", "hang")
    short = {**CONFIG, "validation": {"timeoutSeconds": 150, "pollSeconds": 40}}
    failed = house.run("up", short)
    assert failed.exit == 1
    assert any("not ready after 150 s, still waiting for: nvidia-smi runs on gpu-" in text for text in failed.errors), (
        failed.errors
    )
    jobs = {one["id"] for one in failed.resources if one["type"].endswith(":Job")}

    house.world.switch("jobs.fault", "none")
    green = house.run("up", short)

    assert green.exit == 0
    assert jobs.isdisjoint({one["id"] for one in green.resources if one["type"].endswith(":Job")})


def test_a_changed_operator_is_proven_anew(house: House) -> None:
    def proves(**operator: Any) -> set[str]:
        config = {**CONFIG, "gpu": {**CONFIG["gpu"], "operator": {"mode": "install", **operator}}}
        jobs = house.run("preview", config).all("Job")
        return {one.plain["spec"]["template"]["metadata"]["annotations"]["gpu-ready/proves"] for one in jobs}

    same, again, newer = proves(version="v26.3.3"), proves(version="v26.3.3"), proves(version="v26.7.0")
    assert (len(same), same == again, same == newer) == (1, True, False)


def test_a_stack_without_a_version_never_moves_the_operator_that_it_has(house: House) -> None:
    def ignores(**operator: Any) -> list[str]:
        config = {**CONFIG, "gpu": {**CONFIG["gpu"], "operator": {"mode": "install", **operator}}}
        return list(house.run("preview", config).one("Release").new.ignore_changes)

    assert ignores() == ["version"]
    assert ignores(version="v26.3.3") == []


def test_without_validation_the_report_says_so(house: House) -> None:
    shown = house.run("preview", {**CONFIG, "validation": {"enabled": False}})
    assert shown.outputs["report"] == {"ready": None, "why": "validation.enabled is false"}


def test_what_a_world_keeps_in_memory_is_what_stands_in_its_file(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.run("up")

    with house.world.open() as cluster:
        assert json.loads(json.dumps(cluster.data)) == cluster.data
        assert json.loads(house.world.path.read_bytes())["objects"] == cluster.data["objects"]


def test_what_was_done_to_a_world_before_an_error_is_forgotten(tmp_path: Path) -> None:
    house = House(tmp_path)
    with contextlib.suppress(ZeroDivisionError), house.world.open() as cluster:
        cluster.data["objects"]["Node"].clear()
        raise ZeroDivisionError

    with house.world.open() as cluster:
        assert cluster.list("Node")


def test_what_a_step_says_on_stdout_is_its_answer_and_nothing_else_goes_in(house: House) -> None:
    """With the output of before in its environment a step of the real provider would not start on a host."""
    for step in house.run("preview").all("command:local:Command"):
        assert (step.plain["logging"], step.plain["addPreviousOutputInEnv"]) == ("stderr", False)


def test_the_gate_knows_how_many_cards_each_pod_asks_for(house: House) -> None:
    result = house.run("up", {**CONFIG, "validation": {**CONFIG["validation"], "gpus": 8}})
    assert result.exit == 1
    assert any("asks for 8 nvidia.com/gpu, and no matching node has more than 1" in one for one in result.errors)
