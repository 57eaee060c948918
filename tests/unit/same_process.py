"""Steps of the program inside the test's own process: the same text and the same cluster, and no interpreter to start.

The whole way through `python3 -` and an executable kubectl is taken by tests that ask for it (`House(processes=True)`).
"""

import builtins
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import CodeType, SimpleNamespace
from typing import Any

from components.local_step import COMMAND
from lab.cluster import kubectl as stand_in
from lab.cluster.world import World
from lab.provider import Context
from lab.providers.transport import Finished, Script, Transport

END_OF_VALUES = "''')\n"


class Streams:
    """What a step prints, kept in the order of arrival."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say, self.written = say, list[tuple[str, str]]()

    def write(self, text: str) -> None:
        """A line for stderr."""
        self.written.append(("stderr", text))
        self.say(text.rstrip("\n"))

    def flush(self) -> None:
        """Nothing is held back."""

    def print(self, *words: object) -> None:
        """A line for stdout."""
        self.written.append(("stdout", " ".join(map(str, words)) + "\n"))

    def of(self, *names: str) -> bytes:
        """What went to these streams."""
        return "".join(text for name, text in self.written if name in names).encode()


def transport(world: World) -> Transport:
    """Runs steps against this cluster and in its time."""

    def run(ctx: Context, script: Script) -> Finished:
        assert script.text in (COMMAND, f"{COMMAND} open"), script.text
        streams = Streams(ctx.say if "stderr" in script.logging else lambda _line: None)
        code = carried_out(script.stdin, world, streams, script.environment, script.text.split()[1:])
        out, err = streams.of("stdout"), streams.of("stderr")
        return Finished(f"exit status {code}" if code else "", out, err, streams.of("stdout", "stderr"))

    return run


def carried_out(
    text: str, world: World, streams: Streams, environment: Mapping[str, str], argv: Sequence[str] = ("-",)
) -> int:
    """The status with which the text ends."""
    values, end, code = text.partition(END_OF_VALUES)
    scope: dict[str, Any] = {"__name__": "__main__", "__builtins__": surroundings(world, streams, environment, argv)}
    try:
        exec(values + end, scope)
        exec(compiled(code), scope)
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        for file in scope.get("WRITTEN", {}).values():  # as the end of a process would
            file.close()
    raise AssertionError("a step ends with a status of its own")


@cache
def compiled(code: str) -> CodeType:
    """The part of a text that is the same for all values."""
    return compile(code, "<step>", "exec")


def surroundings(world: World, streams: Streams, environment: Mapping[str, str], argv: Sequence[str]) -> dict[str, Any]:
    """The builtins of a step: what reaches out of it comes to the simulated cluster and its time."""

    def run(command: list[str], **how: Any) -> Any:
        return heard(asked(world, command), how, streams)

    ours = {
        "os": SimpleNamespace(**{**vars(os), "environ": dict(environment)}),
        "time": SimpleNamespace(sleep=world.clock.sleep, monotonic=world.clock.now),
        "subprocess": SimpleNamespace(**{**vars(subprocess), "run": run}),
        "sys": SimpleNamespace(version_info=sys.version_info, stderr=streams, exit=sys.exit, argv=list(argv)),
    }

    def load(name: str, *more: Any) -> Any:
        return ours.get(name) or builtins.__import__(name, *more)

    return {**vars(builtins), "__import__": load, "print": streams.print}


def heard(done: Any, how: Mapping[str, Any], streams: Streams) -> Any:
    """What nobody catches of it is said by the step."""
    if done.stderr and not (how.get("capture_output") or how.get("stderr")):
        streams.write(done.stderr.decode())
    return done


def asked(world: World, command: list[str]) -> subprocess.CompletedProcess[bytes]:
    """What the stand-in of kubectl answers."""
    if command[1:] == ["--version"]:
        with world.open() as cluster:
            there = command[0] == "kubectl" or cluster.spec["cloud"]["login"]
        return subprocess.CompletedProcess(command, 0 if there else 127, b"1.0\n", b"")
    assert command[0] == "kubectl"
    try:
        said = stand_in._answer(world, *stand_in._parse(command[1:]))
        return subprocess.CompletedProcess(command, 0, f"{said}\n".encode(), b"")
    except stand_in.Refused as refused:
        return subprocess.CompletedProcess(command, 1, b"", f"{refused}\n".encode())
