"""What watches the cards: Helm values of the operator's exporter, and the label that names a node in its figures."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from decide import dcgm
from decide.operator_values import Value

OURS, EXTERNAL = "ours", "external"
OPERATOR, PLAIN = "operator", "plain"
DEFINITIONS = ("servicemonitors.monitoring.coreos.com", "prometheusrules.monitoring.coreos.com")
"""What the Prometheus operator brings: without it ServiceMonitor and PrometheusRule are no kinds."""
NODE_OF_POD = {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}


class Metrics(NamedTuple):
    """Where figures come from, and who fetches them."""

    exporter: str = OURS
    prometheus: str = OPERATOR
    labels: Mapping[str, str] = {}

    @property
    def switched_on(self) -> bool:
        """Whether the exporter says more than it does by itself."""
        return self.exporter == OURS


def read(plain: Mapping[str, Any] | None) -> Metrics | None:
    """From plain values; none: nothing is watched."""
    if plain is None:
        return None
    return Metrics(plain.get("exporter") or OURS, plain.get("prometheus") or OPERATOR, dict(plain.get("labels") or {}))


def node_label(metrics: Metrics, version: str) -> str:
    """Ours where we may write one; else the exporter's own, which lost its capital with operator v26.7."""
    if metrics.exporter == OURS and metrics.prometheus == OPERATOR:
        return "node"
    old = metrics.exporter == OURS and version < "v26.7"
    return "Hostname" if old else "hostname"


def operator_values(metrics: Metrics | None) -> Iterator[Value]:
    """What the operator is told about its exporter."""
    if metrics is None:
        return
    if metrics.exporter == EXTERNAL:
        why = "monitoring.exporter: external; a second one would fight with it over the cards' counters"
        yield Value("dcgmExporter.enabled", False, why)
        return
    yield Value("dcgmExporter.enabled", True, "monitoring.enabled: alerts and dashboards are about its figures")
    why = "alerts about ECC, heat, power, PCIe and NVLink need more than the exporter says by itself"
    yield Value("dcgmExporter.config.name", dcgm.config_name(), why)
    yield from _service_monitor(metrics)


def _service_monitor(metrics: Metrics) -> Iterator[Value]:
    path = "dcgmExporter.serviceMonitor"
    wanted = metrics.prometheus == OPERATOR
    how = "finds the exporter by it" if wanted else "finds the exporter by the annotations of its Service"
    yield Value(f"{path}.enabled", wanted, f"monitoring.prometheus: {metrics.prometheus}; Prometheus {how}")
    if not wanted:
        return
    yield Value(f"{path}.honorLabels", True, "else `pod` and `namespace` would be the exporter's, not the workload's")
    why = "the exporter calls it Hostname or hostname, by its version; alerts and dashboards need one name"
    yield Value(f"{path}.relabelings", [dict(NODE_OF_POD)], why)
    if metrics.labels:
        yield Value(f"{path}.additionalLabels", dict(metrics.labels), "monitoring.labels: by these Prometheus selects")
