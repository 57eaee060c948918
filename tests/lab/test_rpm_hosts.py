"""Hosts with dnf"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from host import script
from lab.real.rpm_root import KERNEL, RpmRoot, rpm_root
from lab.real.tools import MissingError

REAL = ("dnf 4 and rpm", "module streams, keys, locks")
STANDINS = ("the packages of NVIDIA, EPEL and the distribution", "kernel and card")
STANDIN_PROGRAMS = {
    "uname": f'case $1 in -r) echo {KERNEL} ;; *) echo x86_64 ;; esac',
    "modinfo": 'case "$*" in *license*) echo "Dual MIT/GPL" ;; *)'
    f' cut -d" " -f1 /lib/modules/{KERNEL}/extra/nvidia.ko ;; esac',
    "modprobe": 'case $1 in -r) rm -rf /sys/module/nvidia* ;; *) mkdir -p /sys/module/nvidia /sys/module/nvidia_uvm'
    f' && cut -d" " -f1 /lib/modules/{KERNEL}/extra/nvidia.ko >/sys/module/nvidia/version'
    " && mkdir -p /run/card && echo 'Open Kernel Module' >/run/card/version ;; esac",
    "nvidia-smi": f'[ -d /sys/module/nvidia ] || exit 9; case "$*" in *compute-apps*) ;; *)'
    f' echo "GPU-1, Tesla T4, $(cut -d" " -f1 /lib/modules/{KERNEL}/extra/nvidia.ko)" ;; esac',
    "systemctl": "exit 0", "dracut": "exit 0",
}  # fmt: skip
CARD = "/sys/bus/pci/devices/0000:01:00.0"


@pytest.fixture(scope="module")
def root() -> Iterator[RpmRoot]:
    try:
        with rpm_root() as made:
            for name, text in STANDIN_PROGRAMS.items():
                (made.made / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
                (made.made / "bin" / name).chmod(0o755)
            (made.made / "host").mkdir()
            for name, text in script.sources(script.HERE).items():
                (made.made / "host" / name).write_text(text)
            done = made.sh(f"mkdir -p {CARD} && echo 0x10de >{CARD}/vendor && echo 0x030200 >{CARD}/class")
            assert done.returncode == 0, done.stderr
            yield made
    except MissingError as missing:
        pytest.skip(f"real dnf was NOT tried: {missing}")


def step(root: RpmRoot, verb: str, **changes: str) -> dict[str, object]:
    values = {
        "GR_DECIDED": "cudaRepo 580 open", "GR_WANT_DRIVER": "580",
        "GR_PACKAGES": "nvidia-driver-cuda kmod-nvidia-open-dkms",
        "GR_KERNEL_PACKAGES": "kernel-devel-", "GR_REPO": "file:///mnt/made/cuda/x86_64/", "GR_EPEL": "epel-release",
        "GR_KEY_URL": "file:///mnt/made/nvidia.asc", "GR_KEY_FINGERPRINT": root.keys["nvidia"], "GR_CRB": "crb",
        "GR_STREAM": "nvidia-driver:580-open", **changes,
    }  # fmt: skip
    told = "".join(f"{name}={script.quote(value)}\n" for name, value in values.items())
    done = root.sh(f"sh /mnt/made/host/driver.sh {verb} <<'END'\n{told}END\n")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    answer: dict[str, object] = json.loads(done.stdout) if done.stdout.strip() else {}
    return answer


def everything(root: RpmRoot) -> list[str]:
    listed = root.sh(
        "rpm -qa | sort; for f in /etc/dnf/dnf.conf /etc/dnf/modules.d/* /etc/dnf/plugins/versionlock.list "
        "/etc/yum.repos.d/* /etc/pki/rpm-gpg/* /etc/modules-load.d/*; do [ ! -e $f ] || sha256sum $f; done"
    )
    return listed.stdout.splitlines()


def test_the_driver_comes_stays_where_it_is_and_goes_again(root: RpmRoot) -> None:
    """driver by module stream, EPEL for dkms, locks that an upgrade respects, everything back"""
    start = everything(root)
    assert step(root, "apply")["driver"] == "580.178.04"
    done = everything(root)
    assert step(root, "apply")["driver"] == "580.178.04"
    assert everything(root) == done
    assert any(line.startswith("kernel-devel-5.14.0-570") for line in done)

    moved = step(root, "apply", GR_WANT_DRIVER="580.173.02", GR_DECIDED="cudaRepo 580.173.02 open", GR_REPLACE="1")
    assert moved["driver"] == "580.173.02"
    locked = root.sh("dnf -q -y upgrade; rpm -q libnvidia-ml nvidia-driver-cuda")
    assert locked.stdout.split()[-2:] == [
        "libnvidia-ml-580.173.02-1.el9.x86_64",
        "nvidia-driver-cuda-580.173.02-1.el9.x86_64",
    ]

    branch = {"GR_WANT_DRIVER": "595", "GR_STREAM": "nvidia-driver:595-open", "GR_DECIDED": "cudaRepo 595 open"}
    assert step(root, "apply", GR_REPLACE="1", **branch)["driver"] == "595.91.07"
    step(root, "remove", GR_REPLACE="1", **branch)
    assert everything(root) == start


def test_another_flavour_takes_the_place_of_the_first(root: RpmRoot) -> None:
    """kernel modules of the other flavour replace those that conflict with them"""
    start = everything(root)
    step(root, "apply")
    other = {
        "GR_DECIDED": "cudaRepo 580 proprietary", "GR_STREAM": "nvidia-driver:580-dkms", "GR_REPLACE": "1",
        "GR_PACKAGES": "nvidia-driver-cuda kmod-nvidia-latest-dkms",
    }  # fmt: skip
    step(root, "apply", **other)
    names = [line for line in everything(root) if line.startswith("kmod-")]
    assert names == ["kmod-nvidia-latest-dkms-580.178.04-1.el9.x86_64"]
    step(root, "remove", **other)
    assert everything(root) == start


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"GR_KEY_FINGERPRINT": "0" * 40}, "TK-1 packages: the key from file:///mnt/made/nvidia.asc is not 0000"),
        (
            {"GR_KEY_URL": "file:///mnt/made/epel.asc", "GR_KEY_FINGERPRINT": "epel"},
            "TK-1 packages: a repository is not signed",
        ),
        ({"GR_EPEL": ""}, "PKG-1 packages: dkms"),
        ({"GR_WANT_DRIVER": "580.1.1"}, "HST-78 packages: dnf does not offer nvidia-driver-cuda 580.1.1"),
        ({"GR_STREAM": "nvidia-driver:615-open"}, "HST-78 packages: dnf does not offer nvidia-driver-cuda 580"),
        ({"GR_REPO": "file:///mnt/made/nothing/x86_64/"}, "HST-33 packages: a package repository is out of reach"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_leaves_nothing(root: RpmRoot, changes: dict[str, str], said: str) -> None:
    """what dnf really says is told in the words of the catalogue"""
    start = everything(root)
    changes = {name: root.keys.get(value, value) for name, value in changes.items()}
    with pytest.raises(AssertionError) as failed:
        step(root, "apply", **changes)
    assert said in str(failed.value)
    step(root, "remove", **changes)
    assert everything(root) == start
