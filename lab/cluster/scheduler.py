"""Places pods on nodes by name, taints, labels and free resources, and says why not in the scheduler's own words."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from lab.cluster import claims
from lab.cluster.clock import stamp
from lab.cluster.store import Cluster, Object

_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "m": 1e-3, "": 1}
_AFFINITY = "node(s) didn't match Pod's node affinity/selector"
_CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_PINNED = "node(s) didn't satisfy plugin(s) [NodeAffinity]"


class Refusal(NamedTuple):
    """Why one node does not take a pod, and whether sending other pods away could change that."""

    reasons: tuple[str, ...]
    final: bool = True


def quantity(text: str | int | float) -> float:
    """A Kubernetes quantity as a number."""
    match = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text))
    return float(match[1]) * _UNITS.get(match[2], 1) if match else 0.0


def requests(spec: Object) -> dict[str, float]:
    """What a pod takes: the sum of its containers, or the largest init container if that is more."""
    total: Counter[str] = Counter()
    for container in spec.get("containers", ()):
        total.update(_asked(container))
    for container in spec.get("initContainers", ()):
        for name, amount in _asked(container).items():
            total[name] = max(total[name], amount)  # type: ignore[assignment]
    return dict(total)


def _asked(container: Object) -> dict[str, float]:
    resources = container.get("resources") or {}
    merged = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: quantity(amount) for name, amount in merged.items()}


def used(cluster: Cluster, node: str) -> dict[str, float]:
    """What the pods on a node have taken."""
    total: Counter[str] = Counter()
    for pod in cluster.list("Pod"):
        if pod["spec"].get("nodeName") == node and pod["status"].get("phase") not in ("Succeeded", "Failed"):
            total.update(requests(pod["spec"]))
    return dict(total)


def tolerates(tolerations: list[Object], taint: Object) -> bool:
    """Whether any toleration covers the taint."""
    return any(_covers(one, taint) for one in tolerations)


def _covers(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if not toleration.get("key"):
        return toleration.get("operator") == "Exists"
    if toleration["key"] != taint["key"]:
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")


def untolerated(spec: Object, node: Object) -> Object | None:
    """The first taint that keeps the pod away."""
    for taint in node["spec"].get("taints", ()):
        if taint["effect"] != "PreferNoSchedule" and not tolerates(spec.get("tolerations") or [], taint):
            return taint  # type: ignore[no-any-return]
    return None


def _term_matches(term: Object, node: Object) -> bool:
    labels = node["metadata"].get("labels", {})
    fields = {"metadata.name": node["metadata"]["name"]}
    wanted = [(one, labels) for one in term.get("matchExpressions") or ()]
    wanted += [(one, fields) for one in term.get("matchFields") or ()]
    return bool(wanted) and all(_holds(one, values) for one, values in wanted)


def _holds(requirement: Object, values: dict[str, str]) -> bool:
    has, listed = values.get(requirement["key"]), requirement.get("values") or [""]
    return {
        "In": has in listed,
        "NotIn": has not in listed,
        "Exists": has is not None,
        "DoesNotExist": has is None,
        "Gt": has is not None and has.isdigit() and int(has) > int(listed[0] or 0),
        "Lt": has is not None and has.isdigit() and int(has) < int(listed[0] or 0),
    }[requirement["operator"]]


def _terms(spec: Object) -> list[Object] | None:
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    return affinity["nodeSelectorTerms"] if affinity else None


def wants(spec: Object, node: Object) -> bool:
    """Whether node selector and required affinity allow this node."""
    labels = node["metadata"].get("labels", {})
    selector = (spec.get("nodeSelector") or {}).items()
    terms = _terms(spec)
    return all(labels.get(k) == v for k, v in selector) and (
        terms is None or any(_term_matches(term, node) for term in terms)
    )


def _pinned_elsewhere(spec: Object, node: Object) -> bool:
    """Pods bound to nodes by name are sorted out before the filters run, with a text of its own."""
    terms = _terms(spec) or []
    names = [one for term in terms for one in term.get("matchFields") or ()]
    return len(names) == len(terms) > 0 and not any(
        _holds(one, {"metadata.name": node["metadata"]["name"]}) for one in names
    )


def refusal(cluster: Cluster, spec: Object, node: Object) -> Refusal | None:
    """Why this node does not take the pod; None if it does."""
    if _pinned_elsewhere(spec, node):
        return Refusal((_PINNED,))
    if node["spec"].get("unschedulable") and not tolerates(spec.get("tolerations") or [], _CORDON):
        return Refusal(("node(s) were unschedulable",))
    if taint := untolerated(spec, node):
        # Since 1.34.2 the text no longer names the taint.
        named = f" {{{taint['key']}: {taint.get('value', '')}}}" if cluster.version < (1, 34) else "(s)"
        return Refusal((f"node(s) had untolerated taint{named}",))
    if not wants(spec, node):
        return Refusal((_AFFINITY,))
    return _short_of(cluster, spec, node)


def _short_of(cluster: Cluster, spec: Object, node: Object) -> Refusal | None:
    has = {name: quantity(amount) for name, amount in node["status"]["allocatable"].items()}
    taken, asked = used(cluster, node["metadata"]["name"]), requests(spec)
    short = [name for name, amount in asked.items() if amount > has.get(name, 0) - taken.get(name, 0)]
    if not short:
        return None
    never = any(asked[name] > has.get(name, 0) for name in short)
    return Refusal(tuple(f"Insufficient {name}" for name in sorted(short)), never)


def message(cluster: Cluster, refusals: list[Refusal]) -> str:
    """The text of FailedScheduling and of the PodScheduled condition."""
    available = f"0/{len(refusals)} nodes are available:"
    reasons = Counter(reason for one in refusals for reason in one.reasons)
    counted = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    final = sum(one.final for one in refusals)
    outlook = {
        "No preemption victims found for incoming pod": len(refusals) - final,
        "Preemption is not helpful for scheduling": final,
    }
    hopes = ", ".join(f"{count} {text}" for text, count in outlook.items() if count)
    claims = "no new claims to deallocate, " if cluster.version >= (1, 34) else ""
    return f"{available} {counted}. {claims}preemption: {available} {hopes}."


def schedule(cluster: Cluster) -> None:
    """Binds every waiting pod that fits somewhere; the others get the reason into their condition."""
    for pod in cluster.list("Pod"):
        if not pod["spec"].get("nodeName"):
            _place(cluster, pod)


def _place(cluster: Cluster, pod: Object) -> None:
    refusals = []
    absent = claims.missing(cluster, pod) if pod["spec"].get("resourceClaims") else ""
    for node in cluster.list("Node"):
        refused = refusal(cluster, pod["spec"], node)
        if refused is None and (without := absent or claims.refusal(cluster, pod, node)):
            refused = Refusal((without,))
        if refused is None:
            _bind(cluster, pod, node["metadata"]["name"])
            return
        refusals.append(refused)
    _report(cluster, pod, message(cluster, refusals) if refusals else "no nodes available to schedule pods")


def _bind(cluster: Cluster, pod: Object, node: str) -> None:
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    claims.bind(cluster, pod, node)
    pod["spec"]["nodeName"] = node
    pod["status"]["conditions"] = [condition(cluster, "PodScheduled", True)]
    cluster.touch(pod)
    cluster.event(pod, "Scheduled", f"Successfully assigned {name} to {node}", source="default-scheduler")


def _report(cluster: Cluster, pod: Object, why: str) -> None:
    if any(one.get("message") == why for one in pod["status"].get("conditions", ())):
        return
    pod["status"]["conditions"] = [condition(cluster, "PodScheduled", False, "Unschedulable", why)]
    cluster.touch(pod)
    cluster.event(pod, "FailedScheduling", why, warning=True, source="default-scheduler")


def condition(cluster: Cluster, kind: str, holds: bool, reason: str = "", text: str = "") -> Object:
    """One entry of a pod's or a Job's conditions."""
    found: Object = {
        "type": kind,
        "status": "True" if holds else "False",
        "lastProbeTime": None,
        "lastTransitionTime": stamp(cluster.now),
    }
    return {**found, **({"reason": reason} if reason else {}), **({"message": text} if text else {})}
