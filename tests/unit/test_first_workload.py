"""The Pod to copy: real YAML, valid in every supported Kubernetes, and placeable where the validation ran."""

from typing import Any

import yaml

from decide import defaults
from decide.first_workload import manifest
from lab.cluster.admission import violations
from lab.schemas import faults

GPU = {"key": "nvidia.com/gpu", "operator": "Exists"}


def parsed(**choices: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {"node_selector": {"pool": "true"}, "tolerations": [GPU]}
    return dict(yaml.safe_load(manifest(**{**usual, **choices})))


def test_it_is_a_valid_pod_in_the_oldest_and_the_newest_supported_kubernetes() -> None:
    assert faults(parsed()) == []


def test_a_namespace_that_admits_no_privileges_takes_it() -> None:
    assert list(violations(parsed()["spec"], "restricted")) == []


def test_it_asks_for_one_card_and_goes_where_the_cards_are() -> None:
    spec = parsed()["spec"]
    assert spec["containers"][0]["resources"]["limits"] == {defaults.RESOURCE_NAME: 1}
    assert spec["nodeSelector"] == {"pool": "true"}
    assert spec["tolerations"] == [GPU]
    assert "runtimeClassName" not in spec


def test_it_names_a_runtime_class_only_where_pods_have_to() -> None:
    assert parsed(runtime_class="nvidia")["spec"]["runtimeClassName"] == "nvidia"


def test_without_labels_there_is_no_empty_selector() -> None:
    assert "nodeSelector" not in parsed(node_selector={})["spec"]
