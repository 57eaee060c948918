"""The stack files: each can be read, uses only known keys, and gives components the arguments that they declare."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import settings
from components.choices import GpuChoices
from components.existing import ExistingGpuNodesArgs
from components.gpu_stack import GpuStackArgs
from components.validation import GpuValidationArgs

ROOT = Path(__file__).resolve().parents[2]
STACKS = sorted((ROOT / "stacks").glob("Pulumi.*.yaml"))


def config_of(stack: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(stack.read_text(encoding="utf-8"))["config"])


def wish_of(stack: Path) -> settings.Settings:
    return settings.parse({key.removeprefix("gpu-ready:"): value for key, value in config_of(stack).items()})


def test_there_is_a_stack_for_each_situation_of_this_release() -> None:
    assert [stack.name for stack in STACKS] == ["Pulumi.demo.yaml", "Pulumi.existing-cluster.yaml"]


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_each_stack_file_is_without_faults(stack: Path) -> None:
    assert all(key.startswith("gpu-ready:") for key in config_of(stack))
    assert wish_of(stack).target == "cluster"


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_components_declare_all_arguments_that_they_get(stack: Path) -> None:
    wish = wish_of(stack)
    given_and_declared = [
        (wish.nodes_args(), ExistingGpuNodesArgs),
        (wish.stack_args(), GpuStackArgs),
        (wish.validation_args(wish.cluster), GpuValidationArgs),
        (wish.nodes_args()["gpu"], GpuChoices),
    ]

    assert [set(given) - set(declared.__annotations__) for given, declared in given_and_declared] == [set()] * 4


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_each_stack_file_is_in_the_readme_with_how_to_take_it_back(stack: Path) -> None:
    readme = (ROOT / "stacks" / "README.md").read_text(encoding="utf-8")
    row = next((line for line in readme.splitlines() if f"]({stack.name})" in line), "")

    assert "destroy -s" in row


def test_commented_examples_in_stack_files_are_right_too() -> None:
    text = (ROOT / "stacks" / "Pulumi.existing-cluster.yaml").read_text(encoding="utf-8")
    shown = re.findall(r"^ +#   (\w+: [\[{].*)$", text, re.MULTILINE)
    taken = {key: value for line in shown for key, value in yaml.safe_load(line).items()}

    wish = settings.parse(
        {
            "target": "cluster",
            "cluster": {"context": "c", "nodeSelector": taken["nodeSelector"], "tolerations": taken["tolerations"]},
            "gpu": {"operator": {"values": taken["values"]}},
        }
    )

    assert wish.cluster.node_selector == {"pool": "gpu"}
    assert len(shown) == 3


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_no_stack_file_holds_a_secret_or_a_real_address(stack: Path) -> None:
    text = stack.read_text(encoding="utf-8")

    assert not re.search(r"secure:|BEGIN|\b\d{1,3}(\.\d{1,3}){3}\b", text)
