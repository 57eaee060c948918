"""The instance store of a host in settings and plan: who asks for it, what is refused, and that nobody else pays."""

from __future__ import annotations

from typing import Any

import pytest

import settings
from decide import host_plan, host_store
from decide.host_plan import Plan, plan
from host.facts import HostFacts, read
from tests.unit.small_host import DOCKER, K0S, K3S, facts, told
from tests.unit.test_host_settings import config, faults_of, host, other

WISH: dict[str, Any] = {"name": "g5", "driver": {}, "instance_store": "containers"}
ALONE = {**WISH, "operator": "none", "runtime_class": "none"}
DISK = "nvme-Amazon_EC2_NVMe_Instance_Storage_AWS0123"


def with_disks(*holds: str, mounted: str = "", **changes: Any) -> HostFacts:
    store = {"disks": [{"name": f"{DISK}{number}", "holds": one} for number, one in enumerate(holds)]}
    found = read({**told(**changes), "store": {**store, "mounted": mounted}})
    assert isinstance(found, HostFacts), found
    return found


def refused(found: HostFacts, wish: Any = None) -> dict[str, str]:
    made = plan(found, WISH if wish is None else wish)
    assert isinstance(made, tuple), made.lines()
    return {one.id: f"{one.problem} / {one.fix}" for one in made}


@pytest.mark.parametrize(
    ("changes", "wish", "folder"),
    [
        ({}, WISH, "/var/lib/containerd"),
        (DOCKER, ALONE, "/var/lib/docker"),
        (K3S, WISH, "/var/lib/rancher/k3s/agent/containerd"),
    ],
)
def test_each_runtime_has_its_folder(changes: dict[str, Any], wish: Any, folder: str) -> None:
    made = plan(with_disks("blank", "ours", **changes), wish)
    assert isinstance(made, Plan), made
    (line,) = [one for one in made.lines() if one.startswith("store")]
    assert f"{folder} on 2 disks as one (RAID 0)" in line
    assert made.values["store"]["GR_KIND"] in host_store.FOLDERS


def test_a_disk_with_something_on_it_is_named_with_what_it_holds() -> None:
    said = refused(with_disks("blank", "ext4 data"))
    assert said == {
        "DSK-1": f"/dev/disk/by-id/{DISK}1 is not blank: ext4 data / save what is on it, or take instanceStore out; "
        f"if nobody needs it: on the host: wipefs -a /dev/disk/by-id/{DISK}1"
    }


def test_what_cannot_be_is_refused_before_anything_is_done() -> None:
    assert list(refused(with_disks())) == ["DSK-2"]
    assert "own already: /dev/sdb1" in refused(with_disks("blank", mounted="/dev/sdb1"))["DSK-3"]
    assert "not known for k0s" in refused(with_disks("blank", **K0S))["DSK-3"]


def test_who_does_not_ask_is_told_and_asked_nothing() -> None:
    wish = {"name": "g5", "driver": {}}
    made = plan(facts(), wish)
    assert isinstance(made, Plan)
    assert made.values["store"] == {}
    assert not [line for line in made.lines() if "store" in line]
    assert host_plan.asked(wish) == {"GR_BRANCHES": host_plan.BRANCHES}
    assert host_plan.asked(WISH) == {"GR_BRANCHES": host_plan.BRANCHES, "GR_STORE": "containers"}


def wishes(raw: dict[str, Any]) -> list[Any]:
    return [one["wish"].get("instance_store") for one in settings.parse(raw).hosts_args()]


def args(raw: dict[str, Any]) -> list[Any]:
    return [one.get("instance_store") for one in settings.parse(raw).nodes_args()["hosts"]]


def test_it_is_said_for_all_hosts_or_for_one_and_only_where_it_is_used() -> None:
    all_but_one = config(host(), other(instanceStore="none"), bareMetal__instanceStore="containers")
    assert wishes(all_but_one) == args(all_but_one) == ["containers", None]
    one = config(host(), other(instanceStore="containers"))
    assert wishes(one) == args(one) == [None, "containers"]
    assert "instance_store" not in settings.parse(config(host())).hosts_args()[0]["wish"]


@pytest.mark.parametrize("wrong", ["raid0", True, ["containers"]])
def test_other_words_are_refused_with_those_that_are_known(wrong: Any) -> None:
    said = faults_of(config(host(instanceStore=wrong), bareMetal__instanceStore=wrong))
    assert set(said) == {"bareMetal.hosts[0].instanceStore", "bareMetal.instanceStore"}
    assert all("none" in one and "containers" in one for one in said.values())
