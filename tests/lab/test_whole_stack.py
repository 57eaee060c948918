"""Target `bareMetal` from nothing to nothing: real hosts that are nodes of a real cluster."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.real import tools
from lab.real.cluster import RealCluster
from lab.real.hosts.bed import Bed
from lab.real.site import Site, node_of
from lab.real.ssh import RealRemoteCommands
from tests.lab.engines import Ended
from tests.lab.real_cluster import RealHouse
from tests.lab.real_hosts import different, needs_hosts

pytestmark = needs_hosts
REAL = (
    "sshd", "systemd", "apt and dpkg", "containerd", "OpenSSH", "kube-apiserver, -controller-manager and -scheduler",
    "etcd", "kubectl", "helm",
)  # fmt: skip
STANDINS = ("the card, its module and NVIDIA's packages", "kubelets", "the operator and its chart", "pods")


@pytest.fixture
def site(tmp_path: Path, built: dict[str, Path]) -> Iterator[Site]:
    """A cluster without nodes, and no hosts yet."""
    with RealCluster(tmp_path / "cluster", built) as cluster, Bed() as bed:
        with Site(cluster, bed) as one:
            yield one
        assert (one.errors, cluster.gpus.faults) == ([], [])


class Whole(RealHouse):
    """A stack of these hosts."""

    def __init__(self, site: Site, folder: Path, engine: str) -> None:
        super().__init__(site.cluster, folder, engine, RealRemoteCommands(folder=site.bed.folder))
        self.site, self.config = site, site.config()
        self.secrets = {"sshPrivateKey": site.bed.private_key()}

    def went_well(self, op: Any) -> Ended:
        """An operation without a fault."""
        result = self.run(op)
        assert result.exit == 0, "\n".join(result.errors)
        return result

    def round_trip(self) -> Ended:
        """Up, twice; looked at; taken back: nothing else is changed, and nobody is bothered without need."""
        cluster, hosts = self.site.cluster.snapshot(), self.site.snapshot()
        first = self.went_well("up")
        counted = self.site.connections()
        assert set(self.went_well("up").changes) == {"same"}
        self.went_well("refresh")
        assert set(self.went_well("up").changes) == {"same"}
        assert self.site.connections() == counted
        self.went_well("destroy")
        assert {name: different(hosts[name], shot) for name, shot in self.site.snapshot().items()} == {
            name: {} for name in hosts
        }
        assert self.site.cluster.left(cluster) == []
        return first


def test_one_host_becomes_a_node_that_runs_gpu_pods(site: Site, tmp_path: Path, engine: str) -> None:
    site.add("rtx")
    first = Whole(site, tmp_path, engine).round_trip()
    assert [node["name"] for node in first.outputs["report"]["nodes"]] == [node_of("rtx")]
    assert first.outputs["report"]["ready"] is True


def test_three_hosts_of_two_distributions_one_of_which_reboots(site: Site, tmp_path: Path, engine: str) -> None:
    site.add("rtx")
    boot = site.add("tesla", nouveau=True).boot_id()
    site.add("ubuntu", "noble", "NVIDIA GeForce RTX 4070", compilers=False)
    first = Whole(site, tmp_path, engine).round_trip()
    assert len(first.outputs["report"]["nodes"]) == 3
    assert site.members["tesla"].host.boot_id() != boot


def test_debian_13(site: Site, tmp_path: Path, engine: str) -> None:
    site.add("trixie", "trixie")
    first = Whole(site, tmp_path, engine).round_trip()
    assert first.outputs["hosts"]["trixie"]["driver"].startswith("580.")


def test_what_is_missing_here_is_said() -> None:
    assert tools.missing() == []
