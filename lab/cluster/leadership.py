"""Which pod of the operator acts, and when it turns to a policy that was changed."""

from __future__ import annotations

from lab.cluster.kubelet import is_ready
from lab.cluster.operand_programs import OPERATOR
from lab.cluster.store import Cluster, Object

LEASE_SECONDS = 15.0


def leader(cluster: Cluster, policy: Object) -> Object | None:
    """The pod that holds the operator's lease; a successor has to wait until that of its predecessor has ended."""
    notes = cluster.private(policy)
    pods = {pod["metadata"]["uid"]: pod for pod in _pods(cluster)}
    if notes.get("leader") not in pods:
        ready = [uid for uid, pod in pods.items() if is_ready(pod)]
        if not ready or _lease_goes_on(cluster, notes):
            return None
        notes.update(leader=ready[0], lease_ends=None)
        cluster.changed = True
    found = pods[notes["leader"]]
    return found if is_ready(found) else None


def _pods(cluster: Cluster) -> list[Object]:
    return [pod for pod in cluster.list("Pod") if cluster.private(pod).get("operand") == OPERATOR]


def _lease_goes_on(cluster: Cluster, notes: Object) -> bool:
    if not notes.get("leader"):
        return False
    if notes.get("lease_ends") is None:
        notes["lease_ends"] = cluster.now + LEASE_SECONDS
        cluster.changed = True
    cluster.wake(notes["lease_ends"])
    return bool(cluster.now < notes["lease_ends"])


def has_seen(cluster: Cluster, policy: Object) -> bool:
    """Whether the operator has come to this state of the policy; until then its old opinion stands there."""
    notes, now = cluster.private(policy), policy["metadata"]["generation"]
    if notes.setdefault("seen", now) == now:
        return True
    if notes.get("changed") != now:
        notes.update(changed=now, due=cluster.now + cluster.spec["operator"]["reacts_seconds"])
        cluster.changed = True
    if cluster.now < notes["due"]:
        cluster.wake(notes["due"])
        return False
    notes["seen"] = now
    return True
