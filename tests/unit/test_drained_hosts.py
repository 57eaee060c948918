"""Hosts that are rebooted or get another driver: their nodes are emptied first and opened again, by turns."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from lab.providers.transport import Finished, Script
from tests.effort import long
from tests.unit.drained_hosts import (
    at_work,
    budget,
    close,
    closed,
    config,
    marked,
    may_reboot,
    names,
    pods_on,
    said,
    seen,
    until,
    web,
)
from tests.unit.small_machines import Homelab

pytestmark = long
OURS = ("-census", "-drain", "-drain-late", "-uncordon")


@pytest.fixture
def lab(tmp_path: Path) -> Homelab:
    return at_work(tmp_path)


def test_a_node_is_emptied_while_its_driver_moves_and_is_open_with_its_pods_after(lab: Homelab) -> None:
    wish = config(lab, "rtx")
    moved = lab.run("up", wish)
    assert (moved.exit, moved.errors) == (0, [])
    assert seen(lab, "rtx") == [("driver", ["gpu-1"], []), ("reboot", ["gpu-1"], [])]
    assert (closed(lab), marked(lab)) == ([], [])
    lab.world.clock.sleep(30)
    assert pods_on(lab, "gpu-1") == ["web-gpu-1"]

    dials = lab.remote.connections
    again = lab.run("up", wish)
    assert (set(again.changes), lab.remote.connections) == ({"same"}, dials)


def test_a_budget_that_allows_none_leaves_host_and_node_alone(lab: Homelab) -> None:
    budget(lab, "gpu-1", 1)
    refused = lab.run("up", config(lab, "rtx", timeoutSeconds=60))
    assert refused.exit == 1
    assert "DRN-1 drain: rtx: nothing was done to it" in said(lab)
    assert "PodDisruptionBudget default/always-one allows none of default/web-gpu-1-" in said(lab)
    assert seen(lab, "rtx") == []
    assert (closed(lab), marked(lab), pods_on(lab, "gpu-1")) == ([], [], ["web-gpu-1"])


def test_a_node_that_somebody_else_closed_is_emptied_and_stays_closed(lab: Homelab) -> None:
    close(lab, "gpu-1")
    lab.run("up", config(lab, "rtx"))
    assert seen(lab, "rtx")[0] == ("driver", ["gpu-1"], [])
    assert (closed(lab), marked(lab)) == (["gpu-1"], [])

    budget(lab, "gpu-1", 1)
    lab.run("destroy")
    assert closed(lab) == ["gpu-1"]


def test_two_hosts_that_move_are_never_away_together(lab: Homelab) -> None:
    assert lab.run("up", config(lab, "rtx", "tesla")).exit == 0
    nodes = [nodes for name in ("rtx", "tesla") for _step, nodes, _pods in seen(lab, name)]
    assert nodes == [["gpu-1"]] * 2 + [["gpu-2"]] * 2
    assert (closed(lab), marked(lab)) == ([], [])


def test_as_many_may_be_away_as_the_stack_says(lab: Homelab) -> None:
    """The first waits until the other is closed too: alone it would wait for ever."""
    first, both = lab.quick["rtx"], threading.Event()
    watched = first.run

    def run(script: Script, *more: Any) -> Finished:
        if "/driver.sh" in script.stdin or " driver " in script.stdin:
            assert until(lambda: len(closed(lab)) == 2)
            both.set()
        return watched(script, *more)

    first.run = run  # type: ignore[assignment, method-assign]
    assert lab.run("up", config(lab, "rtx", "tesla", atOnce=2)).exit == 0
    assert both.is_set()


def test_a_failure_stops_the_next_one_and_its_repair_opens_the_node(lab: Homelab) -> None:
    lab.quick["rtx"].dies_in = "reboot"
    wish = config(lab, "rtx", "tesla")
    for host in wish["bareMetal"]["hosts"]:
        host["driver"] = {**host["driver"], "version": "580.126.20"}
    assert lab.run("up", wish).exit == 1
    assert (closed(lab), marked(lab), seen(lab, "tesla")) == (["gpu-1"], ["gpu-1"], [])

    lab.quick["rtx"].dies_in, lab.quick["rtx"].way = "", "up"
    mended = lab.run("up", wish)
    assert (mended.exit, closed(lab), marked(lab)) == (0, [], [])
    assert [step for step, *_ in seen(lab, "tesla")] == ["driver", "reboot"]


def test_a_wish_that_failed_and_is_withdrawn_opens_the_node_too(lab: Homelab) -> None:
    lab.quick["rtx"].dies_in = "driver"
    assert lab.run("up", config(lab, "rtx")).exit == 1
    assert closed(lab) == ["gpu-1"]
    lab.quick["rtx"].dies_in, lab.quick["rtx"].way = "", "up"
    assert lab.run("up", config(lab)).exit == 0
    assert (closed(lab), marked(lab)) == ([], [])


def test_destroy_after_a_failure_opens_the_node(lab: Homelab) -> None:
    lab.quick["rtx"].dies_in = "driver"
    assert lab.run("up", config(lab, "rtx")).exit == 1
    lab.quick["rtx"].dies_in, lab.quick["rtx"].way = "", "up"
    assert lab.run("destroy").exit == 0
    assert (closed(lab), marked(lab)) == ([], [])


def test_files_in_an_empty_dir_are_lost_only_where_that_was_said(lab: Homelab) -> None:
    web(lab, "gpu-2", volumes=[{"name": "scratch", "emptyDir": {}}])
    assert lab.run("up", config(lab, "tesla")).exit == 1
    assert "DRN-2 drain: tesla" in said(lab)
    assert "bareMetal.drain.emptyDir: delete" in said(lab)
    assert (closed(lab), seen(lab, "tesla")) == ([], [])

    assert lab.run("up", config(lab, "tesla", emptyDir="delete")).exit == 0
    assert seen(lab, "tesla")[0] == ("driver", ["gpu-2"], [])


def test_without_a_drain_the_host_goes_down_with_its_pods(lab: Homelab) -> None:
    assert lab.run("up", config(lab, "rtx", enabled=False)).exit == 0
    assert seen(lab, "rtx")[0] == ("driver", [], ["web-gpu-1"])


def test_what_takes_nobody_down_sends_nobody_away(lab: Homelab) -> None:
    found, before = may_reboot(lab), names(lab)
    found["bareMetal"]["hosts"][0]["toolkit"] = {"version": "1.20.1"}
    moved = lab.run("up", found)
    assert moved.exit == 0
    ours = [one.plain for one in moved.registered.all("Command") if one.name.endswith(OURS)]
    assert [one.get("stdin") for one in ours] == [None] * 7
    assert (names(lab), closed(lab)) == (before, [])


def test_another_patience_sends_nobody_away_again(lab: Homelab) -> None:
    assert lab.run("up", config(lab, "rtx")).exit == 0
    seen(lab, "rtx").clear()
    lab.world.clock.sleep(30)
    before = names(lab)
    assert lab.run("up", config(lab, "rtx", timeoutSeconds=120)).exit == 0
    assert (closed(lab), names(lab), seen(lab, "rtx")) == ([], before, [])


@pytest.mark.parametrize("state", ["offline", "abandoned"])
def test_hosts_that_are_not_there_are_left_out(lab: Homelab, state: str) -> None:
    lab.quick["rtx"].way = "silent"
    wish = config(lab, "rtx", "tesla")
    wish["bareMetal"]["hosts"][0]["state"] = state
    assert lab.run("up", wish).exit == 0
    assert [step for step, *_ in seen(lab, "tesla")] == ["driver", "reboot"]
    assert (closed(lab), pods_on(lab, "gpu-1")) == ([], ["web-gpu-1"])
