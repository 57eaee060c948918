"""The components as a package for other languages: schema, names, and the dict form that other languages send."""

import ast
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from pulumi.provider.experimental.analyzer import Analyzer
from pulumi.provider.experimental.component import ComponentProvider

from components.existing import ExistingGpuNodes
from components.gpu_stack import GpuStack
from components.validation import GpuValidation

COMPONENTS = [ExistingGpuNodes, GpuStack, GpuValidation]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """What `pulumi package get-schema ./components` would print."""
    provider = ComponentProvider(COMPONENTS, "gpu-ready", None, "0.1.0")
    return dict(json.loads(provider.schema or ""))


def test_the_package_serves_every_component_there_is() -> None:
    served = ast.parse((Path(__file__).parents[2] / "components" / "__main__.py").read_text())
    names = next(n.value for n in served.body if isinstance(n, ast.Assign) and n.targets[0].id == "COMPONENTS")  # type: ignore[attr-defined]
    assert [name.id for name in names.elts] == [one.__name__ for one in COMPONENTS]  # type: ignore[attr-defined]


def test_tokens_are_the_class_names_so_that_urns_never_change(schema: dict[str, Any]) -> None:
    assert sorted(schema["resources"]) == sorted(f"gpu-ready:index:{one.__name__}" for one in COMPONENTS)
    for one in COMPONENTS:
        assert f'"gpu-ready:index:{one.__name__}"' in inspect.getsource(one)


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda one: one.__name__)
def test_every_input_and_output_is_described(component: Any, schema: dict[str, Any]) -> None:
    resource = schema["resources"][f"gpu-ready:index:{component.__name__}"]
    undescribed = [
        name
        for part in ("inputProperties", "properties")
        for name, what in resource[part].items()
        if not what.get("description")
    ]
    assert undescribed == []
    assert resource["description"]


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda one: one.__name__)
def test_the_analyzer_takes_every_argument_type(component: Any) -> None:
    result = Analyzer("gpu-ready").analyze([component])
    assert result["component_definitions"][component.__name__].inputs
