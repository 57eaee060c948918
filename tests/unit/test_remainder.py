"""What destroy says that it leaves: no more, no less, for the version and the setting at hand."""

from typing import Any

import pytest

import settings
from decide.remainder import CRDS, DISCOVERY, Left, definitions, destroy_hint, remainder
from tests.unit.test_settings import config

NEW, OLD = "v26.7.0", "v25.10.1"


def named(left: list[Left]) -> list[str]:
    return [name for one in left for name in (*CRDS, *DISCOVERY) if name in one.what]


def stays(remove_crds: bool, version: str) -> list[str]:
    return named(remainder(version, remove_crds))


def test_all_definitions_stay_unless_asked_otherwise() -> None:
    assert stays(False, NEW) == [*definitions(NEW), *DISCOVERY] == [*CRDS, *DISCOVERY]
    assert stays(False, OLD) == ["clusterpolicies.nvidia.com", "nvidiadrivers.nvidia.com", *DISCOVERY]


def test_those_that_the_chart_does_not_clean_up_are_still_named() -> None:
    theirs = ["computedomaincliques.resource.nvidia.com", "computedomains.resource.nvidia.com"]
    assert stays(True, NEW) == [*theirs, *DISCOVERY]
    assert stays(True, OLD) == list(DISCOVERY)


def test_an_operator_that_was_there_before_us_leaves_nothing_of_ours() -> None:
    assert remainder("", discovers=False) == []


def test_what_goes_with_its_nodes_or_its_cluster_does_not_stay() -> None:
    assert [one.what.split()[0] for one in remainder(NEW, goes="nodes")] == ["custom"]
    assert remainder(NEW, goes="cluster") == []


@pytest.mark.parametrize(
    ("gpu", "found"),
    [
        ({}, [*CRDS, *DISCOVERY]),
        ({"operator": {"mode": "install", "values": {"nfd": {"enabled": False}}}}, list(CRDS)),
        ({"operator": "external"}, []),
        ({"operator": "none"}, []),
        ({"operator": "none", "plugin": {"discovery": True}}, list(DISCOVERY)),
    ],
)
def test_node_feature_discovery_leaves_its_definitions_where_it_came_with_us(
    gpu: dict[str, Any], found: list[str]
) -> None:
    assert named(settings.parse({**config(), "gpu": gpu}).remainder()) == found


def test_the_hint_names_the_stack_and_how_to_remove_what_stays() -> None:
    hint = destroy_hint("home", remainder(NEW, remove_crds=True))
    assert hint.startswith("pulumi destroy -s home\nstays: custom resource definitions computedomain")
    assert "kubectl delete crd computedomaincliques.resource.nvidia.com" in hint
    assert "kubectl label node" in hint


def test_the_hint_says_what_becomes_of_hosts_and_what_to_do_about_one_that_is_gone() -> None:
    hint = destroy_hint("home", remainder("", discovers=False), ["rtx", "tesla"])
    assert hint.splitlines()[1].startswith("on rtx, tesla: removes the driver, toolkit, runtime handler and k3s")
    assert "state: abandoned" in hint
    assert "\n" not in destroy_hint("home", remainder("", discovers=False))
