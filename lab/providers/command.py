"""Stands behind the package `command`: local commands run for real, as the real provider (1.2.1) runs them.

Where a script runs is a transport, so that remote commands can find theirs later.
"""

from __future__ import annotations

import difflib
import json
import os
import queue
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final

from lab.provider import CheckFailure, Context, Diff, Props, ProviderError
from lab.values import UNKNOWN, Secret, diff_paths, show_path, unwrap

COMMAND: Final = "command:local:Command"
RUN: Final = "command:local:run"
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Script:
    """One text to run somewhere."""

    text: str
    interpreter: tuple[str, ...] = ("/bin/sh", "-c")
    stdin: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str | None = None
    logging: frozenset[str] = frozenset({"stdout", "stderr"})
    """The streams whose lines are shown while it runs."""


@dataclass(frozen=True)
class Finished:
    """How a script ended: "" for well, else `exit status 3` or `signal: killed`."""

    ending: str
    stdout: bytes
    stderr: bytes
    mixed: bytes
    """Both streams in the order of arrival, for the error."""


Transport = Callable[[Context, Script], Finished]
"""Runs a script somewhere and shows its lines with `ctx.say`; gives up at `ctx.timeout` or `ctx.killing`."""


@dataclass
class _Kind:
    """What a property has to be."""

    words: str
    fits: Callable[[Any], bool]


_TEXT: Final = _Kind("a string", lambda value: isinstance(value, str))
_FLAG: Final = _Kind("true or false", lambda value: isinstance(value, bool))
_LIST: Final = _Kind("a list", lambda value: isinstance(value, list))
_TEXTS: Final = _Kind("a list of strings", lambda v: isinstance(v, list) and all(_is_text(item) for item in v))
_TABLE: Final = _Kind(
    "a map of strings", lambda value: isinstance(value, dict) and all(_is_text(item) for item in value.values())
)
_STREAMS: Final = {"stdout": {"stdout"}, "stderr": {"stderr"}, "stdoutAndStderr": {"stdout", "stderr"}, "none": set()}
_LOGGING: Final = _Kind("one of " + ", ".join(_STREAMS), lambda value: value in _STREAMS)
_RUN_INPUTS: Final = {
    "stdin": _TEXT, "logging": _LOGGING, "interpreter": _TEXTS, "dir": _TEXT,
    "environment": _TABLE, "addPreviousOutputInEnv": _FLAG,
}  # fmt: skip
_INPUTS: Final = {**_RUN_INPUTS, "create": _TEXT, "update": _TEXT, "delete": _TEXT, "triggers": _LIST}
_NOT_REHEARSED: Final = ("assetPaths", "archivePaths")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or value is UNKNOWN


class CommandProvider:
    """`command:local:Command` and `command:local:run`."""

    package = "command"

    def __init__(
        self, env: Mapping[str, str] | None = None, cwd: str | None = None, transport: Transport | None = None
    ) -> None:
        self._env, self._cwd = dict(env or {}), cwd
        self._local = transport or run_here

    def check(self, ctx: Context, olds: Props | None, news: Props) -> tuple[Props, list[CheckFailure]]:
        """Refuses unknown types, misspelt keys and values of the wrong kind."""
        if ctx.type.startswith("command:remote:"):
            text = f"{ctx.type} is not rehearsed yet: there is no simulated host to run it on"
            return news, [CheckFailure("", text)]
        if ctx.type != COMMAND:
            return news, [CheckFailure("", f"the package command has no type {ctx.type!r}; there is {COMMAND}")]
        news = _without_nothing(news)
        return news, _faults(news, _INPUTS)

    def diff(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Diff:
        """A changed trigger replaces; everything else is an update. To become secret, or plain again, is a change."""
        changed = diff_paths(old_inputs, new_inputs, marks=True)
        replaces = tuple(show_path(path) for path in changed if path[0] == "triggers")
        return Diff(tuple(show_path(path) for path in changed), replaces)

    def create(self, ctx: Context, inputs: Props) -> tuple[str, Props]:
        """Runs `create`, if there is one."""
        if ctx.preview:
            return "", {**inputs, "stdout": UNKNOWN, "stderr": UNKNOWN}
        return f"{ctx.name}{uuid.uuid4().hex[:8]}", self._outputs(ctx, inputs, inputs.get("create"), {})

    def update(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Props:
        """Runs `update`, or `create` again where there is none."""
        _must_have_run(old_outputs)
        if ctx.preview:
            return {**new_inputs, "stdout": UNKNOWN, "stderr": UNKNOWN}
        text = new_inputs.get("update", new_inputs.get("create"))
        return self._outputs(ctx, new_inputs, text, old_outputs)

    def delete(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> None:
        """Runs `delete` as the state has it, not as the program has it."""
        _must_have_run(outputs)
        self._outputs(ctx, inputs, inputs.get("delete"), outputs)

    def read(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> tuple[Props, Props] | None:
        """Nobody can look at a command: it is as it was."""
        return inputs, outputs

    def invoke(self, ctx: Context, token: str, args: Props) -> Props:
        """`local.run`: runs in every preview and every up."""
        if token != RUN:
            raise ProviderError(f"the package command has no function {token!r}; there is {RUN}")
        faults = _faults(args, {**_RUN_INPUTS, "command": _TEXT})
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
        script = self._script(unwrap(inputs), unwrap(text), unwrap(kept))
        ended = self._local(ctx, script)
        if ended.ending:
            raise ProviderError(f"{ended.ending}: running {_quoted(script.text)}:\n{_readable(ended.mixed)}")
        return {**inputs, "stdout": _text("stdout", ended.stdout), "stderr": _text("stderr", ended.stderr)}

    def _script(self, inputs: Props, text: str, before: Props) -> Script:
        environment = {**self._env, **inputs.get("environment", {})}
        if inputs.get("addPreviousOutputInEnv", True):
            environment |= {f"PULUMI_COMMAND_{key.upper()}": value for key, value in before.items() if value}
        return Script(
            text=text, interpreter=tuple(inputs.get("interpreter") or Script.interpreter),
            stdin=inputs.get("stdin", ""), environment=environment, directory=inputs.get("dir", self._cwd),
            logging=frozenset(_STREAMS[inputs.get("logging", "stdoutAndStderr")]),
        )  # fmt: skip


def _without_nothing(value: Any) -> Any:
    """The value without what is None in a map, at any depth: the real provider drops it."""
    if isinstance(value, Secret):
        return Secret(_without_nothing(value.value))
    if isinstance(value, Mapping):
        return {key: _without_nothing(item) for key, item in value.items() if item is not None}
    return [_without_nothing(item) for item in value] if isinstance(value, list) else value


def _faults(inputs: Props, known: Mapping[str, _Kind]) -> list[CheckFailure]:
    return [CheckFailure(key, why) for key, value in inputs.items() if (why := _fault(key, unwrap(value), known))]


def _fault(key: str, value: Any, known: Mapping[str, _Kind]) -> str:
    if key in _NOT_REHEARSED:
        return "is not rehearsed"
    if key not in known:
        close = difflib.get_close_matches(key, known, 1)
        return "is no property of a command" + (f"; did you mean {close[0]!r}?" if close else "")
    kind = known[key]
    return "" if value is UNKNOWN or kind.fits(value) else f"must be {kind.words}"


def _must_have_run(outputs: Props) -> None:
    if "stdout" not in outputs:
        raise ProviderError("it was imported and never run: without its stdout it can neither be updated nor deleted")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _readable(data: bytes) -> str:
    return data.decode(errors="replace")


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
    lines: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    assert child.stdout is not None
    assert child.stderr is not None
    streams = (("stdout", child.stdout), ("stderr", child.stderr))
    threads = [threading.Thread(target=_pump, args=(name, file, lines), daemon=True) for name, file in streams]
    threads.append(threading.Thread(target=_feed, args=(child, script.stdin.encode()), daemon=True))
    for thread in threads:
        thread.start()
    collected = _collect(ctx, script, child, lines)
    for thread in threads:
        thread.join()
    return _finished(child.wait(), collected)


def _feed(child: subprocess.Popen[bytes], data: bytes) -> None:
    assert child.stdin is not None
    try:
        child.stdin.write(data)
        child.stdin.close()
    except OSError:
        return  # it did not want to read all of it


def _pump(name: str, file: IO[bytes], lines: queue.SimpleQueue[tuple[str, bytes]]) -> None:
    for line in file:
        lines.put((name, line))
    lines.put((name, b""))


def _collect(
    ctx: Context, script: Script, child: subprocess.Popen[bytes], lines: queue.SimpleQueue[tuple[str, bytes]]
) -> Sequence[tuple[str, bytes]]:
    deadline = time.monotonic() + ctx.timeout if ctx.timeout is not None else None
    collected: list[tuple[str, bytes]] = []
    still_open = 2
    while still_open:
        if ctx.killing.is_set() or (deadline is not None and time.monotonic() > deadline):
            _kill(child)
        try:
            name, line = lines.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue
        still_open -= not line
        collected.append((name, line))
        if line and name in script.logging:
            ctx.say(_readable(line).rstrip("\n"))
    return collected


def _kill(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _finished(status: int, collected: Sequence[tuple[str, bytes]]) -> Finished:
    of: Callable[[str], bytes] = lambda stream: b"".join(line for name, line in collected if name == stream)  # noqa: E731
    names = {signal.SIGKILL: "killed", signal.SIGTERM: "terminated", signal.SIGINT: "interrupt"}
    ending = f"exit status {status}" if status else ""
    if status < 0:
        ending = f"signal: {names.get(signal.Signals(-status), signal.Signals(-status).name.lower())}"
    return Finished(ending, of("stdout"), of("stderr"), b"".join(line for _name, line in collected))
