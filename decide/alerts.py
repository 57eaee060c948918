"""Alerts about GPUs: when they fire, why then, and what to do. Prometheus rules and the runbook are made of these.

In expressions and texts `{node}` is the label that names the node: which one that is, the exporter's version decides.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from decide import defaults
from decide.dcgm import SWITCHED_ON

BROKEN_CARD = (48, 63, 64, 74, 79, 94, 95)
"""Xids of hardware: memory (48, 63, 64, 94, 95), NVLink (74), gone from the bus (79)."""
CARD = "card {{{{ $labels.gpu }}}} of {{{{ $labels.{node} }}}}"


class Alert(NamedTuple):
    """One alert."""

    name: str
    severity: str
    lasts: str
    """How long it has to be so."""
    expr: str
    summary: str
    why: str
    """Why at this threshold and after this time."""
    fix: str


def _xid(codes: Sequence[int]) -> str:
    return " or ".join(f"DCGM_FI_DEV_XID_ERRORS == {code}" for code in codes)


ALERTS = (
    Alert(
        "GpuLost", "critical", "1m", "DCGM_FI_DEV_XID_ERRORS == 79", CARD + " has fallen off the bus (Xid 79)",
        "the driver says it once and the card does not come back by itself",
        "drain and reboot the node; if it comes back: power, riser, heat, then the card itself (PCI-7, PCI-8)",
    ),
    Alert(
        "GpuXidHardware", "critical", "1m", _xid([code for code in BROKEN_CARD if code != 79]),
        CARD + " reports Xid {{{{ $value }}}}, which is hardware",
        "one is enough: 48, 63, 64, 94 and 95 are memory, 74 is NVLink; the figure stays until the card is reset",
        "kubectl drain NODE; on it: dmesg | grep -i xid, then reset or reboot; again and again: replace the card",
    ),
    Alert(
        "GpuXidSoftware", "warning", "0m",
        f"changes(DCGM_FI_DEV_XID_ERRORS[30m]) > 0 unless ({_xid((0, *BROKEN_CARD))})",
        CARD + " had a new Xid in the last half hour; 13, 31, 43 and 45 are usually a program's",
        "the figure stays for ever, so that only its change says something; half an hour is long enough to be seen",
        "look up the code in NVIDIA's list of Xid errors, and which pod was on the card: kubectl logs",
    ),
    Alert(
        "GpuEccUncorrectable", "critical", "1m", "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL > 0",
        CARD + " had {{{{ $value }}}} errors of memory that were not corrected",
        "each one has ended a program or falsified what it computed; the count begins anew when the driver is loaded",
        "drain the node and reset the card, so that it remaps the row; if it comes back: replace the card",
    ),
    Alert(
        "GpuEccCorrected", "info", "0m", "increase(DCGM_FI_DEV_ECC_SBE_VOL_TOTAL[1d]) > 100",
        CARD + " corrected {{{{ $value | printf `%.0f` }}}} errors of memory in a day",
        "a few are normal and harm nobody; a hundred a day is an own estimate of what announces worse",
        "nothing today; watch GpuRowsRemapped and GpuEccUncorrectable of this card",
    ),
    Alert(
        "GpuRowRemapFailed", "critical", "1m", "DCGM_FI_DEV_ROW_REMAP_FAILURE > 0",
        CARD + " has no spare rows of memory left",
        "the card says by this that it is worn out; there is no threshold",
        "take the card out of use: kubectl drain NODE; replace it, it is a case for the warranty",
    ),
    Alert(
        "GpuRowsRemapped", "warning", "0m", "increase(DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS[1d]) > 0",
        CARD + " replaced rows of memory after errors that were not corrected",
        "each one follows a real error; after a day without another it is history",
        "the new row is used after a reset of the card: drain and reboot the node when it suits",
    ),
    Alert(
        "GpuHot", "warning", "10m", "DCGM_FI_DEV_GPU_TEMP > 85", CARD + " has {{{{ $value }}}} degrees",
        "cards slow down by themselves a few degrees above; ten minutes leave out peaks. An own estimate, not NVIDIA's",
        "look at fans, filters and the air of the room; nvidia-smi -q -d TEMPERATURE names the card's own limits",
    ),
    Alert(
        "GpuMemoryHot", "warning", "10m", "DCGM_FI_DEV_MEMORY_TEMP > 95",
        "the memory of " + CARD + " has {{{{ $value }}}} degrees",
        "memory bears more than the chip; ten minutes leave out peaks. An own estimate, not NVIDIA's",
        "as for GpuHot; memory that is hot beside a cool chip: the card's own cooler",
    ),
    Alert(
        "GpuThermalSlowdown", "warning", "10m", "rate(DCGM_FI_DEV_THERMAL_VIOLATION[5m]) > 0",
        "heat holds " + CARD + " back",
        "the card itself says that it is too hot, at any share of time; the unit has changed, so only zero is safe",
        "as for GpuHot: what it computes is right, but late",
    ),
    Alert(
        "GpuPowerSlowdown", "info", "1h", "rate(DCGM_FI_DEV_POWER_VIOLATION[5m]) > 0",
        "its power limit holds " + CARD + " back",
        "at full load that is how cards work; for an hour it is worth knowing, never worth waking somebody",
        "nothing where the limit is meant (nvidia-smi -q -d POWER); else power supply, cables, BIOS of the server",
    ),
    Alert(
        "GpuPcieReplays", "warning", "30m", "increase(DCGM_FI_DEV_PCIE_REPLAY_COUNTER[15m]) > 0",
        CARD + " has to send over PCIe again and again",
        "single ones happen; for half an hour without a pause it is a bad connection",
        "seat card and riser anew; a riser of an older PCIe generation: set that generation in the BIOS",
    ),
    Alert(
        "GpuPcieNarrow", "warning", "30m",
        "DCGM_FI_DEV_PCIE_LINK_WIDTH < max_over_time(DCGM_FI_DEV_PCIE_LINK_WIDTH[7d])",
        CARD + " has {{{{ $value }}}} lanes of PCIe, and had more this week",
        "compared to its own week: a slot that never had all lanes is how the machine was built",
        "reboot the node; if lanes stay away: seat card and riser anew, look for bent or dirty contacts",
    ),
    Alert(
        "GpuNvlinkErrors", "warning", "5m",
        "increase(DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL[1h]) > 0"
        " or increase(DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL[1h]) > 0"
        " or increase(DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL[1h]) > 0",
        "NVLink of " + CARD + " has errors",
        "a sound link has none; jobs over several cards become slow long before they fail",
        "nvidia-smi nvlink -e on the node names the link; seat bridge or tray anew, then replace card or switch",
    ),
    Alert(
        "GpuMissing", "critical", "10m",
        "max_over_time(count by ({node}) (DCGM_FI_DEV_GPU_TEMP)[1d:5m]) > count by ({node}) (DCGM_FI_DEV_GPU_TEMP)",
        "{{{{ $labels.{node} }}}} reports fewer cards than it did within a day",
        "compared to the node's own day; ten minutes leave out an exporter that just starts",
        "on the node: nvidia-smi -L, then dmesg | grep -i nvrm; see GpuLost",
    ),
    Alert(
        "GpuCapacityDropped", "warning", "15m",
        'kube_node_status_allocatable{{resource="nvidia_com_gpu"}}'
        ' < max_over_time(kube_node_status_allocatable{{resource="nvidia_com_gpu"}}[1d])',
        "{{{{ $labels.node }}}} hands out {{{{ $value }}}} cards, and handed out more today",
        "compared to the node's own day; a quarter of an hour leaves out a plugin that is being replaced",
        "kubectl describe node NODE; the plugin holds a card for unhealthy after an Xid: restart its pod (DP-4)",
    ),
    Alert(
        "GpuExporterDown", "warning", "10m",
        'up{{job=~".*dcgm-exporter"}} == 0 or up{{service=~".*dcgm-exporter"}} == 0',
        "the exporter at {{{{ $labels.instance }}}} does not answer Prometheus",
        "ten minutes leave out a pod that is being replaced",
        "kubectl get pods -A -l app=nvidia-dcgm-exporter -o wide; its log says whether DCGM finds the card",
    ),
    Alert(
        "GpuExporterSilent", "critical", "15m",
        'sum(kube_node_status_allocatable{{resource="nvidia_com_gpu"}}) > 0 unless on () count(DCGM_FI_DEV_GPU_TEMP)',
        "nodes hand out {{{{ $value }}}} cards, and Prometheus knows nothing of any of them",
        "no other alert can fire then; a quarter of an hour is what a new cluster takes",
        "does Prometheus have the target? ServiceMonitor: monitoring.labels; plain: a scrape job by annotations",
    ),
    Alert(
        "GpuIdle", "info", "2h", 'avg_over_time(DCGM_FI_DEV_GPU_UTIL{{pod!=""}}[30m]) < 1',
        "pod {{{{ $labels.namespace }}}}/{{{{ $labels.pod }}}} holds a card and has not used it for two hours",
        "a notebook over lunch is no news; below one percent over half an hour nothing has run",
        "ask whose it is; the card is free again when the pod ends",
    ),
    Alert(
        "GpuDriverMismatch", "warning", "2h",
        "count(count by (DCGM_FI_DRIVER_VERSION) (DCGM_FI_DEV_GPU_TEMP)) > 1",
        "cards of this cluster run {{{{ $value }}}} versions of the driver",
        "moving drivers node by node takes an hour; after two somebody was left behind",
        "nvidia-smi on each node, or the fleet dashboard; one version for all: gpu.operator.values driver.version",
    ),
)  # fmt: skip


def needs_more(alert: Alert) -> bool:
    """Whether it looks at something that the exporter does not say by itself."""
    return any(name in alert.expr for name in SWITCHED_ON)


def chosen(switched_on: bool) -> list[Alert]:
    """Those whose metrics are there."""
    return [one for one in ALERTS if switched_on or not needs_more(one)]


def rule(alert: Alert, node: str, runbook: str = defaults.RUNBOOK) -> dict[str, Any]:
    """As Prometheus reads it."""
    return {
        "alert": alert.name,
        "expr": alert.expr.format(node=node),
        "for": alert.lasts,
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary.format(node=node),
            "description": alert.fix,
            "runbook_url": f"{runbook}#{alert.name.lower()}",
        },
    }


def groups(node: str, switched_on: bool, runbook: str = defaults.RUNBOOK) -> Mapping[str, Any]:
    """All rules that can fire, as they stand in a file of rules."""
    rules = [rule(one, node, runbook) for one in chosen(switched_on)]
    return {"groups": [{"name": "gpu-ready", "interval": "1m", "rules": rules}]}
