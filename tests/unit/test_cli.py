"""The commands as a user meets them: what is printed, asked and refused, and with which exit status."""

from __future__ import annotations

import fcntl
import getpass
import io
import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lab.cli import Streams, main, parser, perform, speed, view_for
from lab.cluster.spec import WorldError
from lab.cluster.switches import Turned
from lab.operate import STOPPED, STOPPING, Outcome
from lab.parts import Parts
from lab.pipe import lasting
from lab.provider import CheckFailure, Context, Diff, Props, ProviderError
from lab.providers.contacts import Contacts
from lab.providers.remote_command import RemoteCommands
from lab.session import Session
from lab.stack_file import WrongUse
from lab.state import FileStore

PROGRAM = """\
import pulumi
config = pulumi.Config("gpu-ready")
pulumi.log.info("driver: host, because it is there")
class Thing(pulumi.CustomResource):
    def __init__(self, name, size, opts=None):
        super().__init__("fake:index:Thing", name, {"size": size}, opts)
group = pulumi.ComponentResource("gpu-ready:index:Group", "group", None)
first = Thing("first", config.get("size") or "1", pulumi.ResourceOptions(parent=group))
second = Thing("second", "1", pulumi.ResourceOptions(parent=group, depends_on=[first]))
group.register_outputs({})
pulumi.export("hosts", {"rtx": {"node": "gpu-1", "driver": "580.126", "runtime": "containerd 1.7.24"}})
check = {"name": "vectoradd", "passed": True, "evidence": "Test PASSED"}
node = {"name": "gpu-1", "card": "A10G", "memory": "24 GiB", "gpus": 2, "driver": "580.126", "cuda": "13.0"}
node |= {"checks": [check], "seconds": 4}
pulumi.export("report", {"nodes": [node], "not_tested": ["gpu-2"], "warnings": ["one is old"]})
pulumi.export("first_workload", "apiVersion: v1\\nkind: Pod\\n")
pulumi.export("destroy_hint", "pulumi destroy -s demo\\nstays: CRDs")
pulumi.export("token", pulumi.Output.secret("hidden"))
"""
LAST = "nothing real was touched"


class FakeWorld:
    """Keeps its data in the file that a real one would use."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def open(self) -> Iterator[FakeWorld]:
        yield self

    def switch(self, path: str, value: Any) -> None:
        if path not in ("fault", "stays"):
            raise WorldError("there is no such switch")
        self.path.write_text(json.dumps({**self.snapshot(), path: value}))

    def switched(self) -> list[Turned]:
        turned = {key: value for key, value in self.snapshot().items() if key in ("fault", "stays") and value}
        return [Turned(key, value, "none") for key, value in turned.items()]

    def snapshot(self) -> dict[str, Any]:
        return dict(json.loads(self.path.read_text()))

    def hosts(self) -> list[dict[str, str]]:
        return list(self.snapshot().get("hosts", []))

    def is_outline(self) -> bool:
        return False

    def remainder(self, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
        return [str(after[key]) for key in after if after[key] != before.get(key)]

    def unexpected(self, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
        return [one for one in self.remainder(before, after) if not one.startswith("crd/")]

    def list(self, kind: str) -> list[str]:
        assert kind == "Node"
        return list(self.snapshot()["nodes"])


class FakeProvider:
    """Things that fail when the world says so."""

    package = "fake"

    def __init__(self, world: FakeWorld, running: threading.Event, go_on: threading.Event) -> None:
        self.world, self.running, self.go_on = world, running, go_on
        self.remote = RemoteCommands()

    def check(self, ctx: Context, olds: Props | None, news: Props) -> tuple[Props, list[CheckFailure]]:
        return news, []

    def diff(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Diff:
        return Diff(("size",) if old_inputs != new_inputs else ())

    def create(self, ctx: Context, inputs: Props) -> tuple[str, Props]:
        if not ctx.preview:
            self._work(ctx)
        return "" if ctx.preview else f"{ctx.name}-id", dict(inputs)

    def _work(self, ctx: Context) -> None:
        fault = self.world.snapshot().get("fault")
        ctx.say("working on it")
        for host in self.world.hosts():
            self.remote.contacts[host["address"]] = Contacts(dials=2, scripts=1)
        if fault == ctx.name:
            raise ProviderError("exit status 3:\nSCH-1 scheduling: too small\nfix: make it bigger")
        if fault == f"slow {ctx.name}":
            self.running.set()
            assert self.go_on.wait(5)

    def update(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Props:
        return dict(new_inputs)

    def delete(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> None:
        return None

    def read(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> tuple[Props, Props] | None:
        return inputs, outputs

    def invoke(self, ctx: Context, token: str, args: Props) -> Props:
        raise ProviderError("nothing to invoke")

    def check_config(self, news: Props) -> list[CheckFailure]:
        return []

    def diff_config(self, olds: Props, news: Props) -> Diff:
        return Diff()


class FakeParts(Parts):
    """The parts of a session without any real room behind them."""

    def __init__(self) -> None:
        self.running, self.go_on = threading.Event(), threading.Event()

    def wish(self, own: Any, secret_keys: Any) -> Any:
        if "sizes" in own:
            raise WrongUse("1 fault in the settings; nothing was made:\n  sizes: unknown key. Did you mean: size")
        return own

    def world(self, path: Path, speed: float) -> Any:
        return FakeWorld(path)

    def new_world(self, path: Path, spec: dict[str, Any], speed: float, machines: bool = True) -> Any:
        path.write_text(json.dumps(spec))
        return FakeWorld(path)

    hosts: tuple[dict[str, str], ...] = ()

    def derived_world(self, wish: Any) -> dict[str, Any]:
        return {"nodes": ["gpu-1", "gpu-2", "control-1"], "hosts": self.hosts}

    def providers(self, world: Any, root: Path) -> Any:
        return [FakeProvider(world, self.running, self.go_on)]


class Terminal(io.StringIO):
    """An answer typed at a prompt."""

    def isatty(self) -> bool:
        return True


class Lab:
    """A checkout with one stack, and what its commands printed."""

    def __init__(self, root: Path) -> None:
        self.root, self.parts = root, FakeParts()
        (root / "stacks").mkdir()
        (root / "stacks" / "Pulumi.demo.yaml").write_text("config: {gpu-ready:size: '1'}\n")
        (root / "__main__.py").write_text(PROGRAM)
        self.out, self.err = "", ""

    def __call__(self, *words: str, answer: str | None = None, stack: str = "demo") -> Outcome:
        stdin = io.StringIO() if answer is None else Terminal(answer)
        streams = Streams(stdin, io.StringIO(), io.StringIO())
        outcome = perform(parser().parse_args([*words, "-s", stack]), streams, self.parts, self.root)
        self.out, self.err = streams.stdout.getvalue(), streams.stderr.getvalue()  # type: ignore[attr-defined]
        return outcome

    def json(self, *words: str) -> dict[str, Any]:
        self(*words, "--json")
        return dict(json.loads(self.out))

    @property
    def state(self) -> Path:
        return self.root / ".lab" / "demo" / "state.json"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.delenv("GPU_READY_LAB_DIR", raising=False)
    return Lab(tmp_path)


class TestOperations:
    def test_first_and_last_line_say_what_is_simulated(self, lab: Lab) -> None:
        for words in (["preview"], ["up", "--yes"], ["refresh"], ["state"], ["destroy", "--yes"]):
            assert lab(*words).exit == 0
            lines = lab.out.splitlines()
            assert lines[0] == "rehearsal: built-in engine, simulated cluster (3 nodes); nothing real is touched"
            assert lines[-1].startswith(
                f"rehearsal: {words[0]} of demo succeeded" if words != ["state"] else "rehearsal: state"
            )

    def test_how_often_hosts_were_bothered_is_told_by_name_and_a_second_up_bothers_none(self, lab: Lab) -> None:
        lab.parts.hosts = ({"address": "192.0.2.10", "name": "rtx"},)
        assert lab.json("up", "--yes")["contacts"] == {"rtx": {"dials": 2, "scripts": 1, "copies": 0}}
        assert lab.json("up", "--yes")["contacts"] == {}
        lab("up", "--yes")
        assert "simulated cluster (3 nodes), 1 simulated host; nothing" in lab.out.splitlines()[0]
        assert "4 unchanged, 0 connections to hosts; nothing real" in lab.out.splitlines()[-1]

    def test_up_says_what_the_program_says_what_it_made_and_what_it_proved(self, lab: Lab) -> None:
        lab("up", "--yes")
        told = [
            "driver: host, because it is there", "+ create fake:index:Thing first (SECONDS)", "  first: working on it",
            "GPU ready: gpu-1: 2 x A10G 24 GiB, driver 580.126, CUDA up to 13.0, 4s", "  passed vectoradd: Test PASSED",
            "  host rtx: driver 580.126, containerd 1.7.24",
            "  not tested: gpu-2", "  warning: one is old",
            "take it back: .venv/bin/python -m lab destroy -s demo (outside of the rehearsal: pulumi destroy -s demo)",
            "  stays: CRDs", "kind: Pod",
        ]  # fmt: skip
        lines = re.sub(r"\(\d\.\ds\)", "(SECONDS)", lab.out).splitlines()
        assert [line for line in told if line not in lines] == []
        assert "hidden" not in lab.out

    def test_up_again_has_0_changes(self, lab: Lab) -> None:
        lab("up", "--yes")
        assert lab("up", "--yes").changed == 0
        assert "0 changes, 4 unchanged" in lab.out
        (line,) = [line for line in lab.out.splitlines() if line.startswith("GPU ready: gpu-1")]
        assert line.endswith(", proven earlier (nothing ran now)")
        assert "take it back" not in lab.out

    def test_only_a_gate_that_ran_makes_a_new_report(self, lab: Lab) -> None:
        program = lab.root / "__main__.py"
        program.write_text(PROGRAM.replace('Thing("second"', 'Thing("proof-gate"'))
        assert lab.json("up", "--yes")["proven_now"] is True
        lab("up", "--yes", "--set", "size='2'")
        assert "4s, proven earlier (no check ran now)\n" in lab.out
        program.write_text(program.read_text().replace('"proof-gate", "1"', '"proof-gate", "2"'))
        lab("up", answer="y\n")
        assert "GPU ready: gpu-1" in lab.out
        assert "proven earlier" not in lab.out
        assert lab.json("up", "--yes")["proven_now"] is False
        announced = "'3' if pulumi.runtime.is_dry_run() else '2'"
        program.write_text(program.read_text().replace('"proof-gate", "2"', f'"proof-gate", {announced}'))
        lab("up", answer="y\n")
        assert "proven earlier" in lab.out, "a preview is no proof"

    def test_what_is_not_validated_is_said(self, lab: Lab) -> None:
        report = 'pulumi.export("report", {"ready": None, "why": "validation.enabled is false"})\n'
        (lab.root / "__main__.py").write_text(PROGRAM + report)
        lab("up", "--yes")
        assert "not validated: validation.enabled is false\n" in lab.out
        assert "GPU ready" not in lab.out

    def test_a_stack_that_was_named_by_its_path_is_taken_back_by_its_path(self, lab: Lab, tmp_path: Path) -> None:
        path = tmp_path / "my stacks" / "Pulumi.demo.yaml"
        path.parent.mkdir()
        path.write_text("config: {gpu-ready:size: '3'}\n")
        lab("up", "--yes")
        assert lab("up", "--yes", stack=str(path)).changed == 4
        assert f"take it back: .venv/bin/python -m lab destroy -s '{path}' (outside" in lab.out
        assert lab("destroy", "--yes", stack=str(path)).changed == 4
        assert lab("up", "--yes").changed == 0, "the stack of that name in stacks/ has a state of its own"

    def test_a_changed_setting_is_shown_with_its_values(self, lab: Lab) -> None:
        lab("up", "--yes")
        assert lab("up", "--yes", "--set", "size='2'").changed == 1
        assert '    size: "1" -> "2"' in lab.out

    def test_a_preview_makes_nothing(self, lab: Lab) -> None:
        assert lab("preview").exit == 0
        assert "4 to create" in lab.out
        assert not lab.state.exists()

    def test_destroy_says_what_stays(self, lab: Lab) -> None:
        lab("up", "--yes")
        lab("destroy", "--yes", "--set", "world.stays=crd/a")
        assert "stays in the cluster, as the destroy hint of up says:\n  crd/a\n" in lab.out

    def test_destroy_says_what_should_not_have_stayed(self, lab: Lab) -> None:
        lab("up", "--yes")
        world = lab.state.with_name("world.json")
        world.write_text(world.read_text().replace("control-1", "control-2"))
        lab("destroy", "--yes")
        assert "should not have stayed:\n  ['gpu-1', 'gpu-2', 'control-2']" in lab.out

    def test_what_the_user_switched_is_not_called_our_remainder(self, lab: Lab) -> None:
        lab("up", "--yes")
        lab("destroy", "--yes", "--set", "world.stays=taint")
        assert "differs from the start; switches of the world were turned meanwhile:\n  taint\n" in lab.out

    @pytest.mark.parametrize("text", ['{"nodes": [', "[]", "\udcff"])
    def test_a_beginning_that_cannot_be_read_is_a_sentence_after_all_was_deleted(self, lab: Lab, text: str) -> None:
        lab("up", "--yes")
        start = lab.state.with_name("start.json")
        start.write_bytes(text.encode(errors="surrogateescape"))
        outcome = lab("destroy", "--yes")
        assert (outcome.exit, outcome.changed, lab.err) == (0, 4, "")
        assert f"all was deleted; what stays cannot be told: {start} cannot be read (" in lab.out
        assert "nothing stays" not in lab.out
        assert outcome.document["stays"]["unknown"]
        start.unlink()
        lab("up", "--yes")
        lab("destroy", "--yes")
        assert "nothing stays" in lab.out

    def test_destroy_says_when_nothing_stays(self, lab: Lab) -> None:
        lab("up", "--yes")
        lab("destroy", "--yes")
        assert "nothing stays" in lab.out
        assert "4 deleted" in lab.out

    def test_destroy_of_nothing_is_fine(self, lab: Lab) -> None:
        assert lab("destroy", "--yes").exit == 0
        assert "0 changes" in lab.out


class TestQuestions:
    @pytest.mark.parametrize("op", ["up", "destroy"])
    def test_without_a_terminal_and_yes_it_refuses_and_says_what_to_add(self, lab: Lab, op: str) -> None:
        assert lab(op).exit == 2
        assert "add --yes" in lab.err
        assert not lab.state.exists()

    def test_up_shows_the_preview_and_asks(self, lab: Lab) -> None:
        assert lab("up", answer="y\n").exit == 0
        assert "preview: 4 to create" in lab.out
        assert "up demo in the simulated cluster? [y/N]" in lab.out
        assert lab.state.exists()

    @pytest.mark.parametrize("answer", ["n\n", "", "what\n"])
    def test_anything_but_yes_changes_nothing(self, lab: Lab, answer: str) -> None:
        assert lab("up", answer=answer).exit == 1
        assert "nothing was changed" in lab.out
        assert not lab.state.exists()

    def test_without_changes_nothing_is_asked(self, lab: Lab) -> None:
        lab("up", "--yes")
        assert lab("up", answer="").exit == 0
        assert "[y/N]" not in lab.out

    def test_destroy_lists_what_goes_and_asks(self, lab: Lab) -> None:
        lab("up", "--yes")
        assert lab("destroy", answer="n\n").exit == 1
        assert "- delete fake:index:Thing first" in lab.out
        assert "preview: 4 to delete" in lab.out
        assert "first" in lab.state.read_text()

    def test_a_preview_that_fails_is_not_followed_by_a_question(self, lab: Lab) -> None:
        (lab.root / "__main__.py").write_text("raise ValueError('no such card')")
        assert lab("up", answer="y\n").exit == 1
        assert "no such card" in lab.out
        assert "[y/N]" not in lab.out


class TestSwitches:
    @pytest.mark.parametrize("op", [["preview"], ["up", "--yes"], ["refresh"], ["destroy", "--yes"], ["state"]])
    def test_each_later_run_says_in_one_line_what_is_still_switched_and_how_to_set_it_back(
        self, lab: Lab, op: list[str]
    ) -> None:
        lab("preview", "--set", "world.fault=third")
        assert "still switched" not in lab.out
        line = 'world: still switched: fault = "third"; back with --set world.fault=none'
        lab(*op)
        assert lab.out.splitlines().count(line) == 1
        (told,) = lab.json(*op)["switches_on"]
        assert told == {"path": "world.fault", "value": "third", "beginning": "none", "back": "--set world.fault=none"}
        lab(*op, "--set", "world.fault=")
        assert "still switched" not in lab.out
        assert lab.json(*op)["switches_on"] == []


class TestFailures:
    def test_a_failure_names_layer_and_fix_and_the_next_up_goes_on(self, lab: Lab) -> None:
        assert lab("up", "--yes", "--set", "world.fault=second").exit == 1
        assert 'world: fault = "second" (stays until it is set again)' in lab.out
        assert re.search(
            r"Thing second failed \(.*s\): SCH-1 scheduling: too small\n    fix: make it bigger\n", lab.out
        )
        assert lab.out.splitlines()[-1].startswith("rehearsal: up of demo failed")
        assert "GPU ready" not in lab.out
        assert lab("up", "--yes").exit == 1
        assert lab("up", "--yes", "--set", "world.fault=").exit == 0
        assert "1 created" in lab.out

    def test_faults_of_the_settings_are_all_that_is_printed_and_nothing_is_made(self, lab: Lab) -> None:
        for op in (["preview"], ["up", "--yes"]):
            assert lab(*op, "--set", "sizes=2").exit == 2
            assert lab.out == ""
            assert lab.err.startswith("1 fault in the settings; nothing was made:\n  sizes: unknown key")
        assert not (lab.root / ".lab").exists()

    def test_destroy_works_with_settings_that_are_broken_by_now(self, lab: Lab) -> None:
        lab("up", "--yes")
        assert lab("destroy", "--yes", "--set", "sizes=2").exit == 0

    def test_an_unknown_switch_is_wrong_use(self, lab: Lab) -> None:
        assert lab("preview", "--set", "world.moon=full").exit == 2
        assert "--set world.moon: there is no such switch" in lab.err

    @pytest.mark.parametrize("op", [["preview"], ["up", "--yes"], ["refresh"], ["destroy", "--yes"], ["state"]])
    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ('{"version": 1, "resou', "cannot be read"),
            ('{"version": 99}', "version 99"),
            ("[]", "not a state"),
            ("", "cannot be read"),
            ('{"version": 1, "resources": [{"urn": "x", "type": "y"}], "pending_operations": []}', "is no URN"),
        ],
    )
    def test_a_state_that_cannot_be_used_is_one_sentence_and_stays(
        self, lab: Lab, op: list[str], text: str, why: str
    ) -> None:
        lab.state.parent.mkdir(parents=True)
        lab.state.write_text(text)
        assert lab(*op).exit == 1
        assert why in lab.err
        assert "Traceback" not in lab.err + lab.out
        assert lab.state.read_text() == text

    def test_a_world_that_cannot_be_read_says_how_to_begin_anew(self, lab: Lab) -> None:
        lab("up", "--yes")
        lab.state.with_name("world.json").write_text('{"nodes": [')
        for words in ([], ["--set", "world.fault=first"]):
            assert lab("up", "--yes", *words).exit == 1
            assert "The simulated world in" in lab.err
        assert "Move the folder away to begin anew" in lab.err

    def test_a_state_in_use_names_its_holder(self, lab: Lab) -> None:
        lab("up", "--yes")
        with (lab.state.parent / "state.json.lock").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps({"user": "ann", "pid": 7, "host": "box", "since": 0}))
            file.flush()
            assert lab("up", "--yes").exit == 1
        assert "Another operation uses the state" in lab.err
        assert "ann, process 7 on box" in lab.err

    def test_a_fault_of_ours_is_a_sentence_and_a_file(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lab.parts, "providers", lambda *_: 1 // 0)
        assert lab("preview").exit == 1
        path = Path(lab.err.strip().rpartition("Details: ")[2])
        assert "fault of the rehearsal, not yours (ZeroDivisionError" in lab.err
        assert "Traceback" not in lab.err
        assert "Traceback" in path.read_text()

    @pytest.mark.parametrize("words", [[], ["up"], ["dance", "-s", "demo"], ["up", "-s", "demo", "--fast"]])
    def test_wrong_words_are_exit_2(self, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as exit:
            main(words)
        assert exit.value.code == 2
        assert "usage: .venv/bin/python -m lab" in capsys.readouterr().err

    def test_help_explains_switches_and_exit_status(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as exit:
            main(["up", "--help"])
        text = capsys.readouterr().out
        assert exit.value.code == 0
        assert "--set world.PATH=VALUE" in text
        assert "exit status: 0 fine, 1 failed, 2 wrong use" in text

    def test_a_speed_that_is_no_number_is_wrong_use(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GPU_READY_SPEED", "fast")
        assert lab("preview").exit == 2
        assert "GPU_READY_SPEED=fast: a number belongs there" in lab.err


class TestTerminal:
    def test_a_terminal_gets_a_tree_and_simulated_time_that_can_be_watched(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("GPU_READY_SPEED", raising=False)
        monkeypatch.setenv("TERM", "xterm")
        options = parser().parse_args(["up", "-s", "demo"])
        assert type(view_for(options, Terminal())).__name__ == "TreeView"
        assert type(view_for(options, io.StringIO())).__name__ == "PlainView"
        assert speed(Terminal()) > speed(io.StringIO()) == 0
        monkeypatch.setenv("TERM", "dumb")
        assert type(view_for(options, Terminal())).__name__ == "PlainView"

    def test_no_color_means_no_color(self) -> None:
        for words, color in ((["--no-color"], None), ([], "red")):
            out = Terminal()
            view = view_for(parser().parse_args(["up", "-s", "demo", *words]), out)
            view.say("text", "red")
            assert ("\x1b[31m" in out.getvalue()) == bool(color)


class TestInterrupts:
    def test_the_first_ctrl_c_lets_running_steps_end_and_the_next_up_goes_on(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stop = Session.stop

        def stopped(session: Session) -> None:
            stop(session)
            lab.parts.go_on.set()

        monkeypatch.setattr(Session, "stop", stopped)

        def interrupt() -> None:
            assert lab.parts.running.wait(5)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        before = signal.getsignal(signal.SIGINT)
        outcome = lab("up", "--yes", "--set", "world.fault=slow first")
        thread.join()
        assert outcome.exit == 1
        assert STOPPING in lab.out
        assert STOPPED in lab.out
        assert signal.getsignal(signal.SIGINT) == before
        assert lab("up", "--yes", "--set", "world.fault=").exit == 0
        assert "create fake:index:Thing second" in lab.out
        assert "create fake:index:Thing first" not in lab.out

    @pytest.mark.parametrize("wraps", [False, True])
    def test_ctrl_c_before_anything_began_is_a_sentence(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch, wraps: bool
    ) -> None:
        def pressed(*_: object) -> None:
            try:
                raise KeyboardInterrupt
            except KeyboardInterrupt as error:
                if wraps:
                    raise RuntimeError("Error calling __set_name__") from error
                raise

        monkeypatch.setattr(Session, "turn_switches", pressed)
        assert lab("up", "--yes").exit == 1
        assert lab.err == "Stopped; nothing was begun.\n"


class TestUnsettled:
    @pytest.fixture
    def interrupted(self, lab: Lab) -> Lab:
        """A stack whose first `up` was killed while it made `first`."""
        lab("up", "--yes")
        state = json.loads(lab.state.read_text())
        first = next(item for item in state["resources"] if item["urn"].endswith("::first"))
        state["pending_operations"].append({"type": "creating", "resource": first})
        lab.state.write_text(json.dumps(state))
        return lab

    @pytest.mark.parametrize("op", [["preview"], ["up", "--yes"], ["refresh"], ["destroy", "--yes"], ["state"]])
    def test_the_way_out_is_named_until_it_is_taken(self, interrupted: Lab, op: list[str]) -> None:
        for _ in range(2):
            interrupted(*op)
            assert "warning: noted as begun and never finished: first; " in interrupted.out
            assert ".venv/bin/python -m lab refresh -s demo --clear-pending-creates" in interrupted.out
        interrupted("refresh", "--clear-pending-creates")
        assert "never finished" not in interrupted.out
        interrupted(*op)
        assert "interrupted" not in interrupted.out
        assert "never finished" not in interrupted.out

    @pytest.mark.parametrize("op", ["preview", "state"])
    def test_nobody_is_told_to_forget_what_a_running_operation_is_at(self, interrupted: Lab, op: str) -> None:
        with FileStore(interrupted.state).locked(lambda _line: None):
            interrupted(op)
        assert f"another operation is running ({getpass.getuser()}, process {os.getpid()} on " in interrupted.out
        assert ", for 0 s) and has begun, not finished: first; wait until it ends" in interrupted.out
        assert "interrupted" not in interrupted.out
        assert "--clear-pending-creates" not in interrupted.out

    def test_it_stands_in_the_json_too(self, interrupted: Lab) -> None:
        told = interrupted.json("destroy", "--yes")
        assert [urn.rpartition("::")[2] for urn in told["pending"]] == ["first"]
        assert any("--clear-pending-creates" in one["text"] for one in told["diagnostics"])
        assert interrupted.json("state")["pending"] == told["pending"]

    def test_only_a_refresh_forgets_it(self, lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            lab("up", "--yes", "--clear-pending-creates")
        assert "unrecognized arguments: --clear-pending-creates" in capsys.readouterr().err


class TestReaderGone:
    @pytest.mark.parametrize("words", [["preview"], ["up", "--yes"], ["up", "--yes", "--json"], ["state"]])
    def test_a_command_goes_on_to_its_end_in_silence(self, lab: Lab, words: list[str]) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w") as out:
            streams = Streams(io.StringIO(), lasting(out), io.StringIO())
            outcome = perform(parser().parse_args([*words, "-s", "demo"]), streams, lab.parts, lab.root)
            assert outcome.exit == 0
            assert streams.status(outcome.exit) == 141, "as a shell says of any tool that lost its reader"
        assert streams.stderr.getvalue() == ""  # type: ignore[attr-defined]
        assert lab.state.exists() is (words[0] == "up")
        assert list(lab.root.glob(".lab/crash-*")) == []
        if words[0] == "up":
            assert lab("up", "--yes").changed == 0

    def test_what_failed_has_failed_and_what_was_read_is_fine(self) -> None:
        assert Streams().status(1) == 1
        assert Streams().status(0) == 0


class TestJson:
    KEYS: ClassVar = {
        *("op", "stack", "simulated", "simulation", "switches", "switches_on", "notes", "pending"),
        *("steps", "changes", "outputs", "diagnostics", "result", "seconds"),
    }

    @pytest.mark.parametrize(
        ("words", "more"),
        [
            (["preview"], set()),
            (["up", "--yes"], {"proven_now"}),
            (["refresh"], set()),
            (["destroy", "--yes"], {"stays"}),
            (["state"], {"resources"}),
            (["up"], set()),
            (["preview", "--set", "sizes=1"], set()),
        ],
    )
    def test_all_commands_and_refusals_have_one_form(self, lab: Lab, words: list[str], more: set[str]) -> None:
        for _ in range(2):
            told = lab.json(*words)
            assert set(told) == self.KEYS | more
            assert told["simulated"] is True
            assert told["simulation"].startswith("built-in engine, simulated cluster")
            assert told["simulation"].endswith("nothing real is touched")
            lab("up", "--yes")

    def test_switches_of_the_world_and_notes_are_told(self, lab: Lab) -> None:
        (lab.root / "stacks" / "Pulumi.demo.yaml").write_text("config: {gpu-redy:size: '1'}\n")
        told = lab.json("preview", "--set", "world.fault=second")
        assert told["switches"] == [{"path": "world.fault", "value": "second"}]
        assert told["notes"] == ["gpu-redy:size is read by nobody; did you mean gpu-ready:size?"]
        lab("preview")
        assert "note: gpu-redy:size is read by nobody" in lab.out

    def test_one_object_with_everything_and_nothing_else_on_stdout(self, lab: Lab) -> None:
        told = lab.json("up", "--yes")
        assert (told["op"], told["stack"], told["result"]) == ("up", "demo", "succeeded")
        assert "simulated cluster (3 nodes)" in told["simulation"]
        assert told["changes"] == {"create": 4}
        assert told["outputs"]["token"] == "[secret]"
        assert [step["name"] for step in told["steps"] if step["type"] == "fake:index:Thing"] == ["first", "second"]
        assert lab.err == ""

    def test_a_failure_is_in_the_object_too(self, lab: Lab) -> None:
        told = lab.json("up", "--yes", "--set", "world.fault=second")
        assert told["result"] == "failed"
        assert any("SCH-1" in one["text"] for one in told["diagnostics"])

    def test_wrong_use_is_an_object_that_says_refused(self, lab: Lab) -> None:
        told = lab.json("up")
        assert told["result"] == "refused"
        assert "add --yes" in told["diagnostics"][0]["text"]
        told = lab.json("preview", "--set", "sizes=1")
        assert "unknown key" in told["diagnostics"][0]["text"]

    def test_the_state_as_json_masks_secrets(self, lab: Lab) -> None:
        lab("up", "--yes")
        told = lab.json("state")
        stack = next(item for item in told["resources"] if item["type"] == "pulumi:pulumi:Stack")
        assert stack["outputs"]["token"] == "[secret]"
        assert "hidden" not in lab.out


def test_the_state_is_printed_as_a_tree(lab: Lab) -> None:
    lab("up", "--yes")
    lab("state")
    lines = [line.rstrip() for line in lab.out.splitlines()]
    assert lines[1:4] == [
        "└─ group      Group",
        "   ├─ first   Thing                 first-id",
        "   └─ second  Thing                 second-id",
    ]
    assert lines[-1] == "rehearsal: state of demo: 4 resources; nothing real is in it"


def test_a_state_without_resources_says_how_to_begin(lab: Lab) -> None:
    assert lab("state").exit == 0
    assert "nothing is there; `up` makes it" in lab.out


def test_a_secret_in_the_stack_file_is_said_to_be_replaced(lab: Lab) -> None:
    (lab.root / "stacks" / "Pulumi.demo.yaml").write_text("config: {gpu-ready:k3sToken: {secure: v1:abc}}\n")
    lab("preview")
    assert "1 secret is replaced by a placeholder: a rehearsal takes no real one" in lab.out


def test_environments_of_pulumi_esc_are_named_as_not_read(lab: Lab) -> None:
    stack = "environment: [gpu/base, gpu/prod]\nsecretsprovider: passphrase\nencryptionsalt: v1:x\n"
    (lab.root / "stacks" / "Pulumi.demo.yaml").write_text(stack)
    assert lab("preview").exit == 0
    notes = [line for line in lab.out.splitlines() if "not read" in line]
    told = "environments of Pulumi ESC are not read here: gpu/base, gpu/prod; the config of the file alone counts"
    assert notes == [told]
    assert "secretsprovider" not in lab.out


def test_environments_are_named_before_a_setting_is_missed_that_they_may_bring(lab: Lab) -> None:
    (lab.root / "stacks" / "Pulumi.demo.yaml").write_text("environment: [gpu/base]\nconfig: {sizes: 1}\n")
    assert lab("preview").exit == 2
    assert "not read here: gpu/base;" in lab.out


def test_environments_that_are_not_read_stand_in_the_json_too(lab: Lab) -> None:
    (lab.root / "stacks" / "Pulumi.demo.yaml").write_text("environment: [gpu/base]\n")
    assert lab.json("preview")["environments_not_read"] == ["gpu/base"]


def test_a_stack_without_environments_says_nothing_of_them(lab: Lab) -> None:
    lab("preview")
    assert "Pulumi ESC" not in lab.out
