"""Hosts that are not there: what was made stays, what was never made is only noted, and no connection is tried."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.cluster import field_managers
from lab.engine import Result
from tests.effort import long
from tests.unit.small_machines import STEPS, Homelab, Quick

pytestmark = long


LABEL = "gpu-ready/host"
FORGOTTEN = "nodes-rtx-bundle"
"""That tools were sent to a host that is away: they are sent again when it is back."""


@pytest.fixture
def rtx() -> Quick:
    return Quick("rtx", 1)


@pytest.fixture
def lab(tmp_path: Path, rtx: Quick) -> Homelab:
    return Homelab(tmp_path, rtx, Quick("tesla", 2))


def up(lab: Homelab, **states: str) -> Result:
    """Without a proof, where that is not what the test is about."""
    return lab.run("up", {**lab.config(**states), "validation": {"enabled": False}})


def labels(lab: Homelab) -> dict[str, Any]:
    """Of each node the name of its host."""
    with lab.world.open() as cluster:
        found = {one["metadata"]["name"]: one["metadata"]["labels"].get(LABEL) for one in cluster.list("Node")}
    return {name: host for name, host in found.items() if host}


def changed(result: Result) -> set[str]:
    assert (result.exit, result.errors) == (0, [])
    return {name for op, _type, name in result.steps if op != "same"}


def lose(lab: Homelab, node: str) -> None:
    """Somebody has taken the node out of the cluster."""
    with lab.world.open() as cluster:
        cluster.spec["nodes"] = [one for one in cluster.spec["nodes"] if one["name"] != node]
        cluster.delete("Node", node)


def test_a_host_that_went_away_keeps_its_proof_and_nobody_waits_for_another_one(lab: Homelab, rtx: Quick) -> None:
    assert lab.up().exit == 0
    rtx.way = "silent"

    offline = lab.up(rtx="offline")

    assert changed(offline) == {FORGOTTEN, "nodes-match", "gpu-validation-ready", "gpu-validation-gate"}
    assert "not tested: rtx is offline" in offline.outputs["report"]["warnings"]
    assert [one["name"] for one in offline.outputs["report"]["nodes"]] == ["gpu-2"]
    shown = offline.outputs["hosts"]
    assert (shown["rtx"]["node"], shown["rtx"]["driver"], shown["rtx"]["state"]) == ("gpu-1", "580.126.20", "offline")
    assert (shown["tesla"]["node"], "state" in shown["tesla"]) == ("gpu-2", False)
    assert "on rtx, tesla: removes" in offline.outputs["destroy_hint"]


def test_a_host_that_went_away_keeps_its_label_and_can_be_given_up_without_its_node(lab: Homelab, rtx: Quick) -> None:
    changed(up(lab))
    rtx.way, dials = "silent", lab.dials("rtx")
    lose(lab, "gpu-1")
    assert changed(up(lab, rtx="offline")) == {FORGOTTEN, "nodes-match"}
    assert changed(up(lab, rtx="abandoned")) == set()
    assert {"gpu-stack-rtx", "nodes-rtx-tools"} <= changed(up(lab, rtx="gone"))
    assert lab.dials("rtx") == dials
    assert labels(lab) == {"gpu-2": "tesla"}


def called(lab: Homelab, name: str, other: str) -> None:
    """From now on the machine has another name in the list as well."""
    lab.quick[other] = replace(lab.quick[name], name=other)
    lab.quick[other].host_key = lab.quick[name].host_key


@contextmanager
def node_of(lab: Homelab, name: str) -> Iterator[tuple[Any, Any]]:
    with lab.world.open() as cluster:
        found = cluster.get("Node", name)
        assert found is not None
        yield cluster, found


@pytest.mark.parametrize("name", ["rtx", "blue"])
def test_what_was_abandoned_and_is_declared_again_gets_its_label_and_takes_it_along(lab: Homelab, name: str) -> None:
    """A label that is left behind has an owner, whom another name would meet as a conflict."""
    start = lab.world.snapshot()
    changed(up(lab))
    changed(up(lab, rtx="abandoned"))
    changed(up(lab, rtx="gone"))
    assert labels(lab) == {"gpu-1": "rtx", "gpu-2": "tesla"}, "what was abandoned keeps its label"
    called(lab, "rtx", "blue")
    others = {other: "gone" for other in ("rtx", "blue") if other != name}

    changed(up(lab, **others))

    assert labels(lab) == {"gpu-1": name, "gpu-2": "tesla"}
    with node_of(lab, "gpu-1") as (_cluster, node):
        assert node["metadata"]["annotations"]["pulumi.com/patchFieldManager"].endswith(f"/demo/nodes-{name}")
    assert changed(up(lab, **others)) == set()
    assert lab.run("destroy").exit == 0
    assert lab.world.unexpected(start, lab.world.snapshot()) == []


def test_a_machine_that_is_handed_over_to_another_name_has_the_label_of_that_one(lab: Homelab) -> None:
    """Deletes come last: the patch of the old name must not take the label of the new one along."""
    start = lab.world.snapshot()
    changed(up(lab))
    called(lab, "rtx", "blue")
    changed(up(lab, rtx="gone"))
    assert labels(lab) == {"gpu-1": "blue", "gpu-2": "tesla"}
    assert lab.run("destroy").exit == 0
    assert lab.world.unexpected(start, lab.world.snapshot()) == []


def test_a_label_of_somebody_else_is_refused_before_anything_is_labelled_and_its_fix_helps(lab: Homelab) -> None:
    with node_of(lab, "gpu-1") as (cluster, node):
        field_managers.apply(cluster, node, "infra", {"labels": {LABEL: "training"}})
    refused = up(lab)
    assert refused.exit == 1
    said = next(text for text in refused.errors if "CFG-10 ownership" in text)
    assert "node gpu-1 has the label gpu-ready/host=training already, put there by infra" in said
    assert labels(lab) == {"gpu-1": "training"}

    with node_of(lab, "gpu-1") as (cluster, node):
        field_managers.relinquish(cluster, node, "infra")
    changed(up(lab))
    assert labels(lab) == {"gpu-1": "rtx", "gpu-2": "tesla"}


def test_a_host_that_died_in_its_first_up_holds_up_nobody_and_is_made_whole_when_it_is_back(
    lab: Homelab, rtx: Quick
) -> None:
    rtx.dies_in = "driver"
    assert up(lab).exit == 1
    dials = lab.dials("rtx")
    lab.events.clear()

    offline = up(lab, rtx="offline")
    assert {"nodes-rtx-driver", "nodes-rtx-check"} <= changed(offline)
    said = [repr(event) for event in lab.events]
    assert any("rtx is offline" in line for line in said)
    assert not any("rtx: driver" in line or "rtx: toolkit" in line for line in said), "nothing is about to be done"
    assert labels(lab) == {"gpu-1": "rtx", "gpu-2": "tesla"}, "its node is known by the machine-id that it once told"
    assert changed(up(lab, rtx="offline")) == set()
    assert lab.dials("rtx") == dials

    rtx.way, rtx.dies_in, rtx.asked = "up", "", []
    changed(up(lab))
    assert [step for step in STEPS if f"apply {step}" in rtx.asked][-1] == "check"
    assert rtx.asked.count("copy bundle") == 1
    assert lab.run("destroy").exit == 0
    assert "remove driver" in rtx.asked


def test_a_host_that_died_in_its_first_up_is_given_up_in_one_go(lab: Homelab, rtx: Quick) -> None:
    rtx.dies_in = "reboot"
    assert up(lab).exit == 1
    dials = lab.dials("rtx")
    changed(up(lab, rtx="abandoned"))
    changed(up(lab, rtx="gone"))
    assert lab.dials("rtx") == dials


@pytest.mark.parametrize("kept", ["rtx", "rtx tesla"])
def test_the_last_hosts_are_given_up_and_the_stack_goes_without_them(lab: Homelab, rtx: Quick, kept: str) -> None:
    others = {name: "gone" for name in ("tesla",) if name not in kept}
    changed(up(lab, **others))
    rtx.way = lab.quick["tesla"].way = "silent"
    assert lab.run("destroy").exit == 1, "a host that does not answer holds it up"
    dials = lab.remote.connections

    abandoned = up(lab, **dict.fromkeys(kept.split(), "abandoned"), **others)
    assert (abandoned.exit, abandoned.errors) == (0, [])
    gone = lab.run("destroy")

    assert (gone.exit, gone.errors, lab.remote.connections) == (0, [], dials)
    assert lab.engine.store.load()["resources"] == []


def test_nobody_is_there_from_the_first_day_on(lab: Homelab) -> None:
    nobody = lab.up(rtx="offline", tesla="offline")
    assert (nobody.exit, nobody.errors) == (0, [])
    assert nobody.outputs["report"] == {"ready": None, "why": "no host is there: rtx is offline; tesla is offline"}
    assert lab.remote.connections == 0
    assert labels(lab) == {}
    assert all(job.plain["spec"]["suspend"] for job in nobody.all("Job"))

    assert changed(lab.up(rtx="offline", tesla="offline")) == set()

    there = lab.up()
    assert (there.exit, there.errors) == (0, [])
    assert [one["name"] for one in there.outputs["report"]["nodes"]] == ["gpu-1", "gpu-2"]
    assert labels(lab) == {"gpu-1": "rtx", "gpu-2": "tesla"}


def test_what_was_never_made_is_taken_back_without_a_connection(lab: Homelab) -> None:
    changed(up(lab, rtx="offline", tesla="offline"))
    assert (lab.run("destroy").exit, lab.remote.connections) == (0, 0)


def test_a_second_host_beside_one_that_somebody_else_rebooted(lab: Homelab, rtx: Quick) -> None:
    changed(up(lab, tesla="gone"))
    rtx.boot_id, dials = "99999999-2222-3333-4444-555555555555", lab.dials("rtx")
    lab.shows(rtx)
    changed(up(lab))
    assert labels(lab) == {"gpu-1": "rtx", "gpu-2": "tesla"}
    assert lab.dials("rtx") == dials


def test_a_host_that_does_not_answer_is_one_refusal_with_id_and_fix(lab: Homelab, rtx: Quick) -> None:
    rtx.way = "refused"
    explained, raw = up(lab).errors
    assert raw == f"after 5 failed attempts: dial tcp {rtx.address}:22: connect: connection refused"
    assert explained.startswith("HST-82 access: rtx: the host does not answer")
    assert "\nfix: switch it on" in explained


def test_a_host_that_dies_where_nobody_reboots_it_is_not_waited_for(lab: Homelab, rtx: Quick) -> None:
    rtx.dies_in = "reboot"
    began = lab.world.clock.now()
    assert any(text.startswith("HST-90 access: rtx: ") for text in up(lab).errors)
    assert lab.world.clock.now() - began < 300


def test_a_silent_host_that_was_taken_out_of_the_list_is_given_up_as_its_fix_says(lab: Homelab, rtx: Quick) -> None:
    changed(up(lab))
    rtx.way = "silent"
    failed = up(lab, rtx="gone")
    assert failed.exit == 1
    said = next(text for text in failed.errors if text.startswith("HST-82 access: nodes-rtx-"))
    assert "put it back into the list with state: abandoned, pulumi up, then take it out again" in said
    assert "offline" not in said, "what is in no list has no state"
    dials = lab.dials("rtx")
    assert (up(lab, rtx="abandoned").exit, up(lab, rtx="gone").exit) == (0, 0)
    assert (lab.dials("rtx"), changed(up(lab, rtx="gone"))) == (dials, set())


def test_nodes_are_looked_for_when_all_is_done_on_all_hosts(lab: Homelab) -> None:
    result = up(lab)
    match = next(one for one in result.resources if one["urn"].endswith("nodes-match"))
    assert {"nodes-rtx-check", "nodes-tesla-check"} <= {urn.split("::")[-1] for urn in match["dependencies"]}
