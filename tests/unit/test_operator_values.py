"""Helm values: derived from ownership, merged with the user's own, which are checked key by key."""

from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from decide import defaults, user_values
from decide.operator_values import Value, as_tree, faults, values
from decide.ownership import Ownership, decide
from tests.effort import examples

NEWEST = defaults.OPERATOR_VERSION


def owned(**wish: Any) -> Ownership:
    decided = decide("cluster", wish)
    assert isinstance(decided, Ownership), decided
    return decided


def fault(user: dict[str, Any], version: str = NEWEST, ownership: Ownership | None = None) -> tuple[str, str, str]:
    found = faults(user, version, ownership)
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    ("wish", "driver", "toolkit"),
    [
        ({}, True, True),
        ({"driver": "preinstalled"}, False, True),
        ({"toolkit": "preinstalled"}, True, False),
        ({"driver": "preinstalled", "toolkit": "preinstalled"}, False, False),
    ],
)
def test_owners_become_booleans(wish: dict[str, Any], driver: bool, toolkit: bool) -> None:
    assert as_tree(values(owned(**wish))) == {
        "driver": {"enabled": driver},
        "toolkit": {"enabled": toolkit},
        "devicePlugin": {"enabled": True},
        "operator": {"runtimeClass": "nvidia"},
    }


def test_each_value_has_the_reason_of_its_owner() -> None:
    ownership = owned(driver="preinstalled")

    reasons = {value.path: value.reason for value in values(ownership)}

    assert reasons["driver.enabled"] == ownership.driver.reason
    assert all(reasons.values())


def test_added_tolerations_repeat_the_defaults_that_they_replace() -> None:
    mine = {"key": "dedicated", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}

    tree = as_tree(values(owned(), {"tolerations": [mine]}))

    gpu = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert tree["daemonsets"]["tolerations"] == [gpu, mine]
    worker = tree["node-feature-discovery"]["worker"]["tolerations"]
    assert [one["key"] for one in worker] == ["node-role.kubernetes.io/control-plane", "nvidia.com/gpu", "dedicated"]


@pytest.mark.parametrize("tolerations", [[], None, [dict(defaults.GPU_TOLERATION)]])
def test_without_added_tolerations_the_chart_keeps_its_own(tolerations: Any) -> None:
    assert "daemonsets" not in as_tree(values(owned(), {"tolerations": tolerations}))


def test_removing_the_definitions_is_asked_of_the_chart() -> None:
    assert as_tree(values(owned(), {"remove_crds": True}))["operator"]["cleanupCRD"] is True
    assert "cleanupCRD" not in as_tree(values(owned(), {"remove_crds": False}))["operator"]


def test_the_users_values_come_last_and_beside_ours() -> None:
    tree = as_tree(values(owned()), {"driver": {"version": "580.173.02"}, "dcgm": {"enabled": True}})

    assert tree["driver"] == {"enabled": True, "version": "580.173.02"}
    assert tree["dcgm"] == {"enabled": True}


def test_where_both_say_something_the_user_is_heard() -> None:
    derived = [Value("a.b", 1, "because"), Value("a.c", 1, "because")]

    assert as_tree(derived, {"a": {"b": 2}}) == {"a": {"b": 2, "c": 1}}


def test_merging_changes_neither_side() -> None:
    derived = values(owned(), {"tolerations": [{"key": "a"}]})
    user = {"daemonsets": {"labels": {"a": "b"}}}

    as_tree(derived, user)["daemonsets"]["tolerations"].append("changed")

    assert len(defaults.DAEMONSET_TOLERATIONS) == 1
    assert user == {"daemonsets": {"labels": {"a": "b"}}}


# The user's own ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "user",
    [
        {},
        {"driver": {"version": "580.173.02", "kernelModuleType": "open", "rdma": {"enabled": True}}},
        {"driver": {}},
        {"toolkit": {"env": [{"name": "RUNTIME_CONFIG_SOURCE", "value": "file"}]}},
        {"driver": {"env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]}},
        {"operator": {"nodeSelector": {"example.com/pool": "system"}, "resources": {"limits": {"memory": "700Mi"}}}},
        {"operator": {"affinity": {"podAffinity": {"anything": []}}, "annotations": {"a.b/c": "d"}}},
        {"daemonsets": {"labels": {"a.b/c": "d"}}},
        {"driver": {"startupProbe": {"failureThreshold": 200.0, "successThreshold": 1}}},
        {"devicePlugin": {"config": {"create": True, "name": "c", "data": {"any": "version: v1"}}}},
        {"dcgmExporter": {"config": {"data": "counters.csv"}, "serviceMonitor": {"metricRelabelings": []}}},
        {"node-feature-discovery": {"worker": {"nodeSelector": {"a": "b"}}, "image": {"tag": "x"}}},
        {"validator": {"plugin": {"env": [{"name": "WITH_WORKLOAD", "value": "true"}]}}},
        {"hostPaths": {"driverInstallDir": "/home/kubernetes/bin/nvidia"}},
    ],
)
def test_what_the_chart_understands_passes(user: dict[str, Any]) -> None:
    assert faults(user, NEWEST, owned()) == []


@pytest.mark.parametrize(
    ("user", "path", "hint"),
    [
        ({"driver": {"verson": "1"}}, "driver.verson", "did you mean driver.version?"),
        ({"drivers": {"version": "1"}}, "drivers.version", "did you mean driver.version?"),
        ({"driver2": {}}, "driver2", "did you mean driver?"),
        ({"migmanager": {"enabled": False}}, "migmanager.enabled", "did you mean migManager.enabled?"),
        ({"driver": {"upgradePolicy": {"autoUpgrad": True}}}, "driver.upgradePolicy.autoUpgrad", "autoUpgrade?"),
        ({"dcgmExporter": {"serviceMonitor": {"enable": True}}}, "dcgmExporter.serviceMonitor.enable", "enabled?"),
        ({"operator": {"resources": {"limits": {"memroy": "1"}}}}, "operator.resources.limits.memroy", "memory?"),
        ({"qqqqqq": 1}, "qqqqqq", "leave it out"),
    ],
)
def test_a_key_that_the_chart_does_not_know_is_refused_with_the_nearest(
    user: dict[str, Any], path: str, hint: str
) -> None:
    found = fault(user)

    assert found[0] == path
    assert found[1] == f"chart gpu-operator {NEWEST} does not know this key"
    assert found[2].endswith(hint)


@pytest.mark.parametrize("dead", user_values.DEAD, ids=lambda dead: dead.path)
def test_dead_keys_name_what_took_their_place(dead: user_values.Dead) -> None:
    tree: Any = True
    for key in reversed(dead.path.split(".")):
        tree = {key: tree}

    path, problem, fix = fault(tree)

    assert (path, fix) == (dead.path, dead.instead)
    assert dead.since in problem


def test_a_key_is_not_dead_where_the_chart_still_had_it() -> None:
    assert faults({"cdi": {"default": True}}, "v25.3.4") == []
    assert "v25.10.0" in fault({"cdi": {"default": True}}, "v25.10.1")[1]


@pytest.mark.parametrize(("path", "value"), [(bad[0], bad[1]) for bad in user_values.BAD])
def test_values_that_break_something_are_refused(path: str, value: str) -> None:
    section, key = path.split(".")

    assert fault({section: {key: value}})[0] == path


@pytest.mark.parametrize("path", sorted(user_values.OWNED))
@pytest.mark.parametrize("value", [True, False, "x", [], {"a": 1}])
def test_what_follows_from_ownership_cannot_be_set_beside_it(path: str, value: Any) -> None:
    tree: Any = value
    for key in reversed(path.split(".")):
        tree = {key: tree}

    found = fault(tree)

    assert found[0].startswith(path)
    assert "one owner" in found[1]
    assert found[2] == user_values.OWNED[path]


def test_settings_of_a_container_that_will_not_run_are_refused() -> None:
    user = {"driver": {"version": "580.173.02"}, "toolkit": {"installDir": "/opt/nvidia"}}

    assert faults(user, NEWEST, owned()) == []
    assert fault(user, ownership=owned(driver="preinstalled"))[0] == "driver.version"
    assert fault(user, ownership=owned(toolkit="preinstalled"))[0] == "toolkit.installDir"


@pytest.mark.parametrize(
    ("user", "problem", "fix"),
    [
        ({"dcgm": {"enabled": "false"}}, 'true or false belongs here, got the text "false"', "enabled: false"),
        ({"dcgm": {"enabled": 1}}, "true or false belongs here, got 1", "enabled: true"),
        ({"driver": {"version": 595}}, "a text belongs here, got 595", 'version: "595"'),
        ({"driver": {"version": 595.91}}, "a text belongs here, got 595.91", 'version: "595.91"'),
        ({"driver": {"startupProbe": {"periodSeconds": "9"}}}, 'a whole number belongs here, got the text "9"', "9"),
        ({"driver": {"startupProbe": {"periodSeconds": True}}}, "a whole number belongs here, got true", "1"),
        ({"driver": {"startupProbe": {"periodSeconds": 0.5}}}, "a whole number belongs here, got 0.5", "1"),
        ({"daemonsets": {"labels": "a=b"}}, 'an object belongs here, got the text "a=b"', "labels: {}"),
        ({"mig": "single"}, 'an object belongs here, got the text "single"', "mig: {}"),
        ({"driver": {"imagePullSecrets": "mine"}}, 'a list belongs here, got the text "mine"', "imagePullSecrets: []"),
        ({"driver": {"version": None}}, "an empty value is dropped before it reaches Helm", "write its value"),
        ({"driver": {"version": ["1"]}}, "a text belongs here, got a list", 'version: "text"'),
    ],
)
def test_a_wrong_type_is_refused_with_what_was_meant(user: dict[str, Any], problem: str, fix: str) -> None:
    found = fault(user)

    assert found[1] == problem
    assert found[2].endswith(fix)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ([{"name": "A", "value": True}], 'value: "true"'),
        ([{"name": "A", "value": 1}], 'value: "1"'),
        ([{"name": "A"}], 'value: "text"'),
        ([{"value": "x"}], "DEVICE_ID_STRATEGY"),
        (["A=1"], "DEVICE_ID_STRATEGY"),
        ({"A": "1"}, "DEVICE_ID_STRATEGY"),
    ],
)
def test_variables_of_containers_are_texts(env: Any, words: str) -> None:
    assert any(words in one.fix for one in faults({"toolkit": {"env": env}}, NEWEST)) is isinstance(env, list)
    assert faults({"toolkit": {"env": env}}, NEWEST)


def test_the_flat_form_of_helm_set_is_refused() -> None:
    path, problem, fix = fault({"driver.version": "580"})

    assert path == "driver.version"
    assert "helm --set" in problem
    assert fix == "nest it: driver: {version: ...}"


def test_every_fault_is_listed() -> None:
    user = {"driver": {"enabled": False, "verson": "1"}, "mig": {"strategy": 1}, "cdi": {"default": True}}

    assert len(faults(user, NEWEST)) == 4


def test_nesting_without_end_is_one_fault() -> None:
    deep: dict[str, Any] = {}
    for _ in range(3000):
        deep = {"a": deep}

    assert "nested deeper" in fault(deep)[1]


keys = st.sampled_from(["driver", "enabled", "env", "version", "node-feature-discovery", "resources", "a.b", ""])
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys | st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@hypothesis.settings(max_examples=examples(100), deadline=None)
@hypothesis.example({"a.b": {"\n": None}}, NEWEST)
@hypothesis.example({"a.\n": None}, NEWEST)
@hypothesis.given(st.dictionaries(keys, junk, max_size=3), st.sampled_from(defaults.OPERATOR_VERSIONS))
def test_no_values_raise_an_exception(user: dict[str, Any], version: str) -> None:
    for one in faults(user, version, owned()):
        assert all(one)
        assert "\n" not in "".join(one)
