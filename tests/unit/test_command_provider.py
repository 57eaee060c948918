"""The stand-in for the command provider runs local commands as the real one does, and refuses nonsense."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import ResourceOptions as Opt
from pulumi_command.local import Command, Logging, run

from lab.engine import Engine, Result
from lab.events import LogEvent
from lab.provider import Context, Diff, ProviderError
from lab.providers.command import CommandProvider, Finished, Script
from lab.state import MemoryStore
from lab.values import UNKNOWN, Secret

LOCAL = "command:local:Command"


def context(**options: Any) -> Context:
    return Context(**{"urn": "u", "type": LOCAL, "name": "c", **options})


def create(inputs: dict[str, Any], provider: CommandProvider | None = None, **options: Any) -> dict[str, Any]:
    return (provider or CommandProvider()).create(context(**options), inputs)[1]


class Stack:
    def __init__(self, **options: Any) -> None:
        self.engine = Engine("p", "dev", MemoryStore(), [CommandProvider(**options)])

    def up(self, program: Callable[[], Any]) -> Result:
        return self.engine.run("up", program)


def test_outputs_are_the_inputs_and_both_streams_without_their_last_newline() -> None:
    outputs = create({"create": "echo out; echo; echo err >&2", "delete": "true"})
    assert outputs == {"create": "echo out; echo; echo err >&2", "delete": "true", "stdout": "out\n", "stderr": "err"}


def test_stdin_directory_interpreter_and_environment_reach_the_script(tmp_path: Path) -> None:
    outputs = create({
        "create": "import os, sys; print(os.getcwd(), sys.stdin.read(), os.environ['A'], os.environ['B'])",
        "interpreter": ["python3", "-c"], "stdin": "in", "dir": str(tmp_path), "environment": {"A": "a"},
    }, CommandProvider(env={"A": "ours", "B": "b"}))  # fmt: skip
    assert outputs["stdout"] == f"{tmp_path} in a b"


def test_the_providers_own_folder_and_path_are_used_where_the_program_names_none(tmp_path: Path) -> None:
    tool = tmp_path / "kubectl"
    tool.write_text("#!/bin/sh\necho stand-in in $(pwd)\n")
    tool.chmod(0o755)
    provider = CommandProvider(env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, cwd=str(tmp_path))
    assert create({"create": "kubectl"}, provider)["stdout"] == f"stand-in in {tmp_path}"


def test_a_failure_names_status_script_and_both_streams() -> None:
    with pytest.raises(ProviderError) as caught:
        create({"create": 'echo "to stdout"; exit 3'})
    assert str(caught.value) == 'exit status 3: running "echo \\"to stdout\\"; exit 3":\nto stdout\n'


@pytest.mark.parametrize(("inputs", "words"), [
    ({"create": "true", "dir": "/nowhere"}, "/nowhere: no such file or directory: running"),
    ({"create": "true", "interpreter": ["no-such-shell"]}, "no-such-shell: no such file or directory: running"),
    ({"create": "printf '\\377'"}, "stdout of the script has bytes that are not UTF-8 (at 0)"),
    ({"create": "kill -9 $$"}, "signal: killed: running"),
])  # fmt: skip
def test_what_cannot_be_run_or_read_is_explained(inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(ProviderError) as caught:
        create(inputs)
    assert words in str(caught.value)


def test_a_time_limit_kills_the_script_and_its_children() -> None:
    began = time.monotonic()
    with pytest.raises(ProviderError, match="signal: killed"):
        create({"create": "echo begun; (sleep 20; echo late) & sleep 20"}, timeout=0.1)
    assert time.monotonic() - began < 5


def test_only_a_stop_at_once_kills_it() -> None:
    stopping, killing = threading.Event(), threading.Event()
    stopping.set()
    assert create({"create": "echo done"}, stopping=stopping)["stdout"] == "done"
    killing.set()
    with pytest.raises(ProviderError, match="signal: killed"):
        create({"create": "sleep 20"}, stopping=stopping, killing=killing)


@pytest.mark.parametrize(("logging", "lines"), [
    (None, {"out", "err"}), (Logging.STDOUT, {"out"}), (Logging.STDERR, {"err"}),
    (Logging.STDOUT_AND_STDERR, {"out", "err"}), (Logging.NONE, set()),
])  # fmt: skip
def test_lines_are_shown_as_logging_says(logging: Any, lines: set[str]) -> None:
    result = Stack().up(lambda: Command("c", create="echo out; echo err >&2", logging=logging))
    assert {event.text for event in result.events if isinstance(event, LogEvent)} == lines


def test_lines_are_shown_while_the_script_runs(tmp_path: Path) -> None:
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        (tmp_path / "go").touch()

    outputs = create({"create": f"echo first; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; echo last"}, say=say)
    assert (said, outputs["stdout"]) == (["first", "last"], "first\nlast")


def test_an_update_without_update_runs_create_again_and_sees_the_old_output() -> None:
    stack = Stack()
    stack.up(lambda: Command("c", create="echo 1$PULUMI_COMMAND_STDOUT"))
    result = stack.up(lambda: Command("c", create="echo 1$PULUMI_COMMAND_STDOUT", delete="true"))
    assert ("update", LOCAL, "c") in result.steps
    assert result.resources[-1]["outputs"]["stdout"] == "11"


def test_the_old_output_can_be_kept_out_of_the_environment() -> None:
    stack = Stack()
    result = None
    for stdin in ("a", "b"):
        text = "echo 1$PULUMI_COMMAND_STDOUT"
        result = stack.up(partial(Command, "c", create=text, stdin=stdin, add_previous_output_in_env=False))
    assert result is not None
    assert result.resources[-1]["outputs"]["stdout"] == "1"


def test_update_has_a_script_of_its_own_and_none_at_all_runs_nothing() -> None:
    stack = Stack()
    stack.up(lambda: Command("c", create="echo made", update="echo again", stdin="a"))
    result = stack.up(lambda: Command("c", create="echo made", update="echo again", stdin="b"))
    assert result.resources[-1]["outputs"]["stdout"] == "again"
    result = stack.up(lambda: Command("c", stdin="c"))
    assert result.resources[-1]["outputs"] == {"stdin": "c", "stdout": "again", "stderr": ""}


def test_a_changed_trigger_replaces_and_the_delete_text_comes_from_the_state(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    stack = Stack(cwd=str(tmp_path))

    def program(number: int) -> None:
        Command("c", create="echo made", triggers=[number], environment={"N": str(number)},
                delete=f"echo delete {number} $N $PULUMI_COMMAND_STDOUT >> {trace}")  # fmt: skip

    stack.up(lambda: program(1))
    result = stack.up(lambda: program(2))
    assert [op for op, type, _name in result.steps if type == LOCAL] == [
        "create-replacement",
        "replace",
        "delete-replaced",
    ]
    assert trace.read_text() == "delete 1 1 made\n"


def test_in_a_preview_nothing_runs_and_the_streams_are_unknown() -> None:
    outputs = create({"create": "exit 1"}, preview=True)
    assert outputs == {"create": "exit 1", "stdout": UNKNOWN, "stderr": UNKNOWN}


def test_secrets_reach_the_script_and_stay_marked_where_they_are_echoed_as_inputs_only() -> None:
    def program() -> None:
        token = pulumi.Output.secret("hunter2")
        made = Command("c", create="echo $TOKEN", environment={"TOKEN": token, "PLAIN": "x"})
        pulumi.export("stdout", made.stdout)
        pulumi.export("environment", made.environment)

    assert Stack().up(program).outputs == {"stdout": "hunter2", "environment": "[secret]"}


@pytest.mark.parametrize(("before", "after", "diff"), [
    ({"stdin": "x"}, {"stdin": Secret("x")}, Diff(("stdin",))),
    ({"stdin": Secret("x")}, {"stdin": "x"}, Diff(("stdin",))),
    ({"stdin": Secret("x")}, {"stdin": Secret("x")}, Diff()),
    ({"environment": {"A": "x"}}, {"environment": {"A": Secret("x")}}, Diff(("environment.A",))),
    ({"triggers": [{"a": "x"}]}, {"triggers": [{"a": Secret("x")}]}, Diff(("triggers[0].a",), ("triggers[0].a",))),
])  # fmt: skip
def test_to_become_secret_or_plain_again_is_a_change(before: Any, after: Any, diff: Diff) -> None:
    assert CommandProvider().diff(context(), "id", before, {}, after) == diff


def test_nothing_in_a_map_is_dropped_and_in_a_list_it_stays() -> None:
    written = {"environment": {"A": None, "B": "b"}, "triggers": [None, {"a": None, "b": [{"c": None}]}]}
    kept: dict[str, Any] = {"environment": {"B": "b"}, "triggers": [None, {"b": [{}]}]}
    assert CommandProvider().check(context(), None, written) == (kept, [])
    secret = {"triggers": Secret([{"a": None}])}
    assert CommandProvider().check(context(), None, secret) == ({"triggers": Secret([{}])}, [])


@pytest.mark.parametrize(("inputs", "words"), [
    ({"crate": "true"}, "crate: is no property of a command; did you mean 'create'?"),
    ({"create": ["true"]}, "create: must be a string"),
    ({"environment": {"A": 1}}, "environment: must be a map of strings"),
    ({"interpreter": "bash"}, "interpreter: must be a list of strings"),
    ({"triggers": "x"}, "triggers: must be a list"),
    ({"logging": "loud"}, "logging: must be one of stdout, stderr, stdoutAndStderr, none"),
    ({"addPreviousOutputInEnv": "no"}, "addPreviousOutputInEnv: must be true or false"),
    ({"assetPaths": ["*"]}, "assetPaths: is not rehearsed"),
    ({"create": 1, "triggers": 1}, "create: must be a string; triggers: must be a list"),
])  # fmt: skip
def test_misspelt_and_wrong_inputs_are_refused_before_anything_runs(inputs: dict[str, Any], words: str) -> None:
    result = Stack().up(lambda: pulumi.CustomResource(LOCAL, "c", inputs))
    assert result.errors == [f"{LOCAL} c: {words}"]


def test_an_unknown_type_is_refused() -> None:
    program = lambda: pulumi.CustomResource("command:local:Comand", "c", {})  # noqa: E731
    assert "the package command has no type 'command:local:Comand'" in Stack().up(program).errors[0]


def test_run_is_an_invoke_that_runs_in_previews_too() -> None:
    stack = Stack()

    def program() -> None:
        pulumi.export("found", run(command="cat; echo $A", stdin="in ", environment={"A": "a"}).stdout)

    assert stack.engine.run("preview", program).outputs == {"found": "in a"}


def test_a_run_that_fails_fails_the_program() -> None:
    assert 'exit status 4: running "exit 4"' in Stack().up(lambda: run(command="exit 4")).errors[0]


def test_a_script_may_run_somewhere_else() -> None:
    seen: list[Script] = []

    def elsewhere(ctx: Context, script: Script) -> Finished:
        seen.append(script)
        return Finished("", b"far\n", b"", b"")

    assert create({"create": "hostname"}, CommandProvider(transport=elsewhere))["stdout"] == "far"
    assert [script.text for script in seen] == ["hostname"]


def test_a_child_has_a_session_of_its_own() -> None:
    assert create({"create": "ps -o sid= -p $$ 2>/dev/null || cut -d' ' -f6 /proc/$$/stat"})["stdout"].strip() != str(
        os.getsid(0)
    )


def test_a_large_output_and_an_unread_stdin_do_not_block() -> None:
    outputs = create({"create": "head -c 300000 /dev/zero | tr '\\0' x", "stdin": "y" * 200_000})
    assert len(outputs["stdout"]) == 300_000


def test_explicit_provider_resources_have_nothing_to_configure() -> None:
    result = Stack().up(lambda: Command("c", create="true", opts=Opt(provider=_configured())))
    assert "region: the package command has no configuration" in result.errors[0]


def _configured() -> pulumi.ProviderResource:
    return pulumi.ProviderResource("command", "p", {"region": "x"})
