"""Kinds of nodes that a host of the lab can be: how it becomes one, and what its kubelet would say of its machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from lab.real import tools
from lab.real.hosts import docker, rancher
from lab.real.hosts.disk import Snapshot
from lab.real.hosts.host import RealHost

_CONTAINERD: Final = """\
echo "containerd://$(containerd --version | cut -d ' ' -f 3)"
containerd config dump 2>/dev/null | grep -q nvidia-container-runtime && echo nvidia || echo none
echo runc
"""


def _as_it_is(_host: RealHost) -> None:
    """Its disk is that of a node that kubeadm has joined."""


class Kind(NamedTuple):
    """A kind of node."""

    look: str
    """Prints engine and version, the handler `nvidia` or `none`, the default runtime, and what else names a start."""
    become: Callable[[RealHost], None] = _as_it_is
    lasting: Callable[[RealHost], Snapshot] = RealHost.snapshot
    distribution: str = ""
    """Whose Kubernetes it is, where it brings objects of its own and says so in the version of its kubelet."""


KUBEADM: Final = Kind(_CONTAINERD)
DOCKER: Final = Kind(docker.LOOK, docker.make_docker, docker.lasting)
K3S: Final = Kind(
    rancher.LOOK, lambda host: rancher.make_k3s(host, tools.build(["crictl"])["crictl"]), distribution="k3s"
)
