"""A real cluster as the simulated parts know one: read from the API server, and what they changed written back.

The stand-ins of kubelet and GPU operator (lab/cluster) work on objects in memory. Here these are copies of real ones;
schedulers, controllers, admission and garbage collection stay the real ones' business.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

from lab.cluster.clock import START, stamp
from lab.cluster.operand_programs import ALONE, CLAIMS
from lab.cluster.releases import effective, merged
from lab.cluster.store import TEMPLATE_GENERATION, ApiError, Cluster, Object
from lab.real.api import Api

READ = ("Namespace", "Node", "Pod", "DaemonSet", "Service", "RuntimeClass", "ConfigMap", "ClusterPolicy")
CLAIMED = ("ResourceSlice", "ResourceClaim")
"""Where a DRA driver is, or was."""
_MANAGERS = {"ResourceSlice": CLAIMS, "Node": "nfd-master", "Pod": "kubelet", "Event": "kubelet"}
_OPERATOR = "gpu-operator"
_OWN_META = ("resourceVersion", "generation", "uid", "creationTimestamp")
_CARD = "nvidia.com/gpu"
_NAME, _MADE_BY = "app.kubernetes.io/name", "app.kubernetes.io/managed-by"
_PARTS = (_OPERATOR, "node-feature-discovery", ALONE, CLAIMS)
_NAME_OF_DRIVER, _CLAIM_STATUSES = "-kubelet-plugin", "resourceClaimStatuses"
_OF_PLUGIN = ("gpu-feature-discovery", "mps-control-daemon")
Objects = dict[str, dict[str, Object]]
"""Objects by kind and name."""


class Mirror:
    """Copies of what the stand-ins look at, and the notes that they keep about it."""

    def __init__(self, api: Api, spec: Object, speed: float) -> None:
        self.api, self.speed, self._began = api, speed, time.time()
        data: Object = {
            "spec": spec, "seed": 20260101, "revision": 1000, "wake": None, "private": {}, "images": {},
            "discovered": {}, "releases": {}, "operator_version": "", "objects": {},
        }  # fmt: skip
        self.cluster = Cluster(data, self.now())
        self.refusals: dict[str, str] = {}
        """What the server did not take from the stand-ins, by object: none in a lab that is well."""

    def now(self) -> float:
        """The stand-ins' own time, which runs faster."""
        return self._began - START + (time.time() - self._began) * self.speed

    def read(self) -> Objects:
        """Brings the copies up to date."""
        cluster, events = self.cluster, self.cluster.data["objects"].get("Event", {})
        cluster.now = max(cluster.now, self.now())
        found = {kind: self.api.list(kind) for kind in READ}
        offers = any(_NAME_OF_DRIVER in one["metadata"]["name"] for one in found["DaemonSet"])
        if offers or cluster.data["objects"].get("ResourceSlice"):
            found |= {kind: self.api.list(kind) for kind in CLAIMED}
        found["Pod"] = [pod for pod in found["Pod"] if is_ours(pod) and not _is_going(pod)]
        for kind, change in _AS_KNOWN.items():
            for obj in found[kind]:
                change(cluster, obj)
        spaces = {one["metadata"]["name"] for one in found["Namespace"]}
        cluster.data["objects"] = {kind: {_key(one): one for one in objects} for kind, objects in found.items()}
        cluster.data["objects"]["Event"] = {key: one for key, one in events.items() if key.split("/")[0] in spaces}
        return copy.deepcopy(cluster.data["objects"])

    def write(self, before: Objects) -> None:
        """Sends what was changed since; what the server refuses is met again in the next round."""
        for kind, key, had, has in list(self._changes(before)):
            try:
                self._send(kind, key, had, has)
            except ApiError as error:
                self._refused(had or has, error)

    def _changes(self, before: Objects) -> Iterator[tuple[str, str, Object, Object]]:
        for kind, objects in self.cluster.data["objects"].items():
            known = before.get(kind, {})
            for key in [*known, *(key for key in objects if key not in known)]:
                if known.get(key) != objects.get(key):
                    yield kind, key, known.get(key, {}), objects.get(key, {})

    def _send(self, kind: str, key: str, had: Object, has: Object) -> None:
        namespace, _, name = key.rpartition("/")
        if not has:
            self.api.delete(kind, name, namespace or None)
        elif not had:
            self._create(kind, has)
        else:
            patch = difference(_sent(had), _sent(has))
            status = patch.pop("status", None)
            manager = _MANAGERS.get(kind, _OPERATOR)
            if patch:
                self.api.merge(kind, name, namespace or None, self._dated(patch), manager)
            if status is not None:
                part = self._dated({"status": status})
                self.api.merge(kind, name, namespace or None, part, "kubelet" if kind == "Node" else manager, "status")
            self._remember(kind, has)

    def _create(self, kind: str, obj: Object) -> None:
        """Notes about what a stand-in made go with it to the name that the server gave it."""
        wanted = self._dated(_sent(obj))
        if kind == "DaemonSet":
            self._account(obj)
            # A namespace that is deleted waits half of this for its pods, and none of these needs a second.
            wanted["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1
        made = self.api.create(wanted, _MANAGERS.get(kind, _OPERATOR))
        private = self.cluster.data["private"]
        private.setdefault(made["metadata"]["uid"], {}).update(private.pop(obj["metadata"].get("uid"), {}))
        self._remember(kind, {**obj, "metadata": {**obj["metadata"], "uid": made["metadata"]["uid"]}})

    def _account(self, daemon_set: Object) -> None:
        """The service account that the operator makes for each of its parts: no pod without it."""
        meta = {**daemon_set["metadata"], "name": daemon_set["spec"]["template"]["spec"]["serviceAccountName"]}
        meta = {key: value for key, value in meta.items() if key in ("name", "namespace", "ownerReferences")}
        if self.api.get("ServiceAccount", meta["name"], meta["namespace"]) is None:
            self.api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}, _OPERATOR)

    def _remember(self, kind: str, obj: Object) -> None:
        """The server adds defaults to what it gets: compared is with what was sent."""
        part = {"Pod": "status", "DaemonSet": "spec", "Service": "spec"}.get(kind)
        if part:
            self.cluster.private(obj)["sent"] = copy.deepcopy(obj[part])

    def _refused(self, obj: Object, error: ApiError) -> None:
        if obj["kind"] == "Event":
            self.cluster.data["objects"]["Event"].pop(_key(obj), None)
        elif error.reason not in ("NotFound", "Conflict"):
            self.refusals[f"{obj['kind']} {obj['metadata']['name']}"] = str(error)
        self.cluster.private(obj).pop("sent", None)

    def _dated(self, value: Any) -> Any:
        """Times that are still to come, because the stand-ins' time runs faster, become now."""
        if isinstance(value, dict):
            return {key: self._dated(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._dated(one) for one in value]
        now = stamp(time.time() - START)
        return now if isinstance(value, str) and _is_time(value) and value > now else value


def is_ours(pod: Object) -> bool:
    """Whether the stand-ins play what the pod does: it has a card, or it is a part of operator or plugin."""
    labels = pod["metadata"].get("labels", {})
    limits = [(one.get("resources") or {}).get("limits") or {} for one in pod["spec"]["containers"]]
    by_claim = bool(pod["spec"].get("resourceClaims"))
    mine = labels.get(_NAME) in _PARTS or labels.get(_MADE_BY) == _OPERATOR
    return mine or by_claim or any(_CARD in one for one in limits)


def difference(had: Any, has: Any) -> Object:
    """A merge patch from one to the other."""
    patch: Object = {key: None for key in had if key not in has}
    for key, value in has.items():
        if isinstance(value, dict) and isinstance(had.get(key), dict):
            inner = difference(had[key], value)
            patch |= {key: inner} if inner else {}
        elif had.get(key) != value or key not in had:
            patch[key] = value
    return patch


def _sent(obj: Object) -> Object:
    meta = {key: value for key, value in obj["metadata"].items() if key not in _OWN_META}
    annotations = {key: one for key, one in (meta.pop("annotations", None) or {}).items() if key != TEMPLATE_GENERATION}
    return {**obj, "metadata": {**meta, **({"annotations": annotations} if annotations else {})}}


def _is_going(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def _is_time(text: str) -> bool:
    return len(text) == 20 and text[10] == "T" and text[-1] == "Z" and text[:4].isdigit()


def _key(obj: Object) -> str:
    meta = obj["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])


def _pod_as_known(cluster: Cluster, pod: Object) -> None:
    """The status as it was sent, with what the scheduler said meanwhile; and which part of the operator it is."""
    notes = cluster.private(pod)
    sent = notes.get("sent")
    if sent:
        placed = [one for one in pod["status"].get("conditions", ()) if one["type"] == "PodScheduled"]
        ours = [one for one in sent["conditions"] if one["type"] != "PodScheduled"]
        claims = {key: pod["status"][key] for key in [_CLAIM_STATUSES] if key in pod["status"]}
        pod["status"] = {**copy.deepcopy(sent), "conditions": [*copy.deepcopy(ours), *placed], **claims}
    part = _part(pod)
    if part:
        notes.update(operand=part, **({"slow": True} if _is_operand(pod) else {}))


def _part(pod: Object) -> str:
    """Which part of the operator a pod is, by its labels; none for a pod that some Job made."""
    labels, makers = pod["metadata"].get("labels", {}), pod["metadata"].get("ownerReferences", ())
    if any(one["kind"] == "Job" for one in makers):
        return ""
    if labels.get(_NAME) == _PARTS[1]:
        return f"{_PARTS[1]}-{labels.get('role', '')}"
    if _is_operand(pod):
        return str(labels.get("app", ""))
    if labels.get(_NAME) == CLAIMS:
        return CLAIMS
    if labels.get(_NAME) == ALONE:
        # All parts of that chart have the same labels.
        return next((one for one in _OF_PLUGIN for maker in makers if maker["name"].endswith(one)), ALONE)
    return _OPERATOR if labels.get(_NAME) == _OPERATOR else ""


def _is_operand(pod: Object) -> bool:
    """Whether the operator itself made it, and not its chart."""
    return bool(pod["metadata"].get("labels", {}).get(_MADE_BY) == _OPERATOR)


def _spec_as_known(cluster: Cluster, obj: Object) -> None:
    notes = cluster.private(obj)
    if "sent" in notes:
        obj["spec"] = copy.deepcopy(notes["sent"])


def _policy_as_known(cluster: Cluster, policy: Object) -> None:
    """The chart's defaults stand in the policy only as far as its template writes them."""
    version = policy["metadata"]["labels"]["app.kubernetes.io/version"]
    policy["spec"] = merged(effective(version, {}), policy["spec"])


_AS_KNOWN: dict[str, Callable[[Cluster, Object], None]] = {
    "Pod": _pod_as_known,
    "DaemonSet": _spec_as_known,
    "Service": _spec_as_known,
    "ClusterPolicy": _policy_as_known,
}
