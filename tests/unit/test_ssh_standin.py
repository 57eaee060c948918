"""The stand-ins for ssh and ssh-keyscan: they end as the real ones do, and refuse what they cannot do."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from doctor import cli, ssh
from doctor.programs import Programs, Said
from doctor.streams import Streams
from lab.cluster.host_spec import made_up_key
from lab.host import ssh_standin
from lab.world import WholeWorld
from tests.effort import long
from tests.unit.far_hosts import FarHosts

ADDRESS = "192.0.2.10"
SPEC = {
    "kubernetes": "1.35",
    "context": "demo",
    "hosts": [{"name": "rtx", "address": ADDRESS, "cards": ["NVIDIA GeForce RTX 4070"], "node": "gpu-1"}],
}
HOST = {"address": ADDRESS, "port": 22, "user": "root", "host_key": made_up_key("rtx")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> WholeWorld:
    """One for all: nothing here changes the machine, and a new one takes its time."""
    return WholeWorld.create(tmp_path_factory.mktemp("lab") / "home" / "world.json", SPEC)


@pytest.fixture
def world(whole: WholeWorld) -> Iterator[WholeWorld]:
    yield whole
    whole.switch("hosts.rtx.ssh", "up")


class Standin:
    """Called in this process, with the command lines of the doctor."""

    def __init__(self, world: WholeWorld, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.capsys, self.patch = world.path, capsys, monkeypatch

    def ssh(self, words: Sequence[str], stdin: str = "") -> Said:
        self.patch.setattr("sys.stdin", io.StringIO(stdin))
        return self._ended(ssh_standin.ssh(words, self.path))

    def scan(self, *words: str) -> Said:
        return self._ended(ssh_standin.keyscan(words, self.path))

    def _ended(self, status: int) -> Said:
        out, err = self.capsys.readouterr()
        return Said(status, out.encode(), err.encode())

    def call(self, known: str = f"gpu-ready {HOST['host_key']}", **changes: object) -> list[str]:
        file = self.path.parent / "known hosts"
        file.write_text(known)
        return ssh.command({**HOST, **changes}, file, "")[1:]


@pytest.fixture
def standin(world: WholeWorld, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Standin:
    return Standin(world, capsys, monkeypatch)


def test_a_script_runs_on_the_machine_and_ends_with_its_status(standin: Standin) -> None:
    said = standin.ssh(standin.call(), "echo $1 from $USER; echo oh >&2; exit 7")

    assert (said.status, said.stdout, said.stderr) == (7, b"apply from root\n", b"oh\n")


@pytest.mark.parametrize(
    ("door", "seconds", "why"),
    [
        ("refused", 0.0, "nothing listens there"),
        ("silent", 10.0, "no answer in time"),
        ("denied", 0.0, "lets nobody in"),
        ("off", 3.1, "there is no way to it"),
    ],
)
def test_a_closed_door_is_what_the_doctor_takes_it_for(
    standin: Standin, world: WholeWorld, door: str, seconds: float, why: str
) -> None:
    world.switch("hosts.rtx.ssh", door)
    before = world.clock.now()
    said = standin.ssh(standin.call())

    assert said.status == 255
    assert why in ssh.failure(said, {**HOST, "address": "x"}).problem
    assert world.clock.now() - before == pytest.approx(seconds)


def test_nobody_is_at_an_address_that_no_machine_has(standin: Standin) -> None:
    refused = ssh.failure(standin.ssh(standin.call(address="192.0.2.99")), {**HOST, "address": "192.0.2.99"})

    assert "no answer in time" in refused.problem
    assert "--rehearsal" in refused.fix


def test_who_is_in_the_rehearsal_is_told_what_to_do_for_a_host_that_is_off(standin: Standin) -> None:
    refused = ssh.failure(standin.ssh(standin.call(address="192.0.2.99")), {**HOST, "address": "192.0.2.99"}, True)

    assert "--rehearsal" not in refused.fix
    assert "state: offline" in refused.fix


@pytest.mark.parametrize("known", ["", f"other {made_up_key('rtx')}", f"gpu-ready {made_up_key('other')}"])
def test_another_key_than_the_known_one_ends_it(standin: Standin, known: str) -> None:
    assert ssh.failure(standin.ssh(standin.call(known)), HOST).id == "HST-2"


def test_another_user_is_not_let_in(standin: Standin) -> None:
    assert ssh.failure(standin.ssh(standin.call(user="ubuntu")), HOST).id == "HST-83"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["-o", "Foo=1", ADDRESS, "true"], "Bad configuration option: foo"),
        (["-X", ADDRESS, "true"], "unknown option -- X"),
        (["-p"], "unknown option -- p"),
        ([ADDRESS], "runs commands only"),
        ([ADDRESS, "true"], "asks nobody"),
    ],
)
def test_what_it_cannot_do_it_refuses(standin: Standin, words: list[str], why: str) -> None:
    said = standin.ssh(words)

    assert said.status == 255
    assert why in said.stderr.decode()


def test_keys_are_found_where_somebody_answers(standin: Standin) -> None:
    found = standin.scan("-T", "5", "-t", "ed25519,rsa", "--", ADDRESS, "192.0.2.99")

    assert found.stdout.decode() == f"{ADDRESS} {made_up_key('rtx')}\n"
    assert standin.scan("-t", "rsa", ADDRESS).stdout == b""
    assert standin.scan("-x", ADDRESS).status == 1


@long
def test_the_doctor_sees_a_simulated_machine_through_them_and_leaves_it_as_it_was(
    world: WholeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPU_READY_LAB_DIR", str(world.path.parents[1]))
    far = FarHosts(tmp_path)
    far.stack({"name": "rtx", "address": ADDRESS, "hostKey": made_up_key("rtx")})
    before = world.snapshot()

    told = io.StringIO()
    assert ssh_standin.environment("home", told, far.root) == 0
    far.environment = json.loads(told.getvalue())
    assert far.run("plan", "-s", "home") == 0

    assert "Ubuntu 24.04" in far.said
    assert "NVIDIA GeForce RTX 4070 (held by nobody)" in far.said
    assert world.snapshot() == before
    assert not list((world.path.parent / "hosts/rtx/root/tmp").iterdir())


def test_a_first_contact_gets_a_world_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_READY_LAB_DIR", str(tmp_path))
    told = io.StringIO()

    assert ssh_standin.environment("demo", told, first_contact=("homelab", "home")) == 0
    first = json.loads(told.getvalue())["PATH"].split(os.pathsep)[0]
    assert first == str(tmp_path / "homelab" / "ssh")
    said = Programs({"PATH": f"{first}{os.pathsep}{os.environ['PATH']}"}).run(["ssh-keyscan", ADDRESS])
    assert said.stdout.startswith(f"{ADDRESS} ssh-ed25519 ".encode())
    assert not (tmp_path / "demo").exists()


def test_a_stack_that_nobody_knows_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ssh_standin.environment("nowhere", io.StringIO(), tmp_path) == 2
    assert "There is no stack 'nowhere'" in capsys.readouterr().err


def test_what_cannot_be_a_stack_gets_no_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPU_READY_LAB_DIR", str(tmp_path / "lab" / "deep"))
    asked = cli.parser().parse_args(["init", "../x", "--host", "rtx=root@192.0.2.10", "--rehearsal"])
    assert cli.perform(asked, Streams()) == 2
    assert "cannot be the name of a stack" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
