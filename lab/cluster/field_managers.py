"""Server-side apply for labels and annotations: who owns which key, conflicts, and what goes when an owner lets go."""

from __future__ import annotations

import copy
from typing import Any

from lab.cluster.store import ApiError, Cluster, Object

PARTS = ("labels", "annotations")
FIRST = "kubelet"
"""Owns what was on a node before anybody applied something to it; it updates, all others apply."""


def apply(cluster: Cluster, obj: Object, manager: str, wanted: Object, force: bool = False) -> None:
    """Makes the keys of `wanted` (labels, annotations) so and this manager's; raises `ApiError` on a conflict."""
    managers = _managers(cluster, obj)
    mine = managers.get(manager) or {part: {} for part in PARTS}
    _note_first_owner(managers, obj, wanted)
    found = [] if force else _conflicts(managers, manager, wanted)
    if found:
        raise ApiError("Conflict", _words(found))
    for part in PARTS:
        have, keys = obj["metadata"].setdefault(part, {}), wanted.get(part) or {}
        for key in [key for key in mine[part] if key not in keys]:
            _drop(managers, manager, obj, part, key)
        have.update(keys)
        if not have:
            del obj["metadata"][part]
    for other in managers.values() if force else ():
        _forget(other, wanted)
    managers[manager] = {part: dict(wanted.get(part) or {}) for part in PARTS}
    cluster.touch(obj)


def relinquish(cluster: Cluster, obj: Object, manager: str) -> None:
    """Lets go of all that the manager owns: what nobody else owns disappears."""
    managers = _managers(cluster, obj)
    for part, keys in managers.get(manager, {}).items():
        for key in keys:
            _drop(managers, manager, obj, part, key)
        if obj["metadata"].get(part) == {}:
            del obj["metadata"][part]
    managers.pop(manager, None)
    cluster.touch(obj)


def shown(cluster: Cluster, obj: Object) -> Object:
    """The object with who owns what of it, as the server tells it."""
    managers = copy.deepcopy(_managers(cluster, obj))
    _note_first_owner(managers, obj, obj["metadata"])
    fields = [
        {"manager": name, "operation": _operation(name), "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {
            "f:metadata": {f"f:{part}": {f"f:{key}": {} for key in keys} for part, keys in owned.items() if keys}}}
        for name, owned in managers.items()
    ]  # fmt: skip
    return {**obj, "metadata": {**obj["metadata"], "managedFields": fields}}


def _operation(manager: str) -> str:
    return "Update" if manager == FIRST else "Apply"


def _managers(cluster: Cluster, obj: Object) -> dict[str, Any]:
    return cluster.private(obj).setdefault("managers", {})  # type: ignore[no-any-return]


def _owners(managers: dict[str, Any], part: str, key: str) -> dict[str, Any]:
    return {name: owned[part][key] for name, owned in managers.items() if key in owned[part]}


def _note_first_owner(managers: dict[str, Any], obj: Object, wanted: Object) -> None:
    for part in PARTS:
        for key in wanted.get(part) or {}:
            value = obj["metadata"].get(part, {}).get(key)
            if value is not None and not _owners(managers, part, key):
                managers.setdefault(FIRST, {one: {} for one in PARTS})[part][key] = value


def _conflicts(managers: dict[str, Any], manager: str, wanted: Object) -> list[tuple[str, str]]:
    return [
        (name, f".metadata.{part}.{key}")
        for part in PARTS
        for key, value in (wanted.get(part) or {}).items()
        for name, theirs in _owners(managers, part, key).items()
        if name != manager and theirs != value
    ]


def _words(found: list[tuple[str, str]]) -> str:
    count = f"Apply failed with {len(found)} conflict{'s' if len(found) > 1 else ''}"
    if len(found) == 1:
        return f"{count}: conflict with {_named(found[0][0])}: {found[0][1]}"
    names = sorted({name for name, _path in found})
    listed = [
        f"conflicts with {_named(name)}:" + "".join(f"\n- {path}" for owner, path in found if owner == name)
        for name in names
    ]
    return "\n".join([f"{count}: {listed[0]}", *listed[1:]])


def _named(manager: str) -> str:
    """The server adds a version where a field was written by an update, and not where it was applied."""
    return f'"{manager}" using v1' if _operation(manager) == "Update" else f'"{manager}"'


def _drop(managers: dict[str, Any], manager: str, obj: Object, part: str, key: str) -> None:
    if set(_owners(managers, part, key)) <= {manager}:
        obj["metadata"].get(part, {}).pop(key, None)


def _forget(owned: dict[str, Any], wanted: Object) -> None:
    """What has the same value is shared."""
    for part in PARTS:
        for key, value in (wanted.get(part) or {}).items():
            if owned[part].get(key) != value:
                owned[part].pop(key, None)
