"""Rules and dashboards against what the exporter says, the runbook, and promtool: each alert fires when it has to."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from decide import alerts, dashboards, dcgm, defaults
from tests.effort import long

RUNBOOK = Path(__file__).resolve().parents[2] / defaults.RUNBOOK
KNOWN = {*dcgm.DEFAULT, *dcgm.SWITCHED_ON, *dcgm.OTHERS}
METRIC = re.compile(r"\b(?:DCGM_\w+|kube_\w+|up)\b")
PROMTOOL = shutil.which("promtool")
with_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is missing: make lab-setup brings it")
CARD = '{node="gpu-1",gpu="0"}'
CAPACITY = 'kube_node_status_allocatable{node="gpu-1",resource="nvidia_com_gpu"}'
IN_USE = 'DCGM_FI_DEV_GPU_UTIL{node="gpu-1",gpu="0",namespace="team",pod="notebook"}'
TEMP = "DCGM_FI_DEV_GPU_TEMP"

Series = dict[str, str]
# Minute of the look, what is there when it has to fire, and what is there when it must not.
CASES: dict[str, tuple[int, Series, Series]] = {
    "GpuLost": (25, {f"DCGM_FI_DEV_XID_ERRORS{CARD}": "0x20 79x20"}, {f"DCGM_FI_DEV_XID_ERRORS{CARD}": "0x20 74x20"}),
    "GpuXidHardware": (
        25,
        {f"DCGM_FI_DEV_XID_ERRORS{CARD}": "0x20 48x20"},
        {f"DCGM_FI_DEV_XID_ERRORS{CARD}": "0x20 31x20"},
    ),
    "GpuXidSoftware": (
        60,
        {f"DCGM_FI_DEV_XID_ERRORS{CARD}": "0x40 31x40"},
        {f"DCGM_FI_DEV_XID_ERRORS{CARD}": "31x80", 'DCGM_FI_DEV_XID_ERRORS{node="b"}': "0x40 79x40"},
    ),
    "GpuEccUncorrectable": (
        10,
        {f"DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{CARD}": "0x5 1x10"},
        {f"DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{CARD}": "0x20", f"DCGM_FI_DEV_ECC_SBE_VOL_TOTAL{CARD}": "9x20"},
    ),
    "GpuEccCorrected": (
        240,
        {f"DCGM_FI_DEV_ECC_SBE_VOL_TOTAL{CARD}": "0+1x250"},
        {f"DCGM_FI_DEV_ECC_SBE_VOL_TOTAL{CARD}": "5000x100 5050x200"},
    ),
    "GpuRowRemapFailed": (
        10,
        {f"DCGM_FI_DEV_ROW_REMAP_FAILURE{CARD}": "1x20"},
        {f"DCGM_FI_DEV_ROW_REMAP_FAILURE{CARD}": "0x20"},
    ),
    "GpuRowsRemapped": (
        40,
        {f"DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS{CARD}": "2x20 3x30"},
        {f"DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS{CARD}": "2x50"},
    ),
    "GpuHot": (20, {f"{TEMP}{CARD}": "86x30"}, {f"{TEMP}{CARD}": "60x12 90x5 60x30"}),
    "GpuMemoryHot": (
        20,
        {f"DCGM_FI_DEV_MEMORY_TEMP{CARD}": "96x30"},
        {f"DCGM_FI_DEV_MEMORY_TEMP{CARD}": "95x30"},
    ),
    "GpuThermalSlowdown": (
        20,
        {f"DCGM_FI_DEV_THERMAL_VIOLATION{CARD}": "0+1000x30"},
        {f"DCGM_FI_DEV_THERMAL_VIOLATION{CARD}": "77000x30"},
    ),
    "GpuPowerSlowdown": (
        90,
        {f"DCGM_FI_DEV_POWER_VIOLATION{CARD}": "0+1000x100"},
        {f"DCGM_FI_DEV_POWER_VIOLATION{CARD}": "0x60 0+1000x40"},
    ),
    "GpuPcieReplays": (
        60,
        {f"DCGM_FI_DEV_PCIE_REPLAY_COUNTER{CARD}": "0+1x70"},
        {f"DCGM_FI_DEV_PCIE_REPLAY_COUNTER{CARD}": "0x20 1x50"},
    ),
    "GpuPcieNarrow": (
        60,
        {f"DCGM_FI_DEV_PCIE_LINK_WIDTH{CARD}": "16x20 4x50"},
        {f"DCGM_FI_DEV_PCIE_LINK_WIDTH{CARD}": "4x70"},
    ),
    "GpuNvlinkErrors": (
        30,
        {f"DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL{CARD}": "0x10 4x40"},
        {f"DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL{CARD}": "4x50"},
    ),
    "GpuMissing": (
        60,
        {f"{TEMP}{CARD}": "60x80", f'{TEMP}{{node="gpu-1",gpu="1"}}': "60x20 stale"},
        {f"{TEMP}{CARD}": "60x20 stale", f'{TEMP}{{node="gpu-2",gpu="0"}}': "60x80"},
    ),
    "GpuCapacityDropped": (60, {CAPACITY: "2x20 1x60"}, {CAPACITY: "2x20 stale"}),
    "GpuExporterDown": (
        20,
        {'up{job="nvidia-dcgm-exporter",instance="10.0.0.1:9400"}': "0x30"},
        {'up{job="node-exporter",instance="10.0.0.1:9100"}': "0x30", 'up{job="nvidia-dcgm-exporter"}': "1x30"},
    ),
    "GpuExporterSilent": (30, {CAPACITY: "2x40"}, {CAPACITY: "2x40", f"{TEMP}{CARD}": "60x40"}),
    "GpuIdle": (200, {IN_USE: "0x220"}, {IN_USE: "0x150 60x20 0x50", f"DCGM_FI_DEV_GPU_UTIL{CARD}": "0x220"}),
    "GpuDriverMismatch": (
        200,
        {f'{TEMP}{{gpu="{number}",DCGM_FI_DRIVER_VERSION="58{number}"}}': "60x220" for number in (0, 1)},
        {f'{TEMP}{{gpu="{number}",DCGM_FI_DRIVER_VERSION="580"}}': "60x220" for number in (0, 1)},
    ),
}


def expressions() -> list[str]:
    panels = [panel.query for one in dashboards.DASHBOARDS for panel in one.panels]
    choices = [query for one in dashboards.DASHBOARDS for query in one.choices.values()]
    return [*(one.expr for one in alerts.ALERTS), *panels, *choices]


def test_every_metric_is_one_that_the_exporter_has_or_that_we_switch_on() -> None:
    asked = {name for text in expressions() for name in METRIC.findall(text)}

    assert len(asked) > 20
    assert asked - KNOWN == set()
    assert set(dcgm.SWITCHED_ON) - asked == set()  # each costs memory in Prometheus


def test_the_exporters_list_has_its_own_metrics_and_ours_each_once() -> None:
    rows = [re.fullmatch(r"(\w+), (gauge|counter|label), [^,]+", row) for row in dcgm.counters().split("\n")[:-1]]
    names = [row[1] for row in rows if row]

    assert (len(names), len(set(names))) == (len(rows), len(dcgm.DEFAULT) + len(dcgm.SWITCHED_ON))


def test_an_alert_says_how_bad_it_is_why_then_what_to_do_and_links_to_a_paragraph_that_is_there() -> None:
    anchors = {head.lower() for head in re.findall(r"^### (\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)}
    names = [one.name for one in alerts.ALERTS]

    assert len(names) == len(set(names)) >= 12
    for one in alerts.ALERTS:
        made = alerts.rule(one, "node")
        assert one.severity in ("critical", "warning", "info"), one.name
        assert all((one.summary, one.why, one.fix)), one.name
        path, _, anchor = made["annotations"]["runbook_url"].partition("#")
        assert (path, anchor in anchors) == (defaults.RUNBOOK, True), one.name


def test_beside_an_exporter_that_is_not_ours_no_rule_waits_for_what_it_does_not_say() -> None:
    rules = alerts.groups("hostname", switched_on=False)["groups"][0]["rules"]
    asked = {name for rule in rules for name in METRIC.findall(rule["expr"])}

    assert asked <= {*dcgm.DEFAULT, *dcgm.OTHERS}
    assert 0 < len(rules) < len(alerts.ALERTS)


@pytest.mark.parametrize("one", dashboards.DASHBOARDS, ids=lambda one: one.name)
def test_panels_of_a_dashboard_do_not_cover_each_other_and_name_their_source(one: dashboards.Dashboard) -> None:
    page = json.loads(dashboards.text(one, "node"))
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in page["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < dashboards.WIDTH
    assert {choice["name"] for choice in page["templating"]["list"]} == {"source", *one.choices}
    used = set(re.findall(r"\$(\w+)", json.dumps([panel["targets"][0]["expr"] for panel in page["panels"]])))
    assert used <= set(one.choices)
    assert {panel["datasource"]["uid"] for panel in page["panels"]} == {"${source}"}


def promtool(folder: Path, words: list[str], **files: Any) -> str:
    """What promtool prints about these files, which are JSON and hence YAML."""
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(json.dumps(content), encoding="utf-8")
    command = [str(PROMTOOL), *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@with_promtool
def test_promtool_takes_all_rules_and_all_queries_of_the_dashboards(tmp_path: Path) -> None:
    pages = [json.loads(dashboards.text(one, "node")) for one in dashboards.DASHBOARDS]
    queries = [panel["targets"][0]["expr"] for page in pages for panel in page["panels"]]
    recorded = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(queries)]
    files = {label: alerts.groups(label, label == "node") for label in ("node", "Hostname", "hostname")}

    said = promtool(
        tmp_path,
        ["check", "rules", "panels.yaml", *(f"{label}.yaml" for label in files)],
        panels={"groups": [{"name": "panels", "rules": recorded}]},
        **files,
    )

    assert f"{len(queries)} rules found" in said
    assert f"{len(alerts.ALERTS)} rules found" in said


def test_every_alert_has_a_case() -> None:
    assert list(CASES) == [one.name for one in alerts.ALERTS]


def case(name: str, minute: int, series: Series, fires: bool) -> dict[str, Any]:
    found = {"labels": f'{{alertname="{name}"}}', "value": 1}
    return {
        "interval": "1m",
        "input_series": [{"series": series_name, "values": values} for series_name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count by (alertname) (ALERTS{{alertname="{name}",alertstate="firing"}})',
                "eval_time": f"{minute}m",
                "exp_samples": [found] if fires else [],
            }
        ],
    }


@with_promtool
@long
def test_each_alert_fires_when_it_has_to_and_is_quiet_when_it_must_not(tmp_path: Path) -> None:
    cases = [
        case(name, minute, series, fires)
        for name, (minute, bad, good) in CASES.items()
        for series, fires in ((bad, True), (good, False))
    ]
    what = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": cases}

    said = promtool(tmp_path, ["test", "rules", "tests.yaml"], rules=alerts.groups("node", True), tests=what)

    assert "SUCCESS" in said


@with_promtool
def test_an_alert_that_fires_names_card_and_node(tmp_path: Path) -> None:
    fired = {
        "exp_labels": {"severity": "critical", "gpu": "0", "Hostname": "gpu-1"},
        "exp_annotations": {
            "summary": "card 0 of gpu-1 has fallen off the bus (Xid 79)",
            "description": next(one.fix for one in alerts.ALERTS if one.name == "GpuLost"),
            "runbook_url": "https://wiki.example.com/t.md#gpulost",
        },
    }
    test = {
        "interval": "1m",
        "input_series": [{"series": 'DCGM_FI_DEV_XID_ERRORS{Hostname="gpu-1",gpu="0"}', "values": "79x10"}],
        "alert_rule_test": [{"eval_time": "5m", "alertname": "GpuLost", "exp_alerts": [fired]}],
    }
    rules = alerts.groups("Hostname", True, "https://wiki.example.com/t.md")

    said = promtool(
        tmp_path, ["test", "rules", "tests.yaml"], rules=rules, tests={"rule_files": ["rules.yaml"], "tests": [test]}
    )

    assert "SUCCESS" in said
