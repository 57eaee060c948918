"""What was planned is carried out by the real scripts in simulated machines: made ready, nothing to do the second time,
and back to what it was; or refused, and nothing touched.

`make matrix` has all of them; some are tried with every `make check`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.effort import long
from tests.host.conftest import tmp_path  # noqa: F401  # machines are made in memory
from tests.matrix.axes import Point
from tests.matrix.executed import execute, points

WHOLE = os.environ.get("GPU_READY_MATRIX") == "1"
SOME = 12
pytestmark = long


def chosen() -> list[Point]:
    """All, or some from everywhere."""
    found = points()
    return found if WHOLE else found[:: max(1, len(found) // SOME)][:SOME]


@pytest.mark.parametrize("point", chosen(), ids=lambda point: ", ".join(point.values()))
def test_a_point_ends_as_planned(point: Point, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:  # noqa: F811
    ended = execute(point, tmp_path / "machine")
    record_property("matrix", ended.how)
    assert ended.faults == (), (point, ended)
