"""What comes with a driver: fabric manager of exactly its version, GPUDirect Storage, CUDA; there, again, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.host.machine import Machine
from lab.host.standins.box import Box
from tests.effort import long
from tests.host.chain import WISH, Chain
from tests.host.test_interrupted_steps import differing

pytestmark = long
HGX: dict[str, Any] = {"cards": ["NVIDIA H100 80GB HBM3"] * 2, "nvswitches": 4}
MANAGER = "nvidia-fabricmanager"
DEBIAN = {"distro": "debian-12", "nouveau": True}


def chain(folder: Path, driver: dict[str, Any], **host: Any) -> Chain:
    machine = Machine.create(folder / "machine", {"name": "hgx", "user": "root", **HGX, **host})
    return Chain(machine, {**WISH, "driver": {"extras": ["fabricManager"], **driver}})


def service(made: Chain) -> tuple[bool, bool]:
    found = made.machine.state["services"].get(MANAGER, {"active": False, "enabled": False})
    return bool(found["active"]), bool(found["enabled"])


@pytest.mark.parametrize(
    ("driver", "host", "package"),
    [
        ({}, {}, "nvidia-fabricmanager-580 580.173.02"),
        ({}, DEBIAN, "nvidia-fabricmanager 580.178.04"),
        ({}, {"distro": "rocky-9"}, "nvidia-fabricmanager 580.178.04"),
        ({"extras": ["gds", "cudaToolkit"]}, {**DEBIAN, "nvswitches": 0}, "nvidia-gds 13.0.2"),
    ],
    ids=["ubuntu", "debian", "rocky", "gds and CUDA"],
)
def test_there_again_nothing_and_back(
    tmp_path: Path, driver: dict[str, Any], host: dict[str, Any], package: str
) -> None:
    made = chain(tmp_path, driver, **host)
    start = made.machine.snapshot()
    made.do("tools", "driver", "reboot")
    name, _, version = package.partition(" ")
    assert made.machine.state["packages"][name]["version"].startswith(f"{version}-")
    if MANAGER in name:
        assert made.answers["reboot"]["driver"] == version
        assert service(made) == (True, True)
    done = made.machine.snapshot()
    made.do("tools", "driver", "reboot")
    assert differing(done, made.machine.snapshot()) == []
    assert made.run("driver", "remove").ending == made.run("tools", "remove").ending == ""
    assert differing(start, made.machine.snapshot()) == []


def test_it_moves_with_the_driver(tmp_path: Path) -> None:
    made = chain(tmp_path, {})
    made.do("tools", "driver", "reboot")
    made.wish = {**made.wish, "driver": {**made.wish["driver"], "branch": 595}}
    made.do("tools", "driver", "reboot")
    assert (made.answers["reboot"]["driver"], service(made)) == ("595.91.07", (True, True))
    there = {name for name in made.machine.state["packages"] if MANAGER in name}
    assert there == {"nvidia-fabricmanager-595"}


def test_one_of_another_version_is_never_taken(tmp_path: Path) -> None:
    made = chain(tmp_path, {"branch": 615}, distro="debian-12")
    made.do("tools")
    made.texts["driver"] = made.text("driver")
    said = made.run("driver").mixed.decode()
    assert "DRV-13 driver: apt has no fabric manager of exactly 615.71.09, which the driver is" in said
    assert not [name for name in made.machine.state["packages"] if "nvidia" in name]


def test_a_fabric_that_stands_still_is_no_host_that_works(tmp_path: Path) -> None:
    made = chain(tmp_path, {})
    made.do("tools", "driver", "reboot")
    box = Box(str(made.machine.folder))
    with box.locked():
        box.state["services"][MANAGER]["active"] = False
        box.save()
    made.machine.environment = {"FABRIC_PATIENCE": "1"}
    said = made.run("reboot").mixed.decode()
    assert "HST-23 driver: NVSwitch joins the cards, and they are not in its fabric" in said
    assert made.patiently("driver")["driver"] == "580.173.02"
    assert made.patiently("reboot")["cards"] == 2


def test_a_host_with_switches_is_asked_about_it(tmp_path: Path) -> None:
    made = chain(tmp_path, {"extras": []})
    made.do("tools")
    assert made.answers["tools"]["fabric"] == {"switches": 4, "manager": "", "active": False}
    made.texts["driver"] = made.text("driver")
    said = made.run("driver").mixed.decode()
    assert "HST-23 driver: its cards are joined by 4 NVSwitches, and fabric manager is not asked for" in said
    assert "fix: driver: {extras: [fabricManager]}" in said
