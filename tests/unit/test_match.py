"""Which node a host is: by its machine-id, waited for until it is Ready."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from components.steps import match
from components.steps.kubectl import Unreadable
from decide.reading import broken
from tests.unit.small_snapshot import Object, node, wish

OLD, NEW = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


MINE, OTHER = "a" * 32, "b" * 32


def booted(name: str, boot_id: str, machine_id: str = "", **more: object) -> Object:
    made = node(name, **more)  # type: ignore[arg-type]
    made["status"]["nodeInfo"].update(bootID=boot_id, machineID=machine_id)
    return made


def host(name: str = "rtx", **more: object) -> dict[str, object]:
    base = {"name": name, "machine_id": MINE, "boot_id": NEW, "node": "", "present": True}
    return {**base, "manager": f"gpu-ready:p/s/nodes-{name}", **more}


def tell(monkeypatch: pytest.MonkeyPatch, ask: Callable[[float], list[Object]], **more: object) -> tuple[int, float]:
    """Exit status of the step and the seconds that it took, in a cluster that changes with time."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(match, "objects", lambda *_: ask(now[0]))
    hosts = more.pop("hosts", None) or [host(**more)]  # type: ignore[arg-type]
    params = {**wish(), "hosts": hosts, "seconds": 180}
    return match.main(params), now[0]


def found(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The node of each host."""
    return dict(json.loads(capsys.readouterr().out)["nodes"])


def test_a_host_that_somebody_else_rebooted_is_found_by_its_machine_id(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dashed = f"{MINE[:8]}-{MINE[8:]}".upper()
    assert tell(monkeypatch, lambda _: [booted("a", NEW, OTHER), booted("b", "3333", dashed)], boot_id=OLD) == (0, 0)
    assert found(capsys) == {"rtx": "b"}


def test_of_twins_the_one_with_the_boot_id_is_the_host(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [booted("a", OLD, MINE), booted("b", NEW, MINE)]
    assert tell(monkeypatch, lambda _: nodes) == (0, 0)
    assert found(capsys) == {"rtx": "b"}


def test_twins_that_nothing_tells_apart_are_waited_for_and_then_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(monkeypatch, lambda _: [booted("a", "1", MINE), booted("b", "2", MINE)]) == (3, 180)
    said = capsys.readouterr().err
    assert f"a, b have the same machine-id {MINE}, and the boot id {NEW} is not of one alone" in said
    assert "systemd-machine-id-setup" in said.splitlines()[-1]


def test_two_hosts_that_are_one_node_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clones = [host(), host("clone", boot_id=OLD)]
    assert tell(monkeypatch, lambda _: [booted("a", NEW, MINE)], hosts=clones) == (3, 0)
    said = capsys.readouterr().err
    assert "hosts rtx and clone are both node a by their machine-id: one is a clone" in said
    assert "systemd-machine-id-setup" in said


def test_two_addresses_of_one_machine_are_not_taken_for_clones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(monkeypatch, lambda _: [booted("a", NEW, MINE)], hosts=[host(), host("again")]) == (3, 0)
    said = capsys.readouterr().err
    assert "hosts rtx and again are both node a: two addresses of one machine" in said
    assert "take again out" in said
    assert "systemd-machine-id-setup" not in said


@pytest.mark.parametrize(
    ("nodes", "wanted"),
    [
        ([booted("a", OLD, OTHER)], ""),
        ([booted("b", OLD, MINE, ready=False, taints=["dedicated=ml:NoSchedule"])], "b"),
        ([booted("b", "1", MINE), booted("c", "2", MINE)], ""),
    ],
    ids=["its node is gone", "its node is not Ready", "twins"],
)
def test_a_host_that_is_not_there_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], nodes: list[Object], wanted: str
) -> None:
    assert tell(monkeypatch, lambda _: nodes, present=False) == (0, 0)
    assert found(capsys) == {"rtx": wanted}


def test_a_host_that_is_not_there_leaves_a_node_to_the_one_that_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clones = [host("old", present=False), host()]
    assert tell(monkeypatch, lambda _: [booted("a", NEW, MINE)], hosts=clones) == (0, 0)
    assert found(capsys) == {"old": "", "rtx": "a"}


def test_a_host_whose_ids_are_not_known_is_no_node_without_ids(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(monkeypatch, lambda _: [booted("a", "")], present=False, machine_id="", boot_id="") == (0, 0)
    assert found(capsys) == {"rtx": ""}


def test_without_its_machine_id_in_the_cluster_the_node_with_the_hosts_boot_id_is_the_host(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [booted("a", OLD), booted("b", NEW.upper())]
    assert tell(monkeypatch, lambda _: nodes) == (0, 0)
    assert found(capsys) == {"rtx": "b"}


def test_a_kubelet_that_still_shows_the_old_boot_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(monkeypatch, lambda now: [booted("b", OLD if now < 40 else NEW)]) == (0, 40)
    assert f"host rtx: no node has the machine-id {MINE} or the boot id {NEW}; nodes: b" in capsys.readouterr().err


def test_a_node_that_is_not_ready_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tell(monkeypatch, lambda now: [booted("b", NEW, ready=now >= 20)]) == (0, 20)


def test_a_host_that_is_no_node_is_named_in_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(monkeypatch, lambda _: [booted("a", OLD)]) == (3, 180)
    said = capsys.readouterr().err
    assert "HST-56 nodes: host rtx: no node has the machine-id" in said
    assert "nodeName" in said.splitlines()[-1]


@pytest.mark.parametrize(
    "shown", [booted("a", OLD, MINE), booted("a", NEW, OTHER), booted("a", NEW), booted("a", "", "")]
)
def test_a_named_node_is_the_host_as_far_as_that_can_be_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shown: Object
) -> None:
    assert tell(monkeypatch, lambda _: [shown, booted("b", NEW, MINE)], node="a") == (0, 0)
    assert found(capsys) == {"rtx": "a"}


def test_a_named_node_that_is_another_machine_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(monkeypatch, lambda _: [booted("a", OLD, OTHER), booted("b", NEW, MINE)], node="a") == (3, 0)
    said = capsys.readouterr().err
    assert f"HST-56 nodes: host rtx: its nodeName a is another machine; the host has machine-id {MINE}" in said
    assert "fix: correct bareMetal.hosts" in said


def test_no_boot_id_matches_no_node(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tell(monkeypatch, lambda _: [booted("a", "")], boot_id="")[0] == 3


def test_a_taint_that_gpu_pods_do_not_tolerate_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(monkeypatch, lambda _: [booted("b", NEW, taints=["dedicated=ml:NoSchedule"])]) == (3, 0)
    assert "SCH-2" in capsys.readouterr().err


def test_a_cluster_that_may_not_be_read_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(_: float) -> list[Object]:
        raise Unreadable(broken("PLM-13"))

    assert tell(monkeypatch, ask) == (3, 0)
    assert "PLM-13" in capsys.readouterr().err


def test_what_waiting_does_not_mend_is_said_before_what_it_may(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [booted("a", OLD), booted("b", NEW, taints=["dedicated=ml:NoSchedule"])]
    hosts = [host("away", machine_id=OTHER, boot_id="3333"), host()]
    monkeypatch.setattr(match, "objects", lambda *_: nodes)
    assert match.main({**wish(), "hosts": hosts, "seconds": 180}) == 3
    assert "SCH-2" in capsys.readouterr().err


# Its label ------------------------------------------------------------------------------------------------------------

RTX, BLUE = "gpu-ready:p/s/nodes-rtx", "gpu-ready:p/s/nodes-blue"
NAMED, FORCED = "pulumi.com/patchFieldManager", "pulumi.com/patchForce"


def labelled(label: str, *managers: str, **annotations: str) -> Object:
    """The host's node, which somebody has labelled, as a real server tells it."""
    made = booted("a", NEW, MINE)
    made["metadata"]["labels"]["gpu-ready/host"] = label
    made["metadata"]["annotations"] = annotations
    fields: Object = {"f:metadata": {"f:labels": {"f:gpu-ready/host": {}}}}
    other = {"manager": "kubelet", "fieldsV1": {"f:metadata": {"f:labels": {"f:pool": {}}}}}
    made["metadata"]["managedFields"] = [other, *({"manager": one, "fieldsV1": fields} for one in managers)]
    return made


def marks(node: Object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, **more: object) -> object:
    assert tell(monkeypatch, lambda _: [node], **more) == (0, 0)
    answer = json.loads(capsys.readouterr().out)
    return answer["nodes"]["rtx"] and answer["marks"]["rtx"]


@pytest.mark.parametrize(
    ("node", "wanted"),
    [
        (booted("a", NEW, MINE), {NAMED: RTX}),
        (labelled("rtx", RTX, **{NAMED: RTX}), {NAMED: RTX}),
        (labelled("blue", BLUE, **{NAMED: BLUE}), {NAMED: RTX, FORCED: "true"}),
        (labelled("rtx", "gpu-ready:p/other/nodes-rtx"), {NAMED: RTX, FORCED: "true"}),
        (labelled("rtx", "kubectl-label"), {NAMED: RTX}),
        (labelled("rtx", "pulumi-kubernetes-36e46dbc"), {NAMED: RTX}),
        (labelled("rtx", "kubectl-label", **{NAMED: "infra"}), {}),
        (labelled("blue", BLUE, **{NAMED: "infra"}), {FORCED: "true"}),
    ],
    ids=[
        "none",
        "left behind",
        "of another name",
        "of another stack",
        "by hand",
        "of an older release",
        "slot",
        "both",
    ],
)
def test_a_label_is_put_there_under_one_name_and_by_force_only_over_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], node: Object, wanted: object
) -> None:
    assert marks(node, capsys, monkeypatch) == wanted


@pytest.mark.parametrize(
    ("node", "whose"),
    [
        (labelled("theirs", "kubectl-label"), "put there by kubectl-label"),
        (labelled("theirs", "kubectl-label", RTX, **{NAMED: RTX}), "put there by kubectl-label, gpu-ready:p/s/nodes-"),
        (labelled("theirs"), "and nothing says by whom"),
    ],
)
def test_a_label_that_is_not_ours_is_refused_with_whose_it_is_unless_the_host_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], node: Object, whose: str
) -> None:
    assert tell(monkeypatch, lambda _: [node]) == (3, 0)
    said = capsys.readouterr().err
    assert f"CFG-10 ownership: node a has the label gpu-ready/host=theirs already, {whose}" in said
    assert "kubectl label node a gpu-ready/host-;" in said.splitlines()[-1]
    assert marks(node, capsys, monkeypatch, present=False) == ""
