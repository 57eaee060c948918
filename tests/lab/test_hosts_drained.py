"""A real host that is a node with pods of somebody else: they are evicted before it goes down, or it does not go."""

from pathlib import Path
from typing import Any

import pytest

from components.steps.cordon import LABEL
from lab.real.hosts.host import RealHost
from lab.real.site import Site, node_of
from tests.lab import test_whole_stack
from tests.lab.engines import built_in_only
from tests.lab.real_hosts import needs_hosts, wait_for, while_it_runs
from tests.lab.test_whole_stack import site  # noqa: F401 the fixture
from tests.lab.whole import Whole

pytestmark = needs_hosts
REAL = test_whole_stack.REAL
STANDINS = test_whole_stack.STANDINS
NODE = node_of("tesla")
APP = {"app": "web"}


@pytest.fixture
def host(site: Site) -> RealHost:  # noqa: F811
    """It takes a reboot; there is another node, to which pods can go."""
    site.cluster.add_node("cpu-1")
    return site.add("tesla", nouveau=True)


@pytest.fixture
def house(site: Site, host: RealHost, tmp_path: Path, engine: str) -> Whole:  # noqa: F811
    one = Whole(site, tmp_path, engine)
    one.config["bareMetal"]["drain"] = {"timeoutSeconds": 10}
    return one


def serve(site: Site) -> None:  # noqa: F811
    """Two pods of somebody, both on the host, which are needed both."""
    wish = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}
    there = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": wish}]}
    pod = {"containers": [{"name": "web", "image": "web"}], "affinity": {"nodeAffinity": there}}
    spec = {"replicas": 2, "selector": {"matchLabels": APP}, "template": {"metadata": {"labels": APP}, "spec": pod}}
    meta = {"name": "web", "namespace": "default"}
    site.cluster.api.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}, "somebody")
    budget = {"minAvailable": 2, "selector": {"matchLabels": APP}}
    about = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": budget}
    site.cluster.api.create(about, "somebody")
    wait_for(lambda: [*pods(site).values()] == [NODE, NODE])


def pods(site: Site) -> dict[str, str]:  # noqa: F811
    """The pods that run, by their ids, and where."""
    found = site.cluster.api.list("Pod", "default", labelSelector="app=web")
    running = [
        one for one in found if one["status"]["phase"] == "Running" and "deletionTimestamp" not in one["metadata"]
    ]
    return {one["metadata"]["uid"]: one["spec"]["nodeName"] for one in running}


def cordon(site: Site) -> tuple[bool, str]:  # noqa: F811
    """Whether the node is closed, and for which host of ours."""
    node: Any = site.cluster.api.get("Node", NODE)
    return node["spec"].get("unschedulable", False), node["metadata"]["labels"].get(LABEL, "")


@built_in_only
def test_pods_that_a_budget_holds_keep_the_host_up_and_others_are_evicted_first(
    site: Site,  # noqa: F811
    host: RealHost,
    house: Whole,
) -> None:
    cluster, boot = site.cluster.snapshot(), host.boot_id()
    serve(site)
    there = pods(site)

    for closed in (False, True):
        if closed:
            house.kubectl(f"cordon {NODE}")
        failed = house.run("up")
        said = next((text for text in failed.errors if text.startswith("DRN-1")), "")
        assert "tesla: nothing was done to it" in said, failed.errors
        assert "PodDisruptionBudget default/web allows none of default/web-" in said
        assert cordon(site) == (closed, ""), "what somebody closed stays so, what we closed is open again"
    house.kubectl(f"uncordon {NODE}")
    assert (pods(site), host.boot_id(), host.run("ls /sys/module").split()) == (there, boot, ["nouveau"])

    house.kubectl("""patch pdb web -p '{"spec": {"minAvailable": 1}}'""")
    house.config["bareMetal"]["drain"] = {"timeoutSeconds": 60}
    with while_it_runs(lambda: wait_for(lambda: all(cordon(site)))):
        assert house.went_well("up").outputs["report"]["ready"] is True
    assert (host.boots(), cordon(site)) == (1, (False, ""))
    assert not set(pods(site)) & set(there)
    assert [*pods(site).values()] == ["cpu-1", "cpu-1"]
    assert set(house.went_well("up").changes) == {"same"}

    house.kubectl("delete deployment,pdb web")
    house.went_well("destroy")
    assert site.cluster.left(cluster) == []
