"""What watches the cards: rules for alerts and dashboards, for a Prometheus and a Grafana that are there already."""

import json
from collections.abc import Mapping
from typing import Any, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi import ResourceOptions
from typing_extensions import NotRequired

from components.choices import OURS, STACK, Metrics, metrics, this_stack
from decide import alerts, dashboards, dcgm, defaults, monitoring

DASHBOARD = {"grafana_dashboard": "1", **OURS}
"""By this label Grafana's sidecar finds dashboards, unless it was told another one."""
RULES = "gpu-ready-alerts"


class GpuMonitoringArgs(TypedDict):
    """What is watched, and how it gets to whoever looks."""

    metrics: NotRequired[Metrics]
    """Where figures come from, and who fetches them; GpuStack gets the same."""
    operator_version: NotRequired[str]
    """Version of the operator whose exporter it is: by it labels are called. Default: the newest supported one"""
    namespace: NotRequired[str]
    """Namespace of rules and dashboards, made for them. Default: gpu-monitoring"""
    alerts: NotRequired[bool]
    """Whether rules for alerts are made. Default: yes"""
    dashboards: NotRequired[bool]
    """Whether dashboards are made. Default: yes"""
    runbook: NotRequired[str]
    """Address of `docs/troubleshooting.md`, which alerts link to."""


class GpuMonitoring(pulumi.ComponentResource):
    """Alerts about GPUs and dashboards of them. Neither Prometheus nor Grafana is installed."""

    rules: pulumi.Output[list[str]]
    """Names of the alerts."""

    def __init__(self, name: str, args: GpuMonitoringArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("gpu-ready:index:GpuMonitoring", name, {}, opts)
        wish = metrics(args.get("metrics") or {}) or monitoring.Metrics()
        label = monitoring.node_label(wish, args.get("operator_version") or defaults.OPERATOR_VERSION)
        wants = {key: args.get(key) is not False for key in ("alerts", "dashboards")}
        if any(wants.values()):
            self._make(name, args, wants, wish, label)
        said = [one.name for one in alerts.chosen(wish.switched_on)] if wants["alerts"] else []
        self.rules = pulumi.Output.from_input(said)
        self.register_outputs({"rules": self.rules})

    def _make(
        self, name: str, args: GpuMonitoringArgs, wants: Mapping[str, bool], wish: monitoring.Metrics, label: str
    ) -> None:
        space = self._namespace(name, args)
        if wants["alerts"]:
            groups = alerts.groups(label, wish.switched_on, args.get("runbook") or defaults.RUNBOOK)
            make = self._rule if wish.prometheus == monitoring.OPERATOR else self._rules_file
            make(name, groups, space, wish)
        for one in dashboards.DASHBOARDS if wants["dashboards"] else ():
            content = {f"gpu-ready-{one.name}.json": dashboards.text(one, label)}
            self._config_map(f"{name}-{one.name}", f"gpu-ready-dashboard-{one.name}", content, space, DASHBOARD)

    def _namespace(self, name: str, args: GpuMonitoringArgs) -> kubernetes.core.v1.Namespace:
        return kubernetes.core.v1.Namespace(
            f"{name}-namespace",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=args.get("namespace") or defaults.MONITORING_NAMESPACE,
                labels={"pod-security.kubernetes.io/enforce": "restricted", **OURS},
                annotations={STACK: this_stack()},
            ),
            opts=ResourceOptions(parent=self),
        )

    def _rule(
        self, name: str, groups: Mapping[str, Any], space: kubernetes.core.v1.Namespace, wish: monitoring.Metrics
    ) -> None:
        """What the Prometheus operator hands on to its Prometheus."""
        kubernetes.apiextensions.CustomResource(
            f"{name}-alerts",
            api_version="monitoring.coreos.com/v1",
            kind="PrometheusRule",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=RULES, namespace=space.metadata.name, labels={**OURS, **wish.labels}
            ),
            spec=dict(groups),
            opts=ResourceOptions(parent=self),
        )

    def _rules_file(
        self, name: str, groups: Mapping[str, Any], space: kubernetes.core.v1.Namespace, _: monitoring.Metrics
    ) -> None:
        """A file of rules to mount; JSON is YAML too."""
        content = {"gpu-ready.rules.yaml": json.dumps(groups, indent=1)}
        self._config_map(f"{name}-alerts", RULES, content, space, OURS)

    def _config_map(
        self,
        name: str,
        called: str,
        content: dict[str, str],
        space: kubernetes.core.v1.Namespace,
        labels: dict[str, str],
    ) -> None:
        kubernetes.core.v1.ConfigMap(
            name,
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name=called, namespace=space.metadata.name, labels=labels),
            data=content,
            opts=ResourceOptions(parent=self),
        )


def exporter_list(
    name: str,
    wish: monitoring.Metrics | None,
    namespace: kubernetes.core.v1.Namespace,
    parent: pulumi.Resource,
) -> list[pulumi.Resource]:
    """What the operator's exporter shall say: it waits for this list, which is there before it."""
    if wish is None or not wish.switched_on:
        return []
    return [
        kubernetes.core.v1.ConfigMap(
            f"{name}-metrics",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=dcgm.config_name(), namespace=namespace.metadata.name, labels=OURS
            ),
            data={dcgm.FILE: dcgm.counters()},
            opts=ResourceOptions(parent=parent),
        )
    ]
