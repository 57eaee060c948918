"""The gate before the Jobs: it waits for the operator, what fails there costs no Job, and then the way to green."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.steps import gate, ready
from lab.cluster.world import World
from lab.engine import Result
from tests.effort import long
from tests.unit.house import CONFIG, WORLD, House
from tests.unit.small_snapshot import Object, external, wish
from tests.unit.small_world import GPU_1, ON_HOST, after, with_operator, world
from tests.unit.test_judged_worlds import BARE, EVERYTHING_BY_OPERATOR, TAINT, ask_for_proof, tell

READY, GATE, JOB = "gpu-validation-ready", "gpu-validation-gate", "gpu-validation-gpu-1"
CPU = WORLD["nodes"][0]
WITHOUT_DRIVER: Object = {**WORLD, "nodes": [CPU, BARE, {**BARE, "name": "gpu-2"}]}
ONE_NODE: Object = {**WORLD, "nodes": [CPU, GPU_1]}
OLD, NEW = "v26.3.3", "v26.7.0"
CLASSES = [{"name": "nvidia", "handler": "nvidia"}]
NO_PLUGIN = {"nvidia.com/gpu.deploy.device-plugin": "false"}


def by_hand(version: str) -> dict[str, Any]:
    """Driver and toolkit on the nodes, and a named version of the operator."""
    return {**CONFIG, "gpu": {**CONFIG["gpu"], "operator": {"mode": "install", "version": version}}}


def done(result: Result) -> list[str]:
    """What was done well, in order, without what stayed as it was."""
    return [name for op, _type, name in result.steps if op in ("create", "update", "create-replacement")]


def reason(result: Result) -> str:
    """The line that names the first broken layer."""
    (error,) = [one for one in result.errors if "\nfix: " in one]
    return error.strip().splitlines()[-2]


def jobs_of(result: Result) -> set[str]:
    return {one["id"] for one in result.resources if one["type"].endswith(":Job")}


# the whole program


@long
def test_a_driver_that_is_taken_away_and_brought_back(tmp_path: Path) -> None:
    """What a user did: the operator's driver, then a preinstalled one that is not there, then the operator's again."""
    house = House(tmp_path, WITHOUT_DRIVER)
    ours, theirs = ({**CONFIG, "gpu": {"driver": owner}} for owner in ("operator", "preinstalled"))
    first = house.run("up", ours)
    assert (first.exit, first.errors) == (0, [])

    gone = [house.run("up", theirs), house.run("up", theirs)]
    assert [reason(one).split(":")[0] for one in gone] == ["DRV-3 driver"] * 2

    began = house.world.clock.now()
    back = house.run("up", ours)
    assert (back.exit, back.errors) == (0, [])
    assert house.world.clock.now() - began > 60  # the driver is built anew
    order = done(back)
    assert order.index("gpu-stack-operator") < order.index(READY) < order.index(JOB) < order.index(GATE)
    assert jobs_of(back).isdisjoint(jobs_of(gone[1]) | jobs_of(first))
    assert [one["driver"] for one in back.outputs["report"]["nodes"]] == ["595.91.07"] * 2

    assert house.run("up", ours, expect_no_changes=True).exit == 0


@long
def test_settings_that_go_to_and_fro_are_no_reason_to_believe_an_old_proof(tmp_path: Path) -> None:
    """The first gate fails in between, so neither it nor a Job keeps a trace: only Helm knows of the change."""
    house = House(tmp_path)
    green = house.run("up", by_hand(OLD))
    house.world.switch("operator.fault", "image")
    between = house.run("up", by_hand(NEW))
    house.world.switch("operator.fault", "none")
    back = house.run("up", by_hand(OLD))

    assert (green.exit, reason(between).split(":")[0], back.exit) == (0, "CUDA-5 image", 0)
    assert jobs_of(between) == jobs_of(green)
    assert {READY, JOB, GATE} <= set(done(back))
    assert jobs_of(back).isdisjoint(jobs_of(green))
    assert house.run("up", by_hand(OLD), expect_no_changes=True).exit == 0


SHOWS_BEFORE_JOBS: list[tuple[str, Any, Any, str]] = [
    ("operator.fault", "crash", "none", "DP-1 toolkit: nvidia-device-plugin-daemonset-"),
    ("operator.fault", "image", "none", "CUDA-5 image: gpu-operator-"),
    ("nodes.gpu-1.driver", None, "580.126.20", "OP-2 driver: gpu-1 has no working driver"),
    ("nodes.gpu-1.unhealthy", 1, 0, "DP-4 plugin: gpu-1 hands out 0 of 1 cards"),
]
SHOWS_IN_JOBS: list[tuple[str, Any, Any, str]] = [
    ("jobs.fault", "vectoradd", "none", "CUDA-11 CUDA: vectoradd failed on gpu-1"),
    ("jobs.fault", "hang", "none", "PLM-16 validation: not ready after 150 s, still waiting for: nvidia-smi runs"),
    ("nodes.gpu-1.busy", 1, 0, "SCH-1 scheduler: not ready after 150 s, still waiting for: no free card on gpu-1"),
]


@long
@pytest.mark.parametrize(("switch", "ill", "well", "words"), SHOWS_BEFORE_JOBS + SHOWS_IN_JOBS)
def test_fail_fix_green_and_then_nothing_changes(tmp_path: Path, switch: str, ill: Any, well: Any, words: str) -> None:
    house = House(tmp_path, ONE_NODE)
    one = {**CONFIG["cluster"], "nodes": ["gpu-1"]}
    config = {**CONFIG, "cluster": one, "validation": {"timeoutSeconds": 150, "pollSeconds": 30}}
    house.world.switch(switch, ill)
    failed = house.run("up", config)
    house.world.switch(switch, well)
    mended = house.run("up", config)

    assert (failed.exit, reason(failed).startswith(words)) == (1, True), failed.errors
    assert len(jobs_of(failed)) == ((switch, ill, well, words) in SHOWS_IN_JOBS)
    assert (mended.exit, mended.errors, mended.outputs["report"]["ready"]) == (0, [], True)
    assert jobs_of(failed).isdisjoint(jobs_of(mended))
    assert house.run("up", config, expect_no_changes=True).exit == 0


# the first gate alone


def before_jobs(made: World, monkeypatch: pytest.MonkeyPatch, wished: Object | None = None, poll: float = 20) -> Any:
    """What the first gate says of a world, with a wish that knows no Job."""
    known = {**(wished or wish()), "proves": "a", "revision": "1"}
    for later in ("jobs", "validation_namespace"):
        del known[later]
    return tell(made, ready, known, monkeypatch, poll)


@pytest.mark.parametrize(
    ("nodes", "more", "values", "id"),
    [
        ((GPU_1,), {"operator": {"fault": "stuck"}}, None, "RT-1"),
        ((GPU_1,), {"operator": {"fault": "crash", "part": "operator"}}, None, "OP-18"),
        ((BARE,), {"operator": {"fault": "crash", "part": "driver"}}, EVERYTHING_BY_OPERATOR, "DRV-7"),
        ((BARE,), {"operator": {"fault": "image", "part": "driver"}}, EVERYTHING_BY_OPERATOR, "DRV-10"),
        (
            (BARE,),
            {"operator": {"fault": "crash", "part": "toolkit", "driver_seconds": 20}},
            EVERYTHING_BY_OPERATOR,
            "TK-14",
        ),
        (({**GPU_1, "toolkit": False},), {}, None, "RT-1"),
        (({**GPU_1, "card": None},), {}, None, "OP-5"),
        (({**GPU_1, "labels": NO_PLUGIN},), {}, None, "DP-3"),
        (({**GPU_1, "taints": [TAINT]},), {}, None, "SCH-2"),
        (({**GPU_1, "present": False}, CPU), {}, None, "CFG-1"),
        (({**GPU_1, "ready": False}, CPU), {}, None, "CFG-3"),
    ],
)
def test_what_needs_no_job_is_named_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nodes: Any, more: Object, values: Object | None, id: str
) -> None:
    found = before_jobs(with_operator(world(tmp_path, *nodes, **more), values), monkeypatch)
    assert (found.code, found.about["id"]) == (3, id)
    assert found.lines[-1] == f"fix: {found.about['fix']}"
    assert found.seconds < 300


@pytest.mark.parametrize("fault", ["nvidia-smi", "vectoradd"])
def test_what_only_a_job_can_show_is_none_of_its_business(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    made = with_operator(world(tmp_path, GPU_1, jobs={"fault": fault}))
    found = before_jobs(made, monkeypatch)
    assert (found.code, found.about) == (0, {"gpu-1": 1})


def test_one_of_several_declared_nodes_that_is_not_ready_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = with_operator(world(tmp_path, GPU_1, {**GPU_1, "name": "gpu-2", "ready": False}))
    found = before_jobs(made, monkeypatch, wish("gpu-1", "gpu-2"))
    assert (found.code, found.about["id"], found.about["problem"]) == (3, "CFG-3", "not Ready: gpu-2")


def test_of_the_nodes_that_a_selector_finds_one_with_cards_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = {"labels": {"pool": "gpu"}}
    nodes = [{**GPU_1, **pool}, {**GPU_1, **pool, "name": "gpu-2", "ready": False}]
    wished = {**wish(), "nodes": [], "node_selector": {"pool": "gpu"}}
    found = before_jobs(with_operator(world(tmp_path, *nodes)), monkeypatch, wished)
    assert (found.code, found.about["gpu-1"]) == (0, 1)


def test_an_operator_of_somebody_else_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = before_jobs(with_operator(world(tmp_path, GPU_1)), monkeypatch, external())
    assert (found.code, found.about) == (0, {"gpu-1": 1})
    assert found.lines[0].startswith("waiting for operator: ")


@pytest.mark.parametrize(("plugin", "code"), [(True, 0), (False, 3)])
def test_a_plugin_without_an_operator_is_enough_and_none_at_all_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: bool, code: int
) -> None:
    made = world(tmp_path, {**GPU_1, "device_plugin": plugin}, runtime_classes=CLASSES)
    found = before_jobs(made, monkeypatch, external())
    assert (found.code, found.code and found.about["id"]) == (code, code and "CFG-5")


def test_a_stack_that_does_not_ask_for_a_class_that_is_missing_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = before_jobs(world(tmp_path, {**GPU_1, "device_plugin": True}), monkeypatch, external())
    assert (found.code, found.about["id"]) == (3, "CFG-7")


def test_the_operator_gets_time_to_notice_once_and_not_again_when_the_jobs_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = after(with_operator(world(tmp_path, GPU_1)), 400)
    with made.open() as cluster:
        cluster.upgrade_release("gpu-operator", "gpu-operator", NEW, {**ON_HOST, "dcgmExporter": {"enabled": False}})
    assert before_jobs(made, monkeypatch, poll=2).seconds >= 15
    ask_for_proof(made, wish())
    found = tell(after(made, 60), gate, wish(), monkeypatch)
    assert (found.code, found.lines) == (0, [])
    assert found.seconds < 5


def test_a_crash_of_before_is_not_held_against_what_was_mended_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = after(with_operator(world(tmp_path, GPU_1, operator={"fault": "crash"})), 200)
    made.switch("operator.fault", "none")
    found = before_jobs(made, monkeypatch)
    assert found.code == 0
    assert found.seconds > 60


def test_a_crash_that_goes_on_is_given_up_when_the_next_try_has_failed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = after(with_operator(world(tmp_path, GPU_1, operator={"fault": "crash"})), 200)
    found = before_jobs(made, monkeypatch)
    assert (found.code, found.about["id"]) == (3, "DP-1")
    assert 60 < found.seconds < 360
