"""What goes wrong between us and a host, or on it, while it is made ready."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

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


def test_a_session_that_is_killed_in_each_step_is_green_the_next_time(site: Site, host: RealHost) -> None:
    before = host.snapshot()
    for step in ("tools", "driver", "toolkit", "runtime", "check"):

        def cut(step: str = step) -> None:
            wait_for(lambda: host.step() == f"{step} apply")
            assert host.kill_sshd_session() > 0

        with while_it_runs(cut):
            failed = site.up()
        assert failed.exit == 1, step
        assert any("without exit status" in text for text in failed.errors), (step, failed.errors)
        wait_for(lambda: host.step() == "")
    good(site.up())
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
            assert site.up("destroy").exit == 1, step
        wait_for(lambda: host.step() == "")
    good(site.up("destroy"))
    assert different(before, host.snapshot()) == {}


def test_a_host_whose_plug_is_pulled_while_packages_come_is_made_whole(site: Site, host: RealHost) -> None:
    before = host.snapshot()

    def pull() -> None:
        wait_for(lambda: "Preparing to unpack" in host.run("cat /var/log/apt/term.log 2>/dev/null || :"))
        host.power_off()

    with while_it_runs(pull):
        assert site.up().exit == 1
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
    assert host.run("ls /var/lib/gpu-ready 2>/dev/null || :") == ""


def test_a_host_that_is_off_is_explained_then_offline_then_given_up(bed: Bed, tmp_path: Path) -> None:
    gone, stays = bed.host("gone"), bed.host("stays")
    site = Site(tmp_path, bed, gone, stays)
    good(site.up())
    gone.power_off()
    site.more["gone"] = {"look": 2}

    began = time.monotonic()
    failed = site.up()
    assert any(text.startswith("HST-82 access: gone: ") for text in failed.errors), failed.errors
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
        time.sleep(4)
        host.let_go()

    with while_it_runs(let_go):
        good(site.up())


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
    site.who = ""
    with agent(bed, "first") as place:
        monkeypatch.setenv("SSH_AUTH_SOCK", place)
        good(site.up())
    counted = host.connections()
    with agent(bed, "second") as place:
        monkeypatch.setenv("SSH_AUTH_SOCK", place)
        assert good(site.up()) == set()
        assert host.connections() == counted
        good(site.up("destroy"))


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
