"""apt and dpkg of a simulated machine refuse what the real ones refuse."""

from __future__ import annotations

import fcntl
from hashlib import sha1
from pathlib import Path

import pytest

from lab.host.standins.archive import KEYS
from lab.host.standins.downloads import CHECKSUMS, armored, key_text
from lab.host.standins.sources import dearmored, fingerprints
from lab.host.standins.versions import compare
from tests.host.small_machine import CUDA_URL, TOOLKIT, TOOLKIT_URL, UBUNTU_DRIVER, Bench, born


def at(version: str) -> list[str]:
    return [f"{name}={version}-1" for name in TOOLKIT]


# repositories


def test_no_package_before_the_lists_were_fetched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench(born(tmp_path / "machine", lists=False), capsys)
    assert bench.install("nvidia-utils-580-server") == (
        100,
        "",
        "E: Unable to locate package nvidia-utils-580-server\n",
    )


def test_no_package_without_its_repository(ubuntu: Bench) -> None:
    assert "Unable to locate package nvidia-container-toolkit" in ubuntu.install("nvidia-container-toolkit").err


def test_no_package_of_a_new_repository_before_the_next_update(ubuntu: Bench) -> None:
    ubuntu.write("/etc/apt/keyrings/k.asc", armored(key_text(KEYS["toolkit"])))
    ubuntu.write("/etc/apt/sources.list.d/t.list", f"deb [signed-by=/etc/apt/keyrings/k.asc] {TOOLKIT_URL} /\n")
    assert ubuntu.install("nvidia-container-toolkit").status == 100
    ubuntu.well("apt-get update")
    assert ubuntu.install("nvidia-container-toolkit").status == 0


def test_no_package_of_a_repository_that_was_taken_away(ubuntu: Bench) -> None:
    ubuntu.repository()
    ubuntu.file("/etc/apt/sources.list.d/toolkit.list").unlink()
    assert "Unable to locate package" in ubuntu.install("nvidia-container-toolkit").err


@pytest.mark.parametrize(
    ("name", "text", "mode"),
    [
        ("k.asc", armored(key_text(KEYS["cuda"])), 0o644),
        ("k.asc", armored(key_text(KEYS["toolkit"])), 0o600),
        ("k.gpg", armored(key_text(KEYS["toolkit"])), 0o644),
        ("k.asc", key_text(KEYS["toolkit"]), 0o644),
        ("other.asc", "", 0o644),
    ],
    ids=["another key", "unreadable for apt", "armored but called gpg", "not armored but called asc", "no file"],
)
def test_a_key_that_does_not_fit_is_no_key(ubuntu: Bench, name: str, text: str, mode: int) -> None:
    ubuntu.write(f"/etc/apt/keyrings/{name}", text).chmod(mode)
    at_fault = "k.asc" if name.startswith("other") else name
    ubuntu.write("/etc/apt/sources.list.d/t.list", f"deb [signed-by=/etc/apt/keyrings/{at_fault}] {TOOLKIT_URL} /\n")
    said = ubuntu("apt-get update")
    assert said.status == 100
    assert "NO_PUBKEY DDCAE044F796ECB0" in said.err
    assert "InRelease' is not signed" in said.err
    assert ubuntu.install("nvidia-container-toolkit").status == 100


def test_a_repository_for_another_distribution_is_not_there(ubuntu: Bench) -> None:
    ubuntu.write("/etc/apt/sources.list.d/c.list", f"deb {CUDA_URL} /\n")
    assert "404" in ubuntu("apt-get update").err


def test_two_keys_for_one_repository_stop_everything(ubuntu: Bench) -> None:
    ubuntu.repository()
    ubuntu.write("/etc/apt/sources.list.d/old.list", f"deb {TOOLKIT_URL} /\n")
    assert "Conflicting values set for option Signed-By" in ubuntu("apt-get update").err
    assert ubuntu.install("vim").status == 100


@pytest.mark.parametrize(
    "line", ["deb", "deb nowhere /", f"deb {TOOLKIT_URL}", f"deb {TOOLKIT_URL} / main", "debb x://y /"]
)
def test_a_line_that_is_no_source_stops_everything(ubuntu: Bench, line: str) -> None:
    ubuntu.write("/etc/apt/sources.list.d/bad.list", f"{line}\n")
    said = ubuntu("apt-get update")
    assert (said.status, "The list of sources could not be read" in said.err) == (100, True)


def test_without_a_network_the_update_claims_success(ubuntu: Bench) -> None:
    ubuntu.machine.switch("fault", "no-network")
    said = ubuntu("apt-get update")
    assert (said.status, "Some index files failed to download" in said.err) == (0, True)


def test_the_fingerprint_of_a_real_key_is_read_from_its_packets() -> None:
    body, signature = bytes([4]) + b"\x07" * 20, b"\x88\x03abc"
    fingerprint = sha1(b"\x99\x00\x15" + body).hexdigest().upper()
    assert fingerprints(b"\x98\x15" + body + signature) == [fingerprint]
    assert fingerprints(b"\xc6\x15" + body) == [fingerprint]
    assert fingerprints(signature) == []
    assert dearmored(armored("abc").encode()) == b"abc"


# downloads


def test_a_download_comes_only_with_its_checksum(debian: Bench) -> None:
    end, checksum = next((end, checksum) for end, checksum in CHECKSUMS.items() if end.endswith(".deb"))
    url, target = f"https://example.com/{end}", "/tmp/cuda-keyring.deb"
    assert "Hash Sum mismatch" in debian(f"apt-helper download-file {url} {target} SHA256:{'0' * 64}").err
    assert not debian.file(target).exists()
    debian.well(f"apt-helper download-file {url} {target} SHA256:{checksum}")
    debian.file("/etc/apt/sources.list.d/cuda.list").unlink()
    assert debian.install(target).status == 0
    debian.well("apt-get update")
    assert "nvidia-open" in debian.well("apt-cache madison nvidia-open")


def test_a_file_that_is_no_package_is_not_installed(debian: Bench) -> None:
    debian.write("/tmp/x.deb", "<html>")
    assert "Unsupported file /tmp/x.deb given on commandline" in debian.install("/tmp/x.deb").err


# what is installed


def test_packages_come_with_all_that_they_need_and_put_files_on_the_disk(ubuntu: Bench) -> None:
    said = ubuntu.install(*UBUNTU_DRIVER)
    assert said.status == 0
    installed = ubuntu.well("dpkg-query -W -f", "${Package} ${Version} ${db:Status-Abbrev}\\n")
    assert "libnvidia-compute-580-server 580.173.02-0ubuntu0.24.04.1 ii " in installed
    assert ubuntu.well("modinfo -F version nvidia") == "580.173.02\n"
    assert ubuntu.file("/usr/bin/nvidia-smi").exists()


def test_what_was_removed_leaves_nothing(ubuntu: Bench) -> None:
    before = ubuntu.machine.snapshot()
    packages = set(ubuntu.machine.state["packages"])
    ubuntu.repository()
    assert ubuntu.install(*UBUNTU_DRIVER, *TOOLKIT).status == 0
    new = sorted(set(ubuntu.machine.state["packages"]) - packages)
    assert ubuntu("apt-get remove -y --purge", *new).status == 0
    ubuntu.file("/etc/apt/sources.list.d/toolkit.list").unlink()
    ubuntu.file("/etc/apt/keyrings/toolkit.asc").unlink()
    assert ubuntu.machine.snapshot() == before


def test_settings_of_a_package_stay_until_it_is_purged(ubuntu: Bench) -> None:
    ubuntu.repository()
    ubuntu.install(*TOOLKIT)
    ubuntu("apt-get remove -y", *TOOLKIT)
    assert ubuntu.file("/etc/nvidia-container-runtime/config.toml").exists()
    assert "rc " in ubuntu.well("dpkg-query -W -f", "${db:Status-Abbrev}\\n", "nvidia-container-toolkit-base")
    ubuntu("apt-get purge -y nvidia-container-toolkit-base")
    assert not ubuntu.file("/etc/nvidia-container-runtime").exists()


def test_settings_that_somebody_changed_survive_another_version(ubuntu: Bench) -> None:
    ubuntu.repository()
    ubuntu.install(*at("1.20.0"))
    ubuntu.write("/etc/nvidia-container-runtime/config.toml", "mine")
    assert ubuntu.install(*at("1.20.1")).status == 0
    assert ubuntu.file("/etc/nvidia-container-runtime/config.toml").read_text() == "mine"


def test_an_unknown_version_is_refused(ubuntu: Bench) -> None:
    ubuntu.repository()
    said = ubuntu.install("libnvidia-container1=9.9.9-1")
    assert said.err == "E: Version '9.9.9-1' for 'libnvidia-container1' was not found\n"


def test_the_four_packages_of_the_toolkit_come_at_one_version_or_not_at_all(ubuntu: Bench) -> None:
    ubuntu.repository()
    said = ubuntu.install("nvidia-container-toolkit=1.20.0-1")
    assert (said.status, "you have held broken packages" in said.err) == (100, True)
    assert "Depends: nvidia-container-toolkit-base (= 1.20.0-1) but 1.20.1-1 is to be installed" in said.out
    assert ubuntu.install(*at("1.20.0")).status == 0


def test_an_older_version_needs_to_be_asked_for_twice(ubuntu: Bench) -> None:
    ubuntu.repository()
    ubuntu.install(*at("1.20.1"))
    assert "downgraded and -y was used" in ubuntu.install(*at("1.20.0")).err
    assert ubuntu("apt-get install -y --allow-downgrades", *at("1.20.0")).status == 0


def test_what_is_held_does_not_change(ubuntu: Bench) -> None:
    ubuntu.repository()
    ubuntu.install(*at("1.20.0"))
    assert ubuntu.well("apt-mark hold libnvidia-container1") == "libnvidia-container1 set on hold.\n"
    assert ubuntu.well("apt-mark hold libnvidia-container1") == "libnvidia-container1 was already set on hold.\n"
    assert "Held packages were changed" in ubuntu.install(*at("1.20.1")).err
    assert "Held packages were changed" in ubuntu("apt-get remove -y libnvidia-container1").err
    assert "hi " in ubuntu.well("dpkg-query -W -f", "${db:Status-Abbrev}\\n", "libnvidia-container1")
    assert ubuntu.well("apt-mark unhold libnvidia-container1") == "Canceled hold on libnvidia-container1.\n"
    assert ubuntu.install(*at("1.20.1")).status == 0


def test_nothing_unknown_can_be_held(ubuntu: Bench) -> None:
    assert "Unable to locate package nvidia-nonsense" in ubuntu("apt-mark hold nvidia-nonsense").err


def test_a_simulation_says_what_would_go_and_does_nothing(ubuntu: Bench) -> None:
    ubuntu.install(*UBUNTU_DRIVER)
    before = ubuntu.machine.snapshot()
    out = ubuntu.well("apt-get -s install nvidia-utils-595-server")
    assert "Remv nvidia-utils-580-server [580.173.02-0ubuntu0.24.04.1]" in out
    assert "Inst nvidia-utils-595-server (595.91.07-0ubuntu0.24.04.1 Ubuntu:24.04/noble-updates [amd64])" in out
    assert ubuntu.machine.snapshot() == before


def test_what_depends_on_a_removed_package_goes_too(ubuntu: Bench) -> None:
    ubuntu.install(*UBUNTU_DRIVER)
    out = ubuntu.well("apt-get -s remove libnvidia-compute-580-server")
    assert "Remv nvidia-utils-580-server" in out


def test_without_yes_nobody_answers_the_question(ubuntu: Bench) -> None:
    said = ubuntu("apt-get install nvidia-utils-580-server")
    assert (said.status, "Do you want to continue? [Y/n] Abort." in said.out) == (1, True)


@pytest.mark.parametrize("line", ["apt-get autoremove", "apt-get install -y --frobnicate vim", "apt-mark freeze vim"])
def test_what_the_rehearsal_does_not_know_is_refused(ubuntu: Bench, line: str) -> None:
    assert ubuntu(line).status == 100


def test_branches_without_names_follow_the_newest_unless_they_are_pinned_first(debian: Bench) -> None:
    assert "Candidate: 620.12.03-1" in debian.well("apt-cache policy nvidia-driver-cuda")
    assert debian.install("nvidia-driver-pinning-580").status == 0
    assert "Candidate: 580.178.04-1" in debian.well("apt-cache policy nvidia-driver-cuda")
    assert debian.install("nvidia-driver-cuda").status == 0
    assert debian.well("dpkg-query -W -f", "${Version}", "libcuda1") == "580.178.04-1"


def test_a_pin_may_name_the_whole_version(debian: Bench) -> None:
    debian.install("nvidia-driver-pinning-580.173.02")
    assert "Candidate: 580.173.02-1" in debian.well("apt-cache policy nvidia-driver-cuda")


# locks, interruptions


def test_only_root_changes_packages(ubuntu: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_READY_USER", "ubuntu")
    assert "are you root?" in ubuntu.install("nvidia-utils-580-server").err
    assert "Permission denied" in ubuntu("apt-get update").err
    assert ubuntu("apt-get -s install nvidia-utils-580-server").status == 0


def test_the_lock_of_dpkg_is_waited_for_and_that_of_the_lists_is_not(ubuntu: Bench) -> None:
    ubuntu.machine.switch("fault", "apt-lock")
    said = ubuntu("apt-get -o DPkg::Lock::Timeout=600 update")
    assert said.status == 100
    assert "Could not get lock /var/lib/apt/lists/lock. It is held by process 4242 (unattended-upgr)" in said.err
    assert "Could not get lock /var/lib/dpkg/lock-frontend" in ubuntu.install("nvidia-utils-580-server").err
    said = ubuntu("apt-get -y -o DPkg::Lock::Timeout=600 install nvidia-utils-580-server")
    assert (said.status, "Waiting for cache lock" in said.out) == (0, True)


def test_a_lock_that_is_never_given_back_ends_the_waiting(ubuntu: Bench) -> None:
    ubuntu.machine.switch("fault", "apt-lock-for-ever")
    said = ubuntu("apt-get -y -o DPkg::Lock::Timeout=60 install nvidia-utils-580-server")
    assert (said.status, "is another process using it?" in said.err) == (100, True)


def test_two_at_once_exclude_each_other(ubuntu: Bench) -> None:
    with ubuntu.file("/var/lib/dpkg/lock-frontend").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "Could not get lock" in ubuntu.install("nvidia-utils-580-server").err


def test_an_interrupted_dpkg_has_to_be_finished_first(ubuntu: Bench) -> None:
    ubuntu.install("nvidia-utils-580-server")
    state = ubuntu.machine._box()
    state.state["packages"]["nvidia-utils-580-server"]["status"] = "half-configured"
    state.save()
    assert "nvidia-utils-580-server" in ubuntu.well("dpkg --audit")
    assert "you must manually run 'dpkg --configure -a'" in ubuntu.install("gcc").err
    ubuntu.well("dpkg --force-confold --configure -a")
    assert ubuntu.well("dpkg --audit") == ""
    assert ubuntu.install("gcc").status == 0


def test_a_full_disk_takes_no_package(ubuntu: Bench) -> None:
    ubuntu.machine.switch("fault", "disk-full")
    assert "You don't have enough free space" in ubuntu.install("nvidia-utils-580-server").err


# dpkg


def test_dpkg_knows_whose_a_file_is(ubuntu: Bench) -> None:
    ubuntu.install("nvidia-utils-580-server")
    assert ubuntu.well("dpkg -S /usr/bin/nvidia-smi") == "nvidia-utils-580-server: /usr/bin/nvidia-smi\n"
    assert ubuntu("dpkg -S /usr/bin/nobody").status == 1
    assert ubuntu("dpkg-query -W nvidia-nonsense") == (
        1,
        "",
        "dpkg-query: no packages found matching nvidia-nonsense\n",
    )


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        ("1.20.0-1", "1.20.1-1", -1), ("1.9", "1.10", -1), ("1:1.0", "2.0", 1), ("1.0~rc1", "1.0", -1),
        ("1.0", "1.0-1", -1), ("580.178.04-1", "580.173.02-1", 1), ("1.7.24~ds1-6", "1.7.24", -1),
        ("6.8.0-99-generic", "6.8.0-117-generic", -1), ("4.3-4.1", "4.3-4.1", 0),
    ],
)  # fmt: skip
def test_versions_are_ordered_as_dpkg_orders_them(left: str, right: str, order: int) -> None:
    assert (compare(left, right), compare(right, left)) == (order, -order)
