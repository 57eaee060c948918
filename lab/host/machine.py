"""A simulated machine: a folder with a root, a state and stand-ins, in which real scripts run as over SSH."""

from __future__ import annotations

import fcntl
import os
import queue
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

from lab.cluster.clock import Clock
from lab.host import birth, spec, tools
from lab.host.standins import boot, instance_store
from lab.host.standins.box import Box
from lab.providers.transport import Finished, Lines, Script, kill, pumped, readable

LOST: Final = "wait: remote command exited without exit status or exit signal"
Door = Literal["up", "refused", "silent", "off", "denied"]
Snapshot = dict[str, tuple[str, str]]
PASSING: Final = (
    "/proc",
    "/sys",
    "/run",
    "/dev",
    "/tmp",
    "/var/lib/apt/lists",
    "/var/lib/rpm",
    "/var/cache",
    "/var/log",
)
"""Folders that no comparison looks at: they do not last, or are caches."""
_SFTP_ENDS: Final = {"full": 'sftp: "Failure" (SSH_FX_FAILURE)', "cut": "connection lost"}
SWITCHES: Final = ("ssh", "sftp", "fault", "sudo", "password", "reboot_seconds", "host_key", "images")
SSHD_SECONDS: Final = 6.0
"""So long before the end of a boot the network answers already, and sshd does not."""
_POLL_SECONDS: Final = 0.05


class Machine:
    """One machine of a world; everything it knows is in its folder."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).absolute()
        self.root = self.folder / "root"
        self.environment: dict[str, str] = {}
        """What a caller adds to the environment of scripts, such as stepping through them."""

    @classmethod
    def create(
        cls, folder: Path | str, wish: Mapping[str, Any], clock: Path | None = None, speed: float = 0
    ) -> Machine:
        """Makes a machine from its spec in a world; the clock is the world's, or one of its own."""
        made = cls(folder)
        birth.bear(made.folder, spec.checked(wish), os.path.relpath(clock or made._clock(), made.folder), speed)
        tools.install(made.folder / "bin", spec.manager(str(spec.checked(wish)["distro"])))
        return made

    def _clock(self) -> Path:
        """Machines of a world lie in its folder `hosts`, and have its time."""
        parent = self.folder.absolute().parent
        return (parent.parent if parent.name == "hosts" else self.folder.absolute()) / "clock"

    @property
    def state(self) -> dict[str, Any]:
        """All that is true of it now."""
        return self._box().state

    @property
    def name(self) -> str:
        """Its name in the world."""
        return str(self.state["name"])

    @property
    def user(self) -> str:
        """Who may log in."""
        return str(self.state["user"])

    @property
    def host_key(self) -> str:
        """Type and key, as in known_hosts."""
        return str(self.state["host_key"])

    def _box(self) -> Box:
        """The machine, booted if its time has come."""
        box = Box(str(self.folder))
        if box.state["reboot_at"] is not None:
            with box.locked():
                boot.settle(box)
        if box.state.get("late"):
            with self._starting():
                box = Box(str(self.folder))
                if box.state.get("late"):
                    boot.late(box)
        return box

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """One at a time brings it up; the tools that this takes want the other lock."""
        with (self.folder / "start.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def door(self) -> Door:
        """How it answers on the network now: off while it shuts down and starts, refusing until sshd is there."""
        box = self._box()
        left = box.state["off_until"] - box.now()
        if left > 0:
            return "off" if left > SSHD_SECONDS else "refused"
        found: Door = box.state["ssh"]
        return found

    def switch(self, key: str, value: Any) -> None:
        """Changes what may change while it runs."""
        if key not in SWITCHES:
            raise spec.BadSpec(f"{key}: cannot be changed while the machine runs; there are {', '.join(SWITCHES)}")
        if value not in spec.CHOICES.get(key, (value,)):
            raise spec.BadSpec(f"{key}: {value!r} is none of {', '.join(spec.CHOICES[key])}")
        box = self._box()
        with box.locked():
            box.state[key] = value
            if key == "fault":
                box.state["apt_holder"] = spec.holder(value, box.now() + spec.DEFAULTS["held_seconds"])
            box.save()

    def describe(self, wish: Mapping[str, Any]) -> None:
        """Takes over from a changed description what may change while it runs."""
        state = self.state
        for key in SWITCHES:
            if key in wish and wish[key] != state.get(key, spec.DEFAULTS.get(key)):
                self.switch(key, wish[key])

    def pass_time(self, seconds: float) -> None:
        """Simulated time goes by."""
        Clock(self._box().clock).sleep(seconds)

    def power_cut(self) -> None:
        """Goes off in the middle of whatever it does, and comes back as after a reboot."""
        box = self._box()
        with box.locked():
            boot.schedule(box, 0)
        self._box()

    def stop_and_start(self) -> None:
        """Stopped and started by its cloud: the disks of its instance store are others, and blank."""
        box = self._box()
        with box.locked():
            instance_store.lost(box)
            box.save()
        self.power_cut()

    def env(self, user: str = "root") -> dict[str, str]:
        """The whole environment of a log-in."""
        folders = (self.folder / "bin", self.root / "usr/bin", self.root / "usr/sbin")
        return {
            "PATH": os.pathsep.join(map(str, folders)), "HOME": str(self.home(user)), "USER": user, "LOGNAME": user,
            "SHELL": "/bin/bash", "GPU_READY_ROOT": str(self.root), "GPU_READY_USER": user,
            **self.environment,
        }  # fmt: skip

    def run(
        self,
        script: Script,
        user: str = "",
        say: Callable[[str], None] = lambda _line: None,
        stop: threading.Event | None = None,
    ) -> Finished:
        """Runs a script as sshd does; `LOST` when the machine goes down under it, or when the caller hangs up."""
        user, boots = user or self.user, self.state["boots"]
        child = subprocess.Popen(
            [*tools.SHELL, script.text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.env(user), cwd=self.root, start_new_session=True,
        )  # fmt: skip
        lines, _threads = pumped(child, script.stdin.encode())
        return self._attended(child, lines, script, say, stop or threading.Event(), boots)

    def receive(self, path: str, data: bytes, user: str = "") -> str:
        """Takes a file as the SFTP server of sshd does; what its client makes of it when that goes wrong."""
        sftp = self.state.get("sftp", "up")
        if sftp == "missing":
            return "ssh: subsystem request failed"
        file = self.home(user or self.user) / path if path[:1] != "/" else self.root / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data if sftp == "up" else data[:8192])
        return f"failed to copy file to remote path {path}: {_SFTP_ENDS[sftp]}" if sftp in _SFTP_ENDS else ""

    def home(self, user: str) -> Path:
        """Where whoever logs in begins."""
        return self.root / ("root" if user == "root" else f"home/{user}")

    def _attended(
        self, child: subprocess.Popen[bytes], lines: Lines, script: Script,
        say: Callable[[str], None], stop: threading.Event, boots: int,
    ) -> Finished:  # fmt: skip
        collected: list[tuple[str, bytes]] = []
        still_open = 2  # `boots` was read before the script began: a power cut may be quicker than we are
        while still_open and not stop.is_set():
            try:
                name, line = lines.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if self.state["boots"] != boots:
                    kill(child)
                continue
            still_open -= not line
            collected.append((name, line))
            if line and name in script.logging:
                say(readable(line).rstrip("\n"))
        if stop.is_set():
            threading.Thread(target=child.wait, daemon=True).start()
            return _finished(LOST, collected)
        status = child.wait()
        return _finished(LOST if self.state["boots"] != boots else _ending(status), collected)

    def snapshot(self) -> Snapshot:
        """Everything that lasts: files with mode and checksum, packages, holds, enabled services."""
        found: Snapshot = {}
        for folder, _folders, files in os.walk(self.root):
            inside = folder.removeprefix(str(self.root))
            if inside.startswith(PASSING):
                continue
            if inside:
                found[inside + "/"] = (_mode(folder), "folder")
            for name in files:
                path = f"{folder}/{name}"
                found[f"{inside}/{name}"] = (_mode(path), _content(path))
        return found | self._settings()

    def _settings(self) -> Snapshot:
        state = self.state
        packages = {f"package {name}": (one["version"], _standing(one)) for name, one in state["packages"].items()}
        holds = {f"hold {name}": ("", "") for name in state["holds"]}
        services = {
            f"service {name}": ("", "enabled" if one["enabled"] else "") for name, one in state["services"].items()
        }
        keys = {f"key {name}": ("", "") for name in state["rpm_keys"]}
        return packages | holds | services | keys

    def calls(self) -> list[str]:
        """Every call of a stand-in so far: user, name, arguments."""
        log = self.folder / "calls.log"
        return log.read_text(errors="replace").splitlines() if log.exists() else []

    def keep(self, folder: Path) -> None:
        """Copies root and state to another folder."""
        shutil.copytree(self.root, folder / "root", symlinks=True)
        shutil.copy2(self.folder / "machine.json", folder / "machine.json")

    def restore(self, folder: Path) -> None:
        """Becomes what was kept there."""
        shutil.rmtree(self.root)
        shutil.copytree(folder / "root", self.root, symlinks=True)
        shutil.copy2(folder / "machine.json", self.folder / "machine.json")


def _ending(status: int) -> str:
    if status < 0:
        return f"signal: {signal.Signals(-status).name.removeprefix('SIG').lower()}"
    return f"exit status {status}" if status else ""


def _finished(ending: str, collected: list[tuple[str, bytes]]) -> Finished:
    out, err = (b"".join(line for name, line in collected if name == stream) for stream in ("stdout", "stderr"))
    return Finished(ending, out, err, b"".join(line for _name, line in collected))


def _mode(path: str) -> str:
    return oct(os.lstat(path).st_mode & 0o7777)


def _content(path: str) -> str:
    file = Path(path)
    return f"-> {file.readlink()}" if file.is_symlink() else sha256(file.read_bytes()).hexdigest()


def _standing(package: Mapping[str, Any]) -> str:
    return f"{package['status']}, {'automatic' if package['auto'] else 'by hand'}"
