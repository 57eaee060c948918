"""docs/tested.md says what ran on real parts; here a small run of pytest writes one."""

import re
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

@pytest.fixture(params=["built-in", pytest.param("pulumi", marks=pytest.mark.skip(reason="no pulumi"))])
def engine(request): return request.param

@pytest.mark.parametrize("runtime", ["docker", "containerd"])
def test_up_and_up_again(runtime, engine): pass

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
    assert "2 passed, 2 failed, 3 not run. " in page
    assert "Versions: etcd 3.4.\n\n- NOT RUN (1): no pulumi\n- NOT RUN (2): no root\n\n## The cluster target" in page
    assert "## The cluster target\n\nReal: API server, etcd. Stand-ins: kubelet.\n" in page
    rows = [re.sub(r", [0-9.]+ s ", " ", line) for line in page.splitlines() if line.startswith("| ")]
    assert rows == [
        "| what | built-in engine | the real `pulumi` |",
        "| up and up again (docker) | passed | NOT RUN (1) |",
        "| up and up again (containerd) | passed | NOT RUN (1) |",
        "| a job that fails | failed |  |",
        "| with a fixture that breaks | failed in setup |  |",
        "| without its parts | NOT RUN (2) |  |",
    ]


def test_two_modules_are_two_sections() -> None:
    rows = [
        row([("group", name), ("title", f"up {number}"), ("engine", "built-in")], "passed", 1.25)
        for number, name in enumerate(("hosts", "cluster", "hosts"))
    ]
    page = table(rows, {}, "2026-01-01", 2, 4)
    assert page.count("## hosts") == page.count("## cluster") == 1
    assert [page.count(f"| up {number} | passed, 1.2 s |") for number in range(3)] == [1, 1, 1]
    told = "2026-01-01: 3 passed, 0 failed, 0 not run. 2 s by the clock on 4 cores; 4 s in tests and their beginnings."
    assert told in page


def test_the_first_line_of_a_text() -> None:
    assert (first_line("\n  One. Two.\n\nThree."), first_line(None)) == ("One. Two", "")


def test_the_page_says_how_long_each_test_took() -> None:
    rows = [
        Row("a", "b", "c", "up (1)", "built-in", "passed", 12.34),
        Row("a", "b", "c", "up (1)", "pulumi", "passed", 20),
        Row("a", "b", "c", "away", "built-in", "not run: x", 0),
    ]
    assert took(table(rows, {"etcd": "3.4"}, "2026-11-21", 2, 4)) == {"up (1)": 32.3, "away": 0}
