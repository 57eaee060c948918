"""The step `runtime` on k3s and RKE2: it writes nothing, starts them once more, and reads what they wrote."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from host import script
from lab.host.machine import Machine
from lab.providers.transport import Finished, Script
from tests.effort import long
from tests.host.chain import Chain
from tests.host.small_machine import CARD, with_tools
from tests.host.stepping import stepped, unheard
from tests.host.test_interrupted_steps import OURS, differing

pytestmark = long

FOLDER = "var/lib/rancher/k3s/agent/etc/containerd"
CONFIG = f"{FOLDER}/config.toml"
BASE = '{{ template "base" . }}\n'
KINDS = ("k3s", "k3s-agent", "rke2-server", "rke2-agent")


def born(folder: Path, runtime: str = "k3s", **spec: object) -> Machine:
    return Machine.create(folder, {"name": "rtx", "cards": [CARD], "runtime": runtime, "user": "root", **spec})


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """The toolkit was installed after the last start of k3s."""
    made = with_tools(born(tmp_path / "machine", toolkit="1.20.0"))
    (made.root / CONFIG).write_text("".join((made.root / CONFIG).read_text().partition("\n[plugins")[:1]))
    return made


def text() -> str:
    return script.step_text("runtime", {"GR_KIND": "k3s", "GR_UNIT": "k3s"}, script.bundle().hash)


def runtime(machine: Machine, verb: str = "apply") -> Finished:
    return machine.run(Script(f"sh -s {verb}", stdin=text()), "root")


def starts(machine: Machine, unit: str = "k3s") -> int:
    return int(machine.state["services"][unit]["starts"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_gets_there_with_one_restart_and_back_to_where_it_began(tmp_path: Path, kind: str) -> None:
    chain = Chain(born(tmp_path / "machine", kind))
    machine, start = chain.machine, chain.machine.snapshot()
    chain.up()
    assert machine.state["handlers"] == ["nvidia", "runc"]
    assert starts(machine, kind) == 2
    assert chain.answers["runtime"]["runtime"] == kind.partition("-")[0]
    assert len(chain.answers["check"]["cards"]) == 1

    done = machine.snapshot()
    chain.do("runtime", "check")
    assert differing(done, machine.snapshot()) == []
    assert starts(machine, kind) == 2

    chain.down()
    assert differing(start, machine.snapshot()) == []
    assert machine.state["handlers"] == ["runc"]


def test_one_that_has_the_handler_is_left_alone(tmp_path: Path) -> None:
    machine = with_tools(born(tmp_path / "machine", toolkit="1.20.0"))
    ended = runtime(machine)
    assert (json.loads(ended.stdout)["changed"], starts(machine)) == (False, 1)
    before = machine.snapshot()
    assert runtime(machine, "remove").ending == ""
    assert [path for path in differing(before, machine.snapshot()) if not path.startswith(OURS)] == []
    assert starts(machine) == 1


def test_a_template_that_begins_with_the_base_is_left_to_its_owner(tmp_path: Path) -> None:
    chain = Chain(born(tmp_path / "machine"))
    template = chain.machine.root / FOLDER / "config-v3.toml.tmpl"
    template.write_text(f"{BASE}\n# of this site\n")
    chain.up()
    assert (chain.machine.root / CONFIG).read_text().endswith("# of this site\n")
    assert template.read_text() == f"{BASE}\n# of this site\n"


def test_a_template_that_hides_the_handler_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    chain = Chain(born(tmp_path / "machine"))
    (chain.machine.root / FOLDER / "config.toml.tmpl").write_text("version = 2\n")
    chain.do("tools")
    assert chain.answers["tools"]["runtime"]["template"] == f"/{FOLDER}/config.toml.tmpl"
    chain.texts["driver"] = chain.text("driver")
    ended = chain.run("driver")
    assert (ended.ending, b"RT-12 runtime: " in ended.stderr) == ("exit status 3", True)
    assert (starts(chain.machine), chain.machine.state["driver"]) == (1, None)


def test_a_template_that_this_containerd_cannot_read_hides_nothing(tmp_path: Path) -> None:
    chain = Chain(born(tmp_path / "machine", containerd="1.7.29-k3s1"))
    (chain.machine.root / FOLDER / "config-v3.toml.tmpl").write_text("version = 3\n")
    chain.do("tools")
    assert chain.answers["tools"]["runtime"]["template"] == ""


def test_what_an_earlier_k3s_left_behind_makes_no_k3s(tmp_path: Path) -> None:
    chain = Chain(born(tmp_path / "machine", "containerd"))
    (chain.machine.root / "var/lib/rancher/k3s").mkdir(parents=True)
    chain.do("tools")
    assert chain.answers["tools"]["runtime"]["kind"] == "containerd"


def test_a_k3s_that_is_stopped_is_refused_as_such(tmp_path: Path) -> None:
    chain = Chain(born(tmp_path / "machine"))
    chain.machine.run(Script("systemctl stop k3s"), "root")
    chain.do("tools")
    chain.texts["driver"] = chain.text("driver")
    assert b"RT-13 runtime: k3s is installed, but does not run" in chain.run("driver").stderr


def test_a_template_that_came_meanwhile_is_found_by_the_step(machine: Machine) -> None:
    (machine.root / FOLDER / "config.toml.tmpl").write_text("version = 2\n")
    ended = runtime(machine)
    assert b"RT-12 runtime: /var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl is some" in ended.stderr
    assert b'{{ template "base" . }}' in ended.stderr
    assert starts(machine) == 1


def test_one_that_finds_nothing_at_its_start_is_told(machine: Machine) -> None:
    (machine.root / "usr/bin/nvidia-container-runtime").unlink()
    ended = runtime(machine)
    assert ended.ending == "exit status 3"
    assert b"RT-14 runtime: k3s was restarted, and its /var/lib/rancher/k3s/agent/etc/containerd/config.toml has" in (
        ended.stderr
    )


def test_one_that_does_not_come_up_again_is_told(machine: Machine) -> None:
    machine.switch("fault", "containerd-refuses")
    assert b"RT-14 runtime: k3s was restarted" in runtime(machine).stderr
    machine.switch("fault", "none")
    assert runtime(machine).ending == "exit status 3", "it does not run"
    assert b"RT-13 runtime: k3s does not run" in runtime(machine).stderr


def test_it_may_be_killed_at_each_change_and_begun_twice(machine: Machine, tmp_path: Path) -> None:
    before = machine.snapshot()
    with stepped(machine, tmp_path / "steps", keep=True) as watch:
        assert runtime(machine).ending == ""
    after = machine.snapshot()
    assert watch.changes > 3
    for crash in watch.kept():
        machine.restore(crash)
        assert runtime(machine).ending == "", crash.name
        assert differing(after, machine.snapshot()) == [], crash.name
        machine.restore(crash)
        assert runtime(machine, "remove").ending == "", crash.name
        left = [path for path in differing(before, machine.snapshot()) if not path.startswith(OURS)]
        assert left in ([], [f"/{CONFIG}"]), "what k3s found stays until it starts without it"
    with ThreadPoolExecutor() as both:
        assert [one.ending for one in both.map(lambda _: runtime(machine), range(2))] == ["", ""]
    assert machine.state["handlers"] == ["nvidia", "runc"]


def test_nobody_has_to_listen(machine: Machine) -> None:
    unheard(machine, "sh -s apply", text())
    assert machine.state["handlers"] == ["nvidia", "runc"]
