"""A framework's own word: the scripts against small stand-ins of the frameworks, and the whole way to the report."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.framework import container
from decide import framework, job_health
from settings import SettingsError, parse
from tests.effort import long
from tests.unit.house import CONFIG, House
from tests.unit.small_snapshot import check_pod, ended, healthy, wish

TORCH = """\
class Matrix:
    def __matmul__(self, other): return self
    def __getitem__(self, where): return self
    def item(self): return {right}
class cuda:
    def get_arch_list(): return {archs!r}
    def device_count(): return {cards}
    def get_device_capability(number): return (8, 6)
def ones(*shape, device): return Matrix()
__version__ = "2.7.1"
"""


def checked(
    folder: Path, cards: int = 1, right: int = 256, archs: tuple[str, ...] = ("sm_80", "sm_90")
) -> tuple[int, str]:
    (folder / "torch.py").write_text(TORCH.format(cards=cards, right=right, archs=list(archs)))
    asked = framework.read({"kind": "pytorch"})
    assert asked
    done = subprocess.run([sys.executable, *asked.command[1:]], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("torch", "code", "says"),
    [
        ({}, 0, framework.PROOF),
        ({"cards": 0}, 1, "no CUDA-capable device is detected"),
        ({"right": 255}, 1, "matmul on card 0 is wrong"),
        ({"archs": ("sm_70", "sm_90", "compute_90")}, 1, "no kernel image is available: the card is sm_86"),
        ({"archs": ("sm_87",)}, 1, "no kernel image is available"),
    ],
)
def test_pytorch_passes_only_with_code_for_the_card_and_a_right_result(
    tmp_path: Path, torch: dict[str, Any], code: int, says: str
) -> None:
    found = checked(tmp_path, **torch)

    assert (found[0], says in found[1], framework.PROOF in found[1]) == (code, True, code == 0), found


@pytest.mark.parametrize("kind", framework.SCRIPTS)
def test_the_scripts_are_programs(kind: str) -> None:
    asked = framework.read({"kind": kind})

    assert asked
    compile(asked.command[-1], kind, "exec")
    assert ":" in asked.image


def test_one_of_ones_own_has_image_and_script() -> None:
    own = {"image": "mine:1", "script": "import mine"}

    (made,) = container(own, {})
    command: Any = made.command
    assert (made.image, command[-1].splitlines()[0]) == ("mine:1", "import mine")
    assert container(None, {}) == []
    for wrong in ({"image": "mine:1"}, {"kind": "jax", **own}):
        with pytest.raises(pulumi.InputPropertyError):
            container(wrong, {})


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"image": "mine:1"}, "validation.framework.script"),
        ({"script": "import mine"}, "validation.framework.image"),
        ({"kind": "pytorch", "script": "import mine"}, "validation.framework.script"),
        ("torch", "validation.framework.kind"),
    ],
)
def test_what_does_not_go_together_is_refused(given: Any, path: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse({**CONFIG, "validation": {"framework": given}})
    assert [fault.path for fault in error.value.faults] == [path]


def test_a_framework_that_ends_well_and_says_nothing_has_proven_nothing() -> None:
    pod = check_pod(kernel=ended("vectoradd", start=3, end=7))
    pod["status"]["containerStatuses"].append(ended("framework", start=8, end=9))
    found = healthy(pods=[pod])
    found["logs"] |= {f"gpu-ready/{pod['metadata']['name']}/framework": "done\n"}

    verdict = job_health.judge_job(found, wish(), wish()["jobs"][0])
    assert verdict
    assert (verdict.id, verdict.evidence) == ("CUDA-10", ("framework: done",))


@long
def test_up_proves_it_and_a_card_that_the_image_does_not_know_names_the_setting(tmp_path: Path) -> None:
    house = House(tmp_path)
    config = {**CONFIG, "validation": {**CONFIG["validation"], "framework": "pytorch"}}

    made = house.run("up", config)
    assert made.errors == []
    checks = made.outputs["report"]["nodes"][0]["checks"]
    assert [(one["name"], one["passed"]) for one in checks][-1] == ("framework", True)
    assert made.outputs["report"]["warnings"] == []
    assert house.run("up", config, expect_no_changes=True).exit == 0

    house.world.switch("jobs.fault", "framework")
    failed = house.run("up", {**config, "validation": {**config["validation"], "run": 2}})
    assert "fix: set an image that knows the card: validation.framework" in failed.errors[0]
