"""Stopping: gracefully, at once, by a signal; and going on from what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import ResourceOptions as Opt

from lab.provider import ProviderError
from lab.state import FileStore
from tests.effort import long
from tests.unit.toy import Bench, Thing

ROOT = Path(__file__).parents[2]


def program() -> None:
    Thing("b", opts=Opt(depends_on=[Thing("a")]))


def test_a_graceful_stop_lets_the_running_step_end_and_begins_no_other() -> None:
    bench = Bench()

    def during(operation: str, ctx: Any) -> None:
        bench.engine.stop()
        assert ctx.stopping.is_set()
        assert not ctx.killing.is_set()

    bench.toy.during = during
    result = bench.up(program)
    assert (result.exit, result.errors, bench.steps(result)) == (1, ["up canceled"], ["create a"])
    assert result.pending == []
    bench.toy.during = lambda operation, ctx: None
    assert bench.steps(bench.up(program)) == ["same a", "create b"]


def test_a_stop_at_once_leaves_a_note_of_what_may_exist_and_the_next_up_goes_on() -> None:
    bench = Bench()

    def during(operation: str, ctx: Any) -> None:
        bench.engine.stop()
        bench.engine.stop()
        assert ctx.killing.is_set()
        raise ProviderError("signal: killed")

    bench.toy.during = during
    result = bench.up(program)
    assert [(item["type"], item["resource"]["urn"].rpartition("::")[2]) for item in result.pending] == [
        ("creating", "a")
    ]
    bench.toy.during = lambda operation, ctx: None
    again = bench.up(program)
    assert (again.exit, bench.steps(again)) == (0, ["create a", "create b"])
    assert "interrupted while it was creating" in again.diagnostics[0][2]
    assert len(again.pending) == 1, "as the real engine keeps it, until somebody says that it is settled"
    assert bench.engine.run("refresh", clear_pending_creates=True).pending == []


def test_a_stopped_operation_deletes_nothing() -> None:
    bench = Bench()
    bench.up(program)
    bench.toy.during = lambda operation, ctx: bench.engine.stop()
    result = bench.up(lambda: Thing("c"))
    assert [name for op, name in bench.toy.calls if op == "delete"] == []
    assert result.exit == 1


def test_a_stop_between_groups_of_deletions_keeps_the_rest() -> None:
    bench = Bench()
    bench.up(program)
    bench.toy.during = lambda operation, ctx: bench.engine.stop()
    assert bench.engine.run("destroy").exit == 1
    assert "a" in bench.kept()
    assert "b" not in bench.kept()


CHILD = """
    import pathlib
    import threading
    from pulumi import ResourceOptions as Opt
    from pulumi_command.local import Command
    from lab.engine import Engine
    from lab.providers.command import CommandProvider
    from lab.state import FileStore

    def program():
        wait = "while [ ! -e go ] && [ ! -e end ]; do sleep 0.01; done"
        slow = Command("slow", create=f"echo begun > begun; {wait}; echo done",
                       opts=Opt(depends_on=[Command("first", create="echo first")]))
        Command("after", create="echo after", opts=Opt(depends_on=[slow]))

    engine = Engine("p", "dev", FileStore("state.json"), [CommandProvider(cwd=".")])
    tell = lambda: engine.interrupts[0].wait() and pathlib.Path("stopping").touch()
    threading.Thread(target=tell, daemon=True).start()
    result = engine.run("up", program)
    print(result.exit, [name for op, type, name in result.steps if type.endswith("Command")], len(result.pending))
"""


def start(folder: Path) -> subprocess.Popen[str]:
    # A shell's background job hands on an ignored SIGINT; a person's terminal does not.
    listens = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    command = [sys.executable, "-c", listens + textwrap.dedent(CHILD)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=folder, env=env, text=True, stdout=subprocess.PIPE, start_new_session=True)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} did not appear"
        threading.Event().wait(0.01)


@long
@pytest.mark.parametrize("signals", [1, 2])
def test_ctrl_c_in_a_real_process_leaves_a_state_to_go_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signals: int
) -> None:
    child = start(tmp_path)
    try:
        wait_for(tmp_path / "begun")
        for _ in range(signals):
            os.killpg(child.pid, signal.SIGINT)
            wait_for(tmp_path / "stopping")
        if signals == 1:
            (tmp_path / "go").touch()
        said, _ = child.communicate(timeout=20)
    finally:
        (tmp_path / "end").touch()  # so that no script of a failed test goes on for ever
        child.kill()
        child.wait()
    assert said.strip() == f"1 ['first', 'slow'] {signals - 1}"
    names = {entry["urn"].rpartition("::")[2] for entry in FileStore(tmp_path / "state.json").load()["resources"]}
    assert ("first" in names, "slow" in names) == (True, signals == 1)
    (tmp_path / "go").touch()
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    exec(textwrap.dedent(CHILD), scope)
    assert scope["result"].exit == 0
    assert scope["result"].changes["create"] == signals


def test_a_stop_ends_the_asking_for_another_try() -> None:
    bench = Bench()
    bench.toy.failing = {("create", "a")}
    bench.toy.during = lambda operation, ctx: bench.engine.stop()
    hook = pulumi.ResourceHookBinding(on_error=[])

    def tries() -> None:
        hook.on_error = [pulumi.ErrorHook("again", lambda args: True)]
        Thing("a", opts=Opt(hooks=hook))

    bench.up(tries)
    assert bench.toy.calls == [("create", "a")]
