"""All cards of a node together: the program against a small stand-in of PyTorch, the verdicts, and the whole way."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.nccl import check
from components.steps import SOURCES
from decide import nccl, nccl_health
from decide.failures import BY_ID
from lab.cluster import nccl as simulated
from settings import SettingsError, parse
from tests.effort import long
from tests.unit.house import CONFIG, WORLD, House
from tests.unit.small_snapshot import OURS, ended, job, node, pod, runs, unplaced, wish
from tests.unit.small_world import some
from tests.unit.test_gke_program import housed, stack

TORCH = """\
import os, time
cards = int(os.environ["CARDS"])
class Number(int):
    def item(self): return int(self)
class Values:
    def min(self): return Number({sum} if {sum} else cards)
    def max(self): return Number(cards)
    def zero_(self): pass
    def numel(self): return 1 << 26
class cuda:
    def device_count(): return {seen} or cards
    def set_device(rank): pass
    def synchronize(): time.sleep(0.001)
def ones(*shape, device): return Values()
__version__ = "2.7.1"
"""
TOGETHER = """\
import os, time
def init_process_group(kind, init_method, rank, world_size):
    global me
    me = rank
    assert (kind, world_size) == ("nccl", int(os.environ["CARDS"])) and rank < world_size
    if {fails} == rank: raise RuntimeError("ncclSystemError: shared memory segment /dev/shm/nccl-x (size 9)")
    if {fails} >= 0: time.sleep(60)
def all_reduce(values): time.sleep({hangs})
def barrier(): pass
"""


def tried(folder: Path, limit: int = 20, **faults: Any) -> tuple[int, str, str]:
    """Exit status, output, and what a pod's status would say."""
    usual = {"sum": 0, "seen": 0, "fails": -1, "hangs": 0, **faults}
    (folder / "torch").mkdir()
    (folder / "torch" / "__init__.py").write_text(TORCH.format(**usual))
    (folder / "torch" / "distributed.py").write_text(TOGETHER.format(**usual))
    said = folder / "said"
    said.touch()
    script = nccl.SCRIPT.replace("/dev/termination-log", str(said)).replace("time.sleep(2)", "time.sleep(0.1)")
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env={"CARDS": "3", "LIMIT": str(limit)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr, said.read_text()


def test_a_process_for_each_card_and_one_line_with_what_they_reached(tmp_path: Path) -> None:
    code, text, said = tried(tmp_path)
    assert (code, text) == (0, said)
    found = nccl.SAID.match(said)
    assert found
    assert (found[1], float(found[2]) > 0) == ("3", True)


@pytest.mark.parametrize(
    ("faults", "says", "id"),
    [
        ({"sum": 2}, "card 0: SystemExit: the all-reduce is wrong: 2 in place of 3", "NCCL-1"),
        ({"seen": 2}, "the pod was given 3 cards, and torch sees 2", ""),
        ({"fails": 1}, "card 1: RuntimeError: ncclSystemError: shared memory segment /dev/shm/nccl-x", "NCCL-2"),
    ],
)
def test_whoever_fails_ends_all_and_says_why(tmp_path: Path, faults: dict[str, Any], says: str, id: str) -> None:
    code, text, said = tried(tmp_path, **faults)
    assert (code, said, says in text) == (1, "", True), text
    assert nccl_health.recognized(text)[0] == id


@long
def test_cards_that_never_answer_are_given_up_in_time(tmp_path: Path) -> None:
    code, text, said = tried(tmp_path, limit=1, hangs=50)
    assert (code, said) == (1, "")
    assert nccl_health.recognized(text) == ("NCCL-1", ["the all-reduce over 3 cards hangs: no end after 1 s"])


@pytest.mark.parametrize(("seconds", "limit"), [(1800, 300), (60, 30), (10, 10)])
def test_the_pod_gives_up_before_the_gate_does(seconds: int, limit: int) -> None:
    assert nccl.limit(seconds) == limit <= seconds


# verdicts

SAID = "all-reduce over 2 cards: 9.7 GB/s, torch 2.7.1"
ASKED = wish(gpus=2)


def seen(*main: Any, over: str = "", phase: str = "Running", log: str = "", **more: Any) -> dict[str, Any]:
    """What the gate sees of one Job and its pod."""
    labels = {"batch.kubernetes.io/job-name": "check-gpu-1"}
    there = pod("check-gpu-1-abcde", *main, space=OURS, labels=labels, phase=phase, **more)
    logs = {f"{OURS}/check-gpu-1-abcde/nccl": log} if log else {}
    return {"nodes": [node(gpus=2)], "jobs": [job(over=over)], "pods": [there], "events": [], "logs": logs}


def test_what_was_measured_is_the_proof() -> None:
    good = seen(ended("nccl", message=SAID + "\n"), over="Complete", phase="Succeeded")
    assert nccl_health.judge_nccl(good, ASKED).state == "ready"
    assert nccl_health.all_reduced(good, ASKED) == {"gpu-1": SAID}
    silent = seen(ended("nccl"), over="Complete", phase="Succeeded")
    assert nccl_health.judge_nccl(silent, ASKED).id == "NCCL-4"


def test_a_node_with_one_card_is_not_waited_for() -> None:
    assert nccl_health.judge_nccl({"jobs": [], "pods": []}, wish(gpus=1)).state == "ready"
    assert nccl_health.judge_nccl({"jobs": [], "pods": []}, ASKED).id == "PLM-15"


@pytest.mark.parametrize(
    ("log", "id"),
    [
        ("the all-reduce over 8 cards hangs: no end after 300 s", "NCCL-1"),
        ("[rank0]:[E] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1", "NCCL-1"),
        ("NCCL WARN Cuda failure 217 'peer access is not supported between these two devices'", "NCCL-1"),
        ("include/shm.h:28 NCCL WARN Call to posix_fallocate failed : No space left on device", "NCCL-2"),
        ("misc/shmutils.cc:71 NCCL WARN Error: failed to extend /dev/shm/nccl-fjwOOB to 5967876 bytes", "NCCL-2"),
        ("card 0: RuntimeError: CUDA error: system not yet initialized", "NCCL-3"),
        ("card 1: ModuleNotFoundError: No module named 'torch'", "NCCL-5"),
        ("card 0: RuntimeError: Distributed package doesn't have NCCL built in", "NCCL-5"),
        ("RuntimeError: CUDA error: no kernel image is available for execution on the device", "CUDA-12"),
        ("card 0: SystemExit: the pod was given 2 cards, and torch sees 1", "NCCL-4"),
    ],
)
def test_a_failure_has_the_layer_and_the_line_that_gives_it_away(log: str, id: str) -> None:
    noise = "".join(f"card {number}: killed\n" for number in range(9))
    found = seen(ended("nccl", 1, "exit"), over="Failed", phase="Failed", log=f"{log}\n{noise}")
    verdict = nccl_health.judge_nccl(found, ASKED)
    assert (verdict.state, verdict.id) == ("broken", id)
    assert any(log in line for line in verdict.evidence) or not id.startswith("NCCL-") or id == "NCCL-4"
    assert "card 8: killed" in " ".join(verdict.evidence)


def test_what_it_waits_for_is_said() -> None:
    verdict = nccl_health.judge_nccl(seen(runs("nccl")), ASKED)
    assert (verdict.state, verdict.id) == ("waiting", "PLM-16")
    assert verdict.problem == "the all-reduce over 2 cards is at work on gpu-1"


def test_cards_that_others_hold_name_the_scheduler() -> None:
    waiting = seen()
    unplaced(waiting["pods"][0], "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
    assert nccl_health.judge_nccl(waiting, ASKED).id == "SCH-1"


def test_each_id_that_is_named_is_in_the_catalogue() -> None:
    assert {id for _sign, id in nccl_health.NCCL_SIGNS} <= set(BY_ID)


def test_the_report_has_what_each_node_reached_and_why_one_was_not_asked() -> None:
    report = {"ready": True, "nodes": [{"name": "a", "gpus": 2, "checks": []}, {"name": "b", "gpus": 1, "checks": []}]}
    first, second = nccl.told(report, {"a": SAID})["nodes"]
    assert first["nccl"] == {"cards": 2, "gb_per_s": 9.7}
    assert first["checks"] == [{"name": "nccl", "passed": True, "evidence": SAID}]
    assert "nccl" not in second
    assert nccl.told(report, {"a": SAID})["warnings"] == ["b: no all-reduce was tried, it hands out one card"]
    assert nccl.told({"ready": None, "why": "no host"}, {}) == {"ready": None, "why": "no host"}


def test_only_stacks_that_ask_for_it_carry_it() -> None:
    assert [step for step, files in SOURCES.items() if any("nccl" in file for file in files)] == ["nccl"]


# settings


def asked(**changes: Any) -> dict[str, Any]:
    validation = {**CONFIG["validation"], "framework": "pytorch", "nccl": True, **changes.pop("validation", {})}
    return {**CONFIG, **changes, "validation": {key: value for key, value in validation.items() if value is not None}}


ON_HOSTS = {"driver": "preinstalled", "toolkit": "preinstalled"}
PARTS = {"sharing": {"strategy": "timeSharing", "clients": 2}}


@pytest.mark.parametrize(
    "config",
    [
        asked(validation={"framework": None}),
        asked(validation={"framework": "tensorflow"}),
        asked(gpu={**ON_HOSTS, "sharing": {"timeSlicing": {"replicas": 2}}}),
        asked(gpu={**ON_HOSTS, "sharing": {"mig": {"profile": "all-1g.5gb"}}}),
        {**stack(pool=PARTS), "validation": {"framework": "pytorch", "nccl": True}},
    ],
    ids=["no framework", "tensorflow", "shares", "slices", "shares of a pool"],
)
def test_what_it_cannot_do_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as error:
        parse(config)
    assert [fault.path for fault in error.value.faults] == ["validation.nccl"]


@pytest.mark.parametrize("args", [{}, {"framework": {"kind": "pytorch"}, "gpu": {"mig": {"profile": "all-1g.5gb"}}},
                                  {"framework": {"kind": "pytorch"}, "pools": [{"sharing": "mps"}]}])  # fmt: skip
def test_components_refuse_it_too(args: dict[str, Any]) -> None:
    with pytest.raises(pulumi.InputPropertyError, match="nccl"):
        check(args)


# the whole program


def jobs_of(house: House) -> dict[str, Any]:
    return {re.sub(r"-\w{8}$", "", one["metadata"]["name"]): one for one in some(house.world, "Job")}


@long
def test_up_measures_where_there_are_several_cards_and_changes_nothing_again(tmp_path: Path) -> None:
    house = House(tmp_path)
    assert house.run("preview", asked()).errors == []
    made = house.run("up", asked())
    assert made.errors == []
    one, two = made.outputs["report"]["nodes"]
    assert ("nccl" in one, two["nccl"]) == (False, {"cards": 2, "gb_per_s": 9.7})
    assert made.outputs["report"]["warnings"] == ["gpu-1: no all-reduce was tried, it hands out one card"]
    jobs = jobs_of(house)
    assert jobs["gpu-validation-nccl-gpu-1"]["spec"]["suspend"] is True
    spec = jobs["gpu-validation-nccl-gpu-2"]["spec"]["template"]["spec"]
    assert spec["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "2"}
    assert spec["volumes"] == [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": nccl.SHARED_MEMORY}}]
    assert house.run("up", asked(), expect_no_changes=True).exit == 0


@long
@pytest.mark.parametrize(
    ("fault", "id"), [("nccl-peers", "NCCL-1 peer access"), ("nccl-memory", "NCCL-2 shared memory")]
)
def test_what_keeps_cards_apart_is_named_and_mended_by_the_next_up(tmp_path: Path, fault: str, id: str) -> None:
    house = House(tmp_path)
    house.world.switch("jobs.fault", fault)
    failed = house.run("up", asked())
    (error,) = [text for text in failed.errors if "fix:" in text]
    assert f"{id}: gpu-2: {BY_ID[id.split(maxsplit=1)[0]].cause}" in error
    house.world.switch("jobs.fault", "none")
    mended = house.run("up", asked())
    assert (mended.errors, mended.changes["replace"]) == ([], 1)
    assert house.run("up", asked(), expect_no_changes=True).exit == 0


@long
def test_on_and_off_touch_nothing_else(tmp_path: Path) -> None:
    house = House(tmp_path)
    without = asked(validation={"nccl": None})
    assert house.run("up", without).exit == 0
    on = house.run("up", asked())
    assert (on.errors, {key: on.changes[key] for key in on.changes if key != "same"}) == ([], {"create": 3})
    off = house.run("up", without)
    assert (off.errors, {key: off.changes[key] for key in off.changes if key != "same"}) == ([], {"delete": 3})


@long
def test_where_nodes_come_and_go_the_one_that_was_proven_is_asked(tmp_path: Path) -> None:
    pool = {"gpu-2": {"labels": {"pool": "gpu"}}}
    nodes = [{**one, **pool.get(one["name"], {})} for one in WORLD["nodes"]]
    house = House(tmp_path, {**WORLD, "nodes": nodes})
    made = house.run("up", asked(cluster={"context": "demo", "nodeSelector": {"pool": "gpu"}}))
    assert made.errors == []
    assert made.outputs["report"]["nodes"][0]["nccl"]["cards"] == 2


@long
def test_a_pool_brings_up_a_whole_node_for_it(tmp_path: Path) -> None:
    config = stack(pool={"machineType": "a2-highgpu-2g"})
    config["validation"] = {**config.get("validation", {}), "framework": "pytorch", "nccl": True}
    made = housed(tmp_path, config).run("up", config)
    assert made.errors == []
    (one,) = made.outputs["report"]["nodes"]
    assert one["nccl"] == {"cards": 2, "gb_per_s": simulated.NVLINK["NVIDIA A100"]}
