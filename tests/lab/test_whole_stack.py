"""Target `bareMetal` from nothing to nothing: real hosts that are nodes of a real cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.engine import Result
from lab.real import tools
from lab.real.site import Site, node_of
from tests.lab import pulumi_cli, whole
from tests.lab.pulumi_cli import Pulumi
from tests.lab.real_hosts import different, needs_hosts
from tests.lab.whole import Whole, new_site

pytestmark = needs_hosts
REAL = (*whole.REAL, "containerd")
STANDINS = whole.STANDINS


@pytest.fixture
def site(tmp_path: Path, built: dict[str, Path]) -> Iterator[Site]:
    """A cluster without nodes, and no hosts yet."""
    with new_site(tmp_path, built) as one:
        yield one


def test_one_host_becomes_a_node_that_runs_gpu_pods(site: Site, tmp_path: Path) -> None:
    site.add("rtx")
    Whole(site, tmp_path).round_trip()


def test_three_hosts_of_two_distributions_one_of_which_reboots(site: Site, tmp_path: Path) -> None:
    site.add("rtx")
    boot = site.add("tesla", nouveau=True).boot_id()
    site.add("ubuntu", "noble", "NVIDIA GeForce RTX 4070", compilers=False)
    Whole(site, tmp_path).round_trip()
    assert site.members["tesla"].host.boot_id() != boot


def test_debian_13_with_the_device_plugin_alone(site: Site, tmp_path: Path) -> None:
    site.add("trixie", "trixie")

    def look(first: Result) -> None:
        assert first.outputs["hosts"]["trixie"]["driver"].startswith("580.")
        assert first.outputs["report"]["operator"]["owner"] == "none"

    Whole(site, tmp_path, operator="none").round_trip(look)


@pulumi_cli.needs_pulumi
def test_one_host_under_the_real_engine(site: Site, tmp_path: Path) -> None:
    """The engine is `pulumi` here, with the real command and Kubernetes providers."""
    site.add("rtx")
    cluster, hosts, pulumi = site.cluster.snapshot(), site.snapshot(), Pulumi(site.cluster, tmp_path)
    pulumi.configure(site.config(), sshPrivateKey=site.bed.private_key())
    pulumi.well("up")
    assert [node["name"] for node in pulumi.output("report")["nodes"]] == [node_of("rtx")]
    counted = site.connections()
    pulumi.well("up", "--expect-no-changes")
    assert site.connections() == counted
    pulumi.well("destroy")
    assert different(hosts["rtx"], site.snapshot()["rtx"]) == {}
    assert site.cluster.left(cluster) == []


def test_what_is_missing_here_is_said() -> None:
    assert tools.missing() == []
