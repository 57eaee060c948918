"""A run of the lab's hosts: `with Bed() as bed: bed.host("rtx")`. Whatever ends it, nothing is left."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from lab.host.cards import described
from lab.real.hosts import image as images
from lab.real.hosts import packages, places, repositories
from lab.real.hosts.disk import Disk
from lab.real.hosts.fetcher import Fetcher
from lab.real.hosts.host import RealHost
from lab.real.hosts.network import Network
from lab.real.processes import started

RUNS: Final = Path("/var/tmp/gpu-ready-lab")
"""Not in the cache, which may be on a network; not in /tmp, which may be in memory."""
INSTANCES: Final = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH_INSTANCES: Final = 1024
"""The kernel's 128 end at about twenty systemds."""


class Bed:
    """Network, package archive and hosts of one run."""

    def __init__(self, folder: Path | None = None) -> None:
        packages.insist()
        self.keys = folder
        self.hosts: dict[str, RealHost] = {}

    def __enter__(self) -> Bed:
        self._begin()
        try:
            self.network.make()
            self.fetcher = Fetcher(self.network, repositories.repositories())
            self._make_keys()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self) -> None:
        """A folder whose name no other run has, and the keeper, who takes all away when we are gone."""
        RUNS.mkdir(exist_ok=True, mode=0o700)
        # Machine names of nspawn take fewer letters than names of temporary folders have.
        self.id = f"grl{uuid.uuid4().hex[:8]}"
        self.folder = RUNS / self.id
        self.folder.mkdir(mode=0o700)
        self.network = Network(self.id)
        sweep()
        reader, self.life = os.pipe()
        command = ["unshare", "--mount", "--propagation", "private", str(places.HERE / "keeper.sh"), str(self.folder)]
        self.keeper = subprocess.Popen(command, stdin=reader, start_new_session=True)
        os.close(reader)
        (self.folder / "keeper").write_text(f"{self.keeper.pid} {started(self.keeper.pid)}")
        if int(INSTANCES.read_text()) < ENOUGH_INSTANCES:
            INSTANCES.write_text(str(ENOUGH_INSTANCES))

    def __exit__(self, *_: object) -> None:
        for host in self.hosts.values():
            host.let_go()
            host.door.close()
        with contextlib.suppress(AttributeError):
            self.fetcher.close()
        os.close(self.life)
        self.keeper.wait(60)
        for host in self.hosts.values():
            host.power.wait(10)
        if self.folder.exists():
            raise RuntimeError(f"{self.folder} could not be taken away")

    @property
    def group(self) -> Path:
        """The cgroup of all hosts."""
        return cgroups() / self.id

    def _make_keys(self) -> None:
        """Of two people who may log in everywhere."""
        for name in ("first", "second"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self.folder / name)]
            subprocess.run(command, check=True)

    def private_key(self, who: str = "first") -> str:
        """The key of one of them."""
        return (self.folder / who).read_text()

    @property
    def through(self) -> tuple[str, ...]:
        """What a command line begins with that runs in the lab's network."""
        return ("nsenter", f"--net=/run/netns/{self.id}")

    def repositories(self, keyring: bool = False) -> dict[str, Any]:
        """What a stack file says under `bareMetal.repositories`."""
        return repositories.settings(keyring)

    def host(
        self, name: str, suite: str = "bookworm", card: str = "Tesla T4", *, cards: int = 1, nouveau: bool = False,
        compilers: bool = True, wait: bool = True,
    ) -> RealHost:  # fmt: skip
        """A new host, on and reachable."""
        number = len(self.hosts) + 1
        disk = Disk(self.folder / name, images.image(suite, compilers) / "root")
        machine_id = uuid.uuid4().hex
        key = self._write(disk, name, machine_id, suite)
        _part(self.folder / name / "part", disk.image, [described(card, one, name) for one in range(cards)], nouveau)
        self.network.add(name, number)
        self.hosts[name] = RealHost(self, name, number, disk, key, machine_id)
        self.hosts[name].power_on()
        return self.hosts[name].ready() if wait else self.hosts[name]

    def _write(self, disk: Disk, name: str, machine_id: str, suite: str) -> str:
        """What is its own on the disk; its public host key."""
        (self.folder / name).mkdir()
        key = self.folder / name / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)], check=True)
        public = key.with_suffix(".pub").read_text()
        disk.put("etc/machine-id", f"{machine_id}\n", 0o444)
        disk.put("etc/hostname", f"{name}\n")
        disk.put("etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
        disk.put("etc/ssh/ssh_host_ed25519_key", key.read_text(), 0o600)
        disk.put("etc/ssh/ssh_host_ed25519_key.pub", public)
        if suite == "noble":
            # In front of Ubuntu's own, which finds no card here.
            disk.link("usr/local/bin/nvidia-smi", "/opt/gpu-lab/nvidia-smi")
        disk.put(f"var/log/journal/{machine_id}/.lab", "")
        people = "".join((self.folder / f"{who}.pub").read_text() for who in ("first", "second"))
        disk.put("root/.ssh/authorized_keys", people, 0o600)
        for user in (images.ADMIN, images.ASKED):
            home = (disk.image / "home" / user).stat()
            disk.put(f"home/{user}/.ssh/authorized_keys", people, 0o600, (home.st_uid, home.st_gid))
        return " ".join(public.split()[:2])


def _part(folder: Path, disk: Path, cards: Sequence[dict[str, object]], nouveau: bool) -> None:
    """What the host has in the place of a card and of a kernel of its own."""
    folder.mkdir()
    program = repositories.programs() / "standin"
    shutil.copyfile(program, folder / "standin")
    (folder / "standin").chmod(0o755)
    for name in ("hardware", "nvidia-smi", *images.STAND_INS):
        (folder / name).symlink_to("standin")
    kernel = next(one.name.removeprefix("vmlinuz-") for one in sorted((disk / "boot").glob("vmlinuz-*")))
    known = {"kernel": kernel, "cards": cards, "nouveau": nouveau}
    (folder / "hardware.json").write_text(json.dumps(known))


def cgroups() -> Path:
    """Where the machine shows its cgroup2."""
    for line in Path("/proc/mounts").read_text().splitlines():
        words = line.split()
        if words[2] == "cgroup2":
            return Path(words[1])
    raise packages.NotHere("the lab's hosts need cgroup2: mount -t cgroup2 none /sys/fs/cgroup/unified")


def sweep() -> None:
    """Takes away what a run left whose keeper was killed too."""
    for folder in RUNS.glob("grl*"):
        note = folder / "keeper"
        if not note.exists() or note.read_text().split()[1:] == [started(int(note.read_text().split()[0]))]:
            continue
        command = ["unshare", "--mount", "--propagation", "private", str(places.HERE / "keeper.sh"), str(folder)]
        subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
