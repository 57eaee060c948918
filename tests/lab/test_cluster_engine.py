"""Target `cluster` under the real `pulumi` with the real Kubernetes provider, where both are on PATH."""

from pathlib import Path

from lab.real.cluster import RealCluster
from tests.lab import pulumi_cli, test_cluster_target
from tests.lab.pulumi_cli import Pulumi

pytestmark = pulumi_cli.needs_pulumi
ENGINE = "pulumi"
REAL = (*pulumi_cli.REAL, *test_cluster_target.REAL)
STANDINS = test_cluster_target.STANDINS


def test_up_again_refresh_destroy_with_the_real_engine(cluster: RealCluster, tmp_path: Path) -> None:
    pulumi = Pulumi(cluster, tmp_path)
    pulumi.configure({
        "target": "cluster",
        "cluster": {"context": "lab", "kubeconfig": str(cluster.kubeconfig), "nodes": ["gpu-1", "gpu-2"]},
        "gpu": {"driver": "preinstalled", "toolkit": "preinstalled"},
        "validation": {"timeoutSeconds": 120, "pollSeconds": 1},
    })  # fmt: skip
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
