"""The plan for hosts with dnf: names, repositories and keys by distribution, and what is refused there."""

from __future__ import annotations

from typing import Any

import pytest

from decide import defaults, host_plan
from decide.host_plan import Plan
from host.facts import HostFacts
from tests.unit.small_host import facts

V100 = "10de:1db1"
WISH: dict[str, Any] = {"name": "g5", "driver": {}}


def rocky(id: str = "rocky", version: str = "9.6", **changes: Any) -> HostFacts:
    known = {
        "os": {"id": id, "version": version, "pretty": f"{id} {version}"}, "kernel": "5.14.0-570.12.1.el9_6.x86_64",
        "next_kernel": "5.14.0-570.12.1.el9_6.x86_64", "package_manager": "dnf", "headers": False,
        "cards__0__vendor_device": "10de:2237",
    }  # fmt: skip
    return facts(**{**known, **changes})


def told(found: HostFacts, step: str = "driver", **wish: Any) -> dict[str, Any]:
    made = host_plan.plan(found, {**WISH, **wish})
    assert isinstance(made, Plan), made
    return made.values[step]


def refused(found: HostFacts, **wish: Any) -> dict[str, str]:
    made = host_plan.plan(found, {**WISH, **wish})
    assert isinstance(made, tuple), made.lines()
    return {one.id: f"{one.problem} / {one.fix}" for one in made}


def test_the_driver_comes_by_its_module_stream_with_the_headers_of_the_running_kernel() -> None:
    values = told(rocky())
    assert values["GR_DECIDED"] == "cudaRepo 580 open"
    assert values["GR_STREAM"] == "nvidia-driver:580-open"
    assert values["GR_PACKAGES"] == "nvidia-driver-cuda kmod-nvidia-open-dkms"
    assert (values["GR_KERNEL_PACKAGES"], values["GR_PIN_PACKAGE"]) == ("kernel-devel-", "")
    assert values["GR_REPO"] == "https://developer.download.nvidia.com/compute/cuda/repos/rhel9/x86_64/"
    assert values["GR_KEY_URL"].endswith(f"/{values['GR_KEY_FINGERPRINT'][-8:]}.pub")


def test_proprietary_modules_have_a_stream_and_a_package_of_their_own() -> None:
    values = told(rocky(cards__0__vendor_device=V100))
    assert (values["GR_STREAM"], values["GR_PACKAGES"].split()[1]) == (
        "nvidia-driver:580-dkms",
        "kmod-nvidia-latest-dkms",
    )


@pytest.mark.parametrize(
    ("id", "epel", "builders"),
    [
        ("rocky", "epel-release", "crb"),
        ("almalinux", "epel-release", "crb"),
        ("rhel", "", "codeready-builder-for-rhel-9-x86_64-rpms"),
    ],
)
def test_where_what_builds_the_module_comes_from(id: str, epel: str, builders: str) -> None:
    values = told(rocky(id))
    assert (values["GR_EPEL"], values["GR_CRB"]) == (epel, builders)


def test_a_branch_is_a_stream_and_an_exact_version_is_in_it() -> None:
    assert told(rocky(), driver={"branch": 595})["GR_STREAM"] == "nvidia-driver:595-open"
    values = told(rocky(), driver={"version": "580.173.02"})
    assert (values["GR_STREAM"], values["GR_WANT_DRIVER"]) == ("nvidia-driver:580-open", "580.173.02")


def test_of_the_toolkit_the_lists_are_signed_by_the_key_that_debian_knows_too() -> None:
    values = told(rocky(), "toolkit")
    assert (values["GR_REPO"], values["GR_SIGNED"]) == (defaults.TOOLKIT_REPOSITORY_RPM, "lists")
    assert values["GR_KEY_FINGERPRINT"] == defaults.TOOLKIT_KEY_FINGERPRINT


def test_a_mirror_takes_the_place_of_the_address_and_of_nothing_else() -> None:
    mirror = {"url": "http://mirror/rhel9/x86_64", "key_url": "http://mirror/key", "key_sha256": "0" * 64}
    values = told(rocky(), repositories={"cuda": mirror})
    assert (values["GR_REPO"], values["GR_KEY_SHA256"]) == ("http://mirror/rhel9/x86_64/ /", "0" * 64)
    assert (values["GR_STREAM"], "GR_KEY_FINGERPRINT" in values) == ("nvidia-driver:580-open", False)


def test_the_plan_is_the_same_after_a_point_release_and_once_it_is_done() -> None:
    done: dict[str, Any] = {
        "kernel": "5.14.0-687.51.1.el9_8.x86_64", "headers": True, "next_kernel_has_module": True,
        "driver": {"works": True, "version": "580.178.04", "foreign": ""}, "toolkit": "1.20.0",
        "ours": {"driver": "cudaRepo 580 open", "toolkit": "1.20.0", "runtime": True},
    }  # fmt: skip
    assert told(rocky()) == told(rocky(version="9.8", **done))


def test_secure_boot_leads_to_modules_that_are_signed() -> None:
    assert "AlmaLinux's own driver" in refused(rocky("almalinux", secure_boot=True))["DRV-5"]
    assert "Ubuntu 24.04" in refused(rocky(secure_boot=True))["DRV-5"]


def test_a_kernel_of_somebody_else_has_no_headers_in_the_repositories() -> None:
    foreign = "6.12.1-1.el9.elrepo.x86_64"
    assert foreign in refused(rocky(kernel=foreign))["DRV-8"]
    assert told(rocky(kernel=foreign, headers=True))["GR_KERNEL_PACKAGES"] == ""


def test_who_has_to_reboot_by_hand_is_told_the_tools_of_the_system() -> None:
    held = rocky(cards__0__driver="nouveau", modules__nouveau=True)
    assert "dracut --force" in refused(held)["HST-64"]


def test_what_works_is_kept_there_too() -> None:
    working = rocky(driver={"works": True, "version": "580.126.20", "foreign": ""})
    assert told(working) == {"GR_DECIDED": "keep"}


@pytest.mark.parametrize(
    ("id", "version", "repository", "stream", "builders"),
    [
        ("rocky", "8.10", "rhel8", "nvidia-driver:580-open", "powertools"),
        ("almalinux", "8.10", "rhel8", "nvidia-driver:580-open", "powertools"),
        ("rhel", "8.10", "rhel8", "nvidia-driver:580-open", "codeready-builder-for-rhel-8-x86_64-rpms"),
        ("centos", "9", "rhel9", "nvidia-driver:580-open", "crb"),
    ],
)
def test_each_distribution_has_its_repository(
    id: str, version: str, repository: str, stream: str, builders: str
) -> None:
    values = told(rocky(id, version))
    assert (values["GR_REPO"].split("/")[-3], values["GR_STREAM"], values["GR_CRB"]) == (repository, stream, builders)


@pytest.mark.parametrize("id", ["rocky", "almalinux", "rhel", "centos"])
def test_of_the_tenth_the_key_is_pinned_by_who_looked_at_it(id: str) -> None:
    tenth = rocky(id, "10" if id == "centos" else "10.1", kernel="6.12.0-55.el10.x86_64")
    said = refused(tenth)["TK-1"]
    assert "CDF6BA43" in said
    assert "keySha256" in said
    mirror = {"url": "https://mirror/rhel10/x86_64", "key_url": "https://mirror/CDF6BA43.pub", "key_sha256": "0" * 64}
    values = told(tenth, repositories={"cuda": mirror})
    assert (values["GR_STREAM"], values["GR_REPO"]) == ("", "https://mirror/rhel10/x86_64/ /")


@pytest.mark.parametrize(
    ("kernel", "headers"),
    [
        ("6.1.141-155.222.amzn2023.x86_64", "kernel-devel-"),
        ("6.12.40-63.114.amzn2023.x86_64", "kernel6.12-devel-"),
    ],
)
def test_amazon_linux_has_several_kernels_no_streams_and_its_own_dkms(kernel: str, headers: str) -> None:
    values = told(rocky("amzn", "2023", kernel=kernel))
    assert (values["GR_KERNEL_PACKAGES"], values["GR_STREAM"], values["GR_HOTFIXES"]) == (headers, "", True)
    assert (values["GR_EPEL"], values["GR_REPO"].split("/")[-3]) == ("", "amzn2023")


@pytest.mark.parametrize(
    ("id", "version", "manager", "why"),
    [
        ("fedora", "44", "dnf", "RPM Fusion"),
        ("sles", "15.7", "zypper", "nvidia-open-driver-G06-signed-cuda-kmp-default"),
        ("opensuse-leap", "15.6", "zypper", "nvidia-open-driver-G06-signed-cuda-kmp-default"),
        ("ubuntu", "20.04", "apt", "no more fixes"),
        ("debian", "11", "apt", "no more fixes"),
    ],
)
def test_what_is_only_looked_at_keeps_what_works_and_says_how_to_get_there(
    id: str, version: str, manager: str, why: str
) -> None:
    found = {"package_manager": manager, "kernel": "6.4.0-150600.23-default"}
    said = host_plan.plan(rocky(id, version, **found), WISH)
    assert isinstance(said, tuple)
    assert [one.id for one in said] == ["HST-67", "HST-67"], "driver and toolkit"
    assert why in said[0].problem
    there = {"driver": {"works": True, "version": "580.178.04", "foreign": ""}, "toolkit": "1.20.0"}
    ready = rocky(id, version, **found, **there)
    assert told(ready) == {"GR_DECIDED": "keep"}
    assert told(ready, "toolkit") == {}
    assert "HST-67" in refused(ready, driver={"branch": 595})


@pytest.mark.parametrize(
    ("id", "version", "said"),
    [
        ("rocky", "9.6", ("module stream nvidia-driver:580-open", "dkms of EPEL, which is switched on")),
        ("rhel", "9.6", ("dkms, which a repository of this host has to have",)),
        ("amzn", "2023", ("dkms of Amazon's own",)),
    ],
)
def test_the_plan_tells_what_comes_along(id: str, version: str, said: tuple[str, ...]) -> None:
    kernel = "6.1.141-155.222.amzn2023.x86_64" if id == "amzn" else "5.14.0-570.12.1.el9_6.x86_64"
    made = host_plan.plan(rocky(id, version, kernel=kernel), WISH)
    assert isinstance(made, Plan)
    lines = "\n".join(made.lines())
    assert [text for text in (*said, "versionlock") if text not in lines] == []
