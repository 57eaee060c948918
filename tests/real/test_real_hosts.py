"""Two simulated machines behind real SSH, made ready by the real `pulumi` and its real command provider."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.real.real_pulumi import STACK, Real, needs_pulumi
from tests.unit.house import HOSTS, HOSTS_CONFIG

asyncssh = pytest.importorskip("asyncssh")
pytestmark = needs_pulumi


def free_ports(number: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


@contextmanager
def passing(real: Real) -> Iterator[None]:
    """Ten simulated seconds in each real one."""
    over = threading.Event()

    def tick() -> None:
        while not over.wait(0.1):
            real.world.clock.reach(real.world.clock.now() + 1)

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join()


class Homelab:
    """Two machines, each behind an SSH server of its own, and a stack that declares both."""

    def __init__(self, folder: Path) -> None:
        from tests.real.ssh_door import Door

        ports, client = free_ports(2), asyncssh.generate_private_key("ssh-ed25519")
        keys = {port: asyncssh.generate_private_key("ssh-ed25519") for port in ports}
        self.where = [
            {"address": "127.0.0.1", "port": port, "host_key": keys[port].export_public_key().decode().strip()}
            for port in ports
        ]
        world = {**HOSTS, "hosts": [{**one, **at} for one, at in zip(HOSTS["hosts"], self.where, strict=True)]}
        self.real = Real(folder, world)
        self.declare()
        secret = client.export_private_key("openssh").decode()
        self.real.run("config", "set", "--secret", "-s", STACK, "gpu-ready:sshPrivateKey", "--", secret)
        machines = {port: self.real.world.machine(name) for port, name in zip(ports, ("rtx", "tesla"), strict=True)}
        self.door = Door(client.export_public_key().decode(), machines, keys)

    def declare(self, **more: Any) -> None:
        """The stack file from now on; a secret in it has to come after."""
        declared: list[dict[str, Any]] = HOSTS_CONFIG["bareMetal"]["hosts"]
        hosts = [
            {**one, "address": at["address"], "port": at["port"], "hostKey": at["host_key"], **more}
            for one, at in zip(declared, self.where, strict=True)
        ]
        self.real.configure({**HOSTS_CONFIG, "bareMetal": {"hosts": hosts}})


@pytest.fixture
def lab(tmp_path: Path) -> Homelab:
    return Homelab(tmp_path)


def test_two_hosts_from_nothing_to_nothing(lab: Homelab) -> None:
    real, start = lab.real, lab.real.world.snapshot()

    with lab.door as door, passing(real):
        up = real.up()
        assert up.returncode == 0, up.stdout + up.stderr
        assert "rtx: driver    install 580" in up.stdout
        shown = real.exports()["hosts"]
        assert {name: (one["node"], one["cards"]) for name, one in shown.items()} == {
            "rtx": ("gpu-1", ["NVIDIA GeForce RTX 4070"]), "tesla": ("gpu-2", ["Tesla T4"]),
        }  # fmt: skip

        scripts = len(door.scripts)
        again = real.up("--expect-no-changes")
        assert again.returncode == 0, again.stdout + again.stderr
        assert len(door.scripts) == scripts

        state = real.run("stack", "export", "-s", STACK).stdout
        assert "nodes-tesla-reboot" in state
        assert "PRIVATE KEY" not in state

        gone = real.run("destroy", "--yes", "--skip-preview", "-s", STACK)
        assert gone.returncode == 0, gone.stdout + gone.stderr
    assert real.world.unexpected(start, real.world.snapshot()) == []


def test_hosts_that_are_gone_for_good_go_without_a_connection(lab: Homelab) -> None:
    """Once the door is shut, whoever dials is refused."""
    with lab.door as door, passing(lab.real):
        up = lab.real.up()
        assert up.returncode == 0, up.stdout + up.stderr
        scripts = len(door.scripts)
    lab.declare(state="abandoned")

    abandoned = lab.real.up()
    assert abandoned.returncode == 0, abandoned.stdout + abandoned.stderr
    gone = lab.real.run("destroy", "--yes", "--skip-preview", "-s", STACK)

    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert len(door.scripts) == scripts
    assert "nodes-rtx-driver" not in lab.real.run("stack", "export", "-s", STACK).stdout
