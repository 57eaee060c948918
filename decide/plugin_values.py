"""Helm values of the device plugin alone, derived from ownership, each with its reason; the user's own merged last."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from decide import defaults
from decide.operator_values import Value
from decide.ownership import Owner, Ownership
from decide.reading import HOST_LABEL
from decide.user_values import PLUGIN_SUBCHART

TERMS = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"


def values(ownership: Ownership, options: Mapping[str, Any] | None = None) -> list[Value]:
    """What ownership and options (`tolerations`, `discovery`, `nodes`, `node_selector`, `hosts`) ask of the chart."""
    wish = options or {}
    return [
        *_runtime_values(ownership),
        *_placement_values(wish),
        *_toleration_values(wish.get("tolerations") or (), bool(wish.get("discovery"))),
        *_discovery_values(bool(wish.get("discovery"))),
    ]


def _runtime_values(ownership: Ownership) -> Iterator[Value]:
    """Under the usual runtime the plugin would find neither card nor driver."""
    if ownership.runtime_class.owner is not Owner.HOST:
        yield Value("runtimeClassName", defaults.RUNTIME_CLASS, ownership.runtime_class.reason)


def _placement_values(wish: Mapping[str, Any]) -> Iterator[Value]:
    terms = node_terms(wish.get("nodes") or (), wish.get("node_selector") or {}, bool(wish.get("hosts")))
    if terms:
        why = "the nodes that the stack is about; the chart's own list wants labels that nobody writes here"
        yield Value(TERMS, terms, why)


def node_terms(nodes: Sequence[str], selector: Mapping[str, str], hosts: bool) -> list[dict[str, Any]]:
    """The declared nodes as alternatives: by name, by labels, or as hosts of ours; nothing where none are declared."""
    by_name = [{"matchFields": [_is("metadata.name", name)]} for name in nodes]
    by_label = [{"matchExpressions": [_is(key, value) for key, value in sorted(selector.items())]}] if selector else []
    of_host = [{"matchExpressions": [{"key": HOST_LABEL, "operator": "Exists"}]}] if hosts else []
    return [*by_name, *by_label, *of_host]


def _is(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": [value]}


def _toleration_values(extra: Sequence[Mapping[str, Any]], discovery: bool) -> Iterator[Value]:
    added = [dict(one) for one in extra if dict(one) != defaults.GPU_TOLERATION]
    if added:
        why = "GPU nodes carry these taints; the list replaces the chart's, so its defaults are repeated"
        yield Value("tolerations", [*(dict(one) for one in defaults.PLUGIN_TOLERATIONS), *added], why)
    if discovery:
        why = "the chart's worker tolerates nvidia.com/gpu=present alone, and would miss nodes with another value"
        usual = [dict(one) for one in defaults.DISCOVERY_TOLERATIONS]
        yield Value(f"{PLUGIN_SUBCHART}.worker.tolerations", [*usual, *added], why)


def _discovery_values(discovery: bool) -> Iterator[Value]:
    if discovery:
        yield Value("gfd.enabled", True, "gpu.plugin.discovery: labels on each node that say what its card is")
