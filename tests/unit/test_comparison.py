"""Beside somebody else's operator: what it does by itself is left out, what we leave behind is not."""

from __future__ import annotations

import copy
from typing import Any

from lab.cluster.world import World

Shot = dict[str, Any]


def thing(kind: str, name: str, namespace: str = "", **more: Any) -> Shot:
    where = f"{namespace}/{name}" if namespace else name
    meta = {"name": name, "labels": {}, **({"namespace": namespace} if namespace else {})}
    return {f"{kind}/{where}": {"kind": kind, "metadata": meta, **more}}


START: Shot = {
    **thing("ClusterPolicy", "cluster-policy", status={"state": "notReady"}),
    **thing("Deployment", "gpu-operator", "gpu-operator"),
    **thing("DaemonSet", "nvidia-driver-daemonset", "gpu-operator", status={"desired": 1}),
    **thing("Node", "gpu-1", status={"capacity": {"cpu": "8"}, "allocatable": {"cpu": "8"}}),
}


def answered() -> Shot:
    """The operator has seen a driver come."""
    after = copy.deepcopy(START)
    after["ClusterPolicy/cluster-policy"]["status"]["state"] = "ready"
    after["DaemonSet/gpu-operator/nvidia-driver-daemonset"]["status"]["desired"] = 0
    after["Node/gpu-1"]["metadata"]["labels"]["nvidia.com/gpu.product"] = "Tesla-T4"
    after["Node/gpu-1"]["status"]["capacity"]["nvidia.com/gpu"] = "1"
    return {**after, **thing("Pod", "validator", "gpu-operator")}


def test_an_operator_that_was_there_may_change_what_is_its_own() -> None:
    assert World.unexpected(START, answered()) == []


def test_what_we_leave_behind_beside_it_is_seen() -> None:
    after = {**answered(), **thing("Job", "proof", "gpu-ready")}
    after["Node/gpu-1"]["metadata"]["labels"]["gpu-ready/host"] = "rtx"
    after["Node/gpu-1"]["status"]["capacity"]["cpu"] = "7"
    assert World.unexpected(START, after) == [
        "Job/gpu-ready/proof is new",
        "Node/gpu-1 has labels gpu-ready/host",
        "Node/gpu-1 differs",
    ]


def test_where_there_was_no_operator_all_of_it_is_ours() -> None:
    start = {name: one for name, one in START.items() if name.startswith("Node/")}
    assert "DaemonSet/gpu-operator/nvidia-driver-daemonset is new" in World.unexpected(start, answered())
