"""A host of the lab as a node of k3s: its folders, its own programs, its unit; the containerd that it starts is real.

Stand-ins: k3s itself (k3s.sh, which says what it plays), and crictl (lab/tools/cri), which asks the real daemon.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lab.real.hosts import places
from lab.real.hosts.host import RealHost

HOME: Final = "/var/lib/rancher/k3s"
ASKED: Final = f"{HOME}/data/current/bin/crictl --runtime-endpoint unix:///run/k3s/containerd/containerd.sock info"
LOOK: Final = f"""\
echo "containerd://$({HOME}/data/current/bin/containerd --version | cut -d ' ' -f 3)-k3s1"
{ASKED} | grep -q nvidia-container-runtime && echo nvidia || echo none
echo runc
systemctl show -P InvocationID k3s
"""
"""What its kubelet knows: the daemon that runs says it; and which start of k3s this is."""
_PROGRAMS: Final = ("containerd", "containerd-shim-runc-v2", "ctr", "runc")
_UNIT: Final = """\
[Unit]
Description=Lab: a stand-in of k3s
After=network-online.target
[Service]
Type=notify
Environment=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=/usr/local/bin/k3s server
KillMode=process
Delegate=yes
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
"""


def make_k3s(host: RealHost, crictl: Path) -> None:
    """From a node of kubeadm to one of k3s, as its installer leaves it."""
    host.run("systemctl disable -q --now containerd; rm -rf /etc/kubernetes /var/lib/kubelet")
    bin = f"{HOME}/data/current/bin"
    host.run(f"mkdir -p {bin} {HOME}/agent; echo '# joined' >{HOME}/agent/kubelet.kubeconfig")
    for name in _PROGRAMS:
        host.run(f"cp $(command -v {name}) {bin}/{name}")
    host.put(f"{bin}/crictl", crictl)
    host.put("/usr/local/bin/k3s", places.HERE / "k3s.sh")
    host.write("/etc/systemd/system/k3s.service", _UNIT)
    host.run("systemctl daemon-reload; systemctl enable -q --now k3s")
