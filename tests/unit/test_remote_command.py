"""The stand-in for remote commands dials, logs in and fails as the real one was seen to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi_command import remote

from lab.cluster.clock import Clock
from lab.cluster.host_spec import made_up_key
from lab.engine import Engine, Result
from lab.events import LogEvent
from lab.provider import Context, ProviderError
from lab.providers.command import CommandProvider
from lab.providers.contacts import Contacts
from lab.providers.remote_command import COMMAND, LOST, Door, RemoteCommands
from lab.providers.transport import Finished, Script
from lab.state import MemoryStore
from lab.values import UNKNOWN, Secret, from_json, unwrap

ADDRESS = "192.0.2.10"
KEY = made_up_key("rtx")
SILENT: list[Door] = ["silent"]
OFF: list[Door] = ["off"]


class FakeMachine:
    """Answers as it is told, and notes what it was asked."""

    name, user, host_key = "rtx", "ubuntu", KEY

    def __init__(self) -> None:
        self.doors: list[Door] = ["up"]
        self.asked: list[tuple[Script, str]] = []
        self.ended = Finished("", b"out\n", b"", b"out\n")

    def door(self) -> Door:
        return self.doors.pop(0) if len(self.doors) > 1 else self.doors[0]

    def run(self, script: Script, user: str, say: Callable[[str], None], stop: threading.Event) -> Finished:
        self.asked.append((script, user))
        say("a line of the host")
        return self.ended

    def receive(self, path: str, data: bytes, user: str) -> str:
        raise NotImplementedError


class Bench:
    """One machine at one address, and the provider before it."""

    def __init__(self, folder: Path) -> None:
        self.machine, self.clock, self.said = FakeMachine(), Clock(folder / "clock"), list[str]()
        self.remote = RemoteCommands(self._find, self.clock)
        self.provider = CommandProvider(remote=self.remote)

    def _find(self, address: str, port: int) -> FakeMachine | None:
        return self.machine if (address, port) == (ADDRESS, 22) else None

    def ctx(self, **more: Any) -> Context:
        return Context(**{"urn": "u", "type": COMMAND, "name": "c", "say": self.said.append, **more})

    def inputs(self, connection: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        given = {"host": ADDRESS, "user": "ubuntu", "hostKey": KEY, **(connection or {})}
        inputs, failures = self.provider.check(
            self.ctx(), None, {"connection": given, "create": "sh -s apply", "addPreviousOutputInEnv": False, **more}
        )
        assert failures == []
        return inputs

    def create(self, connection: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        return self.provider.create(self.ctx(), self.inputs(connection, **more))[1]

    def refused(self, connection: dict[str, Any] | None = None, **more: Any) -> str:
        with pytest.raises(ProviderError) as caught:
            self.create(connection, **more)
        return str(caught.value)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_script_reaches_the_machine_with_its_stdin_and_under_its_user(bench: Bench) -> None:
    made = bench.create(stdin="echo hello", logging="stderr")
    script, user = bench.machine.asked[0]
    assert (script.text, script.stdin, user, set(script.logging)) == ("sh -s apply", "echo hello", "ubuntu", {"stderr"})
    assert (made["stdout"], made["stderr"]) == ("out", "")
    assert bench.said == ["a line of the host"]


def test_a_connection_is_a_secret_and_has_the_real_defaults(bench: Bench) -> None:
    connection = bench.inputs()["connection"]
    assert isinstance(connection, Secret)
    assert connection.value == {
        "host": ADDRESS, "user": "ubuntu", "hostKey": KEY, "port": 22, "dialErrorLimit": 10, "perDialTimeout": 15,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("news", "complaint"),
    [
        ({"create": "x"}, "connection: is missing"),
        ({"connection": {"user": "root"}}, "connection.host: is missing"),
        ({"connection": {"host": "h", "privatekey": "x"}}, "did you mean 'privateKey'?"),
        ({"connection": {"host": "h", "dialErrorLimits": 3}}, "did you mean 'dialErrorLimit'?"),
        ({"connection": {"host": "h", "port": 0}}, "connection.port: must be a port from 1 to 65535"),
        ({"connection": {"host": "h", "port": "22"}}, "connection.port: must be a port"),
        ({"connection": {"host": "h", "dialErrorLimit": -2}}, "connection.dialErrorLimit: must be a whole number"),
        ({"connection": {"host": "h", "perDialTimeout": True}}, "connection.perDialTimeout: must be a number"),
        ({"connection": {"host": "h", "proxy": {"host": "b"}}}, "connection.proxy: is not rehearsed"),
        ({"connection": "h"}, "connection: must be a map"),
        ({"connection": {"host": "h"}, "dir": "/x"}, "dir: is no property of a remote command"),
        ({"connection": {"host": "h"}, "interpreter": ["sh"]}, "interpreter: is no property of a remote command"),
        ({"connection": {"host": "h"}, "creat": "x"}, "creat: is no property of a remote command; did you mean"),
        ({"connection": {"host": "h"}, "create": 3}, "create: must be a string"),
    ],
)
def test_what_is_misspelt_or_of_the_wrong_kind_is_refused(bench: Bench, news: dict[str, Any], complaint: str) -> None:
    failures = [f"{one.property}: {one.reason}" for one in bench.provider.check(bench.ctx(), None, news)[1]]
    assert any(complaint in failure for failure in failures), failures


def test_what_is_not_known_yet_is_not_refused_and_a_preview_connects_nowhere(bench: Bench) -> None:
    news = {"connection": {"host": UNKNOWN, "hostKey": UNKNOWN}, "create": "x", "stdin": UNKNOWN}
    inputs, failures = bench.provider.check(bench.ctx(), None, news)
    assert failures == []
    assert bench.provider.create(bench.ctx(preview=True), inputs)[1]["stdout"] is UNKNOWN
    assert bench.provider.check(bench.ctx(), None, {"connection": UNKNOWN})[1] == []
    assert bench.remote.contacts == {}


@pytest.mark.parametrize(
    ("door", "connection", "text", "seconds"),
    [
        ("refused", {}, f"after 10 failed attempts: dial tcp {ADDRESS}:22: connect: connection refused", 11.3),
        ("off", {}, f"after 10 failed attempts: dial tcp {ADDRESS}:22: connect: no route to host", 45.4),
        ("off", {"perDialTimeout": 2, "dialErrorLimit": 3}, f"dial tcp {ADDRESS}:22: i/o timeout", 8.5),
        ("silent", {}, f"after 10 failed attempts: dial tcp {ADDRESS}:22: i/o timeout", 186.4),
        ("silent", {"perDialTimeout": 0, "dialErrorLimit": 0}, f"after 0 failed attempts: dial tcp {ADDRESS}", 127),
        ("up", {"port": 2222, "dialErrorLimit": 0}, f"dial tcp {ADDRESS}:2222: i/o timeout", 15),
        (
            "up",
            {"hostKey": made_up_key("x"), "dialErrorLimit": 2},
            "ssh: handshake failed: ssh: host key mismatch",
            0.55,
        ),
        ("denied", {"dialErrorLimit": 1}, "attempted methods [none publickey], no supported methods remain", 0.3),
        ("up", {"user": "root", "dialErrorLimit": 1}, "ssh: handshake failed: ssh: unable to authenticate", 0.3),
        ("denied", {"password": "x", "dialErrorLimit": 1}, "attempted methods [none password]", 0.3),
    ],
)
def test_what_cannot_be_reached_is_told_in_the_real_words_after_the_real_time(
    bench: Bench, door: Door, connection: dict[str, Any], text: str, seconds: float
) -> None:
    bench.machine.doors = [door]
    refusal = bench.refused(connection)
    assert text in refusal
    assert refusal.startswith("after ")
    assert bench.clock.now() == pytest.approx(seconds, rel=0.08)
    assert bench.machine.asked == []
    assert bench.remote.contacts[ADDRESS].dials == int(refusal.split()[1]) + 1


@pytest.mark.parametrize(
    ("connection", "text"),
    [
        ({"hostKey": "garbage"}, "failed to parse host key: ssh: no key found"),
        ({"hostKey": "ssh-ed25519 not-base64!"}, "failed to parse host key: ssh: no key found"),
        ({"hostKey": KEY.replace("ssh-ed25519", "ssh-rsa")}, "failed to parse host key: ssh: no key found"),
        ({"privateKey": "my key"}, "ssh: no key found"),
    ],
)
def test_keys_that_are_none_are_refused_before_any_dial(bench: Bench, connection: dict[str, Any], text: str) -> None:
    assert bench.refused(connection) == text
    assert bench.remote.connections == 0


@pytest.mark.parametrize("key", [f"{ADDRESS} {KEY}", f"{KEY} root@rtx", None])
def test_a_host_key_may_be_written_as_known_hosts_does_or_left_out(bench: Bench, key: str | None) -> None:
    connection = {"host": ADDRESS, "user": "ubuntu", **({"hostKey": key} if key else {})}
    inputs = bench.provider.check(bench.ctx(), None, {"connection": connection, "create": "x"})[0]
    assert bench.provider.create(bench.ctx(), inputs)[1]["stdout"] == "out"


def test_a_dial_is_repeated_until_the_machine_answers_and_says_so(bench: Bench) -> None:
    bench.machine.doors = ["off", "refused", "refused", "up"]
    assert bench.create()["stdout"] == "out"
    assert bench.said[:2] == [
        "Dial 1/10 failed: retrying (3 simulated seconds)",
        "Dial 2/10 failed: retrying (3 simulated seconds)",
    ]
    assert bench.remote.contacts[ADDRESS] == Contacts(dials=4, scripts=1)


def test_without_a_limit_it_dials_on_and_a_rehearsal_ends_all_the_same(bench: Bench) -> None:
    bench.machine.doors = [*SILENT * 40, "up"]
    assert bench.create({"dialErrorLimit": -1})["stdout"] == "out"
    bench.machine.doors = ["silent"]
    assert bench.refused({"dialErrorLimit": -1, "perDialTimeout": 600}).startswith("context canceled")


def test_a_stop_at_once_ends_the_dialing(bench: Bench) -> None:
    killing = threading.Event()
    killing.set()
    bench.machine.doors = ["refused"]
    with pytest.raises(ProviderError, match="context canceled"):
        bench.provider.create(bench.ctx(killing=killing), bench.inputs())
    assert bench.remote.connections == 1


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ("exit status 75", "Process exited with status 75"),
        ("signal: killed", "Process exited with signal KILLED"),
        (LOST, "wait: remote command exited without exit status or exit signal"),
    ],
)
def test_a_script_that_fails_is_told_with_its_command_and_output_and_is_not_repeated(
    bench: Bench, ending: str, told: str
) -> None:
    bench.machine.ended = Finished(ending, b"o\n", b"e\n", b"e\no\n")
    assert bench.refused() == f'{told}: running "sh -s apply":\ne\no\n'
    assert len(bench.machine.asked) == 1


def test_a_script_that_is_tried_again_says_how_long_it_has_waited(bench: Bench) -> None:
    bench.machine.ended = Finished("exit status 75", b"", b"", b"")
    bench.refused()
    bench.clock.sleep(45)
    bench.machine.ended = Finished("", b"", b"", b"")
    bench.create()
    assert "trying again after 45 simulated seconds" in bench.said
    bench.said.clear()
    bench.create()
    assert bench.said == ["a line of the host"]


def test_time_limits_of_the_resource_are_not_obeyed(bench: Bench) -> None:
    bench.machine.doors = ["silent", "up"]
    assert bench.provider.create(bench.ctx(timeout=0.001), bench.inputs())[1]["stdout"] == "out"


def test_sshd_takes_no_environment_but_the_locale(bench: Bench) -> None:
    assert bench.create(environment={"LC_ALL": "C"})["stdout"] == "out"
    assert bench.refused(environment={"TOKEN": "x"}) == 'could not set environment variable "TOKEN": ssh: setenv failed'
    assert "Unable to set 'TOKEN'. This only works if your SSH server is configured to accept" in bench.said[-1]
    assert len(bench.machine.asked) == 1


def test_the_last_output_is_not_taken_either_but_that_is_no_failure(bench: Bench) -> None:
    inputs = bench.inputs(addPreviousOutputInEnv=True)
    outputs = bench.provider.create(bench.ctx(), inputs)[1]
    bench.provider.update(bench.ctx(), "id", inputs, outputs, inputs)
    assert [line for line in bench.said if "PULUMI_COMMAND_STDOUT" in line]
    assert len(bench.machine.asked) == 2


def test_output_that_is_not_utf_8_breaks_the_step_as_the_sdk_breaks(bench: Bench) -> None:
    bench.machine.ended = Finished("", b"", b"\xff", b"\xff")
    assert 'the value of property "stderr" is a string that contains non-UTF8 bytes' in bench.refused()


def test_a_create_as_long_as_the_kernel_takes_no_argument_fails_without_a_reason(bench: Bench) -> None:
    text = bench.refused(create="#" * 140_000)
    assert text.startswith('Process exited with status 1: running "###')
    assert bench.machine.asked == []


def test_delete_runs_what_the_state_has_and_without_a_delete_nobody_is_bothered(bench: Bench) -> None:
    inputs = bench.inputs(delete="sh -s remove", stdin="values")
    outputs = bench.provider.create(bench.ctx(), inputs)[1]
    bench.provider.delete(bench.ctx(), "id", inputs, outputs)
    assert [script.text for script, _user in bench.machine.asked] == ["sh -s apply", "sh -s remove"]
    dials = bench.remote.connections
    bench.provider.delete(bench.ctx(), "id", bench.inputs(), outputs)
    assert bench.remote.connections == dials


def test_the_deprecated_way_to_copy_is_not_rehearsed(bench: Bench) -> None:
    (refused,) = bench.provider.check(bench.ctx(type="command:remote:CopyFile"), None, {})[1]
    assert "there are" in refused.reason


class Stack:
    """The same through the engine and the real SDK."""

    def __init__(self, bench: Bench) -> None:
        self.engine = Engine("p", "dev", MemoryStore(), [bench.provider])

    def up(self, **more: Any) -> Result:
        def program() -> None:
            connection = remote.ConnectionArgs(host=ADDRESS, user="ubuntu", host_key=KEY, private_key=secret())
            quiet = {"add_previous_output_in_env": False, "logging": remote.Logging.STDERR}
            remote.Command("c", connection=connection, create="sh -s apply", **{**quiet, **more})

        return self.engine.run("up", program)


def secret() -> pulumi.Output[str]:
    return pulumi.Output.secret("-----BEGIN KEY-----")


def test_an_unchanged_command_opens_no_connection_and_a_changed_one_is_an_update(bench: Bench) -> None:
    stack = Stack(bench)
    assert stack.up(stdin="a").changes == {"create": 2}
    assert bench.remote.connections == 1

    assert stack.up(stdin="a").changes == {"same": 2}
    assert bench.remote.connections == 1

    assert stack.up(stdin="b").changes == {"same": 1, "update": 1}
    assert stack.up(stdin="b", delete="sh -s remove").changes == {"same": 1, "update": 1}
    assert stack.up(stdin="b", delete="sh -s remove", triggers=["x"]).changes["replace"] == 1


def test_the_private_key_stands_nowhere_in_clear(bench: Bench) -> None:
    result = Stack(bench).up()
    (entry,) = [one for one in result.resources if one["type"] == COMMAND]
    for side in ("inputs", "outputs"):
        connection = entry[side].pop("connection")
        assert from_json(connection) == Secret(connection["value"])
    assert "BEGIN KEY" not in json.dumps(entry)
    assert "BEGIN KEY" not in "".join(str(event) for event in result.events)


def test_an_error_hook_waits_until_the_machine_is_back(bench: Bench) -> None:
    bench.machine.doors = [*OFF * 8, "up"]

    def program() -> None:
        hook = pulumi.ErrorHook("back", lambda asked: "no route to host" in asked.errors[0])
        connection = remote.ConnectionArgs(host=ADDRESS, user="ubuntu", host_key=KEY, dial_error_limit=2)
        binding = pulumi.ResourceHookBinding(on_error=[hook])
        remote.Command("c", connection=connection, create="x", opts=pulumi.ResourceOptions(hooks=binding))

    result = Engine("p", "dev", MemoryStore(), [bench.provider]).run("up", program)
    assert (result.exit, bench.remote.contacts[ADDRESS]) == (0, Contacts(dials=9, scripts=1))
    waits = [event.text for event in result.events if isinstance(event, LogEvent) and "trying again" in event.text]
    assert len(waits) == 2
    assert unwrap(result.outputs) == {}
