"""What makes a machine a node: Kubernetes of its kind, its container runtime, their services and settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lab.host.standins import contents, k0s
from lab.host.standins.box import Box
from lab.host.standins.places import CONTAINERD, Place, place

_KUBEADM: Final = {
    "apt": ("containerd", "cri-tools", "kubeadm", "kubectl", "kubelet", "runc"),
    "dnf": ("containerd.io", "cri-tools", "kubeadm", "kubectl", "kubelet"),
}
BY_HAND: Final = ("cri-tools", "containerd", "containerd.io", "docker-ce", "kubeadm", "kubectl", "kubelet")
_OF_SYSTEM: Final = {"apt": ("ssh", "unattended-upgrades"), "dnf": ("sshd",)}
_DOCKER: Final = (
    "containerd.io", "cri-dockerd", "cri-tools", "docker-ce", "docker-ce-cli", "kubeadm", "kubectl", "kubelet",
)  # fmt: skip
_SOCKETS: Final = {"docker": "/run/cri-dockerd.sock"}
DAEMON_JSON: Final = """\
{
  "exec-opts": ["native.cgroupdriver=systemd"],
  "log-driver": "json-file",
  "log-opts": {"max-size": "100m"}
}
"""
"""What an administrator has written for kubeadm."""


def packages(box: Box) -> tuple[str, ...]:
    """What is installed for it."""
    return (
        ()
        if place(box).is_whole or place(box).kind == "none"
        else _DOCKER
        if place(box).kind == "docker"
        else _KUBEADM[box.state["manager"]]
    )


def join(box: Box, spec: Mapping[str, Any]) -> None:
    """Makes it a node, or what a node is before that."""
    where = place(box)
    _services(box, *_OF_SYSTEM[box.state["manager"]])
    if where.kind == "none":
        return
    if where.is_whole:
        _whole(box, where)
    elif where.kind == "docker":
        _docker(box)
    else:
        _containerd(box, spec)
    if spec["joined"]:
        box.write(where.joined, "apiVersion: v1\nkind: Config\n", 0o600)
        if not where.is_whole:
            _kubelet(box, _SOCKETS.get(where.kind, where.socket))


def _services(box: Box, *names: str) -> None:
    for name in names:
        box.state["services"][name] = {"active": True, "enabled": True, "starts": 1}
        wants = "/etc/systemd/system/multi-user.target.wants"
        box.link(f"{wants}/{name}.service", f"/usr/lib/systemd/system/{name}.service")


def _whole(box: Box, where: Place) -> None:
    """Their installer brings one program, which unpacks all others at its first start."""
    _services(box, where.service)
    program = contents.PROGRAM % where.kind if where.kind == "k0s" else f"{where.kind}\n"
    box.write(f"/usr/local/bin/{where.kind}", program, 0o755)
    for name in ("containerd",) if where.kind == "k0s" else ("containerd", "ctr", "crictl"):
        box.write(f"{where.programs}/{name}", contents.PROGRAM % name, 0o755)
    if where.kind == "k0s":
        box.write(k0s.MAIN, f"{k0s.MARK}\nversion = 2\n")


def _containerd(box: Box, spec: Mapping[str, Any]) -> None:
    _services(box, CONTAINERD)
    given = spec["containerd_config"]
    settings = given if given is not None else containerd_settings(str(spec["containerd"]))
    if settings:
        box.write("/etc/containerd/config.toml", settings)


def _docker(box: Box) -> None:
    """Docker's own package of containerd comes with CRI switched off: nobody's but Docker's."""
    _services(box, CONTAINERD, "docker", "cri-docker")
    box.write("/etc/containerd/config.toml", 'disabled_plugins = ["cri"]\n')
    box.write("/etc/docker/daemon.json", DAEMON_JSON)


def _kubelet(box: Box, socket: str) -> None:
    _services(box, "kubelet")
    box.write("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\ncgroupDriver: systemd\n")
    box.write("/var/lib/kubelet/kubeadm-flags.env", (
        'KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix://' f'{socket} '
        '--pod-infra-container-image=registry.k8s.io/pause:3.10.1"\n'
    ))  # fmt: skip


def containerd_settings(version: str) -> str:
    """What an administrator has written for kubeadm: the systemd cgroup driver, and a comment that must survive."""
    old = version.startswith("1.")
    plugin = '"io.containerd.grpc.v1.cri"' if old else "'io.containerd.cri.v1.runtime'"
    pause = f'[plugins.{plugin}]\n  sandbox_image = "registry.k8s.io/pause:3.10.1"\n' if old else (
        "[plugins.'io.containerd.cri.v1.images'.pinned_images]\n  sandbox = 'registry.k8s.io/pause:3.10.1'\n"
    )  # fmt: skip
    return (
        f"# Settings of this site: leave the cgroup driver alone.\nversion = {2 if old else 3}\n\n{pause}\n"
        f"[plugins.{plugin}.containerd.runtimes.runc]\n"
        '  runtime_type = "io.containerd.runc.v2"\n'
        f"[plugins.{plugin}.containerd.runtimes.runc.options]\n  SystemdCgroup = true\n"
    )
