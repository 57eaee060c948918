"""The stand-in for copies to hosts: what is sent, and how it fails; what counts as a change, a recording shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi_command import remote

from lab.engine import Engine, Result
from lab.host.machine import Machine
from lab.providers.command import CommandProvider
from lab.providers.contacts import Contacts
from lab.providers.remote_command import RemoteCommands
from lab.state import MemoryStore
from tests.host.small_machine import born

ADDRESS = "192.0.2.10"


class Bench:
    """A machine, and a program that sends a file to it."""

    def __init__(self, folder: Path) -> None:
        self.machine = born(folder / "machine")
        self.file = folder / "file"
        self.file.write_bytes(b"\x1f\x8b\x00")
        self.remote = RemoteCommands(lambda _host, _port: self.machine)
        self.engine = Engine("p", "dev", MemoryStore(), [CommandProvider(remote=self.remote)])

    def run(self, op: Any = "up", **more: Any) -> Result:
        def program() -> None:
            given = {"source": pulumi.FileAsset(str(self.file)), "remote_path": ".ours/here", **more}
            remote.CopyToRemote("copy", connection={"host": ADDRESS, "user": "ubuntu", "dial_error_limit": 0}, **given)

        return self.engine.run(op, program)

    @property
    def arrived(self) -> Path:
        """In the home of whoever logs in."""
        return self.machine.root / "home/ubuntu/.ours/here"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_file_goes_into_the_home_of_whoever_logs_in_over_one_connection(bench: Bench) -> None:
    bench.run("preview")
    assert bench.remote.contacts == {}
    assert bench.run().exit == 0
    assert bench.arrived.read_bytes() == b"\x1f\x8b\x00"
    assert bench.remote.contacts[ADDRESS] == Contacts(dials=1, copies=1)


def test_a_changed_file_is_told_as_a_checksum_and_never_by_what_it_says(bench: Bench) -> None:
    bench.run()
    bench.file.write_bytes(b"something else")
    changed = bench.run()
    assert (changed.changes, bench.arrived.read_bytes()) == ({"same": 1, "update": 1}, b"something else")
    assert "asset(file:" in repr(changed.events)
    assert "something else" not in repr(changed.events)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("missing", "ssh: subsystem request failed"),
        ("full", 'failed to copy file to remote path .ours/here: sftp: "Failure" (SSH_FX_FAILURE)'),
        ("cut", "failed to copy file to remote path .ours/here: connection lost"),
    ],
)
def test_what_does_not_arrive_is_in_no_state_and_is_sent_again(bench: Bench, way: str, said: str) -> None:
    bench.machine.switch("sftp", way)
    assert bench.run().errors == [said]
    bench.machine.switch("sftp", "up")
    assert bench.run().changes == {"same": 1, "create": 1}
    assert bench.arrived.read_bytes() == bench.file.read_bytes()


def test_a_host_that_does_not_answer_is_dialed_as_for_a_script(bench: Bench) -> None:
    bench.machine.switch("ssh", "denied")
    assert "ssh: unable to authenticate" in bench.run().errors[0]
    assert bench.remote.contacts[ADDRESS] == Contacts(dials=1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"source": pulumi.StringAsset("text")}, "of assets only files are rehearsed, not text"),
        ({"source": pulumi.FileAsset("none")}, "failed to open asset file 'none': no such file or directory"),
        ({"source": pulumi.FileArchive("none")}, "must be a FileAsset (archives are not rehearsed)"),
        ({"remote_path": 1}, "remotePath: must be a string"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_anybody_is_asked(bench: Bench, given: Any, said: str) -> None:
    refused = bench.run(**given)
    assert refused.exit == 1
    assert said in "".join(refused.errors)
    assert bench.remote.contacts == {}


def test_a_machine_of_an_earlier_release_takes_files(bench: Bench) -> None:
    box = bench.machine._box()
    del box.state["sftp"]
    box.save()
    assert Machine(bench.machine.folder).receive("x", b"") == ""
