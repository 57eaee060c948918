"""Drivers of the graphics-drivers PPA, and what ubuntu-drivers recommends: there, again nothing, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.host.machine import Machine
from lab.host.standins.archive import KEYS
from tests.effort import long
from tests.host.chain import WISH, Chain
from tests.host.small_machine import CARD, TESLA
from tests.host.test_interrupted_steps import differing

pytestmark = long
RECOMMENDED = {"source": "ubuntuDrivers"}


def chain(folder: Path, driver: dict[str, Any], **host: Any) -> Chain:
    machine = Machine.create(folder / "machine", {"name": "rtx", "cards": [CARD], "user": "root", **host})
    return Chain(machine, {**WISH, "driver": driver})


def nvidias(made: Chain) -> set[str]:
    return {name for name in made.machine.state["packages"] if "nvidia" in name and not name.startswith("lib")}


@pytest.mark.parametrize(
    ("driver", "host", "version", "holds"),
    [
        ({"source": "ppa"}, {"nouveau": True}, "580.173.02", {"nvidia-headless-580-open", "nvidia-utils-580"}),
        ({"source": "ppa", "flavour": "proprietary"}, {}, "580.173.02", {"nvidia-headless-580", "nvidia-utils-580"}),
        (RECOMMENDED, {"ubuntu_drivers": True}, "615.71.09", {"linux-modules-nvidia-615-open-generic"}),
        (RECOMMENDED, {"ubuntu_drivers": True, "cards": [TESLA]}, "615.71.09", {"nvidia-utils-615-server"}),
    ],
    ids=["PPA", "PPA, proprietary", "desktop", "server"],
)
def test_there_again_nothing_and_back(
    tmp_path: Path, driver: dict[str, Any], host: dict[str, Any], version: str, holds: set[str]
) -> None:
    made = chain(tmp_path, driver, **host)
    start = made.machine.snapshot()
    made.do("tools", "driver", "reboot")
    assert made.answers["reboot"]["driver"] == version
    assert holds <= {*made.machine.state["holds"]}
    done, calls = made.machine.snapshot(), len(made.machine.calls())
    made.do("tools", "driver", "reboot")
    assert differing(done, made.machine.snapshot()) == []
    assert not [call for call in made.machine.calls()[calls:] if "apt-get -y" in call]
    assert made.run("driver", "remove").ending == made.run("tools", "remove").ending == ""
    assert differing(start, made.machine.snapshot()) == []


def test_the_ppa_is_known_by_its_key_and_its_packages_by_their_versions(tmp_path: Path) -> None:
    made = chain(tmp_path, {"source": "ppa"})
    made.do("tools", "driver")
    there = made.machine.state["packages"]
    assert there["nvidia-utils-580"]["version"] == "580.173.02-0ubuntu~gpu24.04.1"
    assert there["nvidia-dkms-580-open"]["version"] == "580.173.02-0ubuntu~gpu24.04.1"
    list_file = (made.machine.root / "etc/apt/sources.list.d/gpu-ready-driver.list").read_text()
    assert " https://ppa.launchpadcontent.net/graphics-drivers/ppa/ubuntu noble main" in list_file


def test_a_ppa_with_another_key_is_refused(tmp_path: Path) -> None:
    made = chain(tmp_path, {"source": "ppa"}, repository_keys={"ppa": KEYS["cuda"]})
    start = made.machine.snapshot()
    made.do("tools")
    made.texts["driver"] = made.text("driver")
    assert "TK-1 packages: a repository is not signed with its pinned key" in made.run("driver").mixed.decode()
    assert made.run("driver", "remove").ending == made.run("tools", "remove").ending == ""
    assert differing(start, made.machine.snapshot()) == []


def test_another_branch_of_the_ppa_takes_the_first_one_away(tmp_path: Path) -> None:
    made = chain(tmp_path, {"source": "ppa"})
    made.do("tools", "driver")
    made.wish = {**made.wish, "driver": {"source": "ppa", "branch": 595, "flavour": "proprietary"}}
    made.do("tools", "driver", "reboot")
    assert made.answers["reboot"]["driver"] == "595.91.07"
    assert not [name for name in nvidias(made) if "580" in name or "-open" in name]


def test_a_host_without_ubuntu_drivers_is_told_what_to_do(tmp_path: Path) -> None:
    made = chain(tmp_path, RECOMMENDED)
    made.do("tools")
    made.texts["driver"] = made.text("driver")
    assert "apt-get install ubuntu-drivers-common" in made.run("driver").mixed.decode()
