"""An API server that goes away and comes back while a stack of target `cluster` is made."""

import threading
import time
from collections import Counter

import pytest

from lab.events import StepEvent
from tests.lab.engines import built_in_only
from tests.lab.real_cluster import RealHouse
from tests.lab.real_hosts import wait_for, while_it_runs

REAL = ("kube-apiserver, -controller-manager and -scheduler", "etcd", "kubectl", "helm")
STANDINS = ("kubelets (kwok)", "the operator and its chart", "containers and what they print")


@built_in_only
def test_an_api_server_that_goes_away_and_comes_back_during_up_costs_only_time(house: RealHouse) -> None:
    def outage() -> None:
        house.cluster.stop_api()
        time.sleep(4)
        house.cluster.start_api()

    # What the provider itself does meanwhile fails, as with the real one: hence after its last object before the wait.
    house.after("gpu-validation-namespace", threading.Thread(target=outage).start)
    house.up()
    assert "waiting for API server: the cluster does not answer" in house.said()


@built_in_only
def test_an_api_server_that_goes_away_between_two_objects_is_named_and_the_next_up_goes_on(house: RealHouse) -> None:
    """As with the real provider, which tries nothing again that nobody answers."""
    before = house.cluster.snapshot()
    for last in ("gpu-stack-namespace", "gpu-validation-ready"):
        house.after(last, house.cluster.stop_api)
        failed = house.run("up")
        house.cluster.start_api()
        assert failed.exit == 1, last
        assert any("connection refused" in text for text in failed.errors), (last, failed.errors)
    assert house.up().outputs["report"]["ready"] is True
    assert set(house.up().changes) == {"same"}
    made = Counter(
        one.name for one in house.events if isinstance(one, StepEvent) and (one.phase, one.op) == ("done", "create")
    )
    assert set(made.values()) == {1}, "nothing was made twice"

    assert house.run("destroy").exit == 0
    assert house.cluster.left(before) == []


SLOW = dict.fromkeys(("HELM_QPS", "HELM_BURST_LIMIT", "PULUMI_K8S_CLIENT_QPS", "PULUMI_K8S_CLIENT_BURST"), "2")
"""So many requests a second: there is time to do something between two of Helm's."""


def records(house: RealHouse) -> list[str]:
    """How far Helm says that it is with each revision."""
    found = house.cluster.api.list("Secret", "gpu-operator", labelSelector="owner=helm")
    return [one["metadata"]["labels"]["status"] for one in found]


def test_an_install_that_the_api_server_leaves_half_way_is_named_and_taken_over(
    house: RealHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody could note how it ended: Helm refuses to go on, until somebody says that nobody is at it."""
    before = house.cluster.snapshot()

    def leave() -> None:
        wait_for(lambda: "pending-install" in records(house))
        house.cluster.stop_api()

    with monkeypatch.context() as slowly, while_it_runs(leave):
        for name, value in SLOW.items():
            slowly.setitem(house.engine.env, name, value)
        assert house.run("up").exit == 1
    house.cluster.start_api()
    assert records(house) == ["pending-install"]

    failed = house.run("up")
    (fix,) = [text.partition("\nfix: ")[2] for text in failed.errors if text.startswith("OP-22 helm: ")]
    house.kubectl(fix.partition(": kubectl ")[2].partition(";")[0])
    assert house.run("refresh").exit == 0
    assert house.up().outputs["report"]["ready"] is True
    assert set(house.up().changes) == {"same"}
    assert house.run("destroy").exit == 0
    assert house.cluster.left(before) == []
