"""Which kinds the simulated API server serves: names as kubectl takes them, and whether they live in a namespace."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """One served resource type."""

    name: str
    plural: str
    api_version: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    crd: str = ""
    """Name of the custom resource definition without which it is not served."""
    since: tuple[int, int] = (1, 0)
    """The version of Kubernetes that serves it first."""

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def resource(self) -> str:
        """The name as it stands in the server's error texts."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


_BUILT_IN = (
    Kind("Namespace", "namespaces", "v1", False, ("ns",)),
    Kind("Node", "nodes", "v1", False, ("no",)),
    Kind("Pod", "pods", "v1", True, ("po",)),
    Kind("Event", "events", "v1", True, ("ev",)),
    Kind("ConfigMap", "configmaps", "v1", True, ("cm",)),
    Kind("Secret", "secrets", "v1"),
    Kind("ServiceAccount", "serviceaccounts", "v1", True, ("sa",)),
    Kind("Service", "services", "v1", True, ("svc",)),
    Kind("ResourceQuota", "resourcequotas", "v1", True, ("quota",)),
    Kind("LimitRange", "limitranges", "v1", True, ("limits",)),
    Kind("PersistentVolumeClaim", "persistentvolumeclaims", "v1", True, ("pvc",)),
    Kind("Deployment", "deployments", "apps/v1", True, ("deploy",)),
    Kind("ReplicaSet", "replicasets", "apps/v1", True, ("rs",)),
    Kind("DaemonSet", "daemonsets", "apps/v1", True, ("ds",)),
    Kind("StatefulSet", "statefulsets", "apps/v1", True, ("sts",)),
    Kind("Job", "jobs", "batch/v1"),
    Kind("PodDisruptionBudget", "poddisruptionbudgets", "policy/v1", True, ("pdb",)),
    Kind("CronJob", "cronjobs", "batch/v1", True, ("cj",)),
    Kind("RuntimeClass", "runtimeclasses", "node.k8s.io/v1", False),
    Kind("PriorityClass", "priorityclasses", "scheduling.k8s.io/v1", False, ("pc",)),
    Kind("StorageClass", "storageclasses", "storage.k8s.io/v1", False, ("sc",)),
    Kind("NetworkPolicy", "networkpolicies", "networking.k8s.io/v1", True, ("netpol",)),
    Kind("ClusterRole", "clusterroles", "rbac.authorization.k8s.io/v1", False),
    Kind("ClusterRoleBinding", "clusterrolebindings", "rbac.authorization.k8s.io/v1", False),
    Kind("Role", "roles", "rbac.authorization.k8s.io/v1"),
    Kind("RoleBinding", "rolebindings", "rbac.authorization.k8s.io/v1"),
    Kind(
        "CustomResourceDefinition", "customresourcedefinitions", "apiextensions.k8s.io/v1", False, ("crd", "crds")
    ),
)  # fmt: skip
_CLAIMS = tuple(
    Kind(name, plural, "resource.k8s.io/v1", namespaced, since=(1, 34))
    for name, plural, namespaced in (
        ("DeviceClass", "deviceclasses", False),
        ("ResourceSlice", "resourceslices", False),
        ("ResourceClaim", "resourceclaims", True),
        ("ResourceClaimTemplate", "resourceclaimtemplates", True),
    )
)
_MONITORING = "monitoring.coreos.com/v1"
_CUSTOM = (
    Kind("ClusterPolicy", "clusterpolicies", "nvidia.com/v1", False, (), "clusterpolicies.nvidia.com"),
    Kind("NVIDIADriver", "nvidiadrivers", "nvidia.com/v1alpha1", False, (), "nvidiadrivers.nvidia.com"),
    Kind("GPUCluster", "gpuclusters", "nvidia.com/v1alpha1", False, (), "gpuclusters.nvidia.com"),
    Kind("ServiceMonitor", "servicemonitors", _MONITORING, True, (), "servicemonitors.monitoring.coreos.com"),
    Kind("PrometheusRule", "prometheusrules", _MONITORING, True, (), "prometheusrules.monitoring.coreos.com"),
)  # fmt: skip

KINDS: dict[str, Kind] = {kind.name: kind for kind in (*_BUILT_IN, *_CLAIMS, *_CUSTOM)}


def find(word: str) -> Kind | None:
    """The kind that kubectl means by `pods`, `po`, `Pod`, `clusterpolicies.nvidia.com`."""
    plain, _, group = word.lower().partition(".")
    for kind in KINDS.values():
        if plain in (kind.plural, kind.name.lower(), *kind.short) and _same_group(kind, group):
            return kind
    return None


def _same_group(kind: Kind, group: str) -> bool:
    version, _, rest = group.partition(".")
    own = kind.group
    return not group or own.startswith(group) or (version == kind.api_version.rpartition("/")[2] and own == rest)
