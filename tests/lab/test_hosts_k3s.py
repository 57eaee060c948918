"""A node of k3s from nothing to nothing: it writes the settings of its containerd itself, at each start"""

import json
from pathlib import Path

from lab.real import tools
from lab.real.hosts.bed import Bed
from lab.real.hosts.host import RealHost
from lab.real.hosts.kinds import K3S
from lab.real.hosts.rancher import ASKED, HOME, make_k3s
from tests.lab import whole
from tests.lab.engines import Ended
from tests.lab.real_hosts import Site, different, good, needs_hosts
from tests.lab.whole import Whole, new_site

pytestmark = needs_hosts
REAL = (*whole.REAL, "containerd")
STANDINS = ("k3s around its containerd, and its crictl", *whole.STANDINS, "where k3s does not look, the cluster")
SETTINGS = f"{HOME}/agent/etc/containerd/config.toml"


def handlers(host: RealHost) -> set[str]:
    """What the daemon that runs has, as it says itself."""
    return set(json.loads(host.run(ASKED))["config"]["containerd"]["runtimes"])


def test_up_has_k3s_look_again_and_destroy_too(tmp_path: Path, built: dict[str, Path], engine: str) -> None:
    with new_site(tmp_path, built) as site:
        box = site.add("box", kind=K3S)
        settings = box.run(f"cat {SETTINGS}")
        assert handlers(box) == {"runc"}

        def look(first: Ended) -> None:
            # What is k3s's own comes back at a start of k3s that finds it gone.
            site.cluster.wait_for_collector("nvidia.com/v1", "ClusterPolicy")
            owners = (site.cluster.api.get("RuntimeClass", "nvidia") or {})["metadata"]["ownerReferences"]
            assert [one["kind"] for one in owners] == ["ClusterPolicy"], "the operator has taken k3s's class over"
            assert first.outputs["hosts"]["box"]["runtime"].startswith("k3s containerd 1.6.")
            assert handlers(box) == {"nvidia", "runc"}
            assert "gpu-ready" not in box.run(f"cat {SETTINGS}"), "what k3s writes is k3s's own"

        Whole(site, tmp_path, engine).round_trip(look)
        assert box.run(f"cat {SETTINGS}") == settings
        assert handlers(box) == {"runc"}


def test_a_k3s_that_does_not_look_at_the_toolkit_is_named(bed: Bed, tmp_path: Path) -> None:
    box = bed.host("box")
    make_k3s(box, tools.build(["crictl"])["crictl"])
    unit = "/etc/systemd/system/k3s.service.d/path.conf"
    box.write(unit, "[Service]\nEnvironment=PATH=/opt/narrow\n")
    box.run("mkdir -p /opt/narrow; for one in awk mkdir mount mountpoint sh; do ln -s /usr/bin/$one /opt/narrow/; done")
    box.run("systemctl daemon-reload; systemctl restart k3s")
    site, before = Site(tmp_path, bed, box), box.snapshot()
    failed = site.up()
    assert any("RT-14 runtime: k3s was restarted" in text for text in failed.errors), failed.errors
    good(site.up("destroy"))
    assert different(before, box.snapshot()) == {}
