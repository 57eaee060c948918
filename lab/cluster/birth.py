"""A cluster at its beginning."""

from __future__ import annotations

from typing import Any

from decide import defaults
from lab.cluster import others
from lab.cluster.admission import admit
from lab.cluster.nodes import sync_nodes
from lab.cluster.spec import normal
from lab.cluster.store import Cluster

_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


def born(wanted: dict[str, Any], moment: float) -> Cluster:
    """A fresh cluster with the nodes, classes and, if asked for, the operator of a description."""
    data: dict[str, Any] = {
        "format": 1,
        "spec": normal(wanted),
        "seed": 20260101,
        "revision": 1000,
        "now": moment,
        "born": moment,
        "wake": None,
        "objects": {},
        "private": {},
        "images": {},
        "discovered": {},
        "releases": {},
        "operator_version": defaults.OPERATOR_VERSION,
    }
    cluster = Cluster(data, moment)
    cluster.admit = admit
    for name in _NAMESPACES:
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    sync_nodes(cluster)
    others.act(cluster)
    return cluster
