"""Odd machines that people reported, each with what has to come of it: a plan, or a refusal that names the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from decide.host_plan import Plan, plan
from tests.unit.small_host import facts

RECORDS = sorted((Path(__file__).parent.parent / "odd_machines").glob("*.json"))


def ends(record: dict[str, Any]) -> dict[str, Any]:
    made = plan(facts(**record["facts"]), {"name": "rtx", "driver": {}, **record["wish"]})
    if isinstance(made, Plan):
        return {"planned": made.values["driver"]["GR_DECIDED"]}
    assert all(one.problem and one.fix for one in made)
    return {"refused": [one.id for one in made]}


def test_there_are_enough_of_them() -> None:
    assert len(RECORDS) >= 40


@pytest.mark.parametrize("file", RECORDS, ids=lambda file: file.stem)
def test_an_odd_machine_ends_as_it_has_to(file: Path) -> None:
    record = json.loads(file.read_text())
    assert ends(record) == record["ends"], record["what"]
    assert record["source"]
