"""Objects are held against the schemas of the oldest and the newest supported Kubernetes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from lab import schemas
from lab.values import UNKNOWN, Secret
from tests.unit.small_world import job, namespace

RUNTIME_CLASS = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "nvidia"},
    "handler": "nvidia",
}


def told(obj: dict[str, Any]) -> list[str]:
    return [str(one) for one in schemas.faults(obj)]


def changed(path: str, value: Any) -> dict[str, Any]:
    """The validation Job with one field set."""
    obj = copy.deepcopy(job("check"))
    inside: Any = obj
    *way, last = path.split(".")
    for key in way:
        inside = inside[int(key)] if key.isdigit() else inside[key]
    inside[last] = value
    return obj


@pytest.mark.parametrize("obj", [job("check"), namespace("x", {"a": "b"}), RUNTIME_CLASS])
def test_what_the_program_makes_is_right(obj: dict[str, Any]) -> None:
    assert told(obj) == []


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (
            "spec.template.spec.runtime_classname",
            "nvidia",
            "spec.template.spec: Additional properties are not allowed ('runtime_classname' was unexpected); "
            "did you mean 'runtimeClassName'?",
        ),
        (
            "spec.backofflimit",
            1,
            "spec: Additional properties are not allowed ('backofflimit' was unexpected); did you mean 'backoffLimit'?",
        ),
        ("spec.template.spec.containers", "cuda", 'spec.template.spec.containers: "cuda" is not of type "array"'),
        ("spec.template.spec.tolerations", {}, 'spec.template.spec.tolerations: {} is not of type "array"'),
        (
            "spec.template.spec.containers.0.command",
            "sh",
            'spec.template.spec.containers[0].command: "sh" is not of type "array"',
        ),
        ("spec.backoffLimit", "0", 'spec.backoffLimit: "0" is not of type "integer"'),
        ("metadata.labels", ["a"], 'metadata.labels: ["a"] is not of type "object"'),
        ("spec.template.spec.containers.0.name", None, "spec.template.spec.containers[0].name: null is not of type"),
    ],
)
def test_a_wrong_field_is_told_with_path_and_reason(path: str, value: Any, text: str) -> None:
    (found,) = told(changed(path, value))
    assert found.startswith(text)


def test_a_missing_field_is_told() -> None:
    assert told({**RUNTIME_CLASS, "handler": None})
    del (broken := copy.deepcopy(RUNTIME_CLASS))["handler"]
    assert told(broken) == ['"handler" is a required property']


def test_all_faults_come_at_once() -> None:
    obj = changed("spec.backoffLimit", "0")
    obj["spec"]["template"]["spec"]["hostPid"] = True
    assert len(told(obj)) == 2


def test_what_is_not_known_yet_is_taken_for_right() -> None:
    assert told(changed("spec.template.spec.nodeSelector", UNKNOWN)) == []
    assert told(changed("spec.backoffLimit", UNKNOWN)) == []
    assert len(told({**changed("spec.backoffLimit", UNKNOWN), "extra": 1})) == 1


def test_secrets_are_looked_into() -> None:
    assert told({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": Secret({"k": "dg=="})}) == []
    assert told({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": Secret("v")})


def test_unknown_kinds_of_kubernetes_are_faults_and_others_are_not_judged() -> None:
    (text,) = told({"apiVersion": "batch/v1", "kind": "Jobb"})
    assert text == "kind: Kubernetes has no batch/v1 Jobb; did you mean batch/v1 Job?"
    assert told({"apiVersion": "batch/v9", "kind": "Job"}) == [
        "kind: Kubernetes has no batch/v9 Job; did you mean batch/v1 Job?"
    ]
    assert told({"apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy", "spec": {"any": "thing"}}) == []


def test_a_field_that_only_one_version_has_names_the_version() -> None:
    wanted = changed("spec.template.spec.hostnameOverride", "a")
    (text,) = told(wanted)
    assert text.endswith("(in Kubernetes 1.32)")
    assert schemas.faults(wanted, ("1.36",)) == []


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(RuntimeError, match="make setup"):
        schemas.faults(RUNTIME_CLASS, ("1.31",))
