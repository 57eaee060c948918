"""`command:remote:Command` over the real OpenSSH client, in the place of the simulated `RemoteCommands`.

The real provider is Go's SSH client; what it was seen to do (facts of the project: engine, section 1) is what counts:
every failed dial and every failed handshake is repeated up to the limit, a script that ran never is, and the words of
an error are Go's. The client's log says how far a connection came, because its status does not.
"""

from __future__ import annotations

import os
import queue
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lab.provider import Context, Props, ProviderError
from lab.providers import command_inputs, remote_command
from lab.providers.contacts import Visits
from lab.providers.remote_command import DEFAULTS, LONGEST_COMMAND, LOST
from lab.providers.transport import Finished, Lines, kill, pumped, readable

ALIAS: Final = "host"
"""Under this name the one key stands that is trusted: whatever the address, and whatever else somebody knows."""
_POLL_SECONDS: Final = 0.05
_LOST_STATUS: Final = 255
_ACCEPTED_ENV: Final = re.compile(r"LANG|LC_\w+")
_REASONS: Final = (
    (r"Could not resolve hostname", "dial tcp: lookup {host}: no such host"),
    (r"Host key verification failed|HOST IDENTIFICATION HAS CHANGED", "ssh: handshake failed: ssh: host key mismatch"),
    (r"Permission denied \(|Too many authentication failures", "ssh: handshake failed: ssh: unable to authenticate, "
     "attempted methods [none {methods}], no supported methods remain"),
    (r"Connection refused", "dial tcp {place}: connect: connection refused"),
    (r"No route to host", "dial tcp {place}: connect: no route to host"),
    (r"Network is unreachable", "dial tcp {place}: connect: network is unreachable"),
    (r"timed out|timeout", "dial tcp {place}: i/o timeout"),
    (r"Connection reset", "ssh: handshake failed: read tcp {place}: read: connection reset by peer"),
    (r"", "ssh: handshake failed: EOF"),
)  # fmt: skip
"""What OpenSSH writes into its log, and how Go says the same; the first that fits."""


class RealRemoteCommands(Visits):
    """Runs scripts on whatever answers; `through` is what the client's command line begins with.

    Keys lie below `folder` while they are needed: one that somebody takes away should we be killed.
    """

    def __init__(self, through: Sequence[str] = (), folder: Path | None = None) -> None:
        super().__init__()
        self.through, self.folder = tuple(through), folder

    def run(self, ctx: Context, inputs: Props, text: str, before: Props) -> Finished:
        """Connects and runs one script."""
        connection = _checked(inputs)
        _refuse_environment(ctx, inputs)
        if len(text.encode()) >= LONGEST_COMMAND:
            return Finished("Process exited with status 1", b"", b"", b"")
        ended = self._dialed(ctx, connection, lambda: self._once(ctx, connection, text, inputs))
        self.count(connection, scripts=1)
        for stream, data in (("stdout", ended.stdout), ("stderr", ended.stderr)):
            remote_command.check_text(stream, b"" if ended.ending else data)
        return ended

    def copy(self, ctx: Context, inputs: Props) -> None:
        """Connects and sends one file over SFTP."""
        connection, file = _checked(inputs), Path(inputs["source"].path).resolve()
        ended = self._dialed(ctx, connection, lambda: self._sent(connection, file, str(inputs["remotePath"])))
        self.count(connection, copies=1)
        if ended.ending:
            raise ProviderError(ended.ending)

    def _sent(self, connection: Props, file: Path, place: str) -> Finished | str:
        """One try: nothing, or what the real client says where the server takes no file; or why it never began."""
        with _login(connection, self.folder) as login:
            done = subprocess.run(
                [*self.through, *login.sending()], env=login.environment, start_new_session=True, check=False,
                input=f"put {shlex.quote(str(file))} {shlex.quote(place)}\n".encode(), capture_output=True,
            )  # fmt: skip
            return login.taken(done.returncode, done.stderr.decode(errors="replace"), place)

    def _dialed(self, ctx: Context, connection: Props, once: Callable[[], Finished | str]) -> Finished:
        """How it ended; every failure on the way there is repeated, a wrong key too."""
        limit, began = int(connection["dialErrorLimit"]), time.monotonic()
        for failed, gap in enumerate(remote_command.gaps(), 1):
            self.count(connection, dials=1)
            ended = once()
            if isinstance(ended, Finished):
                return ended
            if 0 <= limit < failed:
                raise ProviderError(f"after {limit} failed attempts: {ended}")
            if ctx.killing.is_set():
                raise ProviderError(f"context canceled: {ended}")
            shown = limit if limit >= 0 else "inf"
            ctx.say(f"Dial {failed}/{shown} failed: retrying ({time.monotonic() - began:.0f} seconds)")
            ctx.killing.wait(gap)
        raise AssertionError

    def _once(self, ctx: Context, connection: Props, text: str, inputs: Props) -> Finished | str:
        """One try: how the script ended, or why it never began."""
        with _login(connection, self.folder) as login:
            child = subprocess.Popen(
                [*self.through, *login.command(text)], env=login.environment, start_new_session=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            lines, _threads = pumped(child, inputs.get("stdin", "").encode())
            collected = _attended(ctx, child, lines, command_inputs.STREAMS[inputs.get("logging", "stdoutAndStderr")])
            if ctx.killing.is_set():
                kill(child)
            return login.outcome(child.wait(), collected)


class _Login:
    """The client's command line, its files, and what its log says."""

    def __init__(self, folder: Path, connection: Props) -> None:
        self.folder, self.connection = folder, connection
        self.log = folder / "log"
        self.environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder)}
        self.has_key = bool(connection.get("privateKey"))
        key = " ".join(remote_command.public_key(connection["hostKey"]) or ())
        self._file("known_hosts", f"{ALIAS} {key}\n")
        if self.has_key:
            self._file("key", str(connection["privateKey"]).rstrip("\n") + "\n")
        elif "SSH_AUTH_SOCK" in os.environ:
            self.environment["SSH_AUTH_SOCK"] = os.environ["SSH_AUTH_SOCK"]
        if connection.get("password"):
            self._file("password", str(connection["password"]))
            self._file("ask", f"#!/bin/sh\ncat {shlex.quote(str(folder / 'password'))}\n", 0o700)
            self.environment |= {"SSH_ASKPASS": str(folder / "ask"), "SSH_ASKPASS_REQUIRE": "force"}

    def _file(self, name: str, text: str, mode: int = 0o600) -> None:
        with os.fdopen(os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            file.write(text)

    def command(self, text: str) -> list[str]:
        """OpenSSH with nobody's settings but these."""
        known = self.connection
        place = ["-p", str(known["port"]), "-l", str(known["user"])]
        log = ["-v", "-E", str(self.log)]
        return ["ssh", "-F", "none", "-T", *log, *self._options(), *place, "--", str(known["host"]), text]

    def sending(self) -> list[str]:
        """Its client for files, which takes what to do from stdin."""
        known = self.connection
        place = [f"-oPort={known['port']}", f"-oUser={known['user']}"]
        return ["sftp", "-F", "none", "-b", "-", "-v", *self._options(), *place, "--", str(known["host"])]

    def taken(self, status: int, log: str, place: str) -> Finished | str:
        """What became of a file, in the words of the real client."""
        if "Authenticated to " not in log:
            return self._why(log)
        if "subsystem request failed" in log:
            return Finished("ssh: subsystem request failed", b"", b"", b"")
        why = "connection lost" if status == _LOST_STATUS else 'sftp: "Failure" (SSH_FX_FAILURE)'
        return Finished(f"failed to copy file to remote path {place}: {why}" if status else "", b"", b"", b"")

    def _options(self) -> list[str]:
        seconds = max(1, int(self.connection["perDialTimeout"]))
        options = {
            "HostKeyAlias": ALIAS, "UserKnownHostsFile": self.folder / "known_hosts", "GlobalKnownHostsFile": "none",
            "StrictHostKeyChecking": "yes", "UpdateHostKeys": "no", "ConnectTimeout": seconds,
            "ConnectionAttempts": 1, "NumberOfPasswordPrompts": 1, "IdentitiesOnly": "yes" if self.has_key else "no",
            "PreferredAuthentications": ",".join(self._methods()), "ServerAliveInterval": 15, "ServerAliveCountMax": 9,
            **({"IdentityFile": self.folder / "key", "IdentityAgent": "none"} if self.has_key else {}),
        }  # fmt: skip
        return [f"-o{key}={value}" for key, value in options.items()]

    def _methods(self) -> list[str]:
        return ["publickey", *(["password"] if self.connection.get("password") else [])]

    def outcome(self, status: int, collected: list[tuple[str, bytes]]) -> Finished | str:
        """How the script ended, in the words of the real client; or why it never began."""
        log = self.log.read_text(errors="replace") if self.log.exists() else ""
        out, err = (b"".join(line for name, line in collected if name == stream) for stream in ("stdout", "stderr"))
        mixed = b"".join(line for _name, line in collected)
        if "Authenticated to " not in log:
            return self._why(log)
        if "rtype exit-status" in log:
            return Finished(f"Process exited with status {status}" if status else "", out, err, mixed)
        signal = re.search(r"rtype exit-signal", log)
        return Finished("Process exited with signal KILL" if signal else LOST, out, err, mixed)

    def _why(self, log: str) -> str:
        said = "\n".join(line for line in log.splitlines() if not line.startswith("debug1: Local version"))
        words = next(words for sign, words in _REASONS if re.search(sign, said))
        host, port = self.connection["host"], self.connection["port"]
        return words.format(host=host, place=f"{host}:{port}", methods=" ".join(self._methods()))


def _checked(inputs: Props) -> Props:
    connection = {**DEFAULTS, **inputs["connection"]}
    if not connection.get("hostKey"):
        raise ProviderError("the lab does not log in where nobody says which key the host has to show")
    remote_command.check_keys(connection)
    return connection


@contextmanager
def _login(connection: Props, below: Path | None) -> Iterator[_Login]:
    """The key lies in a folder that nobody else may enter, as long as the connection lasts."""
    with tempfile.TemporaryDirectory(prefix="gpu-ready-ssh-", dir=below) as folder:
        yield _Login(Path(folder), connection)


def _attended(
    ctx: Context, child: subprocess.Popen[bytes], lines: Lines, shown: Collection[str]
) -> list[tuple[str, bytes]]:
    collected: list[tuple[str, bytes]] = []
    still_open = 2
    while still_open and not ctx.killing.is_set():
        try:
            name, line = lines.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue
        still_open -= not line
        collected.append((name, line))
        if line and name in shown:
            ctx.say(readable(line).rstrip("\n"))
    return collected


def _refuse_environment(ctx: Context, inputs: Props) -> None:
    for name in inputs.get("environment", {}):
        if not _ACCEPTED_ENV.fullmatch(name):
            ctx.say(remote_command.unable_to_set(name))
            raise ProviderError(f'could not set environment variable "{name}": ssh: setenv failed')
