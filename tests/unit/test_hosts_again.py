"""A host that was made ready, and what comes after: another release, another look, another machine at its address."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.gpu_host import GpuHost
from components.host_step import Patience
from decide import defaults
from host import script
from lab.engine import Result
from lab.state import MemoryStore
from lab.values import Secret, from_json, to_json
from lab.world import WholeWorld
from tests.effort import long
from tests.unit.house import HOSTS, House

pytestmark = long


RTX = HOSTS["hosts"][0]
SECRET = "a pass'word \\ of $(somebody)"
WORLD = {**HOSTS, "hosts": [{**RTX, "sudo": "password", "password": SECRET}]}
ARGS: dict[str, Any] = {
    "name": "rtx", "address": RTX["address"], "host_key": RTX["host_key"], "user": RTX["user"], "sudo": "password",
}  # fmt: skip


class Home(House):
    """A stack that is nothing but one host."""

    def up(self, **args: Any) -> Result:
        """Makes it ready, as these arguments want it."""
        return self.make("up", lambda: one_host({**ARGS, **args}))

    def changed(self, **args: Any) -> list[str]:
        """The same, and which of its steps ran."""
        result = self.up(**args)
        assert (result.exit, result.errors) == (0, [])
        return sorted({name.removeprefix("nodes-rtx-") for op, _type, name in result.steps if op != "same"})

    @property
    def machine(self) -> Path:
        """Its disk."""
        return self.world.machine("rtx").root


def one_host(args: Any) -> None:
    nodes = pulumi.ComponentResource("gpu-ready:index:BareMetalGpuNodes", "nodes")
    cluster = pulumi.ComponentResource("test:index:Cluster", "cluster")
    common = {"after": cluster, "password": pulumi.Output.secret(SECRET), "patience": Patience("nodes")}
    GpuHost("nodes", args, common, pulumi.ResourceOptions(parent=nodes)).make()


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[str]]:
    """The world and the state after a first `up`, and all that was said; made once, because it takes seconds."""
    home = Home(tmp_path_factory.mktemp("ready"), WORLD)
    first = home.up()
    assert (first.exit, first.errors) == (0, [])
    return home.world.path.parent, home.engine.store.load(), [repr(event) for event in home.events]


@pytest.fixture
def home(ready: tuple[Path, dict[str, Any], list[str]], tmp_path: Path) -> Home:
    folder, state, _said = ready
    shutil.copytree(folder, tmp_path / "home", symlinks=True)
    one = Home.__new__(Home)
    one._live_in(WholeWorld(tmp_path / "home/world.json"), "demo", MemoryStore(state))
    return one


def without_secrets(value: Any) -> Any:
    """What everybody reads in a state: the real one has secrets encrypted, ours has them marked."""
    if isinstance(value, dict):
        if isinstance(from_json(value), Secret):
            return None
        return {key: without_secrets(item) for key, item in value.items()}
    return [without_secrets(item) for item in value] if isinstance(value, list) else value


def test_the_password_stands_nowhere_in_clear(ready: tuple[Path, dict[str, Any], list[str]]) -> None:
    folder, state, said = ready
    assert "pass'word" in json.dumps(state)
    assert "pass'word" not in json.dumps(without_secrets(state))
    assert "pass'word" not in "".join(said)
    machine = folder / "hosts/rtx"
    calls = (machine / "calls.log").read_text()
    assert "ubuntu sudo -k -S -p" in calls
    assert "pass'word" not in calls
    files = [path for path in (machine / "root").rglob("*") if path.is_file()]
    assert len(files) > 100
    assert [path for path in files if b"pass'word" in path.read_bytes()] == []


def test_what_was_decided_is_said_once_and_kept_nowhere(ready: tuple[Path, dict[str, Any], list[str]]) -> None:
    _folder, state, said = ready
    assert sum("rtx: driver    install 580 (long-term support)" in line for line in said) == 1
    assert sum("rtx: toolkit   install" in line for line in said) == 1
    assert "long-term support" not in json.dumps(state)


def test_another_release_looks_once_and_another_consent_runs_only_what_it_is_about(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defaults, "DRIVER_BRANCH", 595)
    monkeypatch.setattr(defaults, "TOOLKIT_VERSION", "1.20.1")
    assert home.changed() == ["tools"]
    assert home.changed(look=2, reboot="ifNeeded") == ["bundle", "folder", "reboot", "tools"]
    assert home.changed(look=2, reboot="ifNeeded") == []


@pytest.mark.parametrize("note", [None, "ffffffffffffffffffffffffffffffff gpu-ready/demo/nodes-rtx", "other"])
def test_another_machine_at_the_address_is_not_touched(home: Home, note: str | None) -> None:
    """One that has no note of ours, the copy of a disk, or another host of ours."""
    kept = home.machine / "var/lib/gpu-ready/machine"
    if note is None:
        shutil.rmtree(kept.parent)
    else:
        kept.write_text(kept.read_text().replace("nodes-rtx", "nodes-tesla") if note == "other" else note)
    before = home.world.machine("rtx").snapshot()

    refused = home.up(look=2)

    assert refused.exit == 1
    assert any(("HST-93" if note == "other" else "HST-70") + " access: " in text for text in refused.errors)
    changed = {path for path, _one in before.items() ^ home.world.machine("rtx").snapshot().items()}
    ours = {path for path in before if "/ubuntu/.gpu-ready-" in path}
    assert (changed, len(ours)) == (ours if note == "other" else set(), 2), "what was sent is taken back from another's"


def test_a_stack_that_had_the_tools_in_the_text_of_its_first_step_sends_them_as_a_file(home: Home) -> None:
    """Then a host had neither folder nor file, and the first step another text, by which it is taken back."""
    state = home.engine.store.load()
    added = [one for one in state["resources"] if one["urn"].endswith(("rtx-folder", "rtx-bundle"))]
    assert len(added) == 2
    state["resources"] = [one for one in state["resources"] if one not in added]
    (tools,) = [one for one in state["resources"] if one["urn"].endswith("rtx-tools")]
    for side in ("inputs", "outputs"):
        text = script.look_text({"GR_BRANCHES": "580"}, "password", SECRET).replace(" facts ", " tools ")
        tools[side]["stdin"] = to_json(Secret(text))
    tools["dependencies"] = [one for one in tools["dependencies"] if "rtx-bundle" not in one]
    shutil.rmtree(next(home.machine.glob("home/ubuntu/.gpu-ready-*")))
    home.engine.store.save(state)

    assert home.changed() == ["bundle", "folder", "tools"]
    assert home.changed() == []


def test_a_wish_that_failed_and_was_withdrawn_is_forgotten(home: Home) -> None:
    failed = home.up(toolkit_version="1.19.0")
    assert failed.exit == 1
    assert any("HST-78" in text for text in failed.errors), failed.errors
    home.up()
    assert home.changed() == []
    assert home.world.machine("rtx").state["packages"]["nvidia-container-toolkit"]["version"] == "1.20.0-1"


def test_a_refused_host_that_was_mended_is_looked_at_again_as_the_refusal_says(home: Home) -> None:
    """Not by itself: what it said before is the output of a step that went well (docs/decisions/0008)."""
    joined = [home.machine / "etc/kubernetes/kubelet.conf", home.machine / "var/lib/kubelet/config.yaml"]
    for path in joined:
        path.rename(f"{path}.away")
    refused = home.up(look=2)
    assert any("HST-73" in text and "look: 3 has it looked at again" in text for text in refused.errors), refused.errors
    for path in joined:
        Path(f"{path}.away").rename(path)
    again = home.up(look=2)
    assert (again.exit, ("same", "command:remote:Command", "nodes-rtx-tools") in again.steps) == (1, True)
    assert home.up(look=3).exit == 0
    assert home.changed(look=3) == []


def test_a_driver_that_works_is_not_moved_by_a_wish_that_failed_and_was_withdrawn(home: Home) -> None:
    machine = home.world.machine("rtx")
    before = machine.state["driver"]
    machine.switch("fault", "disk-full")
    assert home.up(driver={"branch": "595"}, reboot="ifNeeded").exit == 1
    machine.switch("fault", "none")
    back = home.up(reboot="ifNeeded")
    assert (back.exit, back.errors) == (0, [])
    assert home.changed(reboot="ifNeeded") == []
    assert machine.state["driver"] == before
