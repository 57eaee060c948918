"""Mirror, pull secrets, proxy and driver container: what charts are told, what is refused, what the program makes."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.driver_container import container_values
from decide import defaults, driver_container, images, user_values
from decide.images import Images
from decide.operator_values import as_tree
from decide.ownership import Ownership, decide
from settings import parse
from tests.effort import long
from tests.unit.house import CONFIG, House, faults_of
from tests.unit.small_world import some

MIRROR = Images("registry.example.com/mirror", ("registry",))
OURS = {"driver": "operator", "toolkit": "operator"}


def plain(**gpu: Any) -> dict[str, Any]:
    return {**CONFIG, "gpu": {**OURS, **gpu}}


def faults(config: dict[str, Any]) -> list[tuple[str, str]]:
    return [(path.removeprefix("gpu."), right) for path, right in faults_of(config)]


# images


@pytest.mark.parametrize("version", defaults.OPERATOR_VERSIONS)
def test_each_image_of_the_operators_chart_comes_from_the_mirror_under_its_own_path(version: str) -> None:
    known, told = user_values.chart(version), list(images.operator_values(MIRROR, version))
    paths = {one.path: one.value for one in told}

    named = {key for key, usual in known.defaults.items() if key.endswith("repository") and usual}
    assert {key for key in paths if key.endswith(".repository")} == {
        *(one for one in named if not user_values.gone(one, known)), "node-feature-discovery.image.repository",
    }  # fmt: skip
    assert paths["migManager.repository"] == "registry.example.com/mirror/nvidia/cloud-native"
    assert not user_values.faults(as_tree([one for one in told if "node-feature" not in one.path]), version)


@pytest.mark.parametrize("version", defaults.OPERATOR_VERSIONS)
def test_each_pod_of_the_operator_may_pull_with_the_secret(version: str) -> None:
    tree = as_tree(list(images.operator_values(MIRROR, version)))

    for part in ("operator", "validator", "driver", "toolkit", "devicePlugin", "dcgmExporter", "gfd", "migManager"):
        assert tree[part]["imagePullSecrets"] == ["registry"]
    assert tree["node-feature-discovery"]["imagePullSecrets"] == [{"name": "registry"}]


@pytest.mark.parametrize("version", defaults.PLUGIN_VERSIONS)
def test_likewise_of_the_plugins_chart(version: str) -> None:
    tree = as_tree(list(images.plugin_values(MIRROR, version, discovery=True)))

    assert tree["image"] == {"repository": "registry.example.com/mirror/nvidia/k8s-device-plugin"}
    assert tree["imagePullSecrets"] == tree["nfd"]["imagePullSecrets"] == [{"name": "registry"}]
    assert [one.path for one in images.plugin_values(MIRROR, version, discovery=False) if "nfd" in one.path] == []


def test_nothing_is_said_where_nothing_was_asked() -> None:
    for version in defaults.OPERATOR_VERSIONS:
        assert list(images.operator_values(Images(), version)) == []
    assert list(images.plugin_values(Images(), defaults.PLUGIN_VERSION, discovery=True)) == []
    assert list(driver_container.values(None, None)) == []


def test_an_image_that_somebody_named_is_left_where_it_is() -> None:
    assert images.placed(defaults.SMI_IMAGE, MIRROR).startswith("registry.example.com/mirror/nvidia/cuda:")
    assert images.placed("quay.io/mine/cuda:1", MIRROR) == "quay.io/mine/cuda:1"


# proxy and driver container


@pytest.mark.parametrize("version", defaults.OPERATOR_VERSIONS)
def test_what_the_driver_container_is_told_is_known_to_its_chart_in_its_types(version: str) -> None:
    upgrades = {"auto": True, "parallel": 2, "unavailable": "10%", "drain": True}
    proxy = {"http": "http://proxy:3128", "no": ["10.0.0.0/8"]}
    told = [
        *driver_container.values({"modules": "open", "upgrades": upgrades}, proxy),
        *driver_container.values({"precompiled": 580}, None),
    ]

    assert user_values.faults(as_tree(told), version) == []
    assert all(one.reason for one in told)
    tree = as_tree(told)["driver"]
    assert tree["upgradePolicy"] == {
        "autoUpgrade": True, "maxParallelUpgrades": 2, "maxUnavailable": "10%", "drain": {"enable": True},
    }  # fmt: skip
    assert (tree["usePrecompiled"], tree["version"]) == (True, "580")
    env = {one["name"]: one["value"] for one in tree["env"]}
    assert env["HTTPS_PROXY"] == env["https_proxy"] == env["HTTP_PROXY"] == "http://proxy:3128"
    assert env["NO_PROXY"].split(",") == [*driver_container.INSIDE, "10.0.0.0/8"]


@pytest.mark.parametrize(
    ("config", "path", "right"),
    [
        (plain(images={"registry": "https://registry.example.com"}), "images.registry", "registry.example.com"),
        (plain(images={"pullSecrets": ["Not A Name"]}), "images.pullSecrets[0]", "pullSecrets: [registry]"),
        (plain(proxy={"no": ["10.0.0.0/8"]}), "proxy", "http: http://"),
        (plain(proxy={"http": "http://me:secret@proxy:3128"}), "proxy.http", "http://proxy.example.com:3128"),
        (plain(driverContainer={"precompiled": 535}), "driverContainer.precompiled", "580 or 595"),
        (plain(driverContainer={"precompiled": 580, "modules": "open"}), "driverContainer.modules", "leave modules"),
        (plain(driverContainer={"secureBoot": True}), "driverContainer.secureBoot", "precompiled: 580"),
        (
            plain(driverContainer={"upgrades": {"auto": False, "parallel": 2}}),
            "driverContainer.upgrades",
            "leave parallel",
        ),
        (
            plain(driverContainer={"upgrades": {"auto": False, "drain": True}}),
            "driverContainer.upgrades.drain",
            "leave drain",
        ),
        (plain(driverContainer={"upgrades": {"unavailable": "101%"}}), "upgrades.unavailable", "25%"),
        (
            plain(driverContainer={"precompiled": 580}, operator={"values": {"driver": {"version": "580.1.2"}}}),
            "operator.values.driver.version",
            "leave one",
        ),
        (
            plain(driverContainer={"precompiled": 580}, operator={"values": {"gdrcopy": {"enabled": True}}}),
            "driverContainer.precompiled",
            "leave one",
        ),
        (plain(driver="preinstalled", proxy={"http": "http://proxy:3128"}), "proxy", "leave proxy out"),
        (plain(driver="preinstalled", driverContainer={"modules": "open"}), "driverContainer", "leave driverContainer"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(config: dict[str, Any], path: str, right: str) -> None:
    ((where, said),) = faults(config)
    assert path in where
    assert right in said


def test_secure_boot_goes_with_ready_modules_and_says_no_more() -> None:
    assert faults(plain(driverContainer={"secureBoot": True, "precompiled": 580})) == []


def test_that_the_secret_has_to_be_there_is_said() -> None:
    lines = "\n".join(parse(plain(images={"pullSecrets": ["registry"]})).lines())
    assert "registry in each namespace that up makes" in lines


def test_components_refuse_what_a_stack_file_cannot_say() -> None:
    by_operator, on_hosts = (decide("cluster", {"driver": by}) for by in ("operator", "preinstalled"))
    assert isinstance(by_operator, Ownership)
    assert isinstance(on_hosts, Ownership)
    for gpu, who, said in (
        ({"driver_container": {"secure_boot": True}}, by_operator, "secureBoot"),
        ({"driver_container": {"modules": "closed"}}, by_operator, "auto or open"),
        ({"proxy": {}}, on_hosts, ""),
        ({"proxy": {"http": "http://proxy"}}, on_hosts, "belongs to"),
        ({"proxy": {"no": ["x"]}}, by_operator, "http or https"),
    ):
        if not said:
            assert container_values(gpu, who, {}) == []  # type: ignore[arg-type]
            continue
        with pytest.raises(pulumi.InputPropertyError, match=said):
            container_values(gpu, who, {})  # type: ignore[arg-type]


# the whole program


@long
def test_operator_and_proof_come_from_the_mirror_with_the_secret(tmp_path: Path) -> None:
    house = House(tmp_path)
    wanted = {"registry": "registry.example.com/mirror", "pullSecrets": ["registry"]}
    config = {**CONFIG, "gpu": {**CONFIG["gpu"], "images": wanted}}

    done = house.run("up", config)

    assert done.errors == []
    assert "image: registry.example.com/mirror/nvidia/cuda" in done.outputs["first_workload"]
    for one in some(house.world, "Job"):
        spec = one["spec"]["template"]["spec"]
        assert spec["imagePullSecrets"] == [{"name": "registry"}]
        containers = [*spec["initContainers"], *spec["containers"]]
        assert {part["image"].split("/")[0] for part in containers} == {"registry.example.com"}
    (plugin,) = [one for one in some(house.world, "DaemonSet") if "device-plugin" in one["metadata"]["name"]]
    assert plugin["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert plugin["spec"]["template"]["spec"]["containers"][0]["image"].startswith("registry.example.com/mirror/nvidia")
