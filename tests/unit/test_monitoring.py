"""Monitoring as its user meets it: what is made for which Prometheus, on and off, what is refused, and what is left."""

import json
from pathlib import Path
from typing import Any

import pytest

from decide import alerts, dcgm, defaults, monitoring, user_values
from decide.monitoring import Metrics
from decide.operator_values import as_tree
from lab.world import WholeWorld
from settings import SettingsError, parse
from tests.effort import long
from tests.unit.house import CONFIG, WORLD, House
from tests.unit.small_world import some

WATCHED = {**CONFIG, "monitoring": {"enabled": True, "labels": {"release": "kps"}}}
PLAIN = {**CONFIG, "monitoring": {"enabled": True, "prometheus": "plain"}}
NEW = {"gpu-monitoring", *(f"gpu-monitoring-{part}" for part in ("namespace", "alerts", "fleet", "node", "job"))}


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A cluster with the kinds of the Prometheus operator."""
    return House(tmp_path, {**WORLD, "prometheus_operator": True})


def one(house: House, kind: str, name: str) -> dict[str, Any]:
    (found,) = [obj for obj in some(house.world, kind) if obj["metadata"]["name"] == name]
    return dict(found)


def test_up_gives_prometheus_what_it_reads_and_again_changes_nothing_and_destroy_leaves_nothing(house: House) -> None:
    before = house.world.snapshot()

    made, again = house.run("up", WATCHED), house.run("up", WATCHED, expect_no_changes=True)

    assert (made.errors, again.errors, set(again.changes)) == ([], [], {"same"})
    monitor = one(house, "ServiceMonitor", "nvidia-dcgm-exporter")
    assert monitor["metadata"]["labels"]["release"] == "kps"
    (endpoint,) = monitor["spec"]["endpoints"]
    assert (endpoint["honorLabels"], endpoint["relabelings"]) == (True, [monitoring.NODE_OF_POD])
    rules = one(house, "PrometheusRule", "gpu-ready-alerts")
    assert rules["metadata"]["labels"]["release"] == "kps"
    assert [rule["alert"] for rule in rules["spec"]["groups"][0]["rules"]] == [known.name for known in alerts.ALERTS]
    pages = [obj for obj in some(house.world, "ConfigMap") if "grafana_dashboard" in obj["metadata"].get("labels", {})]
    titles = {json.loads(text)["title"] for page in pages for text in page["data"].values()}
    assert titles == {"GPU fleet", "GPU node", "GPU job"}
    (daemons,) = [obj for obj in some(house.world, "DaemonSet") if obj["metadata"]["name"] == "nvidia-dcgm-exporter"]
    named = [volume["configMap"]["name"] for volume in daemons["spec"]["template"]["spec"]["volumes"][1:]]
    assert one(house, "ConfigMap", named[0])["data"] == {dcgm.FILE: dcgm.counters()}

    assert house.run("destroy").exit == 0
    assert WholeWorld.unexpected(before, house.world.snapshot()) == []
    assert some(house.world, "ServiceMonitor") == some(house.world, "PrometheusRule") == []


@long
def test_off_takes_all_of_it_back_and_on_again_makes_it_again(house: House) -> None:
    assert house.run("up", WATCHED).exit == 0

    off = house.run("up")
    gone = {name for op, _type, name in off.steps if op == "delete"}
    assert (off.errors, gone) == ([], NEW | {"gpu-stack-metrics"})
    assert some(house.world, "PrometheusRule") == []

    on = house.run("up", WATCHED)
    assert (on.errors, {name for op, _type, name in on.steps if op == "create"} >= NEW) == ([], True)


def test_a_cluster_without_the_prometheus_operator_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    house = House(tmp_path)

    refused = house.run("up", WATCHED)

    (error,) = [text for text in refused.errors if "fix:" in text]
    assert "MON-1 monitoring: the cluster knows no servicemonitors and no prometheusrules" in error
    assert "monitoring.prometheus: plain" in error
    assert some(house.world, "ClusterPolicy") == []


@long
def test_a_plain_prometheus_gets_annotations_and_a_file_of_rules(tmp_path: Path) -> None:
    house = House(tmp_path)

    made = house.run("up", PLAIN)

    assert made.errors == []
    notes = one(house, "Service", "nvidia-dcgm-exporter")["metadata"]["annotations"]
    assert (notes["prometheus.io/scrape"], notes["prometheus.io/port"]) == ("true", "9400")
    rules = json.loads(one(house, "ConfigMap", "gpu-ready-alerts")["data"]["gpu-ready.rules.yaml"])
    assert len(rules["groups"][0]["rules"]) == len(alerts.ALERTS)


def test_a_namespace_of_somebody_else_is_refused(tmp_path: Path) -> None:
    house = House(tmp_path, {**WORLD, "prometheus_operator": True, "namespaces": [defaults.MONITORING_NAMESPACE]})

    (error,) = [text for text in house.run("up", WATCHED).errors if "fix:" in text]

    assert ("CFG-8" in error, "monitoring.namespace" in error) == (True, True), error


@pytest.mark.parametrize("version", defaults.OPERATOR_VERSIONS)
@pytest.mark.parametrize("prometheus", ["operator", "plain"])
def test_what_the_operator_is_told_is_known_to_its_chart(version: str, prometheus: str) -> None:
    derived = list(monitoring.operator_values(Metrics("ours", prometheus, {"a": "b"})))

    assert all(value.reason for value in derived)
    assert user_values.faults(as_tree(derived), version) == []


def test_two_exporters_are_never_on_a_card_and_no_wish_says_nothing() -> None:
    (only,) = monitoring.operator_values(Metrics(exporter="external"))

    assert (only.path, only.value) == ("dcgmExporter.enabled", False)
    assert list(monitoring.operator_values(None)) == []


@pytest.mark.parametrize(
    ("metrics", "version", "label"),
    [
        (Metrics(), "v25.3.4", "node"),
        (Metrics(prometheus="plain"), "v26.7.0", "hostname"),
        (Metrics(prometheus="plain"), "v26.3.3", "Hostname"),
        (Metrics(exporter="external"), "v25.3.4", "hostname"),
    ],
)
def test_the_label_of_a_node_is_ours_where_we_may_write_one(metrics: Metrics, version: str, label: str) -> None:
    assert monitoring.node_label(metrics, version) == label


def faults(gpu: dict[str, Any], **wish: Any) -> list[tuple[str, str]]:
    try:
        parse({**CONFIG, "gpu": gpu, "monitoring": wish})
    except SettingsError as error:
        return [(fault.path, f"{fault.problem} {fault.right}") for fault in error.faults]
    return []


DCGM = {"operator": {"mode": "install", "values": {"dcgmExporter": {"enabled": False}}}}


@pytest.mark.parametrize(
    ("gpu", "wish", "path", "says"),
    [
        ({"operator": "none"}, {"enabled": True}, "monitoring", "dcgm-exporter"),
        ({"operator": "external"}, {"enabled": True, "exporter": "ours"}, "monitoring.exporter", "external"),
        ({}, {"labels": {"a": "b"}}, "monitoring.labels", "monitoring: {enabled: true}"),
        ({}, {"enabled": True, "prometheus": "plain", "labels": {"a": "b"}}, "monitoring.labels", "leave labels out"),
        ({}, {"enabled": True, "prometeus": "plain"}, "monitoring.prometeus", "did you mean prometheus?"),
        ({}, {"enabled": True, "namespace": "gpu-ready"}, "monitoring.namespace", "namespace: gpu-monitoring"),
        ({}, {"enabled": True, "namespace": "kube-system"}, "monitoring.namespace", "is taken"),
        (
            {"operator": "external"},
            {"enabled": True, "alerts": False, "dashboards": False},
            "monitoring.enabled",
            "nothing to do",
        ),
        (DCGM, {"enabled": True}, "gpu.operator.values.dcgmExporter.enabled", "is decided by monitoring"),
    ],
)
def test_what_does_not_go_together_is_refused(gpu: dict[str, Any], wish: Any, path: str, says: str) -> None:
    (found,) = faults(gpu, **wish)

    assert (found[0], says in found[1]) == (path, True), found


@pytest.mark.parametrize(
    ("gpu", "wish", "exporter"),
    [
        ({}, {}, "ours"),
        ({}, {"exporter": "external"}, "external"),
        ({"operator": "external"}, {}, "external"),
        ({"operator": "none"}, {"exporter": "external"}, "external"),
    ],
)
def test_whose_exporter_it_is_follows_from_the_operator(gpu: Any, wish: Any, exporter: str) -> None:
    read = parse({**CONFIG, "gpu": gpu, "monitoring": {"enabled": True, **wish}})

    assert read.monitoring_args()["metrics"]["exporter"] == exporter
    assert ("metrics" in read.stack_args()) == (gpu.get("operator") is None)
    assert any("GpuEccUncorrectable" in line for line in read.lines()) == (exporter == "external")


def test_components_refuse_words_that_nobody_knows() -> None:
    import pulumi

    from components.choices import metrics

    unknown: Any = {"prometheus": "plane"}
    with pytest.raises(pulumi.InputPropertyError, match="operator or plain belongs here, got 'plane'"):
        metrics(unknown)
