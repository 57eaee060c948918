"""dnf and rpm of the simulated machine refuse what the real ones refuse, in their words (dnf 4.14, rpm 4.18)."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.host.standins.downloads import key_text, packet
from lab.host.standins.rpm_archive import KEYS
from tests.host.small_machine import TESLA, Bench, Said, born

CUDA = "https://developer.download.nvidia.com/compute/cuda/repos/rhel9/x86_64"
TOOLKIT = "https://nvidia.github.io/libnvidia-container/stable/rpm/$basearch"
DRIVER = "dnf -y install nvidia-driver-cuda-580.173.02-1.el9 kmod-nvidia-open-dkms-580.173.02-1.el9"
OTHER = "bea43e7033e19327183416f23fe2ee1b64c25f4a"
"""What the real sha1sum says of a line with that word."""
STREAM = "[nvidia-driver]\nname=nvidia-driver\nstream=580-open\nprofiles=\nstate=enabled\n"


@pytest.fixture
def rocky(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    return Bench(born(tmp_path / "machine", distro="rocky-9", cards=[TESLA]), capsys)


def repository(bench: Bench, url: str = CUDA, key: str = "cuda", how: str = "gpgcheck=1") -> None:
    bench.file("/etc/pki/rpm-gpg/one").write_bytes(packet(KEYS[key]))
    text = f"[one]\nname=one\nbaseurl={url}\n{how}\ngpgkey=file:///etc/pki/rpm-gpg/one\n"
    bench.write("/etc/yum.repos.d/one.repo", text)


def with_driver(bench: Bench) -> Said:
    repository(bench)
    bench.write("/etc/dnf/modules.d/nvidia-driver.module", STREAM)
    bench.well("dnf -y install epel-release")
    return bench(DRIVER)


def test_there_is_nothing_before_its_repository(rocky: Bench) -> None:
    said = rocky("dnf -y install nvidia-driver-cuda")
    assert (said.status, said.err) == (1, "Error: Unable to find a match: nvidia-driver-cuda\n")
    repository(rocky)
    said = rocky("dnf -y install nvidia-driver-cuda")
    assert "filtered out by modular filtering" in said.out


def test_dkms_is_in_epel_alone(rocky: Bench) -> None:
    repository(rocky)
    rocky.write("/etc/dnf/modules.d/nvidia-driver.module", STREAM)
    assert "nothing provides dkms needed by kmod-nvidia-open-dkms-3:580.173.02-1.el9" in rocky(DRIVER).err
    rocky.well("dnf -y install epel-release")
    assert rocky(DRIVER).status == 0


def test_a_stream_hides_the_other_flavour_and_the_other_branch(rocky: Bench) -> None:
    assert with_driver(rocky).status == 0
    for name in ("kmod-nvidia-latest-dkms", "nvidia-driver-cuda-595.91.07-1.el9"):
        assert "modular filtering" in rocky(f"dnf -y install {name}").out, name
    assert "kmod-nvidia-latest-dkms" not in rocky.well("dnf -q repoquery kmod-nvidia-latest-dkms")


@pytest.mark.parametrize(("url", "how"), [(CUDA, "gpgcheck=1"), (TOOLKIT, "repo_gpgcheck=1\ngpgcheck=0")])
def test_a_wrong_key_is_no_key(rocky: Bench, url: str, how: str) -> None:
    repository(rocky, url, "epel", how)
    rocky.write("/etc/dnf/modules.d/nvidia-driver.module", STREAM)
    said = rocky(f"dnf -y install {'libnvidia-ml' if url == CUDA else 'libnvidia-container1'}")
    assert said.status == 1
    assert ("GPG check FAILED" if url == CUDA else "Bad GPG signature") in said.err


def test_a_simulation_ends_with_1_and_says_why(rocky: Bench) -> None:
    said = rocky("dnf --assumeno install gcc")
    assert (said.status, said.err) == (1, "Operation aborted.\n")
    assert rocky("dnf --assumeno install dnf gcc nothing").err.startswith("Error:")
    assert "gcc" not in rocky.well("rpm -qa")


def test_keys_that_came_along_are_packages_of_rpm(rocky: Bench) -> None:
    before = set(rocky.well("rpm -qa gpg-pubkey*").split())
    assert with_driver(rocky).status == 0
    new = set(rocky.well("rpm -qa gpg-pubkey*").split()) - before
    assert {name[11:19] for name in new} == {"d42d0685", "3228467c"}
    for name in new:
        rocky.well(f"rpm -e {name}")
    assert set(rocky.well("rpm -qa gpg-pubkey*").split()) == before


def test_a_module_is_built_only_with_headers_and_a_build_that_fails_is_no_failure(rocky: Bench) -> None:
    assert "headers for this kernel do not seem to be installed" in with_driver(rocky).out
    assert rocky("modinfo -F version nvidia").status == 1
    kernel = rocky.machine.state["kernel"]
    rocky.well(f"dnf -y install kernel-devel-{kernel}")
    rocky.machine.switch("fault", "module-build-fails")
    again = rocky("dnf -y reinstall kmod-nvidia-open-dkms")
    assert (again.status, "Bad return status for module build" in again.out) == (0, True)
    rocky.machine.switch("fault", "none")
    rocky.well("dnf -y reinstall kmod-nvidia-open-dkms")
    assert rocky.well("modinfo -F version nvidia") == "580.173.02\n"


def test_a_lock_holds_only_with_its_plugin(rocky: Bench) -> None:
    assert with_driver(rocky).status == 0
    rocky.well("dnf -y install python3-dnf-plugin-versionlock")
    lock = "nvidia-driver-cuda-3:580.173.02-1.el9.*\n"
    rocky.write("/etc/dnf/plugins/versionlock.list", lock)
    rocky.well("dnf -y upgrade")
    assert "nvidia-driver-cuda-580.173.02" in rocky.well("rpm -q nvidia-driver-cuda")
    assert "exclude filtering" in rocky("dnf -y install nvidia-driver-cuda-580.178.04-1.el9").out
    rocky.write("/etc/dnf/plugins/versionlock.list", "")
    rocky.well("dnf -y upgrade")
    assert "nvidia-driver-cuda-580.178.04" in rocky.well("rpm -q nvidia-driver-cuda")


def test_a_flavour_makes_room_for_the_other_only_when_it_may(rocky: Bench) -> None:
    assert with_driver(rocky).status == 0
    rocky.write("/etc/dnf/modules.d/nvidia-driver.module", STREAM.replace("open", "dkms"))
    names = "nvidia-driver-cuda-580.173.02-1.el9 kmod-nvidia-latest-dkms-580.173.02-1.el9"
    assert "problem with installed package kmod-nvidia-open-dkms" in rocky(f"dnf -y install {names}").err
    rocky.well(f"dnf -y --allowerasing install {names}")
    assert rocky("rpm -q kmod-nvidia-open-dkms").status == 1


def test_a_removal_takes_what_needs_it_and_keeps_what_somebody_wrote(rocky: Bench) -> None:
    assert with_driver(rocky).status == 0
    table = rocky("dnf --assumeno --noautoremove remove dkms").out
    assert "Removing dependent packages:\n kmod-nvidia-open-dkms" in table
    rocky.well("dnf -y install python3-dnf-plugin-versionlock")
    rocky.write("/etc/dnf/plugins/versionlock.list", "mine-0:1-1.*\n")
    rocky.well("dnf -y --noautoremove remove python3-dnf-plugin-versionlock")
    assert rocky.file("/etc/dnf/plugins/versionlock.list.rpmsave").read_text() == "mine-0:1-1.*\n"


def test_another_transaction_is_waited_for_or_told(rocky: Bench) -> None:
    rocky.machine.switch("fault", "apt-lock")
    said = rocky("dnf -y --setopt=exit_on_lock=True install gcc")
    assert (said.status, said.err.splitlines()[0]) == (200, "RPMDB already locked by 4242")
    assert "Waiting for process with pid 4242 to finish." in rocky.well("dnf -y install gcc")


def test_a_network_that_is_not_there_and_an_address_of_nothing(rocky: Bench) -> None:
    rocky.machine.switch("fault", "no-network")
    assert "Could not resolve host: mirror.example.org" in rocky("dnf -y makecache").err
    assert "(6) Could not resolve host" in rocky("curl -fsSL -o /tmp/key https://developer.download.nvidia.com/x").err
    rocky.machine.switch("fault", "none")
    repository(rocky, "https://developer.download.nvidia.com/compute/cuda/repos/rhel7/x86_64")
    assert "Status code: 404" in rocky("dnf -y makecache").err


def test_the_tools_of_one_family_are_not_there_on_the_other(tmp_path: Path) -> None:
    from lab.host.machine import Machine

    names = {}
    for distro in ("rocky-9", "debian-12"):
        machine = Machine.create(tmp_path / distro, {"name": "g5", "distro": distro})
        names[distro] = {path.name for path in (machine.folder / "bin").iterdir()}
    assert {"dnf", "rpm", "dracut", "curl"} <= names["rocky-9"] - names["debian-12"]
    assert {"apt-get", "dpkg-query", "update-initramfs"} <= names["debian-12"] - names["rocky-9"]


def test_the_rehearsal_says_the_fingerprint_of_a_key_that_only_its_owner_has(tmp_path: Path) -> None:
    from lab.host.machine import Machine
    from lab.providers.transport import Script

    machine = Machine.create(tmp_path / "machine", {"name": "g5", "distro": "rocky-9"})
    said = machine.run(Script(f"printf '{key_text(KEYS['cuda']).strip()}' | sha1sum; echo other | sha1sum"), "root")
    assert said.stdout.decode().split()[::2] == [KEYS["cuda"].lower(), OTHER]
