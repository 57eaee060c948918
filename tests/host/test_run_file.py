"""A driver of a .run file: fetched by its checksum, built by DKMS, again nothing, another version, and taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.host.machine import Machine
from lab.host.standins.downloads import sha256
from lab.host.standins.run_file import program
from lab.providers.transport import Finished
from tests.effort import long
from tests.host.chain import WISH, Chain
from tests.host.small_machine import CARD, TESLA
from tests.host.test_interrupted_steps import differing

pytestmark = long
VERSION, NEWER = "580.178.04", "595.91.07"
OURS = "/var/lib/gpu-ready/"
HOSTS: dict[str, dict[str, Any]] = {
    "ubuntu": {"cards": [CARD]},
    "debian": {"cards": [TESLA], "nouveau": True, "distro": "debian-12"},
    "rocky": {"cards": [TESLA], "distro": "rocky-9"},
}


def asked(version: str = VERSION, **more: Any) -> dict[str, Any]:
    return {"source": "run", "version": version, "sha256": sha256(program(version)), **more}


def chain(folder: Path, name: str = "ubuntu", driver: dict[str, Any] | None = None, **host: Any) -> Chain:
    machine = Machine.create(folder / "machine", {"name": "rtx", "user": "root", **HOSTS[name], **host})
    return Chain(machine, {**WISH, "driver": driver or asked()})


def begun(made: Chain) -> Chain:
    made.do("tools")
    made.texts["driver"] = made.text("driver")
    return made


def refused(ended: Finished, id: str) -> str:
    said = ended.mixed.decode()
    assert ended.ending == "exit status 3", said
    assert f"\n{id} " in f"\n{said}", said
    return said


def installers(made: Chain) -> int:
    return sum(" nvidia-installer " in call for call in made.machine.calls())


@pytest.mark.parametrize("name", [*HOSTS])
def test_there_again_nothing_and_back(tmp_path: Path, name: str) -> None:
    made = chain(tmp_path, name)
    start = made.machine.snapshot()
    made.up()
    assert made.answers["reboot"]["driver"] == VERSION
    assert not (made.machine.root / OURS[1:] / "run").exists(), "half a gigabyte"
    done = made.machine.snapshot()
    made.up()
    assert differing(done, made.machine.snapshot()) == []
    assert installers(made) == 1
    made.down()
    assert differing(start, made.machine.snapshot()) == []


def test_another_version_is_one_more_run_of_an_installer(tmp_path: Path) -> None:
    made = chain(tmp_path)
    start = made.machine.snapshot()
    made.do("tools", "driver", "reboot")
    made.wish = {**made.wish, "driver": asked(NEWER)}
    made.do("tools", "driver", "reboot")
    assert made.answers["reboot"]["driver"] == NEWER
    made.wish = {**made.wish, "driver": {"source": "auto"}}
    made.do("tools", "driver")
    assert (made.answers["driver"]["driver"], installers(made)) == (NEWER, 2)
    assert made.run("driver", "remove").ending == made.run("tools", "remove").ending == ""
    assert differing(start, made.machine.snapshot()) == []


def test_a_file_that_lies_on_the_host_is_not_fetched_and_stays(tmp_path: Path) -> None:
    made = chain(tmp_path, driver=asked(path="/opt/driver.run"), fault="none")
    file = made.machine.root / "opt/driver.run"
    file.parent.mkdir(exist_ok=True)
    file.write_text(program(VERSION))
    made.do("tools", "driver")
    assert made.answers["driver"]["driver"] == VERSION
    assert not [call for call in made.machine.calls() if "download-file" in call]
    assert made.run("driver", "remove").ending == ""
    assert file.exists()


@pytest.mark.parametrize(
    ("driver", "fault", "id", "words"),
    [
        (asked(sha256="0" * 64), "none", "HST-101", "is not what sha256 says"),
        (asked(path="/opt/none.run"), "none", "HST-101", "there is no file /opt/none.run on the host"),
        (asked(url="https://mirror.example/NVIDIA.run"), "none", "HST-101", "did not come from https://mirror.example/"),
        (asked(), "module-build-fails", "DRV-8", "was not built for kernel 6.8.0-117-generic"),
    ],
    ids=["checksum", "no file", "no address", "build"],
)  # fmt: skip
def test_what_goes_wrong_is_named_and_taken_back(
    tmp_path: Path, driver: dict[str, Any], fault: str, id: str, words: str
) -> None:
    made = chain(tmp_path, driver=driver, fault=fault)
    start = made.machine.snapshot()
    made.do("tools")
    made.texts["driver"] = made.text("driver")
    assert words in refused(made.run("driver"), id)
    assert (installers(made) > 0) == (id == "DRV-8")
    assert made.run("driver", "remove").ending == made.run("tools", "remove").ending == ""
    assert differing(start, made.machine.snapshot()) == []


def test_what_dkms_does_not_know_is_not_done(tmp_path: Path) -> None:
    made = begun(chain(tmp_path))
    made.do("driver")
    (made.machine.root / "usr/bin/dkms").write_text("#!/bin/sh\nexit 0\n")
    said = refused(made.run("driver"), "DRV-18")
    assert "DKMS does not know its module" in said


def test_packages_that_came_meanwhile_are_not_laid_over(tmp_path: Path) -> None:
    made = chain(tmp_path)
    made.do("tools")
    made.texts["driver"] = made.text("driver")
    made.machine.run(_install("nvidia-headless-no-dkms-580-server-open"), "root")
    assert "nvidia-headless-no-dkms-580-server-open" in refused(made.run("driver"), "HST-21")
    assert installers(made) == 0


def test_a_card_in_use_leaves_the_new_module_to_a_reboot(tmp_path: Path) -> None:
    made = chain(tmp_path)
    made.do("tools", "driver", "reboot")
    made.machine.switch("fault", "gpu-in-use")
    made.wish = {**made.wish, "driver": asked(NEWER)}
    made.do("tools")
    made.texts["driver"] = made.text("driver")
    ended = made.run("driver")
    assert json.loads(ended.stdout)["reboot"] is True, ended
    made.answers["driver"] = json.loads(ended.stdout)
    made.do("reboot")
    assert made.answers["reboot"]["driver"] == NEWER


def _install(name: str) -> Any:
    from lab.providers.transport import Script

    return Script("sh -s", stdin=f"apt-get -y update; apt-get -y install {name}")
