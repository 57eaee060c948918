"""The text of a kubeconfig for a cluster that was made: the same for everybody. In that of a cloud is no password."""

import json
from collections.abc import Mapping
from typing import Any


def eks_kubeconfig(cluster: Mapping[str, Any], region: str) -> str:
    """For a cluster in EKS: the AWS CLI gives the token each time, so that none stands here."""
    name = str(cluster["name"])
    program = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["eks", "get-token", "--region", region, "--cluster-name", name, "--output", "json"],
        "interactiveMode": "Never",
    }
    server = {"server": cluster["endpoint"], "certificate-authority-data": cluster["certificateAuthorities"][0]["data"]}
    return _text(name, server, {"exec": program})


def k3s_kubeconfig(said: Mapping[str, Any], address: str, name: str) -> str:
    """For a k3s that a host was made: what its administrator shows, at the address by which ssh finds the host. It is
    the key to all of the cluster, so whoever has this text keeps it as a secret."""
    host = f"[{address}]" if ":" in address else address
    server = {"server": f"https://{host}:6443", "certificate-authority-data": said.get("authority", "")}
    user = {"client-certificate-data": said.get("certificate", ""), "client-key-data": said.get("key", "")}
    return _text(name, server, user)


def _text(name: str, server: Mapping[str, Any], user: Mapping[str, Any]) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": server}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        },
        indent=1,
        sort_keys=True,
    )
