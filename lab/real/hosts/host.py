"""One host of the lab, and what can be done to it from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab.real.hosts import places
from lab.real.hosts.disk import Disk, Snapshot
from lab.real.hosts.forwarder import Forwarder
from lab.real.hosts.network import address

if TYPE_CHECKING:
    from lab.real.hosts.bed import Bed

BOOT_SECONDS: Final = 60
_COMMAND_SECONDS: Final = 180
_COMING_UP: Final = ("initializing", "starting", "")
_SETTLE: Final = 0.05
_HOLD: Final = (
    "import fcntl, sys, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); "
    "print('held', flush=True); time.sleep(3600)"
)
# What `apt-mark showauto` reads, which needs a second of its own to read the whole archive too.
_AUTOMATIC: Final = "awk '/^Package: / {name = $2} /^Auto-Installed: 1/ {print name}' /var/lib/apt/extended_states"
_REFUSES: Final = """\
[Service]
ExecStartPre=/bin/sh -c '! grep -q "gpu-ready begin" /etc/containerd/config.toml'
"""


class RealHost:
    """A machine of its own: disk, machine-id, host key, network, processes. It is on from the beginning."""

    user = "root"

    def __init__(self, bed: Bed, name: str, number: int, disk: Disk, host_key: str, machine_id: str) -> None:
        self.bed, self.name, self.number, self.disk = bed, name, number, disk
        self.host_key, self.machine_id = host_key, machine_id
        self.folder = bed.folder / name
        self.inside = address(number)
        """Its address in the lab's network, where sshd answers at port 22."""
        self.door = Forwarder(bed.network, number)
        self.address, self.port = self.door.address, self.door.port
        self.holders: list[subprocess.Popen[str]] = []

    # --- power ---------------------------------------------------------------

    def power_on(self) -> None:
        """Pushes the button; `ready` waits until it answers."""
        command = [
            "unshare", "--mount", "--propagation", "private", str(places.HERE / "boot.sh"), str(self.bed.folder),
            self.name, str(self.disk.image),
        ]  # fmt: skip
        with (self.folder / "power.log").open("a") as log:
            self.power = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def power_off(self) -> None:
        """Pulls the plug: nothing is written any more, and the disk is as it is."""
        self.let_go()
        group = self.bed.group / self.name
        with contextlib.suppress(FileNotFoundError):
            (group / "cgroup.kill").write_text("1")
        self.power.wait(30)
        _until(lambda: not self._pids(), 10, f"{self.name} does not go off")

    def ready(self, seconds: float = BOOT_SECONDS) -> RealHost:
        """Waits until sshd answers."""
        _until(self._answers, seconds, f"{self.name} did not come up in {seconds:.0f} s: see {self.folder}")
        return self

    def settled(self, seconds: float = BOOT_SECONDS) -> None:
        """Waits until its boot is over, whatever failed in it; systemctl's own --wait once never came back."""
        try:
            _until(lambda: self._stage() not in _COMING_UP, seconds, "")
        except RuntimeError:
            jobs = self.run("systemctl list-jobs --no-pager")
            raise RuntimeError(f"{self.name} is not through with its boot after {seconds:.0f} s:\n{jobs}") from None

    def _stage(self) -> str:
        return self.run("systemctl is-system-running || :").strip()

    def _answers(self) -> bool:
        try:
            with self.bed.network.connected(self.inside, 22, 2) as one:
                return one.recv(4) == b"SSH-"
        except OSError:
            return False

    def boots(self) -> int:
        """How often it has gone down by itself."""
        log = self.folder / "boots.log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def boot_id(self) -> str:
        """Of the boot that runs."""
        return self.run("cat /proc/sys/kernel/random/boot_id").strip()

    # --- inside ---------------------------------------------------------------

    def _pids(self) -> list[int]:
        """All its processes."""
        group, found = self.bed.group / self.name, list[int]()
        for folder, _folders, _files in os.walk(group):
            with contextlib.suppress(OSError):
                found += map(int, Path(folder, "cgroup.procs").read_text().split())
        return found

    def leader(self) -> int:
        """Its systemd; 0 while it is off."""
        for pid in self._pids():
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                numbers = next(line for line in lines if line.startswith("NSpid:")).split()[1:]
                if len(numbers) > 1 and numbers[-1] == "1" and Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                    return pid
        return 0

    def command(self, text: str) -> list[str]:
        """A command line that runs this as root in the host, past sshd."""
        leader = self.leader()
        if not leader:
            raise RuntimeError(f"{self.name} is off")
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return ["nsenter", "-t", str(leader), "-a", "env", "-i", path, "HOME=/root", "sh", "-c", text]

    def run(self, text: str) -> str:
        """What this prints as root in the host."""
        try:
            done = subprocess.run(
                self.command(text), capture_output=True, text=True, check=False, timeout=_COMMAND_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"{self.name}: {text}: no end after {_COMMAND_SECONDS} s") from error
        if done.returncode:
            raise RuntimeError(f"{self.name}: {text}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """A file, as somebody who is logged in writes it."""
        subprocess.run(
            self.command(f"mkdir -p '{Path(path).parent}'; cat >'{path}'"), input=text, text=True, check=True
        )

    def put(self, path: str, program: Path) -> None:
        """A program, as somebody who is logged in puts it there."""
        with program.open("rb") as text:
            subprocess.run(self.command(f"cat >'{path}'; chmod 755 '{path}'"), stdin=text, check=True)

    def snapshot(self) -> Snapshot:
        """Everything that lasts: files that differ from the image, packages, holds, enabled services."""
        self.settled()
        self.run("sync")
        return self.disk.snapshot() | self._settings()

    def _settings(self) -> Snapshot:
        found: Snapshot = {}
        auto = set(self.run(_AUTOMATIC).split())
        for line in self.run("dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\\n'").splitlines():
            name, version, status = line.split()
            found[f"package {name}"] = (version, f"{status}, {'automatic' if name in auto else 'by hand'}")
        for name in self.run("apt-mark showhold").split():
            found[f"hold {name}"] = ("", "")
        for line in self.run("systemctl list-unit-files --no-legend --no-pager").splitlines():
            unit, state = line.split()[:2]
            if state == "enabled":
                found[f"service {unit}"] = ("", state)
        return found

    # --- what sshd saw ---------------------------------------------------------------

    def connections(self) -> int:
        """How many connections sshd was asked for, as its journal has it; our own look for its banner too."""
        if self.leader():
            self.run("journalctl --sync")
        command = ["journalctl", "-q", "-o", "cat", "-t", "sshd", "-D", str(self.disk.upper / "var/log/journal")]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        return sum(line.startswith("Connection from ") for line in told.splitlines())

    def step(self) -> str:
        """The step of ours that has the lock, such as `driver apply`; nothing between steps."""
        with contextlib.suppress(OSError, ValueError):
            place = Path(f"/proc/{self.leader()}/root/run/gpu-ready.lock")
            pid, words = place.read_text().split(", step ")
            if Path(f"/proc/{self.leader()}/root/proc/{pid.removeprefix('process ')}").exists():
                return words.strip()
        return ""

    def kill_sshd_session(self) -> int:
        """Ends sshd's processes of all sessions; what runs in them goes on without anybody. How many there were."""
        return self._kill_sshd(lambda words: "listener" not in words)

    def kill_sshd(self) -> int:
        """Ends sshd itself too, with all sessions; its systemd starts it again."""
        return self._kill_sshd(lambda _words: True)

    def _kill_sshd(self, which: Callable[[str], bool]) -> int:
        ended = 0
        for pid in self._pids():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                if words.startswith("sshd: ") and which(words):
                    os.kill(pid, signal.SIGKILL)
                    ended += 1
        return ended

    # --- faults ---------------------------------------------------------------

    def cut_network(self) -> None:
        """Pulls its cable: packets are lost without a word."""
        self.bed.network.plug(self.number, "down")

    def mend_network(self) -> None:
        """Puts the cable back."""
        self.bed.network.plug(self.number, "up")

    def hold_package_lock(self) -> None:
        """Somebody else is installing, until `let_go`."""
        held = self._beside(f'exec python3 -c "{_HOLD}"')
        assert held.stdout is not None
        if held.stdout.readline() != "held\n":
            raise RuntimeError(f"{self.name}: the lock of dpkg could not be held")

    def use_card(self) -> None:
        """Somebody computes on the card, until `let_go`."""
        self._beside("exec use-card")

    def _beside(self, text: str) -> subprocess.Popen[str]:
        """Runs this until `let_go`; in a group of its own, because nsenter does not pass a signal on."""
        begun = subprocess.Popen(self.command(text), stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.holders.append(begun)
        return begun

    def let_go(self) -> None:
        """Ends what holds a lock or a card."""
        for one in self.holders:
            os.killpg(one.pid, signal.SIGTERM)
            one.wait(10)
            if one.stdout:
                one.stdout.close()
        self.holders.clear()

    def break_builds(self, broken: bool = True) -> None:
        """No module can be built with the headers that are here, or again."""
        file = self.run("echo /usr/src/linux-headers-*-common/include/linux/module.h").strip()
        self.run(f"echo '#error broken by the lab' >>{file}" if broken else f"sed -i '/broken by the lab/d' {file}")

    def refuse_containerd(self, refuses: bool = True) -> None:
        """containerd does not start with a configuration that has our block in it, or does so again."""
        place = "/run/systemd/system/containerd.service.d/lab.conf"
        if refuses:
            self.write(place, _REFUSES)
        else:
            self.run(f"rm -f {place}")
        self.run("systemctl daemon-reload")


def _until(holds: object, seconds: float, words: str) -> None:
    assert callable(holds)
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError(words)
        time.sleep(_SETTLE)
