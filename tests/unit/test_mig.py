"""Cards divided by MIG: from the setting to labels and values, what the gate and the report say, the program."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import choices
from decide import catalog, defaults, mig, mig_cards, mig_health, user_values
from decide.mig import Mig
from decide.operator_values import as_tree
from decide.ready_health import judge_ready
from settings import parse
from tests.effort import long
from tests.unit.house import CONFIG, HOSTS, HOSTS_CONFIG, House, faults_of
from tests.unit.small_snapshot import Object, healthy, node, pod, wish
from tests.unit.small_world import find, some

A100, H100 = "NVIDIA-A100-SXM4-40GB", "NVIDIA-H100-80GB-HBM3"
ON_NODES = {"driver": "preinstalled", "toolkit": "preinstalled"}
CARD = {"card": "NVIDIA A100-SXM4-40GB", "gpus": 2, "driver": "580.126.20", "toolkit": True}
SPEC = {"context": "demo", "nodes": [{"name": "cpu-1"}, *({"name": f"gpu-{n}", **CARD} for n in (1, 2))]}
EC2 = {
    "region": "us-east-1",
    "subnet": "subnet-0123456789abcdef0",
    "sshFrom": ["192.0.2.7/32"],
    "publicKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdwdS1yZWFkeSBleGFtcGxlIG5vdCBhIHJlYWwga2V5",
}
LAYOUTS = {"two-sizes": {"1g.5gb": 4, "3g.20gb": 1}}


def asked(gpu: dict[str, Any] | None = None, **wanted: Any) -> dict[str, Any]:
    how = {"profile": "all-1g.5gb", **wanted}
    return {**CONFIG, "gpu": {**(ON_NODES if gpu is None else gpu), "sharing": {"mig": how}}}


# what a card becomes


def test_each_card_of_the_catalogue_that_has_mig_is_in_the_table_and_no_other() -> None:
    assert {one.product for one in catalog.CARDS.values() if one.mig} == {
        one for one in mig_cards.CARDS if one in catalog.CARDS
    }


@pytest.mark.parametrize(
    ("profile", "card", "made"),
    [
        ("all-1g.5gb", A100, {"1g.5gb": 7}),
        ("all-1g.10gb", A100, {"1g.10gb": 4}),
        ("all-1g.10gb", H100, {"1g.10gb": 7}),
        ("all-balanced", A100, {"1g.5gb": 2, "2g.10gb": 1, "3g.20gb": 1}),
        ("all-balanced", "NVIDIA-A30", {"1g.6gb": 2, "2g.12gb": 1}),
        ("all-1g.5gb", H100, {}),
        ("all-disabled", A100, {}),
        ("1g.5gb", A100, {}),
        ("all-1g.5gb", "NVIDIA-A10G", {}),
    ],
)
def test_what_a_profile_makes_of_a_card(profile: str, card: str, made: dict[str, int]) -> None:
    assert mig_cards.slices(profile, card) == made


@pytest.mark.parametrize("profile", mig.known_profiles())
def test_no_profile_has_more_parts_than_a_card(profile: str) -> None:
    for card, has in mig_cards.CARDS.items():
        made = mig_cards.slices(profile, card)
        most = next(iter(has.values()))
        assert sum(int(size[0]) * count for size, count in made.items()) <= most


def test_a_pod_asks_for_a_card_or_for_a_slice_by_its_size() -> None:
    assert mig.resource(None) == mig.resource(Mig("single", "all-1g.5gb")) == defaults.RESOURCE_NAME
    assert mig.resource(Mig("mixed", "all-1g.5gb")) == "nvidia.com/mig-1g.5gb"
    assert mig.resource(Mig("mixed", "all-disabled")) == defaults.RESOURCE_NAME
    assert mig.resource(Mig("mixed", "all-1g.5gb.me")) == "nvidia.com/mig-1g.5gb.me"
    assert mig.resource(Mig("mixed", "all-balanced", card=H100)) == "nvidia.com/mig-1g.10gb"
    assert mig.resource(Mig("mixed", "mine", layouts={"mine": {"1g.5gb+me": 1}})) == "nvidia.com/mig-1g.5gb.me"


@pytest.mark.parametrize("version", defaults.OPERATOR_VERSIONS)
def test_what_the_operator_is_told_is_known_to_its_chart(version: str) -> None:
    told = list(mig.operator_values(Mig("mixed", "two-sizes", layouts=LAYOUTS, reboot=True)))

    assert [one.path for one in told if one.path not in user_values.chart(version).types] == []
    tree = as_tree(told)
    assert tree["mig"] == {"strategy": "mixed"}
    assert tree["migManager"]["env"] == [{"name": "WITH_REBOOT", "value": "true"}]
    text = tree["migManager"]["config"]["data"]["config.yaml"]
    assert '        "1g.5gb": 4\n' in text
    assert "  all-disabled:\n" in text  # the operator writes that one itself


@pytest.mark.parametrize("version", defaults.PLUGIN_VERSIONS)
def test_what_the_plugin_alone_is_told_is_known_to_its_chart(version: str) -> None:
    (told,) = mig.plugin_values(Mig("mixed", "all-1g.5gb"))

    assert told.path in user_values.chart(version, "nvidia-device-plugin").types
    assert [*mig.operator_values(None), *mig.plugin_values(None)] == []


# what cannot be


def faults(config: dict[str, Any]) -> list[tuple[str, str]]:
    return [(path.removeprefix("gpu.sharing."), right) for path, right in faults_of(config)]


def by_labels() -> dict[str, Any]:
    return {**asked(), "cluster": {"context": "demo", "nodeSelector": {"pool": "gpu"}}}


@pytest.mark.parametrize(
    ("config", "path", "right"),
    [
        (asked(profile="all-1g.5g"), "mig.profile", "did you mean all-1g.5gb?"),
        (asked(profile="all-1g.5gb", card=H100), "mig.profile", "all-7g.80gb"),
        (asked(card="NVIDIA-A10G"), "mig.card", "leave it out"),
        (asked(profile="all-balanced"), "mig.profile", "strategy: mixed"),
        (asked(profile="all-balanced", strategy="mixed"), "mig.card", f"card: {A100}"),
        (asked(nodes={"gpu-9": "all-1g.5gb"}), "mig.nodes.gpu-9", "one of gpu-1, gpu-2"),
        (asked(nodes={"gpu-2": "al-2g.10gb"}), "mig.nodes.gpu-2", "did you mean all-2g.10gb?"),
        (asked(profile="x", layouts={"x": {"4g.20gb": 2}}), "mig.layouts.x", "fewer or smaller slices"),
        (asked(profile="x", layouts={"x": {"1g.7gb": 1}}), "mig.layouts.x", "1g.5gb: 3"),
        (asked(layouts=LAYOUTS), "mig.profile", "one of two-sizes, all-disabled"),
        (asked(profile="two-sizes", layouts=LAYOUTS), "mig.profile", "strategy: mixed"),
        (asked({"operator": "external"}), "mig", "gpu.operator: install"),
        (asked({"operator": "none"}, reboot=True), "mig.reboot", "leave reboot out"),
        (
            asked({**ON_NODES, "operator": {"values": {"mig": {"strategy": "mixed"}}}}),
            "gpu.operator.values.mig",
            "leave",
        ),
        (
            asked({**ON_NODES, "operator": {"values": {"migManager": {"enabled": False}}}}),
            "migManager.enabled",
            "leave",
        ),
        (asked({"operator": "none", "plugin": {"values": {"migStrategy": "single"}}}), "migStrategy", "leave"),
        (by_labels(), "mig", "cluster: {nodes: [gpu-1, gpu-2]}"),
        ({**asked(), "validation": {"gpus": 2}}, "validation.gpus", "validation: {gpus: 1}"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(config: dict[str, Any], path: str, right: str) -> None:
    ((where, said),) = faults(config)
    assert path in where
    assert right in said


def test_mps_and_turns_do_not_go_with_mig() -> None:
    for other in ("mps", "timeSlicing"):
        both = {"mig": {"profile": "all-1g.5gb"}, other: {"replicas": 4}}
        assert faults({**CONFIG, "gpu": {**ON_NODES, "sharing": both}}) == [("gpu.sharing", "leave mig out")]


def test_a_list_for_groups_of_nodes_is_refused_with_what_there_is_instead() -> None:
    groups = [{"nodes": ["gpu-1"], "mps": {"replicas": 4}}]
    ((path, right),) = faults({**CONFIG, "gpu": {**ON_NODES, "sharing": groups}})
    assert path == "gpu.sharing"
    assert "nodes: {gpu-2: all-3g.20gb}" in right


def test_clouds_divide_cards_in_their_own_way() -> None:
    gke = {"project": "my-project", "location": "us-east1-b", "cluster": "ml"}
    pools = [{"name": "a100", "machineType": "a2-highgpu-1g"}]
    gpu = {"sharing": {"mig": {"profile": "all-1g.5gb"}}}
    assert faults({"target": "gke", "gke": {**gke, "pools": pools}, "gpu": gpu}) == [
        ("mig", "partitionSize: 1g.5gb in gke.pools")
    ]
    aws = {"region": "us-east-1", "cluster": "research", "nodes": {"types": ["p4d.24xlarge"]}}
    assert any(path == "mig" for path, _ in faults({"target": "aws", "aws": aws, "gpu": gpu}))


def rented(kind: str, **wanted: Any) -> dict[str, Any]:
    how = {"profile": "all-1g.5gb", **wanted}
    bare = {"ec2": EC2, "hosts": [{"name": "one", "ec2": kind}]}
    return {
        "target": "bareMetal", "cluster": {"context": "demo"}, "bareMetal": bare, "gpu": {"sharing": {"mig": how}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("config", "path", "right"),
    [
        (rented("g5.xlarge"), "mig.profile", "another instance"),
        (rented("p5.48xlarge", nodes={"one": "all-2g.10gb"}), "mig.nodes.one", "all-1g.10gb"),
        (rented("p4d.24xlarge"), "mig.reboot", "reboot: true"),
    ],
)
def test_the_card_of_an_instance_is_known_by_its_type(config: dict[str, Any], path: str, right: str) -> None:
    found = [said for where, said in faults(config) if path == where]
    assert len(found) == 1
    assert right in found[0]


def test_what_fits_an_instance_is_taken() -> None:
    for config in (rented("p4d.24xlarge", reboot=True), rented("p5.48xlarge", profile="all-1g.10gb")):
        assert [where for where, _ in faults(config) if where.startswith("mig")] == []


def test_components_refuse_what_a_stack_file_cannot_say() -> None:
    for wrong in ({"profile": "all-9g"}, {"profile": "all-1g.5gb", "card": H100}):
        with pytest.raises(pulumi.InputPropertyError, match=r"mig\.profile"):
            choices.divided({"mig": wrong})  # type: ignore[typeddict-item]
    with pytest.raises(pulumi.InputPropertyError, match="one way"):
        choices.divided({"mig": {"profile": "all-1g.5gb"}, "sharing": {"strategy": "mps", "replicas": 2}})  # type: ignore[typeddict-item]


def test_what_it_costs_is_said_and_the_first_workload_asks_for_a_slice() -> None:
    settings = parse(asked(strategy="mixed"))
    assert "a change of geometry ends what runs on the card" in "\n".join(settings.ownership.lines())
    assert "nvidia.com/mig-1g.5gb: 1" in settings.first_workload()
    assert "nobody divides them here" in "\n".join(parse(asked({"operator": "none"})).ownership.lines())


# the gate


def divided(
    strategy: str = "single", profile: str = "all-1g.5gb", managed: bool = True, own: dict[str, str] | None = None
) -> Object:
    how = Mig(strategy, profile, own or {})
    nodes = [{"node": "gpu-1", **mig.of_node(how, "gpu-1")}]
    known = {**mig.to_judge(how, managed), **mig.of_node(how, "")}
    return wish(resource=mig.resource(how), mig={**known, "nodes": nodes})


def card(state: str = "success", config: str = "all-1g.5gb", product: str = A100, **amounts: Any) -> Object:
    """A node with an A100; amounts as `gpu` or `mig_1g.5gb`."""
    labels = {"nvidia.com/mig.config": config, "nvidia.com/gpu.product": product, "nvidia.com/mig.capable": "true"}
    found = node(gpus=0, labels={**labels, **({"nvidia.com/mig.config.state": state} if state else {})})
    handed = {f"nvidia.com/{key.replace('_', '-')}": str(value) for key, value in amounts.items()}
    for part in ("capacity", "allocatable"):
        found["status"][part] = handed
    return found


SLICED = f"{A100}-MIG-1g.5gb"
MIXED: dict[str, Any] = {"gpu": 0, "mig_1g.5gb": 14}


@pytest.mark.parametrize(
    ("found", "about"),
    [
        (card(product=SLICED, gpu=14), divided()),
        (card(product=SLICED, gpu=7), divided()),
        (card(**MIXED), divided("mixed")),
        (card(config="all-disabled", gpu=2), divided(profile="all-disabled")),
        (card(config="all-3g.20gb", product=f"{A100}-MIG-3g.20gb", gpu=4), divided(own={"gpu-1": "all-3g.20gb"})),
        (card("", "", product=SLICED, gpu=7), divided(managed=False)),
    ],
)
def test_cards_that_are_divided_as_asked_are_well(found: Object, about: Object) -> None:
    snapshot = healthy(nodes=[found])
    assert mig_health.judge_mig(snapshot, about) is None
    assert mig_health.judge_division(snapshot, about) is None


@pytest.mark.parametrize(
    ("found", "about", "id", "said"),
    [
        (card("", product="NVIDIA-A10G", gpu=1), divided(), "MIG-2", "has not said anything yet"),
        (card("pending", gpu=0), divided(), "MIG-2", "says pending"),
        (card("rebooting", gpu=0), divided(), "MIG-2", "reboots"),
        (card("failed", gpu=2), divided(), "MIG-4", "could not divide the cards of gpu-1 by all-1g.5gb"),
        (card(product=H100, gpu=1), divided(), "MIG-3", "gpu-1 has NVIDIA-H100-80GB-HBM3"),
        (card(config="all-disabled", gpu=2), divided(), "MIG-5", "nvidia.com/mig.config=all-disabled"),
        (card(gpu=2), divided(), "MIG-6", "nvidia.com/gpu 2, not 7 of each card"),
        (card(product=f"{A100}-MIG-7g.40gb", gpu=7), divided(), "MIG-6", "-MIG-7g.40gb"),
        (
            card(gpu=2),
            divided("mixed"),
            "MIG-6",
            "nvidia.com/mig-1g.5gb 0, not 7 of each card; nvidia.com/gpu 2, not 0",
        ),
        (card("", "", gpu=2), divided(managed=False), "MIG-7", "not 7 of each card"),
        (card(config="all-disabled", product=SLICED, gpu=7), divided(profile="all-disabled"), "MIG-6", "-MIG-1g.5gb"),
    ],
)
def test_what_is_not_so_is_named(found: Object, about: Object, id: str, said: str) -> None:
    snapshot = healthy(nodes=[found])
    checks = (mig_health.judge_mig_reboot, mig_health.judge_mig, mig_health.judge_division)
    verdict = next(filter(None, (check(snapshot, about) for check in checks)))
    assert verdict.id == id
    assert said in verdict.problem


def test_a_card_without_mig_is_named() -> None:
    found = card("", product="NVIDIA-A10G", gpu=1)
    found["metadata"]["labels"]["nvidia.com/mig.capable"] = "false"
    verdict = mig_health.judge_mig(healthy(nodes=[found]), divided())
    assert verdict
    assert (verdict.id, verdict.problem) == ("MIG-1", "gpu-1 has NVIDIA-A10G, which has no MIG")


def test_who_holds_the_cards_and_what_the_manager_said_last_is_told() -> None:
    training = pod("training", space="team", phase="Running")
    training["spec"]["containers"] = [{"resources": {"limits": {"nvidia.com/gpu": "1"}}}]
    manager = pod("nvidia-mig-manager-x1")
    said = {"gpu-operator/nvidia-mig-manager-x1/nvidia-mig-manager": "clearing\nIn use by another client\n"}
    snapshot = healthy(nodes=[card("failed", gpu=2)], all_pods=[training], pods=[manager], logs=said)

    assert mig_health.mig_logs(snapshot, divided()) == [tuple(next(iter(said)).split("/"))]
    found = mig_health.judge_mig(snapshot, divided())
    assert found
    assert "held by team/training" in found.problem
    assert found.evidence[-1] == "nvidia-mig-manager-x1: In use by another client"
    assert found.fix.endswith("kubectl delete pod -n gpu-operator nvidia-mig-manager-x1")


def test_a_stack_that_says_nothing_of_its_divided_nodes_any_more_is_stopped() -> None:
    found = card(product=SLICED, gpu=7)
    found["metadata"]["annotations"] = {"gpu-ready/mig": wish()["stack"]}
    assert judge_ready(healthy(nodes=[found]), wish()).id == "MIG-8"
    found["metadata"]["annotations"] = {"gpu-ready/mig": "another/stack"}
    assert judge_ready(healthy(nodes=[found]), wish()).state == "ready"


# the whole program


def handed_out(house: House, name: str) -> dict[str, str]:
    amounts = find(house.world, "Node", name)["status"]["capacity"]
    return {key.removeprefix("nvidia.com/"): value for key, value in amounts.items() if key.startswith("nvidia.com/")}


@long
def test_on_changed_and_off_change_labels_operator_and_proof_alone(tmp_path: Path) -> None:
    house = House(tmp_path, SPEC)
    assert house.run("up").exit == 0
    for wanted, first, second in (
        ({}, {"gpu": "14"}, {"gpu": "14"}),
        ({"strategy": "mixed"}, {"mig-1g.5gb": "14"}, {"mig-1g.5gb": "14"}),
        ({"strategy": "mixed", "nodes": {"gpu-2": "all-3g.20gb"}}, {"mig-1g.5gb": "14"}, {"mig-3g.20gb": "4"}),
        (
            {"strategy": "mixed", "profile": "two-sizes", "layouts": LAYOUTS},
            {"mig-1g.5gb": "8", "mig-3g.20gb": "2"},
            {"mig-1g.5gb": "8", "mig-3g.20gb": "2"},
        ),
        ({"profile": "all-disabled"}, {"gpu": "2"}, {"gpu": "2"}),
    ):
        done = house.run("up", asked(**wanted))

        assert done.errors == []
        moved = {name for op, _type, name in done.steps if op != "same" and not name.startswith("gpu-validation")}
        assert moved <= {"gpu-stack-mig-gpu-1", "gpu-stack-mig-gpu-2", "gpu-stack-operator"}
        assert (handed_out(house, "gpu-1"), handed_out(house, "gpu-2")) == (first, second)
        assert [one["gpus"] for one in done.outputs["report"]["nodes"]] == [2, 2]
        assert done.outputs["resource_name"] == f"nvidia.com/{next(iter(first))}"
        assert house.run("up", asked(**wanted), expect_no_changes=True).exit == 0
    off = house.run("up")
    assert off.exit == 0
    assert find(house.world, "Node", "gpu-1")["metadata"]["labels"]["nvidia.com/mig.config"] == "all-disabled"
    assert house.run("up", expect_no_changes=True).exit == 0


@long
def test_hosts_are_divided_by_their_own_names_and_one_that_is_away_keeps_its_label(tmp_path: Path) -> None:
    world = {**HOSTS, "hosts": [{**one, "cards": ["NVIDIA A100-SXM4-40GB"]} for one in HOSTS["hosts"]]}
    house = House(tmp_path, world)
    wanted = {"mig": {"profile": "all-1g.5gb", "strategy": "mixed", "nodes": {"tesla": "all-2g.10gb"}}}
    config = {**HOSTS_CONFIG, "gpu": {"operator": "install", "sharing": wanted}}

    done = house.run("up", config)

    assert done.errors == []
    found = {one["name"]: (one["gpus"], one["slices"], one["slice"]) for one in done.outputs["report"]["nodes"]}
    assert sorted(found.values()) == [(1, 3, "2g.10gb"), (1, 7, "1g.5gb")]
    assert house.run("up", config, expect_no_changes=True).exit == 0
    hosts = [
        {**one, **({"state": "offline"} if one["name"] == "tesla" else {})} for one in config["bareMetal"]["hosts"]
    ]
    away = {**config, "bareMetal": {"hosts": hosts}}
    assert house.run("up", away).errors == []
    labels = {one["metadata"]["labels"].get("nvidia.com/mig.config") for one in some(house.world, "Node")}
    assert labels == {None, "all-1g.5gb", "all-2g.10gb"}


@long
def test_taken_out_at_once_is_stopped_before_anything_is_proven(tmp_path: Path) -> None:
    house = House(tmp_path, SPEC)
    assert house.run("up", asked()).exit == 0
    failed = house.run("up")
    assert any("MIG-8 MIG: gpu-1 is divided by all-1g.5gb" in one for one in failed.errors)
    assert handed_out(house, "gpu-1") == {"gpu": "14"}
    assert house.run("up", asked(), expect_no_changes=False).exit == 0


@long
def test_somebody_on_the_card_stops_it_with_name_and_command_and_then_it_goes_on(tmp_path: Path) -> None:
    house = House(tmp_path, SPEC)
    assert house.run("up").exit == 0
    house.world.switch("nodes.gpu-2.busy", 1)

    failed = house.run("up", asked())
    (error,) = [text for text in failed.errors if "fix:" in text]
    assert "MIG-4 MIG: the MIG manager could not divide the cards of gpu-2" in error
    assert "default/busy-on-gpu-2" in error
    assert "In use by another client" in error

    house.world.switch("nodes.gpu-2.busy", 0)
    with house.world.open() as cluster:
        for one in cluster.list("Pod"):
            if one["metadata"]["name"].startswith("nvidia-mig-manager") and one["spec"].get("nodeName") == "gpu-2":
                cluster.remove(one)
    assert house.run("up", asked()).errors == []
    assert handed_out(house, "gpu-2") == {"gpu": "14"}


@long
def test_a_node_that_reboots_for_it_is_waited_for_and_not_called_broken(tmp_path: Path) -> None:
    house = House(tmp_path, SPEC)
    done = house.run("up", asked(reboot=True))

    assert done.errors == []
    assert handed_out(house, "gpu-1") == {"gpu": "14"}
    said = "\n".join(str(one) for one in house.events)
    assert "reboots, so that its cards change their mode" in said
    assert "not Ready" not in said


@long
def test_beside_the_plugin_alone_the_cards_are_divided_already_or_the_gate_says_so(tmp_path: Path) -> None:
    nodes = [{**one, **({"geometry": "all-1g.5gb"} if "card" in one else {})} for one in SPEC["nodes"]]  # type: ignore[operator,dict-item]
    house = House(tmp_path, {**SPEC, "nodes": nodes})
    done = house.run("up", asked({"operator": "none"}, strategy="mixed"))
    assert done.errors == []
    assert handed_out(house, "gpu-1") == {"mig-1g.5gb": "14"}
    assert [name for _, _, name in done.steps if "-mig-" in name] == []

    failed = house.run("up", asked({"operator": "none"}, strategy="mixed", profile="all-2g.10gb"))
    assert any("MIG-7 MIG: gpu-1 is not divided by all-2g.10gb" in one for one in failed.errors)


@long
def test_destroy_takes_the_labels_back_and_says_that_cards_stay_divided(tmp_path: Path) -> None:
    house = House(tmp_path, SPEC)
    before = house.world.snapshot()
    done = house.run("up", asked())
    assert "nvidia-smi -mig 0" in done.outputs["destroy_hint"]
    assert house.run("destroy", asked()).exit == 0
    assert house.world.unexpected(before, house.world.snapshot()) == []
    assert "nvidia.com/mig.config" not in find(house.world, "Node", "gpu-1")["metadata"]["labels"]
    assert some(house.world, "ConfigMap") == []
