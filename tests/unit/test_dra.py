"""Cards by claims, as their user meets them: up, again, over from the plugin and back, what goes wrong, destroy."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import schemas
from lab.cluster.store import Object
from lab.world import WholeWorld
from settings import parse
from tests.effort import long
from tests.unit.house import CONFIG, ROOT, WORLD, House, faults_of, with_gpu
from tests.unit.small_world import some

CLAIMS = with_gpu(operator="none", allocation="dra")
PLUGIN = with_gpu(operator="none")
SPACE = "dra-driver-nvidia-gpu"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def said(house: House, config: dict[str, Any] = CLAIMS) -> str:
    """The refusal of an `up` that fails."""
    failed = house.run("up", config)
    (error,) = [text for text in failed.errors if "fix:" in text]
    return error


def test_up_proves_by_claims_that_pods_get_cards_and_again_changes_nothing_and_destroy_leaves_nothing(
    house: House,
) -> None:
    before = house.world.snapshot()

    made = house.run("up", CLAIMS)
    again = house.run("up", CLAIMS, expect_no_changes=True)

    assert (made.errors, again.errors, set(again.changes)) == ([], [], {"same"})
    assert {node["name"]: node["gpus"] for node in made.outputs["report"]["nodes"]} == {"gpu-1": 1, "gpu-2": 2}
    assert made.outputs["report"]["operator"] == {
        "owner": "none",
        "version": "dra-driver-nvidia-gpu-0.4.1",
        "state": "2 ready",
    }
    assert (made.outputs["resource_name"], made.outputs["runtime_class"]) == ("", "")
    assert "deviceClassName: gpu.nvidia.com" in made.outputs["first_workload"]
    assert some(house.world, "RuntimeClass") == []
    assert house.run("destroy").exit == 0
    assert WholeWorld.remainder(before, house.world.snapshot()) == []


def test_a_validation_pod_asks_by_a_claim_and_by_nothing_else(house: House) -> None:
    assert house.run("up", CLAIMS).exit == 0

    (job, *_) = some(house.world, "Job")
    (template,) = some(house.world, "ResourceClaimTemplate")
    spec = job["spec"]["template"]["spec"]
    asked = [one["resources"] for one in (*spec["initContainers"], *spec["containers"])]

    assert asked == [{"claims": [{"name": "gpu"}]}] * 2
    assert spec["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": template["metadata"]["name"]}]
    assert "runtimeClassName" not in spec
    (request,) = template["spec"]["spec"]["devices"]["requests"]
    assert request["exactly"] == {"deviceClassName": "gpu.nvidia.com", "allocationMode": "ExactCount", "count": 1}
    assert some(house.world, "ResourceClaim") == []  # those of pods that are over


@long
def test_over_from_the_plugin_and_back_takes_one_up_each_and_never_both(house: House) -> None:
    assert house.run("up", PLUGIN).exit == 0

    over = house.run("up", CLAIMS)
    assert (over.errors, house.run("up", CLAIMS, expect_no_changes=True).exit) == ([], 0)
    order = [name for op, _type, name in over.steps if op in ("delete-replaced", "create")]
    assert order.index("gpu-stack-plugin") < order.index("gpu-stack-namespace") < order.index("gpu-stack-dra")

    back = house.run("up", PLUGIN)
    assert (back.errors, house.run("up", PLUGIN, expect_no_changes=True).exit) == ([], 0)
    order = [name for op, _type, name in back.steps if op in ("delete-replaced", "create")]
    assert order.index("gpu-stack-dra") < order.index("gpu-stack-namespace") < order.index("gpu-stack-plugin")
    assert some(house.world, "ResourceSlice") == []


@long
def test_over_from_the_operator_and_back_takes_one_up_each(house: House) -> None:
    for config in (CONFIG, CLAIMS, CONFIG):
        assert house.run("up", config).errors == []
        assert house.run("up", config, expect_no_changes=True).exit == 0


def somebodys_claim(node: str) -> tuple[Object, Object]:
    """A template, and a pod of somebody else that holds a card of the node by a claim."""
    devices = {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com"}}]}
    meta = {"name": "one", "namespace": "default"}
    spec = {
        "containers": [{"name": "train", "image": "train:1", "resources": {"claims": [{"name": "gpu"}]}}],
        "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "one"}],
        "nodeSelector": {"kubernetes.io/hostname": node},
    }
    kind = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate"}
    template = {**kind, "metadata": meta, "spec": {"spec": {"devices": devices}}}
    return template, {"apiVersion": "v1", "kind": "Pod", "metadata": {**meta, "name": "training"}, "spec": spec}


def claimed_by_somebody(house: House, node: str) -> None:
    with house.world.open() as cluster:
        for one in somebodys_claim(node):
            cluster.create(one)


def test_who_holds_the_only_card_by_a_claim_is_named(house: House) -> None:
    assert house.run("up", CLAIMS).exit == 0
    claimed_by_somebody(house, "gpu-1")

    error = said(house, {**CLAIMS, "validation": {"run": 2, "timeoutSeconds": 100, "pollSeconds": 25}})

    assert "DRA-6 scheduler: " in error
    assert "no free card on gpu-1, claimed by default/training (gpu-0 on gpu-1)" in error
    assert "cannot allocate all claims" in error


@long
def test_cards_that_pods_hold_are_not_handed_out_again_by_the_other_way(house: House) -> None:
    assert house.run("up", CLAIMS).exit == 0
    claimed_by_somebody(house, "gpu-1")

    assert "CFG-16 ownership: pods hold cards by claims" in (error := said(house, PLUGIN))
    assert "default/training" in error
    assert [one["metadata"]["name"] for one in some(house.world, "DaemonSet")] == [f"{SPACE}-kubelet-plugin"]


def test_pods_with_cards_of_a_plugin_have_to_end_first(house: House) -> None:
    house.world.switch("nodes.gpu-1.busy", 1)

    assert "CFG-13 ownership: " in (error := said(house))
    assert "default/busy-on-gpu-1 on gpu-1" in error
    assert some(house.world, "DaemonSet") == []


def test_a_plugin_of_somebody_else_is_refused_by_name(house: House) -> None:
    with house.world.open() as cluster:
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "theirs"}})
        cluster.install_release("theirs", "theirs", "0.20.0", {}, "nvidia-device-plugin")
    house.world.switch("nodes.gpu-1.labels", {"nvidia.com/gpu.present": "true"})

    assert "DaemonSet theirs/theirs-nvidia-device-plugin" in (error := said(house))
    assert "fix: remove it first" in error


@long
def test_a_dra_driver_that_hands_out_no_cards_is_let_alone_beside_a_plugin(house: House) -> None:
    with house.world.open() as cluster:
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "theirs"}})
        cluster.install_release("dra", "theirs", "0.4.1", {"resources": {"gpus": {"enabled": False}}}, SPACE)
    house.world.switch("nodes.gpu-1.labels", {"nvidia.com/gpu.present": "true"})

    assert house.run("up", PLUGIN).errors == []


@pytest.mark.parametrize("config", [PLUGIN, CONFIG], ids=["plugin", "operator"])
def test_a_dra_driver_of_somebody_else_is_refused_by_name_where_a_plugin_is_wished(
    house: House, config: dict[str, Any]
) -> None:
    with house.world.open() as cluster:
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "theirs"}})
        cluster.install_release("dra", "theirs", "0.4.1", {"gpuResourcesEnabledOverride": True}, SPACE)
    house.world.switch("nodes.gpu-1.labels", {"nvidia.com/gpu.present": "true"})

    assert (
        f"CFG-4 ownership: GPUs are handed out here already, and not by this stack: DaemonSet theirs/{SPACE}"
        in said(house, config)
    )


@pytest.mark.parametrize(
    ("switch", "value", "id", "says"),
    [
        ("nodes.gpu-1.driver", None, "DRA-2 driver", "Has the NVIDIA GPU driver been set up?"),
        ("nodes.gpu-1.gpus", 0, "DRA-3 plugin", "there is an empty ResourceSlice of driver gpu.nvidia.com"),
        ("operator.fault", "crash", "DRA-4 plugin", "error initializing NVML"),
        ("nodes.gpu-1.driver", "570.133.20", "DRA-5 driver", "gpu-0, NVIDIA A10G, 23028Mi, driver 570.133.20"),
        pytest.param("nodes.gpu-1.cdi", False, "CUDA-4 runtime", "nvidia-smi: not found", marks=long),
        (
            "nodes.gpu-1.node_info",
            {"containerRuntimeVersion": "containerd://1.6.20"},
            "CFG-15 runtime",
            "gpu-1 runs containerd 1.6.20, which has no CDI",
        ),
        (
            "nodes.gpu-1.node_info",
            {"containerRuntimeVersion": "docker://27.1.0"},
            "CFG-15 runtime",
            "gpu-1 runs docker 27.1.0",
        ),
    ],
)
def test_the_first_broken_layer_is_named_and_quoted(house: House, switch: str, value: Any, id: str, says: str) -> None:
    house.world.switch(switch, value)

    error = said(house)

    assert (id in error, says in error) == (True, True), error
    assert "device plugin" not in error.rpartition(id)[2]


def test_a_kubernetes_that_is_too_old_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    house = House(tmp_path, {**WORLD, "kubernetes": "1.33"})

    assert "CFG-14 nodes: gpu-1 runs Kubernetes v1.33.4" in said(house)
    assert some(house.world, "Namespace", None) == [
        one for one in some(house.world, "Namespace") if not one["metadata"]["name"].startswith(("gpu-", SPACE))
    ]


@long
def test_a_driver_that_comes_late_is_waited_for(house: House) -> None:
    house.world.switch("nodes.gpu-1.driver", None)
    assert "DRA-2" in said(house)
    house.world.switch("nodes.gpu-1.driver", "580.126.20")

    assert house.run("up", CLAIMS).errors == []


def faults(gpu: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    return faults_of({**CONFIG, "gpu": gpu, **more})


BY_CLAIM: dict[str, Any] = {"operator": "none", "allocation": "dra"}
SHARED = "leave sharing out: two pods that name the same ResourceClaim share its card"


@pytest.mark.parametrize(
    ("gpu", "path", "right"),
    [
        ({"allocation": "dra"}, "gpu.operator", "gpu.operator: none, which installs the DRA driver's chart alone"),
        (
            {"allocation": "dra", "operator": "external"},
            "gpu.operator",
            "remove that operator, then gpu.operator: none",
        ),
        ({**BY_CLAIM, "runtimeClass": "ours"}, "gpu.runtimeClass", "leave gpu.runtimeClass out"),
        ({**BY_CLAIM, "driver": "operator"}, "gpu.driver", "gpu.driver: preinstalled"),
        ({**BY_CLAIM, "toolkit": "operator"}, "gpu.toolkit", "leave gpu.toolkit out"),
        ({**BY_CLAIM, "sharing": {"timeSlicing": {"replicas": 4}}}, "gpu.sharing.timeSlicing", SHARED),
        ({**BY_CLAIM, "sharing": {"mig": {"profile": "all-1g.5gb"}}}, "gpu.sharing.mig", SHARED),
        (
            {**BY_CLAIM, "plugin": {"discovery": True}},
            "gpu.plugin.discovery",
            "leave discovery out, or gpu.allocation: devicePlugin",
        ),
        (
            {"operator": "none", "draDriver": {"version": "0.4.1"}},
            "gpu.draDriver.version",
            "leave version out, or gpu: {operator: none, allocation: dra}",
        ),
        (
            {**BY_CLAIM, "draDriver": {"values": {"logVerbosit": "5"}}},
            "gpu.draDriver.values.logVerbosit",
            "did you mean logVerbosity?",
        ),
        (
            {**BY_CLAIM, "draDriver": {"values": {"resources": {"computeDomains": {"enabled": True}}}}},
            "gpu.draDriver.values.resources.computeDomains.enabled",
            "leave it out; they want labels of feature discovery and NVLink between nodes",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_what_does(gpu: dict[str, Any], path: str, right: str) -> None:
    assert faults(gpu) == [(path, right)]


def test_an_exporter_of_ours_would_have_to_claim_the_cards() -> None:
    ((path, right),) = faults(BY_CLAIM, monitoring={"enabled": True})

    assert (path, right) == ("monitoring.exporter", "monitoring: {enabled: true, exporter: external}")


def test_what_it_does_not_do_is_said_before_anything_is_made() -> None:
    lines = "\n".join(parse(CLAIMS).ownership.lines())

    assert "no driver, no container toolkit, no labels of feature discovery and no MIG manager" in lines
    assert "Kubernetes 1.34.2 or newer, driver 580 or newer" in lines
    assert "nvidia has to be the default runtime" not in lines


def test_the_examples_of_the_docs_are_what_kubernetes_takes_and_the_first_workload_is_too() -> None:
    text = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    blocks = [*re.findall(r"```yaml\n(.*?)```", text, re.DOTALL), parse(CLAIMS).first_workload()]
    found = [one for block in blocks for one in yaml.safe_load_all(block)]

    assert [one["kind"] for one in found if schemas.faults(one)] == []
    assert len(found) == 7
