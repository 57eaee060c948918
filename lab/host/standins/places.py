"""Where each kind of node keeps its container runtime."""

from __future__ import annotations

from lab.host.standins.box import Box

CONTAINERD = "containerd"
_KUBEADM = ("/usr/bin", "/etc/kubernetes/kubelet.conf")
_RANCHER_SOCKET = "/run/k3s/containerd/containerd.sock"


class Place:
    """The service, its settings, its socket and the folder of its programs."""

    def __init__(self, kind: str, service: str, config: str, socket: str, programs: str, joined: str) -> None:
        self.kind, self.service, self.config, self.socket = kind, service, config, socket
        self.programs, self.joined = programs, joined

    @property
    def is_whole(self) -> bool:
        """A distribution of Kubernetes that brings its own containerd."""
        return self.kind in {"k3s", "rke2", "k0s"}

    @property
    def is_rancher(self) -> bool:
        """k3s or RKE2."""
        return self.kind in {"k3s", "rke2"}


def _rancher(kind: str, service: str, programs: str) -> Place:
    home = f"/var/lib/rancher/{kind}"
    config, joined = f"{home}/agent/etc/containerd/config.toml", f"{home}/agent/kubelet.kubeconfig"
    return Place(kind, service, config, _RANCHER_SOCKET, f"{home}/{programs}", joined)


def _k0s(service: str) -> Place:
    merged, socket = "/run/k0s/containerd-cri.toml", "/run/k0s/containerd.sock"
    return Place("k0s", service, merged, socket, "/var/lib/k0s/bin", "/var/lib/k0s/kubelet.conf")


PLACES = {
    CONTAINERD: Place(
        CONTAINERD, CONTAINERD, "/etc/containerd/config.toml", "/run/containerd/containerd.sock", *_KUBEADM
    ),
    "docker": Place("docker", "docker", "/etc/docker/daemon.json", "/run/cri-dockerd.sock", *_KUBEADM),
    "k0s": _k0s("k0scontroller"),
    "k0s-worker": _k0s("k0sworker"),
    "k3s": _rancher("k3s", "k3s", "data/current/bin"),
    "k3s-agent": _rancher("k3s", "k3s-agent", "data/current/bin"),
    "none": Place("none", "none", "/etc/none", "/run/none.sock", "/usr/bin", "/etc/none"),
    "rke2-server": _rancher("rke2", "rke2-server", "bin"),
    "rke2-agent": _rancher("rke2", "rke2-agent", "bin"),
}  # fmt: skip
"""By what the spec of a machine calls it."""


def place(box: Box) -> Place:
    """That of this machine."""
    return PLACES[box.state.get("runtime", CONTAINERD)]
