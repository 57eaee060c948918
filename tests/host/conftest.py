"""Machines for the tests of the stand-ins."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.small_machine import TESLA, Bench, born

MEMORY = Path("/dev/shm")


def in_memory() -> bool:
    """Whether there is a folder in memory in which programs may run."""
    return os.access(MEMORY, os.W_OK) and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A machine is some hundred files: a disk takes longer to make them than its test to run."""
    if not in_memory():
        yield tmp_path_factory.mktemp("machines")
        return
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="gpu-ready-") as folder:
        yield Path(folder)


@pytest.fixture
def ubuntu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    """Ubuntu 24.04 with a card that nobody holds; apt knows the archive."""
    bench = Bench(born(tmp_path / "machine"), capsys)
    bench.well("apt-get update")
    return bench


@pytest.fixture
def debian(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    """Debian 12 with a card that nouveau holds; apt knows the archive and the CUDA repository."""
    bench = Bench(born(tmp_path / "machine", distro="debian-12", cards=[TESLA], nouveau=True), capsys)
    bench.repository("cuda")
    return bench
