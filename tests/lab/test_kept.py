"""`make lab` and `make lab-down`: a lab that stays while somebody looks around."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.lab import test_whole_stack
from tests.lab.real_hosts import needs_hosts

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
    assert (down.stdout, place.exists()) == ("lab: down\n", False)
    assert lab(place, "down").stdout == "lab: there was none\n"
