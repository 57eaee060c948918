"""Target `cluster` under the real `pulumi` with the real Kubernetes provider, where both are on PATH."""

from pathlib import Path
from typing import Any

from lab.real.cluster import RealCluster
from tests.lab import pulumi_cli, test_cluster_target
from tests.lab.pulumi_cli import Pulumi
from tests.lab.real_cluster import late_to_go

pytestmark = pulumi_cli.needs_pulumi
ENGINE = "pulumi"
REAL = (*pulumi_cli.REAL, *test_cluster_target.REAL)
STANDINS = test_cluster_target.STANDINS


def test_up_again_refresh_destroy_with_the_real_engine(cluster: RealCluster, tmp_path: Path) -> None:
    pulumi = Pulumi(cluster, tmp_path)
    pulumi.configure(config(cluster, driver="preinstalled", toolkit="preinstalled"))
    before = cluster.snapshot()
    pulumi.well("up")
    report = pulumi.output("report")
    assert [node["name"] for node in report["nodes"]] == ["gpu-1", "gpu-2"]
    assert report["ready"] is True
    pulumi.well("up", "--expect-no-changes")
    pulumi.well("refresh")
    pulumi.well("up", "--expect-no-changes")
    pulumi.well("destroy")
    assert cluster.left(before) == []


def test_from_the_operator_to_the_plugin_alone_our_class_waits_for_theirs_to_go_with_the_real_engine(
    cluster: RealCluster, tmp_path: Path
) -> None:
    pulumi = Pulumi(cluster, tmp_path)
    pulumi.configure(config(cluster, driver="preinstalled", toolkit="preinstalled"))
    pulumi.well("up")
    pulumi.configure(config(cluster, operator="none"))
    with late_to_go(cluster, "RuntimeClass", "nvidia", 8):
        assert "retrying create due to on-error hook request" in pulumi.well("up")
    assert pulumi.output("report")["operator"]["state"] == "2 ready"
    pulumi.well("up", "--expect-no-changes")
    pulumi.well("destroy")


def config(cluster: RealCluster, **gpu: str) -> dict[str, Any]:
    """A stack on that cluster."""
    return {
        "target": "cluster",
        "cluster": {"context": "lab", "kubeconfig": str(cluster.kubeconfig), "nodes": ["gpu-1", "gpu-2"]},
        "gpu": gpu,
        "validation": {"timeoutSeconds": 120, "pollSeconds": 1},
    }
