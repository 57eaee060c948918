"""Whole stacks of target `bareMetal`: real hosts that are nodes of a real cluster, from nothing to nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.real.cluster import RealCluster
from lab.real.hosts.bed import Bed
from lab.real.site import Site
from lab.real.ssh import RealRemoteCommands
from tests.lab.engines import Ended
from tests.lab.real_cluster import RealHouse
from tests.lab.real_hosts import different

REAL = (
    "sshd", "systemd", "apt and dpkg", "OpenSSH", "kube-apiserver, -controller-manager and -scheduler", "etcd",
    "kubectl", "helm",
)  # fmt: skip
STANDINS = ("the card, its module and NVIDIA's packages", "kubelets", "the operator, the plugin, their charts", "pods")


@contextmanager
def new_site(folder: Path, built: dict[str, Path]) -> Iterator[Site]:
    """A cluster without nodes, and no hosts yet; the stand-ins must have had no trouble of their own."""
    with RealCluster(folder / "cluster", built) as cluster, Bed() as bed:
        with Site(cluster, bed) as one:
            yield one
        assert (one.errors, cluster.gpus.faults) == ([], [])


class Whole(RealHouse):
    """A stack of these hosts."""

    def __init__(self, site: Site, folder: Path, engine: str, **gpu: Any) -> None:
        super().__init__(site.cluster, folder, engine, RealRemoteCommands(folder=site.bed.folder))
        self.site, self.config = site, {**site.config(), **({"gpu": gpu} if gpu else {})}
        self.secrets = {"sshPrivateKey": site.bed.private_key()}

    def went_well(self, op: Any) -> Ended:
        """An operation without a fault."""
        result = self.run(op)
        assert result.exit == 0, "\n".join(result.errors)
        return result

    def round_trip(self, look: Callable[[Ended], object] = lambda _first: None) -> None:
        """Up, twice; looked at; taken back: nothing else is changed, and nobody is bothered without need."""
        cluster, hosts = self.site.cluster.snapshot(), self.site.snapshot()
        first = self.went_well("up")
        look(first)
        ready = [node["name"] for node in first.outputs["report"]["nodes"]]
        assert (first.outputs["report"]["ready"], sorted(ready)) == (True, sorted(self.site.nodes()))
        counted = self.site.connections()
        for op in ("up", "refresh", "up"):
            assert set(self.went_well(op).changes) == {"same"}, op
        assert self.site.connections() == counted
        self.went_well("destroy")
        assert {name: different(hosts[name], shot) for name, shot in self.site.snapshot().items()} == {
            name: {} for name in hosts
        }
        assert self.site.cluster.left(cluster) == []
