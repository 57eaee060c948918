"""Nodes that are machines: a node shows what its simulated host is, and is Ready while the host is up.

A host writes its state into a file beside the world; it is read here as plain JSON, so that the stand-in kubectl
starts fast.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from decide import catalog
from lab.cluster import others
from lab.cluster.host_spec import NONE
from lab.cluster.nodes import server_version, sync_nodes
from lab.cluster.store import Cluster, Object

FOLDER, FILE = "hosts", "machine.json"
HEARTBEAT_SECONDS = 40.0
"""How long a node stays Ready after its last word."""
KUBELET_SECONDS = 5.0
"""How long a kubelet needs after the start of its machine to say a word."""
_FOR_EVER = 1e11
_ENGINES = {"containerd": "containerd://{}", "docker": "docker://28.3.2"}
_SERVERS = {"k3s": "k3s", "rke2-server": "rke2-server"}
"""Runtimes whose service is the control plane too."""
_BUILDS = {"k3s": "+k3s1", "rke2": "+rke2r1", "k0s": "+k0s"}
"""What their kubelets say behind the version of Kubernetes."""
_FIRST_WITH_HANDLERS = 2  # containerd 1.x does not tell the kubelet which handlers it has


def folder_of(world: Path, host: str) -> Path:
    """Where a host of the world in this file keeps its things."""
    return world.parent / FOLDER / host


def machine_state(world: Path, host: str) -> dict[str, Any]:
    """What the host last wrote about itself; empty before it was made."""
    try:
        found = json.loads((folder_of(world, host) / FILE).read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def is_up(state: dict[str, Any], host: Object, now: float, late: float = 0.0) -> bool:
    """Whether the machine runs, and has done so for some seconds if that is asked."""
    down, up = _last_reboot(state, host)
    return host["ssh"] != "off" and not (up and down <= now < up + late)


def _last_reboot(state: dict[str, Any], host: Object) -> tuple[float, float]:
    """From when to when; one that is due counts before anybody looked at the machine, and so it says nothing of it."""
    seconds, due, back = float(host["reboot_seconds"]), state.get("reboot_at"), float(state.get("off_until") or 0.0)
    if due is not None and state.get("fault") != "reboot-never":
        return float(due), float(due) + seconds
    return (back - seconds if back < _FOR_EVER else 0.0, back) if back else (0.0, 0.0)


def follow(cluster: Cluster, world: Path) -> None:
    """Brings each node that is a host to what the host is at this moment."""
    for host in cluster.spec["hosts"]:
        node = next((one for one in cluster.spec["nodes"] if one["host"] == host["name"]), None)
        if node is not None:
            _follow(cluster, host, node, machine_state(world, host["name"]))


def _follow(cluster: Cluster, host: Object, node: Object, state: dict[str, Any]) -> None:
    now = cluster.now
    notes = cluster.data.setdefault("machines", {}).setdefault(host["name"], {"seen": now})
    if (speaks := is_up(state, host, now, KUBELET_SECONDS)) and now - notes["seen"] >= HEARTBEAT_SECONDS / 4:
        notes["seen"] = now
        cluster.changed = True
    facts = _facts(state) if speaks and state else notes.get("facts") or _facts(state)
    speaks = speaks and (host["runtime"] != NONE or facts["has_joined"])
    last_word = max(notes["seen"], min(_last_reboot(state, host)[0], now))
    alive = speaks or now < last_word + HEARTBEAT_SECONDS
    if notes.get("facts") == facts and node["alive"] is alive:
        return
    if facts["serves"] != notes.get("facts", facts).get("serves", facts["serves"]):  # worlds of before do not say
        others.start_over(cluster)
    notes["facts"] = facts
    node.update(_declared(facts, server_version(cluster)), alive=alive)
    if host["runtime"] == NONE:
        # Whoever leaves a cluster leaves its Node behind; a cluster whose data went is no more.
        node["present"] = bool(facts["has_joined"]) or (node["present"] and not notes.get("authority"))
        if notes.get("authority") and not facts["has_joined"] and not facts["data_of"]:
            _begin_anew(cluster)
    notes["authority"] = facts["authority"]
    sync_nodes(cluster)
    cluster.changed = True


def _begin_anew(cluster: Cluster) -> None:
    """Nothing is left of what was in it."""
    from lab.cluster.birth import born

    bare = {host["name"] for host in cluster.spec["hosts"] if host["runtime"] == NONE}
    for node in cluster.spec["nodes"]:
        node["present"] = node["present"] and node["host"] not in bare
    fresh = born(cluster.spec, cluster.data.get("born", cluster.now))
    for key in ("objects", "private", "images", "discovered", "releases"):
        cluster.data[key] = fresh.data[key]


def _facts(state: dict[str, Any]) -> dict[str, Any]:
    keys = ("boot_id", "machine_id", "driver", "cards", "handlers", "containerd", "kernel", "os_image")
    server = state.get("services", {}).get(_SERVERS.get(state.get("runtime", ""), ""), {})
    extra = {"serves": server.get("starts"), "default_runtime": state.get("default_runtime", "")}
    whose = "docker" if state.get("runtime") == "docker" else "containerd"
    has_joined = state.get("runtime", NONE) != NONE
    joined = {"has_joined": has_joined, "authority": state.get("authority", ""), "data_of": state.get("data_of", "")}
    found = {key: state.get(key) for key in keys}
    return {**found, **extra, "engine": whose, "runtime": state.get("runtime"), **joined}


def _declared(facts: dict[str, Any], version: str) -> dict[str, Any]:
    """The facts as the description of a node has them."""
    cards = [card for name in facts["cards"] or () for card in [catalog.find(str(name))] if card]
    found: dict[str, Any] = {
        "driver": facts["driver"],
        "toolkit": "nvidia" in (facts["handlers"] or ()),
        "gpus": len(cards),
        "card": cards[0].name if cards else None,
        "node_info": _node_info(facts, version),
        "runtime_handlers": _handlers(facts) if facts["engine"] == "containerd" else [],
        "default_runtime": facts["default_runtime"] == "nvidia",
    }
    if facts["kernel"]:
        found["kernel"] = facts["kernel"]
    if cards:
        card = cards[0]
        found |= {"memory_mib": card.memory_mib, "compute_capability": card.compute_capability}
        found |= {"family": card.generation.lower(), "mig": card.mig}
    return found


def _node_info(facts: dict[str, Any], version: str) -> dict[str, str]:
    whose = str(facts.get("runtime") or "").partition("-")[0]
    info = {
        "kubeletVersion": f"{version}{_BUILDS.get(whose, '')}",
        "bootID": facts["boot_id"],
        "machineID": facts["machine_id"],
        "systemUUID": facts["machine_id"],
        "kernelVersion": facts["kernel"],
        "osImage": facts["os_image"],
        "containerRuntimeVersion": facts["containerd"] and _ENGINES[facts["engine"]].format(facts["containerd"]),
    }
    return {key: str(value) for key, value in info.items() if value}


def _handlers(facts: dict[str, Any]) -> list[Object]:
    major = str(facts["containerd"] or "0").partition(".")[0]
    if not major.isdigit() or int(major) < _FIRST_WITH_HANDLERS:
        return []
    features = {"recursiveReadOnlyMounts": True, "userNamespaces": True}
    return [{"name": name, "features": dict(features)} for name in ("", *(facts["handlers"] or ()))]
