"""The demo must notice when an act does not end as it claims; `.ci/run` plays the whole of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from lab import demo
from lab.cli import Streams
from lab.operate import Outcome


def played(acts: list[demo.Act], outcomes: list[Outcome], monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], str]:
    out = io.StringIO()
    monkeypatch.setattr(demo, "perform", lambda *_: outcomes.pop(0))
    return demo.play(acts, Streams(io.StringIO(), out, io.StringIO())), out.getvalue()


def test_each_act_is_announced_with_its_command_and_what_to_look_for(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, out = played(list(demo.ACTS[:1]), [Outcome(0, changed=9)], monkeypatch)
    assert wrong == []
    assert "== 1/1 preview ==" in out
    assert "$ .venv/bin/python -m lab preview -s demo" in out
    assert demo.ACTS[0].look_for in " ".join(out.split())


def test_the_demo_stops_at_the_first_act_that_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = [Outcome(0, changed=9), Outcome(1), Outcome(0)]
    wrong, out = played([demo.ACTS[0], *demo.ACTS[2:]], outcomes, monkeypatch)
    assert wrong == ["up: it was claimed that up succeeds; that is not so (exit status 1)"]
    assert "3/" not in out


@pytest.mark.parametrize(
    ("claim", "outcome", "holds"),
    [
        (demo.changed_nothing, Outcome(0, changed=0), True),
        (demo.changed_nothing, Outcome(0, changed=1), False),
        (demo.changed_nothing, Outcome(1, changed=0), False),
        (demo.made_something, Outcome(0, changed=0), False),
        (demo.asked_nobody, Outcome(0, {"contacts": {}}), True),
        (demo.asked_nobody, Outcome(0, {"contacts": {}}, changed=1), False),
        (demo.asked_nobody, Outcome(0, {"contacts": {"rtx": {"dials": 1, "scripts": 0}}}), False),
        (demo.asked_nobody, Outcome(0, {}), False),
        (demo.gave_back, Outcome(0, {"stays": {"unexpected": []}}, changed=9), True),
        (demo.gave_back, Outcome(0, {"stays": {"unexpected": ["host rtx: files /etc/x is new"]}}, changed=9), False),
        (demo.gave_back, Outcome(0, {}, changed=9), False),
        (demo.names("SCH-1"), Outcome(1, failures=("SCH-1 scheduling: x\nfix: y",)), True),
        (demo.names("SCH-1"), Outcome(1, failures=("SCH-1 scheduling: x",)), False),
        (demo.names("SCH-1"), Outcome(1, failures=("OP-1 operator: x\nfix: y",)), False),
        (demo.names("SCH-1"), Outcome(0, failures=("SCH-1 scheduling: x\nfix: y",)), False),
    ],
)
def test_claims_are_checked(claim: object, outcome: Outcome, holds: bool) -> None:
    assert claim(outcome) is holds  # type: ignore[operator]


def test_the_acts_tell_the_whole_story() -> None:
    assert [act.words[0] for act in demo.ACTS] == ["preview", "up", "up", "up", "up", "up", "destroy"]
    assert demo.ACTS[3].holds is demo.asked_nobody
    assert demo.ACTS[-1].holds is demo.gave_back


def test_a_world_that_was_there_is_kept_beside(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    for text in ("first", "second"):
        folder.mkdir()
        (folder / "state.json").write_text(text)
        demo.fresh(folder)
    assert not folder.exists()
    assert (tmp_path / "demo.before" / "state.json").read_text() == "second"
