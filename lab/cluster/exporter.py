"""How the operator's exporter is offered to Prometheus: its Service, and a ServiceMonitor where that kind is known."""

from __future__ import annotations

from lab.cluster.jobs import owner
from lab.cluster.kinds import KINDS
from lab.cluster.operands import EXPORTER
from lab.cluster.store import Cluster, Object

PORT = 9400


def expose(cluster: Cluster, policy: Object, namespace: str) -> None:
    """Makes both as the policy says, and takes away what it says no longer."""
    asked = policy["spec"]["dcgmExporter"]
    monitor = asked.get("serviceMonitor", {})
    _keep(cluster, policy, _service(namespace), bool(asked["enabled"]))
    if cluster.serves(KINDS["ServiceMonitor"]):
        _keep(cluster, policy, _monitor(namespace, monitor), bool(asked["enabled"] and monitor.get("enabled")))


def _keep(cluster: Cluster, policy: Object, wanted: Object, stays: bool) -> None:
    meta = wanted["metadata"]
    found = cluster.get(wanted["kind"], meta["name"], meta["namespace"])
    if not stays:
        if found:
            cluster.remove(found)
        return
    meta["ownerReferences"] = [owner(policy)]
    if found is None:
        cluster.create(wanted)
    elif (found["spec"], found["metadata"].get("labels")) != (wanted["spec"], meta["labels"]):
        cluster.replace(wanted)


def _service(namespace: str) -> Object:
    labels = {"app": EXPORTER}
    notes = {"prometheus.io/scrape": "true", "prometheus.io/port": str(PORT)}
    meta = {"name": EXPORTER, "namespace": namespace, "labels": labels, "annotations": notes}
    spec = {"selector": dict(labels), "ports": [{"name": "gpu-metrics", "port": PORT, "protocol": "TCP"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def _monitor(namespace: str, asked: Object) -> Object:
    labels = {"app": EXPORTER, **asked.get("additionalLabels", {})}
    endpoint = {"port": "gpu-metrics", "path": "/metrics", "honorLabels": asked.get("honorLabels", False)}
    endpoint["relabelings"] = asked.get("relabelings", [])
    spec = {"jobLabel": "app", "selector": {"matchLabels": {"app": EXPORTER}}, "endpoints": [endpoint]}
    spec["namespaceSelector"] = {"matchNames": [namespace]}
    meta = {"name": EXPORTER, "namespace": namespace, "labels": labels}
    return {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": meta, "spec": spec}
