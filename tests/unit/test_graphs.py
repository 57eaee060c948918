"""The graph of each stack: what is made, under what, after what, and what is kept. A change of it is meant, or a fault.

GPU_READY_GRAPHS=write writes the files anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

import settings
from lab.cluster import derive
from tests.effort import long
from tests.unit.house import House

ROOT = Path(__file__).resolve().parents[2]
GRAPHS = Path(__file__).parent / "graphs"
OPERATOR: dict[str, Any] = {"gpu": {"driver": "operator"}}
OURS: dict[str, Any] = {"gke": {"cluster": {"name": "ml", "create": True}}}
EKS: dict[str, Any] = {
    "name": "fresh",
    "create": True,
    "version": "1.35",
    "zones": ["us-east-1a", "us-east-1b"],
    "publicCidrs": ["203.0.113.7/32"],
    "admins": ["arn:aws:iam::123456789012:role/admins"],
}
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("existing-cluster", "existing-cluster", {}),
    ("aws-g5", "aws-g5", {}),
    ("aws-g5-hosts", "aws-g5-hosts", {}),
    ("aws-g5-ours", "aws-g5", {"aws": {"cluster": EKS}}),
    ("gke-a100", "gke-a100", {}),
    ("gke-a100-operator", "gke-a100", OPERATOR),
    ("gke-a100-ours", "gke-a100", OURS),
]


def config_of(stack: str, changed: dict[str, Any]) -> dict[str, Any]:
    text = (ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text()
    raw = {key.removeprefix("gpu-ready:"): value for key, value in yaml.safe_load(text)["config"].items()}
    return {key: {**value, **changed.get(key, {})} if isinstance(value, dict) else value for key, value in raw.items()}


def graph(result: Any) -> str:
    """A line per resource: short names, sorted, so that nothing depends on who was first."""
    names = {goal.urn: goal.name for goal in result.all()}
    lines = []
    for goal in result.all():
        if "default" in goal.name or goal.type.startswith("pulumi:pulumi:"):
            continue
        new = goal.new
        after = sorted({names[urn] for urn in new.dependencies if urn in names})
        marks = [f"in {names[new.parent]}" if names.get(new.parent, "gpu-ready-demo") != "gpu-ready-demo" else ""]
        marks += [f"after {', '.join(after)}" if after else "", "protected" if new.protect else ""]
        lines.append("; ".join([f"{goal.type} {goal.name}", *(mark for mark in marks if mark)]))
    return "\n".join(sorted(lines)) + "\n"


@pytest.mark.parametrize(
    ("name", "stack", "changed"),
    [pytest.param(*case, marks=long) if case[0].startswith("aws") else case for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_the_graph_of_a_stack_is_the_one_that_is_kept(
    tmp_path: Path, name: str, stack: str, changed: dict[str, Any]
) -> None:
    config = config_of(stack, changed)
    secret = [key for key in config if key in settings.SECRETS]
    house = House(tmp_path, derive.world(settings.parse(config, secret)))
    result = house.run("preview", config, secret_keys=[f"gpu-ready:{key}" for key in secret])
    kept, found = GRAPHS / f"{name}.txt", graph(result)
    if os.environ.get("GPU_READY_GRAPHS") == "write":
        kept.write_text(found)

    assert (result.exit, result.errors) == (0, [])
    assert found == kept.read_text()
