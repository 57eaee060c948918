"""Kernel, driver and boot of a simulated machine: nothing works before what it stands on works."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.small_machine import (
    BLACKWELL,
    CARD,
    TESLA,
    TOOLKIT,
    UBUNTU_DRIVER,
    VOLTA,
    Bench,
    born,
)  # fmt: skip

BLOCK = "/etc/modprobe.d/gpu-ready-nouveau.conf"
DEBIAN_DRIVER = ("nvidia-driver-pinning-580", "linux-headers-amd64", "nvidia-driver-cuda", "nvidia-kernel-open-dkms")


def with_driver(bench: Bench) -> Bench:
    assert bench.install(*UBUNTU_DRIVER).status == 0
    bench.well("modprobe nvidia_uvm")
    return bench


def owner(bench: Bench, address: str = "0000:01:00.0") -> str:
    link = bench.file(f"/sys/bus/pci/devices/{address}/driver")
    return link.readlink().name if link.is_symlink() else ""


# modules


def test_no_module_without_its_package(ubuntu: Bench) -> None:
    said = ubuntu("modprobe nvidia")
    assert said.status == 1
    assert said.err == "modprobe: FATAL: Module nvidia not found in directory /lib/modules/6.8.0-117-generic\n"
    assert ubuntu("modinfo -F version nvidia").err == "modinfo: ERROR: Module nvidia not found.\n"


def test_no_module_from_user_space_alone(ubuntu: Bench) -> None:
    ubuntu.install("nvidia-headless-no-dkms-580-server-open", "nvidia-utils-580-server")
    assert ubuntu("modprobe nvidia").status == 1


def test_finished_modules_move_with_the_libraries_that_they_were_built_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(born(tmp_path / "machine", driver="580.126.20"), capsys)
    modules = "linux-modules-nvidia-580-server-open-6.8.0-117-generic"
    shown = bench.well(f"apt-cache show {modules}").split("\n\n")
    assert [one.split("\n")[1] for one in shown[:2]] == ["Version: 6.8.0-117.117+1", "Version: 6.8.0-117.117"]
    assert "nvidia-kernel-common-580-server (<= 580.173.02-1), nvidia-kernel-common-580-server (>= 580.173" in shown[0]
    said = bench.well("apt-get install -y nvidia-headless-no-dkms-580-server-open=580.173.02-0ubuntu0.24.04.1")
    assert f"Unpacking {modules} (6.8.0-117.117+1)" in said
    assert bench("modinfo -F version nvidia").out == "580.173.02\n"
    assert bench("nvidia-smi").status != 0, "580.126.20 is loaded still"


def test_a_module_for_another_kernel_is_none_for_this_one(ubuntu: Bench) -> None:
    ubuntu.install(*UBUNTU_DRIVER)
    ubuntu.write("/boot/vmlinuz-6.8.0-119-generic", "")
    assert ubuntu("modinfo -k 6.8.0-119-generic -F version nvidia").status == 1
    assert ubuntu("modinfo -k 6.8.0-117-generic -F version nvidia").out == "580.173.02\n"


def test_only_root_loads_modules(ubuntu: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    ubuntu.install(*UBUNTU_DRIVER)
    monkeypatch.setenv("GPU_READY_USER", "ubuntu")
    assert "Operation not permitted" in ubuntu("modprobe nvidia").err


def test_dkms_builds_nothing_without_headers(debian: Bench) -> None:
    assert debian.install("nvidia-driver-pinning-580").status == 0
    said = debian.install("nvidia-kernel-open-dkms")
    assert (said.status, "was skipped since the" in said.out) == (0, True)
    assert debian("modinfo nvidia").status == 1


def test_headers_that_come_later_make_dkms_build(debian: Bench) -> None:
    debian.install("nvidia-driver-pinning-580")
    debian.install("nvidia-kernel-open-dkms")
    debian.install("linux-headers-amd64")
    assert debian.well("modinfo -F version nvidia") == "580.178.04\n"
    assert debian.well("dkms status") == "nvidia/580.178.04, 6.1.0-50-amd64, x86_64: installed\n"


def test_a_build_that_fails_leaves_dpkg_half_done(debian: Bench) -> None:
    debian.machine.switch("fault", "module-build-fails")
    debian.install("nvidia-driver-pinning-580")
    said = debian.install("linux-headers-amd64", "nvidia-kernel-open-dkms")
    assert said.status == 100
    assert "Bad return status for module build on kernel: 6.1.0-50-amd64" in said.err
    assert "nvidia-kernel-open-dkms" in debian.well("dpkg --audit")


def test_secure_boot_takes_signed_modules_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = Bench(born(tmp_path / "ubuntu", secure_boot=True), capsys)
    ours.well("apt-get update")
    with_driver(ours)
    theirs = Bench(born(tmp_path / "debian", distro="debian-12", secure_boot=True), capsys)
    theirs.repository("cuda")
    theirs.install(*DEBIAN_DRIVER)
    assert theirs("modprobe nvidia").err == "modprobe: ERROR: could not insert 'nvidia': Key was rejected by service\n"
    assert theirs.well("mokutil --sb-state") == "SecureBoot enabled\n"


def test_a_module_in_use_stays(ubuntu: Bench) -> None:
    with_driver(ubuntu)
    assert ubuntu("modprobe -r nvidia") == (1, "", "modprobe: FATAL: Module nvidia is in use.\n")
    ubuntu.well("modprobe -r nvidia_uvm nvidia")
    assert owner(ubuntu) == ""
    assert ubuntu("nvidia-smi").status == 9


# what the driver says


def test_the_program_says_which_layer_is_missing(ubuntu: Bench) -> None:
    assert not ubuntu.file("/usr/bin/nvidia-smi").exists()
    ubuntu.install(*UBUNTU_DRIVER)
    assert "couldn't communicate with the NVIDIA driver" in ubuntu("nvidia-smi").out
    assert ubuntu("nvidia-smi").status == 9
    ubuntu.well("modprobe nvidia_uvm")
    assert ubuntu.well("nvidia-smi -L").startswith(f"GPU 0: {CARD} (UUID: GPU-")
    assert owner(ubuntu) == "nvidia"
    assert ubuntu.file("/dev/nvidia-uvm").is_char_device()


def test_a_query_has_its_fields_in_order_and_refuses_others(ubuntu: Bench) -> None:
    with_driver(ubuntu)
    query = "nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader"
    assert ubuntu.well(query) == f"{CARD}, 580.173.02, 12282 MiB\n"
    assert "is not a valid field" in ubuntu("nvidia-smi --query-gpu=wattage --format=csv").out
    assert ubuntu("nvidia-smi --query-gpu=wattage --format=csv").status == 2


def test_libraries_that_moved_on_do_not_fit_the_loaded_module(ubuntu: Bench) -> None:
    with_driver(ubuntu)
    ubuntu.install("nvidia-utils-595-server")
    said = ubuntu("nvidia-smi")
    assert (said.status, "Driver/library version mismatch" in said.out) == (18, True)


def test_the_program_without_its_library_says_so(ubuntu: Bench) -> None:
    with_driver(ubuntu)
    ubuntu.file("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1").unlink()
    assert ubuntu("nvidia-smi").status == 12


def installed_on(tmp_path: Path, capsys: pytest.CaptureFixture[str], card: str, branch: str, flavor: str) -> Bench:
    bench = Bench(born(tmp_path / "machine", cards=[card]), capsys)
    bench.well("apt-get update")
    name = f"{branch}-server{flavor}"
    packages = (
        f"linux-modules-nvidia-{name}-generic",
        f"nvidia-headless-no-dkms-{name}",
        f"nvidia-utils-{branch}-server",
    )
    assert bench.install(*packages).status == 0
    return bench


@pytest.mark.parametrize(
    ("card", "branch", "flavor", "words"),
    [
        (VOLTA, "580", "-open", "not supported by open nvidia.ko because it does not include the required GPU System"),
        (VOLTA, "595", "", "supported through the NVIDIA 580.xx Legacy drivers"),
    ],
)
def test_a_driver_that_is_not_for_the_card_cannot_be_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], card: str, branch: str, flavor: str, words: str
) -> None:
    bench = installed_on(tmp_path, capsys, card, branch, flavor)
    assert bench("modprobe nvidia").err == "modprobe: ERROR: could not insert 'nvidia': No such device\n"
    assert words in bench.well("dmesg")
    assert owner(bench) == ""


def test_proprietary_modules_take_a_blackwell_and_never_start_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = installed_on(tmp_path, capsys, BLACKWELL, "580", "")
    bench.well("modprobe nvidia")
    assert bench("nvidia-smi") == (6, "No devices were found\n", "")
    assert "RmInitAdapter failed!" in bench.well("dmesg")


@pytest.mark.parametrize(("card", "flavor"), [(VOLTA, ""), (BLACKWELL, "-open"), (TESLA, ""), (TESLA, "-open")])
def test_the_right_flavor_drives_the_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], card: str, flavor: str
) -> None:
    bench = installed_on(tmp_path, capsys, card, "580", flavor)
    bench.well("modprobe nvidia")
    assert card in bench.well("nvidia-smi -L")
    shown = bench.file("/proc/driver/nvidia/version").read_text()
    assert ("Open Kernel Module" in shown) is (flavor == "-open")


# nouveau


def ready_for_reboot(bench: Bench) -> Bench:
    for package in DEBIAN_DRIVER:
        assert bench.install(package).status == 0
    bench.write("/etc/modules-load.d/gpu-ready.conf", "nvidia\nnvidia-uvm\n")
    return bench


def test_nouveau_keeps_its_card_from_the_driver(debian: Bench) -> None:
    ready_for_reboot(debian)
    assert debian("modprobe nvidia").err == "modprobe: ERROR: could not insert 'nvidia': No such device\n"
    assert "0000:01:00.0 is already bound to nouveau." in debian.well("dmesg")
    assert owner(debian) == "nouveau"


def test_a_block_file_alone_does_not_survive_the_boot(debian: Bench) -> None:
    ready_for_reboot(debian).write(BLOCK, "blacklist nouveau\n")
    debian.reboot()
    assert debian("nvidia-smi").status == 9
    assert owner(debian) == "nouveau"


def test_a_new_initramfs_alone_does_nothing(debian: Bench) -> None:
    ready_for_reboot(debian).well("update-initramfs -u")
    debian.reboot()
    assert owner(debian) == "nouveau"


def test_a_blocked_nouveau_is_gone_after_the_next_boot_and_not_before(debian: Bench) -> None:
    ready_for_reboot(debian).write(BLOCK, "blacklist nouveau\n")
    debian.well("update-initramfs -u")
    assert owner(debian) == "nouveau"
    old = debian.file("/proc/sys/kernel/random/boot_id").read_text()
    debian.reboot()
    assert TESLA in debian.well("nvidia-smi -L")
    assert debian.file("/proc/sys/kernel/random/boot_id").read_text() != old
    assert debian.file("/dev/nvidia-uvm").exists()


def test_a_newer_kernel_is_what_boots_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench(born(tmp_path / "machine", newer_kernel=True), capsys)
    bench.well("apt-get update")
    with_driver(bench)
    assert bench.file("/run/reboot-required").exists()
    bench.reboot()
    assert bench("modprobe nvidia").err.endswith("/lib/modules/6.8.0-119-generic\n")
    assert not bench.file("/run/reboot-required").exists()


def test_what_was_loaded_by_hand_is_not_loaded_at_the_next_boot(ubuntu: Bench) -> None:
    with_driver(ubuntu)
    ubuntu.reboot()
    assert ubuntu("nvidia-smi -L").status == 0
    assert not ubuntu.file("/dev/nvidia-uvm").exists()


def test_a_machine_may_be_born_with_a_driver(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for distro in ("ubuntu-24.04", "debian-12"):
        bench = Bench(born(tmp_path / distro, distro=distro, driver="580.126.20"), capsys)
        assert CARD in bench.well("nvidia-smi -L")
        assert bench.machine.state["driver"] == "580.126.20"
    bench = Bench(born(tmp_path / "run", driver="580.126.20", driver_by="run"), capsys)
    assert CARD in bench.well("nvidia-smi -L")
    assert bench("dpkg -S /usr/bin/nvidia-smi").status == 1


# toolkit


def test_the_toolkit_sees_what_the_driver_lets_it_see(ubuntu: Bench) -> None:
    ubuntu.repository()
    assert ubuntu.install(*TOOLKIT).status == 0
    assert ubuntu.well("nvidia-ctk --version").splitlines()[0] == "NVIDIA Container Toolkit CLI version 1.20.1"
    assert "load library failed: libnvidia-ml.so.1" in ubuntu("nvidia-container-cli info").err
    ubuntu.install(*UBUNTU_DRIVER)
    assert "nvml error: driver not loaded" in ubuntu("nvidia-container-cli info").err
    assert ubuntu.well("nvidia-ctk cdi list") == ""
    ubuntu.well("modprobe nvidia")
    assert f"Model:          {CARD}" in ubuntu.well("nvidia-container-cli info")
    ubuntu.well("nvidia-ctk cdi generate")
    assert "nvidia.com/gpu=all" in ubuntu.well("nvidia-ctk cdi list")


def test_a_toolkit_that_comes_after_the_driver_finds_it(ubuntu: Bench) -> None:
    with_driver(ubuntu).repository()
    ubuntu.install(*TOOLKIT)
    assert "nvidia.com/gpu=0" in ubuntu.well("nvidia-ctk cdi list")
