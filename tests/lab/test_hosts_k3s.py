"""A node of k3s from nothing to nothing: it writes the settings of its containerd itself, at each start"""

import json
from pathlib import Path

import pytest

from lab.real import tools
from lab.real.hosts.bed import Bed
from lab.real.hosts.host import RealHost
from lab.real.hosts.rancher import HOME, make_k3s
from tests.lab.real_hosts import Site, different, good, needs_hosts

pytestmark = needs_hosts
REAL = ("sshd", "systemd", "apt and dpkg", "containerd", "OpenSSH")
STANDINS = ("k3s around its containerd, and its crictl", "the card, its module and NVIDIA's packages", "the cluster")
SETTINGS = f"{HOME}/agent/etc/containerd/config.toml"


@pytest.fixture
def box(bed: Bed) -> RealHost:
    """A node of k3s."""
    host = bed.host("box")
    make_k3s(host, tools.build(["crictl"])["crictl"])
    return host


def handlers(host: RealHost) -> set[str]:
    """What the daemon that runs has, as it says itself."""
    said = host.run(
        f"{HOME}/data/current/bin/crictl --runtime-endpoint unix:///run/k3s/containerd/containerd.sock info"
    )
    return set(json.loads(said)["config"]["containerd"]["runtimes"])


def test_up_has_k3s_look_again_and_destroy_too(box: RealHost, bed: Bed, tmp_path: Path) -> None:
    site, before, settings = Site(tmp_path, bed, box), box.snapshot(), box.run(f"cat {SETTINGS}")
    assert handlers(box) == {"runc"}

    first = site.up()
    good(first)
    assert first.outputs["hosts"]["box"]["runtime"].startswith("k3s containerd 1.6.")
    assert handlers(box) == {"nvidia", "runc"}
    assert "gpu-ready" not in box.run(f"cat {SETTINGS}"), "what k3s writes is k3s's own"

    counted = box.connections()
    assert good(site.up()) == set()
    assert box.connections() == counted

    good(site.up("destroy"))
    assert different(before, box.snapshot()) == {}
    assert box.run(f"cat {SETTINGS}") == settings
    assert handlers(box) == {"runc"}


def test_a_k3s_that_does_not_look_at_the_toolkit_is_named(box: RealHost, bed: Bed, tmp_path: Path) -> None:
    unit = "/etc/systemd/system/k3s.service.d/path.conf"
    box.write(unit, "[Service]\nEnvironment=PATH=/opt/narrow\n")
    box.run("mkdir -p /opt/narrow; for one in awk mkdir mount mountpoint sh; do ln -s /usr/bin/$one /opt/narrow/; done")
    box.run("systemctl daemon-reload; systemctl restart k3s")
    site, before = Site(tmp_path, bed, box), box.snapshot()
    failed = site.up()
    assert any("RT-14 runtime: k3s was restarted" in text for text in failed.errors), failed.errors
    good(site.up("destroy"))
    assert different(before, box.snapshot()) == {}
