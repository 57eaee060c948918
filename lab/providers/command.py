"""Stands behind the package `command`, as the real provider (1.2.1) does: local commands run for real.

Where a script runs is a transport: here, or over a simulated SSH on a simulated machine (`remote_command`).
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from lab.provider import CheckFailure, Context, Diff, Props, ProviderError
from lab.providers import command_inputs, remote_command, remote_copy
from lab.providers.remote_command import Remote, RemoteCommands
from lab.providers.transport import Finished, Lines, Script, Transport, kill, pumped, quoted, readable
from lab.values import UNKNOWN, diff_paths, show_path, unwrap

COMMAND: Final = "command:local:Command"
RUN: Final = "command:local:run"
_POLL_SECONDS: Final = 0.05


__all__ = ["CommandProvider", "Finished", "Script", "run_here"]


class CommandProvider:
    """`command:local:Command`, `command:local:run`, `command:remote:Command` and `command:remote:CopyToRemote`."""

    package = "command"

    def __init__(
        self,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        transport: Transport | None = None,
        remote: Remote | None = None,
    ) -> None:
        self._env, self._cwd = dict(env or {}), cwd
        self._local = transport or run_here
        self.remote: Remote = remote or RemoteCommands()

    def check(self, ctx: Context, olds: Props | None, news: Props) -> tuple[Props, list[CheckFailure]]:
        """Refuses unknown types, misspelt keys and values of the wrong kind."""
        if ctx.type == remote_command.COMMAND:
            return remote_command.check(news)
        if ctx.type == remote_copy.COPY:
            return remote_copy.check(news)
        if ctx.type != COMMAND:
            there = f"{COMMAND}, {remote_command.COMMAND}, {remote_copy.COPY}"
            return news, [CheckFailure("", f"the package command has no type {ctx.type!r}; there are {there}")]
        news = command_inputs.without_nothing(news)
        return news, command_inputs.faults(news, command_inputs.LOCAL)

    def diff(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Diff:
        """A changed trigger replaces; everything else is an update. To become secret, or plain again, is a change."""
        changed = diff_paths(old_inputs, new_inputs, marks=True)
        replaces = tuple(show_path(path) for path in changed if path[0] == "triggers")
        return Diff(tuple(show_path(path) for path in changed), replaces)

    def create(self, ctx: Context, inputs: Props) -> tuple[str, Props]:
        """Runs `create`, if there is one."""
        if ctx.type == remote_copy.COPY:
            return remote_copy.create(self.remote, ctx, inputs)
        if ctx.preview:
            return "", {**inputs, "stdout": UNKNOWN, "stderr": UNKNOWN}
        return f"{ctx.name}{uuid.uuid4().hex[:8]}", self._outputs(ctx, inputs, inputs.get("create"), {})

    def update(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Props:
        """Runs `update`, or `create` again where there is none."""
        if ctx.type == remote_copy.COPY:
            return remote_copy.update(self.remote, ctx, old_outputs, new_inputs)
        _must_have_run(old_outputs)
        if ctx.preview:
            return {**new_inputs, "stdout": UNKNOWN, "stderr": UNKNOWN}
        text = new_inputs.get("update", new_inputs.get("create"))
        return self._outputs(ctx, new_inputs, text, old_outputs)

    def delete(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> None:
        """Runs `delete` as the state has it, not as the program has it; what was copied stays where it is."""
        if ctx.type == remote_copy.COPY:
            return
        _must_have_run(outputs)
        self._outputs(ctx, inputs, inputs.get("delete"), outputs)

    def read(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> tuple[Props, Props] | None:
        """Nobody can look at a command: it is as it was."""
        return inputs, outputs

    def invoke(self, ctx: Context, token: str, args: Props) -> Props:
        """`local.run`: runs in every preview and every up."""
        if token != RUN:
            raise ProviderError(f"the package command has no function {token!r}; there is {RUN}")
        faults = command_inputs.faults(args, {**command_inputs.RUN, "command": command_inputs.TEXT})
        if "command" not in args:
            faults.append(CheckFailure("command", "is missing"))
        if faults:
            raise ProviderError("; ".join(f"{fault.property}: {fault.reason}" for fault in faults))
        return self._outputs(ctx, args, args["command"], {})

    def check_config(self, news: Props) -> list[CheckFailure]:
        """There is nothing to configure."""
        return [CheckFailure(key, "the package command has no configuration") for key in news]

    def diff_config(self, olds: Props, news: Props) -> Diff:
        """Moving to another provider resource changes nothing."""
        return Diff()

    def _outputs(self, ctx: Context, inputs: Props, text: Any, before: Props) -> Props:
        kept = {key: before.get(key, "") for key in ("stdout", "stderr")}
        if text is None:
            return {**inputs, **kept}
        plain, script, output = unwrap(inputs), unwrap(text), unwrap(kept)
        if ctx.type == remote_command.COMMAND:
            ended = self.remote.run(ctx, plain, script, output)
        else:
            ended = self._local(ctx, self._script(plain, script, output))
        if ended.ending:
            raise ProviderError(f"{ended.ending}: running {quoted(script)}:\n{readable(ended.mixed)}")
        return {**inputs, "stdout": _text("stdout", ended.stdout), "stderr": _text("stderr", ended.stderr)}

    def _script(self, inputs: Props, text: str, before: Props) -> Script:
        environment = {**self._env, **inputs.get("environment", {})}
        if inputs.get("addPreviousOutputInEnv", True):
            environment |= {f"PULUMI_COMMAND_{key.upper()}": value for key, value in before.items() if value}
        return Script(
            text=text, interpreter=tuple(inputs.get("interpreter") or Script.interpreter),
            stdin=inputs.get("stdin", ""), environment=environment, directory=inputs.get("dir", self._cwd),
            logging=frozenset(command_inputs.STREAMS[inputs.get("logging", "stdoutAndStderr")]),
        )  # fmt: skip


def _must_have_run(outputs: Props) -> None:
    if "stdout" not in outputs:
        raise ProviderError("it was imported and never run: without its stdout it can neither be updated nor deleted")


def _text(stream: str, data: bytes) -> str:
    try:
        return data.decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise ProviderError(
            f"{stream} of the script has bytes that are not UTF-8 (at {error.start}); "
            "filter it with `iconv -c -t utf-8`"
        ) from error


def run_here(ctx: Context, script: Script) -> Finished:
    """The local transport: a child of its own session, so that Ctrl-C in the terminal does not reach it."""
    try:
        child = subprocess.Popen(
            [*script.interpreter, script.text], cwd=script.directory, env={**os.environ, **script.environment},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else script.interpreter[0]
        return Finished(f"{where}: {(error.strerror or str(error)).lower()}", b"", b"", b"")
    with child:
        return _attended(ctx, script, child)


def _attended(ctx: Context, script: Script, child: subprocess.Popen[bytes]) -> Finished:
    lines, threads = pumped(child, script.stdin.encode())
    collected = _collect(ctx, script, child, lines)
    for thread in threads:
        thread.join()
    return _finished(child.wait(), collected)


def _collect(ctx: Context, script: Script, child: subprocess.Popen[bytes], lines: Lines) -> Sequence[tuple[str, bytes]]:
    deadline = time.monotonic() + ctx.timeout if ctx.timeout is not None else None
    collected: list[tuple[str, bytes]] = []
    still_open = 2
    while still_open:
        if ctx.killing.is_set() or (deadline is not None and time.monotonic() > deadline):
            kill(child)
        try:
            name, line = lines.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue
        still_open -= not line
        collected.append((name, line))
        if line and name in script.logging:
            ctx.say(readable(line).rstrip("\n"))
    return collected


def _finished(status: int, collected: Sequence[tuple[str, bytes]]) -> Finished:
    of: Callable[[str], bytes] = lambda stream: b"".join(line for name, line in collected if name == stream)  # noqa: E731
    names = {signal.SIGKILL: "killed", signal.SIGTERM: "terminated", signal.SIGINT: "interrupt"}
    ending = f"exit status {status}" if status else ""
    if status < 0:
        ending = f"signal: {names.get(signal.Signals(-status), signal.Signals(-status).name.lower())}"
    return Finished(ending, of("stdout"), of("stderr"), b"".join(line for _name, line in collected))
