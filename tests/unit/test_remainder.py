"""What destroy says that it leaves: no more, no less, for the version and the setting at hand."""

import pytest

from decide.remainder import CRDS, definitions, destroy_hint, remainder

NEW, OLD = "v26.7.0", "v25.10.1"


def stays(remove_crds: bool, version: str) -> list[str]:
    return [name for one in remainder(True, remove_crds, version) for name in CRDS if name in one.what]


def test_all_definitions_stay_unless_asked_otherwise() -> None:
    assert stays(False, NEW) == list(definitions(NEW)) == list(CRDS)
    assert stays(False, OLD) == ["clusterpolicies.nvidia.com", "nvidiadrivers.nvidia.com"]


def test_those_that_the_chart_does_not_clean_up_are_still_named() -> None:
    assert stays(True, NEW) == ["computedomaincliques.resource.nvidia.com", "computedomains.resource.nvidia.com"]
    assert stays(True, OLD) == []


@pytest.mark.parametrize("version", [NEW, OLD])
def test_an_operator_that_was_there_before_us_leaves_nothing_of_ours(version: str) -> None:
    assert remainder(False, False, version) == []


def test_what_goes_with_its_nodes_or_its_cluster_does_not_stay() -> None:
    assert [one.what.split()[0] for one in remainder(True, False, NEW, "nodes")] == ["custom"]
    assert remainder(True, False, NEW, "cluster") == []


def test_the_hint_names_the_stack_and_how_to_remove_what_stays() -> None:
    hint = destroy_hint("home", remainder(True, True, NEW))
    assert hint.startswith("pulumi destroy -s home\nstays: custom resource definitions computedomain")
    assert "kubectl delete crd computedomaincliques.resource.nvidia.com" in hint
    assert "kubectl label node" in hint


def test_the_hint_says_what_becomes_of_hosts_and_what_to_do_about_one_that_is_gone() -> None:
    hint = destroy_hint("home", remainder(False, False, NEW), ["rtx", "tesla"])
    assert hint.splitlines()[1].startswith("on rtx, tesla: removes the driver, toolkit, runtime handler and k3s")
    assert "state: abandoned" in hint
    assert "\n" not in destroy_hint("home", remainder(False, False, NEW))
