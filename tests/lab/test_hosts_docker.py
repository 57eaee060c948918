"""A host whose kubelet uses Docker: its daemon.json gets our members, and gives them back"""

import json
from pathlib import Path

from lab.real.hosts.bed import Bed
from lab.real.hosts.docker import SETTINGS, THEIRS, lasting, make_docker, say_by_flag
from lab.real.hosts.host import RealHost
from lab.real.hosts.kinds import DOCKER
from tests.lab import whole
from tests.lab.engines import Ended
from tests.lab.real_hosts import Site, different, good, needs_hosts
from tests.lab.whole import Whole, new_site

pytestmark = needs_hosts
REAL = (*whole.REAL, "dockerd and containerd")
STANDINS = ("cri-dockerd (a socket)", *whole.STANDINS, "where its own flag forbids it, the cluster")
CLASSLESS = {"operator": "none", "runtimeClass": "none"}
"""The plugin alone, whose pods get cards without a class: cri-dockerd takes no handler."""


def default(host: RealHost) -> str:
    """What the daemon that runs says itself."""
    return host.run("docker info --format '{{.DefaultRuntime}}'").strip()


def process(host: RealHost) -> str:
    """Another one after a restart, which ends all containers."""
    return host.run("systemctl show -P MainPID docker")


def test_up_makes_nvidia_the_default_and_destroy_gives_back_what_was(
    tmp_path: Path, built: dict[str, Path], engine: str
) -> None:
    with new_site(tmp_path, built) as site:
        box = site.add("box", kind=DOCKER)
        daemon = process(box)

        def look(first: Ended) -> None:
            assert first.outputs["hosts"]["box"]["runtime"].startswith("docker 20.10.")
            assert default(box) == "nvidia"
            told = json.loads(box.run(f"cat {SETTINGS}"))
            assert told.pop("runtimes")["nvidia"]["path"] == "/usr/bin/nvidia-container-runtime"
            assert told == {**json.loads(THEIRS), "default-runtime": "nvidia"}

        Whole(site, tmp_path, engine, **CLASSLESS).round_trip(look)
        assert box.run(f"cat {SETTINGS}") == THEIRS
        assert (default(box), process(box)) == ("runc", daemon)


def test_a_docker_whose_own_flag_forbids_it_comes_back_with_its_old_file(bed: Bed, tmp_path: Path) -> None:
    box = bed.host("box")
    make_docker(box)
    site, before = Site(tmp_path, bed, box), lasting(box)
    site.gpu = CLASSLESS
    site.world.switch("nodes.node-box.default_runtime", True)
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
