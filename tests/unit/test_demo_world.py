"""The demo from nothing to nothing: two hosts that get everything, and lose it again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.values import from_json, unwrap
from tests.effort import long
from tests.unit.house import HOSTS, HOSTS_CONFIG, House

pytestmark = long
STATE_OF_A_HOST = 64 * 1024
"""All of a state is written anew at each step of a deployment."""


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, HOSTS)


def bytes_of(host: str, house: House) -> int:
    """What a host adds to a state as the real engine writes it, but for its proof."""
    parts = [one for one in house.engine.store.load()["resources"] if f"-{host}" in one["urn"].split("::")[-1]]
    ours = [one for one in parts if "GpuValidation" not in one["urn"]]
    assert len(ours) == 8
    return len(json.dumps(ours, indent=4))


def assert_told_apart(house: House) -> None:
    """Each step goes to its own host, which is known by its key; nothing but its words comes back."""
    keys = {host["name"]: host["hostKey"] for host in HOSTS_CONFIG["bareMetal"]["hosts"]}
    steps = [one for one in house.engine.store.load()["resources"] if one["type"] == "command:remote:Command"]
    assert len(steps) == 12
    for one in steps:
        inputs = one["inputs"]
        assert unwrap(from_json(inputs["connection"]))["hostKey"] == keys[one["urn"].split("-")[-2]]
        assert (inputs["logging"], inputs["addPreviousOutputInEnv"]) == ("stderr", False)


def test_two_hosts_are_made_ready_stay_so_and_are_as_before_at_the_end(house: House) -> None:
    start = house.world.snapshot()
    assert (house.run("up", HOSTS_CONFIG).exit, house.run("up", HOSTS_CONFIG).changes) == (0, {"same": 30})
    assert_told_apart(house)
    assert bytes_of("rtx", house) < STATE_OF_A_HOST
    assert bytes_of("tesla", house) < STATE_OF_A_HOST

    assert house.run("destroy").exit == 0
    assert house.world.unexpected(start, house.world.snapshot()) == []
