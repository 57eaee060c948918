"""Stops a script before each command, sees each change, and kills it or keeps what a kill would have left.

bash runs the trap DEBUG before every simple command, in functions, subshells and sourced files too; the stand-ins stop
after each change of theirs. What a script that is killed with SIGKILL leaves is its machine's folder at that moment: so
one run gives all the crashes.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.host.machine import Machine
from lab.host.tools import SHELL

TRAP = """\
set -T
gpu_ready_ask() { echo $$ >"$GPU_READY_STEP"; read -r -N 1 gpu_ready_answer <"$GPU_READY_STEP_ANSWER"; }
gpu_ready_step() {
  case ${gpu_ready_last-} in
  *'>'* | *' -i'*) gpu_ready_ask ;;
  '[ '* | : | return* | shift* | echo* | printf* | sed* | grep* | awk* | cut* | head* | tail* | tr* | sort* | paste*) ;;
  cat* | dpkg-query* | 'rpm -q'* | 'dnf -q'* | apt-cache* | 'apt-mark show'* |\
    modinfo* | 'systemctl is-'* | read* | wc* | cmp*) ;;
  [A-Za-z_]*=*) ;;
  *) gpu_ready_ask ;;
  esac
  gpu_ready_last=$BASH_COMMAND
} || :
trap gpu_ready_step DEBUG
"""
"""What only reads is not looked after: that would take most of the time."""
PASSING = ("/run", "/tmp", "/proc", "/sys", "/dev", "/var/lib/apt/lists")


def unheard(machine: Machine, command: str, stdin: str, heard: int = 0) -> int:
    """Runs a script whose connection is gone after so many lines of its words; its exit status."""
    child = subprocess.Popen(
        [*SHELL, command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=machine.env(machine.user), cwd=machine.root, start_new_session=True,
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    if not heard:
        child.stdout.close()
    child.stdin.write(stdin.encode())
    child.stdin.close()
    for _line in range(heard):
        child.stdout.readline()
    child.stdout.close()
    return child.wait()


class Watch:
    """Sees each change that a script makes."""

    def __init__(self, machine: Machine, kill_at: int, keep_in: Path | None) -> None:
        self.machine, self.kill_at, self.keep_in = machine, kill_at, keep_in
        self.commands = self.changes = 0
        self._before = fingerprint(machine)

    def look(self, process: int) -> None:
        """Called while everything stands still."""
        self.commands += 1
        now = fingerprint(self.machine)
        if now == self._before:
            return
        self._before = now
        self.changes += 1
        if self.keep_in:
            self.machine.keep(self.keep_in / f"crash-{self.changes}")
        if self.changes == self.kill_at:
            os.killpg(os.getpgid(process), signal.SIGKILL)

    def kept(self) -> list[Path]:
        """What a kill after each change would have left."""
        assert self.keep_in
        return [self.keep_in / f"crash-{number}" for number in range(1, self.changes + 1)]


def fingerprint(machine: Machine) -> object:
    """Changes with everything that lasts."""
    state = (machine.folder / "machine.json").stat()
    return state.st_mtime_ns, state.st_ino, tuple(_entries(str(machine.root), len(str(machine.root))))


def _entries(folder: str, start: int) -> Iterator[tuple[str, int, int, int]]:
    with os.scandir(folder) as found:
        for entry in found:
            if entry.path[start:] in PASSING:
                continue
            status = entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                yield entry.path, status.st_mode, 0, 0
                yield from _entries(entry.path, start)
            else:
                yield entry.path, status.st_mode, status.st_mtime_ns, status.st_ino


@contextmanager
def stepped(machine: Machine, folder: Path, kill_at: int = 0, *, keep: bool = False) -> Iterator[Watch]:
    """While this is entered, scripts of the machine stop at each step, and may be killed after a change."""
    folder.mkdir()
    watch = Watch(machine, kill_at, folder if keep else None)
    ask, answer = folder / "ask", folder / "answer"
    os.mkfifo(ask)
    os.mkfifo(answer)
    (folder / "trap").write_text(TRAP)
    shell = folder / "sh"
    shell.write_text(f'#!/bin/sh\nBASH_ENV="{folder}/trap" exec bash "$@"\n')
    shell.chmod(0o755)
    path = os.pathsep.join([str(folder), machine.env()["PATH"]])
    machine.environment = {"PATH": path, "GPU_READY_STEP": str(ask), "GPU_READY_STEP_ANSWER": str(answer)}
    try:
        with _answered(ask, answer, watch.look):
            yield watch
    finally:
        machine.environment = {}


@contextmanager
def _answered(ask: Path, answer: Path, look: Callable[[int], None]) -> Iterator[None]:
    asked, answered = os.open(ask, os.O_RDWR), os.open(answer, os.O_RDWR)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            if select.select([asked], [], [], 0.02)[0]:
                for process in os.read(asked, 65536).split():
                    look(int(process))
                    os.write(answered, b".")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        os.close(asked)
        os.close(answered)
