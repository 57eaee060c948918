"""The components as a package for other languages: schema, names, and the dict form that other languages send."""

import ast
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from pulumi.provider.experimental.analyzer import Analyzer

from components.bare_metal import BareMetalGpuNodes
from components.existing import ExistingGpuNodes
from components.gpu_stack import GpuStack
from components.monitoring import GpuMonitoring
from components.serving import Provider
from components.validation import GpuValidation
from lab.engine import Result
from tests.effort import long
from tests.unit.house import House

COMPONENTS = [BareMetalGpuNodes, ExistingGpuNodes, GpuMonitoring, GpuStack, GpuValidation]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """What `pulumi package get-schema ./components` would print."""
    provider = Provider(COMPONENTS, "gpu-ready", None, "0.1.0")
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


def as_others_send_it(value: Any) -> Any:
    """Numbers arrive as floats, enums as their texts, everything under camelCase names."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return float(value)
    if isinstance(value, list):
        return [as_others_send_it(one) for one in value]
    return {key: as_others_send_it(one) for key, one in value.items()} if isinstance(value, dict) else value


GPU: dict[str, Any] = {
    "driver": "preinstalled",
    "toolkit": "preinstalled",
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
}
HOST: dict[str, Any] = {
    "name": "rtx",
    "address": "192.0.2.10",
    "hostKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINTNX8mNGFpoyfQxJBvfHrcLHynOVFN4oFqWj2goiPpi",
    "port": 22,
    "reboot": "ifNeeded",
    "driver": {"branch": "580"},
}
SENT: dict[str, dict[str, Any]] = {
    "BareMetalGpuNodes": {"context": "demo", "hosts": [HOST], "gpu": {"operator": "install"}},
    "ExistingGpuNodes": {"context": "demo", "nodes": ["gpu-1"], "gpu": GPU},
    "GpuStack": {"gpu": GPU, "operatorVersion": "v26.7.0", "operatorTimeoutSeconds": 300, "removeCrds": True},
    "GpuValidation": {
        "kubeconfig": "~/.kube/config",
        "context": "demo",
        "nodeSelector": {"pool": "gpu"},
        "gpu": {**GPU, "runtimeClass": "ours"},
        "gpus": 2,
        "timeoutSeconds": 300,
        "pollSeconds": 10,
    },
}


def built(name: str, sent: dict[str, Any], house: House) -> Result:
    """What the component makes of arguments in the form that the host of a package hands over."""
    provider = Provider(COMPONENTS, "gpu-ready", None, "0.1.0")
    return house.make(
        "preview", lambda: provider.construct("it", f"gpu-ready:index:{name}", as_others_send_it(sent), None)
    )


@pytest.mark.parametrize("name", sorted(SENT))
def test_a_component_can_be_built_from_what_other_languages_send(name: str, tmp_path: Path) -> None:
    result = built(name, SENT[name], House(tmp_path))
    assert (result.exit, result.errors) == (0, [])
    assert result.one(f"gpu-ready:index:{name}")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"adress": "rtx"}, "hosts[0].adress is read by nobody, did you mean address?"),
        ({"driver": {"brnch": "580"}}, "hosts[0].driver.brnch is read by nobody, did you mean branch?"),
        ({"driver": "580"}, 'hosts[0].driver cannot be the text "580": a section with '),
    ],
)
def test_what_the_sdk_would_drop_without_a_word_is_refused(more: Any, said: str, tmp_path: Path) -> None:
    sent = {**SENT["BareMetalGpuNodes"], "hosts": [{**HOST, **more}]}
    assert said in "".join(map(str, built("BareMetalGpuNodes", sent, House(tmp_path)).errors))


def test_a_host_that_is_a_text_is_refused(tmp_path: Path) -> None:
    result = built("BareMetalGpuNodes", {**SENT["BareMetalGpuNodes"], "hosts": ["rtx"]}, House(tmp_path))
    assert 'hosts[0] cannot be the text "rtx": a section with ' in "".join(map(str, result.errors))


def test_a_host_that_is_not_there_needs_no_password(tmp_path: Path) -> None:
    away = {**HOST, "user": "ubuntu", "sudo": "password", "state": "offline"}
    result = built("BareMetalGpuNodes", {**SENT["BareMetalGpuNodes"], "hosts": [away]}, House(tmp_path))
    assert (result.exit, result.errors) == (0, [])


def test_whole_numbers_stay_whole_on_their_way_into_kubernetes(tmp_path: Path) -> None:
    result = built("GpuValidation", SENT["GpuValidation"], House(tmp_path))
    pod = result.one("Job").plain["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "2"}
    assert pod["nodeSelector"] == {"pool": "gpu"}
    assert {"key": "dedicated", "operator": "Exists"} in pod["tolerations"]


@long
@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("GpuStack", {"operatorVersion": "v1.0.0"}, "not among the supported ones"),
        ("GpuStack", {"values": {"dcgmExportr": {"enabled": False}}}, "did you mean dcgmExporter"),
        ("GpuStack", {"values": {"driver": {"enabled": True}}}, "gpu.driver"),
        ("GpuStack", {"gpu": {"operator": "external", "driver": "preinstalled"}}, "has no effect"),
        ("GpuStack", {"gpu": {"operator": "maybe"}}, "maybe"),
        ("BareMetalGpuNodes", {"hosts": []}, "at least one host"),
        ("BareMetalGpuNodes", {"hosts": [HOST, HOST]}, "more than one host is called rtx"),
        ("BareMetalGpuNodes", {"hosts": [{**HOST, "rebootTimeoutSeconds": 0.5}]}, "rebootTimeoutSeconds"),
        ("BareMetalGpuNodes", {"hosts": [{**HOST, "rebootTimeoutSeconds": -1}]}, "rebootTimeoutSeconds"),
        ("BareMetalGpuNodes", {"hosts": [HOST, {**HOST, "name": "b", "hostKey": ""}]}, "hosts[1].hostKey"),
        ("BareMetalGpuNodes", {"hosts": [{**HOST, "hostKey": "SHA256:abc"}]}, "the fingerprint of a key"),
        ("BareMetalGpuNodes", {"hosts": [{**HOST, "address": ""}]}, "a host name or an address belongs here"),
        ("BareMetalGpuNodes", {"hosts": [{**HOST, "address": "me@rtx"}]}, "hosts[0].address"),
        ("BareMetalGpuNodes", {"hosts": [{**HOST, "name": "R T X"}]}, "a short name of small letters"),
        ("BareMetalGpuNodes", {"hosts": [{**HOST, "port": 70000}]}, "a port from 1 to 65535"),
        ("BareMetalGpuNodes", {"hosts": [{**HOST, "state": "ofline"}]}, "ofline"),
        ("BareMetalGpuNodes", {"hosts": [{**HOST, "reboot": "always"}]}, "always"),
        ("BareMetalGpuNodes", {"hosts": [{**HOST, "sudo": "su"}]}, "one of passwordless, password"),
        ("BareMetalGpuNodes", {"hosts": [{**HOST, "user": "ubuntu", "sudo": "password"}]}, "wants a password"),
        ("BareMetalGpuNodes", {"hosts": [{**HOST, "look": 0.5}]}, "look"),
        ("BareMetalGpuNodes", {"hosts": [{**HOST, "driver": {"source": "apt"}}]}, "driver.source cannot be"),
        ("GpuValidation", {"nodes": ["gpu-1"], "nodeSelector": {"pool": "gpu"}}, "either `nodes` or `nodeSelector`"),
        ("ExistingGpuNodes", {"nodes": "gpu-1"}, "a list of names belongs here"),
        ("ExistingGpuNodes", {"context": ""}, "the context of the kubeconfig belongs here"),
        ("ExistingGpuNodes", {"nodes": [], "nodeSelector": {}}, "either `nodes` or `nodeSelector`"),
        ("GpuValidation", {"gpus": 0}, "at least 1"),
        ("GpuValidation", {"gpus": 1.5}, "whole number"),
    ],
)
def test_users_of_other_languages_are_guarded_by_the_same_rules(
    name: str, wrong: dict[str, Any], said: str, tmp_path: Path
) -> None:
    result = built(name, {**SENT[name], **wrong}, House(tmp_path))
    assert result.exit == 1
    assert said in "\n".join(result.errors), result.errors
