"""All objects of a cluster, in the form in which simulated clusters are compared too (`World.unexpected`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.cluster.store import ApiError, Object
from lab.real.api import Api

_NOT_COMPARED = ("Event", "Lease", "Endpoints", "EndpointSlice", "Logs", "ComponentStatus", "IPAddress")
"""What the cluster's own parts write all the time, and what belongs to the lab."""
_COUNTERS = ("resourceVersion", "generation", "managedFields", "uid", "creationTimestamp")
_BY_ITSELF = "kube-aggregator.kubernetes.io/automanaged"
_OF_NODES = ("capacity", "allocatable")
_HEARTBEATS = ("node.alpha.kubernetes.io/ttl",)


def snapshot(api: Api) -> dict[str, Object]:
    """Every object of every kind but the passing ones; of a status only what a node offers."""
    found: dict[str, Object] = {}
    for root, resource in _resources(api):
        kind = resource["kind"]
        for one in api.request("GET", f"{root}/{resource['name']}")["items"]:
            if _BY_ITSELF not in one["metadata"].get("labels", {}):
                meta = one["metadata"]
                where = f"{meta['namespace']}/" if meta.get("namespace") else ""
                found[f"{kind}/{where}{meta['name']}"] = _plain({**one, "kind": kind})
    return found


def _resources(api: Api) -> Iterator[tuple[str, Any]]:
    groups = [group["preferredVersion"]["groupVersion"] for group in api.request("GET", "/apis")["groups"]]
    for root in ("/api/v1", *(f"/apis/{group}" for group in groups)):
        try:
            listed = api.request("GET", root)["resources"]
        except ApiError:  # the group of a definition that is just going away
            continue
        for resource in listed:
            if "list" in resource["verbs"] and "/" not in resource["name"] and resource["kind"] not in _NOT_COMPARED:
                yield root, resource


def _plain(obj: Object) -> Object:
    meta = {key: value for key, value in obj["metadata"].items() if key not in _COUNTERS}
    annotations = {key: value for key, value in meta.pop("annotations", {}).items() if key not in _HEARTBEATS}
    plain = {**obj, "metadata": {**meta, **({"annotations": annotations} if annotations else {})}}
    status = plain.pop("status", None) or {}
    if obj["kind"] == "Node":
        plain["status"] = {key: status[key] for key in _OF_NODES}
    return plain
