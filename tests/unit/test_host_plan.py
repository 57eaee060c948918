"""The plan for a host: what each step is told, what is refused, and that nothing that does not matter changes it."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from decide import catalog, defaults, host_packages, host_plan
from decide.host_failures import BY_ID, Refusal
from decide.host_plan import Plan, plan
from decide.host_wish import HostWish, read_wish
from host.facts import HostFacts, read
from tests.effort import examples
from tests.unit.small_host import DEBIAN, DOCKER, K0S, K3S, facts, made_ready, told, working

ALONE = {"operator": "none", "runtime_class": "none"}
"""The device plugin without an operator, and pods that name no class."""
ADOPT = {"GR_DECIDED": "keep"}
NOUVEAU = {**DEBIAN, "cards__0__driver": "nouveau", "modules__nouveau": True}


def wish(**driver: Any) -> dict[str, Any]:
    """A wish for the driver; `reboot` and `toolkit` stand beside it."""
    beside: dict[str, Any] = {
        key: driver.pop(key) for key in ("reboot", "runtime", "operator", "runtime_class") if key in driver
    }
    toolkit = {"toolkit": {"version": driver.pop("toolkit")}} if "toolkit" in driver else {}
    return {"name": "rtx", "driver": driver, **toolkit, **beside}


def planned(found: HostFacts, wished: Any = None) -> Plan:
    made = plan(found, wish() if wished is None else wished)
    assert isinstance(made, Plan), made
    return made


def refused(found: HostFacts, wished: Any = None) -> dict[str, str]:
    made = plan(found, wish() if wished is None else wished)
    assert isinstance(made, tuple), made.lines()
    return {one.id: f"{one.problem} / {one.fix}" for one in made}


def card(pci_id: str, **changes: Any) -> HostFacts:
    return facts(**{"cards__0__vendor_device": pci_id, **changes})


RTX_4070, T4, P100, V100, RTX_5090, H100, K80, UNKNOWN = (
    f"10de:{device}" for device in ("2786", "1eb8", "15f8", "1db1", "2b85", "2330", "102d", "fff0")
)


# What is installed ---------------------------------------------------------------------------------------------------


def test_ubuntu_gets_prebuilt_modules_for_its_kernels_and_no_desktop() -> None:
    told_driver = planned(facts()).values["driver"]

    assert told_driver["GR_PACKAGES"].split() == [
        "linux-modules-nvidia-580-server-open-generic",
        "nvidia-headless-no-dkms-580-server-open",
        "nvidia-utils-580-server",
    ]
    assert told_driver["GR_KERNEL_PACKAGES"] == "linux-modules-nvidia-580-server-open-"
    assert (told_driver["GR_WANT_DRIVER"], told_driver["GR_DECIDED"]) == ("580", "distro 580 open")
    assert "GR_REPO" not in told_driver


def test_debian_gets_the_branch_from_nvidia_with_the_pin_first_and_a_key_that_is_pinned() -> None:
    told_driver = planned(facts(**DEBIAN)).values["driver"]

    assert told_driver["GR_PIN_PACKAGE"] == "nvidia-driver-pinning-580"
    assert told_driver["GR_PACKAGES"] == "nvidia-driver-cuda nvidia-kernel-open-dkms linux-headers-amd64"
    assert told_driver["GR_KERNEL_PACKAGES"] == "linux-headers-"
    assert told_driver["GR_KEY_SHA256"] == defaults.CUDA_KEYRING_SHA256["debian-12"]
    assert "debian12" in told_driver["GR_REPO"]


def test_debian_13_has_a_repository_and_a_key_of_its_own() -> None:
    trixie = {**DEBIAN, "os__version": "13", "kernel": "6.12.57+deb13-amd64"}
    told_driver = planned(facts(**trixie)).values["driver"]

    assert told_driver["GR_PACKAGES"] == "nvidia-driver-cuda nvidia-kernel-open-dkms linux-headers-amd64"
    assert told_driver["GR_REPO"].endswith("/debian13/x86_64/ /")
    assert (told_driver["GR_KEY_FINGERPRINT"][-8:], "GR_KEY_SHA256" in told_driver) == ("8793F200", False)


@pytest.mark.parametrize("repository", [*host_packages.CUDA.values(), host_packages.TOOLKIT])
def test_no_repository_without_a_pin_that_fits_what_is_fetched(repository: dict[str, str]) -> None:
    pins = set(repository) & {"GR_KEY_SHA256", "GR_KEY_FINGERPRINT"}
    assert pins == {"GR_KEY_SHA256" if repository["GR_KEY_URL"].endswith(".deb") else "GR_KEY_FINGERPRINT"}


@pytest.mark.parametrize(
    ("pci_id", "modules"),
    [
        (T4, "open"),
        (RTX_4070, "open"),
        (H100, "open"),
        (RTX_5090, "open"),
        (P100, "proprietary"),
        (V100, "proprietary"),
    ],
)
def test_kernel_modules_follow_from_the_card(pci_id: str, modules: str) -> None:
    ubuntu = planned(card(pci_id)).values["driver"]
    debian = planned(card(pci_id, **{**DEBIAN, "cards__0__vendor_device": pci_id})).values["driver"]

    assert (ubuntu["GR_DECIDED"], debian["GR_DECIDED"]) == (f"distro 580 {modules}", f"cudaRepo 580 {modules}")
    assert ("580-server-open" in ubuntu["GR_PACKAGES"]) is (modules == "open")
    assert ("nvidia-kernel-open-dkms" in debian["GR_PACKAGES"]) is (modules == "open")


@pytest.mark.parametrize(
    ("release", "kernel", "meta"),
    [
        ("24.04", "6.8.0-60-generic", "generic"),
        ("24.04", "6.14.0-29-generic", "generic-hwe-24.04"),
        ("24.04", "6.8.0-1031-aws", "aws"),
        ("24.04", "6.14.0-1017-gcp", "gcp"),
        ("22.04", "5.15.0-140-generic", "generic"),
        ("22.04", "6.8.0-60-generic", "generic-hwe-22.04"),
        ("22.04", "6.8.0-1031-aws", "aws"),
        ("26.04", "7.0.0-14-generic", "generic"),
        ("26.04", "7.2.0-9-generic", "generic-hwe-26.04"),
    ],
)
def test_the_package_that_brings_modules_for_later_kernels_goes_with_the_running_one(
    release: str, kernel: str, meta: str
) -> None:
    names = planned(facts(os__version=release, kernel=kernel)).values["driver"]["GR_PACKAGES"].split()

    assert names[0] == f"linux-modules-nvidia-580-server-open-{meta}"


def test_an_exact_version_is_asked_for_exactly() -> None:
    ubuntu = planned(facts(), wish(version="580.173.02")).values["driver"]
    debian = planned(facts(**DEBIAN), wish(version="580.173.02")).values["driver"]

    assert ubuntu["GR_WANT_DRIVER"] == "580.173.02"
    assert "=" not in ubuntu["GR_PACKAGES"]  # the host puts the version behind the names that carry it
    assert debian["GR_PIN_PACKAGE"] == "nvidia-driver-pinning-580.173.02"


def test_the_toolkit_comes_at_one_version_from_a_repository_whose_key_is_pinned() -> None:
    told_toolkit = planned(facts()).values["toolkit"]

    assert told_toolkit["GR_DECIDED"] == defaults.TOOLKIT_VERSION
    assert told_toolkit["GR_KEY_FINGERPRINT"] == defaults.TOOLKIT_KEY_FINGERPRINT


@pytest.mark.parametrize("version", ["1.6.20", "1.7.24", "2.0.5", "2.1.4", "2.3.0"])
def test_every_containerd_that_is_new_enough_gets_the_handler_in_its_own_file(version: str) -> None:
    told_runtime = planned(facts(runtime__version=version)).values["runtime"]

    assert told_runtime == {}, "the script knows where it is"


@pytest.mark.parametrize(
    ("kernel", "headers"),
    [
        ("6.1.0-40-amd64", "linux-headers-amd64"),
        ("6.1.0-40-cloud-amd64", "linux-headers-cloud-amd64"),
        ("6.12.9-own", None),
    ],
)
def test_headers_come_with_each_later_kernel_of_debian(kernel: str, headers: str | None) -> None:
    names = planned(facts(**{**DEBIAN, "kernel": kernel})).values["driver"]["GR_PACKAGES"].split()

    assert names[2:] == ([headers] if headers else [])


# What is kept --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["580.126.20", "595.71.05", "535.309.01", "612.1"])
def test_a_driver_that_works_is_kept_by_defaults(version: str) -> None:
    made = planned(working(version))

    assert made.values["driver"] == ADOPT
    assert "works and stays as it is" in "\n".join(made.lines())


def test_another_default_moves_no_driver_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    before = planned(working("580.126.20")).values
    monkeypatch.setattr(defaults, "DRIVER_BRANCH", 595)

    assert planned(working("580.126.20")).values == before


def test_a_branch_that_ended_is_kept_and_said() -> None:
    assert "branch 535 ended in June 2026: driver: {branch: 580} moves it" in str(
        planned(working("535.309.01")).lines()
    )


def test_what_is_advised_to_who_keeps_a_driver_is_no_wish_that_is_refused() -> None:
    said = str(planned(working("535.309.01"), wish(source="keep")).lines())
    assert "driver: {source: auto, branch: 580} moves it" in said
    assert isinstance(plan(working("535.309.01"), wish(source="auto", branch=580, reboot="ifNeeded")), Plan)


def test_a_kernel_without_module_that_boots_next_is_said() -> None:
    found = working(next_kernel="6.8.0-71-generic", next_kernel_has_module=False)

    assert "6.8.0-71-generic boots next and has no nvidia module (DRV-16)" in "\n".join(planned(found).lines())


@pytest.mark.parametrize("asked", [{"branch": 580}, {"version": "580.126.20"}, {"flavour": "open"}, {"source": "keep"}])
def test_a_driver_that_is_what_was_asked_for_is_kept(asked: dict[str, Any]) -> None:
    assert planned(working("580.126.20"), wish(**asked)).values["driver"] == ADOPT


@pytest.mark.parametrize("asked", [{"branch": 595}, {"version": "580.173.02"}, {"flavour": "proprietary"}])
def test_what_somebody_writes_is_consent_to_replace_a_driver_and_the_plan_says_so(asked: dict[str, Any]) -> None:
    made = planned(working("580.126.20"), wish(**asked, reboot="ifNeeded"))

    assert made.values["driver"]["GR_REPLACE"]
    assert "it replaces 580.126.20, which was here before us; destroy does not bring that back" in str(made.lines())


def test_nobody_consents_by_defaults_and_ours_was_not_here_before() -> None:
    assert not planned(facts()).values["driver"]["GR_REPLACE"]
    ours = planned(facts(**made_ready()), wish(branch=595, reboot="ifNeeded"))
    assert "was here before us" not in str(ours.lines())


@pytest.mark.parametrize("asked", [{"branch": 595}, {"version": "580.173.02"}, {"flavour": "proprietary"}])
def test_only_the_stack_file_moves_a_driver_that_works_and_that_takes_a_reboot(asked: dict[str, Any]) -> None:
    assert "580.126.20 is loaded and shall become" in refused(working("580.126.20"), wish(**asked))["HST-64"]

    made = planned(working("580.126.20"), wish(**asked, reboot="ifNeeded"))
    assert made.values["driver"]["GR_PACKAGES"]


def test_a_version_does_not_begin_like_another_one() -> None:
    assert HostWish(version="580.12").fits("580.126.20") is False
    assert HostWish(branch=58).fits("580.126.20") is False


def test_a_toolkit_and_a_handler_that_are_there_are_kept() -> None:
    found = facts(toolkit="1.19.1", runtime__handlers=["runc", "nvidia"])
    made = planned(found)

    assert made.values["toolkit"] == {}
    assert "has the handler nvidia already" in "\n".join(made.lines())
    moved = planned(found, wish(toolkit="1.20.0"))
    assert moved.values["toolkit"]["GR_DECIDED"] == "1.20.0"


# What is refused -----------------------------------------------------------------------------------------------------

REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str, tuple[str, ...]]] = [
    ("no card", {"cards": []}, {}, "PCI-1", ("no NVIDIA card",)),
    ("passed through", {"cards__0__driver": "vfio-pci"}, {}, "PCI-10", ("reserved for virtual machines",)),
    ("share of a card", {"vgpu": True}, {}, "PCI-9", ("vGPU",)),
    ("unknown card", {"cards__0__vendor_device": UNKNOWN}, {}, "HST-74", (UNKNOWN, "branch: 580")),
    ("Kepler", {"cards__0__vendor_device": K80}, {}, "PCI-3", ("Kepler", "470 was its last branch")),
    (
        "too new for Pascal",
        {"cards__0__vendor_device": P100},
        {"branch": 595},
        "PCI-3",
        ("its last branch is 580, not 595",),
    ),
    ("open on Volta", {"cards__0__vendor_device": V100}, {"flavour": "open"}, "PCI-2", ("Volta", "proprietary")),
    (
        "proprietary on Blackwell",
        {"cards__0__vendor_device": RTX_5090},
        {"flavour": "proprietary"},
        "PCI-4",
        ("RTX 5090", "open kernel modules only", "flavour: open"),
    ),
    ("dead branch", {}, {"branch": 535}, "HST-22", ("ended in June 2026", "580, 595, 615")),
    ("dead branch by version", {}, {"version": "570.211.01"}, "HST-22", ("ended in February 2026",)),
    ("unknown branch", {}, {"branch": 999}, "HST-22", ("it knows 580, 595, 615",)),
    ("nouveau", NOUVEAU, {}, "HST-64", ("nouveau holds Tesla T4", "update-initramfs -u && systemctl reboot")),
    ("nova", {"cards__0__driver": "nova_core"}, {}, "HST-64", ("nova holds", "blacklist nova_core")),
    ("Secure Boot and DKMS", {**DEBIAN, "secure_boot": True}, {}, "DRV-5", ("Secure Boot is on",)),
    (".run", {"driver__foreign": ".run"}, {}, "HST-21", ("nvidia-uninstall",)),
    ("mixed", {"driver__foreign": "mixed"}, {}, "HST-21", ("different sources",)),
    ("driver container", {"driver__foreign": "operator"}, {}, "HST-21", ("driver container",)),
    ("archive of Debian", DEBIAN, {"source": "distro"}, "HST-67", ("branches that ended",)),
    ("NVIDIA's for Ubuntu", {}, {"source": "cudaRepo"}, "HST-67", ("later release",)),
    ("nothing to keep", {}, {"source": "keep"}, "HST-69", ("no working driver",)),
    ("unknown distribution", {"os__id": "arch"}, {}, "HST-61", ("Ubuntu 22.04, 24.04 or 26.04, Debian 12",)),
    ("other version", {"os__version": "25.10"}, {}, "HST-61", ("Ubuntu 22.04, 24.04 or 26.04, Debian 12",)),
    ("processor", {"arch": "aarch64"}, {}, "HST-61", ("aarch64",)),
    ("image system", {"immutable": True}, {}, "HST-62", ("cannot be changed",)),
    ("WSL", {"wsl": True}, {}, "HST-62", ("Windows",)),
    ("Jetson", {"tegra": True}, {}, "HST-62", ("Jetson",)),
    ("no kubelet", {"kubelet": False}, {}, "HST-73", ("no kubelet",)),
    ("broken dpkg", {"dpkg_broken": True}, {}, "HST-31", ("dpkg --configure -a",)),
    ("full disk", {"disk_free_mb__root": 100}, {}, "HST-32", ("/ has 100 MB free",)),
    ("full boot", {"disk_free_mb__boot": 10}, {}, "HST-32", ("/boot has 10 MB free",)),
    ("foreign kernel", {"kernel": "6.12.9-zabbly+"}, {}, "DRV-4", ("not one that Ubuntu builds modules for",)),
    (
        "no modules",
        {
            "apt_lacks": ["linux-modules-nvidia-580-server-open-6.8.0-60-generic"],
            "next_kernel": "6.8.0-71-generic",
        },
        {},
        "DRV-4",
        ("no prebuilt modules", "reboot into 6.8.0-71-generic"),
    ),
    (
        "no headers",
        {
            **DEBIAN,
            "headers": False,
            "apt_lacks": ["linux-headers-6.1.0-40-amd64"],
        },
        {},
        "DRV-8",
        ("no headers for the running kernel 6.1.0-40-amd64",),
    ),
    (
        "no headers for a kernel of one's own",
        {**DEBIAN, "headers": False, "kernel": "6.12.9-own"},
        {},
        "DRV-8",
        ("no headers for the running kernel 6.12.9-own",),
    ),
    ("CRI-O", {"runtime__kind": "crio"}, {}, "HST-65", ("the kubelet uses CRI-O", "--runtime=crio")),
    ("MicroK8s", {"runtime__kind": "microk8s"}, {}, "HST-65", ("the kubelet uses MicroK8s", "microk8s enable nvidia")),
    ("k0s that is stopped", K0S | {"runtime__unit": ""}, {}, "RT-13", ("k0s is installed, but does not run",)),
    ("k0s taken over", K0S | {"runtime__template": "/own"}, {}, "RT-17", ("/own is not k0s's any more",)),
    ("Docker with the operator", DOCKER, {}, "RT-15", ("NVIDIA's operator knows containerd and CRI-O",)),
    ("Docker with an operator of others", DOCKER, {"operator": "external"}, "RT-15", ("operator: none",)),
    ("Docker with a class", DOCKER, {"operator": "none"}, "RT-15", ("takes no handler", "runtimeClass: none")),
    ("Docker that is off", DOCKER | {"runtime__handlers": []}, ALONE, "RT-13", ("does not answer",)),
    ("k3s that is stopped", K3S | {"runtime__unit": ""}, {}, "RT-13", ("k3s is installed, but does not run",)),
    ("k3s with Docker", K3S | {"runtime__handlers": []}, {}, "RT-13", ("for a containerd of its own",)),
    ("k3s with a template", K3S | {"runtime__template": "/t.tmpl"}, {}, "RT-12", ("/t.tmpl is somebody's own",)),
    ("no runtime", {"runtime__kind": "", "runtime__version": ""}, {}, "HST-65", ("no container runtime was found",)),
    ("old containerd", {"runtime__version": "1.5.9"}, {}, "HST-66", ("containerd is 1.5.9",)),
    ("odd containerd", {"runtime__version": ""}, {}, "HST-66", ("of an unknown version",)),
    ("CRI off", {"runtime__handlers": []}, {}, "TK-6", ("CRI plugin switched off",)),
    ("old toolkit", {}, {"toolkit": "1.17.7"}, "HST-68", ("lets containers out",)),
    ("old toolkit there", {"toolkit": "1.16.2"}, {}, "HST-68", ("1.20.0} moves it",)),
    (
        "toolkit for 2.x",
        {"runtime__version": "2.1.4"},
        {"toolkit": "1.19.1"},
        "HST-68",
        ("does not fit containerd 2.1.4",),
    ),
    ("two branches", {}, {"branch": 595, "version": "580.173.02"}, "HST-84", ("is of branch 580",)),
    ("junk as branch", {}, {"branch": "new"}, "HST-84", ('driver.branch cannot be the text "new"',)),
    ("junk as reboot", {}, {"reboot": "always"}, "HST-84", ("reboot cannot be",)),
    ("junk as runtime", {}, {"runtime": "crio"}, "HST-84", ("runtime cannot be",)),
]


@pytest.mark.parametrize(
    ("changes", "wished", "id", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_cannot_be_is_refused_once_with_its_id_and_what_to_do(
    changes: dict[str, Any], wished: dict[str, Any], id: str, words: tuple[str, ...]
) -> None:
    found = refused(facts(**changes), wish(**wished))

    assert set(found) == {id}
    assert [word for word in words if word not in found[id]] == []


def test_all_refusals_come_at_once() -> None:
    found = facts(
        **{**NOUVEAU, "secure_boot": True, "kubelet": False, "disk_free_mb__root": 1, "runtime__kind": "crio"}
    )

    assert set(refused(found, wish(branch=550))) == {"HST-73", "HST-22", "DRV-5", "HST-32", "HST-64", "HST-65"}


def test_a_card_for_virtual_machines_beside_one_for_containers_is_left_alone() -> None:
    cards = [told()["cards"][0], {**told()["cards"][0], "address": "0000:02:00.0", "driver": "vfio-pci"}]

    assert planned(facts(cards=cards)).lines()[0].count("RTX 4070") == 1


@pytest.mark.parametrize(
    ("second", "expected"), [(T4, "open"), (V100, "proprietary"), (RTX_5090, "open"), (UNKNOWN, "HST-74")]
)
def test_all_cards_of_a_host_are_served_by_one_driver(second: str, expected: str) -> None:
    cards = [told()["cards"][0], {**told()["cards"][0], "address": "0000:02:00.0", "vendor_device": second}]
    made = plan(facts(cards=cards), wish())

    assert expected in (made.values["driver"]["GR_DECIDED"] if isinstance(made, Plan) else {one.id for one in made})


def test_cards_that_no_driver_serves_together_are_refused() -> None:
    cards = [
        {**told()["cards"][0], "address": f"0000:0{n}:00.0", "vendor_device": id}
        for n, id in enumerate((V100, RTX_5090))
    ]

    assert set(refused(facts(cards=cards))) == {"HST-79"}
    assert set(refused(facts(cards=cards), wish(flavour="open"))) == {"PCI-2"}


def test_cards_of_a_kind_are_refused_in_one_line() -> None:
    cards = [{**told()["cards"][0], "address": f"0000:0{n}:00.0", "vendor_device": P100} for n in (1, 2)]
    made = plan(facts(cards=cards), wish(branch=595))

    assert isinstance(made, tuple)
    assert [one.id for one in made] == ["PCI-3"]


def test_an_unknown_card_is_served_where_the_stack_file_says_how() -> None:
    made = planned(card(UNKNOWN), wish(branch=595, flavour="open"))

    assert "595-server-open" in made.values["driver"]["GR_PACKAGES"]


def test_with_consent_a_card_that_nouveau_holds_is_freed_by_a_reboot() -> None:
    made = planned(facts(**NOUVEAU), wish(reboot="ifNeeded"))

    assert (made.values["reboot"]["GR_CONSENT"], "GR_PACKAGES" in made.values["driver"]) == ("ifNeeded", True)
    assert "reboot: nouveau holds Tesla T4" in "\n".join(made.lines())


def test_nouveau_that_is_loaded_and_holds_nothing_needs_no_reboot() -> None:
    assert "no reboot" in "\n".join(planned(facts(modules__nouveau=True)).lines())


def test_a_module_that_is_older_than_its_libraries_needs_a_reboot() -> None:
    found = facts(modules__nvidia="580.126.20", driver__version="580.173.02")

    assert "module 580.126.20 is loaded, and 580.173.02 is installed" in refused(found)["HST-64"]


def test_headers_that_are_there_need_no_apt_that_has_them() -> None:
    planned(facts(**DEBIAN, headers=True, apt_lacks=["linux-headers-6.1.0-40-amd64"]))


def test_an_apt_that_was_never_asked_refuses_nothing() -> None:
    planned(facts(**DEBIAN, headers=False, apt_lacks=[]))


# Whatever comes ------------------------------------------------------------------------------------------------------

ids = st.sampled_from([RTX_4070, T4, P100, V100, RTX_5090, H100, K80, UNKNOWN, "1002:73bf"])
one_card = st.fixed_dictionaries(
    {
        "address": st.sampled_from(["0000:01:00.0", "0000:02:00.0"]),
        "vendor_device": ids,
        "driver": st.sampled_from(["", "nouveau", "nvidia", "nova_core", "vfio-pci", "simple-framebuffer"]),
    }
)
flags = st.booleans()
versions = st.sampled_from(["", "580.126.20", "595.71.05", "535.309.01", "1.20.0", "1.17.8", "unknown", "x.y"])
changes = st.fixed_dictionaries(
    {},
    optional={
        "cards": st.lists(one_card, max_size=3),
        "os__id": st.sampled_from(["ubuntu", "debian", "fedora", ""]),
        "os__version": st.sampled_from(["24.04", "12", ""]),
        "kernel": st.sampled_from(["6.8.0-60-generic", "6.1.0-40-amd64", "6.14.0-1017-gcp", "7.0.0-custom"]),
        "next_kernel": st.sampled_from(["", "6.8.0-71-generic"]),
        "modules__nvidia": versions,
        "modules__flavour": st.sampled_from(["", "open", "proprietary"]),
        "driver__works": flags,
        "driver__version": versions,
        "driver__foreign": st.sampled_from(["", ".run", "operator", "mixed"]),
        "runtime__kind": st.sampled_from(["containerd", "docker", "k3s", ""]),
        "runtime__version": st.sampled_from(["1.7.24", "2.1.4", "2.0.0-rc.1", "1.5", "", "2"]),
        "runtime__handlers": st.lists(st.sampled_from(["runc", "nvidia"]), max_size=2),
        "toolkit": versions,
        "disk_free_mb__root": st.sampled_from([0, 10**6]),
        **dict.fromkeys(("secure_boot", "headers", "dpkg_broken", "immutable", "vgpu", "kubelet", "wsl"), flags),
        "ours__driver": st.sampled_from(["", "keep", "distro 580 open", "cudaRepo 535.309.01 proprietary"]),
        "ours__toolkit": st.sampled_from(["", "1.20.0", "1.17.8"]),
        "ours__runtime": flags,
    },
)
words = st.none() | st.sampled_from(["580", 580, 595, 535, "auto", "keep", "open", "proprietary", "ifNeeded", 7.5, "x"])
wishes = st.fixed_dictionaries(
    {"name": st.just("rtx")},
    optional={
        "driver": st.dictionaries(st.sampled_from(["source", "branch", "flavour", "version"]), words, max_size=3)
        | words,
        "toolkit": st.fixed_dictionaries({"version": versions}) | words,
        "reboot": words,
        "runtime": words,
    },
)


@hypothesis.settings(max_examples=examples(150), deadline=None)
@hypothesis.given(changes, wishes | words)
def test_every_wish_for_every_host_is_a_plan_or_refusals_with_reasons(changed: dict[str, Any], wished: Any) -> None:
    found = facts(**changed)
    made = plan(found, wished)

    if isinstance(made, Plan):
        assert_sound(made, found)
    else:
        assert made
        assert all(isinstance(one, Refusal) and one.id in BY_ID and one.problem and one.fix for one in made)
        assert len(set(made)) == len(made)
        assert all(
            one.isascii() and one.isprintable() for one in host_plan.refusal_values(made)["driver"]["GR_REFUSALS"]
        )


def assert_sound(made: Plan, found: HostFacts) -> None:
    """Nobody else's driver is touched, no card gets what it cannot take, and each value can go to a host."""
    told_driver = made.values["driver"]
    assert tuple(made.values) == host_plan.STEPS
    flat = [value for one in made.values.values() for value in one.values() if isinstance(value, str)]
    assert all(value.isascii() and value.isprintable() for value in (*flat, *made.lines()))
    assert all(str(one) for one in made.decisions)
    if told_driver == ADOPT:
        assert found.driver_works
        return
    assert not found.foreign
    if found.driver_works and told_driver["GR_DECIDED"] == found.ours.driver:
        return
    assert int(told_driver["GR_WANT_DRIVER"].split(".")[0]) in catalog.SUPPORTED
    for card in found.cards:
        generation = catalog.generation_of(card.id)
        if generation and card.driver != "vfio-pci":
            assert told_driver["GR_DECIDED"].split()[2] in generation.modules


@hypothesis.settings(max_examples=examples(60), deadline=None)
@hypothesis.given(
    st.fixed_dictionaries(
        {},
        optional={
            "disk_free_mb": st.fixed_dictionaries({"root": st.integers(5000, 10**9), "boot": st.integers(500, 10**6)}),
            "boot_id": st.uuids().map(str),
            "apt_lacks": st.lists(st.sampled_from(["nvidia-utils-580-server", "vim"]), max_size=2),
            "next_kernel": st.sampled_from(["6.8.0-60-generic", "6.8.0-71-generic"]),
            "kernel": st.sampled_from(["6.8.0-60-generic", "6.8.0-71-generic"]),
            "secure_boot": flags,
            "headers": flags,
        },
    )
)
def test_a_plan_does_not_change_by_what_changes_by_itself(changed: dict[str, Any]) -> None:
    assert planned(facts(**changed)).values == planned(facts()).values


def newer_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that decides, decided otherwise."""
    monkeypatch.setattr(defaults, "DRIVER_BRANCH", 595)
    monkeypatch.setattr(defaults, "TOOLKIT_VERSION", "1.21.0")
    monkeypatch.setitem(catalog.BRANCHES, 580, catalog.Branch(580, "in June 2028"))
    for name in ("Turing", "Ada"):
        other = catalog.GENERATIONS[name]._replace(modules=("proprietary", "open"))
        monkeypatch.setitem(catalog.GENERATIONS, name, other)


@pytest.mark.parametrize("start", [{}, DEBIAN, NOUVEAU], ids=["ubuntu", "debian", "nouveau"])
@pytest.mark.parametrize("asked", [{}, {"branch": 580}, {"version": "580.173.02"}])
def test_the_plan_of_an_unchanged_wish_is_the_same_after_our_own_work_and_in_another_release(
    start: dict[str, Any], asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wished = wish(**asked, reboot="ifNeeded")
    before = planned(facts(**start), wished).values
    ours = made_ready(**start)
    ours["ours"]["driver"] = before["driver"]["GR_DECIDED"]

    assert planned(facts(**ours), wished).values == before
    newer_release(monkeypatch)
    assert planned(facts(**ours), wished).values == before


def test_another_release_decides_on_a_host_that_nobody_decided_for(monkeypatch: pytest.MonkeyPatch) -> None:
    newer_release(monkeypatch)
    values = planned(facts()).values
    assert (values["driver"]["GR_DECIDED"], values["toolkit"]["GR_DECIDED"]) == ("distro 595 proprietary", "1.21.0")


def test_a_branch_of_ours_that_ended_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    newer_release(monkeypatch)
    assert "branch 580 ended in June 2028: driver: {branch: 595} moves it" in "\n".join(
        planned(facts(**made_ready())).lines()
    )


def test_what_was_begun_is_finished_as_it_was_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = facts(dpkg_broken=True, ours__driver="distro 580 open")
    monkeypatch.setattr(defaults, "DRIVER_BRANCH", 595)
    assert planned(begun).values["driver"]["GR_DECIDED"] == "distro 580 open"


@pytest.mark.parametrize("foreign", [".run", "mixed", "operator"])
def test_somebody_elses_driver_is_not_laid_over_because_ours_was_there_before(foreign: str) -> None:
    theirs = facts(**made_ready(), driver__foreign=foreign)
    assert "HST-21" in refused(theirs)


def test_another_version_than_the_one_that_we_installed_is_not_moved_without_consent() -> None:
    ours = made_ready()
    ours["modules"]["nvidia"] = ours["driver"]["version"] = "595.71.05"
    assert "driver 595.71.05 is loaded and shall become 580 open" in refused(facts(**ours))["HST-64"]
    assert planned(facts(**made_ready())).values["driver"]["GR_WANT_DRIVER"] == "580"


@pytest.mark.parametrize(
    ("asked", "decided"),
    [
        ({"branch": 595}, "distro 595 open"),
        ({"version": "595.91.07"}, "distro 595.91.07 open"),
        ({"flavour": "proprietary"}, "distro 580 proprietary"),
        ({"source": "keep"}, "keep"),
    ],
)
def test_only_the_stack_file_moves_what_is_ours(asked: dict[str, Any], decided: str) -> None:
    ours = facts(**made_ready())
    assert planned(ours, wish(**asked, reboot="ifNeeded")).values["driver"]["GR_DECIDED"] == decided
    assert planned(ours, wish(toolkit="1.19.1")).values["toolkit"]["GR_DECIDED"] == "1.19.1"


def test_modules_that_do_not_serve_another_card_are_decided_anew() -> None:
    ours = {**made_ready(), "cards__0__vendor_device": V100}
    assert planned(facts(**ours), wish(reboot="ifNeeded")).values["driver"]["GR_DECIDED"] == "distro 580 proprietary"


def test_a_toolkit_of_ours_that_proved_unsafe_is_refused_and_moved_by_the_stack_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(defaults, "TOOLKIT_FLOOR", "1.20.1")
    monkeypatch.setattr(defaults, "TOOLKIT_VERSION", "1.21.0")
    assert "toolkit: {version: 1.21.0} moves it" in refused(facts(**made_ready()))["HST-68"]


def test_a_driver_that_was_kept_is_not_installed_over_when_it_fails() -> None:
    found = refused(facts(ours__driver="keep"))
    assert "does not work any more" in found["HST-69"]
    assert "branch: 580" in found["HST-69"]
    assert planned(facts(ours__driver="keep"), wish(branch=595)).values["driver"]["GR_DECIDED"] == "distro 595 open"


def test_all_that_a_release_decides_by_has_hosts_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing but that: the same on every machine and in every run."""
    first = host_plan.digest(wish())
    assert host_plan.digest(wish()) == first != host_plan.digest(wish(branch=580))
    monkeypatch.setattr(defaults, "TOOLKIT_FLOOR", "1.18.0")
    second = host_plan.digest(wish())
    monkeypatch.setitem(catalog.BRANCHES, 580, catalog.Branch(580, "in June 2028"))
    assert len({first, second, host_plan.digest(wish())}) == 3


def test_an_interrupted_installation_of_ours_is_no_reason_to_refuse() -> None:
    planned(facts(dpkg_broken=True, ours__driver="distro 580 open"))


def test_a_changed_wish_changes_only_what_it_is_about() -> None:
    before, after = planned(facts()).values, planned(facts(), wish(branch=595)).values

    assert [step for step in before if before[step] != after[step]] == ["driver"]


# How it is said ------------------------------------------------------------------------------------------------------


def test_the_lines_for_people_give_each_decision_with_its_reason() -> None:
    assert planned(facts()).lines() == [
        "host      rtx, Ubuntu 24.04.3 LTS: NVIDIA GeForce RTX 4070",
        "driver    install 580 (long-term support) with open modules (what its cards want) "
        "from Ubuntu's archive, prebuilt and signed; held at its version together with the kernel's own metapackages: "
        "the kernel stands still too",
        "driver    no reboot: nobody holds the card",
        "toolkit   install 1.20.0 (the version this release was made with), four packages at one version, held",
        "runtime   containerd 1.7.24: handler nvidia as a marked block in its own file, because imported files may "
        "replace whole sections; tried before, rolled back if it fails",
    ]


@pytest.mark.parametrize(("kind", "name", "unit"), [("k3s", "k3s", "k3s-agent"), ("rke2", "RKE2", "rke2-server")])
def test_k3s_and_rke2_are_started_once_more_and_their_settings_are_never_written(
    kind: str, name: str, unit: str
) -> None:
    made = planned(facts(**K3S | {"runtime__kind": kind, "runtime__unit": unit}))

    assert made.values["runtime"] == {"GR_KIND": kind, "GR_UNIT": unit}
    assert made.lines()[-1] == (
        f"runtime   {name} (containerd 2.1.5): systemctl restart {unit}, once, so that it finds the toolkit; nothing "
        f"is written, because {name} writes its settings anew at each start; pods go on running"
    )


def test_k0s_gets_a_file_in_the_folder_that_it_watches() -> None:
    made = planned(facts(**K0S))

    assert made.values["runtime"] == {"GR_KIND": "k0s", "GR_UNIT": "k0sworker"}
    assert "k0s (containerd 1.7.29): handler nvidia as /etc/k0s/containerd.d/gpu-ready.toml" in made.lines()[-1]


def test_docker_gets_nvidia_as_its_default_where_it_is_the_kubelets() -> None:
    made = planned(facts(**DOCKER), wish(**ALONE))

    assert made.values["runtime"] == {"GR_KIND": "docker", "GR_UNIT": ""}
    assert "runtime   Docker 28.3.2: nvidia as its default runtime in /etc/docker/daemon.json" in made.lines()[-1]


@pytest.mark.parametrize(("default", "stays"), [("nvidia", True), ("runc", False)])
def test_a_docker_that_has_nvidia_as_its_default_is_left_alone(default: str, stays: bool) -> None:
    found = DOCKER | {"runtime__handlers": ["nvidia", "runc"], "runtime__default": default}

    assert ("nothing is written" in planned(facts(**found), wish(**ALONE)).lines()[-1]) is stays


def test_what_is_at_work_is_why_a_host_made_ready_needs_no_reboot() -> None:
    lines = planned(facts(**made_ready())).lines()
    assert "driver    no reboot: 580.173.02 works already" in lines


def test_refusals_go_to_the_host_as_lines_that_it_only_has_to_print() -> None:
    made = plan(facts(kubelet=False, disk_free_mb__boot=1), wish())
    assert isinstance(made, tuple)

    said = host_plan.refusal_values(made)

    assert list(said) == list(host_plan.STEPS)
    assert said["driver"] == {"GR_REFUSALS": [line for one in made for line in one.lines()]}
    assert said["toolkit"] == {}


def test_facts_that_cannot_be_read_are_said_in_the_same_way() -> None:
    found = read({})
    assert isinstance(found, Refusal)

    assert host_plan.refusal_values((found,))["driver"]["GR_REFUSALS"][0].startswith("HST-63 access: ")


def test_every_value_of_a_plan_can_be_quoted_for_a_host() -> None:
    from host.script import step_text

    made = planned(facts(**NOUVEAU), wish(reboot="ifNeeded"))
    no = plan(facts(**NOUVEAU), wish())
    assert isinstance(no, tuple)
    for step, values in [*made.values.items(), *host_plan.refusal_values(no).items()]:
        assert len(step_text(step, values, "0" * 16)) < 4000


@pytest.mark.parametrize("given", [None, "", 7, [], {"driver": "580"}, {"driver": []}, {"toolkit": "1.20.0"}])
def test_a_wish_of_another_shape_is_refused_in_words_or_is_empty(given: Any) -> None:
    found = read_wish(given)
    assert isinstance(found, tuple)
    assert {one.id for one in found} == {"HST-84"}
    assert len(found) == len(set(found)) == 1


def test_a_wish_may_come_as_whole_floats_or_texts() -> None:
    assert read_wish(wish(branch=580.0)) == read_wish(wish(branch="580")) == read_wish(wish(branch=580))


MIRROR = {"url": "http://mirror/nvidia/deb/", "key_url": "http://mirror/nvidia/key.asc", "key_sha256": "a" * 64}


@pytest.mark.parametrize(("name", "step", "other"), [("cuda", "driver", "toolkit"), ("toolkit", "toolkit", "driver")])
def test_a_mirror_takes_the_place_of_the_repository_and_its_checksum_that_of_the_key(
    name: str, step: str, other: str
) -> None:
    usual = planned(facts(**DEBIAN)).values
    told = planned(facts(**DEBIAN), {**wish(), "repositories": {name: MIRROR}}).values

    assert told[step]["GR_REPO"] == "http://mirror/nvidia/deb/ /"
    assert (told[step]["GR_KEY_URL"], told[step]["GR_KEY_SHA256"]) == (MIRROR["key_url"], "a" * 64)
    assert told[other] == usual[other]


def test_where_the_driver_is_not_from_the_mirror_it_is_not_told_of_one() -> None:
    told = planned(facts(), {**wish(), "repositories": {"cuda": MIRROR}}).values
    assert "GR_REPO" not in told["driver"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cuda": {**MIRROR, "url": "http://mirror/a b"}}, "repositories.cuda.url cannot be the text"),
        ({"cuda": {**MIRROR, "url": "http://mirror/[trusted=yes]"}}, "repositories.cuda.url cannot be the text"),
        ({"toolkit": {**MIRROR, "key_sha256": "A" * 64}}, "repositories.toolkit.key_sha256 cannot be the text"),
        ({"toolkit": {"url": MIRROR["url"]}}, "repositories.toolkit.key_url cannot be"),
        ({"driver": MIRROR}, "repositories cannot be an object"),
        ([MIRROR], "repositories cannot be a list"),
    ],
)
def test_a_mirror_that_is_none_is_refused(given: Any, said: str) -> None:
    refused = plan(facts(**DEBIAN), {**wish(), "repositories": given})
    assert isinstance(refused, tuple)
    assert any(one.id == "HST-84" and one.problem.startswith(said) for one in refused), refused
