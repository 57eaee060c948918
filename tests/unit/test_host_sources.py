"""Where a driver comes from: what is planned for each source, and what is refused with which id."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from decide import host_plan
from decide.host_wish import HostWish, faults, read_wish
from tests.unit.small_host import DEBIAN, facts, made_ready, told, working
from tests.unit.test_host_plan import planned, refused, wish
from tests.unit.test_host_settings import config, faults_of, host

SUM = "0123456789abcdef" * 4
VERSION = "580.178.04"
ROCKY: dict[str, Any] = {
    "os": {"id": "rocky", "version": "9.6", "pretty": "Rocky Linux 9.6"},
    "kernel": "5.14.0-570.12.1.el9_6.x86_64",
    "package_manager": "dnf",
}


def run(**more: Any) -> dict[str, Any]:
    return wish(**{"source": "run", "version": VERSION, "sha256": SUM, **more})


def values(found: Any, wished: Any) -> dict[str, Any]:
    return {key: value for key, value in planned(found, wished).values["driver"].items() if value not in ("", False)}


# A .run file ----------------------------------------------------------------------------------------------------------


def test_a_run_file_is_planned_with_what_it_is_built_with() -> None:
    assert values(facts(), run()) == {
        "GR_DECIDED": f"run {VERSION} open",
        "GR_WANT_DRIVER": VERSION,
        "GR_PACKAGES": "dkms gcc make linux-headers-generic",
        "GR_KERNEL_PACKAGES": "linux-headers-",
        "GR_REPLACE": True,
        "GR_URL": f"https://us.download.nvidia.com/tesla/{VERSION}/NVIDIA-Linux-x86_64-{VERSION}.run",
        "GR_SHA256": SUM,
    }
    assert values(facts(**DEBIAN), run())["GR_PACKAGES"] == "dkms gcc make linux-headers-amd64"
    rocky = values(facts(**ROCKY), run())
    assert (rocky["GR_PACKAGES"], rocky["GR_KERNEL_PACKAGES"]) == ("dkms gcc make", "kernel-devel-")
    assert (rocky["GR_EPEL"], rocky["GR_CRB"]) == ("epel-release", "crb")
    assert not {"GR_STREAM", "GR_REPO"} & set(rocky)


def test_the_modules_of_a_run_file_are_those_that_the_card_wants() -> None:
    old = facts(cards__0__vendor_device="10de:1db1")
    assert values(old, run())["GR_DECIDED"] == f"run {VERSION} proprietary"
    assert "PCI-3" in refused(old, run(version="595.91.07"))


def test_a_file_may_come_from_elsewhere_or_lie_there() -> None:
    mirror = "https://mirror.home.arpa/driver.run"
    assert values(facts(), run(url=mirror))["GR_URL"] == mirror
    there = values(facts(), run(path="/opt/driver.run"))
    assert (there["GR_FILE"], "GR_URL" in there) == ("/opt/driver.run", False)


def test_people_are_told_where_it_comes_from() -> None:
    said = "\n".join(planned(facts(), run(path="/opt/driver.run")).lines())
    assert "install 580.178.04 (asked for) with open modules (what its cards want) from a .run file of NVIDIA" in said
    assert "/opt/driver.run, run as root only with the checksum 0123456789ab...; taken back by its own uninst" in said


REFUSED: list[tuple[str, dict[str, Any], str, tuple[str, ...]]] = [
    ("Secure Boot", {"secure_boot": True}, "DRV-5", ("carry no key", "source: distro")),
    ("Secure Boot on Rocky", {**ROCKY, "secure_boot": True}, "DRV-5", ("turn Secure Boot off",)),
    ("packages", {"driver__packaged": True}, "HST-21", ("packages of a driver are here", "source: auto")),
    ("somebody's file", {"driver__foreign": ".run"}, "HST-21", ("not by gpu-ready", "nvidia-uninstall")),
    ("no headers", {"headers": False, "apt_lacks": ["linux-headers-6.8.0-60-generic"]}, "DRV-8", ("linux-generic",)),
    ("own kernel", {"headers": False, "kernel": "6.12.9-own"}, "DRV-8", ("6.12.9-own",)),
    ("Fedora", {**ROCKY, "os": {"id": "fedora", "version": "44", "pretty": "Fedora 44"}}, "HST-67", ()),
    ("ours from packages", {"ours__driver": "distro 580 open"}, "HST-100", ("installed this driver from distro",)),
]


@pytest.mark.parametrize(("changes", "id", "words"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED])
def test_what_cannot_be_done_by_a_run_file(changes: dict[str, Any], id: str, words: tuple[str, ...]) -> None:
    said = refused(facts(**changes), run())
    assert list(said) == [id], said
    assert all(word in said[id] for word in words), said


def test_a_driver_that_works_and_is_the_wished_one_is_kept_whoever_brought_it() -> None:
    assert planned(working(VERSION, driver__foreign=".run"), run()).values["driver"] == {"GR_DECIDED": "keep"}
    assert "HST-21" in refused(working("580.126.20", driver__packaged=True), run())


OURS: dict[str, Any] = {
    **made_ready(),
    "modules": {"nvidia": VERSION, "nouveau": False, "nova": False, "flavour": "open"},
    "driver": {"works": True, "version": VERSION, "foreign": ""},
    "ours": {"driver": f"run {VERSION} open", "toolkit": "1.20.0", "runtime": True},
}


def test_ours_stays_when_the_stack_file_says_no_more_of_it() -> None:
    assert values(facts(**OURS), wish())["GR_DECIDED"] == f"run {VERSION} open"
    assert values(facts(**OURS), run())["GR_DECIDED"] == f"run {VERSION} open"
    gone = facts(**{**OURS, "driver": {"works": False, "version": "", "foreign": ""}})
    assert "stack file does not say any more which one" in refused(gone)["HST-101"]
    assert "HST-101" in refused(facts(**OURS), wish(version="595.91.07", reboot="ifNeeded"))


def test_ours_is_moved_by_another_file_and_not_by_another_source() -> None:
    newer = run(version="595.91.07", reboot="ifNeeded")
    assert values(facts(**OURS), newer)["GR_DECIDED"] == "run 595.91.07 open"
    said = refused(facts(**OURS), wish(source="distro", branch=595, reboot="ifNeeded"))
    assert "declare it again with source: distro" in said["HST-100"]


# The PPA and ubuntu-drivers, which only Ubuntu has ------------------------------------------------------------------


def test_the_ppa_is_planned_with_its_own_names() -> None:
    made = values(facts(), wish(source="ppa"))
    assert (made["GR_DECIDED"], made["GR_KERNEL_PACKAGES"]) == ("ppa 580 open", "linux-headers-")
    assert made["GR_PACKAGES"] == "nvidia-headless-580-open nvidia-utils-580 linux-headers-generic"
    assert made["GR_REPO"].endswith("/graphics-drivers/ppa/ubuntu noble main")
    assert (made["GR_BUILD"], len(made["GR_KEY_FINGERPRINT"])) == ("~gpu", 40)
    jammy = facts(os__version="22.04", kernel="5.15.0-140-generic")
    assert " jammy main" in values(jammy, wish(source="ppa"))["GR_REPO"]


@pytest.mark.parametrize(
    ("recommended", "asked", "decided", "name"),
    [
        ("nvidia-driver-595-open", {}, "ubuntuDrivers 595 open", "nvidia-utils-595"),
        ("nvidia-driver-595-server-open", {}, "distro 595 open", "nvidia-utils-595-server"),
        ("nvidia-headless-no-dkms-580-server", {}, "distro 580 open", "nvidia-utils-580-server"),
        ("nvidia-driver-595-open", {"branch": 580}, "ubuntuDrivers 580 open", "nvidia-utils-580"),
    ],
)
def test_what_ubuntu_drivers_recommends_is_taken(
    recommended: str, asked: dict[str, Any], decided: str, name: str
) -> None:
    made = values(facts(recommended=recommended), wish(source="ubuntuDrivers", **asked))
    assert made["GR_DECIDED"] == decided
    assert name in made["GR_PACKAGES"].split()
    assert made["GR_PACKAGES"].startswith("linux-modules-nvidia-"), "prebuilt, so Secure Boot takes them"
    assert "GR_DECIDED" in values(facts(recommended=recommended, secure_boot=True), wish(source="ubuntuDrivers"))


UBUNTUS: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("PPA on Debian", "ppa", DEBIAN, "HST-67", "driver: {source: cudaRepo}"),
    ("PPA on Rocky", "ppa", ROCKY, "HST-67", "packages for Ubuntu alone"),
    ("PPA and Secure Boot", "ppa", {"secure_boot": True}, "DRV-5", "source: distro"),
    ("tool on Debian", "ubuntuDrivers", DEBIAN, "HST-67", "program of Ubuntu"),
    ("no tool", "ubuntuDrivers", {}, "HST-67", "apt-get install ubuntu-drivers-common"),
    ("nothing recommended", "ubuntuDrivers", {"recommended": "none"}, "HST-67", "recommends no driver"),
    ("dead branch", "ubuntuDrivers", {"recommended": "nvidia-driver-535"}, "HST-22", "535 ended"),
    ("ours from the archive", "ppa", {"ours__driver": "distro 580 open"}, "HST-100", "source: distro"),
]


@pytest.mark.parametrize(
    ("source", "changes", "id", "words"), [one[1:] for one in UBUNTUS], ids=[one[0] for one in UBUNTUS]
)
def test_where_they_cannot_be_used(source: str, changes: dict[str, Any], id: str, words: str) -> None:
    said = refused(facts(**changes), wish(source=source))
    assert list(said) == [id], said
    assert words in said[id]


def test_what_was_recommended_once_stays() -> None:
    ours = {**made_ready(), "ours": {"driver": "ubuntuDrivers 580 open", "toolkit": "1.20.0", "runtime": True}}
    later = facts(**ours, recommended="nvidia-driver-595-open")
    for wished in (wish(source="ubuntuDrivers"), wish()):
        assert values(later, wished)["GR_DECIDED"] == "ubuntuDrivers 580 open"
    assert values(facts(**ours), wish())["GR_PACKAGES"].endswith("nvidia-utils-580")


def test_a_tool_that_went_since_moves_nothing() -> None:
    assert values(facts(**made_ready()), wish(source="ubuntuDrivers"))["GR_DECIDED"] == "distro 580 open"


def test_only_who_wishes_it_is_asked_what_is_recommended() -> None:
    assert host_plan.asked(wish(source="ubuntuDrivers"))["GR_RECOMMENDED"] == "yes"
    assert "GR_RECOMMENDED" not in host_plan.asked(wish(source="ppa"))


# What comes with it ---------------------------------------------------------------------------------------------------

SWITCHES: dict[str, Any] = {"fabric": {"switches": 4, "manager": "", "active": False}}


def test_fabric_manager_is_one_package_more() -> None:
    made = values(facts(**SWITCHES), wish(extras=["fabricManager"]))
    assert made["GR_PACKAGES"].endswith(" nvidia-utils-580-server nvidia-fabricmanager")
    debian = values(facts(**DEBIAN), wish(extras=["cudaToolkit", "gds"]))
    assert debian["GR_PACKAGES"].endswith(" nvidia-gds cuda-toolkit-13-0")
    said = "\n".join(planned(facts(**SWITCHES), wish(extras=["fabricManager"])).lines())
    assert "with fabric manager, of exactly the driver's version" in said


EXTRAS: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("not asked for", SWITCHES, {}, "HST-23", "joined by 4 NVSwitches"),
    ("not asked for with a file", SWITCHES, run()["driver"], "HST-23", "extras: [fabricManager]"),
    ("no switch", {}, {"extras": ["fabricManager"]}, "HST-102", "no NVSwitch is seen"),
    ("of a PPA", SWITCHES, {"source": "ppa", "extras": ["fabricManager"]}, "HST-102", "or source: distro"),
    ("gds on Ubuntu", {}, {"extras": ["gds"]}, "HST-102", "gds does not come with a driver from distro"),
    ("gds, closed", DEBIAN, {"flavour": "proprietary", "extras": ["gds"]}, "HST-102", "wants open kernel modules"),
]


@pytest.mark.parametrize(
    ("changes", "driver", "id", "words"), [one[1:] for one in EXTRAS], ids=[one[0] for one in EXTRAS]
)
def test_what_does_not_come_with_it(changes: dict[str, Any], driver: dict[str, Any], id: str, words: str) -> None:
    said = refused(facts(**changes), wish(**driver))
    assert list(said) == [id], said
    assert words in said[id]


def test_a_kept_driver_behind_switches_has_to_have_a_manager_that_runs() -> None:
    stands = working(**SWITCHES)
    assert "systemctl enable --now nvidia-fabricmanager" in refused(stands)["HST-23"]
    runs = working(fabric={"switches": 4, "manager": "580.126.20", "active": True})
    assert planned(runs).values["driver"] == {"GR_DECIDED": "keep"}
    assert "HST-102" in refused(runs, wish(extras=["fabricManager"]))


def test_ours_is_not_held_against_what_it_was_made_without() -> None:
    ours = {**made_ready(), **SWITCHES}
    assert planned(facts(**ours)).values["driver"]["GR_DECIDED"] == "distro 580 open"


# What is said of it ---------------------------------------------------------------------------------------------------

AT = "bareMetal.hosts[0].driver"
FAULTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("no version", {"source": "run", "sha256": SUM}, "version", "a .run file has one version"),
    ("no checksum", {"source": "run", "version": VERSION}, "sha256", "somebody has to say what it is"),
    ("two places", {**run()["driver"], "url": "http://a/b", "path": "/a"}, "path", "two places of one file"),
    ("no file", {"sha256": SUM}, "sha256", "source is not run"),
]


@pytest.mark.parametrize(("driver", "key", "words"), [one[1:] for one in FAULTS], ids=[one[0] for one in FAULTS])
def test_what_says_nothing_or_too_much_is_refused_in_both_doors(driver: dict[str, Any], key: str, words: str) -> None:
    assert words in faults_of(config(host(driver=driver)))[f"{AT}.{key}"]
    read = read_wish({"name": "rtx", "driver": driver})
    assert isinstance(read, HostWish)
    assert [(where, words in what) for where, what in faults(read)] == [(f"driver.{key}", True)]


@pytest.mark.parametrize(
    ("key", "value"), [("path", "opt/a.run"), ("path", "/a b"), ("sha256", "1" * 63), ("url", "ftp://a")]
)
def test_odd_values_are_named(key: str, value: str) -> None:
    driver = {**run()["driver"], key: value}
    assert f"{AT}.{key}" in faults_of(config(host(driver=driver)))
    assert f"driver.{key} cannot be" in refused(facts(), {"name": "rtx", "driver": driver})["HST-84"]


def test_extras_of_a_kept_driver_are_refused_in_both_doors() -> None:
    driver = {"source": "keep", "extras": ["gds"]}
    assert "has no effect" in faults_of(config(host(driver=driver)))[f"{AT}.extras"]
    read = read_wish({"name": "rtx", "driver": driver})
    assert isinstance(read, HostWish)
    assert [where for where, _ in faults(read)] == ["driver.source"]
    assert "HST-84" in refused(facts(), wish(extras=["fabric"]))


def test_it_arrives() -> None:
    driver = run(path="/opt/a.run")["driver"]
    args = settings.parse(config(host(driver=driver))).nodes_args()["hosts"][0]
    assert args["driver"] == driver


def test_the_facts_of_before_have_no_packages() -> None:
    assert "packaged" not in told()["driver"]
    assert facts().packaged is False
