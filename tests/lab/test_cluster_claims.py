"""Cards by claims on a real API server and scheduler: up, destroy, over from the plugin and back, no free card"""

from pathlib import Path

import pytest

from tests.lab.real_cluster import RealHouse, verdicts, without_seconds
from tests.unit.house import House, with_gpu
from tests.unit.test_dra import somebodys_claim

REAL = ("kube-apiserver, -controller-manager and -scheduler with its allocation of claims", "etcd", "kubectl", "helm")
STANDINS = ("kubelets (kwok)", "the DRA driver, its slices and its chart", "containers and what they print")


@pytest.fixture
def claims(house: RealHouse) -> RealHouse:
    """A stack whose cards are handed out by claims."""
    house.config["gpu"] = {"operator": "none", "allocation": "dra"}
    return house


def test_up_again_refresh_destroy_take_the_steps_of_the_rehearsal_and_leave_nothing(
    claims: RealHouse, tmp_path: Path
) -> None:
    before, rehearsal = claims.cluster.snapshot(), House(tmp_path)
    for op in ("up", "up", "refresh", "up", "destroy"):
        result, rehearsed = claims.run(op), rehearsal.run(op, with_gpu(operator="none", allocation="dra"))
        assert result.exit == 0, "\n".join(result.errors)
        assert result.changes == rehearsed.changes, op
        if op == "up":
            assert without_seconds(result.outputs["report"]) == without_seconds(rehearsed.outputs["report"])
    assert claims.cluster.left(before) == []


def test_over_from_the_plugin_and_back_and_meanwhile_who_holds_a_card_is_named(claims: RealHouse) -> None:
    before = claims.cluster.snapshot()
    claims.up(gpu={"allocation": "devicePlugin"})
    claims.up()
    claimed_by_somebody(claims)

    taken = claims.run("up", validation={"run": 2, "timeoutSeconds": 15})
    refused = claims.run("up", gpu={"allocation": "devicePlugin"})
    claims.cluster.api.delete("Pod", "training", "default")
    claims.cluster.api.delete("ResourceClaimTemplate", "one", "default")
    claims.cluster.plane.wait("the claim to go", lambda: not claims.cluster.api.list("ResourceClaim"))
    back = claims.up(gpu={"allocation": "devicePlugin"})

    assert [one for one in verdicts(taken) if "claimed by default/training (gpu-0 on gpu-1)" in one]
    assert [one.partition(":")[0] for one in verdicts(refused)] == ["CFG-16 ownership"]
    assert back.outputs["report"]["operator"]["version"] == "nvidia-device-plugin-0.20.0"
    assert claims.cluster.api.list("ResourceSlice") == []
    assert claims.run("destroy").exit == 0
    assert claims.cluster.left(before) == []


def claimed_by_somebody(house: RealHouse) -> None:
    """A pod of somebody else that holds the card of gpu-1 by a claim."""
    template, pod = somebodys_claim("gpu-1")
    house.cluster.api.create(template, "somebody")
    house.cluster.api.create(pod, "somebody")

    def holds_it() -> bool:
        found = house.cluster.api.list("ResourceClaim")
        return any(one.get("status", {}).get("reservedFor") for one in found)

    house.cluster.plane.wait("the scheduler to allocate the claim", holds_it)
