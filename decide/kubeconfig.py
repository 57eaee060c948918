"""The text of a kubeconfig for a cluster of a cloud: the same for everybody, and no password of anybody in it."""

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
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": server}],
            "users": [{"name": name, "user": {"exec": program}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        },
        indent=1,
        sort_keys=True,
    )
