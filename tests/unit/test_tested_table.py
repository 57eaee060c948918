"""docs/tested.md says what ran on real parts; here a small run of pytest writes one."""

import subprocess
import sys
from pathlib import Path

from tests.effort import long
from tests.lab.tested import TABLE, Row, first_line, row, table, took

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = """
import pytest
from tests.lab import tested

def pytest_configure(config):
    if file := tested.wanted():
        config.pluginmanager.register(tested.Table(file, {"etcd": "3.4"}))

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    item.user_properties.extend(tested.about(item).items())
"""
TESTS = '''
"""The cluster target.

More of it.
"""
import pytest

REAL, STANDINS = ("API server", "etcd"), ("kubelet",)

ENGINE = "pulumi"

@pytest.mark.parametrize("runtime", ["docker", "containerd"])
def test_up_and_up_again(runtime): pass

def test_a_job_that_fails():
    """A Job that fails: the message names the layer."""
    assert False

@pytest.fixture
def gone(): raise OSError

def test_with_a_fixture_that_breaks(gone): pass

def test_without_its_parts(): pytest.skip("no root")
'''


@long
def test_the_page_has_each_test_with_its_end(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), TABLE: str(tmp_path / "tested.md")}
    subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, check=False)

    page = (tmp_path / "tested.md").read_text()
    assert "2 passed, 2 failed, 1 not run. " in page
    assert "Versions: etcd 3.4." in page
    assert "## The cluster target\n\nReal: API server, etcd. Stand-ins: kubelet.\n" in page
    rows = [line.rsplit("|", 2)[0] for line in page.splitlines() if line.startswith("| ") and "what" not in line]
    assert rows == [
        "| up and up again (docker) | pulumi | passed ",
        "| up and up again (containerd) | pulumi | passed ",
        "| a job that fails | pulumi | failed ",
        "| with a fixture that breaks | pulumi | failed in setup ",
        "| without its parts | pulumi | not run: no root ",
    ]


def test_two_modules_are_two_sections() -> None:
    rows = [row([("group", name), ("title", "up")], "passed", 1.25) for name in ("hosts", "cluster", "hosts")]
    page = table(rows, {}, "2026-01-01", 2, 4)
    assert page.count("## hosts") == page.count("## cluster") == 1
    assert page.count("| up |  | passed | 1.2 |") == 3
    told = "2026-01-01: 3 passed, 0 failed, 0 not run. 2 s by the clock on 4 cores; 4 s in tests and their beginnings."
    assert told in page


def test_the_first_line_of_a_text() -> None:
    assert (first_line("\n  One. Two.\n\nThree."), first_line(None)) == ("One. Two", "")


def test_the_page_says_how_long_each_test_took() -> None:
    rows = [
        Row("a", "b", "c", "up (1)", "built-in", "passed", 12.34),
        Row("a", "b", "c", "away", "built-in", "not run: x", 0),
    ]
    assert took(table(rows, {"etcd": "3.4"}, "2026-11-21", 2, 4)) == {"up (1)": 12.3, "away": 0.0}
