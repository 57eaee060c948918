"""What is read from ResourceSlices and claims, also where they are old, odd or full of gaps."""

from typing import Any

import pytest

from decide.claim_health import claims_on, devices_of, in_claims, judge_driver, offered_cards, with_cards
from decide.reading import allocatable, stuck
from tests.unit.small_snapshot import Object, node, wish

WISH = wish(
    resource="gpu.nvidia.com",
    operator={
        "mode": "none",
        "release": "dra-driver-nvidia-gpu",
        "daemon_set": "dra-driver-nvidia-gpu-kubelet-plugin",
        "namespace": "dra",
    },
    runtime_class={"name": "nvidia", "owner": "host"},
)


def card(number: int = 0, driver: str = "580.126.20", kind: str = "gpu") -> Object:
    said = {"type": {"string": kind}, "productName": {"string": "NVIDIA A10G"}, "driverVersion": {"version": driver}}
    return {"name": f"gpu-{number}", "attributes": said, "capacity": {"memory": {"value": "23028Mi"}}}


def slice_of(*cards: Object, on: str = "gpu-1", driver: str = "gpu.nvidia.com", generation: int = 1) -> Object:
    pool = {"name": on, "generation": generation, "resourceSliceCount": 1}
    return {"spec": {"driver": driver, "nodeName": on, "pool": pool, "devices": list(cards)}}


def running(**more: Any) -> Object:
    """A cluster whose DRA driver is well."""
    meta = {"name": "dra-driver-nvidia-gpu-kubelet-plugin", "namespace": "dra", "generation": 1}
    pod = {
        "metadata": {"name": "p", "namespace": "dra", "ownerReferences": [{"kind": "DaemonSet", "name": meta["name"]}]},
        "spec": {"nodeName": "gpu-1"},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    counts = {"desiredNumberScheduled": 1, "currentNumberScheduled": 1, "observedGeneration": 1, "numberReady": 1}
    there = {"nodes": [node(gpus=0)], "daemonsets": [{"metadata": meta, "status": counts}], "pods": [pod]}
    return with_cards({**there, "resourceslices": [slice_of(card())], **more}, WISH)


def test_cards_are_described_in_their_own_words() -> None:
    assert offered_cards(running(), WISH) == {"gpu-1": ["gpu-0, NVIDIA A10G, 23028Mi, driver 580.126.20"]}
    assert judge_driver(running(), WISH) is None


@pytest.mark.parametrize(
    ("slices", "count"),
    [
        ([slice_of(card(0), card(1))], 2),
        ([slice_of(card(0)), slice_of(card(1))], 2),
        ([slice_of(card(0), generation=1), slice_of(card(0), card(1), generation=2)], 2),
        ([slice_of(card(0), on="gpu-2")], 0),
        ([slice_of(card(0), driver="compute-domain.nvidia.com")], 0),
        ([slice_of(card(0), card(1, kind="mig"), card(2, kind="vfio"))], 1),
        ([slice_of()], 0),
        ([], 0),
    ],
)
def test_a_node_hands_out_the_whole_cards_of_the_newest_pool(slices: list[Object], count: int) -> None:
    snapshot = running(resourceslices=slices)

    assert allocatable(snapshot["nodes"][0], WISH) == count


def test_no_slice_and_an_empty_one_are_told_apart() -> None:
    none, empty = (judge_driver(running(resourceslices=slices), WISH) for slices in ([], [slice_of()]))

    assert none
    assert empty
    assert (none.id, empty.id) == ("DRA-3", "DRA-3")
    assert "there is no ResourceSlice of driver gpu.nvidia.com" in none.problem
    assert "there is an empty ResourceSlice of driver gpu.nvidia.com" in empty.problem


@pytest.mark.parametrize(("version", "old"), [("579.99.1", True), ("580.0.0", False), ("1000.1.0", False), ("", False)])
def test_the_drivers_branch_is_read_from_the_cards(version: str, old: bool) -> None:
    found = judge_driver(running(resourceslices=[slice_of(card(driver=version))]), WISH)

    assert (found.id if found else "") == ("DRA-5" if old else "")


ODD: list[Any] = [None, [], {}, "x", 3, [None], {"spec": None}, [{"spec": {"devices": None}}], [{"spec": {"pool": 1}}]]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_gaps_and_nulls_raise_nothing(odd: Any) -> None:
    snapshot = running(resourceslices=odd, resourceclaims=odd)

    assert devices_of(snapshot, WISH, "gpu-1") == []
    assert claims_on(snapshot, WISH) == []
    assert judge_driver(snapshot, WISH) is not None


def claim(device: str, pod: str, pool: str = "gpu-1") -> Object:
    results = [{"driver": "gpu.nvidia.com", "pool": pool, "device": device}]
    status = {"allocation": {"devices": {"results": results}}, "reservedFor": [{"resource": "pods", "name": pod}]}
    return {"metadata": {"name": f"{pod}-gpu", "namespace": "ml"}, "status": status}


def test_who_claims_the_cards_of_full_nodes_is_named_and_nobody_else() -> None:
    told = dict(WISH, nodes=["gpu-1", "gpu-2"])
    slices = [slice_of(card(0)), slice_of(card(0), card(1), on="gpu-2")]
    nodes = [node(gpus=0), node("gpu-2", gpus=0)]
    claims = [claim("gpu-0", "train"), claim("gpu-0", "other", "gpu-2")]
    snapshot = with_cards({"nodes": nodes, "resourceslices": slices, "resourceclaims": claims}, told)

    found = in_claims(
        stuck("SCH-8", "the scheduler finds no place: 0/2 nodes: 1 cannot allocate all claims"), snapshot, told
    )

    assert (found.id, found.hopeless) == ("DRA-6", False)
    assert found.problem == "no free card on gpu-1, claimed by ml/train (gpu-0 on gpu-1)"


def test_other_words_of_the_scheduler_stay_as_they_are() -> None:
    said = stuck("SCH-8", "the scheduler finds no place: request gpu: device class gpu.nvidia.com does not exist")

    assert in_claims(said, running(), WISH) == said
