"""`command:remote:Command` in the rehearsal, and copies: dials, logs in and works on simulated machines.

How the real one (1.2.1) was seen to behave: each command dials anew, every failed dial or handshake is repeated up to
the limit, a script that ran is never repeated, time limits of the resource are not obeyed, and a machine that goes
down under a script leaves neither exit status nor signal.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path as File
from typing import Final, Literal, Protocol

from lab.cluster.clock import Clock
from lab.provider import CheckFailure, Context, Props, ProviderError
from lab.providers import command_inputs
from lab.providers.contacts import Visits
from lab.providers.transport import Finished, Script
from lab.values import UNKNOWN, Secret, unwrap

COMMAND: Final = "command:remote:Command"
DEFAULTS: Final[Props] = {"port": 22, "user": "root", "dialErrorLimit": 10, "perDialTimeout": 15}
LOST: Final = "wait: remote command exited without exit status or exit signal"
LONGEST_COMMAND: Final = 128 * 1024
"""The kernel of the machine takes no longer argument: sshd gives the text to the log-in shell as one."""
_ACCEPTED_ENV: Final = re.compile(r"LANG|LC_\w+")
_FIRST_GAP, _GAP_GROWS, _LONGEST_GAP = 0.1, 1.5, 5.0
_HANDSHAKE_SECONDS, _UNREACHABLE_SECONDS, _KERNEL_GIVES_UP_SECONDS = 0.1, 3.1, 127.0
_ENOUGH_SECONDS: Final = 7200.0
_KEY_BEGINS: Final = ("-----BEGIN", "rehearsal-placeholder")

Door = Literal["up", "refused", "silent", "off", "denied"]
"""How a machine answers: sshd does, nothing listens, packets are dropped, it is off, or it takes no log-in."""


class Machine(Protocol):
    """A simulated machine as its network shows it."""

    @property
    def name(self) -> str:
        """Its name in the world."""
        ...

    @property
    def user(self) -> str:
        """Who may log in."""
        ...

    @property
    def host_key(self) -> str:
        """Type and key, as in known_hosts."""
        ...

    def door(self) -> Door:
        """How it answers now."""
        ...

    def run(self, script: Script, user: str, say: Callable[[str], None], stop: threading.Event) -> Finished:
        """Runs a script as this user; the ending is `LOST` when the machine went down under it, or we hung up."""
        ...

    def receive(self, path: str, data: bytes, user: str) -> str:
        """Takes a file over SFTP, into the home of this user unless the path begins at the root; why not, or ""."""
        ...


class Remote(Protocol):
    """Whatever runs the scripts of remote commands."""

    def run(self, ctx: Context, inputs: Props, text: str, before: Props) -> Finished:
        """Connects and runs one script; `before` is the last output."""
        ...

    def copy(self, ctx: Context, inputs: Props) -> None:
        """Connects and sends one file."""
        ...


class RemoteCommands(Visits):
    """Finds the machine behind an address, and runs scripts on it."""

    def __init__(
        self, find: Callable[[str, int], Machine | None] = lambda _host, _port: None, clock: Clock | None = None
    ) -> None:
        super().__init__()
        self.find, self.clock = find, clock
        self._began: dict[str, float] = {}

    def run(self, ctx: Context, inputs: Props, text: str, before: Props) -> Finished:
        """Connects and runs one script; `before` is the last output, which sshd does not take either."""
        connection, machine = self._reached(ctx, inputs)
        self._refuse_environment(ctx, inputs, before)
        self.count(connection, scripts=1)
        streams = frozenset(command_inputs.STREAMS[inputs.get("logging", "stdoutAndStderr")])
        script = Script(text=text, interpreter=("sh", "-c"), stdin=inputs.get("stdin", ""), logging=streams)
        if len(text.encode()) >= LONGEST_COMMAND:
            return Finished("Process exited with status 1", b"", b"", b"")
        ended = machine.run(script, connection["user"], ctx.say, ctx.killing)
        for stream, data in (("stdout", ended.stdout), ("stderr", ended.stderr)):
            check_text(stream, b"" if ended.ending else data)
        if not ended.ending:
            self._began.pop(ctx.urn, None)
        return _as_ssh_says(ended)

    def copy(self, ctx: Context, inputs: Props) -> None:
        """Connects and sends one file."""
        connection, machine = self._reached(ctx, inputs)
        self.count(connection, copies=1)
        why = machine.receive(inputs["remotePath"], File(inputs["source"].path).read_bytes(), connection["user"])
        if why:
            raise ProviderError(why)
        self._began.pop(ctx.urn, None)

    def _reached(self, ctx: Context, inputs: Props) -> tuple[Props, Machine]:
        connection = {**DEFAULTS, **inputs["connection"]}
        check_keys(connection)
        self._say_how_long(ctx)
        return connection, self._connected(ctx, connection)

    def _say_how_long(self, ctx: Context) -> None:
        """A step that is tried again has waited for something: the reader sees for how long."""
        waited = self._now() - self._began.setdefault(ctx.urn, self._now())
        if waited >= 1:
            ctx.say(f"trying again after {waited:.0f} simulated seconds")

    def _now(self) -> float:
        return self.clock.now() if self.clock else 0.0

    def _sleep(self, seconds: float) -> None:
        if self.clock:
            self.clock.sleep(seconds)

    def _connected(self, ctx: Context, connection: Props) -> Machine:
        """The machine after a log-in; every failure on the way there is repeated, a wrong key too."""
        limit = int(connection["dialErrorLimit"])
        give_up = self._now() + _ENOUGH_SECONDS
        for failed, gap in enumerate(gaps(), 1):
            machine, why = self._dial(connection)
            if machine is not None:
                return machine
            if 0 <= limit < failed:
                raise ProviderError(f"after {limit} failed attempts: {why}")
            if ctx.killing.is_set() or self._now() >= give_up or not self.clock:
                raise ProviderError(f"context canceled: {why}")
            waited = self._now() - self._began[ctx.urn]
            ctx.say(f"Dial {failed}/{limit if limit >= 0 else 'inf'} failed: retrying ({waited:.0f} simulated seconds)")
            self._sleep(gap)
        raise AssertionError

    def _dial(self, connection: Props) -> tuple[Machine | None, str]:
        """One try: the machine, or why not."""
        host, port = connection["host"], int(connection["port"])
        self.count(connection, dials=1)
        machine = self.find(host, port)
        door: Door = machine.door() if machine is not None else "silent"
        if machine is None or door not in ("up", "denied"):
            return None, f"dial tcp {host}:{port}: {self._not_reached(door, connection)}"
        self._sleep(_HANDSHAKE_SECONDS)
        why = _not_trusted(machine, connection) or _not_let_in(machine, door, connection)
        return (None, f"ssh: handshake failed: {why}") if why else (machine, "")

    def _not_reached(self, door: Door, connection: Props) -> str:
        if door == "refused":
            return "connect: connection refused"
        limit = float(connection["perDialTimeout"]) or _KERNEL_GIVES_UP_SECONDS
        if door == "off" and limit > _UNREACHABLE_SECONDS:
            self._sleep(_UNREACHABLE_SECONDS)
            return "connect: no route to host"
        self._sleep(limit)
        return "i/o timeout"

    def _refuse_environment(self, ctx: Context, inputs: Props, before: Props) -> None:
        """sshd takes few variables; of the last output only the wish is noted, our own are an error."""
        for name in inputs.get("environment", {}):
            if not _ACCEPTED_ENV.fullmatch(name):
                ctx.say(unable_to_set(name))
                raise ProviderError(f'could not set environment variable "{name}": ssh: setenv failed')
        if inputs.get("addPreviousOutputInEnv", True):
            for name in (key for key, value in before.items() if value):
                ctx.say(unable_to_set(f"PULUMI_COMMAND_{name.upper()}"))


def unable_to_set(name: str) -> str:
    """What is said of a variable that sshd does not take."""
    return f"Unable to set '{name}'. This only works if your SSH server is configured to accept environment variables."


def gaps() -> Iterator[float]:
    """Seconds between dials."""
    gap = _FIRST_GAP
    while True:
        yield gap
        gap = min(gap * _GAP_GROWS, _LONGEST_GAP)


def check(
    news: Props, known: command_inputs.Inputs = command_inputs.REMOTE, what: str = "a remote command"
) -> tuple[Props, list[CheckFailure]]:
    """Refuses what the real one refuses, and misspelt keys; completes the connection and makes a secret of it."""
    failures = command_inputs.faults(news, known, what)
    wanted = ("connection", "remotePath", "source") if known is command_inputs.COPY else ("connection",)
    failures += [CheckFailure(key, "is missing") for key in wanted if key not in news]
    connection = unwrap(news.get("connection"))
    if connection is UNKNOWN or not isinstance(connection, dict):
        return news, failures
    if not connection.get("host"):
        failures.append(CheckFailure("connection.host", "is missing"))
    for failure in command_inputs.faults(connection, command_inputs.CONNECTION, "a connection"):
        failures.append(CheckFailure(f"connection.{failure.property}", failure.reason))
    return {**news, "connection": Secret({**DEFAULTS, **connection})}, failures


def check_keys(connection: Props) -> None:
    """Refuses keys that are none."""
    if connection.get("hostKey") and public_key(connection["hostKey"]) is None:
        raise ProviderError("failed to parse host key: ssh: no key found")
    private = str(connection.get("privateKey") or "")
    if private and not private.lstrip().startswith(_KEY_BEGINS):
        raise ProviderError("ssh: no key found")


def public_key(text: str) -> tuple[str, str] | None:
    """Type and key, with or without a host name before them; None for something else."""
    words = str(text).split()
    for kind, key in itertools.pairwise(words):
        if kind.startswith(("ssh-", "ecdsa-", "sk-")):
            try:
                data = base64.b64decode(key, validate=True)
            except (binascii.Error, ValueError):
                return None
            return (kind, key) if kind.encode() in data[:64] else None
    return None


def _not_trusted(machine: Machine, connection: Props) -> str:
    wanted = connection.get("hostKey")
    return "ssh: host key mismatch" if wanted and public_key(wanted) != public_key(machine.host_key) else ""


def _not_let_in(machine: Machine, door: Door, connection: Props) -> str:
    if door == "up" and connection["user"] == machine.user:
        return ""
    by_password = bool(connection.get("password")) and not connection.get("privateKey")
    tried = "none password" if by_password else "none publickey"
    return f"ssh: unable to authenticate, attempted methods [{tried}], no supported methods remain"


def check_text(stream: str, data: bytes) -> None:
    """Refuses what the receiver would not take."""
    try:
        data.decode()
    except UnicodeDecodeError:
        raise ProviderError(
            f'the value of property "{stream}" is a string that contains non-UTF8 bytes, '
            "which the receiver does not support"
        ) from None


def _as_ssh_says(ended: Finished) -> Finished:
    """The same end in the words of an SSH client."""
    status = re.fullmatch(r"exit status (\d+)", ended.ending)
    killed = re.fullmatch(r"signal: (\w+)", ended.ending)
    ending = ended.ending
    if status:
        ending = f"Process exited with status {status[1]}"
    elif killed:
        ending = f"Process exited with signal {killed[1].upper()}"
    return Finished(ending, ended.stdout, ended.stderr, ended.mixed)
