"""Children of the lab: each writes into a log file, and none outlives whoever started it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

# The kernel counts the thread that forked as the parent: this one lives as long as the process.
_SPAWNER = ThreadPoolExecutor(1, "lab-spawner")
_PAUSE = 0.02


class EndedError(Exception):
    """A child that should run has ended; the text has the end of its log."""


def started(pid: int) -> str:
    """When a process began, which tells it from another one that got its number; empty for one that has ended."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state == "Z" else fields[18]
    except (OSError, IndexError):
        return ""


class Processes:
    """Children by name, ended in the reverse order of their start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, name: str, command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> int:
        """Starts a child and gives its process id; it dies with this process, however that ends."""
        setpriv = shutil.which("setpriv") or "setpriv"
        words = [setpriv, "--pdeathsig", "KILL", "--", *map(str, command)]

        def spawn() -> subprocess.Popen[bytes]:
            with self.log(name).open("ab") as log:
                return subprocess.Popen(
                    words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                    env={**os.environ, **(env or {})},
                )  # fmt: skip

        self._running[name] = _SPAWNER.submit(spawn).result()
        return self._running[name].pid

    def log(self, name: str) -> Path:
        """What the child says."""
        return self.folder / f"{name}.log"

    def pid(self, name: str) -> int:
        """The process id of a child that was started."""
        return self._running[name].pid

    def check(self) -> None:
        """Raises `EndedError` for the first child that has ended by itself."""
        for name, child in self._running.items():
            if child.poll() is not None:
                tail = "\n".join(self.log(name).read_text(errors="replace").splitlines()[-15:])
                raise EndedError(f"{name} ended with {child.returncode}; the end of {self.log(name)}:\n{tail}")

    def stop(self, name: str, patience: float = 5.0) -> None:
        """Ends a child: TERM, and KILL for one that takes longer than that."""
        self._end({name: self._running.pop(name)}, patience)

    def close(self, patience: float = 0.3) -> None:
        """Ends all children; nothing of what they keep is needed any more."""
        children = dict(reversed(self._running.items()))
        self._running.clear()
        self._end(children, patience)

    def _end(self, children: Mapping[str, subprocess.Popen[bytes]], patience: float) -> None:
        for child in children.values():
            child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(child.poll() is None for child in children.values()):
            time.sleep(_PAUSE)
        for child in children.values():
            child.kill()
            child.wait()
