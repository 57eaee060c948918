"""What goes wrong between us and a host, or on it, while it is made ready."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from lab.engine import Result
from lab.real.hosts.bed import Bed
from lab.real.hosts.host import RealHost
from tests.lab.real_hosts import Site, different, good, needs_hosts, wait_for, while_it_runs

pytestmark = needs_hosts
REAL = ("sshd", "systemd", "apt and dpkg", "containerd", "OpenSSH")
STANDINS = ("the card, its module and NVIDIA's packages", "the cluster")


@pytest.fixture
def host(bed: Bed) -> RealHost:
    return bed.host("rtx")


@pytest.fixture
def site(bed: Bed, host: RealHost, tmp_path: Path) -> Site:
    return Site(tmp_path, bed, host)


HALF = "/tmp/half-way"
STOPS = {
    "folder": ("/usr/local/bin/mkdir", f'/bin/mkdir "$@" && touch {HALF} && exec sleep 5'),
    "bundle": (
        "/usr/lib/openssh/sftp-server",
        f"{{ dd bs=1 count=10000; touch {HALF}; exec sleep 5; }} | /usr/lib/openssh/sftp-server.whole",
    ),
}
"""What has a step pause half-way that would be over in no time: a program in the place of the one that it uses."""


@contextmanager
def stops_half_way(host: RealHost, step: str) -> Iterator[None]:
    """As long as it lasts, this step comes no further than half-way for a while."""
    place, text = STOPS[step]
    host.run(f"rm -f {HALF}; [ ! -e {place} ] || mv {place} {place}.whole")
    host.write(place, f"#!/bin/sh\n{text}\n")
    host.run(f"chmod 755 {place}")
    yield
    host.run(f"rm -f {place} {HALF}; [ ! -e {place}.whole ] || mv {place}.whole {place}")


def is_half_way(host: RealHost, step: str) -> bool:
    """Whether this step is at work now."""
    return host.run(f"ls {HALF} 2>/dev/null || :") != "" if step in STOPS else host.step() == f"{step} apply"


def cut_short(site: Site, host: RealHost, step: str, end: Callable[[], int]) -> Result:
    """An `up` that sshd leaves in the middle of this step; how it ended, once the step is over by itself."""

    def cut() -> None:
        wait_for(lambda: is_half_way(host, step))
        assert end() > 0

    with stops_half_way(host, step) if step in STOPS else nullcontext(), while_it_runs(cut):
        ended = site.up()
    wait_for(lambda: host.step() == "")
    return ended


def is_named(failed: Result, host: RealHost) -> None:
    """What happened is said in words of ours, with what to do, once."""
    (said,) = [text for text in failed.errors if text.startswith("HST-")]
    assert said.startswith(f"HST-90 access: {host.name}: the connection was cut in the middle of a step"), said
    assert "then run pulumi up again" in said


def test_a_session_that_is_killed_in_each_step_is_named_and_green_the_next_time(site: Site, host: RealHost) -> None:
    before = host.snapshot()
    for step in ("folder", "bundle", "tools", "driver", "reboot", "toolkit", "runtime", "check"):
        failed = cut_short(site, host, step, host.kill_sshd_session)
        assert failed.exit == 1, step
        is_named(failed, host)
    good(site.up())
    good(site.up("destroy"))
    assert different(before, host.snapshot()) == {}


def test_an_sshd_that_is_killed_with_all_its_sessions_is_named_or_costs_only_time(bed: Bed, tmp_path: Path) -> None:
    """Where the host goes down anyway, a lost connection is nothing new."""
    host = bed.host("tesla", nouveau=True)
    site, before = Site(tmp_path, bed, host), host.snapshot()
    site.metal["reboot"] = "ifNeeded"
    began = host.run("pgrep -of 'sshd: .*listener'")
    failed = cut_short(site, host, "driver", host.kill_sshd)
    assert failed.exit == 1
    is_named(failed, host)
    host.ready()
    assert host.run("pgrep -of 'sshd: .*listener'") != began, "systemd has started another"
    good(cut_short(site, host, "reboot", host.kill_sshd))
    assert host.boots() == 1
    good(site.up("destroy"))
    assert different(before, host.snapshot()) == {}


def test_a_session_that_is_killed_in_each_removal_is_green_the_next_time(site: Site, host: RealHost) -> None:
    before = host.snapshot()
    good(site.up())
    for step in ("runtime", "toolkit", "driver"):

        def cut(step: str = step) -> None:
            wait_for(lambda: host.step() == f"{step} remove")
            assert host.kill_sshd_session() > 0

        with while_it_runs(cut):
            failed = site.up("destroy")
        assert failed.exit == 1, step
        # A destroy runs no program, and so none of its words.
        assert any("without exit status or exit signal" in text for text in failed.errors), (step, failed.errors)
        wait_for(lambda: host.step() == "")
    good(site.up("destroy"))
    assert different(before, host.snapshot()) == {}


def test_a_host_whose_plug_is_pulled_while_packages_come_is_made_whole(site: Site, host: RealHost) -> None:
    before = host.snapshot()

    def pull() -> None:
        wait_for(lambda: "Preparing to unpack" in host.run("cat /var/log/apt/term.log 2>/dev/null || :"))
        host.power_off()

    with while_it_runs(pull):
        failed = site.up()
    assert failed.exit == 1
    assert any(text.startswith(("HST-82 access: rtx: ", "HST-90 access: rtx: ")) for text in failed.errors), (
        failed.errors
    )
    host.power_on()
    host.ready()
    good(site.up())
    good(site.up("destroy"))
    assert different(before, host.snapshot()) == {}


def test_another_host_at_the_address_is_not_logged_in_to(bed: Bed, site: Site, host: RealHost) -> None:
    other = bed.host("other")
    site.more["rtx"] = {"hostKey": other.host_key}
    failed = site.up()
    assert any("ssh: host key mismatch" in text for text in failed.errors)
    assert any(text.startswith("HST-2 access: rtx: ") for text in failed.errors), failed.errors
    assert ACCEPTED not in journal(host)
    assert host.run("ls /var/lib/gpu-ready 2>/dev/null || :") == ""


ACCEPTED = "Accepted publickey for ops"


def journal(host: RealHost) -> str:
    """What sshd has noted."""
    return host.run("journalctl --sync; journalctl -q -o cat -t sshd")


def fingerprint(bed: Bed, who: str) -> str:
    """By what sshd names somebody's key."""
    command = ["ssh-keygen", "-l", "-f", str(bed.folder / f"{who}.pub")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1]


def test_a_host_that_is_off_is_explained_then_offline_then_given_up(bed: Bed, tmp_path: Path) -> None:
    gone, stays = bed.host("gone"), bed.host("stays")
    site, before = Site(tmp_path, bed, gone, stays), stays.snapshot()
    good(site.up())
    gone.power_off()
    site.more["gone"] = {"look": 2}

    began = time.monotonic()
    failed = site.up()
    (said,) = [text for text in failed.errors if text.startswith("HST-82 access: gone: ")]
    assert "state: offline" in said.partition("\nfix: ")[2]
    assert time.monotonic() - began < 90

    counted = stays.connections()
    offline = site.up(gone="offline")
    good(offline)
    assert [one["name"] for one in offline.outputs["report"]["nodes"]] == ["node-stays"]
    assert good(site.up(gone="offline")) == set()
    good(site.up(gone="abandoned"))
    good(site.up(gone="gone"))
    assert stays.connections() == counted
    good(site.up("destroy", gone="gone"))
    assert different(before, stays.snapshot()) == {}


def test_a_cable_that_is_pulled_for_a_while_is_not_noticed(site: Site, host: RealHost) -> None:
    def pull() -> None:
        wait_for(lambda: "Building initial module" in host.run("cat /var/log/apt/term.log 2>/dev/null || :"))
        host.cut_network()
        time.sleep(8)
        host.mend_network()

    with while_it_runs(pull):
        good(site.up())


def test_a_lock_that_somebody_holds_is_waited_for(site: Site, host: RealHost) -> None:
    host.hold_package_lock()

    def let_go() -> None:
        wait_for(lambda: host.step() == "driver apply")
        time.sleep(8)
        assert (host.step(), host.run("dpkg-query -W -f '${Package}\\n' | grep nvidia || :")) == ("driver apply", "")
        host.let_go()

    with while_it_runs(let_go):
        good(site.up())
    assert "nvidia" in host.run("dpkg-query -W -f '${Package}\\n'")


def test_a_containerd_that_refuses_its_configuration_gets_the_old_one_back(site: Site, host: RealHost) -> None:
    config = host.run("cat /etc/containerd/config.toml")
    host.refuse_containerd()
    failed = site.up()
    assert any("HST-77 runtime" in text and "the old file is in place" in text for text in failed.errors)
    assert host.run("cat /etc/containerd/config.toml") == config
    assert host.run("systemctl is-active containerd") == "active\n"

    host.refuse_containerd(False)
    good(site.up())
    assert "gpu-ready begin" in host.run("cat /etc/containerd/config.toml")


def test_a_colleague_with_another_agent_changes_nothing_and_opens_no_connection(
    bed: Bed, site: Site, host: RealHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.who, before = "", host.snapshot()
    with agent(bed, "first") as place:
        monkeypatch.setenv("SSH_AUTH_SOCK", place)
        good(site.up())
    counted = host.connections()
    assert fingerprint(bed, "second") not in journal(host)
    with agent(bed, "second") as place:
        monkeypatch.setenv("SSH_AUTH_SOCK", place)
        assert good(site.up()) == set()
        assert host.connections() == counted
        good(site.up("destroy"))
    assert fingerprint(bed, "second") in journal(host), "it was the colleague who took it all back"
    assert different(before, host.snapshot()) == {}


@contextmanager
def agent(bed: Bed, who: str) -> Iterator[str]:
    """Somebody's ssh-agent with a key in it."""
    place = str(bed.folder / f"{who}.agent")
    running = subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL)
    wait_for(Path(place).exists)
    add = ["ssh-add", "-q", str(bed.folder / who)]
    subprocess.run(add, env={"SSH_AUTH_SOCK": place, "PATH": os.environ["PATH"]}, check=True)
    try:
        yield place
    finally:
        running.terminate()
        running.wait(10)


def test_a_card_that_is_in_use_is_not_taken_away(site: Site, host: RealHost) -> None:
    good(site.up())
    host.use_card()
    wait_for(lambda: "use-card" in host.run("nvidia-smi --query-compute-apps=pid,name --format=csv,noheader"))
    failed = site.up("destroy")
    assert any("HST-81 driver: the card is in use" in text for text in failed.errors)
    host.let_go()
    good(site.up("destroy"))


def test_a_network_without_repositories_is_named(bed: Bed, site: Site, host: RealHost) -> None:
    before = host.snapshot()
    bed.fetcher.close()
    failed = site.up()
    assert any("HST-33 packages" in text for text in failed.errors), failed.errors
    good(site.up("destroy"))
    assert different(before, host.snapshot()) == {}
