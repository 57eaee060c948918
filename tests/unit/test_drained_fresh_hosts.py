"""What a drain leaves alone, and hosts of which nobody knew that they go down."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.effort import long
from tests.unit.drained_hosts import (
    at_work,
    budget,
    closed,
    config,
    homelab,
    marked,
    may_reboot,
    meeting,
    names,
    pods_on,
    said,
    seen,
    web,
)
from tests.unit.small_machines import Homelab

pytestmark = long


@pytest.fixture
def lab(tmp_path: Path) -> Homelab:
    return at_work(tmp_path)


def test_a_reboot_that_only_the_driver_step_knows_of_waits_for_a_drain_too(tmp_path: Path) -> None:
    lab = homelab(tmp_path, fresh=True, surprises=True)
    web(lab, "gpu-1")
    wish = may_reboot(lab)
    assert lab.run("up", wish).exit == 0
    assert seen(lab, "rtx") == [("driver", [], ["web-gpu-1"]), ("reboot", ["gpu-1"], [])]
    assert [nodes for step, nodes, _ in seen(lab, "tesla") if step == "reboot"] == [["gpu-2"]]
    assert (closed(lab), marked(lab)) == ([], [])

    assert set(lab.run("up", wish).changes) == {"same"}
    lab.world.clock.sleep(30)
    before = names(lab)
    wish["bareMetal"]["hosts"][0]["toolkit"] = {"version": "1.20.1"}
    assert lab.run("up", wish).exit == 0
    assert (names(lab), closed(lab)) == (before, []), "what was told of an earlier boot is over"


def test_a_surprise_that_a_budget_forbids_is_no_reboot(tmp_path: Path) -> None:
    lab = homelab(tmp_path, fresh=True, surprises=True)
    web(lab, "gpu-1")
    budget(lab, "gpu-1", 1)
    assert lab.run("up", may_reboot(lab, drain={"timeoutSeconds": 60})).exit == 1
    assert "DRN-1 drain: rtx: its driver lies there and it was not rebooted" in said(lab)
    assert [step for step, *_ in seen(lab, "rtx")] == ["driver"]
    assert (closed(lab), marked(lab), pods_on(lab, "gpu-1")) == ([], [], ["web-gpu-1"])


@pytest.mark.parametrize("pods", [False, True])
def test_fresh_hosts_wait_for_each_other_only_where_pods_run_there(tmp_path: Path, pods: bool) -> None:
    lab = homelab(tmp_path, fresh=True, nouveau=True)
    together: list[bool] = []
    for name, host in lab.quick.items():
        if pods:
            web(lab, host.node)
        host.run = meeting(lab, name, together)  # type: ignore[method-assign]
    assert lab.run("up", may_reboot(lab)).exit == 0
    assert together == [not pods] * 2
    assert (closed(lab), marked(lab)) == ([], [])


def test_a_host_that_is_no_node_is_not_drained_and_waits_for_nobody(lab: Homelab) -> None:
    with lab.world.open() as cluster:
        node = cluster.get("Node", "gpu-2")
        assert node is not None
        node["status"]["nodeInfo"].update(machineID="of-another", bootID="of-another")
        next(one for one in cluster.spec["nodes"] if one["name"] == "gpu-2")["node_info"] = {"machineID": "of-another"}
    lab.run("up", config(lab, "tesla"))
    assert seen(lab, "tesla") == [("driver", [], []), ("reboot", [], [])]


def test_a_pod_that_nobody_makes_again_is_not_evicted(lab: Homelab) -> None:
    lab.world.switch("workloads", [{"name": "by-hand", "node": "gpu-2", "owner": "none"}])
    lab.world.clock.sleep(30)
    assert lab.run("up", config(lab, "tesla")).exit == 1
    assert "DRN-2 drain: tesla: nothing was done to it" in said(lab)
    assert "default/by-hand (has no controller, so nobody makes it again" in said(lab)
    assert (seen(lab, "tesla"), closed(lab), marked(lab)) == ([], [], [])


def test_pods_of_daemon_sets_stay_and_keep_nobody(lab: Homelab) -> None:
    lab.world.switch("workloads", [{"name": "log", "node": "gpu-2", "owner": "DaemonSet"}])
    lab.world.clock.sleep(30)
    assert lab.run("up", config(lab, "tesla")).exit == 0
    assert seen(lab, "tesla")[0] == ("driver", ["gpu-2"], ["log"])


def test_hosts_that_may_not_be_rebooted_have_no_steps_for_it(lab: Homelab) -> None:
    state = [one["urn"].split("::")[-1] for one in lab.engine.store.load()["resources"]]
    assert [name for name in state if name.endswith(("census", "drain", "drain-late", "uncordon"))] == []
