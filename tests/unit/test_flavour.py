"""Where the operator's toolkit container finds containerd: declared, checked against nodes, refused where it cannot."""

from pathlib import Path
from typing import Any

import pytest

from components.steps.runtimes import runtime_faults
from decide import defaults, flavour, user_values
from decide.operator_values import as_tree
from tests.unit.house import CONFIG, House, faults_of
from tests.unit.small_snapshot import node, wish

SNAP = "/var/snap/microk8s"


def env(name: str) -> dict[str, str]:
    tree = as_tree(list(flavour.values(name)))
    return {one["name"]: one["value"] for one in tree["toolkit"]["env"]} if tree else {}


def test_each_distribution_has_its_own_variables() -> None:
    assert {name: env(name) for name in flavour.FLAVOURS} == {
        "rke2": {"CONTAINERD_SOCKET": "/run/k3s/containerd/containerd.sock"},
        "k3s": {
            "CONTAINERD_CONFIG": "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
            "CONTAINERD_SOCKET": "/run/k3s/containerd/containerd.sock",
        },
        "microk8s": {
            "CONTAINERD_CONFIG": f"{SNAP}/current/args/containerd-template.toml",
            "CONTAINERD_SOCKET": f"{SNAP}/common/run/containerd.sock",
            "RUNTIME_CONFIG_SOURCE": f"file={SNAP}/current/args/containerd.toml",
        },
        "k0s": {},
        "other": {},
    }


@pytest.mark.parametrize("version", defaults.OPERATOR_VERSIONS)
@pytest.mark.parametrize("name", flavour.FLAVOURS)
def test_a_distribution_and_a_version_go_together_or_are_refused_with_what_does(name: str, version: str) -> None:
    found = flavour.problem(name, version)
    known = user_values.chart(version).types

    assert bool(found) is (
        name == "k0s" or (version == "v25.3.4" and name != "other") or (name, version) == ("k3s", "v25.10.1")
    )
    assert all(one.path in known and one.reason for one in flavour.values(name))
    assert not found or "gpu.toolkit: " in found[1]


def test_a_users_variables_stand_beside_ours_and_win_by_name() -> None:
    own = {"toolkit": {"env": [{"name": "CONTAINERD_SOCKET", "value": "/mine"}, {"name": "LOG", "value": "1"}]}}

    merged = as_tree(list(flavour.values("k3s")), own)["toolkit"]["env"]

    assert {one["name"]: one["value"] for one in merged} == {
        "CONTAINERD_CONFIG": "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
        "CONTAINERD_SOCKET": "/mine",
        "LOG": "1",
    }


def faults(**gpu: Any) -> list[tuple[str, str]]:
    return faults_of({**CONFIG, "cluster": {**CONFIG["cluster"], "flavour": gpu.pop("flavour")}, "gpu": gpu})


def test_what_the_toolkit_container_cannot_do_is_refused_only_where_it_runs() -> None:
    assert faults(flavour="k0s") == [("cluster.flavour", "gpu.toolkit: nri")]
    assert faults(flavour="k0s", toolkit="preinstalled") == []
    assert faults(flavour="rke2", operator={"version": "v25.3.4"}) == [
        ("cluster.flavour", "gpu.operator.version: v25.10.1 or newer, or gpu.toolkit: preinstalled")
    ]


def told(runtime: str = "containerd://2.1.4", kubelet: str = "v1.35.4", **more: Any) -> list[str]:
    one = node()
    one["status"]["nodeInfo"] = {"containerRuntimeVersion": runtime, "kubeletVersion": kubelet}
    about = {"toolkit": "operator", "flavour": "other", "signs": flavour.SIGNS, **more.pop("about", {})}
    return [found.id for found in runtime_faults({"nodes": [one]}, wish(runtime=about, **more))]


def test_a_distribution_that_is_found_and_not_said_is_refused() -> None:
    assert told(kubelet="v1.35.4+rke2r1") == ["CFG-12"]
    assert told(kubelet="v1.35.4+rke2r1", about={"flavour": "rke2"}) == []
    assert told(kubelet="v1.35.4+rke2r1", about={"toolkit": "host"}) == []
    assert told(kubelet="v1.35.4", about={"flavour": "rke2"}) == []  # what tells nothing is believed


@pytest.mark.parametrize(("mode", "owner", "ids"), [
    ("install", "operator", ["CFG-11"]), ("none", "us", ["CFG-11"]), ("none", "host", []), ("external", "external", []),
])  # fmt: skip
def test_docker_takes_the_plugin_alone_and_nvidia_as_default_runtime(mode: str, owner: str, ids: list[str]) -> None:
    operator = {"mode": mode, "release": "gpu-operator", "namespace": "gpu-operator"}
    about = {"toolkit": "host"}

    runtime_class = {"name": "nvidia", "owner": owner}
    assert told("docker://27.3.1", about=about, operator=operator, runtime_class=runtime_class) == ids


def test_nothing_is_made_in_a_cluster_of_another_distribution(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.world.switch("nodes.gpu-1.node_info", {"kubeletVersion": "v1.35.4+k3s1"})
    config = {**CONFIG, "gpu": {"driver": "preinstalled"}}

    refused = house.run("up", config)
    declared = house.run("preview", {**config, "cluster": {**CONFIG["cluster"], "flavour": "k3s"}})

    assert "CFG-12 runtime: gpu-1 is of k3s, and cluster.flavour is other" in refused.errors[0]
    assert "set cluster.flavour: k3s" in refused.errors[0]
    assert declared.errors == []
