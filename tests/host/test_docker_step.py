"""The step `runtime` where the kubelet uses Docker: two members of daemon.json, and nothing else of anybody."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from host import script
from lab.host.kubernetes import DAEMON_JSON
from lab.host.machine import Machine
from lab.providers.transport import Finished, Script
from tests.effort import long
from tests.host.chain import WISH, Chain
from tests.host.small_machine import CARD, with_tools
from tests.host.stepping import stepped, unheard
from tests.host.test_interrupted_steps import OURS, differing

pytestmark = long

FILE = "etc/docker/daemon.json"
ALONE = {**WISH, "operator": "none", "runtime_class": "none"}


def born(folder: Path, **spec: object) -> Machine:
    return Machine.create(folder, {"name": "rtx", "cards": [CARD], "runtime": "docker", "user": "root", **spec})


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return with_tools(born(tmp_path / "machine", toolkit="1.20.0"))


def text() -> str:
    return script.step_text("runtime", {"GR_KIND": "docker"}, script.bundle().hash)


def runtime(machine: Machine, verb: str = "apply") -> Finished:
    return machine.run(Script(f"sh -s {verb}", stdin=text()), "root")


def said(machine: Machine) -> dict[str, object]:
    found: dict[str, object] = json.loads((machine.root / FILE).read_text())
    return found


def starts(machine: Machine) -> int:
    return int(machine.state["services"]["docker"]["starts"])


def test_a_host_gets_there_without_a_restart_and_back_to_where_it_began(tmp_path: Path) -> None:
    chain = Chain(born(tmp_path / "machine"), ALONE)
    machine, start = chain.machine, chain.machine.snapshot()
    chain.up()
    assert (machine.state["default_runtime"], starts(machine)) == ("nvidia", 1)
    assert chain.answers["runtime"] == {"runtime": "docker", "version": "28.3.2", "changed": True}
    assert len(chain.answers["check"]["cards"]) == 1
    assert machine.state["images"] == []

    done = machine.snapshot()
    chain.do("runtime", "check")
    assert differing(done, machine.snapshot()) == []

    chain.down()
    assert differing(start, machine.snapshot()) == []
    assert (machine.state["default_runtime"], starts(machine)) == ("runc", 1)


def test_with_the_operator_the_host_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    chain = Chain(born(tmp_path / "machine"))
    chain.do("tools")
    chain.texts["driver"] = chain.text("driver")
    ended = chain.run("driver")
    assert (ended.ending, b"RT-15 runtime: the kubelet uses Docker" in ended.stderr) == ("exit status 3", True)


@pytest.mark.parametrize("flag", ["", "--container-runtime-endpoint=unix:///run/cri-dockerd.sock"])
def test_docker_is_the_kubelets_only_if_the_kubelet_says_so(tmp_path: Path, flag: str) -> None:
    chain = Chain(born(tmp_path / "machine"))
    root = chain.machine.root
    (root / "var/lib/kubelet/kubeadm-flags.env").unlink()
    (root / "proc/77").mkdir()
    (root / "proc/77/comm").write_text("kubelet\n")
    (root / "proc/77/cmdline").write_bytes(f"/usr/bin/kubelet\0{flag}\0".encode())
    chain.do("tools")
    assert chain.answers["tools"]["runtime"]["kind"] == ("docker" if flag else "containerd")


def test_other_peoples_settings_stay_as_they_are(machine: Machine) -> None:
    (machine.root / FILE).write_text(
        '{"live-restore":true,\n\n "runtimes": {"kata": {"path": "/k"}},"log-opts":{"a":"}"} }'
    )
    before = machine.snapshot()
    assert runtime(machine).ending == ""
    text_there = (machine.root / FILE).read_text()
    assert text_there.startswith('{"default-runtime": "nvidia","live-restore":true,\n\n "runtimes": {"nvidia": {')
    assert text_there.endswith('"kata": {"path": "/k"}},"log-opts":{"a":"}"} }')
    assert runtime(machine, "remove").ending == ""
    assert [path for path in differing(before, machine.snapshot()) if not path.startswith(OURS)] == []


def test_what_somebody_added_since_stays_and_ours_goes(machine: Machine) -> None:
    (machine.root / FILE).write_text('{"default-runtime": "kata", "runtimes": {"kata": {"path": "/k"}}}')
    assert runtime(machine).ending == ""
    (machine.root / FILE).write_text(
        (machine.root / FILE).read_text().replace('"runtimes"', '"debug": true, "runtimes"')
    )
    ended = runtime(machine, "remove")
    assert b"daemon.json was edited since" in ended.stderr
    assert said(machine) == {"default-runtime": "kata", "debug": True, "runtimes": {"kata": {"path": "/k"}}}
    assert machine.state["default_runtime"] == "kata"


def test_where_there_was_no_file_there_is_none_in_the_end(machine: Machine) -> None:
    (machine.root / FILE).unlink()
    assert runtime(machine).ending == ""
    assert said(machine)["default-runtime"] == "nvidia"
    assert runtime(machine, "remove").ending == ""
    assert not (machine.root / FILE).exists()


def test_one_that_has_it_already_is_left_alone(machine: Machine) -> None:
    theirs = '{"default-runtime":"nvidia","runtimes":{"nvidia":{"path":"nvidia-container-runtime"}}}'
    (machine.root / FILE).write_text(theirs)
    machine.run(Script("systemctl restart docker"), "root")
    assert json.loads(runtime(machine).stdout)["changed"] is False
    assert runtime(machine, "remove").ending == ""
    assert ((machine.root / FILE).read_text(), machine.state["default_runtime"]) == (theirs, "nvidia")


@pytest.mark.parametrize("broken", ["{", "[]", '{"a": 1,}', "// mine\n{}", '{"no-such-key": 1}'])
def test_a_file_that_docker_does_not_understand_is_refused_and_stays(machine: Machine, broken: str) -> None:
    (machine.root / FILE).write_text(broken)
    ended = runtime(machine)
    assert (ended.ending, b"RT-16 runtime: " in ended.stderr) == ("exit status 3", True)
    assert (machine.root / FILE).read_text() == broken


def test_a_docker_that_does_not_come_up_gets_its_file_back(machine: Machine) -> None:
    machine.switch("fault", "containerd-refuses")
    ended = runtime(machine)
    assert b"HST-77 runtime: docker did not come back with the handler nvidia; the old file is in place" in ended.stderr
    assert (machine.root / FILE).read_text() == DAEMON_JSON
    assert machine.state["default_runtime"] == "runc"
    assert not [*(machine.root / "var/lib/gpu-ready/record").iterdir()]


def test_a_docker_that_does_not_answer_is_not_touched(machine: Machine) -> None:
    machine.run(Script("systemctl stop docker"), "root")
    assert b"HST-34 runtime: Docker does not answer" in runtime(machine).stderr
    assert (machine.root / FILE).read_text() == DAEMON_JSON


@pytest.mark.parametrize("verb", ["apply", "remove"])
def test_it_may_be_killed_at_each_change_and_begun_twice(machine: Machine, tmp_path: Path, verb: str) -> None:
    before = machine.snapshot()
    if verb == "remove":
        assert runtime(machine).ending == ""
    with stepped(machine, tmp_path / "steps", keep=True) as watch:
        assert runtime(machine, verb).ending == ""
    after = machine.snapshot()
    for crash in watch.kept():
        machine.restore(crash)
        assert runtime(machine, verb).ending == "", crash.name
        assert differing(after, machine.snapshot()) == [], crash.name
        machine.restore(crash)
        assert runtime(machine, "remove").ending == "", crash.name
        assert [path for path in differing(before, machine.snapshot()) if not path.startswith(OURS)] == [], crash.name
        assert machine.state["default_runtime"] == "runc", crash.name
    with ThreadPoolExecutor() as both:
        assert [one.ending for one in both.map(lambda _: runtime(machine, verb), range(2))] == ["", ""]


def test_nobody_has_to_listen(machine: Machine) -> None:
    unheard(machine, "sh -s apply", text())
    assert machine.state["default_runtime"] == "nvidia"
