"""Two simulated machines behind real SSH, made ready by the real `pulumi` and its real command provider."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.real.ports import free_port
from tests.real.real_pulumi import STACK, Real, needs_pulumi
from tests.unit.house import HOSTS, HOSTS_CONFIG

MOST = 64 * 1024
"""Bytes that a host may add to a state, which is written anew at each step of a deployment."""
DRAINED = 12 * 1024
"""What one may add beside that while the last thing that was done to its node was a drain."""
asyncssh = pytest.importorskip("asyncssh")
pytestmark = needs_pulumi


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


class Far:
    """The demo's machines, each behind a server of its own, and a stack that has the key to them."""

    def __init__(self, folder: Path, client: Any = None, **more: Any) -> None:
        self.client = client or asyncssh.generate_private_key("ssh-ed25519")
        self.more = {"sudo": "passwordless", **more}
        self.keys = {free_port(): asyncssh.generate_private_key("ssh-ed25519") for _ in HOSTS["hosts"]}
        self.places = [
            {"address": "127.0.0.1", "port": port, "host_key": key.export_public_key().decode().strip()}
            for port, key in self.keys.items()
        ]
        both = zip(HOSTS["hosts"], self.places, strict=True)
        self.real = Real(folder, {**HOSTS, "hosts": [{**one, **at, **self.more} for one, at in both]})
        self.configure()
        secret = self.client.export_private_key("openssh").decode()
        self.real.run("config", "set", "--secret", "-s", STACK, "gpu-ready:sshPrivateKey", "--", secret)
        if self.more["sudo"] == "password":
            self.real.run(
                "config", "set", "--secret", "-s", STACK, "gpu-ready:sshPassword", "--", self.more["password"]
            )

    def configure(self, **states: str) -> None:
        """Hosts in these states; one that is `gone` is not in the list."""
        hosts = [
            {**one, "address": at["address"], "port": at["port"], "hostKey": at["host_key"],
             "state": states.get(one["name"], "present"), "sudo": self.more["sudo"]}
            for one, at in zip(HOSTS_CONFIG["bareMetal"]["hosts"], self.places, strict=True)
        ]  # fmt: skip
        listed = [one for one in hosts if one["state"] != "gone"]
        self.real.configure({**HOSTS_CONFIG, "bareMetal": {"hosts": listed}})

    def door(self) -> Any:
        """Lets whoever has the key in."""
        from tests.real.ssh_door import Door

        names = [one["name"] for one in HOSTS["hosts"]]
        machines = {port: self.real.world.machine(name) for port, name in zip(self.keys, names, strict=True)}
        return Door(self.client.export_public_key().decode(), machines, self.keys)

    def added(self) -> dict[str, int]:
        """The bytes that each host adds to the state, in the form in which the engine keeps its file; its Job aside."""
        (file,) = (self.real.folder / "backend").glob(".pulumi/stacks/*/*.json")
        text = file.read_text()
        assert text == json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False), "the form of the file"
        resources = json.loads(text)["checkpoint"]["latest"]["resources"]
        sizes = [(one["urn"].split("::")[-1], len(json.dumps(one, separators=(",", ":")))) for one in resources]
        ours = [(name, size) for name, size in sizes if not name.startswith("gpu-validation-")]
        return {host: sum(size for name, size in ours if f"-{host}" in name) for host in ("rtx", "tesla")}

    def assert_small(self) -> None:
        """The one that nouveau held was drained before its reboot."""
        added = self.added()
        assert added["rtx"] < MOST
        assert added["tesla"] < MOST + DRAINED

    def up(self, *words: str) -> str:
        """Goes well, and says so."""
        return said(self.real.up(*words))


def said(done: Any) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture
def far(tmp_path: Path) -> Far:
    return Far(tmp_path)


def test_two_hosts_from_nothing_to_nothing(far: Far) -> None:
    real, start = far.real, far.real.world.snapshot()
    with far.door() as door, passing(real):
        assert "rtx: driver    install 580" in far.up()
        shown = real.exports()["hosts"]
        assert {name: (one["node"], one["cards"]) for name, one in shown.items()} == {
            "rtx": ("gpu-1", ["NVIDIA GeForce RTX 4070"]), "tesla": ("gpu-2", ["Tesla T4"]),
        }  # fmt: skip
        far.assert_small()
        state = real.run("stack", "export", "-s", STACK).stdout
        assert "nodes-tesla-reboot" in state
        assert "PRIVATE KEY" not in state

        scripts = len(door.scripts)
        far.up("--expect-no-changes")
        assert len(door.scripts) == scripts

        real.switch("hosts.tesla.ssh", "silent")
        for state_of_it in ("offline", "abandoned", "gone"):
            far.configure(tesla=state_of_it)
            far.up()
            assert "tesla" not in door.scripts[scripts:], state_of_it
        real.switch("hosts.tesla.ssh", "up")
        far.configure()
        far.up()
        assert door.scripts[scripts:].count("tesla") >= 6

        said(real.run("destroy", "--yes", "--skip-preview", "-s", STACK))
    assert real.world.unexpected(start, real.world.snapshot()) == [], "what was abandoned is taken up again"


def test_a_colleague_with_a_checkout_of_his_own_changes_nothing_and_with_a_password_a_host_is_not_too_big_either(
    tmp_path: Path,
) -> None:
    far = Far(tmp_path, sudo="password", password="a pass'word of 24 letters")
    with far.door() as door, passing(far.real):
        far.up()
        far.assert_small()
        scripts = len(door.scripts)
        other = tmp_path / "other" / "checkout"
        other.mkdir(parents=True)
        for name in ("Pulumi.yaml", "__main__.py", "stacks", "settings", "decide", "components", "host"):
            one = far.real.project / name
            (shutil.copytree if one.is_dir() else shutil.copy)(one, other / name)
        far.real.project = other
        far.up("--expect-no-changes")
        assert len(door.scripts) == scripts


def test_hosts_that_are_gone_for_good_go_without_a_connection(far: Far) -> None:
    """Once the door is shut, whoever dials is refused."""
    with far.door() as door, passing(far.real):
        far.up()
        scripts = len(door.scripts)
    far.configure(rtx="abandoned", tesla="abandoned")
    far.up()
    said(far.real.run("destroy", "--yes", "--skip-preview", "-s", STACK))
    assert len(door.scripts) == scripts
    assert "nodes-rtx-driver" not in far.real.run("stack", "export", "-s", STACK).stdout
