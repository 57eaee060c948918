"""What a user reads while things happen: plain lines, the tree, and the words both share."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from rich.console import Console

from decide import gke_hint
from lab.events import Change, Event, LogEvent, StepEvent, SummaryEvent
from lab.view import change_lines, changed_count, fitted, reason, seconds_text, short_type, summary_text, wrapped
from lab.view_json import JsonView
from lab.view_model import Tree
from lab.view_plain import PlainView
from lab.view_report import closing, contacts, header, last, stays, take_back, workload
from lab.view_tree import TreeView

ROOT = Path(__file__).resolve().parents[2]
STACK = "urn:pulumi:demo::gpu-ready::pulumi:pulumi:Stack::gpu-ready-demo"
STACK_TYPE = "pulumi:pulumi:Stack"
NAMESPACE = "kubernetes:core/v1:Namespace"
COMMAND = "command:local:Command"
GROUP = "gpu-ready:index:GpuValidation"
VERDICT = (
    'exit status 3: running "python3 -":\n{"nodes": []}\nSCH-1 scheduling: gpu-1 has 4 cards, the pod asks for 8\n'
    "fix: set validation.gpus to 4"
)


def urn(token: str, name: str, parent: str = "") -> str:
    return f"urn:pulumi:demo::gpu-ready::{parent}{token}::{name}"


def step(phase: str, op: str, token: str, name: str, parent: str = STACK, **more: object) -> StepEvent:
    own = STACK if token == STACK_TYPE else urn(token, name)
    return StepEvent(phase, op, token, name, own, "" if token == STACK_TYPE else parent, **more)  # type: ignore[arg-type]


def both(op: str, token: str, name: str, parent: str = STACK, **more: object) -> Iterator[StepEvent]:
    yield step("start", op, token, name, parent)
    yield step("done", op, token, name, parent, **more)


def plain(*events: Event, op: str = "up") -> str:
    out = io.StringIO()
    view = PlainView(out)
    view.begin(op, "demo")
    for event in events:
        view.event(event)
    view.end()
    return out.getvalue()


def tree_view(width: int = 80, encoding: str = "utf-8", height: int = 40) -> tuple[TreeView, io.TextIOWrapper]:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    console = Console(file=out, force_terminal=True, color_system=None, width=width, height=height)
    return TreeView(console, clock=lambda: 100.0), out


def drawn(view: TreeView, width: int = 80) -> str:
    """The tree as it stands now, without the live display around it."""
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(view.drawn())
    return out.getvalue()


def finished_tree(*events: Event, op: str = "up", width: int = 80, encoding: str = "utf-8") -> str:
    view, out = tree_view(width, encoding)
    view._reset(op, "demo")
    for event in events:
        view.event(event)
    view.live = None
    view.console.print(*view._all_lines(), sep="\n")
    view._explain()
    return str(out.buffer.getvalue().decode(encoding))  # type: ignore[attr-defined]


class TestWords:
    def test_a_change_deep_in_a_map_is_shown_by_its_full_path(self) -> None:
        old, new = {"driver": {"enabled": True, "version": "580"}}, {"driver": {"enabled": False, "version": "580"}}
        assert change_lines((Change("values", old, new),)) == ["values.driver.enabled: true -> false"]

    def test_added_and_removed_values_say_none(self) -> None:
        assert change_lines((Change("labels", {"a": "1"}, {"b": "2"}),)) == [
            'labels.a: "1" -> (none)',
            'labels.b: (none) -> "2"',
        ]

    def test_a_long_text_is_shown_as_its_changed_lines_only(self) -> None:
        old = "\n".join(f"line {number}" for number in range(200))
        lines = change_lines((Change("stdin", old, old.replace("line 77\n", "line seventy-seven\n")),))
        assert lines == ["stdin:", "  - line 77", "  + line seventy-seven"]

    def test_a_text_that_changed_altogether_is_cut(self) -> None:
        old, new = ("\n".join(f"{word} {number}" for number in range(300)) for word in ("old", "new"))
        lines = change_lines((Change("stdin", old, new),))
        assert len(lines) < 25
        assert lines[-1] == "  ... 584 more changed lines"

    def test_secrets_and_unknowns_are_said_in_words(self) -> None:
        assert change_lines((Change("token", "[secret]", "[secret]"), Change("id", "a" * 99, "[unknown]"))) == [
            "token: [secret] -> [secret]",
            f'id: "{"a" * 99}" -> known after up',
        ]
        assert change_lines((Change("env", None, {"A": "[secret]"}),)) == ['env: (none) -> {"A": [secret]}']

    def test_a_change_that_forces_a_replacement_says_so(self) -> None:
        assert change_lines((Change("handler", "a", "b", replaces=True),)) == ['handler: "a" -> "b"  (needs a new one)']

    def test_a_property_that_asks_for_a_new_one_without_having_changed_is_shown_once(self) -> None:
        assert change_lines((Change("replaceUnready", "true", "true", replaces=True),)) == [
            'replaceUnready: "true"  (needs a new one)'
        ]

    def test_the_verdict_of_a_step_comes_before_its_noise(self) -> None:
        why = reason(VERDICT)
        assert why.line == "SCH-1 scheduling: gpu-1 has 4 cards, the pod asks for 8"
        assert why.more == ("fix: set validation.gpus to 4",)

    @pytest.mark.parametrize(
        ("message", "line"),
        [
            ("exit status 1:\nno such file", "no such file"),
            ('Process exited with status 1: running "sh -s apply":\nit broke', "it broke"),
            ('Process exited with signal KILLED: running "sh":\nit broke', "it broke"),
            ("kubernetes:core/v1:Namespace: already exists", "kubernetes:core/v1:Namespace: already exists"),
            ("", "no reason given"),
            ("exit status 7", "exit status 7"),
        ],
    )
    def test_other_failures_give_the_first_line_that_says_something(self, message: str, line: str) -> None:
        assert reason(message).line == line

    @pytest.mark.parametrize(
        "said", ["/bin/sh: 1: python3: not found", "sh: line 1: python3: command not found", "bash: python3: not found"]
    )
    def test_a_missing_python_is_known_with_its_fix(self, said: str) -> None:
        why = reason(f'exit status 127: running "python3 -":\n{said}\n')
        assert why.line == "python3 is not on PATH"
        assert why.more == ("fix: install Python 3.8 or newer where this runs",)

    def test_of_a_traceback_the_last_line_comes_first(self) -> None:
        message = (
            'exit status 1: running "python3 -":\nlooking\nTraceback (most recent call last):\n  File "x"\nKeyError: 1'
        )
        assert reason(message).line == "KeyError: 1"

    def test_of_a_long_output_the_end_is_shown(self) -> None:
        why = reason("exit status 1:\nit broke\n" + "\n".join(f"waiting {number}" for number in range(50)))
        assert why.line == "it broke"
        assert why.more[0] == "... 42 lines before"
        assert why.more[-1] == "waiting 49"

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0.04, "0.0s"), (9.94, "9.9s"), (9.96, "10s"), (61, "61s"), (125, "2m 05s"), (119.9, "1m 59s")],
    )
    def test_seconds_read_well(self, seconds: float, text: str) -> None:
        assert seconds_text(seconds) == text

    def test_types_are_short_but_providers_keep_their_package(self) -> None:
        assert short_type(NAMESPACE) == "Namespace"
        assert short_type("pulumi:providers:kubernetes") == "Provider kubernetes"

    def test_a_summary_counts_what_changed_and_what_did_not(self) -> None:
        summary = SummaryEvent("up", {"same": 7, "delete": 1, "create": 2}, "succeeded", 1.0)
        assert summary_text(summary, preview=False) == "2 created, 1 deleted, 7 unchanged"
        assert summary_text(summary, preview=True) == "2 to create, 1 to delete, 7 unchanged"
        assert changed_count(summary) == 3

    def test_a_summary_without_changes_says_0_changes(self) -> None:
        assert (
            summary_text(SummaryEvent("up", {"same": 9}, "succeeded", 1.0), preview=False) == "0 changes, 9 unchanged"
        )

    def test_wrapped_lines_stand_under_the_last_column(self) -> None:
        text = "driver        host  it is there already, so nobody else may build one"
        assert wrapped(text, 40).splitlines() == [
            "driver        host  it is there already,",
            "                    so nobody else may",
            "                    build one",
        ]
        assert wrapped("  one two three", 9).splitlines() == ["  one two", "    three"]
        assert wrapped(text, 100) == text

    def test_on_a_narrow_screen_the_values_of_a_change_stay_visible(self) -> None:
        line = 'spec.template.spec.containers[0].resources.limits["nvidia.com/gpu"]: "1" -> "8"'
        assert fitted(line, 44) == '…ources.limits["nvidia.com/gpu"]: "1" -> "8"'
        assert fitted(line, 200) == line
        assert fitted("- " + "x: y" * 40, 44) == "- " + "x: y" * 40


class TestPlainLines:
    def test_a_created_resource_is_one_line_with_full_type_and_seconds(self) -> None:
        text = plain(*both("create", NAMESPACE, "gpu-operator", seconds=0.2))
        assert text == "+ create kubernetes:core/v1:Namespace gpu-operator (0.2s)\n"

    def test_a_preview_shows_no_seconds(self) -> None:
        text = plain(*both("create", NAMESPACE, "gpu-operator", seconds=0.2), op="preview")
        assert text == "+ create kubernetes:core/v1:Namespace gpu-operator\n"

    def test_unchanged_resources_and_default_providers_are_not_told(self) -> None:
        assert plain(*both("same", NAMESPACE, "a"), *both("create", "pulumi:providers:command", "default_1_2_1")) == ""

    def test_an_explicit_provider_is_told(self) -> None:
        assert "cluster" in plain(*both("create", "pulumi:providers:kubernetes", "cluster"))

    def test_an_update_lists_its_values(self) -> None:
        text = plain(*both("update", COMMAND, "gate", changes=(Change("create", "a", "b"),)))
        assert '    create: "a" -> "b"\n' in text

    def test_drift_found_by_a_refresh_is_told(self) -> None:
        text = plain(*both("refresh", NAMESPACE, "ns", changes=(Change("metadata.labels.a", "1", None),)), op="refresh")
        assert "↻ refresh kubernetes:core/v1:Namespace ns" in text
        assert 'metadata.labels.a: "1" -> (none)' in text

    def test_a_failure_is_one_line_with_its_reason_and_the_fix_below(self) -> None:
        text = plain(
            step("start", "create", COMMAND, "gate"), step("failed", "create", COMMAND, "gate", message=VERDICT)
        )
        first, second = text.splitlines()
        assert first == "✗ create command:local:Command gate failed (0.0s): " + reason(VERDICT).line
        assert second == "    fix: set validation.gpus to 4"

    def test_a_replacement_is_told_once(self) -> None:
        text = plain(
            *(
                event
                for op in ("create-replacement", "replace", "delete-replaced")
                for event in both(op, NAMESPACE, "a")
            )
        )
        assert text.count("\n") == 1
        assert text.startswith("± replace")

    def test_progress_is_told_when_it_changes(self) -> None:
        words = ["waiting 1", "waiting 1", "waiting 2"]
        text = plain(
            step("start", "create", COMMAND, "gate"), *(LogEvent("info", word, urn(COMMAND, "gate")) for word in words)
        )
        assert text == "  gate: waiting 1\n  gate: waiting 2\n"

    def test_of_a_long_wait_the_reader_sees_how_long_it_lasts_and_not_each_try(self) -> None:
        back = urn(COMMAND, "tesla-back")
        events = [
            LogEvent("warning", "retrying create due to on-error hook request (3/100)", back),
            LogEvent("info", "Dial 1/2 failed: retrying (43 simulated seconds)", back),
            LogEvent("info", "trying again after 45 simulated seconds", back),
        ]
        assert plain(*events) == "  tesla-back: trying again after 45 simulated seconds\n"
        assert "retrying create" not in finished_tree(step("start", "create", COMMAND, "tesla-back"), *events)

    def test_of_a_very_long_wait_a_log_shows_ever_fewer_lines(self) -> None:
        back = urn(COMMAND, "back")
        events = [
            LogEvent("info", text, back)
            for seconds in range(20, 2000, 20)
            for text in ("not yet: the old boot", f"trying again after {seconds} simulated seconds")
        ]
        assert plain(*events).splitlines() == [
            "  back: not yet: the old boot",
            *(f"  back: trying again after {n} simulated seconds" for n in (20, 40, 80, 160, 320, 640, 1280)),
        ]

    def test_a_try_beside_a_running_step_is_its_newest_progress(self) -> None:
        view, _out = tree_view()
        view.begin("up", "demo")
        view.event(step("start", "create", COMMAND, "back"))
        for event in (
            LogEvent("info", "Dial 1/2 failed: retrying (43 simulated seconds)", urn(COMMAND, "back")),
            LogEvent("warning", "retrying create due to on-error hook request (3/100)", urn(COMMAND, "back")),
        ):
            view.event(event)
        row = drawn(view).splitlines()[1]
        view.end()
        assert row.endswith("Dial 1/2 failed: retrying (43 simulated seconds)")

    def test_a_verdict_is_left_to_the_failure_that_follows(self) -> None:
        words = ["looking", "SCH-1 scheduling: too small", "fix: make it bigger"]
        text = plain(*(LogEvent("info", word, urn(COMMAND, "gate")) for word in words))
        assert text == "  gate: looking\n"

    def test_what_follows_a_verdict_is_left_to_the_failure_too_until_the_step_begins_again(self) -> None:
        words = ["HST-64 reboot: never", "fix: allow it", "mended on the host itself? look: 2", "looking"]
        told = [LogEvent("info", word, urn(COMMAND, "gate")) for word in words]
        retry = LogEvent("warning", "retrying create due to on-error hook request (3/100)", urn(COMMAND, "gate"))
        other = LogEvent("info", "working", urn(COMMAND, "other"))
        again = StepEvent("start", "create", COMMAND, "gate", urn(COMMAND, "gate"))
        assert plain(*told, other) == "  other: working\n"
        assert plain(*told, retry, told[-1]) == "  gate: looking\n"
        assert plain(*told, again, told[-1]) == "  gate: looking\n"

    def test_lines_of_the_program_are_told_once_however_often_it_runs(self) -> None:
        out = io.StringIO()
        view = PlainView(out)
        for op in ("preview", "up"):
            view.begin(op, "demo")
            view.event(LogEvent("info", "driver: host"))
            view.event(LogEvent("warning", "old kernel"))
        assert out.getvalue() == "driver: host\nwarning: old kernel\n"

    def test_a_warning_names_its_resource(self) -> None:
        event = LogEvent("warning", "it may exist", urn(COMMAND, "gate"))
        assert plain(event) == "warning: gate: it may exist\n"
        assert "error: gate: it is gone" in finished_tree(LogEvent("error", "it is gone", urn(COMMAND, "gate")))

    def test_debug_is_not_told(self) -> None:
        assert plain(LogEvent("debug", "noise")) == ""

    def test_plain_output_never_imports_rich(self) -> None:
        code = "import sys, lab.cli, lab.view_plain, lab.view_json; sys.exit('rich' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


class TestTree:
    def test_children_stand_under_their_parent(self) -> None:
        text = finished_tree(
            *both("create", GROUP, "proof"),
            *both("create", NAMESPACE, "ns", urn(GROUP, "proof")),
            *both("create", COMMAND, "last"),
        )
        assert text.splitlines()[1:] == [
            "├─ + proof    0.0s  GpuValidation",
            "│  └─ + ns    0.0s  Namespace",
            "└─ + last     0.0s  Command",
        ]

    def test_unchanged_resources_are_hidden_unless_something_under_them_changed(self) -> None:
        text = finished_tree(
            *both("same", GROUP, "proof"),
            *both("create", NAMESPACE, "ns", urn(GROUP, "proof")),
            *both("same", COMMAND, "quiet"),
        )
        assert "proof" in text
        assert "ns" in text
        assert "quiet" not in text

    def test_the_newest_progress_stands_beside_a_running_step_with_its_seconds(self) -> None:
        view, _out = tree_view()
        view.begin("up", "demo")
        view.clock = lambda: 112.0
        view.event(step("start", "create", COMMAND, "gate"))
        for word in ("waiting for the operator", "waiting for the Jobs"):
            view.event(LogEvent("info", word, urn(COMMAND, "gate")))
        row = drawn(view).splitlines()[1]
        view.end()
        assert row.startswith("└─ ")
        assert row.endswith("gate     12s  waiting for the Jobs")

    def test_progress_that_is_too_long_to_stand_beside_the_step_stands_below_it(self) -> None:
        view, _out = tree_view()
        view.begin("up", "demo")
        view.event(step("start", "create", COMMAND, "gate"))
        view.event(LogEvent("info", "waiting for " + "a long time " * 5, urn(COMMAND, "gate")))
        rows = drawn(view).splitlines()
        view.end()
        assert rows[1].endswith("creating Command")
        assert rows[2].strip() == ("waiting for " + "a long time " * 5).strip()

    def test_a_step_that_was_running_when_all_ended_is_said_not_finished(self) -> None:
        assert "not finished" in finished_tree(step("start", "create", GROUP, "proof"))

    def test_a_failure_shows_one_line_in_the_tree_and_the_whole_reason_below(self) -> None:
        text = finished_tree(
            step("start", "create", COMMAND, "gate"), step("failed", "create", COMMAND, "gate", message=VERDICT)
        )
        assert "✗ gate" in text
        assert text.count("SCH-1 scheduling") == 2
        assert "why gate failed:" in text
        assert "  fix: set validation.gpus to 4" in text

    def test_what_plain_lines_say_of_a_failed_gate_the_tree_says_too(self) -> None:
        words = ["waiting for scheduler: soon", "  0/3 nodes are available", "  also DP-3: a taint"]
        words += ["SCH-1 scheduler: too small", "fix: make it bigger"]
        gate = urn(COMMAND, "gate")
        events: list[Event] = [LogEvent("info", word, gate) for word in words]
        message = "\n".join(['exit status 3: running "python3 -":', *words])
        events.append(step("failed", "create", COMMAND, "gate", message=message))
        plain_lines, tree_lines = plain(*events).splitlines(), finished_tree(*events).splitlines()
        evidence = ["0/3 nodes are available", "also DP-3: a taint"]
        assert plain_lines[1:3] == [f"  gate: {line}" for line in evidence]
        assert tree_lines[tree_lines.index("why gate failed:") + 1 :] == [
            *(f"  {line}" for line in evidence), "  SCH-1 scheduler: too small", "  fix: make it bigger",
        ]  # fmt: skip

    def test_a_component_with_a_failed_child_is_incomplete(self) -> None:
        failed = step("failed", "create", COMMAND, "gate", urn(GROUP, "proof"), message="no")
        rows = finished_tree(*both("create", GROUP, "proof"), failed).splitlines()
        assert rows[1].endswith("incomplete")

    def test_an_error_that_a_step_told_already_is_not_told_again(self) -> None:
        events: list[Event] = [
            step("failed", "create", COMMAND, "gate", message=VERDICT),
            LogEvent("error", VERDICT, urn(COMMAND, "gate")),
        ]
        assert finished_tree(*events).count("exit status 3") == 0
        assert plain(*events).count("SCH-1") == 1

    def test_an_error_of_the_program_stands_below_the_tree(self) -> None:
        text = finished_tree(*both("create", NAMESPACE, "ns"), LogEvent("error", "ValueError: no such card"))
        assert text.splitlines()[-1] == "error: ValueError: no such card"

    def test_a_preview_shows_no_seconds(self) -> None:
        row = finished_tree(*both("create", NAMESPACE, "ns", seconds=3.0), op="preview").splitlines()[1]
        assert "3.0s" not in row

    def test_changes_stand_under_the_resource(self) -> None:
        text = finished_tree(*both("update", COMMAND, "gate", changes=(Change("create", "a", "b"),)))
        assert '     create: "a" -> "b"' in text

    def test_a_replaced_resource_is_marked_as_replaced(self) -> None:
        ops = ("create-replacement", "replace", "delete-replaced")
        assert "± a" in finished_tree(*(event for op in ops for event in both(op, NAMESPACE, "a")))

    def test_children_deleted_before_their_parent_still_stand_under_it(self) -> None:
        child = [*both("delete", NAMESPACE, "ns", urn(GROUP, "proof"))]
        rows = finished_tree(*child, *both("delete", GROUP, "proof"), op="destroy").splitlines()[1:]
        assert [row.split()[-3] for row in rows] == ["proof", "ns"]

    @pytest.mark.parametrize("width", [40, 80, 120])
    def test_no_line_is_wider_than_the_screen(self, width: int) -> None:
        long_change = Change("create", "a" * 300, "b" * 300)
        text = finished_tree(*both("update", COMMAND, "n" * 60, changes=(long_change,)), width=width)
        assert max(len(line) for line in text.splitlines()) <= width

    def test_a_tree_taller_than_the_screen_shows_its_end_while_it_grows(self) -> None:
        view, _out = tree_view(height=12)
        view.begin("up", "demo")
        for number in range(40):
            view.event(step("start", "create", NAMESPACE, f"ns-{number}"))
        rows = drawn(view).splitlines()
        view.end()
        assert len(rows) == 10
        assert "more lines" in rows[1]
        assert "ns-39" in rows[-1]

    def test_without_utf8_only_ascii_is_drawn(self) -> None:
        ops = ("create", "update", "delete", "replace", "refresh")
        change = (Change("a", 1, 2),)
        text = finished_tree(
            *(event for op in ops for event in both(op, NAMESPACE, op, changes=change)),
            step("failed", "create", COMMAND, "gate", message="no"),
            encoding="ascii",
        )
        assert text.isascii()
        assert "x gate" in text

    def test_the_finished_tree_stays_on_the_screen(self) -> None:
        view, out = tree_view()
        view.begin("up", "demo")
        view.event(LogEvent("info", "driver: host"))
        for event in both("create", NAMESPACE, "ns", seconds=0.3):
            view.event(event)
        view.event(SummaryEvent("up", {"create": 1}, "succeeded", 1.5))
        view.end()
        text = out.buffer.getvalue().decode()  # type: ignore[attr-defined]
        assert text.rstrip().endswith("└─ + ns    0.3s  Namespace")
        assert text.count("driver: host") == 1


def test_a_tree_moves_a_node_when_its_parent_becomes_known() -> None:
    tree = Tree(clock=lambda: 0.0)
    tree.step(step("start", "delete", NAMESPACE, "ns", urn(GROUP, "proof")))
    tree.step(step("start", "delete", GROUP, "proof"))
    assert [(row.node.name, row.guides) for row in tree.rows()] == [("proof", "└─ "), ("ns", "   └─ ")]


class TestJson:
    def test_steps_diagnostics_and_counts_are_kept(self) -> None:
        view = JsonView()
        view.begin("up", "demo")
        view.say("a line for people")
        view.event(LogEvent("warning", "old kernel"))
        view.event(LogEvent("debug", "noise"))
        for event in both("update", COMMAND, "gate", seconds=1.234, changes=(Change("create", "a", "[secret]"),)):
            view.event(event)
        view.event(step("failed", "create", NAMESPACE, "ns", message="already exists"))
        view.event(SummaryEvent("up", {"update": 1}, "failed", 2.0))
        found = json.loads(json.dumps(view.document()))
        assert found["steps"] == [
            {
                "op": "update", "type": COMMAND, "name": "gate", "urn": urn(COMMAND, "gate"), "result": "done",
                "seconds": 1.234, "changes": [{"path": "create", "old": "a", "new": "[secret]", "replaces": False}],
            },
            {
                "op": "create", "type": NAMESPACE, "name": "ns", "urn": urn(NAMESPACE, "ns"), "result": "failed",
                "seconds": 0.0, "message": "already exists",
            },
        ]  # fmt: skip
        assert found["diagnostics"] == [{"severity": "warning", "text": "old kernel"}]
        assert (found["changes"], found["result"], found["seconds"]) == ({"update": 1}, "failed", 2.0)


class TestReport:
    NODE: ClassVar = {
        "name": "gpu-1", "card": "L4", "memory": "24 GiB", "gpus": 1, "driver": "580.1", "cuda": "13.0", "seconds": 4.2,
    }  # fmt: skip

    def test_a_node_whose_checks_all_passed_is_ready(self) -> None:
        checks = [
            {"name": "nvidia-smi", "passed": True, "evidence": "NVIDIA L4, 580.1"},
            {"name": "vectoradd", "passed": True},
        ]
        assert [line.text for line in closing({"nodes": [{**self.NODE, "checks": checks}]})] == [
            "",
            "GPU ready: gpu-1: 1 x L4 24 GiB, driver 580.1, CUDA up to 13.0, 4s",
            "  passed nvidia-smi: NVIDIA L4, 580.1",
            "  passed vectoradd",
        ]

    @pytest.mark.parametrize(
        "checks", [[], [{"name": "a", "passed": True}, {"name": "b", "passed": False, "evidence": "no"}]]
    )
    def test_a_node_without_a_check_or_with_a_failed_one_is_not_ready(self, checks: list[dict[str, object]]) -> None:
        lines = [line.text for line in closing({"nodes": [{**self.NODE, "checks": checks}]})]
        assert lines[1].startswith("NOT ready: gpu-1")
        assert ("  FAILED b: no" in lines) == bool(checks)

    def test_what_is_not_known_of_a_node_is_left_out(self) -> None:
        assert (
            next(line.text for line in closing({"nodes": [{"name": "n"}]}) if line.text)
            == "NOT ready: n: 1 x unknown card"
        )

    def test_below_a_node_stands_what_its_host_shows_of_itself(self) -> None:
        shown = {"driver": "580.126.20", "toolkit": "1.19.0", "runtime": "containerd 1.7.24", "cards": ["L4"]}
        hosts = {"rtx": {"node": "gpu-1", **shown}, "other": {"node": "gpu-2", "driver": "1"}}
        lines = [line.text for line in closing({"nodes": [{**self.NODE, "checks": []}]}, hosts)]
        assert lines[-1] == "  host rtx: driver 580.126.20, toolkit 1.19.0, containerd 1.7.24, L4"
        assert len(lines) == 3
        assert list(closing({}, hosts)) == []

    @pytest.mark.parametrize(
        ("found", "op", "said"),
        [
            ({}, "up", ", 0 connections to hosts"),
            ({"rtx": {"dials": 1, "scripts": 1}}, "up", ", 1 connection to hosts (1 script run)"),
            (
                {"rtx": {"dials": 3, "scripts": 2, "copies": 1}},
                "up",
                "3 connections to hosts (2 scripts run, 1 file sent)",
            ),
            ({"a": {"dials": 3, "scripts": 2}, "b": {"dials": 2, "scripts": 0}}, "up", "5 connections to hosts (2 scr"),
            ({}, "preview", ""),
        ],
    )
    def test_how_much_hosts_were_bothered_is_said(self, found: dict[str, Any], op: str, said: str) -> None:
        text = contacts({"192.0.2.1": "rtx"}, found, op)
        assert said in text
        assert bool(text) is bool(said)
        assert contacts({}, {}, op) == ""

    def test_a_report_of_an_earlier_run_says_so(self) -> None:
        checks = [{"name": "vectoradd", "passed": True}]
        lines = [line.text for line in closing({"nodes": [{**self.NODE, "checks": checks}]}, earlier="proven earlier")]
        assert lines[1].endswith("4s, proven earlier")

    def test_a_validation_that_is_off_is_said_to_be(self) -> None:
        report = {"ready": None, "why": "validation.enabled is false"}
        assert [line.text for line in closing(report)] == ["not validated: validation.enabled is false"]

    def test_untested_nodes_are_named_with_their_reason(self) -> None:
        report = {"not_tested": ["gpu-2", {"name": "gpu-3", "reason": "not Ready"}], "warnings": ["old"]}
        assert [line.text for line in closing(report) if line.text] == [
            "  not tested: gpu-2", "  not tested: gpu-3: not Ready", "  warning: old",
        ]  # fmt: skip

    def test_without_a_report_nothing_is_claimed(self) -> None:
        assert list(closing({})) == []

    def test_a_workload_can_be_copied_as_it_is(self) -> None:
        copied = [line.text for line in workload("a: 1\nb:\n  c: 2\n") if line.copied]
        assert copied == ["a: 1", "b:", "  c: 2"]
        assert list(workload("")) == []

    def test_the_way_back_is_named_for_the_rehearsal_and_for_the_real_thing(self) -> None:
        first, *lines = [line.text for line in take_back("demo", "pulumi destroy -s demo\nstays: CRDs")]
        assert first.startswith("take it back: .venv/bin/python -m lab destroy -s demo ")
        assert first.endswith("(outside of the rehearsal: pulumi destroy -s demo)")
        assert lines == ["  stays: CRDs"]
        free, *_more = take_back("ml", gke_hint.destroy_hint("ml", {"allow_replace": False}, "pulumi destroy -s ml"))
        both = "up -s ml --yes --set gke.allowReplace=true, then .venv/bin/python -m lab destroy -s ml"
        assert free.text.startswith(f"take it back: .venv/bin/python -m lab {both} (outside")
        assert next(take_back("my stack.yaml", "")).text.endswith("destroy -s 'my stack.yaml'")

    def test_what_stays_is_listed_and_nothing_is_said_to_be_nothing(self) -> None:
        assert [line.text for line in stays(["crd/a"])][1] == "  crd/a"
        assert "nothing stays" in next(iter(stays([]))).text
        assert [line.text for line in stays([], ["pod/b"])] == ["should not have stayed:", "  pod/b"]

    def test_one_node_is_not_called_nodes(self) -> None:
        assert "(1 node);" in header(1)[0].text
        assert "(1 node), 2 simulated hosts;" in header(1, hosts=2)[0].text

    def test_simulated_time_is_told_apart_from_real_time(self) -> None:
        assert "in 2.0s (58s in the simulated cluster)" in last("up", "demo", "succeeded", 2.0, "1 created", 58.0).text
