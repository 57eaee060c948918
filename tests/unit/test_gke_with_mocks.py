"""GkeGpuNodes with mocks, in both worlds: an up, and a preview in which nothing is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

POOL = "gcp:container/nodePool:NodePool"
KNOWN = {
    "gpu-ready:index:GkeGpuNodes": set[str](),
    "command:local:Command": {"stdout"},
    "gcp:container/cluster:Cluster": {"endpoint", "masterAuth"},
    POOL: {"instanceGroupUrls"},
    "gcp:compute/router:Router": {"selfLink"},
    "gcp:compute/routerNat:RouterNat": set(),
}
"""Every type that may be made, and the outputs that only its provider knows."""
ARGS: dict[str, Any] = {
    "project": "my-project",
    "location": "us-central1-a",
    "cluster": {"name": "ml"},
    "pools": [{"name": "a100", "machine_type": "a2-highgpu-1g", "max_nodes": 2}],
    "gpu": {"target": "gke"},
}


class Strict(pulumi.runtime.Mocks):
    """Takes no type that it does not know, and gives outputs only in an up."""

    def __init__(self, preview: bool) -> None:
        self.preview, self.made = preview, dict[str, dict[str, Any]]()

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        assert args.typ in KNOWN, args.typ
        assert args.name not in self.made, args.name
        self.made[args.name] = {"type": args.typ, **args.inputs}
        values = {"stdout": json.dumps({}), "endpoint": "203.0.113.9", "masterAuth": {"clusterCaCertificate": "Q0E="}}
        outputs = {} if self.preview else {key: values.get(key, []) for key in KNOWN[args.typ]}
        return (None if self.preview else f"{args.name}-id"), {**args.inputs, **outputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
        assert args.token == "gcp:container/getCluster:getCluster", args.token
        assert args.args == {"name": "ml", "location": "us-central1-a", "project": "my-project"}
        auth = {"clusterCaCertificate": "Q0E=", "clientCertificate": "", "clientKey": ""}
        return {**args.args, "id": "ml-id", "endpoint": "203.0.113.9", "masterAuths": [auth], "enableAutopilot": False}


@pytest.fixture(params=[False, True], ids=["up", "preview"])
def mocks(request: pytest.FixtureRequest) -> Iterator[Strict]:
    strict = Strict(request.param)
    pulumi.runtime.set_mocks(strict, preview=request.param)
    yield strict
    pulumi.runtime.reset_options()


def nodes(**more: Any) -> Any:
    from components.gke import GkeGpuNodes

    args: Any = {**ARGS, **more}
    return GkeGpuNodes("nodes", args)


def played(made: Any) -> None:
    @pulumi.runtime.test
    def program() -> Any:
        return made()

    program()


def test_a_pool_is_made_in_a_cluster_that_is_there(mocks: Strict) -> None:
    played(lambda: nodes().context)

    assert set(mocks.made) == {"nodes", "nodes-login", "nodes-look", "nodes-a100"}
    pool = mocks.made["nodes-a100"]
    assert pool["cluster"] == "ml-id"
    assert pool["nodeConfig"]["machineType"] == "a2-highgpu-1g"
    assert pool["nodeConfig"]["taints"] == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}]
    assert pool["autoscaling"] == {"totalMinNodeCount": 0, "totalMaxNodeCount": 2, "locationPolicy": "ANY"}


def test_a_cluster_of_ours_gets_a_place_for_the_system_first(mocks: Strict) -> None:
    played(lambda: nodes(cluster={"name": "ml", "create": True}).context)

    assert {"nodes-cluster", "nodes-system", "nodes-a100"} < set(mocks.made)
    assert mocks.made["nodes-cluster"]["deletionProtection"] is True
    assert mocks.made["nodes-system"]["nodeConfig"]["machineType"] == "e2-standard-4"


@pytest.mark.parametrize("cluster", [{"name": "ml"}, {"name": "ml", "create": True}])
def test_the_kubeconfig_is_secret_in_both_worlds(mocks: Strict, cluster: dict[str, Any]) -> None:
    found: list[Any] = []

    async def look(made: Any) -> Any:
        found.append((await made.kubeconfig.is_secret(), await made.kubeconfig.future()))
        return None

    def program() -> Any:
        return pulumi.Output.from_input(look(nodes(cluster=cluster)))

    played(program)

    ((secret, text),) = found
    assert secret
    assert text is None if mocks.preview and cluster.get("create") else "203.0.113.9" in text


def test_a_wrong_pool_is_refused_before_anything_is_made(mocks: Strict) -> None:
    wrong = [{"name": "a100", "machine_type": "a2-highgpu-1g", "partition_size": "1g.10gb"}]

    with pytest.raises(pulumi.InputPropertyError, match=r"GKE-5 pools\[0\].partitionSize: .*it has 1g.5gb"):
        played(lambda: nodes(pools=wrong).context)

    assert set(mocks.made) <= {"nodes"}


def test_the_operators_mode_is_seen_on_the_pool(mocks: Strict) -> None:
    played(lambda: nodes(gpu={"target": "gke", "driver": "operator"}).context)

    config = mocks.made["nodes-a100"]["nodeConfig"]
    assert config["labels"]["gke-no-default-nvidia-gpu-device-plugin"] == "true"
    assert config["guestAccelerators"][0]["gpuDriverInstallationConfig"] == {
        "gpuDriverVersion": "INSTALLATION_DISABLED"
    }
