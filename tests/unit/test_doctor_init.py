"""`python -m doctor init`: whom to trust is asked, what was met is written down, and a hostile host writes nothing."""

from __future__ import annotations

import base64
import dataclasses
import shutil
import subprocess
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import settings
from doctor import host_keys
from doctor.host_keys import Key, keys_in
from doctor.look import Seen
from doctor.stack_text import scalar, stack_text
from lab.cluster.host_spec import made_up_key
from settings.stack_file import read
from tests.effort import examples
from tests.unit import small_host
from tests.unit.far_hosts import FarHosts
from tests.unit.small_host import DEBIAN, made_ready, told

RTX, TESLA = "192.168.1.20", "tesla.lan"
HOSTS = ("--host", f"rtx=ubuntu@{RTX}", "--host", f"tesla={TESLA}:2222")
NOUVEAU = {**DEBIAN, "cards__0__driver": "nouveau", "modules__nouveau": True}
EXAMPLE = Path(__file__).resolve().parents[2] / "stacks" / "Pulumi.homelab.yaml"
SUDO_ASKS = "HST-1 access: no way to become root, see above\nfix: x\n"


def fingerprint(address: str) -> str:
    return Key(made_up_key(address)).fingerprint


def accepting(*addresses: str) -> list[str]:
    return [word for address in addresses for word in ("--accept-host-key", fingerprint(address))]


SOME_HOST: dict[str, Any] = {
    "name": "x", "address": "x", "port": 22, "user": "root", "host_key": made_up_key("x"), "state": "present",
}  # fmt: skip


@pytest.fixture
def far(tmp_path: Path) -> FarHosts:
    """Two hosts that are fine."""
    made = FarHosts(tmp_path)
    for address, facts in ((RTX, told()), (TESLA, told(**DEBIAN))):
        made.shows(address)
        made.answers(address, facts)
    return made


def file_of(far: FarHosts, name: str = "homelab") -> Path:
    return far.root / "stacks" / f"Pulumi.{name}.yaml"


def wish_of(far: FarHosts) -> settings.Settings:
    stack = read(far.root, "homelab")
    return settings.parse(stack.own(), stack.own_secrets())


class TestTheWrittenFile:
    def test_is_without_faults_and_says_all_in_so_many_words(self, far: FarHosts) -> None:
        assert far.run("init", "homelab", *HOSTS, "--context", "home", *accepting(RTX, TESLA)) == 0

        rtx, tesla = wish_of(far).hosts_args()
        assert (rtx["user"], rtx["address"], rtx["port"], rtx["sudo"]) == ("ubuntu", RTX, 22, "passwordless")
        assert (tesla["user"], tesla["address"], tesla["port"]) == ("root", TESLA, 2222)
        assert (rtx["host_key"], tesla["host_key"]) == (made_up_key(RTX), made_up_key(TESLA))
        assert rtx["wish"]["driver"] == {"source": "distro", "branch": 580, "flavour": "open"}
        assert tesla["wish"]["driver"] == {"source": "cudaRepo", "branch": 580, "flavour": "open"}
        assert rtx["wish"]["reboot"] == "never"
        text = file_of(far).read_text()
        assert "Chosen for this host: install 580 (long-term support) with open modules" in text
        assert f"# {fingerprint(RTX)}, accepted" in text
        assert max(len(line) for line in text.splitlines()) <= 120

    def test_is_the_same_for_the_same_hosts(self, far: FarHosts) -> None:
        for more in ((), ("--force",)):
            assert far.run("init", "homelab", *HOSTS, "--context", "home", *accepting(RTX, TESLA), *more) == 0

        assert file_of(far).read_bytes() == file_of(far).with_suffix(".yaml.old").read_bytes()

    def test_asks_for_what_plan_then_finds_as_it_is(self, far: FarHosts) -> None:
        far.run("init", "homelab", *HOSTS, "--context", "home", *accepting(RTX, TESLA))

        assert far.run("plan", "-s", "homelab") == 0

    def test_keeps_a_driver_that_works(self, far: FarHosts) -> None:
        works = {"works": True, "version": "570.211.01", "foreign": ""}
        far.answers(RTX, told(driver=works, cards__0__driver="nvidia", next_kernel_has_module=True))
        far.run("init", "homelab", *HOSTS, *accepting(RTX, TESLA))

        assert wish_of(far).hosts_args()[0]["wish"]["driver"] == {"source": "keep"}
        assert "570.211.01 works and stays as it is" in file_of(far).read_text()

    def test_does_not_move_a_driver_that_we_installed_earlier(self, far: FarHosts) -> None:
        moved = {"driver__version": "595.91.07", "ours__driver": "distro 595 proprietary"}
        far.answers(RTX, told(**made_ready(), **moved))
        far.run("init", "homelab", *HOSTS, *accepting(RTX, TESLA))

        chosen = wish_of(far).hosts_args()[0]["wish"]["driver"]
        assert chosen == {"source": "distro", "branch": 595, "flavour": "proprietary"}

    def test_says_what_up_would_refuse_and_how_to_mend_it(self, far: FarHosts) -> None:
        far.answers(TESLA, told(**NOUVEAU))
        assert far.run("init", "homelab", *HOSTS, "--context", "home", *accepting(RTX, TESLA)) == 0

        assert wish_of(far).hosts_args()[1]["wish"]["driver"]["branch"] == 580
        text = file_of(far).read_text()
        assert "#   HST-64 driver: nouveau holds Tesla T4" in text
        assert "#   fix: reboot: ifNeeded" in text
        assert "Refused as it stands: tesla (HST-64)" in far.said
        assert far.said.endswith("Next: .venv/bin/python -m doctor plan -s homelab\n")

    def test_of_a_system_that_nobody_knows_leaves_the_choice_open(self, far: FarHosts) -> None:
        far.answers(RTX, told(os__id="slackware", cards=[]))
        assert far.run("init", "homelab", *HOSTS, *accepting(RTX, TESLA)) == 0

        assert wish_of(far).hosts_args()[0]["wish"]["driver"] == {"source": "auto"}
        assert "HST-61" in file_of(far).read_text()

    def test_takes_foreign_words_as_comments_only(self, far: FarHosts) -> None:
        far.answers(RTX, told(os__pretty='"}]: {evil: &a !!python/name:os.system # ---'))
        assert far.run("init", "homelab", *HOSTS, *accepting(RTX, TESLA)) == 0

        assert "evil" not in str(yaml.safe_load(file_of(far).read_text()))
        assert wish_of(far).target == "bareMetal"

    def test_holds_even_what_no_facts_may_hold_as_a_comment(self) -> None:
        facts = dataclasses.replace(small_host.facts(), pretty="x\n  evil: 1\r\x85\u2028y")
        text = stack_text("home", "home", [Seen(SOME_HOST, facts)])

        assert "evil" not in str(yaml.safe_load(text))
        assert text.isascii()

    @pytest.mark.parametrize(("kind", "file"), [("k3s", "/etc/rancher/k3s/k3s.yaml"), ("k0s", "k0s kubeconfig admin")])
    def test_says_where_such_a_cluster_keeps_its_kubeconfig(self, kind: str, file: str) -> None:
        seen = [Seen(SOME_HOST, small_host.facts(**small_host.K3S | {"runtime__kind": kind}))]

        assert file in stack_text("home", None, seen)
        assert file not in stack_text("home", "home", seen), "somebody has it already"
        assert file not in stack_text("home", None, [Seen(SOME_HOST, small_host.facts())])

    @hypothesis.settings(max_examples=examples(40), deadline=None)
    @given(st.text(max_size=20))
    def test_quotes_any_text_so_that_it_is_this_text(self, text: str) -> None:
        assert yaml.safe_load(f"key: {scalar(text)}") == {"key": text}

    @pytest.mark.parametrize(
        "text", ["yes", "~", "1e3", "", "#", "a: b", "2020-01-01", "é😀\x85\u2028", "12:30", '"\\']
    )
    def test_quotes_what_yaml_would_take_for_something_else(self, text: str) -> None:
        assert yaml.safe_load(f"key: {scalar(text)}") == {"key": text}
        assert scalar(text).isascii()


class TestTheNextCommand:
    def test_is_one_line_to_copy(self, far: FarHosts) -> None:
        far.run("init", "homelab", *HOSTS, "--context", "home", *accepting(RTX, TESLA))

        assert far.said.endswith("Next: pulumi stack select --create homelab && pulumi up\n")

    def test_brings_the_key_that_was_used(self, far: FarHosts, tmp_path: Path) -> None:
        key = tmp_path / "my key"
        key.write_text("private")
        far.run("init", "homelab", *HOSTS, "--context", "home", "--identity", str(key), *accepting(RTX, TESLA))

        assert f"&& pulumi config set --secret gpu-ready:sshPrivateKey < '{key}' && pulumi up\n" in far.said

    def test_comes_after_what_has_to_be_changed(self, far: FarHosts) -> None:
        far.run("init", "homelab", *HOSTS, *accepting(RTX, TESLA))

        assert "Change in it: cluster.context is made up" in far.said
        assert "# CHANGE:" in file_of(far).read_text()


class TestWhomToTrust:
    def test_where_nobody_can_be_asked_the_keys_are_shown_and_nothing_is_done(self, far: FarHosts) -> None:
        assert far.run("init", "homelab", *HOSTS) == 2
        assert fingerprint(RTX) in far.said
        assert f"tesla  root@{TESLA}:2222\n  ssh-ed25519  {fingerprint(TESLA)}\n" in far.said
        assert "--accept-host-key SHA256:..." in far.complained
        assert far.heard(RTX, "calls") == ""
        assert not file_of(far).exists()

    def test_a_person_says_yes_to_each(self, far: FarHosts) -> None:
        assert far.run("init", "homelab", *HOSTS, typed="perhaps\nyes\nYES\n") == 0
        assert far.said.count("yes/no") == 3
        assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in far.said

    @pytest.mark.parametrize("typed", ["yes\nno\n", "no\nyes\n", "yes\n", ""])
    def test_one_no_is_enough(self, far: FarHosts, typed: str) -> None:
        assert far.run("init", "homelab", *HOSTS, typed=typed) == 1
        assert "No stack file was written." in far.said
        assert far.heard(RTX, "calls") == far.heard(TESLA, "calls") == ""

    def test_another_key_than_the_accepted_one_is_refused_without_a_question(self, far: FarHosts) -> None:
        assert far.run("init", "homelab", *HOSTS, *accepting(RTX), typed="yes\nyes\n") == 1
        assert "HST-2 access: no --accept-host-key has this fingerprint" in far.said
        assert "yes/no" not in far.said
        assert not file_of(far).exists()

    def test_the_key_that_is_pinned_is_the_one_that_has_to_be_shown_next(self, far: FarHosts) -> None:
        far.run("init", "homelab", *HOSTS, *accepting(RTX, TESLA))

        assert far.heard(RTX, "known") == f"gpu-ready {made_up_key(RTX)}\n"

    def test_of_many_keys_the_best_is_shown_and_any_can_be_accepted(self, far: FarHosts) -> None:
        rsa = Key(_rsa())
        far.shows(RTX, f"{RTX} {rsa.text}", f"# {RTX}:22 SSH-2.0-x", f"{RTX} {made_up_key(RTX)}")
        far.run("init", "homelab", *HOSTS)
        assert far.run("init", "homelab", *HOSTS, "--accept-host-key", rsa.fingerprint, *accepting(TESLA)) == 0

        assert far.said.index(fingerprint(RTX)) < far.said.index(rsa.fingerprint)
        assert wish_of(far).hosts_args()[0]["host_key"] == rsa.text

    @pytest.mark.parametrize(
        "line",
        [
            b"",
            b"x ssh-ed25519",
            b"x ssh-ed25519 AAAA",
            b"x ssh-ed25519 \xff\xfe",
            b"x ssh-dss AAAAB3NzaC1kc3M=",
            b"x ssh-ed25519-cert-v01@openssh.com AAAA",
            b"x " + made_up_key("x").replace("AAAA", "AAAB").encode(),
            b"\x1b[2J" * 1000,
            b"x" * 1_000_000,
        ],
    )
    def test_what_is_no_key_is_none(self, far: FarHosts, line: bytes) -> None:
        far.shows(RTX, line)

        assert far.run("init", "homelab", *HOSTS, typed="yes\nyes\n") == 1
        assert "HST-82" in far.said
        assert far.said.replace("\n", "").isprintable()
        assert not file_of(far).exists()

    @pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs an OpenSSH client")
    def test_fingerprints_are_those_of_openssh(self, tmp_path: Path) -> None:
        subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", tmp_path / "e"], check=True)
        keys = [made_up_key("rtx"), _rsa(), " ".join((tmp_path / "e.pub").read_text().split()[:2])]
        (tmp_path / "keys").write_text("".join(f"{key}\n" for key in keys))
        shown = subprocess.run(["ssh-keygen", "-lf", tmp_path / "keys"], capture_output=True, text=True, check=True)

        found = keys_in("".join(f"x {key}\n" for key in keys).encode())
        assert [key.kind for key in found] == ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"]
        assert {key.fingerprint for key in found} == {line.split()[1] for line in shown.stdout.splitlines()}


def _rsa() -> str:
    """Of the right form: 2048 bits that are the product of nothing."""
    fields = (b"ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xc1" * 256)
    wire = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    return f"ssh-rsa {base64.b64encode(wire).decode()}"


class TestHostsThatAreNotWell:
    def test_unless_all_can_be_read_nothing_is_written(self, far: FarHosts) -> None:
        far.answers(TESLA, "", err="root@x: Permission denied (publickey).", status=255)

        assert far.run("init", "homelab", *HOSTS, *accepting(RTX, TESLA)) == 1
        assert "NVIDIA GeForce RTX 4070" in far.said
        assert "HST-83" in far.said
        assert far.said.endswith("No stack file was written.\n")
        assert not file_of(far).exists()

    def test_a_silent_one_has_no_key(self, far: FarHosts) -> None:
        far.shows(TESLA, "")

        assert far.run("init", "homelab", *HOSTS, *accepting(RTX, TESLA)) == 1
        assert "tesla.lan port 2222: no host key is to be had" in far.said

    def test_hostile_facts_reach_neither_terminal_nor_file(self, far: FarHosts) -> None:
        far.answers(RTX, told(hostname="x\n    hosts: []", os__pretty="\x1b[2J"))

        assert far.run("init", "homelab", *HOSTS, *accepting(RTX, TESLA)) == 1
        assert "HST-63" in far.said
        assert far.said.replace("\n", "").isprintable()
        assert not file_of(far).exists()

    def test_where_sudo_wants_a_password_it_is_asked_for_and_written_down_that_it_does(self, far: FarHosts) -> None:
        far.answers(RTX, told(), first='grep -q "call.sh\\" password facts" "$d.stdin" || { cat "$d.no" >&2; exit 3; }')
        (far.folder / f"{RTX}.no").write_text(SUDO_ASKS)
        flags = ("--context", "home", "--sudo-password-prompt", *accepting(RTX, TESLA))

        assert far.run("init", "homelab", *HOSTS, *flags, typed="", password="s3cret") == 0
        text = file_of(far).read_text()
        assert "sudo: password" in text
        assert "s3cret" not in text + far.said
        assert "&& pulumi config set --secret gpu-ready:sshPassword && pulumi up" in far.said
        file_of(far).write_text(text + "  gpu-ready:sshPassword: {secure: v1:x}\n")
        assert wish_of(far).hosts_args()[0]["sudo"] == "password"

    def test_without_a_prompt_it_is_said_that_there_is_one(self, far: FarHosts) -> None:
        far.answers(RTX, "", err=SUDO_ASKS, status=3)

        assert far.run("init", "homelab", *HOSTS, *accepting(RTX, TESLA)) == 1
        assert "or here: --sudo-password-prompt" in far.said


class TestWhatIsThereAlready:
    def test_is_not_written_over_unasked(self, far: FarHosts) -> None:
        far.run("init", "homelab", *HOSTS, *accepting(RTX, TESLA))
        before = file_of(far).read_bytes()

        assert far.run("init", "homelab", *HOSTS, *accepting(RTX, TESLA)) == 2
        assert "take another name, or --force" in far.complained
        assert file_of(far).read_bytes() == before

    def test_is_kept_beside_the_new_one_and_what_pulumi_wrote_into_it_goes_on(self, far: FarHosts) -> None:
        old = "encryptionsalt: v1:abc=:v1:x\nconfig:\n  gpu-ready:target: x\n  gpu-ready:sshPassword: {secure: v1:y}\n"
        file_of(far).write_text(old)

        assert far.run("init", "homelab", *HOSTS, "--force", *accepting(RTX, TESLA)) == 0
        written = yaml.safe_load(file_of(far).read_text())
        assert written["encryptionsalt"] == "v1:abc=:v1:x"
        assert written["config"]["gpu-ready:sshPassword"] == {"secure": "v1:y"}
        assert file_of(far).with_suffix(".yaml.old").read_text() == old
        assert wish_of(far).target == "bareMetal"

    def test_an_example_without_a_host_key_was_never_used_and_makes_room(self, far: FarHosts) -> None:
        shutil.copy(EXAMPLE, file_of(far))

        assert far.run("init", "homelab", *HOSTS, *accepting(RTX, TESLA)) == 0
        assert "what was there: stacks/Pulumi.homelab.yaml.old" in far.said
        assert file_of(far).with_suffix(".yaml.old").read_text() == EXAMPLE.read_text()

    def test_an_example_that_somebody_wrote_into_stays(self, far: FarHosts) -> None:
        edited = EXAMPLE.read_text().replace("address: rtx.home.arpa", "address: mine.lan")
        assert edited != EXAMPLE.read_text()
        file_of(far).write_text(edited)

        assert far.run("init", "homelab", *HOSTS, *accepting(RTX, TESLA)) == 2
        assert "--force to write over it; what is there now is kept beside it" in far.complained
        assert file_of(far).read_text() == edited

    def test_what_was_kept_once_is_kept_for_good(self, far: FarHosts) -> None:
        for text in ("config: {a: 1}\n", "config: {a: 2}\n", "config: {a: 3}\n"):
            file_of(far).write_text(text)
            assert far.run("init", "homelab", *HOSTS, "--force", *accepting(RTX, TESLA)) == 0
        kept = [file_of(far).with_name(f"Pulumi.homelab.yaml.old{more}").read_text() for more in ("", ".2", ".3")]
        assert kept == [f"config: {{a: {number}}}\n" for number in (1, 2, 3)]
        assert "what was there: stacks/Pulumi.homelab.yaml.old.3" in far.said

    @pytest.mark.parametrize(
        "text", ["", "[]", "a: [", "config: {}", "config: {gpu-ready:bareMetal: {hosts: [1]}, x: 1}\ny: 1"]
    )
    def test_what_cannot_be_told_to_be_an_example_stays(self, far: FarHosts, text: str) -> None:
        file_of(far).write_text(text)

        assert far.run("init", "homelab", *HOSTS, *accepting(RTX, TESLA)) == 2
        assert file_of(far).read_text() == text


class TestWrongUse:
    @pytest.mark.parametrize(
        ("words", "why"),
        [
            (["homelab", "--host", "rtx"], "NAME=[USER@]ADDRESS[:PORT] belongs there"),
            (["homelab", "--host", "rtx="], "NAME=[USER@]ADDRESS[:PORT] belongs there"),
            (["homelab", "--host", "Rtx=a"], "--host Rtx=a: name: a short name of small letters"),
            (["homelab", "--host", "rtx=a:99999"], "--host rtx=a:99999: port: a whole number from 1 to 65535"),
            (["homelab", "--host", "rtx=a b"], "--host rtx=a b: address: a host name or an address"),
            (["homelab", "--host", "rtx=-oProxyCommand=x"], "address: a host name or an address"),
            (["homelab", "--host", "rtx=-l@a"], "user: the name of a user"),
            (["homelab", "--host", "rtx=\x1b[2J"], "--host rtx=: NAME"),
            (["homelab", "--host", "rtx=a", "--host", "rtx=b"], "rtx is the name of another host already"),
            (["homelab", "--host", "a=a", "--host", "b=a"], "is the address and port of another host already"),
            (["../evil", "--host", "rtx=a"], "cannot be the name of a stack"),
            (["homelab", "--host", "rtx=a", "--accept-host-key", "MD5:aa"], "a fingerprint belongs there"),
            (["homelab", "--host", "rtx=a", "--accept-host-key", "SHA256:short"], "a fingerprint belongs there"),
            (["homelab", "--host", "rtx=a", "--context", "a\nb"], "--context"),
        ],
    )
    def test_is_told_before_anybody_is_talked_to(self, far: FarHosts, words: list[str], why: str) -> None:
        assert far.run("init", *words) == 2
        assert why in far.complained
        assert not list(far.folder.glob("*.scans"))

    def test_addresses_of_ipv6_have_their_port_behind_brackets(self, far: FarHosts) -> None:
        for address in ("2001:db8::1", "2001:db8::2"):
            far.shows(address)
            far.answers(address)
        hosts = ("--host", "a=[2001:db8::1]:2222", "--host", "b=root@2001:db8::2")

        assert far.run("init", "homelab", *hosts, *accepting("2001:db8::1", "2001:db8::2")) == 0
        assert [(host["address"], host["port"]) for host in wish_of(far).hosts_args()] == [
            ("2001:db8::1", 2222), ("2001:db8::2", 22),
        ]  # fmt: skip
        assert "-p 2222" in far.heard("2001:db8::1", "scans")


def test_a_fingerprint_is_known_by_its_form() -> None:
    assert host_keys.is_fingerprint(fingerprint("x"))
    wrong: list[Any] = [
        "",
        "SHA256:",
        "SHA256:" + "A" * 42,
        "SHA256:" + "é" * 43,
        fingerprint("x").lower()[:-1],
        "x" * 50,
    ]
    assert not any(host_keys.is_fingerprint(text) for text in wrong)
