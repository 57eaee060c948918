"""The DCGM exporter beside the device plugin alone, in the plugin's namespace."""

from collections.abc import Mapping
from typing import Any, cast

import pulumi_kubernetes as kubernetes
from pulumi import Resource, ResourceOptions

from components.choices import OURS, GpuChoices, pulled, tolerations
from components.monitoring import exporter_list
from decide import defaults, exporter
from decide.monitoring import Metrics
from decide.ownership import Owner, Ownership


def exporter_alone(
    name: str,
    wish: Metrics | None,
    args: Mapping[str, Any],
    who: Ownership,
    space: kubernetes.core.v1.Namespace,
    opts: ResourceOptions,
    parent: Resource,
) -> None:
    """Nothing where nothing is watched, or by somebody else's; alerts say so where it does not come up."""
    listed = exporter_list(name, wish, space, parent)
    if wish is None or not listed:
        return
    gpu = cast(GpuChoices, args.get("gpu") or {})
    named = "" if who.runtime_class.owner is Owner.HOST else defaults.RUNTIME_CLASS
    spec: Any = exporter.daemon_set({**args, "runtime_class": named, "tolerations": tolerations(gpu)}, pulled(gpu))
    there = ResourceOptions.merge(opts, ResourceOptions(depends_on=listed))
    kubernetes.apps.v1.DaemonSet(
        f"{name}-exporter", metadata=_called(space, {"pulumi.com/skipAwait": "true"}), spec=spec, opts=there
    )
    kubernetes.core.v1.Service(
        f"{name}-exporter-service",
        metadata=_called(space, {"pulumi.com/skipAwait": "true", **exporter.annotations()}),
        spec=cast(Any, exporter.service()),
        opts=there,
    )
    by_operator = exporter.monitor(wish)
    if by_operator:
        kubernetes.apiextensions.CustomResource(
            f"{name}-exporter-monitor",
            api_version="monitoring.coreos.com/v1",
            kind="ServiceMonitor",
            metadata=_called(space, {}, wish.labels),
            spec=by_operator,
            opts=there,
        )


def _called(space: Any, notes: Mapping[str, str], labels: Mapping[str, str] | None = None) -> Any:
    return kubernetes.meta.v1.ObjectMetaArgs(
        name=exporter.NAME,
        namespace=space.metadata.name,
        labels={**OURS, **exporter.LABELS, **(labels or {})},
        annotations=dict(notes) or None,
    )
