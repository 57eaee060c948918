"""Reads the description of a world strictly: every fault at once, with its path and a word that was meant."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from decide import catalog, defaults
from lab.cluster.host_spec import NONE, host_faults, linked_nodes, meant_hosts, normal_host
from lab.cluster.operand_programs import PARTS
from lab.cluster.tenants import WORKLOAD, normal_workload, workload_faults

OPERATOR_FAULTS = ("none", "late", "stuck", "crash", "image")
JOB_FAULTS = ("none", "nvidia-smi", "mismatch", "vectoradd", "framework", "image", "hang", "nccl-peers", "nccl-memory")
API_STATES = ("up", "down", "slow")
HELM_STATES = ("up", "cut-off")
CLOUD_FAULTS = (
    *("none", "stockout", "quota", "permission", "disabled", "slow", "not-ready", "no-driver"),
    *("no-access", "no-route", "wrong-image", "no-offer", "no-addresses", "interrupted"),
)
"""What goes wrong in a cloud; each cloud says it in words of its own."""

_WORLD: dict[str, Any] = {
    "kubernetes": "1.35",
    "context": "demo",
    "contexts": [],
    "hosts": [],
    "nodes": [],
    "namespaces": [],
    "runtime_classes": [],
    "prometheus_operator": False,
    "workloads": [],
    "operator": {
        "installed": False,
        "namespace": defaults.OPERATOR_NAMESPACE,
        "version": defaults.OPERATOR_VERSION,
        "values": {},
        "ready_seconds": 40,
        "discovery_seconds": 4,
        "reacts_seconds": 5,
        "collector_seconds": 0,
        "driver_seconds": 90,
        "fault": "none",
        "part": "",
    },
    "jobs": {"fault": "none", "nodes": []},
    "api": "up",
    "helm": "up",
    "cloud": {
        "name": "",
        "project": "",
        "clusters": [],
        "autopilot": False,
        "login": True,
        "fault": "none",
        "node_seconds": 90,
    },
}
_NODE: dict[str, Any] = {
    "name": "",
    "card": None,
    "gpus": 0,
    "driver": None,
    "toolkit": False,
    "cdi": True,
    "default_runtime": False,
    "device_plugin": False,
    "geometry": "",
    "labels": {},
    "taints": [],
    "ready": True,
    "present": True,
    "unhealthy": 0,
    "busy": 0,
    "cpus": 16,
    "memory": "64Gi",
    "kernel": "6.8.0-71-generic",
    "host": "",
    "alive": True,
    "node_info": {},
    "runtime_handlers": [],
    "pool": "",
}
_CHOICES = {
    "operator.fault": OPERATOR_FAULTS,
    "operator.part": ("", *PARTS),
    "operator.version": defaults.OPERATOR_VERSIONS,
    "jobs.fault": JOB_FAULTS,
    "cloud.fault": CLOUD_FAULTS,
    "api": API_STATES,
    "helm": HELM_STATES,
}
PARTS_OF_IT = ("operator", "jobs", "cloud")
_OPTIONAL_TEXT = ("card", "driver")
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")
_FORMS = {
    "kubernetes": (_VERSION, "a version belongs here, as a text such as '1.35'"),
    "driver": (re.compile(r"\d+(\.\d+)*"), "a version belongs here, for example 580.126.20, or null for no driver"),
    "memory": (re.compile(r"\d+([KMGT]i?)?"), "an amount of memory belongs here, for example 64Gi"),
}
"""Texts that are read further on: what they look like, and what is said of others."""


class WorldError(ValueError):
    """The description of a world, or a switch of it, makes no sense; the text has a line for each fault."""


def normal(wanted: dict[str, Any]) -> dict[str, Any]:
    """The description with all defaults filled in, or one `WorldError` with every fault."""
    wanted = meant_hosts(wanted)
    faults = list(_faults(wanted))
    if faults:
        raise WorldError("\n".join(faults))
    spec = {**copy.deepcopy(_WORLD), **copy.deepcopy(wanted)}
    for part in PARTS_OF_IT:
        spec[part] = {**copy.deepcopy(_WORLD[part]), **(wanted.get(part) or {})}
    spec["hosts"] = [normal_host(one) for one in spec["hosts"]]
    spec["nodes"] = [normal_node(one) for one in linked_nodes(spec["hosts"], spec["nodes"])]
    spec["runtime_classes"] = _classes(spec)
    spec["workloads"] = [normal_workload(one) for one in spec["workloads"]]
    return spec


def _classes(spec: dict[str, Any]) -> list[dict[str, str]]:
    """Those that were asked for, and the one that k3s and RKE2 bring along."""
    said = [_class(one) for one in spec["runtime_classes"]]
    by = next((kind for one in spec["hosts"] for kind in ("k3s", "rke2") if _is(kind, one["runtime"])), "")
    brought = {"name": defaults.RUNTIME_CLASS, "handler": defaults.RUNTIME_CLASS, "by": by}
    return said if not by or brought["name"] in [one["name"] for one in said] else [*said, brought]


def _is(kind: str, runtime: str) -> bool:
    """Whether a host has this kind of Kubernetes, or gets it."""
    return runtime.startswith(kind) or (kind, runtime) == ("k3s", NONE)


def _class(written: str | dict[str, str]) -> dict[str, str]:
    """A RuntimeClass, whose handler is called like it unless said otherwise."""
    one = {"name": written} if isinstance(written, str) else written
    return {"handler": one["name"], **one}


def normal_node(wanted: dict[str, Any]) -> dict[str, Any]:
    """A node with all defaults filled in."""
    known = {key: value for key, value in wanted.items() if key in _NODE}
    node = {**copy.deepcopy(_NODE), **copy.deepcopy(known)}
    node["taints"] = [taint(one) for one in node["taints"]]
    card = catalog.find(node["card"] or "")
    if card:
        node["gpus"] = known.get("gpus", 1)
        node.update(card=card.name, memory_mib=card.memory_mib, compute_capability=card.compute_capability)
        node.update(family=card.generation.lower(), mig=card.mig)
    return node


def taint(written: str | dict[str, str]) -> dict[str, str]:
    """A taint as Kubernetes has it, from that form or from `key=value:Effect`."""
    if isinstance(written, dict):
        return dict(written)
    rest, _, effect = written.rpartition(":")
    key, _, value = rest.partition("=")
    return {"key": key, **({"value": value} if value else {}), "effect": effect}


def _faults(wanted: dict[str, Any]) -> Iterator[str]:
    yield from _unknown("", wanted, _WORLD)
    for part in PARTS_OF_IT:
        inner = wanted.get(part) or {}
        if isinstance(inner, dict):
            yield from _unknown(f"{part}.", inner, _WORLD[part])
    for path, allowed in _CHOICES.items():
        value = at(wanted, path)
        if value is not None and value not in allowed:
            listed = ", ".join(repr(one) for one in allowed)
            yield f"{path}: {value!r} is not one of {listed}{meant(str(value), allowed)}"
    hosts = wanted.get("hosts")
    yield from host_faults(hosts if isinstance(hosts, list) else [], _unknown, meant)
    yield from _list_faults(wanted)
    workloads = wanted.get("workloads")
    for number, one in enumerate(workloads if isinstance(workloads, list) else ()):
        yield from (f"workloads[{number}]: {fault}" for fault in workload_faults(one))
        yield from _unknown(f"workloads[{number}].", one if isinstance(one, dict) else {}, WORKLOAD)
    nodes = wanted.get("nodes")
    for number, node in enumerate(nodes if isinstance(nodes, list) else ()):
        yield from _node_faults(f"nodes[{number}]", node)


def _list_faults(wanted: dict[str, Any]) -> Iterator[str]:
    """Lists of names; those of RuntimeClasses may come with their handlers."""
    for key in ("namespaces", "contexts", "runtime_classes"):
        given = wanted.get(key)
        for one in given if isinstance(given, list) else ():
            inner = one if isinstance(one, dict) and key == "runtime_classes" else {"name": one}
            if not (set(inner) <= {"name", "handler", "by"} and inner.get("name") and _are_texts(inner)):
                more = " nor a map such as {name: nvidia, handler: nvidia}" if key == "runtime_classes" else ""
                yield f"{key}: {one!r} is no name{more}"


def _are_texts(given: dict[str, Any]) -> bool:
    return all(isinstance(one, str) for one in given.values())


def at(spec: dict[str, Any], path: str) -> Any:
    """The value at a dotted path, or None."""
    value: Any = spec
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


_DERIVED = ("memory_mib", "compute_capability", "family", "mig")


def _node_faults(path: str, node: Any) -> Iterator[str]:
    if not isinstance(node, dict):
        yield f"{path}: must be a map such as {{name: gpu-1, card: Tesla T4}}"
        return
    if not node.get("name"):
        yield f"{path}.name: is missing, for example gpu-1"
    known = {**_NODE, **dict.fromkeys(_DERIVED)}
    yield from _unknown(f"{path}.", node, known)
    card = node.get("card")
    if card and not catalog.find(str(card)):
        close = meant(str(card), [one.name for one in catalog.CARDS.values()])
        yield f"{path}.card: {card!r} is not in the catalog{close}"
    taints = node.get("taints", [])
    for one in taints if isinstance(taints, list) else ():
        found = taint(one) if isinstance(one, (str, dict)) else {}
        if not found.get("key") or found.get("effect") not in ("NoSchedule", "NoExecute", "PreferNoSchedule"):
            yield f"{path}.taints: {one!r} is no taint, for example nvidia.com/gpu=present:NoSchedule"


def _unknown(prefix: str, given: dict[str, Any], known: dict[str, Any]) -> Iterator[str]:
    for key, value in given.items():
        if key not in known:
            yield f"{prefix}{key}: there is no such key{meant(key, list(known))}"
        elif (value is None or f"{prefix}{key}" not in _CHOICES) and not _fits(key, value, known[key]):
            yield f"{prefix}{key}: {_unfit(key, value, known[key])}"


def _unfit(key: str, value: Any, example: Any) -> str:
    if key in _FORMS:
        return f"{value!r}: {_FORMS[key][1]}"
    if isinstance(example, int) and not isinstance(example, bool):
        return f"{value!r}: {'a' if _is_time(key) else 'a whole'} number from 0 on belongs here"
    return f"{value!r} should look like {example!r}"


def _fits(key: str, value: Any, example: Any) -> bool:
    if key in _OPTIONAL_TEXT and value is None:
        return True
    if key in _FORMS:
        return isinstance(value, str) and bool(_FORMS[key][0].fullmatch(value))
    if key in _OPTIONAL_TEXT:
        return isinstance(value, str)
    if example is None:
        return True
    if isinstance(example, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(example, bool)
    if isinstance(example, int):
        return isinstance(value, (int, float) if _is_time(key) else int) and value >= 0
    return isinstance(value, type(example))


def _is_time(key: str) -> bool:
    return key.endswith("_seconds")


def is_text(path: str) -> bool:
    """Whether a text belongs at this path: `1.20` written there is no number."""
    key = path.rpartition(".")[2]
    known = {**_NODE, **_WORLD["operator"], **_WORLD["jobs"], **_WORLD["cloud"], **_WORLD}
    return key in _OPTIONAL_TEXT or isinstance(known.get(key), str)


def meant(word: str, known: Any) -> str:
    """`, did you mean ...?` or nothing."""
    import difflib  # costs some milliseconds, and only a fault needs it

    close = difflib.get_close_matches(word, [one for one in known if one], 1, 0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
