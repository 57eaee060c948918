"""Which node a host is: by its boot id, waited for until it is Ready."""

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


def booted(name: str, boot_id: str, **more: object) -> Object:
    made = node(name, **more)  # type: ignore[arg-type]
    made["status"]["nodeInfo"]["bootID"] = boot_id
    return made


def tell(monkeypatch: pytest.MonkeyPatch, ask: Callable[[float], list[Object]], **more: object) -> tuple[int, float]:
    """Exit status of the step and the seconds that it took, in a cluster that changes with time."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(match, "objects", lambda *_: ask(now[0]))
    host = {"name": "rtx", "boot_id": NEW, "node": ""}
    params = {**wish(), "hosts": [{**host, **more}], "seconds": 180}
    return match.main(params), now[0]


def test_the_node_with_the_hosts_boot_id_is_the_host(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [booted("a", OLD), booted("b", NEW.upper())]
    assert tell(monkeypatch, lambda _: nodes) == (0, 0)
    assert json.loads(capsys.readouterr().out) == {"nodes": {"rtx": "b"}}


def test_a_kubelet_that_still_shows_the_old_boot_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(monkeypatch, lambda now: [booted("b", OLD if now < 40 else NEW)]) == (0, 40)
    assert f"host rtx: no node has the boot id {NEW}; nodes: b" in capsys.readouterr().err


def test_a_node_that_is_not_ready_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tell(monkeypatch, lambda now: [booted("b", NEW, ready=now >= 20)]) == (0, 20)


def test_a_host_that_is_no_node_is_named_in_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(monkeypatch, lambda _: [booted("a", OLD)]) == (3, 180)
    said = capsys.readouterr().err
    assert "HST-56 nodes: host rtx: no node has the boot id" in said
    assert "nodeName" in said.splitlines()[-1]


def test_two_nodes_with_one_boot_id_are_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(monkeypatch, lambda _: [booted("a", NEW), booted("b", NEW)]) == (3, 0)
    assert "more than one node: a, b" in capsys.readouterr().err


def test_a_declared_name_decides_whatever_the_boot_id_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(monkeypatch, lambda _: [booted("a", OLD), booted("b", NEW)], node="a") == (0, 0)
    assert json.loads(capsys.readouterr().out) == {"nodes": {"rtx": "a"}}


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
    hosts = [{"name": "away", "boot_id": "33333333", "node": ""}, {"name": "rtx", "boot_id": NEW, "node": ""}]
    monkeypatch.setattr(match, "objects", lambda *_: nodes)
    assert match.main({**wish(), "hosts": hosts, "seconds": 180}) == 3
    assert "SCH-2" in capsys.readouterr().err
