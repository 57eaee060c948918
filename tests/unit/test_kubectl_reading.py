"""What kubectl's answers mean: its words to an id, and whether waiting may help."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

import pytest

from components.steps.kubectl import Unreadable, objects, refuse
from decide.reading import broken, stuck
from tests.unit.small_snapshot import wish

REFUSED = "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?"


def answers(monkeypatch: pytest.MonkeyPatch, out: str = "", err: str = "", code: int = 0) -> list[list[str]]:
    """kubectl answers like this; gives the command lines."""
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        asked.append(command)
        return subprocess.CompletedProcess(command, code, out.encode(), err.encode())

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def run(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(subprocess, "run", run)


def unreadable() -> Any:
    with pytest.raises(Unreadable) as caught:
        objects(wish(), "nodes")
    return caught.value.found


def test_the_context_is_always_named_and_a_call_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    asked = answers(monkeypatch, json.dumps({"items": [{"a": 1}]}))
    assert objects(wish(), "pods", "-n", "x") == [{"a": 1}]
    (command,) = asked
    assert command[:5] == ["kubectl", "--kubeconfig", "/somewhere/.kube/config", "--context", "demo"]
    assert command[5:] == ["--request-timeout", "20s", "get", "pods", "-n", "x", "-o", "json"]


@pytest.mark.parametrize(
    ("said", "id", "state"),
    [
        ('error: context "demo" does not exist', "PLM-12", "broken"),
        ("Error in configuration: context was not found for specified context: demo", "PLM-12", "broken"),
        ("error: stat /nope: no such file or directory", "PLM-12", "broken"),
        ('error: error loading config file "/x": yaml: line 1: did not find expected node content', "PLM-12", "broken"),
        ('Error from server (Forbidden): nodes is forbidden: User "u" cannot list resource', "PLM-13", "broken"),
        ("error: You must be logged in to the server (Unauthorized)", "PLM-14", "broken"),
        ("error: getting credentials: exec: executable aws not found", "PLM-14", "broken"),
        ("Please enter Username: error: EOF", "PLM-14", "broken"),
        (REFUSED, "PLM-3", "waiting"),
        ("Unable to connect to the server: net/http: TLS handshake timeout", "PLM-3", "waiting"),
        ("", "PLM-3", "waiting"),
    ],
)
def test_what_kubectl_says_leads_to_an_id(monkeypatch: pytest.MonkeyPatch, said: str, id: str, state: str) -> None:
    answers(monkeypatch, err=said, code=1)
    found = unreadable()
    assert (found.id, found.state) == (id, state)
    assert found.problem.endswith("(context demo)")
    assert list(found.evidence) == ([said] if said else [])


def test_only_the_last_lines_of_a_long_complaint_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, err="\n".join(["E0101 memcache.go"] * 5 + [REFUSED]), code=1)
    assert unreadable().evidence[-1] == REFUSED
    assert len(unreadable().evidence) == 3


def test_a_login_program_that_is_missing_and_a_missing_file_have_words_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers(monkeypatch, err="exec: executable gke-gcloud-auth-plugin not found", code=1)
    assert "login program is not installed" in unreadable().problem
    answers(monkeypatch, err="error: stat /nope: no such file or directory", code=1)
    assert "the kubeconfig cannot be read" in unreadable().problem


def test_a_missing_kubectl_is_a_refusal_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, FileNotFoundError("kubectl"))
    found = unreadable()
    assert (found.id, found.state, found.fix) == ("PLM-11", "broken", "install kubectl on the machine that runs pulumi")


def test_a_call_that_gives_no_answer_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, subprocess.TimeoutExpired("kubectl", 30))
    found = unreadable()
    assert (found.id, found.state, found.evidence) == (
        "PLM-3",
        "waiting",
        ("kubectl get nodes -o json gave no answer in 30 s",),
    )


def test_an_answer_that_is_not_json_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "Welcome to the proxy")
    assert (unreadable().state, unreadable().problem.split(" ")[-2:]) == ("waiting", ["not", "JSON"])


def test_a_kind_that_the_server_does_not_know_has_no_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, err='error: the server doesn\'t have a resource type "clusterpolicies"', code=1)
    assert objects(wish(), "clusterpolicies.nvidia.com") == []


@pytest.mark.parametrize("answer", ["null", "[]", "{}", '{"items": null}', '{"items": 3}'])
def test_an_answer_without_a_list_has_no_objects(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    answers(monkeypatch, answer)
    assert objects(wish(), "nodes") == []


def test_bytes_that_are_no_text_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess([], 0, b'{"items": ["\xff"]}', b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert objects(wish(), "nodes") == ["\ufffd"]


def test_a_refusal_ends_with_id_problem_and_fix_and_leaves_stdout_empty(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = stuck("RT-7", "no class", "a line of evidence"), broken("CFG-1", "no node")
    assert refuse(first, "still waiting for: ", [second]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "CFG-1 nodes: no node",
        "fix: correct cluster.nodes, or let the node join",
        "  a line of evidence",
        "RT-7 runtime: still waiting for: no class",
        "fix: set gpu.runtimeClass: ours, or create it",
    ]


def test_long_evidence_is_cut_before_the_reason_is_pushed_off_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    refuse(stuck("RT-7", "no class", "x" * 1000, *[f"line {n}" for n in range(99)]))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 23
    assert lines[0] == "  " + "x" * 400 + " ..."
    assert lines[-3:] == ["  ... and 80 more lines", "RT-7 runtime: no class", f"fix: {stuck('RT-7').fix}"]


# one stop time for all calls of a step


def timed(monkeypatch: pytest.MonkeyPatch, now: float) -> list[float]:
    """kubectl hangs at this moment; gives the limits that it was started with."""
    limits: list[float] = []

    def run(command: list[str], timeout: float, **_: Any) -> Any:
        limits.append(timeout)
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    return limits


@pytest.mark.parametrize(("now", "limit"), [(0, 30), (80, 20), (99.5, 0.5)])
def test_a_call_ends_before_the_stop_time_of_its_step(
    monkeypatch: pytest.MonkeyPatch, now: float, limit: float
) -> None:
    limits = timed(monkeypatch, now)
    with pytest.raises(Unreadable):
        objects({**wish(), "stop": 100}, "nodes")
    assert limits == [limit]


def test_after_the_stop_time_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = timed(monkeypatch, 100)
    with pytest.raises(Unreadable) as caught:
        objects({**wish(), "stop": 100}, "nodes")
    assert (limits, caught.value.found.id, caught.value.found.state) == ([], "PLM-3", "waiting")
    assert caught.value.nobody
    assert caught.value.found.evidence == ("there was no time left for kubectl get nodes -o json",)


def test_the_question_for_a_similar_context_keeps_to_the_stop_time(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []

    def run(command: list[str], timeout: float, **_: Any) -> Any:
        limits.append(timeout)
        if "get-contexts" in command:
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, 1, b"", b'error: context "demo" does not exist')

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(time, "monotonic", lambda: 96)
    with pytest.raises(Unreadable) as caught:
        objects({**wish(), "stop": 100}, "nodes")
    assert (limits, caught.value.found.id) == ([4, 4], "PLM-12")
