"""Helm values of the DRA driver alone: keys of its chart, each with a reason; and what a component refuses."""

from typing import Any

import hypothesis
import pulumi
import pytest
from hypothesis import strategies as st

from components.choices import by_claim, owned
from components.dra_driver import chart_values
from decide import defaults, dra_values, user_values
from decide.images import Images
from decide.operator_values import as_tree
from tests.effort import examples
from tests.unit.test_plugin_values import options


@pytest.mark.parametrize("version", defaults.DRA_VERSIONS)
@hypothesis.settings(max_examples=examples(30), deadline=None)
@hypothesis.given(option=options, mirror=st.sampled_from([Images(), Images("r.example.com", ("secret",))]))
def test_every_combination_gives_keys_of_the_chart_each_with_a_reason(
    version: str, option: dict[str, Any], mirror: Images
) -> None:
    derived = [*dra_values.values(option, mirror, version)]

    known = user_values.chart(version, defaults.DRA_RELEASE)
    assert [one.path for one in derived if one.path not in known.places and one.path != dra_values.TERMS] == []
    assert dra_values.TERMS.startswith("kubeletPlugin.affinity.")
    assert "kubeletPlugin.affinity" in known.places
    assert all(one.reason for one in derived)


def test_the_driver_runs_on_the_declared_nodes_and_tolerates_their_taints() -> None:
    dedicated = {"key": "dedicated", "operator": "Exists"}
    derived = dra_values.values(
        {"nodes": ["gpu-1"], "tolerations": [defaults.GPU_TOLERATION, dedicated]}, Images(), defaults.DRA_VERSION
    )
    found = as_tree([*derived], {})

    (term,) = found["kubeletPlugin"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term == {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["gpu-1"]}]}
    assert found["kubeletPlugin"]["tolerations"] == [*defaults.DAEMONSET_TOLERATIONS, dedicated]
    assert (found["gpuResourcesEnabledOverride"], found["resources"]["computeDomains"]["enabled"]) == (True, False)


@pytest.mark.parametrize(
    "own",
    [{"gpuResourcesEnabledOverride": False}, {"resources": {"gpus": {"enabled": False}}}, {"nvidiaDriverRot": "/"}],
)
def test_a_component_refuses_values_that_cannot_be(own: dict[str, Any]) -> None:
    with pytest.raises(pulumi.InputPropertyError):
        chart_values({"values": own}, [], Images())


CLAIMS: dict[str, Any] = {"operator": "none", "allocation": "dra"}


@pytest.mark.parametrize(
    "gpu",
    [
        {"allocation": "dra"},
        {**CLAIMS, "target": "gke"},
        {**CLAIMS, "runtime_class": "ours"},
        {**CLAIMS, "allocation": "dynamic"},
    ],
)
def test_a_component_refuses_what_a_stack_file_could_not_say(gpu: Any) -> None:
    with pytest.raises(pulumi.InputPropertyError):
        owned(gpu)


def test_cards_that_are_claimed_are_neither_shared_nor_divided() -> None:
    assert by_claim(CLAIMS)  # type: ignore[arg-type]
    assert not by_claim({})
    for more in ({"sharing": {"strategy": "mps", "replicas": 2}}, {"mig": {"profile": "all-1g.5gb"}}):
        with pytest.raises(pulumi.InputPropertyError):
            by_claim({**CLAIMS, **more})  # type: ignore[typeddict-item]
