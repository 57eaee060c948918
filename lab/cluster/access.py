"""Whether a kubeconfig leads to the cluster of this world, in the words of kubectl and of the Kubernetes provider."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from lab.cluster.store import Cluster

OURS = "gpu-ready-"
"""Beginning of the names of files that a step wrote for kubectl; any other file is somebody's real one."""


def address(cluster_id: str) -> str:
    """Where the API server of a cloud's cluster answers: of the range for documentation, always the same for an id."""
    number = int(hashlib.sha256(cluster_id.encode()).hexdigest(), 16)
    return f"203.0.113.{number % 254 + 1}"


def refusal(cluster: Cluster, kubeconfig: str, context: str) -> str:
    """Why this text (or path) and context do not lead there; empty if they do."""
    found = _parsed(kubeconfig)
    if not found:
        known = (cluster.spec["context"], *cluster.spec["contexts"])
        return f'context "{context}" does not exist' if context and context not in known else ""
    wanted = context or str(found.get("current-context", ""))
    if wanted not in [one["name"] for one in found["contexts"]]:
        return f'context "{wanted}" does not exist'
    of_it = found["clusters"][0]["cluster"]
    server = str(of_it["server"])
    host = server.partition("://")[2].partition(":")[0]
    made = _made_by_hosts(cluster)
    if made.get(host):
        known = made[host] == of_it["certificate-authority-data"]
        return (
            ""
            if known
            else "Unable to connect to the server: tls: failed to verify certificate: x509: unknown authority"
        )
    if host not in _addresses(cluster):
        return f"Unable to connect to the server: dial tcp {host}:443: i/o timeout"
    program = found["users"][0]["user"].get("exec", {}).get("command", "")
    if program and not cluster.spec["cloud"]["login"]:
        return f"getting credentials: exec: executable {program} not found"
    return ""


def _made_by_hosts(cluster: Cluster) -> dict[str, str]:
    """Where a host answers as the API server of this cluster, and the authority that it shows."""
    notes = cluster.data.get("machines", {})
    return {one["address"]: notes.get(one["name"], {}).get("authority", "") for one in cluster.spec["hosts"]}


def _parsed(kubeconfig: str) -> dict[str, Any]:
    text = kubeconfig.lstrip()
    return dict(json.loads(text)) if text.startswith("{") else {}


def _addresses(cluster: Cluster) -> set[str]:
    return {address(id) for id in (*cluster.spec["cloud"]["clusters"], *cluster.data.get("cloud", {}))}
