"""Target `bareMetal` from nothing to nothing: real hosts that are nodes of a real cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.real import tools
from lab.real.site import Site
from tests.lab import whole
from tests.lab.engines import Ended
from tests.lab.real_hosts import needs_hosts
from tests.lab.whole import Whole, new_site

pytestmark = needs_hosts
REAL = (*whole.REAL, "containerd")
STANDINS = whole.STANDINS


@pytest.fixture
def site(tmp_path: Path, built: dict[str, Path]) -> Iterator[Site]:
    """A cluster without nodes, and no hosts yet."""
    with new_site(tmp_path, built) as one:
        yield one


def test_one_host_becomes_a_node_that_runs_gpu_pods(site: Site, tmp_path: Path, engine: str) -> None:
    site.add("rtx")
    Whole(site, tmp_path, engine).round_trip()


def test_three_hosts_of_two_distributions_one_of_which_reboots(site: Site, tmp_path: Path, engine: str) -> None:
    site.add("rtx")
    boot = site.add("tesla", nouveau=True).boot_id()
    site.add("ubuntu", "noble", "NVIDIA GeForce RTX 4070", compilers=False)
    Whole(site, tmp_path, engine).round_trip()
    assert site.members["tesla"].host.boot_id() != boot


def test_debian_13_with_the_device_plugin_alone(site: Site, tmp_path: Path, engine: str) -> None:
    site.add("trixie", "trixie")

    def look(first: Ended) -> None:
        assert first.outputs["hosts"]["trixie"]["driver"].startswith("580.")
        assert first.outputs["report"]["operator"]["owner"] == "none"

    Whole(site, tmp_path, engine, operator="none").round_trip(look)


def test_what_is_missing_here_is_said() -> None:
    assert tools.missing() == []
