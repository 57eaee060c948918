"""The stand-in kubectl answers as the real one, and refuses what it does not know."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.small_world import GPU_1, answer, ask, job, pod_of, ready_world, run_job, with_operator, world


def test_a_list_is_a_list_object(tmp_path: Path, capsys: Any) -> None:
    found = answer(world(tmp_path), capsys, "get", "nodes", "-o", "json")
    assert (found["kind"], found["apiVersion"], found["metadata"]) == ("List", "v1", {"resourceVersion": ""})
    assert [one["metadata"]["name"] for one in found["items"]] == ["cpu-1", "gpu-1", "gpu-2"]
    assert found["items"][0]["kind"] == "Node"


def test_an_empty_list_is_fine(tmp_path: Path, capsys: Any) -> None:
    assert answer(world(tmp_path), capsys, "get", "jobs", "-A", "-o", "json")["items"] == []


@pytest.mark.parametrize("word", ["node", "no", "Nodes", "nodes.v1"])
def test_kinds_have_several_names(tmp_path: Path, capsys: Any, word: str) -> None:
    assert answer(world(tmp_path), capsys, "get", word, "gpu-1", "-o=json")["metadata"]["name"] == "gpu-1"


@pytest.mark.parametrize("word", ["clusterpolicies", "clusterpolicy.nvidia.com", "clusterpolicies.v1.nvidia.com"])
def test_custom_kinds_are_known_once_they_are_defined(tmp_path: Path, capsys: Any, word: str) -> None:
    made = world(tmp_path)
    code, _, err = ask(made, capsys, "get", word, "-o", "json")
    assert (code, err) == (1, f'error: the server doesn\'t have a resource type "{word.partition(".")[0]}"\n')
    assert len(answer(with_operator(made), capsys, "get", word, "-o", "json")["items"]) == 1


def test_several_kinds_come_in_one_list(tmp_path: Path, capsys: Any) -> None:
    found = answer(with_operator(world(tmp_path)), capsys, "get", "pods,events", "-n", "gpu-operator", "-o", "json")
    assert {one["kind"] for one in found["items"]} == {"Pod", "Event"}


def test_a_namespace_limits_what_is_shown(tmp_path: Path, capsys: Any) -> None:
    made = with_operator(world(tmp_path))
    assert answer(made, capsys, "get", "pods", "-o", "json")["items"] == []
    assert answer(made, capsys, "get", "pods", "-n", "gpu-operator", "-o", "json")["items"]
    assert answer(made, capsys, "get", "pods", "--all-namespaces", "-o", "json")["items"]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("kubernetes.io/hostname=gpu-1", ["gpu-1"]),
        ("kubernetes.io/hostname==gpu-1,pool", ["gpu-1"]),
        ("pool", ["gpu-1"]),
        ("!pool", ["cpu-1"]),
        ("pool!=a", ["cpu-1"]),
    ],
)
def test_labels_select(tmp_path: Path, capsys: Any, selector: str, names: list[str]) -> None:
    made = world(tmp_path, {"name": "cpu-1"}, {**GPU_1, "labels": {"pool": "a"}})
    found = answer(made, capsys, "get", "nodes", "-l", selector, "-o", "json")
    assert [one["metadata"]["name"] for one in found["items"]] == names


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("get", "nodes", "x", "-o", "json"), 'Error from server (NotFound): nodes "x" not found'),
        (("get", "runtimeclass", "x", "-o", "json"), 'runtimeclasses.node.k8s.io "x" not found'),
        (("--context", "x", "get", "nodes", "-o", "json"), 'error: context "x" does not exist'),
        (("get", "nodes"), "knows `get KIND [NAME] -o json` only"),
        (("get", "nodes", "-o", "yaml"), "knows `get KIND [NAME] -o json` only"),
        (("apply", "-o", "json"), 'unknown command "apply" for "kubectl"'),
        (("delete", "node", "gpu-1"), "this stand-in knows few"),
        (("get", "nodes", "--watch"), "error: unknown flag: --watch"),
        (("get", "nodes", "-o"), "error: unknown flag: -o"),
        ((), "unknown command"),
        (("config", "view"), "unknown command"),
        (("version",), "knows `version -o json` only"),
        (("logs", "nobody"), 'pods "nobody" not found'),
    ],
)
def test_what_it_does_not_know_is_refused(tmp_path: Path, capsys: Any, words: tuple[str, ...], text: str) -> None:
    code, out, err = ask(world(tmp_path), capsys, *words)
    assert (code, out) == (1, "")
    assert text in err


def test_versions_and_contexts(tmp_path: Path, capsys: Any) -> None:
    made = world(tmp_path, kubernetes="1.34", context="home", contexts=["work"])
    assert answer(made, capsys, "version", "-o", "json")["serverVersion"]["minor"] == "34"
    assert ask(made, capsys, "config", "get-contexts", "-o", "name")[1] == "home\nwork\n"
    assert answer(made, capsys, "--context", "work", "get", "nodes", "-o", "json")["items"]


def test_logs_of_finished_and_of_waiting_containers(tmp_path: Path, capsys: Any) -> None:
    made = ready_world(tmp_path, GPU_1, jobs={"fault": "nvidia-smi"})
    run_job(made, job("check"))
    name = pod_of(made, "check")["metadata"]["name"]
    _, out, _ = ask(made, capsys, "logs", "-n", "default", name, "-c", "nvidia-smi", "--tail=40")
    assert out.startswith("NVIDIA-SMI has failed")
    code, _, err = ask(made, capsys, "logs", "-n", "default", name, "-c", "vectoradd")
    assert code == 1
    assert f'container "vectoradd" in pod "{name}" is waiting to start: PodInitializing' in err
    _, _, err = ask(made, capsys, "logs", name, "-c", "nope")
    assert err == f"error: container nope is not valid for pod {name}\n"


def test_the_tail_of_a_log(tmp_path: Path, capsys: Any) -> None:
    made = ready_world(tmp_path, GPU_1)
    run_job(made, job("check"))
    name = pod_of(made, "check")["metadata"]["name"]
    assert ask(made, capsys, "logs", name, "--tail", "2")[1] == "Test PASSED\nDone\n"
    assert ask(made, capsys, "logs", name, "--tail=0")[1] == "\n"


def test_an_api_server_that_is_down(tmp_path: Path, capsys: Any) -> None:
    made = world(tmp_path, api="down")
    code, _, err = ask(made, capsys, "get", "nodes", "-o", "json")
    asked = "did you specify the right host or port?"
    assert (code, err) == (1, f"The connection to the server 127.0.0.1:6443 was refused - {asked}\n")
    assert ask(made, capsys, "config", "get-contexts", "-o", "name")[0] == 0


def test_an_api_server_that_is_slow_takes_simulated_time_or_times_out(tmp_path: Path, capsys: Any) -> None:
    made = world(tmp_path, api="slow")
    code, _, err = ask(made, capsys, "--request-timeout", "5s", "get", "nodes", "-o", "json")
    assert code == 1
    assert "Client.Timeout exceeded while awaiting headers" in err
    before = made.clock.now()
    answer(made, capsys, "--request-timeout=20s", "get", "nodes", "-o", "json")
    assert made.clock.now() - before == pytest.approx(12.2)
    assert ask(made, capsys, "--request-timeout", "soon", "get", "nodes", "-o", "json")[0] == 1


def test_asking_takes_a_little_time(tmp_path: Path, capsys: Any) -> None:
    made = world(tmp_path)
    for _ in range(5):
        answer(made, capsys, "get", "nodes", "-o", "json")
    assert made.clock.now() == pytest.approx(1.0)


def test_the_executable_is_found_on_the_worlds_path_and_starts_fast(tmp_path: Path) -> None:
    made = ready_world(tmp_path / "a folder")
    env = {**os.environ, **made.env(), "PYTHONSTARTUP": "", "HOME": str(tmp_path)}
    call = ["kubectl", "--kubeconfig", "~/none", "get", "pods", "-A", "-o", "json"]
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(call, env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert len(json.loads(done.stdout)["items"]) == 14
    assert min(times) < 0.15, times  # of processor time; usually 0.04 s
