"""The lab's cache: what no recipe names any more goes, and nothing else"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.real import setup
from lab.real.hosts import image, places, repositories
from tests.lab.real_hosts import needs_hosts

REAL = ("locks and files of this machine",)
STANDINS = ()
OLD = "bookworm-0123456789ab"
_WORKS = """\
import sys, time
from lab.real.hosts import places
print(places.kept(sys.argv[1], lambda folder: None), flush=True)
time.sleep(60)
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of this test's own."""
    monkeypatch.setenv(places.CACHE, str(tmp_path))
    yield tmp_path
    for place in [one for one in places._IN_USE if one.parent == tmp_path]:
        places._IN_USE.pop(place).close()


def entry(cache: Path, name: str, ending: str = "", hours: float = 100) -> Path:
    """One that was last used so long ago."""
    place, then = cache / f"{name}{ending}", time.time() - hours * 3600
    (place / "root").mkdir(parents=True)
    (cache / f"{name}.lock").touch()
    for one in (cache / f"{name}.lock", place):
        os.utime(one, (then, then))
    return place


@pytest.mark.parametrize("ending", ["", ".new", ".gone"])
def test_what_an_earlier_recipe_made_goes(cache: Path, ending: str) -> None:
    entry(cache, OLD, ending)
    said: list[str] = []
    places.prune(["bookworm"], [], said.append)
    assert (sorted(one.name for one in cache.iterdir()), said) == (
        [f"{OLD}.lock"],
        [f"lab: took away {OLD}{ending}, which nothing here is made of any more"],
    )


@pytest.mark.parametrize(
    ("name", "hours"),
    [("bookworm-aaaaaaaaaaaa", 100), (OLD, 1), ("bookworm-mine", 100), ("backup-0123456789ab", 100), ("packages", 100)],
    ids=["named by a recipe", "used today", "another name", "another family", "the downloads"],
)
def test_all_else_stays(cache: Path, name: str, hours: float) -> None:
    place = entry(cache, name, hours=hours)
    places.prune(["bookworm", "bookworm-compilers"], ["bookworm-aaaaaaaaaaaa"])
    assert (place / "root").is_dir()


def test_what_somebody_works_with_stays_until_he_ends(cache: Path) -> None:
    place = entry(cache, OLD)
    command = [sys.executable, "-c", _WORKS, OLD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as works:
        assert works.stdout is not None
        assert works.stdout.readline() == f"{place}\n"
        os.utime(cache / f"{OLD}.lock", (0, 0))
        places.prune(["bookworm"], [])
        assert (place / "root").is_dir()
        works.kill()
    places.prune(["bookworm"], [])
    assert not place.exists()


@needs_hosts
def test_setup_takes_what_is_old_and_keeps_all_that_its_recipes_name(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repositories, "_make", lambda folder, program: None)
    named = [entry(cache, image.name_of(suite, True)) for suite in ("bookworm", "trixie")]
    named += [entry(cache, image.name_of(suite, False)) for suite in image.SUITES]
    old = [entry(cache, name) for name in (OLD, "noble-0123456789ab", "standins-0123456789ab")]
    setup.prune()
    assert all(one.exists() for one in named)
    assert not any(one.exists() for one in old)
