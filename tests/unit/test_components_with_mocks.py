"""The components in the form that every Pulumi user knows: mocks, outputs, asserts. The first tests to read.

What mocks cannot show (order, parents, options, what a second `up` does) is in test_program.py, on the built-in engine.
"""

import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from components.choices import BroughtBy, OperatorMode


class Recorder(pulumi.runtime.Mocks):
    """Remembers what was made; a step answers as its program would."""

    def __init__(self) -> None:
        self.made: list[pulumi.runtime.MockResourceArgs] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.made.append(args)
        outputs = dict(args.inputs)
        if args.typ == "command:local:Command":
            outputs["stdout"] = json.dumps({"made_by": args.name})
        if args.typ.startswith("kubernetes:"):
            outputs["metadata"] = {"name": args.name, **args.inputs.get("metadata", {})}
        return f"{args.name}-id", outputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
        raise AssertionError(f"no component asks a provider for anything, but this one called {args.token}")

    def types(self) -> list[str]:
        return [one.typ for one in self.made if not one.typ.startswith(("gpu-ready:", "pulumi:"))]

    def one(self, typ: str) -> dict[str, Any]:
        found = [one.inputs for one in self.made if one.typ == typ]
        assert len(found) == 1, f"{len(found)} of {typ}"
        return dict(found[0])


@pytest.fixture
def mocks() -> Iterator[Recorder]:
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder, preview=False)
    yield recorder
    pulumi.runtime.reset_options()


def test_existing_nodes_are_looked_at_and_nothing_is_made(mocks: Recorder) -> None:
    @pulumi.runtime.test
    def program() -> Any:
        from components.existing import ExistingGpuNodes

        return ExistingGpuNodes("nodes", {"context": "home", "nodes": ["gpu-1"]}).found

    program()

    assert mocks.types() == ["command:local:Command"]
    step = mocks.one("command:local:Command")
    assert step["create"] == "python3 -"
    assert '"gpu-1"' in step["stdin"]


def test_the_stack_installs_the_pinned_operator_into_a_namespace_that_admits_it(mocks: Recorder) -> None:
    @pulumi.runtime.test
    def program() -> Any:
        from components.gpu_stack import GpuStack

        return GpuStack("stack", {"gpu": {"driver": BroughtBy.PREINSTALLED}}).operator_version

    program()

    release = mocks.one("kubernetes:helm.sh/v3:Release")
    assert release["values"]["driver"] == {"enabled": False}
    assert release["values"]["toolkit"] == {"enabled": True}
    assert release["skipAwait"] is True
    namespace = mocks.one("kubernetes:core/v1:Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"


def test_an_operator_that_is_there_already_is_left_alone(mocks: Recorder) -> None:
    @pulumi.runtime.test
    def program() -> Any:
        from components.gpu_stack import GpuStack

        return GpuStack("stack", {"gpu": {"operator": OperatorMode.EXTERNAL}}).ownership

    program()

    assert mocks.types() == []


def test_validation_makes_a_first_gate_one_job_per_node_and_one_gate(mocks: Recorder) -> None:
    @pulumi.runtime.test
    def program() -> Any:
        from components.validation import GpuValidation

        return GpuValidation(
            "proof", {"kubeconfig": "~/.kube/config", "context": "home", "nodes": ["gpu-1", "gpu-2"]}
        ).report

    program()

    assert sorted(mocks.types()) == [
        "command:local:Command",
        "command:local:Command",
        "kubernetes:batch/v1:Job",
        "kubernetes:batch/v1:Job",
        "kubernetes:core/v1:Namespace",
    ]
    job = next(one.inputs for one in mocks.made if one.name == "proof-gpu-1")
    pod = job["spec"]["template"]["spec"]
    assert [one["name"] for one in (*pod["initContainers"], *pod["containers"])] == ["nvidia-smi", "vectoradd"]
    assert {one["resources"]["limits"]["nvidia.com/gpu"] for one in (*pod["initContainers"], *pod["containers"])} == {
        "1"
    }
