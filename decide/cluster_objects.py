"""Careful readers of Kubernetes objects: real clusters leave out, null and invent what the schema promises."""

import re
from typing import Any, Dict, List

Object = Dict[str, Any]


def at(thing: Any, *path: str) -> Any:
    """The value at a path of keys, or None."""
    for key in path:
        thing = thing.get(key) if isinstance(thing, dict) else None
    return thing


def objects(thing: Any, *path: str) -> List[Object]:
    """The objects in the list at a path."""
    found = at(thing, *path)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def words(thing: Any, *path: str) -> str:
    """The text at a path, or nothing."""
    found = at(thing, *path)
    return found if isinstance(found, str) else ""


def mapping(thing: Any, *path: str) -> Object:
    """The map at a path, or an empty one."""
    found = at(thing, *path)
    return found if isinstance(found, dict) else {}


def name_of(obj: Object) -> str:
    """The object's name."""
    return words(obj, "metadata", "name")


def space_of(obj: Object) -> str:
    """The object's namespace."""
    return words(obj, "metadata", "namespace")


def labels_of(obj: Object) -> Object:
    """The object's labels."""
    return mapping(obj, "metadata", "labels")


def cards(amount: Any) -> int:
    """An amount of cards: they come whole."""
    return int(amount) if re.fullmatch(r"[0-9]{1,9}", str(amount)) else 0


def condition(obj: Object, kind: str) -> Object:
    """The condition of that type, or an empty one."""
    return next((one for one in objects(obj, "status", "conditions") if one.get("type") == kind), {})


def holds(obj: Object, kind: str) -> bool:
    """Whether a condition is true."""
    return bool(condition(obj, kind).get("status") == "True")


def asked_cards(pod: Object, resource: str) -> int:
    """How many cards a pod takes."""
    spec = mapping(pod, "spec")
    lists = [objects(spec, key) for key in ("containers", "initContainers")]
    main, first = ([cards(at(one, "resources", "limits", resource)) for one in some] for some in lists)
    return max([sum(main), *first])


def taint_text(taint: Object) -> str:
    """A taint as kubectl writes it."""
    value = words(taint, "value")
    return f"{words(taint, 'key')}{'=' + value if value else ''}:{words(taint, 'effect')}"


def untolerated(tolerations: List[Object], node: Object) -> List[str]:
    """The taints of a node that keep a pod away; those that follow from its state are left to the rules for it."""
    taints = [one for one in objects(node, "spec", "taints") if one.get("effect") != "PreferNoSchedule"]
    kept = [one for one in taints if not words(one, "key").startswith("node.kubernetes.io/")]
    return [taint_text(one) for one in kept if not any(covers(tolerance, one) for tolerance in tolerations)]


def covers(toleration: Object, taint: Object) -> bool:
    """Whether a toleration is about this taint."""
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    exists = toleration.get("operator") == "Exists"
    if not toleration.get("key"):
        return exists
    same = (toleration.get("value") or "") == (taint.get("value") or "")
    return bool(toleration["key"] == taint.get("key") and (exists or same))


def misfit(spec: Object, node: Object) -> str:
    """What of a pod's node selector and affinity a node does not meet, or nothing."""
    labels = labels_of(node)
    for key, value in mapping(spec, "nodeSelector").items():
        if labels.get(key) != value:
            return f"label {key}={value}"
    required = at(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    unmet = [unmet_term(term, labels, {"metadata.name": name_of(node)}) for term in objects(required, "nodeSelectorTerms")]
    return unmet[0] if unmet and all(unmet) else ""


def unmet_term(term: Object, labels: Object, fields: Object) -> str:
    """The first requirement of a term that does not hold, or nothing."""
    wanted = [(one, labels) for one in objects(term, "matchExpressions")]
    wanted += [(one, fields) for one in objects(term, "matchFields")]
    for one, values in wanted:
        key, operator, listed = words(one, "key"), words(one, "operator"), at(one, "values")
        listed = listed if isinstance(listed, list) else []
        has = key in values
        met = {"In": has and values.get(key) in listed, "Exists": has, "DoesNotExist": not has}
        if not met.get(operator, operator != "NotIn" or values.get(key) not in listed):
            return " ".join([key, operator, *map(str, listed)])
    return ""


def target_nodes(nodes: List[Object], wish: Object) -> List[Object]:
    """The GPU nodes that are meant: the declared ones, or those with the labels."""
    names, selector = at(wish, "nodes") or [], mapping(wish, "node_selector")
    if names:
        return [one for one in nodes if name_of(one) in names]
    return [one for one in nodes if selector and selector.items() <= labels_of(one).items()]
