"""One host from nothing to nothing, and what it meets on the way."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lab.real.hosts.bed import Bed
from tests.lab.real_hosts import Site, different, good, needs_hosts, shows

pytestmark = needs_hosts
REAL = ("sshd", "systemd", "apt and dpkg", "containerd", "OpenSSH")
STANDINS = ("the card, its module and NVIDIA's packages", "the cluster")


def at_rest(site: Site) -> None:
    """There is nothing to do, before a refresh and after it, and no host is bothered."""
    counted = site.connections()
    for op in ("up", "refresh", "up"):
        result = site.up(op)
        good(result)
        assert set(result.changes) == {"same"}, op
    assert site.connections() == counted


def test_up_again_and_back_to_what_it_was(bed: Bed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    host = bed.host("rtx")
    site, before, began = Site(tmp_path, bed, host), host.snapshot(), time.monotonic()

    first = site.up()
    good(first)
    shown = first.outputs["hosts"]["rtx"]
    assert (shown["node"], shown["cards"], shown["toolkit"]) == ("node-rtx", ["Tesla T4"], "1.20.0")
    assert shown["driver"].startswith("580.")
    assert shown["runtime"].startswith("containerd 1.6.")
    up = time.monotonic() - began

    at_rest(site)

    began = time.monotonic()
    good(site.up("destroy"))
    assert different(before, host.snapshot()) == {}
    shows(capsys, f"1 host: up {up:.0f} s, destroy {time.monotonic() - began:.0f} s")


def test_a_server_without_a_compiler_gets_one_and_loses_it_again(bed: Bed, tmp_path: Path) -> None:
    host = bed.host("rtx", compilers=False)
    site, before = Site(tmp_path, bed, host), host.snapshot()
    good(site.up())
    assert "package dkms" in host.snapshot()
    good(site.up("destroy"))
    assert different(before, host.snapshot()) == {}


def test_the_kernels_own_driver_goes_by_a_reboot_with_consent(bed: Bed, tmp_path: Path) -> None:
    host = bed.host("tesla", nouveau=True)
    site, before, boot = Site(tmp_path, bed, host), host.snapshot(), host.boot_id()

    refused = site.up()
    assert refused.exit == 1
    assert any("HST-64 driver" in text and "nouveau holds Tesla T4" in text for text in refused.errors)
    assert (host.boot_id(), host.run("ls /sys/module").split()) == (boot, ["nouveau"])

    site.metal["reboot"] = "ifNeeded"
    good(site.up())
    assert host.boot_id() != boot
    assert host.boots() == 1
    assert "nouveau" not in host.run("ls /sys/module").split()
    at_rest(site)
    good(site.up("destroy"))
    assert different(before, host.snapshot()) == {}
    host.run("systemctl reboot || :")
    time.sleep(1)
    host.ready()
    assert "nouveau" in host.run("ls /sys/module").split(), "it is no longer blocked"


def test_ubuntu_has_its_own_driver_and_a_newer_containerd(bed: Bed, tmp_path: Path) -> None:
    """All packages but the toolkit's are the real ones of Ubuntu's archive, the driver's too."""
    host = bed.host("rtx", "noble", "NVIDIA GeForce RTX 4070", compilers=False)
    site, before = Site(tmp_path, bed, host), host.snapshot()
    first = site.up()
    good(first)
    assert first.outputs["hosts"]["rtx"]["driver"].startswith("580.")
    assert first.outputs["hosts"]["rtx"]["runtime"].startswith("containerd 2.")
    after = host.snapshot()
    kernel = host.run("uname -r").strip()
    assert {f"package linux-modules-nvidia-580-server-open-{kernel}", "hold nvidia-utils-580-server"} <= set(after)
    assert host.run(f"modinfo -k {kernel} -F license nvidia") == "Dual MIT/GPL\n"

    at_rest(site)
    good(site.up("destroy"))
    assert different(before, host.snapshot()) == {}


def test_a_driver_that_cannot_be_built_is_named_and_taken_back(bed: Bed, tmp_path: Path) -> None:
    host = bed.host("rtx")
    host.break_builds()
    site, before = Site(tmp_path, bed, host), host.snapshot()
    for _time in range(2):
        failed = site.up()
        assert any("DRV-8 driver" in text for text in failed.errors)
    good(site.up("destroy"))
    assert different(before, host.snapshot()) == {}


def test_a_sudo_that_asks_gets_its_password_and_nobody_else_sees_it(bed: Bed, tmp_path: Path) -> None:
    from lab.real.hosts.image import ASKED, PASSWORD

    host = bed.host("rtx")
    site = Site(tmp_path, bed, host)
    site.more["rtx"] = {"user": ASKED, "sudo": "password"}
    good(site.up())
    assert PASSWORD not in host.run("journalctl --no-pager -o cat"), "sudo writes each command line into the journal"
    assert PASSWORD not in "".join(map(repr, site.events))
    good(site.up("destroy"))


def test_the_key_of_the_driver_may_come_as_a_package(bed: Bed, tmp_path: Path) -> None:
    host = bed.host("rtx")
    site, before = Site(tmp_path, bed, host), host.snapshot()
    site.metal["repositories"] = bed.repositories(keyring=True)
    good(site.up())
    assert "package cuda-keyring" in host.snapshot()
    good(site.up("destroy"))
    assert different(before, host.snapshot()) == {}


def test_a_key_that_was_changed_on_the_way_is_refused(bed: Bed, tmp_path: Path) -> None:
    host = bed.host("rtx")
    site, before = Site(tmp_path, bed, host), host.snapshot()
    site.metal["repositories"]["cuda"]["keySha256"] = "0" * 64
    failed = site.up()
    assert any("TK-1 packages: no key with the pinned checksum" in text for text in failed.errors)
    good(site.up("destroy"))
    assert different(before, host.snapshot()) == {}
