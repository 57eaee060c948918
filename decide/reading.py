"""How Kubernetes objects are read: real clusters answer with gaps and nulls, and none of that may raise."""

from functools import partial
from typing import Any, Dict, List, NamedTuple, Tuple

from decide.failures import BY_ID

Obj = Dict[str, Any]
HOST_LABEL = "gpu-ready/host"
"""Of a node that this program knows as a host: the host's name."""
MIG_CONFIG = "nvidia.com/mig.config"
MIG_MARK = "gpu-ready/mig"
"""Annotation of a node whose label MIG_CONFIG is ours: the stack."""


class Verdict(NamedTuple):
    """What a reading of the cluster says."""

    state: str
    """ready, waiting or broken"""
    id: str = ""
    problem: str = ""
    evidence: Tuple[str, ...] = ()
    hopeless: bool = False
    """Waiting for something that does not come by itself."""
    fix: str = ""
    tried: Tuple[str, int] = ("", 0)
    """What is tried again by itself after a pause, and how often it has been."""

    @property
    def layer(self) -> str:
        """The layer that the verdict is about."""
        return BY_ID[self.id].layer if self.id in BY_ID else ""


def verdict(state: str, id: str, problem: str = "", *evidence: str, hopeless: bool = False, fix: str = "") -> Verdict:
    """A verdict with cause and fix from the catalogue where none is given."""
    known = BY_ID[id]
    return Verdict(state, id, problem or known.cause, tuple(one for one in evidence if one), hopeless, fix or known.fix)


broken = partial(verdict, "broken")
waits = partial(verdict, "waiting")
# It does not come by itself, though somebody may be mending it just now.
stuck = partial(verdict, "waiting", hopeless=True)


def at(obj: Any, *path: str) -> Any:
    """What stands there, or None."""
    for key in path:
        obj = obj.get(key) if isinstance(obj, dict) else None
    return obj


def text_at(obj: Any, *path: str) -> str:
    """The text that stands there, or an empty one."""
    found = at(obj, *path)
    return found if isinstance(found, str) else ""


def map_at(obj: Any, *path: str) -> Obj:
    """The object that stands there, or an empty one."""
    found = at(obj, *path)
    return found if isinstance(found, dict) else {}


def list_at(obj: Any, *path: str) -> List[Obj]:
    """The objects in the list that stands there."""
    found = at(obj, *path)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def name_of(obj: Any) -> str:
    """Name of an object."""
    return text_at(obj, "metadata", "name")


def space_of(obj: Any) -> str:
    """Namespace of an object."""
    return text_at(obj, "metadata", "namespace")


def node_of(pod: Any) -> str:
    """Name of the node that a pod is bound to."""
    return text_at(pod, "spec", "nodeName")


def labels_of(obj: Any) -> Obj:
    """Labels of an object."""
    return map_at(obj, "metadata", "labels")


def number_at(obj: Any, *path: str) -> int:
    """A whole number that may stand there as text; 0 for anything else."""
    found = at(obj, *path)
    try:
        return int(found) if isinstance(found, (int, str)) else 0
    except ValueError:
        return 0


def condition_of(obj: Any, kind: str) -> Obj:
    """The condition of that type."""
    return next((one for one in list_at(obj, "status", "conditions") if one.get("type") == kind), {})


def holds(obj: Any, kind: str) -> bool:
    """Whether the condition of that type is True."""
    return condition_of(obj, kind).get("status") == "True"


def matches(labels: Obj, selector: Obj) -> bool:
    """Whether labels fit a selector."""
    return all(labels.get(key) == value for key, value in selector.items())


def chosen_nodes(snapshot: Obj, wish: Obj) -> List[Obj]:
    """The GPU nodes that the wish is about."""
    nodes, names = list_at(snapshot, "nodes"), wish.get("nodes") or []
    if names:
        return [node for node in nodes if name_of(node) in names]
    if list_at(wish, "pools"):
        of_pools = [map_at(pool, "node_selector") for pool in list_at(wish, "pools")]
        return [node for node in nodes if any(matches(labels_of(node), one) for one in of_pools)]
    return [node for node in nodes if matches(labels_of(node), map_at(wish, "node_selector"))]


def untolerated(node: Obj, tolerations: Any) -> List[str]:
    """The node's taints that keep a pod with these tolerations away."""
    given = [one for one in tolerations if isinstance(one, dict)] if isinstance(tolerations, list) else []
    taints = [t for t in list_at(node, "spec", "taints") if t.get("effect") in ("NoSchedule", "NoExecute")]
    # Cordon and not-ready have checks of their own with better words.
    ours = [t for t in taints if not str(t.get("key")).startswith("node.kubernetes.io/")]
    return [shown_taint(taint) for taint in ours if not any(covers(one, taint) for one in given)]


def covers(toleration: Obj, taint: Obj) -> bool:
    """Whether a toleration lets a pod onto a node with this taint."""
    if toleration.get("effect") and toleration.get("effect") != taint.get("effect"):
        return False
    if toleration.get("key") and toleration.get("key") != taint.get("key"):
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def shown_taint(taint: Obj) -> str:
    """A taint as kubectl writes it."""
    value = taint.get("value")
    return f"{taint.get('key')}{f'={value}' if value else ''}:{taint.get('effect')}"


def untaint(node: Obj, taints: List[str]) -> str:
    """The command that takes taints off a node."""
    return " ".join(["kubectl taint node", name_of(node), *[taint + "-" for taint in taints]])


def resource_of(node: Obj, wish: Obj) -> str:
    """What a pod asks for to get a card of the node, or a slice of one."""
    its_own = [text_at(one, "resource") for one in list_at(wish, "mig", "nodes") if one.get("node") == name_of(node)]
    return its_own[0] if its_own else str(wish.get("resource"))


def allocatable(node: Obj, wish: Obj) -> int:
    """How many cards the node hands out, or slices."""
    return number_at(node, "status", "allocatable", resource_of(node, wish))


def capacity(node: Obj, wish: Obj) -> int:
    """How many it has of them, healthy or not."""
    return number_at(node, "status", "capacity", resource_of(node, wish))


def events_about(snapshot: Obj, name: str) -> List[str]:
    """What events say about an object, the newest last."""
    about = [one for one in list_at(snapshot, "events") if text_at(one, "involvedObject", "name") == name]
    about.sort(key=lambda one: text_at(one, "lastTimestamp") or text_at(one, "metadata", "creationTimestamp"))
    return [f"{one.get('reason')}: {one.get('message')}" for one in about]


def log_in(snapshot: Obj, pod: Obj, container: str) -> Any:
    """The log of a container if it was read, else None."""
    return map_at(snapshot, "logs").get("/".join((space_of(pod), name_of(pod), container)))


def last_lines(text: str, count: int = 5) -> List[str]:
    """The last lines that say something, each once."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return list(dict.fromkeys(reversed(lines)))[:count][::-1]


def located(pod: Obj) -> str:
    """A pod and its node, as a sentence names them."""
    node = node_of(pod)
    return f"{name_of(pod)} on {node}" if node else name_of(pod)
