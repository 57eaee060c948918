"""Dashboards for Grafana: the fleet, a node, a job. Each is a few rows of figures; the JSON is made of them.

In queries and legends `{node}` is the label that names the node.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH = 24  # of Grafana's grid
NODE = '{{{node}=~"$node"}}'
JOB = '{{namespace=~"$namespace", pod=~"$pod"}}'
OF_CARD = "{{{{{node}}}}} {{{{gpu}}}}"
OF_POD = "{{{{pod}}}} {{{{gpu}}}}"


class Panel(NamedTuple):
    """A figure, and how it is shown."""

    title: str
    query: str
    legend: str = OF_CARD
    unit: str = "short"
    kind: str = "timeseries"
    columns: int = 12


class Dashboard(NamedTuple):
    """A page of Grafana."""

    name: str
    title: str
    choices: Mapping[str, str]
    """What can be chosen at the top, and the query that lists it."""
    panels: Sequence[Panel]


FLEET = Dashboard("fleet", "GPU fleet", {}, (
    Panel("Cards", "count(DCGM_FI_DEV_GPU_TEMP)", "cards", kind="stat", columns=4),
    Panel("Handed out", 'sum(kube_node_status_allocatable{{resource="nvidia_com_gpu"}})', "cards", kind="stat",
          columns=4),
    Panel("In use by pods", 'count(DCGM_FI_DEV_GPU_UTIL{{pod!=""}})', "cards", kind="stat", columns=4),
    Panel("Mean use", "avg(DCGM_FI_DEV_GPU_UTIL)", "use", "percent", "stat", 4),
    Panel("Power", "sum(DCGM_FI_DEV_POWER_USAGE)", "power", "watt", "stat", 4),
    Panel("Cards with an Xid", "count(DCGM_FI_DEV_XID_ERRORS > 0) or vector(0)", "cards", kind="stat", columns=4),
    Panel("Use by node", "avg by ({node}) (DCGM_FI_DEV_GPU_UTIL)", "{{{{{node}}}}}", "percent"),
    Panel("Memory by node", "sum by ({node}) (DCGM_FI_DEV_FB_USED)", "{{{{{node}}}}}", "decmbytes"),
    Panel("Hottest card of each node", "max by ({node}) (DCGM_FI_DEV_GPU_TEMP)", "{{{{{node}}}}}", "celsius"),
    Panel("Power by node", "sum by ({node}) (DCGM_FI_DEV_POWER_USAGE)", "{{{{{node}}}}}", "watt"),
    Panel("Cards by model and driver", "count by (modelName, DCGM_FI_DRIVER_VERSION) (DCGM_FI_DEV_GPU_TEMP)",
          "{{{{modelName}}}}, driver {{{{DCGM_FI_DRIVER_VERSION}}}}", kind="bargauge"),
    Panel("Rows of memory that were replaced", "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS > 0", kind="bargauge"),
))  # fmt: skip
OF_NODE = Dashboard("node", "GPU node", {"node": "label_values(DCGM_FI_DEV_GPU_TEMP, {node})"}, (
    Panel("Use", "DCGM_FI_DEV_GPU_UTIL" + NODE, unit="percent"),
    Panel("Memory", "DCGM_FI_DEV_FB_USED" + NODE, unit="decmbytes"),
    Panel("Temperature", "DCGM_FI_DEV_GPU_TEMP" + NODE, unit="celsius"),
    Panel("Temperature of the memory", "DCGM_FI_DEV_MEMORY_TEMP" + NODE, unit="celsius"),
    Panel("Power", "DCGM_FI_DEV_POWER_USAGE" + NODE, unit="watt"),
    Panel("Clock", "DCGM_FI_DEV_SM_CLOCK" + NODE + " * 1e6", unit="hertz"),
    Panel("Last Xid", "DCGM_FI_DEV_XID_ERRORS" + NODE, unit="none"),
    Panel("PCIe sent again", "increase(DCGM_FI_DEV_PCIE_REPLAY_COUNTER" + NODE + "[15m])"),
    Panel("PCIe traffic", "DCGM_FI_PROF_PCIE_TX_BYTES" + NODE + " + DCGM_FI_PROF_PCIE_RX_BYTES" + NODE, unit="Bps"),
    Panel("NVLink traffic", "rate(DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL" + NODE + "[5m])"),
))  # fmt: skip
OF_JOB = Dashboard("job", "GPU job", {
    "namespace": 'label_values(DCGM_FI_DEV_GPU_UTIL{{pod!=""}}, namespace)',
    "pod": 'label_values(DCGM_FI_DEV_GPU_UTIL{{namespace=~"$namespace", pod!=""}}, pod)',
}, (
    Panel("Use", "DCGM_FI_DEV_GPU_UTIL" + JOB, OF_POD, "percent"),
    Panel("Memory", "DCGM_FI_DEV_FB_USED" + JOB, OF_POD, "decmbytes"),
    Panel("Tensor cores at work", "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE" + JOB, OF_POD, "percentunit"),
    Panel("Memory interface at work", "DCGM_FI_PROF_DRAM_ACTIVE" + JOB, OF_POD, "percentunit"),
    Panel("Power", "DCGM_FI_DEV_POWER_USAGE" + JOB, OF_POD, "watt"),
    Panel("Energy in an hour", "increase(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION" + JOB + "[1h]) / 1000", OF_POD, "joule"),
))  # fmt: skip
DASHBOARDS = (FLEET, OF_NODE, OF_JOB)


def text(one: Dashboard, node: str) -> str:
    """The dashboard as Grafana's sidecar loads it."""
    page = {
        "uid": f"gpu-ready-{one.name}",
        "title": one.title,
        "tags": ["gpu-ready"],
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "1m",
        "templating": {"list": [_source(), *(_choice(name, of, node) for name, of in one.choices.items())]},
        "panels": _placed(one.panels, node),
    }
    return json.dumps(page, indent=1, sort_keys=True)


def _source() -> dict[str, Any]:
    """Which Prometheus: whoever has several chooses."""
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _choice(name: str, query: str, node: str) -> dict[str, Any]:
    everything = {"includeAll": True, "multi": True, "current": {"text": "All", "value": "$__all"}}
    asked = query.format(node=node)
    # 2: asked again whenever the time range changes, so that new pods are seen.
    return {"name": name, "type": "query", "datasource": SOURCE, "query": asked, "refresh": 2, **everything}


def _placed(panels: Sequence[Panel], node: str) -> list[dict[str, Any]]:
    """From left to right, and on to the next row where one is full."""
    placed: list[dict[str, Any]] = []
    x = y = 0
    for number, one in enumerate(panels, 1):
        height = 4 if one.kind == "stat" else 8
        if x + one.columns > WIDTH:
            x, y = 0, y + placed[-1]["gridPos"]["h"]
        place = {"x": x, "y": y, "w": one.columns, "h": height}
        placed.append(_panel(one, node, number, place))
        x += one.columns
    return placed


def _panel(one: Panel, node: str, number: int, place: Mapping[str, int]) -> dict[str, Any]:
    query = {"refId": "A", "expr": one.query.format(node=node), "legendFormat": one.legend.format(node=node)}
    return {
        "id": number,
        "title": one.title,
        "type": one.kind,
        "datasource": SOURCE,
        "gridPos": dict(place),
        "fieldConfig": {"defaults": {"unit": one.unit, "min": 0}, "overrides": []},
        "targets": [{**query, "datasource": SOURCE}],
    }
