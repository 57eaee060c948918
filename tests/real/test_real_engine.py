"""The same program under the real `pulumi`, which has to be on PATH; the cluster behind it is the simulated one."""

from pathlib import Path

import pytest

from tests.real.real_pulumi import STACK, Real, needs_pulumi

pytestmark = needs_pulumi


@pytest.fixture
def real(tmp_path: Path) -> Real:
    return Real(tmp_path)


def test_a_failed_gate_names_the_layer_then_the_fix_makes_up_green_and_a_second_up_changes_nothing(real: Real) -> None:
    before = real.world.snapshot()
    real.switch("jobs.fault", "nvidia-smi")

    failed = real.up()
    assert failed.returncode != 0
    assert "fix: " in failed.stdout + failed.stderr

    real.switch("jobs.fault", "none")
    green = real.up()
    assert green.returncode == 0, green.stdout + green.stderr
    assert [node["name"] for node in real.exports()["report"]["nodes"]] == ["gpu-1", "gpu-2"]

    again = real.up("--expect-no-changes")
    assert again.returncode == 0, again.stdout + again.stderr

    gone = real.run("destroy", "--yes", "--skip-preview", "-s", STACK)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert real.world.unexpected(before, real.world.snapshot()) == []


def test_a_preview_makes_nothing(real: Real) -> None:
    before = real.world.snapshot()
    shown = real.run("preview", "-s", STACK)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert real.world.snapshot() == before


def test_a_host_that_does_not_answer_is_explained_and_as_offline_it_holds_up_nobody(real: Real) -> None:
    real.hosts()
    failed = real.up()
    assert failed.returncode != 0
    _, _, said = failed.stdout.partition("Diagnostics:")
    assert said.count("HST-82 access: rtx: ") == 1, failed.stdout + failed.stderr
    assert "state: offline" in said

    real.hosts(state="offline")
    passed = real.up()
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert real.exports()["report"] == {"ready": None, "why": "no host is there: rtx is offline"}
    again = real.up("--expect-no-changes")
    assert again.returncode == 0, again.stdout + again.stderr

    real.hosts()
    assert "HST-82 access: rtx: " in real.up().stdout, "what was only noted is made when the host is back"
    gone = real.run("destroy", "--yes", "--skip-preview", "-s", STACK)
    assert gone.returncode == 0, gone.stdout + gone.stderr
