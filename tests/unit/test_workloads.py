"""The workloads of docs/workloads: taken by the cluster, at work on a card, and the same in YAML and in Pulumi."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from decide import defaults, mig, sharing
from decide.failures import BY_ID
from decide.first_workload import manifest
from decide.operator_values import Value, as_tree
from docs.workloads import gpu_workloads
from lab.cluster.store import Object
from lab.cluster.world import World
from lab.schemas import faults
from tests.unit.small_world import GPU_1, ON_HOST, after, some, with_operator, world

FOLDER = Path(gpu_workloads.__file__).parent
FILES = {
    "pytorch-job": gpu_workloads.pytorch_job,
    "inference-server": gpu_workloads.inference_server,
    "shared-gpu": gpu_workloads.shared_gpu,
    "mig-slice": gpu_workloads.mig_slice,
}
PLACE = manifest(defaults.GPU_NODE_SELECTOR, [defaults.GPU_TOLERATION], defaults.RUNTIME_CLASS)
A100 = {**GPU_1, "card": "NVIDIA A100-SXM4-40GB", "labels": {"nvidia.com/mig.config": "all-1g.5gb"}}
ID = re.compile(r"\b[A-Z]+-\d+\b")


def objects(name: str) -> list[Object]:
    return list(yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text()))


def pods(name: str) -> list[Object]:
    """Specs of the pods that a file makes."""
    return [one["spec"]["template"]["spec"] for one in objects(name) if "template" in one["spec"]]


def test_each_file_of_the_folder_is_told_of_and_has_its_pulumi_twin() -> None:
    assert {one.stem for one in FOLDER.glob("*.yaml")} == {*FILES, "namespace"}
    words = (FOLDER / "README.md").read_text()
    for name, made in FILES.items():
        assert f"({name}.yaml)" in words
        assert f"gpu_workloads.{made.__name__}(ready" in words
    assert [one for one in ID.findall(words) if one not in BY_ID] == []


@pytest.mark.parametrize("name", [*FILES, "namespace"])
def test_each_object_is_right_in_the_oldest_and_the_newest_kubernetes(name: str) -> None:
    assert [fault for one in objects(name) for fault in faults(one)] == []


@pytest.mark.parametrize("name", FILES)
def test_each_pod_asks_for_its_card_by_a_limit_alone_and_names_one_exact_image(name: str) -> None:
    ours = (defaults.PYTORCH_IMAGE, defaults.CUDA_IMAGE, defaults.SMI_IMAGE)
    for spec in pods(name):
        (container,) = spec["containers"]
        assert list(container["resources"]) == ["limits"]
        assert [one for one in container["resources"]["limits"] if not one.startswith("nvidia.com/")] == []
        assert container["image"] in ours or re.fullmatch(r".*:v\d+\.\d+\.\d+", container["image"])


class Ready(pulumi.runtime.Mocks):
    """A stack that made nodes ready, and what was made from its outputs."""

    def __init__(self, first_workload: str) -> None:
        self.outputs, self.made = {"first_workload": first_workload}, list[Object]()

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if args.typ == "pulumi:pulumi:StackReference":
            return args.name, {"name": args.name, "outputs": self.outputs, "secretOutputNames": []}
        self.made.append(args.inputs)
        return args.name, args.inputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
        raise AssertionError(f"nothing is asked of a provider, but {args.token} was")


@pytest.fixture
def made() -> Iterator[Callable[..., list[Object]]]:
    """What a function of the snippets makes in a stack of its own."""

    def run(function: Callable[..., Any], first_workload: str = PLACE) -> list[Object]:
        there = Ready(first_workload)
        pulumi.runtime.set_mocks(there, preview=False)

        @pulumi.runtime.test
        def program() -> Any:
            return function(pulumi.StackReference("me/gpu-ready/home")).urn

        program()
        return there.made

    yield run
    pulumi.runtime.reset_options()


def with_text_amounts(spec: Any) -> Any:
    """An amount may be a number in YAML, and is a text in Pulumi's types."""
    if isinstance(spec, list):
        return [with_text_amounts(one) for one in spec]
    if not isinstance(spec, dict):
        return spec
    return {key: {one: str(amount) for one, amount in value.items()} if key == "limits" else with_text_amounts(value)
            for key, value in spec.items()}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_pulumi_makes_what_the_yaml_says(name: str, made: Callable[..., list[Object]]) -> None:
    by_kind = {one["kind"]: one for one in made(FILES[name])}
    assert by_kind == {one["kind"]: with_text_amounts(one) for one in objects(name)}


def test_where_pods_need_no_class_pulumi_names_none(made: Callable[..., list[Object]]) -> None:
    (job,) = made(gpu_workloads.mig_slice, manifest({"pool": "a100"}, []))
    spec = job["spec"]["template"]["spec"]
    assert (spec["nodeSelector"], "runtimeClassName" in spec, "tolerations" in spec) == ({"pool": "a100"}, False, False)


def in_a_cluster(folder: Path, name: str) -> World:
    """Made there by somebody who may make pods without privileges, a while ago."""
    turns, slices = (
        sharing.read({"strategy": "timeSlicing", "replicas": 2}),
        mig.read({"strategy": "mixed", "profile": "all-1g.5gb"}),
    )
    values: dict[str, Sequence[Value]] = {
        "shared-gpu": tuple(sharing.operator_values(turns)),
        "mig-slice": tuple(mig.operator_values(slices)),
    }
    node = A100 if name == "mig-slice" else GPU_1
    there = after(with_operator(world(folder, node), {**as_tree(list(values.get(name, ()))), **ON_HOST}), 300)
    with there.open() as cluster:
        for one in [*objects("namespace"), *objects(name)]:
            cluster.create(one)
    return after(there, 60)


@pytest.mark.parametrize("name", FILES)
def test_it_runs_on_a_card_of_the_simulated_cluster(tmp_path: Path, name: str) -> None:
    found = some(in_a_cluster(tmp_path, name), "Pod", "ml")
    assert [one["status"]["phase"] for one in found] == {
        "pytorch-job": ["Succeeded"], "inference-server": ["Running"],
        "shared-gpu": ["Running", "Running"], "mig-slice": ["Succeeded"],
    }[name]  # fmt: skip
