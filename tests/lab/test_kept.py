"""`make lab` and `make lab-down`: a lab that stays while somebody looks around."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from tests.lab import test_whole_stack
from tests.lab.real_hosts import needs_hosts, wait_for

pytestmark = needs_hosts
REAL, STANDINS = test_whole_stack.REAL, test_whole_stack.STANDINS


def lab(place: Path, word: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "GPU_READY_LAB_KEPT": str(place)}
    command = [sys.executable, "-m", "lab.real", word]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_a_lab_stays_until_it_is_ended_and_leaves_nothing(tmp_path: Path, built: dict[str, Path]) -> None:
    place = tmp_path / "kept"
    try:
        up = lab(place, "up")
        assert up.returncode == 0, up.stdout + up.stderr
        told = json.loads((place / "lab.json").read_text())
        ssh = subprocess.run([*told["ssh"]["rtx"].split(), "nvidia-smi"], capture_output=True, text=True, check=False)
        assert "NVIDIA GeForce RTX 4070" in ssh.stdout, ssh.stderr
        nodes = [told["kubectl"], "--kubeconfig", told["kubeconfig"], "get", "nodes", "-o", "name"]
        assert subprocess.check_output(nodes, text=True).split() == ["node/node-rtx", "node/node-tesla"]
        assert lab(place, "up").returncode == 2
    finally:
        down = lab(place, "down")
    assert (down.stdout.splitlines()[-1:], place.exists()) == (["lab: down"], False)  # a slow one says that it waits
    assert lab(place, "down").stdout == "lab: there was none\n"


def test_ctrl_c_while_it_comes_up_takes_away_what_had_begun(tmp_path: Path, built: dict[str, Path]) -> None:
    place = tmp_path / "kept"
    coming = subprocess.Popen(
        [sys.executable, "-m", "lab.real", "up"], env={**os.environ, "GPU_READY_LAB_KEPT": str(place)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        wait_for((place / "state.json.journal").exists)  # the stack is on its way
        time.sleep(3)
    finally:
        os.killpg(coming.pid, signal.SIGINT)
    said, _nothing = coming.communicate(timeout=180)
    left = (coming.returncode, "lab: interrupted" in said, place.exists())
    down = lab(place, "down")  # before anything is judged: one that is up after all would stay
    assert left == (130, True, False), said
    assert down.stdout == "lab: there was none\n"


@pytest.mark.parametrize("name", ["none.tgz", "text.tgz", "other.tgz"])
def test_a_chart_that_is_none_of_ours_is_refused_before_anything_starts(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.tgz").write_text("no archive")
    with tarfile.open(tmp_path / "other.tgz", "w:gz") as archive:
        about = tarfile.TarInfo("foo/Chart.yaml")
        about.size = len(b"name: foo")
        archive.addfile(about, io.BytesIO(b"name: foo"))
    env = {**os.environ, "GPU_READY_LAB_KEPT": str(tmp_path / "kept"), "LAB_CHART": str(tmp_path / name)}
    command = [sys.executable, "-m", "lab.real", "up"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.startswith(f"lab: LAB_CHART: {tmp_path / name} is ")) == (2, True), done.stderr
    assert not (tmp_path / "kept").exists()
