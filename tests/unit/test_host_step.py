"""Steps on hosts: what is tried again, how long, and how it ends; and hosts that are not there."""

import asyncio
import time
from typing import Any, NamedTuple

import pulumi
import pytest

from components.host_step import INPUTS, Link, Patience, Wait, answer
from decide import defaults
from lab.values import Secret

OLD = 'Process exited with status 75: running "sh -s apply":\ngpu-ready: not yet: it is still up with boot id 1111\n'
LOST = "wait: remote command exited without exit status or exit signal: running ..."
AWAY = "after 2 failed attempts: dial tcp 192.0.2.10:22: connect: connection refused"
REFUSED = 'Process exited with status 3: running "sh -s apply":\nHST-1 host: no\nfix: yes\n'


LEAVES = "GR_REBOOT="


class Asked(NamedTuple):
    errors: list[str]
    urn: str = "urn:back"
    name: str = "nodes-rtx-back"
    new_inputs: dict[str, Any] | None = None
    failed_operation: str = "create"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Simulated seconds; sleeping is what makes them pass."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return now


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr("pulumi.log.error", lines.append)
    return lines


def patient(seconds: int = 1800, lost_when: str = "") -> Patience:
    patience = Patience("nodes")
    patience.binding("nodes-rtx-back", Wait("rtx", seconds, lost_when))
    return patience


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulumi.ErrorHook", lambda name, _do: name)
    monkeypatch.setattr("pulumi.ResourceHookBinding", lambda on_error: on_error)


def answered(patience: Patience, *errors: str, stdin: Any = None, **more: Any) -> bool:
    """What the hook says, in an event loop of its own: `asyncio.run` would take the thread's loop away."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(ask(patience, [*errors], stdin, more))
    finally:
        loop.close()


async def ask(patience: Patience, errors: list[str], stdin: Any, more: dict[str, Any]) -> bool:
    """As the SDK does, in whose loop a secret becomes an output."""
    stdin = pulumi.Output.secret(stdin.value) if isinstance(stdin, Secret) else stdin
    return await patience.again(Asked(errors, new_inputs={"stdin": stdin}, **more))


def tries(patience: Patience, *errors: str, stdin: Any = None) -> int:
    """How often the hook says yes."""
    count = 0
    while answered(patience, *errors, stdin=stdin):
        count += 1
        assert count < 200
    return count


@pytest.mark.parametrize("error", [LOST, AWAY, REFUSED, ""])
def test_only_not_yet_is_tried_again(clock: list[float], said: list[str], error: str) -> None:
    assert (tries(patient(900), error), clock[0]) == (0, 0.0)


@pytest.mark.parametrize("error", [OLD, LOST, AWAY])
def test_while_a_host_reboots_a_lost_connection_is_not_yet_too(clock: list[float], said: list[str], error: str) -> None:
    assert (
        tries(patient(lost_when=LEAVES), error, stdin="GR_CONSENT='ifNeeded'\nGR_REBOOT='1'\n") <= defaults.MOST_TRIES
    )
    assert clock[0] >= 1800


def test_a_host_that_nobody_reboots_is_not_waited_for(clock: list[float], said: list[str]) -> None:
    assert tries(patient(lost_when=LEAVES), LOST, stdin="GR_CONSENT='ifNeeded'\n") == 0
    assert said[0].startswith("HST-90 access: rtx: ")


def test_a_host_that_somebody_else_reboots_is_waited_for_once_it_has_said_so(
    clock: list[float], said: list[str]
) -> None:
    assert answered(patient(lost_when=LEAVES), AWAY, OLD, stdin="")


def test_what_a_step_was_told_may_come_as_a_secret(clock: list[float], said: list[str]) -> None:
    assert answered(patient(lost_when=LEAVES), LOST, stdin=Secret("password\nGR_REBOOT='1'\n"))
    assert not answered(patient(lost_when=LEAVES), LOST, stdin=Secret("password\n"))


def test_making_and_deleting_one_step_have_each_their_time(clock: list[float], said: list[str]) -> None:
    patience = patient(60)
    assert answered(patience, OLD)
    clock[0] = 1000.0
    assert not answered(patience, OLD)
    assert answered(patience, OLD, failed_operation="delete")


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (AWAY, "fix: switch it on, and run pulumi up again; if it will not come back: put it back into the list with"),
        (LOST, "fix: look whether the host is up, then run pulumi up again; if it will not come back: put it back"),
        ("ssh: unable to authenticate", "fix: put it back into the list, and let the public key in"),
    ],
)
def test_a_host_that_has_left_the_list_is_told_to_come_back(said: list[str], error: str, fix: str) -> None:
    assert not answered(patient(), error, name="nodes-tesla-runtime", failed_operation="delete")
    assert said[0].splitlines()[1].startswith(fix)


def test_a_refusal_ends_the_wait_for_a_reboot_at_once(clock: list[float], said: list[str]) -> None:
    assert (tries(patient(lost_when=LEAVES), REFUSED), said) == (0, []), "the script has said it itself"


@pytest.mark.parametrize("seconds", [10, 60, 1800, 6 * 3600])
def test_the_engine_asks_often_enough_for_the_whole_time(clock: list[float], said: list[str], seconds: int) -> None:
    assert tries(patient(seconds), OLD) < 100
    assert seconds <= clock[0] <= seconds + max(defaults.SHORTEST_PAUSE_SECONDS, seconds / defaults.MOST_TRIES) + 1


def test_the_end_says_whether_ssh_answered_and_which_boot_id_was_seen_last(clock: list[float], said: list[str]) -> None:
    tries(patient(60, LEAVES), OLD)
    tries(patient(60, LEAVES), AWAY, LOST, OLD)
    assert said[0].startswith(
        "HST-58 reboot: rtx: after 60 s still not: ssh answers, and the host says: it is still up"
    )
    assert "boot id 1111" in said[0]
    assert said[1].startswith("HST-58 reboot: rtx: after 60 s still not back: ssh does not answer (after 2 failed")
    assert "connection refused); its last word was: it is still up with boot id 1111\nfix: " in said[1]
    assert "state: offline" in said[1]
    assert "state: abandoned" in said[1]


def test_the_end_of_a_wait_for_a_lock_has_the_id_of_the_lock(clock: list[float], said: list[str]) -> None:
    held = OLD.replace("it is still up with boot id 1111", "TK-12 /var/lib/dpkg/lock is held by 4242")
    tries(patient(60), held)
    assert said[0].startswith(
        "TK-12 packages: rtx: after 60 s still not: ssh answers, and the host says: /var/lib/dpkg"
    )


@pytest.mark.parametrize(
    ("error", "id"),
    [
        (AWAY, "HST-82"),
        ("after 5 failed attempts: dial tcp 192.0.2.10:22: i/o timeout", "HST-82"),
        ("after 5 failed attempts: dial tcp: lookup rtx.home.arpa: no such host", "HST-82"),
        ("after 2 failed attempts: ssh: handshake failed: ssh: host key mismatch", "HST-2"),
        ("after 2 failed attempts: ssh: handshake failed: ssh: unable to authenticate, attempted methods", "HST-83"),
        (f'{LOST.removesuffix("running ...")}running "sh -s apply":', "HST-90"),
        ("dial unix /run/agent: connect: connection refused", "HST-92"),
        ("ssh: no key found", "HST-91"),
        ("failed to copy file host/bundle.gz to remote path .gpu-ready-0/bundle: connection lost", "HST-90"),
        ('failed to copy file host/bundle.gz to remote path .gpu-ready-0/bundle: sftp: "Failure"', "HST-94"),
        ("failed to create parent directories for .gpu-ready-0/bundle: permission denied", "HST-94"),
        (
            "Process exited with status 1: running \"sh -s apply\":\nmkdir: cannot create directory '.gpu-ready-0'",
            "HST-94",
        ),
        ('Process exited with status 2: running "sh -s apply":\nsh: 8: cd: can\'t cd to there', "HST-94"),
        ("ssh: subsystem request failed", "HST-95"),
        ("error receiving version packet from server: packet too long", "HST-95"),
        ('Process exited with status 3: running "sh -s again":\nHST-70\n', "HST-70"),
        ('Process exited with status 3: running "sh -s apply":\nHST-75\n', "HST-75"),
    ],
)
def test_an_error_of_the_transport_is_explained_once_with_id_host_and_fix(said: list[str], error: str, id: str) -> None:
    assert not answered(patient(), error)
    (only,) = said
    assert only.startswith(f"{id} access: rtx: ")
    assert "\nfix: " in only
    assert "sh -s apply" not in only


def test_a_step_of_a_host_that_left_the_program_is_explained_too(said: list[str]) -> None:
    assert not answered(patient(), AWAY, name="nodes-old-driver")
    assert said[0].startswith("HST-82 access: nodes-old-driver: ")


@pytest.mark.parametrize(
    "error",
    [
        "EOF: running ...",
        "mkdir: cannot create directory '/var/lib/gpu-ready/record': Read-only file system",
        "mkdir: cannot create directory '/run/gpu-ready.77': No space left on device",
    ],
    ids=["no words", "a disk of root's", "a full one"],
)
def test_what_nobody_knows_is_left_to_the_engine(said: list[str], error: str) -> None:
    assert not answered(patient(), error)
    assert said == []


def test_hosts_do_not_share_their_time(clock: list[float], said: list[str]) -> None:
    patience = patient(60)
    assert answered(patience, OLD, urn="urn:a")
    clock[0] = 1000.0
    assert answered(patience, OLD, urn="urn:b")


def merged(state: str) -> Any:
    return Link({}, state, patient(), Wait()).options(pulumi.ResourceOptions())


def test_a_host_that_is_offline_keeps_everything_as_it_was() -> None:
    assert merged("offline").ignore_changes == INPUTS
    assert not merged("offline").retain_on_delete


def test_an_abandoned_host_is_let_go_without_a_call() -> None:
    assert merged("abandoned").retain_on_delete is True
    assert merged("abandoned").ignore_changes == INPUTS


def test_a_host_that_is_there_is_treated_as_any_other() -> None:
    assert merged("present").ignore_changes is None
    assert merged("present").retain_on_delete is None


@pytest.mark.parametrize(
    ("stdout", "found"), [(None, {}), ("", {}), ('{"a": 1}', {"a": 1}), ('noise\n{"a": 1}\n', {"a": 1}), ("[1]", {})]
)
def test_the_last_line_of_a_step_is_its_answer(stdout: str | None, found: dict[str, Any]) -> None:
    assert answer(stdout) == found
