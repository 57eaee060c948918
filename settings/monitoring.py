"""The setting `monitoring`, and the rules about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from decide import defaults, monitoring
from settings.faults import FIX, Fault
from settings.gpu import NAMESPACE
from settings.kinds import BROKEN, Choice, Flag, Labels, Text, setting

OF_ITS_OWN = "helm install dcgm-exporter --repo https://nvidia.github.io/dcgm-exporter/helm-charts dcgm-exporter"
DECIDED = ("enabled", "serviceMonitor", "config")
"""What stands under `dcgmExporter` in the operator's chart, and is decided here."""


@dataclass(frozen=True)
class Monitoring:
    """Figures of the cards for a Prometheus that is there already: alerts, and dashboards for Grafana."""

    enabled: bool = setting(Flag(), "enabled: true", "Whether to watch anything.", False)
    prometheus: str = setting(
        Choice((monitoring.OPERATOR, monitoring.PLAIN)),
        "prometheus: plain",
        "`operator`: the Prometheus operator runs it (kube-prometheus-stack); it gets a ServiceMonitor and a "
        "PrometheusRule. `plain`: it finds the exporter by annotations, and gets the rules in a ConfigMap.",
        monitoring.OPERATOR,
    )
    exporter: str | None = setting(
        Choice((monitoring.OURS, monitoring.EXTERNAL)),
        "exporter: external",
        "`ours`: NVIDIA's exporter comes with the operator that we install, or beside the plugin alone. `external`: "
        "one is there already; alerts about what it does not say by itself are left out.",
        None,
        "external with gpu.operator: external, else ours",
    )
    labels: Mapping[str, str] = setting(
        Labels(),
        "labels: {release: kube-prometheus-stack}",
        "Labels for ServiceMonitor and PrometheusRule, where Prometheus takes only those that carry them.",
        {},
    )
    alerts: bool = setting(Flag(), "alerts: true", "Whether rules for alerts are made.", True)
    dashboards: bool = setting(
        Flag(), "dashboards: true", "Whether ConfigMaps with dashboards are made: fleet, node and job.", True
    )
    namespace: str = setting(
        Text("the name of a namespace", NAMESPACE, 63),
        f"namespace: {defaults.MONITORING_NAMESPACE}",
        "Namespace of rules and dashboards, made for them; each stack on a cluster needs its own.",
        defaults.MONITORING_NAMESPACE,
    )
    runbook: str = setting(
        Text("an address or a path", r"[^\s#\"'{}]+", 500),
        "runbook: https://wiki.example.com/troubleshooting.md",
        "Where your people read `docs/troubleshooting.md`; alerts link to their paragraph of it.",
        defaults.RUNBOOK,
    )

    def place(self) -> dict[str, str]:
        """What the look at the cluster has to know."""
        return {"prometheus": self.prometheus, "namespace": self.namespace}

    def metrics(self, mode: str) -> dict[str, Any]:
        """As the components want it, with this kind of operator."""
        exporter = self.exporter or (monitoring.EXTERNAL if mode == "external" else monitoring.OURS)
        labels = {"labels": dict(self.labels)} if self.labels else {}
        return {"exporter": exporter, "prometheus": self.prometheus, **labels}


def told(config: Any) -> tuple[str, ...]:
    """What an exporter that is not ours cannot tell, said before anything is made."""
    wish = config.monitoring
    if not (wish.enabled and wish.alerts) or wish.metrics(config.gpu.operator.mode)["exporter"] == monitoring.OURS:
        return ()
    from decide.alerts import ALERTS, needs_more  # what a stack does not use, its start shall not pay for

    missing = ", ".join(one.name for one in ALERTS if needs_more(one))
    return (f"monitoring.exporter: external; left out, for want of what only ours would say: {missing}",)


def faults(config: Any, given: set[str]) -> Iterator[Fault]:
    """What does not go together."""
    wish = config.monitoring
    if wish is BROKEN or BROKEN in (wish.enabled, wish.exporter, wish.prometheus, wish.alerts, wish.dashboards):
        return
    if not wish.enabled:
        idle = sorted(path for path in given if path.startswith("monitoring.") and path != "monitoring.enabled")
        for path in idle:
            yield Fault(path, "has no effect while monitoring.enabled is false", "monitoring: {enabled: true}", FIX)
        return
    mode = "platform" if _has_its_platforms_plugin(config) else config.gpu.operator.mode
    yield from _exporter(wish, mode)
    yield from _nothing_to_do(wish, mode)
    yield from _said_twice(config)
    if wish.namespace in _taken(config):
        problem = f"{wish.namespace} is taken; destroy deletes the namespace that up made"
        yield Fault("monitoring.namespace", problem, f"namespace: {defaults.MONITORING_NAMESPACE}")
    if wish.labels and wish.labels is not BROKEN and wish.prometheus == monitoring.PLAIN:
        yield Fault("monitoring.labels", "has no effect on a plain Prometheus", "leave labels out", FIX)


def _taken(config: Any) -> tuple[Any, ...]:
    ours = (config.gpu.operator.namespace, defaults.PLUGIN_NAMESPACE, config.validation.namespace)
    return (*defaults.RESERVED_NAMESPACES, *ours)


def _has_its_platforms_plugin(config: Any) -> bool:
    """GKE and Bottlerocket hand out cards themselves, unless the operator shall."""
    by_image = config.aws is not None and config.aws.image == "bottlerocket"
    return config.gpu.operator.mode == "none" and (config.gke is not None or by_image)


def _exporter(wish: Monitoring, mode: Any) -> Iterator[Fault]:
    if mode == "external" and wish.exporter == monitoring.OURS:
        problem = "cannot be ours beside an operator that is not (gpu.operator: external)"
        yield Fault("monitoring.exporter", problem, "exporter: external", FIX)
    if mode == "platform" and wish.exporter != monitoring.EXTERNAL:
        problem = "has no figures: where the platform brings driver and plugin, its exporter is the platform's business"
        fix = f"switch on the platform's, or install one ({OF_ITS_OWN}); then monitoring.exporter: external"
        yield Fault("monitoring", problem, fix, FIX)


def _nothing_to_do(wish: Monitoring, mode: Any) -> Iterator[Fault]:
    external = wish.exporter == monitoring.EXTERNAL or mode in ("external", "platform")
    if external and not wish.alerts and not wish.dashboards:
        problem = "has nothing to do: the exporter is external, and alerts and dashboards are off"
        yield Fault("monitoring.enabled", problem, "enabled: false", FIX)


def _said_twice(config: Any) -> Iterator[Fault]:
    values = config.gpu.operator.values
    said = values.get("dcgmExporter") if isinstance(values, Mapping) else None
    for key in DECIDED:
        if isinstance(said, Mapping) and key in said:
            path = f"gpu.operator.values.dcgmExporter.{key}"
            yield Fault(path, "is decided by monitoring", "leave it out, or monitoring: {enabled: false}", FIX)
