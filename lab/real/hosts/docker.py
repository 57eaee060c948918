"""A host of the lab whose kubelet uses Docker: dockerd and its containerd are Debian's own packages.

Stand-in: cri-dockerd, of which there is a socket that nobody answers at. It is in no package of Debian 12, and not
every Go module proxy serves it; no step of ours asks it, only where the kubelet was told that it is.
"""

from __future__ import annotations

import json
from typing import Final

from lab.real.hosts.disk import Snapshot
from lab.real.hosts.host import RealHost

SETTINGS: Final = "/etc/docker/daemon.json"
THEIRS: Final = json.dumps(
    # The hosts of the lab have neither a module for a bridge nor a disk on which layers can lie.
    {"iptables": False, "bridge": "none", "storage-driver": "vfs", "log-driver": "json-file", "features": {}}, indent=3
)  # fmt: skip
"""As somebody wrote it who does not know of us."""
LOOK: Final = (
    "docker info --format 'docker://{{.ServerVersion}} "
    """{{if (index .Runtimes "nvidia").Path}}nvidia{{else}}none{{end}} {{.DefaultRuntime}}'"""
)
"""What its kubelet knows: the daemon that runs says it."""
_KUBELET: Final = """\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix:///run/cri-dockerd.sock
"""
_SOCKET: Final = "[Socket]\nListenStream=/run/cri-dockerd.sock\n[Install]\nWantedBy=sockets.target\n"
_ASKED: Final = "[Service]\nExecStart=/bin/sleep infinity\n"
_FLAG: Final = """\
[Service]
ExecStart=
ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock --default-runtime=runc
"""
"""What is said by a flag may not stand in the file too: neither a start nor a reload takes that."""


def make_docker(host: RealHost) -> None:
    """From a node whose kubelet uses containerd to one that uses Docker."""
    host.write(SETTINGS, THEIRS)
    host.write("/var/lib/kubelet/config.yaml", _KUBELET)
    host.write("/etc/systemd/system/cri-docker.socket", _SOCKET)
    host.write("/etc/systemd/system/cri-docker.service", _ASKED)
    host.run(
        "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends docker.io"
    )
    host.run("systemctl daemon-reload; systemctl enable -q --now cri-docker.socket; docker info")


def lasting(host: RealHost) -> Snapshot:
    """What lasts on it; of Docker's own store, whose books change with each start, what it holds."""
    holds = host.run("docker images -aq; docker ps -aq; docker volume ls -q")
    files = {path: seen for path, seen in host.snapshot().items() if not path.startswith("/var/lib/docker/")}
    return {**files, "Docker's store": ("", holds)}


def say_by_flag(host: RealHost, says: bool = True) -> None:
    """Its default runtime is a flag of its unit, as somebody may have done it; or no longer."""
    place = "/etc/systemd/system/docker.service.d/flag.conf"
    if says:
        host.write(place, _FLAG)
    else:
        host.run(f"rm -r {place.rpartition('/')[0]}")
    host.run("systemctl daemon-reload; systemctl restart docker")
