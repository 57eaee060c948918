"""Who owns what where cards are handed out by claims: the rules, as data, and where there are none."""

from collections.abc import Mapping
from typing import Any

from decide.owners import Answer, Owner, Part, Refusal

DRA = "dra"
DEVICE_PLUGIN = "devicePlugin"
ALLOCATIONS = (DEVICE_PLUGIN, DRA)
SETTING = "gpu.allocation"

_BY_NODES = Part(Owner.HOST, "it has to be on each node already, branch 580 or newer; the DRA driver alone brings none")
_BY_CDI = Part(
    Owner.HOST, "none is needed: claims reach containers by CDI, which has to be on in the container runtime"
)
_NO_CLASS = Part(Owner.HOST, "none: a claim brings the card, so pods name no class")
_NO_OPERATOR = "there is no operator that could bring it (gpu.operator: none)"
_BY_CLAIM = "has no effect: pods get cards by claims, and name no RuntimeClass (gpu.allocation: dra)"


def _no_class(asked: str) -> Refusal:
    return Refusal("gpu.runtimeClass", f"{asked} {_BY_CLAIM}", "leave gpu.runtimeClass out")


ROWS: Mapping[tuple[str, str], Mapping[str, Mapping[Any, Answer]]] = {
    (f"cluster-{DRA}", "none"): {
        "driver": {
            None: _BY_NODES,
            "preinstalled": _BY_NODES,
            "operator": Refusal("gpu.driver", _NO_OPERATOR, "gpu.driver: preinstalled"),
        },
        "toolkit": {
            None: _BY_CDI,
            "preinstalled": _BY_CDI,
            "operator": Refusal("gpu.toolkit", _NO_OPERATOR, "leave gpu.toolkit out"),
        },
        "plugin": {
            None: Part(Owner.US, "none: the DRA driver's chart takes its place; both on a node give a card away twice")
        },
        "runtime_class": {
            None: _NO_CLASS,
            "none": _NO_CLASS,
            "ours": _no_class("ours"),
            "external": _no_class("external"),
        },
    },
}


def refusals(target: str, operator: Any) -> tuple[Refusal, ...]:
    """Where claims cannot be had: with an operator, and where this release does not know what nodes have."""
    found = []
    if target != "cluster":
        problem = f"is dra, which this release does on target cluster alone, got target: {target}"
        found.append(
            Refusal(SETTING, problem, f"{SETTING}: {DEVICE_PLUGIN}; or target: cluster on nodes with driver 580")
        )
    if operator == "install":
        problem = "is install beside gpu.allocation: dra; its GPUCluster, which does so from v26.7 on, is experimental"
        found.append(
            Refusal("gpu.operator", problem, "gpu.operator: none, which installs the DRA driver's chart alone")
        )
    if operator == "external":
        problem = "is external beside gpu.allocation: dra, and its device plugin would hand out the same cards"
        found.append(Refusal("gpu.operator", problem, "remove that operator, then gpu.operator: none"))
    return tuple(found)
