"""The objects of the simulated cluster and what an API server does with them: create, replace, delete, events."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from lab.cluster.clock import stamp
from lab.cluster.kinds import KINDS, Kind

Object = dict[str, Any]
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # the characters that Kubernetes puts into generated names


class ApiError(Exception):
    """A refusal of the API server; `reason` is its machine-readable name, the text what kubectl prints."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Cluster:
    """The cluster at one moment. `get` and `list` give the objects themselves: change them only through `replace`."""

    def __init__(self, data: Object, now: float) -> None:
        self.data, self.now = data, now
        self.changed = False
        self.next_wake: float | None = None
        self.admit: Callable[[Cluster, Object], None] = lambda _cluster, _object: None

    # what private code of the simulation keeps beside the objects

    @property
    def spec(self) -> Object:
        """The world as declared: nodes, faults, switches."""
        return self.data["spec"]  # type: ignore[no-any-return]

    @property
    def version(self) -> tuple[int, int]:
        """Minor version of Kubernetes."""
        major, minor = self.spec["kubernetes"].split(".")[:2]
        return int(major), int(minor)

    def private(self, obj: Object) -> Object:
        """Notes of the simulation about an object; gone with it."""
        return self.data["private"].setdefault(obj["metadata"]["uid"], {})  # type: ignore[no-any-return]

    def wake(self, moment: float) -> None:
        """Asks to look again at this moment, because something ends then."""
        if moment > self.now and (self.next_wake is None or moment < self.next_wake):
            self.next_wake = moment

    def random(self, below: int) -> int:
        """A number that looks random and is the same in each rehearsal."""
        self.data["seed"] = (self.data["seed"] * 6364136223846793005 + 1442695040888963407) % 2**64
        return int(self.data["seed"] >> 33) % below

    def suffix(self, length: int = 5) -> str:
        """The tail of a generated name."""
        return "".join(_SUFFIX[self.random(len(_SUFFIX))] for _ in range(length))

    # reading

    def _of(self, kind: str) -> dict[str, Object]:
        return self.data["objects"].setdefault(kind, {})  # type: ignore[no-any-return]

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None."""
        return self._of(kind).get(_key(kind, name, namespace))

    def list(self, kind: str, namespace: str | None = None) -> list[Object]:
        """All objects of a kind in the order of their names."""
        found = self._of(kind)
        prefix = f"{namespace}/" if namespace and _kind(kind).namespaced else ""
        return [found[key] for key in sorted(found) if key.startswith(prefix)]

    def serves(self, kind: Kind) -> bool:
        """Whether the server knows this resource type: a custom one needs its definition."""
        there = not kind.crd or self.get("CustomResourceDefinition", kind.crd) is not None
        return there and self.version >= kind.since

    def owned(self, uid: str, kind: str = "") -> Iterator[Object]:
        """Objects with this owner."""
        for name in [kind] if kind else list(self.data["objects"]):
            for obj in list(self._of(name).values()):
                if any(owner["uid"] == uid for owner in obj["metadata"].get("ownerReferences", ())):
                    yield obj

    # writing

    def touch(self, obj: Object) -> None:
        """Notes that an object changed."""
        self.data["revision"] += 1
        obj["metadata"]["resourceVersion"] = str(self.data["revision"])
        self.changed = True

    def create(self, wanted: Object) -> Object:
        """Makes an object as the API server would, or raises `ApiError`."""
        obj = copy.deepcopy(wanted)
        kind, meta = _kind(obj["kind"]), obj.setdefault("metadata", {})
        if not self.serves(kind):
            raise ApiError("NotFound", f'no matches for kind "{kind.name}" in version "{obj["apiVersion"]}"')
        if kind.namespaced:
            self._check_namespace(meta.setdefault("namespace", "default"), kind, meta.get("name", ""))
        if "name" not in meta and "generateName" not in meta:
            text = "metadata.name: Required value: name or generateName is required"
            raise ApiError("Invalid", f'{kind.name} "" is invalid: {text}')
        self.admit(self, obj)
        meta.setdefault("name", meta.get("generateName", "") + self.suffix())
        key = _key(kind.name, meta["name"], meta.get("namespace"))
        if key in self._of(kind.name):
            raise ApiError("AlreadyExists", f'{kind.resource} "{meta["name"]}" already exists')
        meta.update(uid=self._uid(), creationTimestamp=stamp(self.now), generation=1)
        _note_template(obj)
        self._of(kind.name)[key] = obj
        self.touch(obj)
        return obj

    def _uid(self) -> str:
        digits = "".join(f"{self.random(1 << 28):07x}" for _ in range(5))
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"

    def _check_namespace(self, name: str, kind: Kind, of: str) -> None:
        if self.get("Namespace", name) is None:
            raise ApiError("NotFound", f'namespaces "{name}" not found')

    def replace(self, wanted: Object) -> Object:
        """Sets spec, data, labels and annotations of an object; identity and status stay."""
        kind, meta = _kind(wanted["kind"]), wanted["metadata"]
        obj = self.get(kind.name, meta["name"], meta.get("namespace", "default"))
        if obj is None:
            raise ApiError("NotFound", f'{kind.resource} "{meta["name"]}" not found')
        changed = copy.deepcopy(wanted)
        changed["metadata"] = {**obj["metadata"], **changed["metadata"]}
        for part in ("labels", "annotations"):
            if part not in meta:
                changed["metadata"].pop(part, None)
        if "status" in obj:
            changed.setdefault("status", obj["status"])
        if _spec_of(changed) != _spec_of(obj):
            changed["metadata"]["generation"] = obj["metadata"].get("generation", 1) + 1
        _note_template(changed)
        obj.clear()
        obj.update(changed)
        self.touch(obj)
        return obj

    def delete(self, kind: str, name: str, namespace: str | None = None) -> None:
        """Deletes an object and what belongs to it; raises `ApiError` when there is none."""
        found = self._of(kind).pop(_key(kind, name, namespace), None)
        if found is None:
            raise ApiError("NotFound", f'{_kind(kind).resource} "{name}" not found')
        self.changed = True
        self.data["revision"] += 1
        uid = found["metadata"]["uid"]
        for owned in list(self.owned(uid)):
            self._let_go(owned)
        if kind == "Namespace":
            self._empty(name)
        if kind == "CustomResourceDefinition":
            self._drop_kind(name)
        self.data["private"].pop(uid, None)

    def _let_go(self, obj: Object) -> None:
        """An object without its owner; of one that no namespace takes along, the garbage collector may be late."""
        patience = self.spec["operator"].get("collector_seconds", 0)  # worlds of before know none
        if _kind(obj["kind"]).namespaced or not patience:
            self.remove(obj)
        else:
            self.private(obj)["collected_at"] = self.now + patience

    def collect(self) -> None:
        """The garbage collector takes what has waited long enough."""
        for obj in self.list("RuntimeClass"):
            due = self.data["private"].get(obj["metadata"]["uid"], {}).get("collected_at")
            if due is not None and due <= self.now:
                self.remove(obj)
            elif due is not None:
                self.wake(due)

    def remove(self, obj: Object) -> None:
        """Deletes this object unless it is gone already."""
        meta = obj["metadata"]
        if self.get(obj["kind"], meta["name"], meta.get("namespace")) is not None:
            self.delete(obj["kind"], meta["name"], meta.get("namespace"))

    def _empty(self, namespace: str) -> None:
        for kind in [name for name in self.data["objects"] if _kind(name).namespaced]:
            for obj in self.list(kind, namespace):
                self.remove(obj)
        for release in [key for key in self.data["releases"] if key.startswith(f"{namespace}/")]:
            del self.data["releases"][release]  # Helm's record is a Secret in there

    def _drop_kind(self, crd: str) -> None:
        for kind in [kind for kind in KINDS.values() if kind.crd == crd]:
            for obj in self.list(kind.name):
                self.remove(obj)

    # events

    def event(self, about: Object, reason: str, message: str, *, warning: bool = False, source: str = "") -> None:
        """Records an event; the same one again only raises its count."""
        meta = about["metadata"]
        where = meta.get("namespace", "default")
        for old in self.list("Event", where):
            if old["involvedObject"]["uid"] == meta["uid"] and (old["reason"], old["message"]) == (reason, message):
                old["count"] += 1
                old["lastTimestamp"] = stamp(self.now)
                self.touch(old)
                return
        self.create(_event(about, where, reason, message, warning, source, stamp(self.now), self.data["revision"]))


def _event(
    about: Object, where: str, reason: str, message: str, warning: bool, source: str, when: str, number: int
) -> Object:
    meta = about["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{meta['name']}.{number:016x}", "namespace": where},
        "involvedObject": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": meta["name"],
            "namespace": meta.get("namespace", ""),
            "uid": meta["uid"],
        },
        "reason": reason,
        "message": message,
        "type": "Warning" if warning else "Normal",
        "count": 1,
        "firstTimestamp": when,
        "lastTimestamp": when,
        "source": {"component": source},
        "reportingComponent": source,
    }


def _note_template(obj: Object) -> None:
    """The API server counts templates of DaemonSets; here whatever changes in one is its template."""
    if obj["kind"] == "DaemonSet":
        meta = obj["metadata"]
        meta["annotations"] = {**meta.get("annotations", {}), TEMPLATE_GENERATION: str(meta["generation"])}


def _spec_of(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise ApiError("NotFound", f'no matches for kind "{name}"')
    return KINDS[name]


def _key(kind: str, name: str, namespace: str | None) -> str:
    return f"{namespace or 'default'}/{name}" if _kind(kind).namespaced else name
