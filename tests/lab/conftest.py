"""The lab's cluster for tests: a fresh one for each, built programs for all, and how long everything took."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lab.real import tools
from lab.real.cluster import RealCluster
from lab.real.hosts.bed import Bed
from tests.lab import tested
from tests.lab.engines import BOTH
from tests.lab.real_cluster import TIMES, RealHouse

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tested.md"
UNKNOWN_SECONDS = 60.0
UNTIL = "GPU_READY_LAB_UNTIL"
"""Environment variable: when a run with a limit begins no test any more, in seconds of the epoch."""
CPU: dict[str, Any] = {"name": "cpu-1"}
GPU_1: dict[str, Any] = {"name": "gpu-1", "card": "NVIDIA A10G", "driver": "580.126.20", "toolkit": True}
GPU_2: dict[str, Any] = {
    "name": "gpu-2", "card": "Tesla T4", "gpus": 2, "driver": "580.126.20", "toolkit": True,
    "taints": ["nvidia.com/gpu=present:NoSchedule"],
}  # fmt: skip
"""The same nodes as those of tests/worlds/cluster.yaml."""


def pytest_configure(config: pytest.Config) -> None:
    """A whole run writes its page."""
    if file := tested.wanted():
        from lab.real import versions
        from lab.real.hosts import image

        config.pluginmanager.register(tested.Table(file, versions.found(list(image.SUITES))))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, as the last page has it, so that no worker is left with one when the others are done."""
    known = tested.took(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    items.sort(key=lambda item: -known.get(tested.about(item)["title"], UNKNOWN_SECONDS))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Each test says what it is about, for that page."""
    item.user_properties.extend(tested.about(item).items())
    if time.time() > float(os.environ.get(UNTIL, "inf")):
        pytest.skip(f"no time was left for it in this run ({UNTIL}); make lab-test has no such limit")


@pytest.fixture(scope="session")
def built() -> dict[str, Path]:
    """The programs; a machine on which they cannot be built or started skips, and says what is missing."""
    lacks = tools.missing()
    if lacks:
        pytest.skip(f"the real cluster was NOT tried: {'; '.join(lacks)}")
    return tools.build()


@pytest.fixture
def cluster(tmp_path: Path, built: dict[str, Path]) -> Iterator[RealCluster]:
    """A cluster with one node without a card and two with; the stand-ins must have had no trouble of their own."""
    with RealCluster(tmp_path / "cluster", built) as one:
        with ThreadPoolExecutor(3) as several:
            list(several.map(lambda node: one.add_node(**node), (CPU, GPU_1, GPU_2)))
        yield one
        assert one.gpus.faults == []


@pytest.fixture
def bed() -> Iterator[Bed]:
    """Hosts of a test's own."""
    with Bed() as one:
        yield one


@pytest.fixture(params=BOTH)
def engine(request: pytest.FixtureRequest) -> str:
    """Whose engine runs the stack."""
    return str(request.param)


@pytest.fixture
def house(engine: str, cluster: RealCluster, tmp_path: Path) -> RealHouse:
    """A stack in that cluster."""
    return RealHouse(cluster, tmp_path, engine)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What each operation took."""
    for name, op, seconds in TIMES:
        terminalreporter.write_line(f"{seconds:7.1f} s  {op:8} {name}")
