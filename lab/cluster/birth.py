"""A cluster at its beginning."""

from __future__ import annotations

from typing import Any

from decide import defaults
from lab.cluster import releases
from lab.cluster.admission import admit
from lab.cluster.nodes import sync_nodes
from lab.cluster.spec import normal
from lab.cluster.store import Cluster

_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged"}


def born(wanted: dict[str, Any], moment: float) -> Cluster:
    """A fresh cluster with the nodes, classes and, if asked for, the operator of a description."""
    data: dict[str, Any] = {
        "format": 1,
        "spec": normal(wanted),
        "seed": 20260101,
        "revision": 1000,
        "now": moment,
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
    for name in (*_NAMESPACES, *data["spec"]["namespaces"]):
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for one in data["spec"]["runtime_classes"]:
        meta = {"name": one["name"]}
        handler = one.get("handler", one["name"])
        cluster.create({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": meta, "handler": handler})
    sync_nodes(cluster)
    if data["spec"]["operator"]["installed"]:
        _install(cluster, data["spec"]["operator"])
    return cluster


def _install(cluster: Cluster, wish: dict[str, Any]) -> None:
    """An operator that somebody installed with Helm before us."""
    name = wish["namespace"]
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(_PRIVILEGED)}})
    releases.install(cluster, defaults.RELEASE_NAME, name, wish["version"], wish["values"])
