"""What somebody else does to the cluster: brings namespaces and RuntimeClasses, installs the GPU operator."""

from __future__ import annotations

from decide import defaults
from decide.monitoring import DEFINITIONS
from lab.cluster import releases, tenants
from lab.cluster.spec import WorldError
from lab.cluster.store import ApiError, Cluster, Object

_PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged"}
_MARKS: dict[str, Object] = {
    "k3s": {
        "annotations": {
            "objectset.rio.cattle.io/id": "",
            "objectset.rio.cattle.io/owner-gvk": "k3s.cattle.io/v1, Kind=Addon",
            "objectset.rio.cattle.io/owner-name": "runtimes",
            "objectset.rio.cattle.io/owner-namespace": "kube-system",
        }
    },
    "rke2": {
        "annotations": {
            "meta.helm.sh/release-name": "rke2-runtimeclasses",
            "meta.helm.sh/release-namespace": "kube-system",
        },
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
    },
}
"""How those that come with a distribution of Kubernetes are marked."""
_NOTHING: Object = {"namespaces": [], "runtime_classes": [], "operator": {"installed": False}}


def act(cluster: Cluster, before: Object = _NOTHING) -> None:
    """Brings what the description has now and had not before, and takes what it has no longer."""
    _namespaces(cluster, before["namespaces"], cluster.spec["namespaces"])
    _classes(cluster, before["runtime_classes"], cluster.spec["runtime_classes"])
    tenants.act(cluster, before.get("workloads", []), cluster.spec.get("workloads", []))
    _prometheus(cluster, cluster.spec.get("prometheus_operator", False))  # worlds of before know none
    try:
        _operator(cluster, before["operator"], cluster.spec["operator"])
    except ApiError as error:
        raise WorldError(f"nobody can install the operator now: {error}") from error


def _namespaces(cluster: Cluster, before: list[str], wanted: list[str]) -> None:
    operator = cluster.spec["operator"]
    for name in before:
        if name not in wanted:
            if operator["installed"] and operator["namespace"] == name:
                raise WorldError(f"the operator is in {name}; turn operator.installed off first")
            _take(cluster, "Namespace", name)
    for name in wanted:
        if cluster.get("Namespace", name) is None:
            cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def _classes(cluster: Cluster, before: list[Object], wanted: list[Object]) -> None:
    names = [one["name"] for one in wanted]
    for one in before:
        if one["name"] not in names:
            _take(cluster, "RuntimeClass", one["name"])
    for one in wanted:
        made = _class(one)
        known = cluster.get("RuntimeClass", one["name"])
        if known is None:
            cluster.create(made)
        elif one not in before:
            cluster.replace(made)


def _prometheus(cluster: Cluster, wanted: bool) -> None:
    """The Prometheus operator: here no more than the kinds that it brings."""
    for name in DEFINITIONS:
        plural, _, group = name.partition(".")
        if not wanted:
            _take(cluster, "CustomResourceDefinition", name)
        elif cluster.get("CustomResourceDefinition", name) is None:
            spec = {"group": group, "names": {"plural": plural}, "scope": "Namespaced"}
            head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
            cluster.create({**head, "metadata": {"name": name}, "spec": spec})


def _class(one: Object) -> Object:
    meta = {"name": one["name"], **_MARKS.get(one.get("by", ""), {})}
    return {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": meta, "handler": one["handler"]}


def brought_by(whose: str) -> list[Object]:
    """What a server of this distribution comes with."""
    return [_class({"name": defaults.RUNTIME_CLASS, "handler": defaults.RUNTIME_CLASS, "by": whose})]


def is_brought(obj: Object) -> bool:
    """Whether it came with a distribution of Kubernetes."""
    annotations = obj["metadata"].get("annotations") or {}
    return any(annotations.items() >= marks["annotations"].items() for marks in _MARKS.values())


def start_over(cluster: Cluster) -> None:
    """A server of k3s or RKE2 that starts brings what it comes with, where it is missing."""
    for one in cluster.spec["runtime_classes"]:
        if one.get("by") and cluster.get("RuntimeClass", one["name"]) is None:
            cluster.create(_class(one))


def _take(cluster: Cluster, kind: str, name: str) -> None:
    found = cluster.get(kind, name)
    if found:
        cluster.remove(found)


def _operator(cluster: Cluster, before: Object, wish: Object) -> None:
    """Installed with Helm, by somebody who is not us; taken away with its namespace."""
    if not before["installed"]:
        if wish["installed"]:
            _install(cluster, wish)
    elif not wish["installed"]:
        if f"{before['namespace']}/{defaults.RELEASE_NAME}" in cluster.data["releases"]:
            releases.uninstall(cluster, defaults.RELEASE_NAME, before["namespace"])
        _take(cluster, "Namespace", before["namespace"])
    elif wish["namespace"] != before["namespace"]:
        raise WorldError(f"the operator is in {before['namespace']}; turn operator.installed off first")
    elif (wish["version"], wish["values"]) != (before["version"], before["values"]):
        releases.upgrade(cluster, defaults.RELEASE_NAME, wish["namespace"], wish["version"], wish["values"])


def _install(cluster: Cluster, wish: Object) -> None:
    name = wish["namespace"]
    if cluster.get("Namespace", name) is None:
        meta = {"name": name, "labels": dict(_PRIVILEGED)}
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
    releases.install(cluster, defaults.RELEASE_NAME, name, wish["version"], wish["values"])
