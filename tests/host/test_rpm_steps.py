"""The real steps on a simulated machine with dnf: what they leave, what they respect, and what they refuse."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.host.machine import Machine, Snapshot
from lab.host.standins.downloads import fetched
from lab.providers.transport import Script
from tests.effort import long
from tests.host.chain import WISH, Chain
from tests.host.small_machine import TESLA

pytestmark = long

LOCKS = "etc/dnf/plugins/versionlock.list"
STREAM = "etc/dnf/modules.d/nvidia-driver.module"
CUDA_REPO = """\
[cuda]
name=cuda
baseurl=https://developer.download.nvidia.com/compute/cuda/repos/rhel9/$basearch
enabled={}
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/theirs
"""


def born(folder: Path, **spec: Any) -> Chain:
    return Chain(Machine.create(folder, {"name": "g5", "distro": "rocky-9", "cards": [TESLA], "user": "root", **spec}))


@pytest.fixture
def rocky(tmp_path: Path) -> Chain:
    return born(tmp_path / "machine")


def sh(chain: Chain, text: str) -> str:
    ended = chain.machine.run(Script("sh -s", stdin=text), "root")
    assert ended.ending == "", ended
    return ended.stdout.decode()


def wish(chain: Chain, **driver: Any) -> None:
    """What the stack file says from now on; the facts are looked at anew before anything is done."""
    chain.wish = {**WISH, "driver": {"source": "auto", **driver}}
    chain.do("tools")


def differing(before: Snapshot, after: Snapshot) -> list[str]:
    return sorted(key for key in before | after if before.get(key) != after.get(key))


def refused(chain: Chain, step: str = "driver") -> str:
    chain.texts[step] = chain.text(step)
    ended = chain.run(step)
    assert ended.ending == "exit status 3", ended
    return ended.stderr.decode()


def installed(chain: Chain) -> dict[str, str]:
    return {name: one["version"] for name, one in chain.machine.state["packages"].items()}


def dkms_log(chain: Chain) -> Iterator[Path]:
    return chain.machine.root.glob("var/lib/dkms/nvidia/*/build/make.log")


def test_there_and_back_and_nothing_is_left(rocky: Chain) -> None:
    start = rocky.machine.snapshot()
    rocky.up()
    done, calls = rocky.machine.snapshot(), len(rocky.machine.calls())
    assert len({installed(rocky)[name] for name in ("nvidia-driver-cuda", "kmod-nvidia-open-dkms")}) == 1
    assert rocky.machine.state["services"]["nvidia-persistenced"]["enabled"]
    rocky.do("driver", "reboot", "toolkit", "runtime")
    assert differing(done, rocky.machine.snapshot()) == []
    assert not [call for call in rocky.machine.calls()[calls:] if "dnf" in call and " -y " in call]
    rocky.down()
    assert differing(start, rocky.machine.snapshot()) == []


@pytest.mark.parametrize("distro", ["rocky-8", "rocky-10", "amzn-2023"])
def test_the_others_get_there_and_back_too(tmp_path: Path, distro: str) -> None:
    chain = born(tmp_path / "machine", distro=distro, nouveau=True)
    base = "https://developer.download.nvidia.com/compute/cuda/repos/rhel10/x86_64"
    key = hashlib.sha256(fetched(f"{base}/CDF6BA43.pub")[0].encode()).hexdigest()
    pinned = {"cuda": {"url": base, "key_url": f"{base}/CDF6BA43.pub", "key_sha256": key}}
    chain.wish = {**WISH, **({"repositories": pinned} if distro == "rocky-10" else {})}
    start = chain.machine.snapshot()
    chain.up()
    assert chain.answers["reboot"]["driver"].startswith("580.")
    assert (chain.machine.root / STREAM).exists() == (distro == "rocky-8")
    assert ("epel-release" in installed(chain)) == (distro != "amzn-2023")
    chain.down()
    assert differing(start, chain.machine.snapshot()) == []


def test_on_fedora_what_works_is_kept_and_nothing_is_installed(tmp_path: Path) -> None:
    chain = born(tmp_path / "machine", distro="fedora-44", driver="580.178.04", toolkit="1.20.0")
    start = chain.machine.snapshot()
    chain.wish = {**WISH, "toolkit": {}}
    chain.up()
    assert not [call for call in chain.machine.calls() if " dnf " in call and "-y" in call]
    chain.down()
    assert differing(start, chain.machine.snapshot()) == []
    fresh = born(tmp_path / "fresh", distro="fedora-44")
    fresh.do("tools")
    assert "HST-67 driver: on Fedora Linux 44 (Server Edition) no driver is installed" in refused(fresh)


def test_an_update_of_the_whole_system_moves_neither_driver_nor_toolkit(rocky: Chain) -> None:
    rocky.do("tools")
    wish(rocky, version="580.173.02")
    rocky.do("driver", "reboot", "toolkit")
    before = installed(rocky)
    sh(rocky, "dnf -y upgrade")
    assert {name for name, version in installed(rocky).items() if before.get(name) != version} == set()
    assert (rocky.machine.root / LOCKS).read_text().count("-3:580.173.02-1.el9.*\n") > 5
    (rocky.machine.root / LOCKS).write_text("")
    sh(rocky, "dnf -y upgrade")
    assert installed(rocky)["nvidia-driver-cuda"] != before["nvidia-driver-cuda"], "only the locks held it"


def test_another_branch_is_another_stream_and_back_again(rocky: Chain) -> None:
    start = rocky.machine.snapshot()
    rocky.do("tools", "driver", "reboot")
    wish(rocky, branch=595)
    rocky.do("driver", "reboot")
    assert rocky.answers["reboot"]["driver"] == "595.91.07"
    assert "stream=595-open\n" in (rocky.machine.root / STREAM).read_text()
    wish(rocky, version="580.126.20")
    rocky.do("driver", "reboot")
    assert rocky.answers["reboot"]["driver"] == "580.126.20"
    assert "580.126.20" in (rocky.machine.root / LOCKS).read_text()
    for step in ("driver", "tools"):
        assert rocky.run(step, "remove").ending == ""
    assert differing(start, rocky.machine.snapshot()) == []


def test_another_flavour_replaces_the_one_that_is_there(rocky: Chain) -> None:
    rocky.do("tools", "driver", "reboot")
    wish(rocky, flavour="proprietary")
    rocky.do("driver", "reboot")
    names = {name for name in installed(rocky) if name.startswith("kmod-")}
    assert names == {"kmod-nvidia-latest-dkms"}
    assert "stream=580-dkms\n" in (rocky.machine.root / STREAM).read_text()
    start = rocky.machine.snapshot()
    rocky.do("driver")
    assert differing(start, rocky.machine.snapshot()) == []


def test_what_was_there_stays_epel_a_stream_a_lock_and_headers(tmp_path: Path) -> None:
    chain = born(tmp_path / "machine", headers=True)
    sh(chain, "dnf -y install epel-release python3-dnf-plugin-versionlock gcc")
    (chain.machine.root / LOCKS).write_text("# mine\nvim-minimal-2:1.0-1.*\n")
    (chain.machine.root / STREAM).write_text("[nvidia-driver]\nname=nvidia-driver\nstream=latest-dkms\nstate=enabled\n")
    start = chain.machine.snapshot()
    chain.do("tools", "driver", "reboot", "toolkit")
    assert (chain.machine.root / LOCKS).read_text().startswith("# mine\nvim-minimal-2:1.0-1.*\n")
    for step in ("toolkit", "driver", "tools"):
        assert chain.run(step, "remove").ending == ""
    assert differing(start, chain.machine.snapshot()) == []


@pytest.mark.parametrize("enabled", ["1", "0"])
def test_a_repository_that_is_listed_is_used_where_it_is_switched_on(rocky: Chain, enabled: str) -> None:
    from lab.host.standins.downloads import packet
    from lab.host.standins.rpm_archive import KEYS

    (rocky.machine.root / "etc/yum.repos.d/cuda.repo").write_text(CUDA_REPO.format(enabled))
    (rocky.machine.root / "etc/pki/rpm-gpg/theirs").write_bytes(packet(KEYS["cuda"]))
    start = rocky.machine.snapshot()
    rocky.do("tools", "driver", "reboot")
    ours = rocky.machine.root / "etc/yum.repos.d/gpu-ready-driver.repo"
    assert ours.exists() == (enabled == "0")
    for step in ("driver", "tools"):
        assert rocky.run(step, "remove").ending == ""
    assert differing(start, rocky.machine.snapshot()) == [], "the key came with their repository because of us"


def test_a_build_that_fails_is_told_from_its_log_and_mended_by_the_next_run(rocky: Chain) -> None:
    start = rocky.machine.snapshot()
    rocky.do("tools")
    rocky.machine.switch("fault", "module-build-fails")
    assert "DRV-8 driver: the module was not built for this kernel" in refused(rocky)
    again = refused(rocky)
    assert "cc1: error" in again
    assert "DRV-8 driver: DKMS did not build the module" in again
    rocky.machine.switch("fault", "none")
    rocky.do("driver", "reboot")
    for step in ("driver", "tools"):
        assert rocky.run(step, "remove").ending == ""
    assert [*dkms_log(rocky)] == []
    assert differing(start, rocky.machine.snapshot()) == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("no-network", "HST-33 packages: a package repository is out of reach: "),
        ("disk-full", "HST-32 packages: there is not enough room on the disk"),
    ],
)
def test_what_dnf_says_is_told_in_the_words_of_the_catalogue(rocky: Chain, fault: str, said: str) -> None:
    start = rocky.machine.snapshot()
    rocky.do("tools")
    rocky.machine.switch("fault", fault)
    assert said in refused(rocky)
    for step in ("driver", "tools"):
        assert rocky.run(step, "remove").ending == ""
    assert differing(start, rocky.machine.snapshot()) == [], "with a dnf that cannot do anything more"


def test_another_transaction_is_not_yet(rocky: Chain) -> None:
    rocky.do("tools")
    rocky.machine.switch("fault", "apt-lock-for-ever")
    rocky.texts["driver"] = rocky.text("driver")
    ended = rocky.run("driver")
    assert ended.ending == "exit status 75"
    assert "not yet: TK-12 RPMDB already locked by 4242" in ended.stderr.decode()
    rocky.machine.switch("fault", "none")
    rocky.do("driver")


def test_a_key_that_is_not_the_pinned_one_is_refused_before_anything_is_written(rocky: Chain) -> None:
    rocky.do("tools")
    start = rocky.machine.snapshot()
    text = rocky.text("driver").replace("610C7B14", "00000000")
    ended = rocky.machine.run(Script("sh -s apply", stdin=text), "root")
    assert "TK-1 packages: the key from https://developer.download.nvidia.com" in ended.stderr.decode()
    left = [path for path in differing(start, rocky.machine.snapshot()) if "record" not in path]
    assert [path for path in left if not path.startswith("/var/lib/dkms")] == []


def test_where_nobody_brings_epel_it_is_asked_for(rocky: Chain) -> None:
    rocky.do("tools")
    text = rocky.text("driver").replace("GR_EPEL='epel-release'\n", "")
    ended = rocky.machine.run(Script("sh -s apply", stdin=text), "root")
    assert ended.ending == "exit status 3"
    assert "PKG-1 packages: dkms" in ended.stderr.decode()
    assert "epel-release-latest-9.noarch.rpm" in ended.stderr.decode()
    assert not {name for name in installed(rocky) if "nvidia" in name}


def test_a_package_that_somebody_needs_stays_with_what_it_needs(rocky: Chain) -> None:
    rocky.do("tools", "driver", "reboot")
    sh(rocky, "dnf -y mark install gcc")  # somebody wants what came along
    ended = rocky.run("driver", "remove")
    assert ended.ending == ""
    assert "left in place, because somebody else asked dnf for it: gcc" in ended.stderr.decode()
    assert "gcc" in installed(rocky)
    assert "dkms" not in installed(rocky)


def test_a_driver_that_somebody_installed_is_kept_and_replaced_when_a_branch_is_written(tmp_path: Path) -> None:
    chain = born(tmp_path / "machine", driver="580.126.20")
    chain.do("tools", "driver")
    assert json.loads(chain.run("driver").stdout)["adopted"] is True
    sh(chain, "dnf -y install epel-release")
    wish(chain, branch=595)
    chain.do("driver", "reboot")
    assert chain.answers["reboot"]["driver"] == "595.91.07"
    assert chain.run("driver", "remove").ending == ""
