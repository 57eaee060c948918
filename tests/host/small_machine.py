"""A machine whose stand-ins are called in this very process: the same code, without the time that a start takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from host import script
from lab.host import birth, spec
from lab.host.machine import Machine
from lab.host.standins import tools
from lab.host.standins.archive import KEYS
from lab.host.standins.downloads import armored, key_text
from lab.providers.transport import Finished, Script

CARD, TESLA, VOLTA, BLACKWELL = "NVIDIA GeForce RTX 4070", "Tesla T4", "Tesla V100-SXM2-16GB", "NVIDIA GeForce RTX 5090"
TOOLKIT_URL = "https://nvidia.github.io/libnvidia-container/stable/deb/amd64"
CUDA_URL = "https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/"
UBUNTU_DRIVER = (
    "linux-modules-nvidia-580-server-open-generic", "nvidia-headless-no-dkms-580-server-open",
    "nvidia-utils-580-server",
)  # fmt: skip
TOOLKIT = (
    "nvidia-container-toolkit", "nvidia-container-toolkit-base", "libnvidia-container-tools", "libnvidia-container1",
)  # fmt: skip


class Said(NamedTuple):
    """How a stand-in ended."""

    status: int
    out: str
    err: str


class Bench:
    """A machine to call single tools on."""

    def __init__(self, machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
        self.machine, self._capsys = machine, capsys

    def __call__(self, line: str, *more: str) -> Said:
        """Calls a tool: its words, split at blanks, and more words as they are."""
        name, *args = line.split()
        self._capsys.readouterr()
        status = tools.main(str(self.machine.folder), name, [*args, *more])
        return Said(status, *self._capsys.readouterr())

    def well(self, line: str, *more: str) -> str:
        """The same for what has to succeed: what it prints."""
        said = self(line, *more)
        assert said.status == 0, said
        return said.out

    def install(self, *packages: str) -> Said:
        """As scripts do it."""
        return self("apt-get install -y --no-install-recommends", *packages)

    def file(self, name: str) -> Path:
        """A file of the machine."""
        return self.machine.root / name.lstrip("/")

    def write(self, name: str, text: str) -> Path:
        """Writes a file of the machine."""
        path = self.file(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def repository(self, name: str = "toolkit") -> None:
        """Configures one of NVIDIA's repositories and asks it."""
        url = TOOLKIT_URL if name == "toolkit" else CUDA_URL
        self.write(f"/etc/apt/keyrings/{name}.asc", armored(key_text(KEYS[name])))
        self.write(f"/etc/apt/sources.list.d/{name}.list", f"deb [signed-by=/etc/apt/keyrings/{name}.asc] {url} /\n")
        self.well("apt-get update")

    def reboot(self) -> None:
        """Reboots and waits for the end of it."""
        self.well("systemd-run --on-active=1 systemctl reboot")
        self.machine.pass_time(self.machine.state["reboot_seconds"] + 2)
        assert self.machine.state["reboot_at"] is None


def born(folder: Path, **wish: Any) -> Machine:
    """A machine without programs on PATH, which only scripts need."""
    birth.bear(folder, spec.checked({"name": "rtx", "cards": [CARD], **wish}), "clock", 0)
    return Machine(folder)


def with_tools(machine: Machine) -> Machine:
    """The scripts of all steps lie where the step `tools` puts them."""
    home = machine.root / "var/lib/gpu-ready" / script.bundle().hash
    home.mkdir(parents=True)
    home.chmod(0o755)
    for name, text in script.sources(script.HERE).items():
        (home / name).write_text(text)
    return machine


def settings(lines: Mapping[str, str] | str) -> str:
    """Settings of containerd as text."""
    return lines if isinstance(lines, str) else "".join(f"{key} = {value}\n" for key, value in lines.items())


def sh(machine: Machine, text: str, user: str = "root") -> Finished:
    """Runs a text as over SSH."""
    return machine.run(Script("sh -s", stdin=text), user)
