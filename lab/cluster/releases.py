"""Helm releases: what installing, upgrading and uninstalling a chart does to the cluster."""

from __future__ import annotations

import copy
from collections.abc import Callable

from decide.remainder import CLEANED, DISCOVERY, definitions
from lab.cluster import dra_chart, plugin_chart
from lab.cluster.clock import stamp
from lab.cluster.operand_programs import OPERATOR
from lab.cluster.store import ApiError, Cluster, Object

CHART = "gpu-operator"
RECORD = "helm.sh/release.v1"
_DEFAULTS: Object = {
    "nfd": {"enabled": True},
    "cdi": {"enabled": True, "nriPluginEnabled": False},
    "operator": {"runtimeClass": "nvidia", "cleanupCRD": False},
    "daemonsets": {"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]},
    "driver": {"enabled": True, "version": "595.91.07", "upgradePolicy": {"autoUpgrade": True}},
    "toolkit": {"enabled": True},
    "devicePlugin": {"enabled": True, "config": {"create": False, "name": "", "default": "", "data": {}}},
    "dcgmExporter": {"enabled": True, "serviceMonitor": {"enabled": True, "honorLabels": False}, "config": {}},
    "gfd": {"enabled": True},
    "mig": {"strategy": "single"},
    "migManager": {"enabled": True, "config": {"create": False, "name": "", "data": {}}},
    "clusterPolicy": {"deployCR": True},
    "node-feature-discovery": {
        "worker": {
            "tolerations": [
                {
                    "key": "node-role.kubernetes.io/control-plane",
                    "operator": "Equal",
                    "value": "",
                    "effect": "NoSchedule",
                },
                {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            ]
        }
    },
}
_DRIVERS = {"v26.3": "580.126.20", "v25.10": "580.105.08", "v25.3": "580.82.07"}
_OTHERS = {one.CHART: one for one in (plugin_chart, dra_chart)}
_SPEC_KEYS = (
    "cdi", "operator", "daemonsets", "driver", "toolkit", "devicePlugin", "dcgmExporter", "gfd", "mig", "migManager",
)  # fmt: skip


def merged(base: Object, over: Object) -> Object:
    """Helm's way to lay values over a chart's defaults: maps merge, lists and scalars replace."""
    result = copy.deepcopy(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result


def effective(version: str, values: Object, chart: str = CHART) -> Object:
    """The values that the templates see."""
    if chart in _OTHERS:
        return merged(_OTHERS[chart].DEFAULTS, values)
    line = version.rpartition(".")[0]
    defaults = copy.deepcopy(_DEFAULTS)
    defaults["driver"]["version"] = _DRIVERS.get(line, defaults["driver"]["version"])
    defaults["cdi"]["enabled"] = line != "v25.3"
    defaults["dcgmExporter"]["serviceMonitor"]["enabled"] = line == "v26.7"
    return merged(defaults, values)


def install(cluster: Cluster, name: str, namespace: str, version: str, values: Object, chart: str = CHART) -> Object:
    """Installs a chart under a release name; raises `ApiError` in Helm's words."""
    releases = cluster.data["releases"]
    key = f"{namespace}/{name}"
    if _records(cluster, name, namespace):
        raise ApiError("AlreadyExists", "cannot re-use a name that is still in use")
    if cluster.get("Namespace", namespace) is None:
        raise ApiError("NotFound", f'create: failed to create: namespaces "{namespace}" not found')
    _definitions(cluster, version, chart, values)
    objects = _objects(name, namespace, version, values, chart)
    for obj in objects:
        _refuse_foreign(cluster, obj, name, namespace)
    release = {"chart": chart, "version": version, "values": values, "revision": 1, "status": "deployed"}
    if _record(cluster, name, namespace, release, "pending-install"):
        return release
    for obj in objects:
        _bring(cluster, obj)
    releases[key] = release
    return release


def upgrade(cluster: Cluster, name: str, namespace: str, version: str, values: Object) -> Object:
    """Brings a release to another version or other values."""
    key = f"{namespace}/{name}"
    release = cluster.data["releases"].get(key)
    if release is None:
        raise ApiError("NotFound", f'"{name}" has no deployed releases')
    if any("pending" in one["metadata"]["labels"]["status"] for one in _records(cluster, name, namespace)):
        raise ApiError("Conflict", "another operation (install/upgrade/rollback) is in progress")
    chart = release.get("chart", CHART)
    _definitions(cluster, version, chart, values)
    wanted = _objects(name, namespace, version, values, chart)
    if _record(cluster, name, namespace, {"revision": release["revision"] + 1}, "pending-upgrade"):
        return release  # type: ignore[no-any-return]
    for obj in wanted:
        _bring(cluster, obj)
    _prune(cluster, name, namespace, wanted)
    release.update(version=version, values=values, revision=release["revision"] + 1)
    return release  # type: ignore[no-any-return]


def _bring(cluster: Cluster, obj: Object) -> None:
    found = cluster.get(obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace"))
    _own(cluster, obj, cluster.replace if found else cluster.create)


def _records(cluster: Cluster, name: str, namespace: str) -> list[Object]:
    """Where Helm notes what it has done, and is about to do."""
    return [
        one
        for one in cluster.list("Secret", namespace)
        if one.get("type") == RECORD and one["metadata"]["labels"]["name"] == name
    ]


def uninstall(cluster: Cluster, name: str, namespace: str) -> None:
    """Takes a release away; definitions stay unless its values say otherwise."""
    key = f"{namespace}/{name}"
    release = cluster.data["releases"].pop(key, None)
    if release is None:
        raise ApiError("NotFound", "uninstall: Release not loaded: " + f"{name}: release: not found")
    chart = release.get("chart", CHART)
    given = effective(release["version"], release["values"], chart)
    _prune(cluster, name, namespace, [])
    for number in range(1, release["revision"] + 1):
        secret = cluster.get("Secret", f"sh.helm.release.v1.{name}.v{number}", namespace)
        if secret:
            cluster.remove(secret)
    if chart == CHART and given["operator"]["cleanupCRD"]:
        for crd in [
            found for found in cluster.list("CustomResourceDefinition") if found["metadata"]["name"] in CLEANED
        ]:
            cluster.remove(crd)
    if _discovers(given):
        forget_discovered(cluster)
    cluster.changed = True


def _discovers(given: Object) -> bool:
    """Whether node feature discovery comes along; the plugin's chart has no switch for it but that of its own part."""
    return "nfd" in given and bool(given["nfd"].get("enabled", given["gfd"]["enabled"]))


def forget_discovered(cluster: Cluster) -> None:
    """Takes back the labels that went through node feature discovery."""
    for name, labels in cluster.data["discovered"].items():
        node = cluster.get("Node", name)
        if node:
            node["metadata"]["labels"] = {k: v for k, v in node["metadata"]["labels"].items() if k not in labels}
            cluster.touch(node)
    cluster.data["discovered"] = {}


def _definitions(cluster: Cluster, version: str, chart: str, values: Object) -> None:
    """Helm makes what is missing in `crds/`, of parts that are on too, and never changes or removes it."""
    brought = definitions(version) if chart == CHART else ()
    for name in (*brought, *(DISCOVERY if _discovers(effective(version, values, chart)) else ())):
        if cluster.get("CustomResourceDefinition", name) is None:
            plural, _, group = name.partition(".")
            crd = _object("apiextensions.k8s.io/v1", "CustomResourceDefinition", name, None)
            cluster.create({**crd, "spec": {"group": group, "names": {"plural": plural}, "scope": "Cluster"}})


def _refuse_foreign(cluster: Cluster, obj: Object, name: str, namespace: str) -> None:
    meta = obj["metadata"]
    found = cluster.get(obj["kind"], meta["name"], meta.get("namespace"))
    if found is None:
        return
    owned_by = found["metadata"].get("annotations", {}).get("meta.helm.sh/release-name")
    if owned_by == name:
        return
    problem = f'current value is "{owned_by}"' if owned_by else "missing key"
    raise ApiError(
        "Invalid",
        f'unable to continue with install: {obj["kind"]} "{meta["name"]}" in namespace "{meta.get("namespace", "")}" '
        "exists and cannot be imported into the current release: invalid ownership metadata; annotation validation "
        f'error: key "meta.helm.sh/release-name" must equal "{name}": {problem}',
    )


def _own(cluster: Cluster, obj: Object, make: Callable[[Object], Object]) -> None:
    """Makes an object of a chart, and notes what its pods will do."""
    name, program = obj["metadata"]["name"], obj.pop("operand", "")
    made = make(obj)
    if obj["kind"] in ("Deployment", "DaemonSet"):
        found = name[name.index("node-feature-discovery") :] if "node-feature-discovery" in name else OPERATOR
        cluster.private(made)["operand"] = program or found


def _prune(cluster: Cluster, name: str, namespace: str, keep: list[Object]) -> None:
    kept = {(obj["kind"], obj["metadata"]["name"]) for obj in keep}
    ours = {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace}
    for kind in list(cluster.data["objects"]):
        for obj in cluster.list(kind):
            annotations = obj["metadata"].get("annotations", {})
            if ours.items() <= annotations.items() and (kind, obj["metadata"]["name"]) not in kept:
                cluster.remove(obj)


def _record(cluster: Cluster, name: str, namespace: str, release: Object, cut: str) -> bool:
    """Helm notes first what it begins, and at the end how it went; whether it is cut off, so that the first stays."""
    is_cut = bool(cluster.spec["helm"] != "up")
    for old in [] if is_cut else _records(cluster, name, namespace):
        old["metadata"]["labels"]["status"] = "superseded"
    secret = _object("v1", "Secret", f"sh.helm.release.v1.{name}.v{release['revision']}", namespace)
    secret["type"] = RECORD
    labels = {"name": name, "owner": "helm", "version": str(release["revision"])}
    secret["metadata"]["labels"] = {**labels, "status": cut if is_cut else "deployed", "modifiedAt": stamp(cluster.now)}
    cluster.create(secret)
    return is_cut


def _objects(name: str, namespace: str, version: str, values: Object, chart: str) -> list[Object]:
    """The objects of a chart that matter here, marked as Helm marks them."""
    given = effective(version, values, chart)
    render = _OTHERS[chart].rendered if chart in _OTHERS else rendered
    return [_marked(obj, name, namespace, version, chart) for obj in render(name, namespace, version, given)]


def _marked(obj: Object, name: str, namespace: str, version: str, chart: str) -> Object:
    known = obj["metadata"].get("labels", {})
    obj["metadata"]["labels"] = {
        **known,
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/name": chart,
        "app.kubernetes.io/version": version,
        "helm.sh/chart": f"{chart}-{version}",
    }
    marks = {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace}
    obj["metadata"]["annotations"] = marks
    return obj


def rendered(name: str, namespace: str, version: str, values: Object) -> list[Object]:
    """The objects of the operator's chart that matter here."""
    objects = [_object("v1", "ServiceAccount", "gpu-operator", namespace)]
    for kind in ("ClusterRole", "ClusterRoleBinding"):
        objects.append(_object("rbac.authorization.k8s.io/v1", kind, "gpu-operator", None))
    objects.append(_workload("Deployment", "gpu-operator", namespace, f"nvcr.io/nvidia/gpu-operator:{version}", []))
    if values["nfd"]["enabled"]:
        objects += _discovery(name, namespace, values["node-feature-discovery"]["worker"]["tolerations"])
    for config in (values["devicePlugin"]["config"], values["migManager"]["config"]):
        if config["create"]:
            objects.append({**_object("v1", "ConfigMap", config["name"], namespace), "data": config["data"]})
    if values["clusterPolicy"]["deployCR"]:
        spec = {key: values[key] for key in _SPEC_KEYS}
        # The operator writes these labels into all that it makes: so one sees whether it has met this policy.
        marks = {"helm.sh/chart": f"gpu-operator-{version}", "app.kubernetes.io/managed-by": "gpu-operator"}
        spec["daemonsets"] = {**spec["daemonsets"], "labels": {**marks, **spec["daemonsets"].get("labels", {})}}
        objects.append({**_object("nvidia.com/v1", "ClusterPolicy", "cluster-policy", None), "spec": spec})
    return objects


def _discovery(name: str, namespace: str, tolerations: list[Object]) -> list[Object]:
    image, full = "registry.k8s.io/nfd/node-feature-discovery:v0.19.0", f"{name}-node-feature-discovery"
    return [
        _workload("Deployment", f"{full}-master", namespace, image, []),
        _workload("Deployment", f"{full}-gc", namespace, image, []),
        _workload("DaemonSet", f"{full}-worker", namespace, image, tolerations),
    ]


def _workload(kind: str, name: str, namespace: str, image: str, tolerations: list[Object]) -> Object:
    labels = {"app": name, "app.kubernetes.io/component": name}
    pod = {"containers": [{"name": name, "image": image}], "tolerations": tolerations}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {**_object("apps/v1", kind, name, namespace), "spec": spec}


def _object(version: str, kind: str, name: str, namespace: str | None) -> Object:
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": meta}
