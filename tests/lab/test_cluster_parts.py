"""The lab itself: what is missing is said, what was built is built once, and nothing outlives a run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.real import tools
from lab.real.cluster import RealCluster
from lab.real.processes import EndedError, Processes

REAL = ("kube-apiserver, -controller-manager and -scheduler", "etcd", "kubectl")
STANDINS = ("kubelets (kwok)",)
_BRING_UP = """\
import signal, sys, time
# Whoever was started in the background of a shell ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from lab.real import tools
from lab.real.cluster import RealCluster
with RealCluster(Path(sys.argv[1]), tools.build()) as cluster:
    running = cluster.plane.processes
    print(*(running.pid(name) for name in ("etcd", "kube-apiserver", "kube-scheduler", "kwok")), flush=True)
    time.sleep(60)
"""


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text()


def wait_until_gone(pids: list[int], seconds: float) -> list[int]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(map(is_running, pids)):
        time.sleep(0.05)
    return [pid for pid in pids if is_running(pid)]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_a_run_however_it_ends(tmp_path: Path, built: dict[str, Path], end: signal.Signals) -> None:
    command = [sys.executable, "-c", _BRING_UP, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        pids = [int(word) for word in run.stdout.readline().split()]
        assert len(pids) == 4
        assert all(map(is_running, pids))
        run.send_signal(end)
        run.wait(20)
        assert wait_until_gone(pids, 5) == []


def test_a_part_that_ends_by_itself_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Processes(tmp_path) as running:
        pid = running.start("short", ["sh", "-c", "echo no such flag; exit 3"])
        assert wait_until_gone([pid], 5) == []
        with pytest.raises(EndedError, match=r"short ended with 3(.|\n)*no such flag"):
            running.check()


def test_a_part_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    with Processes(tmp_path) as running:
        pid = running.start("deaf", ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"])
        while not running.log("deaf").read_text():
            time.sleep(0.01)
        running.stop("deaf", patience=0.3)
        assert not is_running(pid)


def test_what_is_missing_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "go is not on PATH: install Go 1.26" in " ".join(tools.missing())
    old = tmp_path / "go"
    old.write_text("#!/bin/sh\necho go version go1.21.4 linux/amd64\n")
    old.chmod(0o755)
    assert "go1.21.4 linux/amd64: too old" in " ".join(tools.missing())


def test_what_is_in_the_cache_is_not_built_again(built: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    assert tools.build() == built
    assert "building" not in capfd.readouterr().err
    said = subprocess.run([built["kubectl"], "version", "--client"], capture_output=True, text=True, check=True).stdout
    assert f"Client Version: {tools.KUBERNETES}" in said


def test_plain_pods_start_late_end_well_or_badly_as_they_ask(cluster: RealCluster) -> None:
    for name, notes in (("well", {}), ("ill", {"gpu-ready-lab/ends": "failed", "gpu-ready-lab/starts-after": "1s"})):
        pod = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}
        template = {"metadata": {"annotations": notes}, "spec": pod}
        job = {"metadata": {"name": name, "namespace": "default"}, "spec": {"backoffLimit": 0, "template": template}}
        cluster.api.create({"apiVersion": "batch/v1", "kind": "Job", **job}, "somebody")

    def ended() -> dict[str, str]:
        jobs = cluster.api.list("Job", "default")
        return {job["metadata"]["name"]: one["type"] for job in jobs for one in job["status"].get("conditions", ())
                if one["type"] in ("Complete", "Failed")}  # fmt: skip

    cluster.plane.wait("the jobs", lambda: len(ended()) == 2, 20)
    assert ended() == {"well": "Complete", "ill": "Failed"}


def test_the_charts_are_served_under_nvidias_address_to_whoever_asks_for_it(
    cluster: RealCluster, tmp_path: Path
) -> None:
    env = {**os.environ, **cluster.charts.env(), "HELM_CACHE_HOME": str(tmp_path), "HELM_CONFIG_HOME": str(tmp_path)}
    helm = [str(cluster.built["helm"]), "show", "chart", "gpu-operator", "--version", "v26.7.0", "--repo"]

    def shown(repository: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*helm, repository], env=env, capture_output=True, text=True, check=False)

    found = shown("https://helm.ngc.nvidia.com/nvidia")
    assert "version: v26.7.0" in found.stdout, found.stderr
    assert shown("https://charts.example.com").returncode != 0
