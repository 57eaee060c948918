"""Helm values of the GPU operator, derived from ownership, each with its reason; the user's own merged last."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from decide import defaults, gke_values
from decide.ownership import Owner, Ownership
from decide.user_values import SUBCHART, faults

__all__ = ["Value", "as_tree", "faults", "values"]


class Value(NamedTuple):
    """One Helm value with its reason."""

    path: str
    value: Any
    reason: str


def values(ownership: Ownership, options: Mapping[str, Any] | None = None) -> list[Value]:
    """What ownership and options (`tolerations`, `remove_crds`, `platform`) ask of the chart; all else stays."""
    wish = options or {}
    found = [*_owned_values(ownership), *_toleration_values(wish.get("tolerations") or ()), *_crd_values(wish)]
    return [*found, *(Value(*row) for row in gke_values.VALUES.get(wish.get("platform") or "", ()))]


def _owned_values(ownership: Ownership) -> Iterator[Value]:
    for path, part in (
        ("driver.enabled", ownership.driver),
        ("toolkit.enabled", ownership.toolkit),
        ("devicePlugin.enabled", ownership.plugin),
    ):
        yield Value(path, part.owner is Owner.OPERATOR, part.reason)
    yield Value("operator.runtimeClass", defaults.RUNTIME_CLASS, ownership.runtime_class.reason)


def _toleration_values(extra: Sequence[Mapping[str, Any]]) -> Iterator[Value]:
    added = [dict(one) for one in extra if dict(one) != defaults.GPU_TOLERATION]
    if not added:
        return
    why = "GPU nodes carry these taints; the list replaces the chart's, so its defaults are repeated"
    for path, usual in (
        ("daemonsets.tolerations", defaults.DAEMONSET_TOLERATIONS),
        (f"{SUBCHART}.worker.tolerations", defaults.DISCOVERY_TOLERATIONS),
    ):
        yield Value(path, [*(dict(one) for one in usual), *added], why)


def _crd_values(wish: Mapping[str, Any]) -> Iterator[Value]:
    if wish.get("remove_crds"):
        yield Value("operator.cleanupCRD", True, "destroy shall take the custom resource definitions away too")


def as_tree(derived: Sequence[Value], user: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The values as Helm wants them, the user's own merged last."""
    tree: dict[str, Any] = {}
    for one in derived:
        *above, last = one.path.split(".")
        at = tree
        for key in above:
            at = at.setdefault(key, {})
        at[last] = one.value
    return _merged(tree, user or {})


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {key: _merged(below[key], above[key]) for key in above if _are_maps(below.get(key), above[key])}
    env = {"env": _named_once([*below["env"], *above["env"]])} if "env" in below and "env" in above else {}
    return {**below, **above, **both, **env}


def _named_once(variables: Sequence[Any]) -> list[Any]:
    """The last of each name counts: Helm itself would take one list or the other."""
    return list({one["name"]: one for one in variables}.values())


def _are_maps(one: Any, other: Any) -> bool:
    return isinstance(one, Mapping) and isinstance(other, Mapping)
