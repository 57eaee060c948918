"""A release that Helm left half-way: named with what to do, after which the next up takes over what is there."""

from pathlib import Path
from typing import Any

import pytest

from decide.helm_failures import explained
from lab.engine import Result
from tests.effort import long
from tests.unit.house import CONFIG, House

FIX = "-n gpu-operator delete secret -l owner=helm,name=gpu-operator,status!=deployed; pulumi refresh; then pulumi up"
CHANGED = {**CONFIG, "gpu": {**CONFIG["gpu"], "operator": {"values": {"dcgmExporter": {"enabled": False}}}}}


def mended(house: House) -> None:
    """What the fix says, by hand."""
    with house.world.open() as cluster:
        for one in cluster.list("Secret", "gpu-operator"):
            labels = one["metadata"].get("labels", {})
            if (labels.get("owner"), labels.get("name")) == ("helm", "gpu-operator") and labels["status"] != "deployed":
                cluster.remove(one)


def named(failed: Result) -> None:
    (said,) = [text for text in failed.errors if text.startswith("OP-22")]
    assert said.startswith("OP-22 helm: gpu-operator/gpu-operator: an install or upgrade of this release was cut off")
    assert FIX in said


@long
@pytest.mark.parametrize("config", [CONFIG, CHANGED])
def test_a_release_that_was_cut_off_is_named_and_taken_over_once_its_record_is_gone(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    house = House(tmp_path)
    before = house.world.snapshot()
    if config is CHANGED:
        assert house.run("up").exit == 0
    house.world.switch("helm", "cut-off")
    assert house.run("up", config).exit == 1
    house.world.switch("helm", "up")
    for _time in range(2):
        named(house.run("up", config))
    mended(house)
    assert house.run("refresh", config).exit == 0
    green = house.run("up", config)
    assert (green.exit, green.outputs["report"]["ready"]) == (0, True), green.errors
    assert set(house.run("up", config).changes) == {"same"}
    assert house.run("destroy", config).exit == 0
    assert house.world.unexpected(before, house.world.snapshot()) == []


def test_other_words_of_helm_stay_as_they_are() -> None:
    assert explained("chart not found", "gpu-operator", "gpu-operator") == []
