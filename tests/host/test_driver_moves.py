"""A driver that was there before us, and a wish for another one: replaced whole, or refused before any change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.host.machine import Machine
from lab.host.standins.box import Box
from lab.providers.transport import Finished
from tests.effort import long
from tests.host.chain import WISH, Chain
from tests.host.small_machine import TESLA

pytestmark = long


MODULES = "linux-modules-nvidia-580-server-open-6.8.0-117-generic"


def theirs(folder: Path, wish: dict[str, Any], **host: Any) -> Chain:
    """A host with a driver that we did not install."""
    machine = Machine.create(folder / "machine", {"name": "rtx", "cards": [TESLA], **host})
    chain = Chain(machine, {**WISH, "driver": wish})
    chain.do("tools")
    chain.texts["driver"] = chain.text("driver")
    return chain


def versions(chain: Chain) -> dict[str, str]:
    there = chain.machine.state["packages"].items()
    return {name: one["version"] for name, one in there if one["status"] == "installed"}


def moved(chain: Chain) -> str:
    """Driver and reboot: the version that works then."""
    chain.do("driver", "reboot")
    assert chain.answers["reboot"]["cards"] == 1
    return str(chain.answers["reboot"]["driver"])


def refused(ended: Finished, id: str) -> str:
    said = ended.stderr.decode()
    assert (ended.ending, said.split()[0]) == ("exit status 3", id), said
    return said


@pytest.mark.parametrize(
    ("host", "wish", "there", "gone"),
    [
        ({"driver": "570.211.01"}, {"branch": 580}, "580.173.02", "-570-"),
        ({"driver": "580.126.20"}, {"branch": 595}, "595.91.07", "-580-"),
        ({"driver": "580.173.02"}, {"flavour": "proprietary"}, "580.173.02", "-open"),
        ({"driver": "580.126.20", "distro": "debian-12"}, {"branch": 595}, "595.91.07", "580.126.20"),
        ({"driver": "580.126.20", "distro": "debian-12"}, {"flavour": "proprietary"}, "580.178.04", "-open"),
    ],
    ids=["570 to 580", "580 to 595", "flavour", "Debian: 580 to 595", "Debian: flavour"],
)
def test_what_somebody_writes_replaces_the_driver_that_was_there(
    tmp_path: Path, host: dict[str, Any], wish: dict[str, Any], there: str, gone: str
) -> None:
    chain = theirs(tmp_path, wish, **host)
    assert moved(chain) == there
    left = [f"{name} {version}" for name, version in versions(chain).items() if "nvidia" in name]
    assert not [one for one in left if gone in one]


def test_the_end_names_what_does_not_come_back(tmp_path: Path) -> None:
    chain = theirs(tmp_path, {"branch": 580}, driver="570.211.01")
    moved(chain)
    ended = chain.run("driver", "remove")
    assert ended.ending == ""
    said = ended.stderr.decode()
    assert "the driver that was here before does not come back by itself: apt-get install " in said
    assert " nvidia-headless-no-dkms-570-server-open=570.211.01-0ubuntu0.24.04.1" in said
    assert not [name for name in versions(chain) if "-580-" in name or "-570-" in name]
    assert not (chain.machine.root / "var/lib/gpu-ready/record/driver.replaced").exists()


@pytest.mark.parametrize("wish", [{"branch": 580}, {}], ids=["asked for", "by default"])
def test_what_is_no_part_of_the_old_driver_still_stops_it(tmp_path: Path, wish: dict[str, Any]) -> None:
    chain = theirs(tmp_path, wish, driver="570.211.01")
    box = Box(str(chain.machine.folder))
    with box.locked():
        box.state["packages"]["nvidia-fabricmanager-570"] = {
            "version": "570.211.01-1", "status": "installed", "depends": ["libnvidia-compute-570-server"],
            "provides": [], "auto": False, "files": [],
        }  # fmt: skip
        if not wish:  # one that works is kept: this one does not
            box.state["modules"].clear()
            box.remove("/usr/bin/nvidia-smi")
        box.save()
    chain.do("tools")
    chain.texts["driver"] = chain.text("driver")
    before = versions(chain)
    said = refused(chain.run("driver"), "HST-71")
    assert "nvidia-fabricmanager-570" in said
    assert ("libnvidia-compute-570-server" in said) == (not wish)
    assert versions(chain) == before


@pytest.mark.parametrize("fault", ["none", "gpu-in-use"])
def test_a_version_moves_modules_and_libraries_together(tmp_path: Path, fault: str) -> None:
    chain = theirs(tmp_path, {"version": "580.173.02"}, driver="580.126.20", fault=fault)
    boots = chain.machine.state["boots"]
    assert moved(chain) == "580.173.02"
    there = versions(chain)
    assert there[MODULES] == there[f"{MODULES[:36]}-generic"] == "6.8.0-117.117+1"
    assert chain.machine.state["boots"] - boots == (1 if fault == "gpu-in-use" else 0)


@pytest.mark.parametrize("before", [None, "570.211.01", "580.173.02"])
def test_a_version_that_the_prebuilt_modules_do_not_have_is_refused_before_anything_is_installed(
    tmp_path: Path, before: str | None
) -> None:
    chain = theirs(tmp_path, {"version": "580.126.20"}, driver=before)
    there = versions(chain)
    said = refused(chain.run("driver"), "HST-78")
    assert f"apt has {MODULES}, but not of driver 580.126.20" in said
    assert "fix: leave version out; or " in said
    assert versions(chain) == there


def test_a_version_is_no_other_one_the_second_time(tmp_path: Path) -> None:
    chain = theirs(tmp_path, {"version": "580.173.02"})
    moved(chain)
    calls = len(chain.machine.calls())
    assert json.loads(chain.run("driver").stdout)["driver"] == "580.173.02"
    assert not [call for call in chain.machine.calls()[calls:] if "apt-get" in call]
