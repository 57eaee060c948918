"""The gate's patience: what it waits for, what it gives up on and when, and what it says meanwhile."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from components.steps import gate
from components.steps.kubectl import Unreadable
from decide.reading import Verdict, broken, stuck, waits
from tests.unit.small_snapshot import (
    OURS,
    PASSED,
    Object,
    Refusal,
    event,
    healthy,
    listed,
    node,
    operator_at_work,
    pod,
    policy,
    wish,
)
from tests.unit.small_snapshot import waits as waiting

DOWN = "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?"


class Played:
    """A gate whose time passes only by waiting."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.now, self.patch, self.capsys = 0.0, monkeypatch, capsys
        self.out, self.lines = "", [""]
        monkeypatch.setattr(time, "sleep", self.sleep)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def judged(self, verdict_at: Callable[[float], Verdict], **more: Any) -> int:
        """Runs the gate on verdicts that depend on the time alone."""
        self.patch.setattr(gate, "read_and_judge", lambda *_: (verdict_at(self.now), healthy()))
        return self.run(**more)

    def answered(self, ask: Callable[[list[str]], str | None], **more: Any) -> int:
        """Runs the gate on what kubectl prints; None: the server is away."""

        def call(command: list[str], **_: Any) -> Any:
            said = ask(command[command.index("20s") + 1 :])
            return subprocess.CompletedProcess(command, said is None, (said or "").encode(), DOWN.encode())

        self.patch.setattr(subprocess, "run", call)
        return self.run(**more)

    def run(self, **more: Any) -> int:
        code = gate.main(wish(**more))
        said = self.capsys.readouterr()
        self.out, self.lines = said.out, said.err.splitlines()
        return code

    @property
    def told(self) -> Any:
        """The report of a step that went well, else its refusal; never both."""
        if not self.out:
            return Refusal("\n".join(self.lines))
        (line,) = self.out.splitlines()
        return json.loads(line)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Played:
    return Played(monkeypatch, capsys)


READY = Verdict("ready")


def test_what_is_ready_is_reported_at_once(played: Played) -> None:
    assert played.judged(lambda _now: READY) == 0
    assert (played.now, played.lines) == (0, [])
    assert played.told["nodes"][0]["card"] == "NVIDIA A10G"


def test_what_is_broken_is_refused_at_once(played: Played) -> None:
    assert played.judged(lambda _now: broken("DRV-1")) == 3
    assert (played.now, played.told["id"], played.out) == (0, "DRV-1", "")
    assert played.lines[0].startswith("DRV-1 driver: ")
    assert played.lines[1].startswith("fix: drain and reboot")


def test_what_comes_late_is_waited_for(played: Played) -> None:
    assert played.judged(lambda now: READY if now >= 100 else waits("OP-4", "the operator starts")) == 0
    assert played.now == 100


def test_the_last_wait_ends_at_the_deadline_and_names_what_was_missing(played: Played) -> None:
    assert played.judged(lambda _now: waits("SCH-1", "no free card"), timeout_seconds=12) == 3
    assert played.now == 12
    assert played.lines[-2] == "SCH-1 scheduler: not ready after 12 s, still waiting for: no free card"
    assert played.told["problem"] == "no free card"


def test_what_does_not_come_by_itself_is_given_up_after_the_grace(played: Played) -> None:
    assert played.judged(lambda _now: stuck("RT-7", "no class")) == 3
    assert played.now == 60
    assert played.lines[0] == "waiting for runtime: no class (gives up in 60 s unless it changes)"
    assert played.lines[-2] == "RT-7 runtime: no class"


def test_what_is_mended_within_the_grace_goes_on(played: Played) -> None:
    assert played.judged(lambda now: stuck("RT-7") if now < 55 else READY) == 0


def test_another_hopeless_thing_gets_a_grace_of_its_own(played: Played) -> None:
    assert played.judged(lambda now: stuck("CFG-3") if now < 50 else stuck("RT-7")) == 3
    assert (played.now, played.told["id"]) == (110, "RT-7")


def test_the_short_runs_of_a_crash_loop_do_not_begin_the_grace_anew(played: Played) -> None:
    assert played.judged(lambda now: waits("OP-4") if now % 20 == 15 else stuck("OP-18")) == 3
    assert (played.now, played.told["id"]) == (60, "OP-18")


def test_what_was_well_for_a_while_begins_the_grace_anew(played: Played) -> None:
    assert played.judged(lambda now: waits("OP-4") if 30 <= now < 60 else stuck("OP-18")) == 3
    assert played.now == 120


def test_the_time_limit_is_shorter_than_the_grace(played: Played) -> None:
    assert played.judged(lambda _now: stuck("RT-7"), timeout_seconds=20) == 3
    assert (played.now, "not ready after 20 s" in played.lines[-2]) == (20, True)


def test_changes_are_said_at_once_and_the_same_thing_every_fifteen_seconds(played: Played) -> None:
    steps = [(50, "a"), (55, "b"), (60, "c")]

    def verdict_at(now: float) -> Verdict:
        return next((waits("OP-4", what) for until, what in steps if now < until), READY)

    assert played.judged(verdict_at) == 0
    assert played.lines == [
        f"waiting for operator: {what} (at most {left} s more)"
        for what, left in (("a", 900), ("a", 885), ("a", 870), ("a", 855), ("b", 850), ("c", 845))
    ]


def test_a_poll_of_zero_does_not_spin(played: Played) -> None:
    assert played.judged(lambda now: READY if now > 1 else waits("OP-4"), poll_seconds=0) == 0


# reading


def listing(snapshot: Object) -> Callable[[list[str]], str]:
    """What kubectl prints about a snapshot."""

    def ask(words: list[str]) -> str:
        if words[0] == "logs":
            return str(snapshot["logs"]["/".join([words[2], words[3], words[5]])])
        if words[1:3] == ["pods", "-A"]:
            return json.dumps({"items": listed("pods", lambda _kind: snapshot["all_pods"])})
        space = words[words.index("-n") + 1] if "-n" in words else ""
        return json.dumps({"items": listed(words[1], lambda kind: snapshot.get(kind, []), space)})

    return ask


def with_names(snapshot: Object) -> Object:
    snapshot["events"] = [{"metadata": {"namespace": OURS}, **one} for one in snapshot["events"]]
    return snapshot


def test_a_healthy_cluster_is_read_in_few_calls(played: Played) -> None:
    asked: list[list[str]] = []
    answer = listing(healthy())

    def ask(words: list[str]) -> str:
        asked.append(words)
        return answer(words)

    assert played.answered(ask) == 0
    assert played.told["ready"] is True
    assert len(asked) == 4
    assert asked[-1] == ["logs", "-n", OURS, "check-gpu-1-abcde", "-c", "vectoradd", "--tail=40"]


def test_a_server_that_is_away_for_a_while_is_waited_for(played: Played) -> None:
    ask = listing(healthy())
    assert played.answered(lambda words: None if 0 <= played.now < 70 else ask(words)) == 0
    assert played.lines[0].startswith("waiting for API server: the cluster does not answer (context demo) (at most")
    assert 70 <= played.now < 80


def test_a_server_that_stays_away_is_named_at_the_deadline(played: Played) -> None:
    assert played.answered(lambda _words: None, timeout_seconds=30) == 3
    assert (played.told["id"], played.told["evidence"]) == ("PLM-3", [DOWN])


def test_a_server_that_goes_away_before_the_log_is_no_proof(played: Played) -> None:
    ask = listing(healthy())
    assert played.answered(lambda words: None if words[0] == "logs" and played.now < 20 else ask(words)) == 0
    assert played.now == 20
    assert played.told["warnings"] == []


def test_a_log_that_the_server_does_not_give_is_a_warning(
    played: Played, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = listing(healthy())

    def call(command: list[str], **_: Any) -> Any:
        words = command[command.index("20s") + 1 :]
        if words[0] == "logs":
            return subprocess.CompletedProcess(command, 1, b"", b'Error from server (Forbidden): pods "x" is forbidden')
        return subprocess.CompletedProcess(command, 0, ask(words).encode(), b"")

    monkeypatch.setattr(subprocess, "run", call)
    assert gate.main(wish()) == 0
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert warning.startswith("gpu-1: the log of the kernel launch is not readable")


def test_all_pods_are_read_only_when_somebody_waits_for_a_card(played: Played) -> None:
    waiting = {
        "metadata": {
            "name": "check-gpu-1-x",
            "namespace": OURS,
            "labels": {"batch.kubernetes.io/job-name": "check-gpu-1"},
        },
        "status": {
            "conditions": [{"type": "PodScheduled", "status": "False", "message": "1 Insufficient nvidia.com/gpu."}]
        },
    }
    holder = {
        "metadata": {"name": "training", "namespace": "ml"},
        "spec": {"nodeName": "gpu-1", "containers": [{"resources": {"limits": {"nvidia.com/gpu": "1"}}}]},
    }
    busy = healthy(pods=[waiting], jobs=[{"metadata": {"name": "check-gpu-1"}}], all_pods=[holder])
    assert played.answered(listing(busy), timeout_seconds=5) == 3
    assert played.told["problem"] == "no free card on gpu-1, taken by ml/training (1 on gpu-1)"


def test_events_of_both_namespaces_are_read(played: Played) -> None:
    said = 'Error creating: pods "x" is forbidden: pod rejected: RuntimeClass "nvidia" not found'
    refused = healthy(pods=[], jobs=[{"metadata": {"name": "check-gpu-1"}}])
    refused["events"] = [event("check-gpu-1", "FailedCreate", said)]
    assert played.answered(listing(with_names(refused))) == 3
    assert played.told["id"] == "RT-7"


def test_a_kubectl_that_is_not_there_is_refused_at_once(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    def objects(*_: Any) -> Any:
        raise Unreadable(broken("PLM-11"))

    monkeypatch.setattr(gate, "objects", objects)
    assert played.run() == 3
    assert (played.now, played.told["id"]) == (0, "PLM-11")


def test_the_report_is_the_same_when_nothing_changed(played: Played) -> None:
    snapshot = healthy(nodes=[node("gpu-1"), node("gpu-2")])
    snapshot["logs"] = {f"{OURS}/check-gpu-1-abcde/vectoradd": PASSED}
    first = played.answered(listing(snapshot)), played.out
    assert (played.answered(listing(snapshot)), played.out) == first


def test_the_log_of_a_pod_that_is_over_is_read_once(played: Played) -> None:
    """With a hundred nodes each look would ask a hundred times for what cannot change."""
    names = [f"gpu-{n}" for n in range(1, 101)]
    late, done = (listing(healthy(*names, clusterpolicies=[policy(state)])) for state in ("notReady", "ready"))
    logs: list[str] = []

    def ask(words: list[str]) -> str:
        if words[0] == "logs":
            logs.append(words[3])
        return (late if played.now < 300 else done)(words)

    assert played.answered(ask, nodes=names, jobs=wish(*names)["jobs"], poll_seconds=20) == 0
    assert played.now == 300
    assert (len(logs), len(set(logs))) == (100, 100)


def test_the_log_of_a_pod_that_goes_on_is_read_anew(played: Played) -> None:
    crash = waiting("c", "CrashLoopBackOff")
    said = ["", "Incompatible platform detected"]
    at_work = operator_at_work(pod("nvidia-device-plugin-daemonset-x", crash))

    def ask(words: list[str]) -> str:
        return said[played.now > 20] if words[0] == "logs" else listing(with_names(at_work))(words)

    assert played.answered(ask) == 3
    assert played.told["id"] == "DP-1"


def test_a_log_that_could_not_be_read_is_asked_for_again(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    late = healthy(clusterpolicies=[policy("notReady")])
    forbidden = b'Error from server (Forbidden): pods "x" is forbidden'

    def call(command: list[str], **_: Any) -> Any:
        words = command[command.index("20s") + 1 :]
        if words[0] == "logs" and played.now < 20:
            return subprocess.CompletedProcess(command, 1, b"", forbidden)
        there = listing(late if played.now < 40 else healthy())(words)
        return subprocess.CompletedProcess(command, 0, there.encode(), b"")

    monkeypatch.setattr(subprocess, "run", call)
    assert played.run() == 0
    assert played.told["warnings"] == []


class Slow:
    """A kubectl that answers so late, or never, and is stopped at its limit."""

    def __init__(self, played: Played, ask: Callable[[list[str]], str], seconds: Callable[[list[str]], float]) -> None:
        self.played, self.ask, self.seconds = played, ask, seconds
        played.patch.setattr(subprocess, "run", self)

    def __call__(self, command: list[str], timeout: float, **_: Any) -> Any:
        assert timeout > 0
        words = command[command.index("20s") + 1 :]
        needs = self.seconds(words)
        self.played.now += min(needs, timeout)
        if needs > timeout:
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, 0, self.ask(words).encode(), b"")


@pytest.mark.parametrize("hangs", ["get", "logs"])
def test_a_kubectl_that_hangs_cannot_hold_the_gate_past_its_stop_time(played: Played, hangs: str) -> None:
    names = [f"gpu-{n}" for n in range(1, 101)]
    Slow(played, listing(healthy(*names)), lambda words: 1e9 if words[0] == hangs else 0.1)
    assert played.run(nodes=names, jobs=wish(*names)["jobs"], timeout_seconds=100) == 3
    assert played.now <= 145
    assert played.told["id"] == "PLM-3"
    assert played.lines[-2] == (
        "PLM-3 API server: not ready after 100 s, still waiting for: the cluster does not answer"
    )
    assert f"kubectl {hangs}" in played.told["evidence"][0]


def test_many_slow_logs_end_at_the_stop_time_too(played: Played) -> None:
    names = [f"gpu-{n}" for n in range(1, 101)]
    Slow(played, listing(healthy(*names)), lambda words: 10)
    assert played.run(nodes=names, jobs=wish(*names)["jobs"], timeout_seconds=100) == 3
    assert (played.now <= 145, played.told["id"]) == (True, "PLM-3")


def test_what_was_read_before_a_slow_look_ended_is_not_lost(played: Played) -> None:
    """A hundred logs of four seconds each do not fit between two looks, and need not."""
    names = [f"gpu-{n}" for n in range(1, 101)]
    busy = {"logs": 0}

    def seconds(words: list[str]) -> float:
        busy["logs"] += words[0] == "logs"
        return 1e9 if words[0] == "logs" and busy["logs"] % 40 == 0 else 4.0

    Slow(played, listing(healthy(*names)), seconds)
    assert played.run(nodes=names, jobs=wish(*names)["jobs"]) == 0
    assert busy["logs"] == 102
