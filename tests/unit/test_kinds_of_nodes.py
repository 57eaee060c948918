"""The whole program on nodes of each kind: green, then nothing to do, then everything as it was."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.world import WholeWorld
from tests.effort import long
from tests.unit.house import ROOT, House

pytestmark = long
NAME = "homelab-k3s"
WORLD: dict[str, Any] = yaml.safe_load((ROOT / f"lab/worlds/{NAME}.yaml").read_text())
CONFIG: dict[str, Any] = {
    key.removeprefix("gpu-ready:"): value
    for key, value in yaml.safe_load((ROOT / f"stacks/Pulumi.{NAME}.yaml").read_text())["config"].items()
}
SHOWN = {
    "containerd": "containerd 1.7.24",
    "k3s": "k3s containerd 2.1.5",
    "rke2-agent": "rke2 containerd 2.1.5",
    "k0s": "k0s containerd 1.7.24",
}


def house(folder: Path, runtime: str) -> House:
    return House(folder, {**WORLD, "hosts": [{**WORLD["hosts"][0], "runtime": runtime}]})


@pytest.mark.parametrize("runtime", [*SHOWN])
def test_a_node_gets_ready_and_is_given_back(tmp_path: Path, runtime: str) -> None:
    one = house(tmp_path, runtime)
    before = one.world.snapshot()
    made = one.run("up", CONFIG)
    assert (made.exit, made.errors) == (0, [])
    assert made.outputs["hosts"]["box"]["runtime"] == SHOWN[runtime]
    assert one.run("up", CONFIG, expect_no_changes=True).exit == 0
    gone = one.run("destroy", CONFIG)
    assert (gone.exit, gone.errors) == (0, [])
    after = one.world.snapshot()
    left = WholeWorld.unexpected(before, after)
    # Only a server brings its RuntimeClass back by itself.
    assert left == (["RuntimeClass/nvidia is gone"] if runtime == "rke2-agent" else [])


def test_docker_is_refused_where_an_operator_comes_and_nothing_stays(tmp_path: Path) -> None:
    one = house(tmp_path, "docker")
    before = one.world.snapshot()
    made = one.run("up", CONFIG)
    assert made.exit == 1
    assert any("RT-15 runtime: the kubelet uses Docker" in text for text in made.errors), made.errors
    assert one.run("destroy", CONFIG).exit == 0
    assert WholeWorld.remainder(before, one.world.snapshot()) == []
