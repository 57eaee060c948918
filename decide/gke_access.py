"""How the API server of a GKE cluster is reached: a kubeconfig that is the same for every colleague and every day."""

import json

PLUGIN = "gke-gcloud-auth-plugin"
INSTALL = (
    f"gcloud components install {PLUGIN}; or your system's package: google-cloud-sdk-{PLUGIN} (apt), "
    f"google-cloud-cli-{PLUGIN} (dnf)"
)


def context_of(project: str, location: str, cluster: str) -> str:
    """The name that gcloud gives to a context, so that people know it."""
    return f"gke_{project}_{location}_{cluster}"


def identifier(project: str, location: str, cluster: str) -> str:
    """Which cluster it is, whatever its address becomes: without it a new address would make everything anew."""
    return f"gke:{project}/{location}/{cluster}"


def kubeconfig(endpoint: str, authority: str, context: str) -> str:
    """JSON, which is YAML too. No token is in it: one would change with each `up`, and be of use to others."""
    login = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": PLUGIN,
        "installHint": INSTALL,
        "provideClusterInfo": True,
    }
    cluster = {"certificate-authority-data": authority, "server": f"https://{endpoint}"}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": context, "cluster": cluster}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
            "current-context": context,
            "users": [{"name": context, "user": {"exec": login}}],
        },
        sort_keys=True,
    )
