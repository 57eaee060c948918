"""The stack files: each can be read, uses only known keys, and gives components the arguments that they declare."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import settings
from components.aws_args import AwsGpuHostArgs, AwsGpuHostsArgs, AwsGpuNodesArgs
from components.bare_metal import BareMetalGpuNodesArgs
from components.choices import GpuChoices
from components.existing import ExistingGpuNodesArgs
from components.gke import GkeGpuNodesArgs
from components.gpu_host import HostDriver
from components.gpu_stack import GpuStackArgs
from components.validation import GpuValidationArgs
from decide import defaults
from settings.hosts import KEY

ROOT = Path(__file__).resolve().parents[2]
STACKS = sorted((ROOT / "stacks").glob("Pulumi.*.yaml"))


def config_of(stack: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(stack.read_text(encoding="utf-8"))["config"])


def wish_of(stack: Path) -> settings.Settings:
    """The wish of a stack, once its owner has put in the keys of the hosts."""
    raw = {key.removeprefix("gpu-ready:"): value for key, value in config_of(stack).items()}
    for host in raw.get("bareMetal", {}).get("hosts", []):
        if "REPLACE" in host.get("hostKey", ""):
            host["hostKey"] = KEY
    secrets = [key for key in raw if key in settings.SECRETS]
    return settings.parse(raw, secret_keys=secrets)


TARGETS = {
    "aws-g5": "aws",
    "aws-g5-hosts": "bareMetal",
    "demo": "bareMetal",
    "existing-cluster": "cluster",
    "gke-a100": "gke",
    "homelab": "bareMetal",
    "homelab-docker": "bareMetal",
    "homelab-k3s": "bareMetal",
    "homelab-k3s-new": "bareMetal",
    "rocky-g5": "bareMetal",
}
NODES: dict[str, Any] = {
    "cluster": ExistingGpuNodesArgs,
    "bareMetal": BareMetalGpuNodesArgs,
    "gke": GkeGpuNodesArgs,
    "aws": AwsGpuNodesArgs,
}


def test_there_is_a_stack_for_each_situation_of_this_release() -> None:
    assert [stack.name for stack in STACKS] == sorted(f"Pulumi.{name}.yaml" for name in TARGETS)


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_each_stack_file_is_without_faults(stack: Path) -> None:
    assert all(key.startswith("gpu-ready:") for key in config_of(stack))
    assert wish_of(stack).target == TARGETS[stack.name.split(".")[1]]


def test_the_placeholder_of_a_host_key_is_refused_with_the_command_that_prints_the_key() -> None:
    raw = config_of(ROOT / "stacks" / "Pulumi.homelab.yaml")

    with pytest.raises(settings.SettingsError, match=r"hosts\[0\].hostKey: the placeholder .* ssh-keyscan") as caught:
        settings.parse({key.removeprefix("gpu-ready:"): value for key, value in raw.items()})

    assert len(caught.value.faults) == 1


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_components_declare_all_arguments_that_they_get(stack: Path) -> None:
    wish = wish_of(stack)
    given_and_declared = [
        (wish.nodes_args(), AwsGpuHostsArgs if wish.rents else NODES[wish.target]),
        (wish.stack_args(), GpuStackArgs),
        (
            wish.validation_args(
                SimpleNamespace(**vars(wish.cluster), node_of_host={}, made={}, away={}, pools=[]),
                SimpleNamespace(operator_revision="1"),
            ),
            GpuValidationArgs,
        ),
        (wish.nodes_args()["gpu"], GpuChoices),
        *((host, AwsGpuHostArgs) for host in wish.nodes_args().get("hosts", [])),
        *((host["driver"], HostDriver) for host in wish.nodes_args().get("hosts", [])),
    ]

    assert [
        sorted(set(given) - set(declared.__annotations__))
        for given, declared in given_and_declared
        if set(given) - set(declared.__annotations__)
    ] == []


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_each_stack_file_is_in_the_readme_with_how_to_take_it_back(stack: Path) -> None:
    readme = (ROOT / "stacks" / "README.md").read_text(encoding="utf-8")
    row = next((line for line in readme.splitlines() if f"]({stack.name})" in line), "")

    assert "destroy -s" in row


@pytest.mark.parametrize("mode", ["external", "none"])
def test_another_operator_takes_the_lines_out_that_the_comment_names(mode: str) -> None:
    path = ROOT / "stacks" / "Pulumi.existing-cluster.yaml"
    raw = {key.removeprefix("gpu-ready:"): value for key, value in config_of(path).items()}
    told = path.read_text(encoding="utf-8").split("take out ")[1].split(" below")[0]
    gone = set(re.findall(r"\w+", told)) - {"and"}
    gpu = {key: value for key, value in raw["gpu"].items() if key not in gone}
    gpu["operator"] = {key: value for key, value in gpu["operator"].items() if key not in gone} | {"mode": mode}

    assert settings.parse({**raw, "gpu": gpu}).gpu.operator.mode == mode


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


def test_commented_settings_of_a_host_are_right_too() -> None:
    text = (ROOT / "stacks" / "Pulumi.homelab.yaml").read_text(encoding="utf-8")
    shown = re.findall(r"^ +#   (\w+: [\w-]+)$", text, re.MULTILINE)
    taken = {key: value for line in shown for key, value in yaml.safe_load(line).items()}
    host = {"name": "a", "address": "a.home.arpa", "hostKey": KEY, "nodeName": taken.pop("nodeName"), "driver": taken}

    wish = settings.parse({"target": "bareMetal", "cluster": {"context": "c"}, "bareMetal": {"hosts": [host]}})

    driver = vars(wish.bare_metal.hosts[0].driver)  # type: ignore[union-attr]
    said = {key: value for key, value in driver.items() if key in (*taken, "source", "version")}
    assert said == {
        "source": "auto",
        "branch": defaults.DRIVER_BRANCH,
        "version": None,
        "flavour": "open",
    }


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_no_stack_file_holds_a_secret_or_a_real_address(stack: Path) -> None:
    text = stack.read_text(encoding="utf-8")

    assert not re.search(r"secure:(?! put-yours-here-)|BEGIN", text)
    assert all(one.startswith("192.0.2.") for one in re.findall(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", text))
