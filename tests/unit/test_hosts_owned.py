"""Whose machine it is, over renamings, moves and new installations: never stripped under another, each fix tried."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
from pulumi_command import remote

from components import gpu_host
from lab.cluster.host_spec import made_up_key
from lab.engine import Result
from lab.host.machine import Snapshot
from lab.providers import remote_command
from lab.state import MemoryStore
from lab.world import WholeWorld
from tests.effort import long
from tests.unit.test_hosts_again import ARGS, WORLD, Home

pytestmark = long
OURS = "var/lib/gpu-ready"
LOOK = ["bundle", "folder", "tools"]
"""What runs where a host is looked at again."""


class Owned(Home):
    """One host of a stack, and what it was before."""

    start: Snapshot

    def take_out(self) -> Result:
        """The program without the host; all that it says."""
        return self.make("up", lambda: None)

    def refused(self, id: str, **args: Any) -> str:
        """Fails with this id, and takes nothing away: what it says. Whose a machine is the tools say, once sent."""
        before = self.world.machine("rtx").snapshot()
        result = self.up(**args)
        assert result.exit == 1
        changed = {path for path, _one in before.items() ^ self.world.machine("rtx").snapshot().items()}
        assert not {path for path in changed if id != "HST-93" or "/ubuntu/.gpu-ready-" not in path}
        return next(text for text in result.errors if f"{id} access: " in text)

    def hand_over(self) -> None:
        """What HST-93 says."""
        (self.machine / OURS / "machine").unlink()

    def said(self, words: str) -> bool:
        """Whether a line of the log has these words."""
        return any(words in repr(event) for event in self.events)

    @property
    def is_ready(self) -> bool:
        """Whether all is there."""
        state = self.world.machine("rtx").state
        return bool(state["driver"]) and "nvidia" in state["handlers"]

    @property
    def is_as_before(self) -> bool:
        """Whether nothing of us is left."""
        return self.world.machine("rtx").snapshot() == self.start


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], Snapshot]:
    one = Home(tmp_path_factory.mktemp("owned"), WORLD)
    start = one.world.machine("rtx").snapshot()
    first = one.up()
    assert (first.exit, first.errors) == (0, [])
    return one.world.path.parent, one.engine.store.load(), start


@pytest.fixture
def home(ready: tuple[Path, dict[str, Any], Snapshot], tmp_path: Path) -> Owned:
    folder, state, start = ready
    shutil.copytree(folder, tmp_path / "home", symlinks=True)
    one = Owned.__new__(Owned)
    one._live_in(WholeWorld(tmp_path / "home/world.json"), "demo", MemoryStore(copy.deepcopy(state)))
    one.start = start
    return one


def anew(folder: Path, store: Any, **spec: Any) -> Owned:
    """The same machine with nothing on its disk, and this state."""
    one = Owned(folder, {**WORLD, "hosts": [{**WORLD["hosts"][0], **spec}]})
    one.start = one.world.machine("rtx").snapshot()
    if store:
        one.engine.store = MemoryStore(copy.deepcopy(store))
    return one


def replacing(monkeypatch: pytest.MonkeyPatch, *steps: str) -> None:
    """From now on as with `pulumi up --replace` on these steps."""
    command = remote.Command

    def made(name: str, **more: Any) -> remote.Command:
        return command(name, **more | ({"triggers": ["again"]} if name.rpartition("-")[2] in steps else {}))

    monkeypatch.setattr(remote, "Command", made)


def test_a_host_with_another_name_is_not_stripped_under_it(home: Owned) -> None:
    said = home.refused("HST-93", name="blue")
    assert "gpu-ready/demo/nodes-rtx's, and this is gpu-ready/demo/nodes-blue" in said
    assert "keep that name; or take it out there first" in said
    gone = {name for op, _type, name in home.up().steps if op != "same"}
    assert gone == {"nodes-blue", "nodes-blue-folder", "nodes-blue-bundle"}, "and no step that works as root"
    assert home.is_ready

    home.refused("HST-93", name="blue")
    assert home.take_out().exit == 0
    assert home.is_as_before
    assert home.up(name="blue").exit == 0
    assert home.is_ready


def test_a_machine_can_be_handed_over_to_another_name_as_it_is(home: Owned) -> None:
    assert "var/lib/gpu-ready/machine" in home.refused("HST-93", name="blue")
    home.hand_over()
    assert (home.up(name="blue").exit, home.is_ready) == (0, True)
    assert home.said("left as it is, because this machine is gpu-ready/demo/nodes-blue's by now: what step driver did")
    again = home.up(name="blue", look=2).steps
    assert {name for op, _type, name in again if op not in ("same", "update")} == {"nodes-blue-bundle"}
    assert (home.take_out().exit, home.is_as_before) == (0, True)


def test_a_machine_that_was_given_up_and_is_handed_over_keeps_no_folder_of_its_earlier_name(home: Owned) -> None:
    assert (home.up(state="abandoned").exit, home.take_out().exit) == (0, 0)
    home.refused("HST-93", name="blue")
    home.hand_over()
    assert (home.up(name="blue").exit, home.is_ready, len(sent(home))) == (0, True, 1)
    assert (home.take_out().exit, home.is_as_before) == (0, True)


def test_a_machine_of_another_to_which_a_wrong_address_led_keeps_no_folder_of_ours(tmp_path: Path) -> None:
    there = {"address": "192.0.2.77", "host_key": made_up_key("other")}
    other = {**WORLD["hosts"][0], "name": "other", "node": "gpu-9", **there}
    home = Owned(tmp_path, {**WORLD, "hosts": [*WORLD["hosts"], other]})
    home.start, theirs = home.world.machine("rtx").snapshot(), home.world.machine("other")
    assert home.up().exit == 0
    shutil.copytree(home.machine / OURS, theirs.root / OURS)
    note = theirs.root / OURS / "machine"
    note.write_text(f"{(theirs.root / 'etc/machine-id').read_text().strip()} gpu-ready/demo/nodes-other\n")
    before = theirs.snapshot()

    failed = home.up(**there)

    assert any("HST-93 access: this machine is gpu-ready/demo/nodes-other's" in text for text in failed.errors)
    assert theirs.snapshot() == before
    assert (home.up().exit, home.take_out().exit, home.is_as_before) == (0, 0, True)
    assert theirs.snapshot() == before


def test_a_second_stack_gets_nothing_until_it_is_handed_over_and_then_the_first_takes_nothing(home: Owned) -> None:
    other = Owned.beside(home, "other")
    assert isinstance(other, Owned)
    other.start = home.start
    other.refused("HST-93")
    assert (other.engine.run("destroy", lambda: None).exit, home.is_ready) == (0, True)
    assert home.changed(look=2) == LOOK

    home.hand_over()
    assert (other.up().exit, other.is_ready) == (0, True)
    assert "take it out here" in home.refused("HST-93", look=3)
    assert (home.engine.run("destroy", lambda: None).exit, other.is_ready) == (0, True)
    assert home.said("left as it is, because this machine is gpu-ready/other/nodes-rtx's by now: ")
    assert other.changed(look=2) == LOOK
    assert (other.engine.run("destroy", lambda: None).exit, other.is_as_before) == (0, True)


def test_a_stack_that_lost_a_machine_takes_it_back(home: Owned) -> None:
    other = Owned.beside(home, "other")
    assert isinstance(other, Owned)
    home.hand_over()
    assert other.up().exit == 0
    assert "or take it back" in home.refused("HST-93", look=2)
    home.hand_over()
    assert home.up(look=2).exit == 0
    assert (other.engine.run("destroy", lambda: None).exit, home.is_ready) == (0, True)
    assert (home.take_out().exit, home.is_as_before) == (0, True)


def test_a_stack_with_another_name_keeps_its_hosts(home: Owned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_host, "owner", lambda prefix: f"gpu-ready/renamed/{prefix}")
    assert home.changed() == LOOK
    assert home.said("was gpu-ready/demo/nodes-rtx's, it is gpu-ready/renamed/nodes-rtx's from now on")
    assert home.changed() == []
    assert (home.take_out().exit, home.is_as_before) == (0, True)


def test_a_note_that_is_gone_is_written_anew_where_the_record_is(home: Owned) -> None:
    home.hand_over()
    assert home.changed(look=2) == LOOK
    assert (home.take_out().exit, home.is_as_before) == (0, True)


def test_a_machine_installed_anew_comes_back_under_another_name(
    home: Owned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = made_up_key("anew")
    new = anew(tmp_path / "anew", home.engine.store.load(), host_key=key)
    assert "then declare it under another name" in new.refused("HST-70", host_key=key)
    with monkeypatch.context() as once:
        replacing(once, "folder", "tools")
        new.refused("HST-2", host_key=key)
    assert (new.up(state="abandoned").exit, new.is_as_before) == (0, True)
    assert (new.up(host_key=key, name="blue").exit, new.is_ready) == (0, True)
    assert (new.take_out().exit, new.is_as_before) == (0, True)


def test_a_machine_installed_anew_comes_back_under_its_name(home: Owned, tmp_path: Path) -> None:
    new = anew(tmp_path / "anew", home.engine.store.load())
    new.refused("HST-70", look=2)
    assert new.up(state="abandoned").exit == 0
    assert (new.take_out().exit, new.is_as_before) == (0, True)
    assert (new.up().exit, new.is_ready) == (0, True)


def test_replaced_tools_of_an_empty_disk_bring_all_else_along(
    home: Owned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = anew(tmp_path / "anew", home.engine.store.load())
    replacing(monkeypatch, "folder", "tools")
    assert (new.up(look=2).exit, new.is_ready) == (0, True)
    assert new.changed(look=3) == LOOK
    assert (new.take_out().exit, new.is_as_before) == (0, True)


def test_replaced_tools_of_a_machine_that_is_fine_change_nothing_else(
    home: Owned, monkeypatch: pytest.MonkeyPatch
) -> None:
    replacing(monkeypatch, "tools")
    assert home.changed() == ["tools"]
    assert (home.take_out().exit, home.is_as_before) == (0, True)


def test_a_look_puts_lost_or_changed_tools_back(home: Owned) -> None:
    tools = next(path for path in (home.machine / OURS).iterdir() if len(path.name) == 16)
    (tools / "reboot.sh").write_text("exit 0\n")
    assert home.changed(look=2) == LOOK
    shutil.rmtree(tools)
    failed = home.take_out()
    assert any("HST-75" in text for text in failed.errors)
    assert "tools" in home.changed(look=3)
    assert (home.take_out().exit, home.is_as_before) == (0, True)


def sent(home: Owned) -> list[Path]:
    """What lies in the folder to which the tools are sent."""
    return [*home.machine.glob("home/ubuntu/.gpu-ready-*/*")]


def test_a_cleaned_home_is_no_reason_to_fail_and_another_look_sends_the_tools_again(home: Owned) -> None:
    (kept,) = sent(home)
    shutil.rmtree(kept.parent)
    assert home.changed(toolkit_version="1.20.0") == ["tools"]
    for lost in (kept.parent, *(home.machine / OURS).glob("????????????????")):
        shutil.rmtree(lost, ignore_errors=True)
    failed = home.up()
    assert any("HST-75 access: rtx: " in text and "another number as the host's look" in text for text in failed.errors)
    assert home.changed(look=2) == LOOK
    assert len(sent(home)) == 1
    assert (home.take_out().exit, home.is_as_before) == (0, True)


@pytest.mark.parametrize(("way", "id"), [("missing", "HST-95"), ("full", "HST-94"), ("cut", "HST-90")])
def test_tools_that_cannot_be_sent_are_explained_and_what_was_made_is_taken_back(
    tmp_path: Path, way: str, id: str
) -> None:
    home = anew(tmp_path, None, sftp=way)
    failed = home.up()
    assert failed.exit == 1
    assert any(text.startswith(f"{id} access: rtx: ") and "\nfix: " in text for text in failed.errors)
    assert (home.engine.run("destroy", lambda: None).exit, home.is_as_before) == (0, True)


def test_a_first_up_that_never_became_root_is_taken_back_or_goes_on_as_it_was_sent(tmp_path: Path) -> None:
    home = anew(tmp_path, None, sudo="none")
    assert any("HST-1 access" in text for text in home.up().errors)
    assert len(sent(home)) == 1
    assert (home.engine.run("destroy", lambda: None).exit, home.is_as_before) == (0, True)
    home.up()
    home.world.machine("rtx").switch("sudo", "password")
    dials = home.remote.contacts[ARGS["address"]].copies
    assert (home.up().exit, home.is_ready) == (0, True)
    assert home.remote.contacts[ARGS["address"]].copies == dials


@pytest.mark.parametrize("fault", ["card-lost", "no-network"])
def test_a_first_up_that_failed_inside_a_step_is_taken_back_by_a_destroy(tmp_path: Path, fault: str) -> None:
    home = anew(tmp_path, None, fault=fault)
    assert (home.up().exit, home.is_as_before) == (1, False)
    destroyed = home.engine.run("destroy", lambda: None)
    assert (destroyed.exit, destroyed.errors) == (0, [])
    assert home.is_as_before


def test_the_copy_of_a_disk_is_another_machine_once_it_has_an_id_of_its_own(home: Owned, tmp_path: Path) -> None:
    """The fix of HST-93 and HST-56."""
    shutil.copytree(home.world.path.parent, tmp_path / "copy", symlinks=True)
    clone = Owned.__new__(Owned)
    clone._live_in(WholeWorld(tmp_path / "copy/world.json"), "clones", MemoryStore({}))
    clone.refused("HST-93")
    name = clone.machine / "etc/machine-id"
    name.chmod(0o644)
    name.write_text(f"{'f' * 32}\n")
    assert (clone.up().exit, clone.is_ready) == (0, True)


@pytest.fixture
def whoever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody is let in, where otherwise only the user of the machine is."""
    monkeypatch.setattr(remote_command, "_not_let_in", lambda *_: "")


@pytest.mark.usefixtures("whoever")
def test_another_log_in_gets_the_tools_where_the_first_never_became_root(tmp_path: Path) -> None:
    """The fix of HST-1: log in as root."""
    home = anew(tmp_path, None, sudo="none")
    assert any("HST-1 access" in text for text in home.up().errors)
    result = home.up(user="root")
    assert (result.exit, result.errors, home.is_ready, sent(home)) == (0, [], True, [])
    assert home.changed(user="root") == []
    assert (home.take_out().exit, home.is_as_before) == (0, True)


@pytest.mark.usefixtures("whoever")
def test_another_log_in_of_a_ready_host_leaves_nothing_in_the_home_of_the_first(home: Owned) -> None:
    assert home.up(user="root").exit == 0
    assert (sent(home), len([*home.machine.glob("root/.gpu-ready-*/bundle")])) == ([], 1)
    assert (home.take_out().exit, home.is_as_before) == (0, True)


def test_a_first_log_in_that_is_let_in_no_more_is_given_up_with_its_folder_alone(home: Owned) -> None:
    """Its folder is taken away as itself (docs/decisions/0007)."""
    box = home.world.machine("rtx")._box()
    box.state["user"] = "root"
    box.save()
    home.refused("HST-83", user="root")
    assert home.up(user="root", state="abandoned").exit == 0
    assert home.take_out().exit == 0
    assert (home.up(user="root").exit, home.is_ready, len(sent(home))) == (0, True, 1)
    assert (home.take_out().exit, len(sent(home))) == (0, 1)
    shutil.rmtree(sent(home)[0].parent)
    assert home.is_as_before
