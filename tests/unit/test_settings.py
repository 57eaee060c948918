"""Settings: what is read, what is refused, and in which words."""

import copy
import dataclasses
import json
from types import SimpleNamespace
from typing import Any

import pytest

import settings
from decide import defaults
from decide.ownership import Owner

RIGHT: dict[str, Any] = {
    "target": "cluster",
    "cluster": {"context": "home", "nodes": ["gpu-1", "gpu-2"]},
    "gpu": {"operator": {"mode": "install"}},
    "validation": {"enabled": True},
}


def config(**changes: Any) -> dict[str, Any]:
    """The right config with other values at some paths (`cluster__nodes`); None takes a key away."""
    raw = copy.deepcopy(RIGHT)
    for path, value in changes.items():
        *above, last = path.split("__")
        at = raw
        for key in above:
            at = at.setdefault(key, {})
        if value is None:
            at.pop(last, None)
        else:
            at[last] = value
    return raw


def faults_of(raw: Any, secret_keys: tuple[str, ...] = ()) -> dict[str, str]:
    """Path and whole line of every fault."""
    with pytest.raises(settings.SettingsError) as caught:
        settings.parse(raw, secret_keys)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(caught.value.faults) + 1
    return {fault.path: line.strip() for fault, line in zip(caught.value.faults, lines[1:], strict=True)}


def only_fault(raw: Any, secret_keys: tuple[str, ...] = ()) -> str:
    found = faults_of(raw, secret_keys)
    assert len(found) == 1, found
    return next(iter(found.values()))


# What is read --------------------------------------------------------------------------------------------------------


def test_the_smallest_config_gets_all_defaults() -> None:
    wish = settings.parse({"target": "cluster", "cluster": {"context": "home", "nodes": ["gpu-1"]}})

    assert wish.cluster.kubeconfig == "~/.kube/config"
    assert (wish.gpu.operator.mode, wish.gpu.operator.version) == ("install", None)
    assert wish.gpu.operator.remove_crds is False
    assert wish.validation.timeout_seconds == defaults.VALIDATION_TIMEOUT_SECONDS
    assert wish.ownership.plugin.owner is Owner.OPERATOR


def test_objects_may_be_json_texts_as_pulumi_hands_them_over() -> None:
    as_texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in RIGHT.items()}

    assert settings.parse(as_texts) == settings.parse(RIGHT)


def test_empty_objects_are_what_the_project_file_has_as_default() -> None:
    raw = config(gpu={}, validation="{}")

    assert settings.parse(raw) == settings.parse(config(gpu=None, validation=None))


def test_settings_cannot_be_changed_afterwards() -> None:
    wish = settings.parse(RIGHT)

    with pytest.raises(dataclasses.FrozenInstanceError):
        wish.cluster.context = "other"  # type: ignore[misc]


def test_the_operator_may_be_one_word() -> None:
    assert settings.parse(config(gpu={"operator": "external"})).gpu.operator.mode == "external"


@pytest.mark.parametrize(("given", "read"), [("900", 900), (900.0, 900), (900, 900)])
def test_numbers_may_be_texts_or_whole_floats(given: Any, read: int) -> None:
    assert settings.parse(config(validation__timeoutSeconds=given)).validation.timeout_seconds == read


@pytest.mark.parametrize(("given", "read"), [("false", False), ("true", True), (False, False)])
def test_booleans_may_be_texts(given: Any, read: bool) -> None:
    assert settings.parse(config(validation__enabled=given)).validation.enabled is read


def test_label_values_become_the_texts_that_kubernetes_wants() -> None:
    raw = config(cluster={"context": "c", "nodeSelector": {"nvidia.com/gpu.present": True, "rack": 7, "empty": ""}})

    selector = settings.parse(raw).cluster.node_selector

    assert selector == {"nvidia.com/gpu.present": "true", "rack": "7", "empty": ""}


def test_an_encrypted_secret_passes_unseen() -> None:
    wish = settings.parse(config(sshPrivateKey="KEY"), secret_keys=["sshPrivateKey"])

    assert "KEY" not in repr(wish)


def test_values_of_the_user_are_a_copy() -> None:
    raw = config(gpu__operator__values={"driver": {"version": "580.173.02"}})
    wish = settings.parse(raw)

    raw["gpu"]["operator"]["values"]["driver"]["version"] = "changed"

    assert wish.gpu.operator.values["driver"]["version"] == "580.173.02"


# What is refused -----------------------------------------------------------------------------------------------------

WRONG: list[tuple[str, dict[str, Any], str, tuple[str, ...]]] = [
    ("missing target", config(target=None), "target", ("is missing", "Example: target: cluster")),
    ("unknown target", config(target="clutser"), "target", ("did you mean cluster?",)),
    ("target of another type", config(target=["cluster"]), "target", ("got a list",)),
    ("missing cluster", config(cluster=None), "cluster", ("is missing", "context: home")),
    ("unknown top key", config(validaton={}), "validaton", ("did you mean validation?",)),
    ("unknown key", config(cluster__node=["a"]), "cluster.node", ("did you mean nodes?", "nodes: [gpu-1, gpu-2]")),
    ("unlike any key", config(cluster__zzz=1), "cluster.zzz", ("known here: context, kubeconfig",)),
    (
        "two targets",
        config(gke={"zone": "a"}),
        "gke",
        ("belongs to target gke, but target is cluster",),
    ),
    ("missing context", config(cluster__context=None), "cluster.context", ("is missing", "context: home")),
    ("empty context", config(cluster__context=""), "cluster.context", ("the name of a context", 'got the text ""')),
    ("padded context", config(cluster__context=" home"), "cluster.context", ("the name of a context",)),
    ("number as context", config(cluster__context=12), "cluster.context", ("belongs here, got 12",)),
    (
        "text for a list",
        config(cluster__nodes="gpu-1"),
        "cluster.nodes",
        ('a list belongs here, got the text "gpu-1"',),
    ),
    ("object for a list", config(cluster__nodes={"a": 1}), "cluster.nodes", ("a list belongs here, got an object",)),
    ("bad node name", config(cluster__nodes=["GPU_1"]), "cluster.nodes[0]", ("the name of a node", '"GPU_1"')),
    ("long node name", config(cluster__nodes=["a" * 254]), "cluster.nodes[0]", ("at most 253 characters", "got 254")),
    (
        "node twice",
        config(cluster__nodes=["a", "b", "a"]),
        "cluster.nodes",
        ("a stands there more than once", "[a, b]"),
    ),
    ("no nodes", config(cluster__nodes=None), "cluster", ("names no GPU node", "nodes: [gpu-1, gpu-2]")),
    ("empty nodes", config(cluster__nodes=[]), "cluster", ("names no GPU node",)),
    ("nodes and selector", config(cluster__nodeSelector={"a": "b"}), "cluster", ("both nodes and nodeSelector",)),
    ("text for labels", config(cluster={"context": "c", "nodeSelector": "gpu=1"}), "cluster.nodeSelector", ("labels",)),
    ("bad label", config(cluster={"context": "c", "nodeSelector": {"a b": "c"}}), "cluster.nodeSelector", ('"a b"',)),
    (
        "bad label value",
        config(cluster={"context": "c", "nodeSelector": {"a": 1.5}}),
        "cluster.nodeSelector.a",
        ("a label value belongs here, got 1.5",),
    ),
    (
        "kubeconfig content",
        config(cluster__kubeconfig="apiVersion: v1\nusers: [TOKEN]"),
        "cluster.kubeconfig",
        ("a path",),
    ),
    ("kubeconfig JSON", config(cluster__kubeconfig='{"users": "TOKEN"}'), "cluster.kubeconfig", ("not the content",)),
    ("toleration text", config(cluster__tolerations=["gpu"]), "cluster.tolerations[0]", ("an object belongs here",)),
    ("toleration list", config(cluster__tolerations={"key": "a"}), "cluster.tolerations", ("a list belongs here",)),
    (
        "toleration key",
        config(cluster__tolerations=[{"key": "a", "operater": "Exists"}]),
        "cluster.tolerations[0].operater",
        ("did you mean operator?",),
    ),
    (
        "toleration effect",
        config(cluster__tolerations=[{"key": "a", "effect": "noschedule"}]),
        "cluster.tolerations[0].effect",
        ("did you mean NoSchedule?",),
    ),
    (
        "toleration with a useless value",
        config(cluster__tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]),
        "cluster.tolerations[0]",
        ("matches any value",),
    ),
    ("toleration of nothing", config(cluster__tolerations=[{}]), "cluster.tolerations[0]", ("has no key",)),
    ("cluster as text", config(cluster="home"), "cluster", ('an object belongs here, got the text "home"',)),
    ("gpu as list", config(gpu=["install"]), "gpu", ("an object belongs here, got a list",)),
    ("operator as number", config(gpu={"operator": 7}), "gpu.operator", ("or a text for its key mode",)),
    ("operator word", config(gpu={"operator": "instal"}), "gpu.operator.mode", ("did you mean install?",)),
    (
        "version",
        config(gpu__operator__version="26.7.0"),
        "gpu.operator.version",
        ("v26.7.0 or v26.3.3", "did you mean"),
    ),
    ("namespace form", config(gpu__operator__namespace="GPU"), "gpu.operator.namespace", ("the name of a namespace",)),
    ("namespace taken", config(gpu__operator__namespace="kube-system"), "gpu.operator.namespace", ("destroy deletes",)),
    ("our namespace", config(gpu__operator__namespace="gpu-ready"), "gpu.operator.namespace", ("is taken",)),
    ("proof in kube-system", config(validation__namespace="kube-system"), "validation.namespace", ("is taken",)),
    ("proof at the operator's", config(validation__namespace="gpu-operator"), "validation.namespace", ("is taken",)),
    ("no run", config(validation__run=0), "validation.run", ("from 1 to 1000000", "got 0")),
    ("flag", config(gpu__operator__removeCrds="yes"), "gpu.operator.removeCrds", ("true or false belongs here",)),
    ("number as flag", config(gpu__operator__removeCrds=1), "gpu.operator.removeCrds", ("true or false belongs here",)),
    ("driver", config(gpu__driver="host"), "gpu.driver", ("operator or preinstalled or platform belongs here",)),
    ("negative time", config(validation__timeoutSeconds=-1), "validation.timeoutSeconds", ("10 to 21600", "got -1")),
    ("no time", config(validation__timeoutSeconds=0), "validation.timeoutSeconds", ("got 0",)),
    ("a week", config(validation__timeoutSeconds=604800), "validation.timeoutSeconds", ("from 10 to 21600",)),
    ("broken number", config(validation__timeoutSeconds=30.5), "validation.timeoutSeconds", ("got 30.5",)),
    ("number with unit", config(validation__timeoutSeconds="15m"), "validation.timeoutSeconds", ('the text "15m"',)),
    ("true as number", config(validation__gpus=True), "validation.gpus", ("a whole number", "got true")),
    ("no card", config(validation__gpus=0), "validation.gpus", ("from 1 to 16",)),
    (
        "polls too rarely",
        config(validation={"timeoutSeconds": 10, "pollSeconds": 10}),
        "validation.pollSeconds",
        ("not less than timeoutSeconds",),
    ),
    ("helm time", config(gpu__operator__timeoutSeconds="-5"), "gpu.operator.timeoutSeconds", ("a whole number",)),
    ("image without tag", config(validation__smiImage="ubuntu"), "validation.smiImage", ("with a tag or digest",)),
    ("image with a space", config(validation__cudaImage="a b:1"), "validation.cudaImage", ("with a tag or digest",)),
    (
        "external RuntimeClass beside our operator",
        config(gpu__runtimeClass="external"),
        "gpu.runtimeClass",
        ("would overwrite", "Fix: gpu.runtimeClass: ours, or gpu.operator: external"),
    ),
    (
        "driver of an external operator",
        config(gpu={"operator": "external", "driver": "operator"}),
        "gpu.driver",
        ("has no effect", "gpu.operator: install"),
    ),
    (
        "version of an external operator",
        config(gpu={"operator": {"mode": "external", "version": "v26.7.0"}}),
        "gpu.operator.version",
        ("has no effect", "leave version out"),
    ),
    (
        "nothing to do",
        config(gpu={"operator": "external"}, validation={"enabled": False}),
        "validation.enabled",
        ("nothing to do", "enabled: true"),
    ),
    (
        "unknown Helm value",
        config(gpu__operator__values={"driver": {"verson": "580"}}),
        "gpu.operator.values.driver.verson",
        ("does not know this key", "did you mean driver.version?"),
    ),
    (
        "Helm value that ownership decides",
        config(gpu__operator__values={"driver": {"enabled": False}}),
        "gpu.operator.values.driver.enabled",
        ("one owner", "gpu.driver"),
    ),
    (
        "dead Helm value",
        config(gpu__operator__values={"driver": {"useOpenKernelModules": True}}),
        "gpu.operator.values.driver.useOpenKernelModules",
        ("since v25.3.0", "kernelModuleType"),
    ),
    ("values as list", config(gpu__operator__values=[1]), "gpu.operator.values", ("an object belongs here",)),
    ("odd values", config(gpu__operator__values={"a": {1: "b"}}), "gpu.operator.values", ("only plain values",)),
]


@pytest.mark.parametrize(("raw", "path", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_is_said_with_its_path_and_what_is_right(
    raw: dict[str, Any], path: str, words: tuple[str, ...]
) -> None:
    found = faults_of(raw)

    assert list(found) == [path]
    line = found[path]
    assert line.startswith(f"{path}: ")
    assert "Example: " in line or "Fix: " in line
    assert [word for word in words if word not in line] == []


def test_the_format_of_a_line() -> None:
    line = only_fault(config(cluster__nodes="gpu-1"))

    assert line == 'cluster.nodes: a list belongs here, got the text "gpu-1". Example: nodes: [gpu-1, gpu-2]'


@pytest.mark.parametrize("empty", [{}, "{}", None])
def test_the_defaults_of_the_project_file_are_not_taken_for_what_somebody_wrote(empty: Any) -> None:
    assert only_fault({"target": "cluster", "cluster": empty}).startswith("cluster: is missing")


def test_all_faults_come_at_once_in_one_error() -> None:
    raw = config(
        cluster__nodes="gpu-1", cluster__kubeconfg="x", gpu__driver="x", validation__gpus=0, k3sToken="x", extra=1
    )

    assert set(faults_of(raw)) == {
        "cluster.nodes",
        "cluster.kubeconfg",
        "gpu.driver",
        "validation.gpus",
        "k3sToken",
        "extra",
    }


def test_faults_of_one_setting_and_faults_between_settings_come_together() -> None:
    raw = config(cluster__context=None, cluster__nodeSelector={"a": "b"}, gpu__runtimeClass="external")

    assert set(faults_of(raw)) == {"cluster.context", "cluster", "gpu.runtimeClass"}


@pytest.mark.parametrize(
    "number",
    [float("inf"), float("-inf"), float("nan"), 10**5000, -(10**5000), "9" * 5000],
    ids=["inf", "-inf", "nan", "huge", "-huge", "huge text"],
)
def test_numbers_beyond_all_bounds_are_refused_in_words(number: Any) -> None:
    assert "a whole number" in only_fault(config(validation__gpus=number))
    assert "true or false" in only_fault(config(validation__enabled=number))


def test_a_broken_value_raises_no_second_fault_elsewhere() -> None:
    assert set(faults_of(config(cluster__nodeSelector="x"))) == {"cluster.nodeSelector"}
    assert set(faults_of(config(cluster__nodes="x", cluster__nodeSelector={"a": "b"}))) == {"cluster.nodes"}


def test_values_of_an_operator_of_an_unknown_version_are_held_against_the_newest() -> None:
    wrong = config(gpu__operator__version="v99", gpu__operator__values={"driver": {"verson": "1"}})
    assert set(faults_of(wrong)) == {"gpu.operator.version", "gpu.operator.values.driver.verson"}


def test_a_misspelt_secret_is_told_how_it_is_written() -> None:
    line = only_fault(config(sshPasswort="x"))
    assert "did you mean sshPassword?" in line
    assert "pulumi config set --secret gpu-ready:sshPassword" in line


def test_a_key_without_a_value_is_missing() -> None:
    assert "is missing" in faults_of({**config(), "target": "null"})["target"]


@pytest.mark.parametrize("key", ["sshPrivateKey", "sshPassword", "k3sToken", "registryPassword"])
def test_a_secret_in_clear_is_refused_and_not_repeated(key: str) -> None:
    line = only_fault(config(**{key: "TOP-SECRET"}))

    assert f"pulumi config set --secret gpu-ready:{key}" in line
    assert "TOP-SECRET" not in line


def test_a_key_that_is_encrypted_elsewhere_and_not_here_is_missing() -> None:
    assert set(faults_of({}, ("target", "cluster"))) == {"target", "cluster"}


def test_an_encrypted_setting_would_be_shown_in_clear_later() -> None:
    line = only_fault(config(cluster="TOP-SECRET"), secret_keys=("cluster",))

    assert "would not stay secret" in line
    assert "TOP-SECRET" not in line


def test_a_key_that_is_said_to_be_encrypted_and_is_not_there_is_missing() -> None:
    assert set(faults_of({}, ("target", "cluster"))) == {"target", "cluster"}


def test_the_content_of_a_kubeconfig_is_not_repeated() -> None:
    assert "TOKEN" not in only_fault(config(cluster__kubeconfig="apiVersion: v1\ntoken: TOKEN"))


def test_long_values_are_shortened() -> None:
    assert len(only_fault(config(cluster__context="x" * 100_000 + "\n"))) < 250
    assert len(only_fault(config(gpu__driver="x" * 100_000))) < 250


def test_nested_beyond_reason_is_a_fault_and_no_crash() -> None:
    deep: dict[str, Any] = {}
    for _ in range(3000):
        deep = {"a": deep}

    assert "nested endlessly" in only_fault(config(gpu__operator__values=deep))
    assert "an object belongs here" in only_fault(config(cluster="[" * 100_000))


# What is made of it --------------------------------------------------------------------------------------------------


def test_the_arguments_of_the_components_carry_what_was_asked() -> None:
    raw = config(
        cluster__tolerations=[{"key": "dedicated", "operator": "Exists"}],
        gpu__driver="preinstalled",
        gpu__operator={"version": "v26.3.3", "namespace": "gpus", "removeCrds": True, "timeoutSeconds": 900},
        validation={"gpus": 2, "timeoutSeconds": 600, "pollSeconds": 2, "namespace": "proof"},
    )
    wish = settings.parse(raw)
    choices = {
        "operator": "install",
        "driver": "preinstalled",
        "operator_namespace": "gpus",
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    }

    assert wish.nodes_args() == {
        "context": "home",
        "kubeconfig": "~/.kube/config",
        "nodes": ["gpu-1", "gpu-2"],
        "node_selector": {},
        "validation_namespace": "proof",
        "gpu": choices,
    }
    assert wish.stack_args() == {
        "gpu": choices,
        "operator_version": "v26.3.3",
        "operator_timeout_seconds": 900,
        "remove_crds": True,
        "values": {},
    }
    proof = wish.validation_args(
        SimpleNamespace(**vars(wish.cluster), node_of_host={}, made={}, away={}), SimpleNamespace(operator_revision="1")
    )
    assert (proof["gpus"], proof["timeout_seconds"], proof["poll_seconds"]) == (2, 600, 2)
    assert (proof["kubeconfig"], proof["context"], proof["gpu"]) == ("~/.kube/config", "home", choices)
    assert (proof["cuda_image"], proof["smi_image"]) == (defaults.CUDA_IMAGE, defaults.SMI_IMAGE)


def test_what_destroy_leaves_follows_from_who_installed_the_operator() -> None:
    ours, cleaned = settings.parse(RIGHT), settings.parse(config(gpu__operator__removeCrds=True))
    theirs = settings.parse(config(gpu={"operator": "external"}))

    assert ["clusterpolicies.nvidia.com" in str(wish.remainder()) for wish in (ours, cleaned, theirs)] == [
        True,
        False,
        False,
    ]
    assert theirs.remainder() == []


@pytest.mark.parametrize("path", ["$HOME/.kube/config", "${KUBECONFIG}"])
def test_a_kubeconfig_with_a_variable_in_it_is_refused_because_nobody_expands_it(path: str) -> None:
    with pytest.raises(settings.SettingsError, match="variables are not expanded here"):
        settings.parse(config(cluster__kubeconfig=path))
