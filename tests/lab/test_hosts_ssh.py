"""Remote commands over the real client: what a host says, and how it is said when a host says nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab.provider import Context, ProviderError
from lab.providers.transport import Finished
from lab.real.hosts.bed import Bed
from lab.real.hosts.host import RealHost
from lab.real.ssh import RealRemoteCommands
from tests.lab.real_hosts import needs_hosts, shows, wait_for

pytestmark = needs_hosts
REAL = ("sshd", "systemd", "OpenSSH")
STANDINS = ()
FOLDERS = "gpu-ready-ssh-*"
QUICK = {"dialErrorLimit": 1, "perDialTimeout": 2}


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed() as one:
        one.host("rtx")
        yield one


@pytest.fixture
def host(bed: Bed) -> RealHost:
    return bed.hosts["rtx"]


class Client:
    """Sends scripts to a host."""

    def __init__(self, bed: Bed, host: RealHost, inside: bool = True) -> None:
        self.remote = RealRemoteCommands(bed.through if inside else (), bed.folder)
        where = {"host": host.inside, "port": 22} if inside else {"host": host.address, "port": host.port}
        self.connection = {**where, "user": "ops", "hostKey": host.host_key, "privateKey": bed.private_key(), **QUICK}
        self.lines: list[str] = []
        self.context = Context("urn", "command:remote:Command", "one", say=self.lines.append)

    def run(self, text: str, stdin: str = "", **connection: Any) -> Finished:
        inputs = {"connection": {**self.connection, **connection}, "stdin": stdin}
        return self.remote.run(self.context, inputs, text, {})

    def fails(self, **connection: Any) -> str:
        with pytest.raises(ProviderError) as failed:
            self.run("true", **connection)
        return str(failed.value)


@pytest.fixture
def client(bed: Bed, host: RealHost) -> Client:
    return Client(bed, host)


def test_words_and_status_come_back(client: Client) -> None:
    ended = client.run("echo out; echo err >&2; cat; exit 37", stdin="x" * 200_000)
    assert (ended.ending, ended.stdout, ended.stderr) == (
        "Process exited with status 37", b"out\n" + b"x" * 200_000, b"err\n",
    )  # fmt: skip
    assert client.lines[:1] == ["out"] or "err" in client.lines
    assert client.run("true").ending == ""
    assert client.run("exit 255").ending == "Process exited with status 255"


def test_one_script_is_one_connection_as_sshd_counts(client: Client, host: RealHost) -> None:
    before = host.connections()
    client.run("true")
    assert host.connections() == before + 1
    assert client.remote.connections == 1


def test_over_loopback_too(bed: Bed, host: RealHost) -> None:
    assert Client(bed, host, inside=False).run("hostname").stdout == b"rtx\n"


def test_another_host_key_is_a_mismatch_that_is_repeated(client: Client, bed: Bed, host: RealHost) -> None:
    other = (bed.folder / "second.pub").read_text()
    assert client.fails(hostKey=other) == "after 1 failed attempts: ssh: handshake failed: ssh: host key mismatch"
    assert client.remote.connections == 2


def test_a_user_without_the_key_is_not_let_in(client: Client) -> None:
    said = client.fails(user="nobody")
    assert said.endswith("unable to authenticate, attempted methods [none publickey], no supported methods remain")


def test_a_password_lets_in_where_sshd_takes_one(client: Client) -> None:
    from lab.real.hosts.image import ASKED, PASSWORD

    assert client.run("id -un", user=ASKED, privateKey="", password=PASSWORD).stdout == f"{ASKED}\n".encode()


def test_nothing_listens(client: Client, host: RealHost) -> None:
    assert client.fails(port=2222).endswith(f"dial tcp {host.inside}:2222: connect: connection refused")


def test_nobody_is_at_the_address(client: Client) -> None:
    away = "10.77.5.5"
    assert client.fails(host=away, perDialTimeout=9).endswith(f"dial tcp {away}:22: connect: no route to host")


def test_a_session_that_is_killed_is_neither_status_nor_signal(client: Client, host: RealHost) -> None:
    def kill() -> None:
        wait_for(lambda: host.run("pgrep -f '^sleep 7777' || :"))
        host.kill_sshd_session()

    threading.Thread(target=kill).start()
    ended = client.run("echo begun; sleep 7777")
    assert ended.ending == "wait: remote command exited without exit status or exit signal"
    assert ended.stdout == b"begun\n"
    host.run("pkill -f '^sleep 7777'")


def test_bytes_that_are_no_text_are_refused(client: Client) -> None:
    with pytest.raises(ProviderError, match="non-UTF8 bytes"):
        client.run("printf '\\377'")


def test_the_private_key_lies_where_nobody_else_reads_it_and_is_gone_afterwards(client: Client, bed: Bed) -> None:
    seen: list[tuple[int, int]] = []

    def look() -> None:
        wait_for(lambda: list(bed.folder.glob(FOLDERS)))
        folder = next(bed.folder.glob(FOLDERS))
        wait_for((folder / "key").exists)
        seen.append((folder.stat().st_mode & 0o777, (folder / "key").stat().st_mode & 0o777))

    thread = threading.Thread(target=look)
    thread.start()
    client.run("sleep 1")
    thread.join()
    assert seen == [(0o700, 0o600)]
    assert list(bed.folder.glob(FOLDERS)) == []


def test_ten_hosts_come_up(capsys: pytest.CaptureFixture[str]) -> None:
    with Bed() as bed:
        began = time.monotonic()
        hosts = [bed.host(f"h{number}", wait=False) for number in range(10)]
        for one in hosts:
            one.ready()
        shows(capsys, f"10 hosts reachable after {time.monotonic() - began:.1f} s")
        assert len({one.boot_id() for one in hosts}) == 10
        assert len({one.machine_id for one in hosts}) == 10
