"""A host whose kubelet uses Docker: its daemon.json gets our members, and gives them back"""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.real.hosts.bed import Bed
from lab.real.hosts.docker import SETTINGS, THEIRS, make_docker, say_by_flag
from lab.real.hosts.host import RealHost
from tests.lab.real_hosts import Site, different, good, needs_hosts

pytestmark = needs_hosts
REAL = ("sshd", "systemd", "apt and dpkg", "dockerd and containerd", "OpenSSH")
STANDINS = ("cri-dockerd (a socket)", "the card, its module and NVIDIA's packages", "the cluster")


@pytest.fixture
def box(bed: Bed) -> RealHost:
    """A node whose kubelet uses Docker."""
    host = bed.host("box")
    make_docker(host)
    return host


@pytest.fixture
def site(box: RealHost, bed: Bed, tmp_path: Path) -> Site:
    """A stack with the plugin alone, whose pods get cards without a class."""
    site = Site(tmp_path, bed, box)
    site.gpu = {"operator": "none", "runtimeClass": "none"}
    site.world.switch("nodes.node-box.default_runtime", True)
    return site


def default(host: RealHost) -> str:
    """What the daemon that runs says itself."""
    return host.run("docker info --format '{{.DefaultRuntime}}'").strip()


def process(host: RealHost) -> str:
    """Another one after a restart, which ends all containers."""
    return host.run("systemctl show -P MainPID docker")


def lasting(host: RealHost) -> dict[str, Any]:
    """What lasts on it; of Docker's own store, whose books change with each start, what it holds."""
    holds = host.run("docker images -aq; docker ps -aq; docker volume ls -q")
    files = {path: seen for path, seen in host.snapshot().items() if not path.startswith("/var/lib/docker/")}
    return {**files, "Docker's store": holds}


def test_up_makes_nvidia_the_default_and_destroy_gives_back_what_was(site: Site, box: RealHost) -> None:
    before, daemon = lasting(box), process(box)
    first = site.up()
    good(first)
    assert first.outputs["hosts"]["box"]["runtime"].startswith("docker 20.10.")
    assert default(box) == "nvidia"
    told = json.loads(box.run(f"cat {SETTINGS}"))
    assert told.pop("runtimes")["nvidia"]["path"] == "/usr/bin/nvidia-container-runtime"
    assert told == {**json.loads(THEIRS), "default-runtime": "nvidia"}

    counted = box.connections()
    assert good(site.up()) == set()
    assert box.connections() == counted

    good(site.up("destroy"))
    assert different(before, lasting(box)) == {}
    assert box.run(f"cat {SETTINGS}") == THEIRS
    assert (default(box), process(box)) == ("runc", daemon)


def test_a_docker_whose_own_flag_forbids_it_comes_back_with_its_old_file(site: Site, box: RealHost) -> None:
    before = lasting(box)
    say_by_flag(box)
    failed = site.up()
    assert any("HST-77 runtime: docker did not come back with the handler nvidia; the old file is in place" in text
               for text in failed.errors), failed.errors  # fmt: skip
    assert (box.run(f"cat {SETTINGS}"), default(box)) == (THEIRS, "runc")

    say_by_flag(box, False)
    good(site.up())
    assert default(box) == "nvidia"
    good(site.up("destroy"))
    assert different(before, lasting(box)) == {}
