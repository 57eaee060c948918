"""The state file: what stands in it, how it is written, and what happens to a bad one."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pulumi import Output

from lab import state
from lab.state import Entry, FileStore, StateTooNewError, StateUnreadableError
from lab.state_lock import StateError, StateLockedError
from lab.values import Secret
from tests.unit.toy import Bench, Thing


def of_one(changed: dict[str, Any]) -> str:
    """A state with one resource, which somebody edited by hand."""
    good = {"urn": "urn:pulumi:s::p::t:m:T::n", "type": "t:m:T", "custom": True, "id": "i"}
    return json.dumps({"version": 1, "resources": [{**good, **changed}], "pending_operations": []})


def bench(path: Path) -> Bench:
    return Bench(FileStore(path / "state.json"))


def test_only_the_owner_may_read_it_and_it_says_that_it_is_a_rehearsal(tmp_path: Path) -> None:
    bench(tmp_path).up(lambda: Thing("a", token=Output.secret("s")))
    file = tmp_path / "state.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    document = json.loads(file.read_text())
    assert "rehearsal" in document["rehearsal"]
    assert document["version"] == state.VERSION
    token = next(e for e in document["resources"] if e["urn"].endswith("::a"))["inputs"]["token"]
    assert (token["4dabf18193072939515e22adb298388d"], token["value"]) == ("1b47061264138c4ac30d75fd1eb44270", "s")


def test_a_state_of_the_right_form_is_read(tmp_path: Path) -> None:
    more = {"inputs": {"a": [1]}, "dependencies": ["x"], "propertyDependencies": {"a": ["b"]}, "replacementTrigger": 3}
    for text in (of_one({}), of_one(more)):
        (tmp_path / "state.json").write_text(text)
        assert FileStore(tmp_path / "state.json").load() == json.loads(text)


def test_an_entry_survives_the_file() -> None:
    entry = Entry(
        "urn:pulumi:dev::p::t:i:T::n", "t:i:T", id="x", inputs={"a": Secret({"b": [1, None]})}, protect=True,
        property_dependencies={"a": []}, resource_hooks={"on_error": ["h"]}, replacement_trigger=0,
    )  # fmt: skip
    again = Entry.from_state(json.loads(json.dumps(entry.to_state())))
    assert vars(again) == vars(entry)
    fields = "urn type custom id inputs protect propertyDependencies resourceHooks replacementTrigger"
    assert set(entry.to_state()) == set(fields.split())


def test_the_backup_is_the_state_before_the_operation(tmp_path: Path) -> None:
    bench(tmp_path).up(lambda: Thing("a"))
    before = (tmp_path / "state.json").read_text()
    bench(tmp_path).up(lambda: (Thing("a"), Thing("b"), Thing("c")))
    assert (tmp_path / "state.json.bak").read_text() == before
    assert stat.S_IMODE((tmp_path / "state.json.bak").stat().st_mode) == 0o600


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench(tmp_path).up(lambda: Thing("a"))
    before = (tmp_path / "state.json").read_text()

    def full(_descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match=r"cannot be written: disk full"):
        bench(tmp_path).up(lambda: (Thing("a"), Thing("b")))
    assert (tmp_path / "state.json").read_text() == before


def test_a_preview_touches_no_file(tmp_path: Path) -> None:
    bench(tmp_path / "new").preview(lambda: Thing("a"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "error", "words"), [
    ("", StateUnreadableError, "cannot be read"),
    ('{"version": 1, "resources": [{"urn": "x", "ty', StateUnreadableError, "cannot be read"),
    ("[1, 2]", StateUnreadableError, "not a state"),
    ('{"version": 1, "resources": [{"urn": "x"}], "pending_operations": []}', StateUnreadableError, "incomplete"),
    ('{"version": 1, "resources": []}', StateUnreadableError, "incomplete"),
    (of_one({"inputs": "x"}), StateUnreadableError, "inputs of urn:pulumi:s::p::t:m:T::n: a str where a dict belongs"),
    (of_one({"urn": 7}), StateUnreadableError, "urn: an int where a str belongs"),
    (of_one({"urn": "n"}), StateUnreadableError, "'n' is no URN"),
    (of_one({"provider": "somebody"}), StateUnreadableError, "'somebody' is no provider"),
    (of_one({"dependencies": [1]}), StateUnreadableError, "dependencies of .* an int where a str belongs"),
    (of_one({"propertyDependencies": {"a": "b"}}), StateUnreadableError, "propertyDependencies of .* a str where"),
    ('{"version": 1, "resources": 7, "pending_operations": []}', StateUnreadableError, "incomplete"),
    ('{"version": 1, "resources": ["x"], "pending_operations": []}', StateUnreadableError, "incomplete"),
    ('{"version": 1, "resources": [], "pending_operations": [{"resource": {}}]}', StateUnreadableError, "incomplete"),
    ('{"version": 99, "resources": [], "pending_operations": []}', StateTooNewError, "version 99"),
    ("\udcff", StateUnreadableError, "cannot be read"),
])  # fmt: skip
@pytest.mark.parametrize("op", ["preview", "up", "refresh", "destroy"])
def test_a_state_that_cannot_be_used_is_one_sentence_and_stays_as_it_is(
    tmp_path: Path, op: Any, text: str, error: type[StateError], words: str
) -> None:
    file = tmp_path / "state.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    stack = bench(tmp_path)
    with pytest.raises(error) as caught:
        stack.engine.run(op, lambda: Thing("a"))
    assert re.search(words, str(caught.value))
    assert "Nothing was changed" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == text.encode(errors="surrogateescape")
    assert stack.toy.calls == []


@pytest.mark.parametrize("text", ["{", '{"version": 99, "resources": [], "pending_operations": []}'])
def test_an_unreadable_state_says_how_to_begin_anew_with_the_simulated_cluster_beside_it(
    tmp_path: Path, text: str
) -> None:
    bench(tmp_path).up(lambda: Thing("a", text="x"))
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(StateError) as caught:
        bench(tmp_path).up(lambda: None)
    assert f"move the folder {tmp_path} away to begin anew (the simulated cluster lies in it too)" in str(caught.value)
    assert ".bak" not in str(caught.value)


GOOD = of_one({})


@pytest.mark.parametrize("text", ["{", '{"version": 99, "resources": [], "pending_operations": []}'])
@pytest.mark.parametrize(
    ("backup", "is_named"), [(GOOD, True), (GOOD[:40], False), (json.dumps(state.empty_document()), False)]
)
def test_a_backup_that_can_be_read_is_named_with_the_way_to_go_on_with_it(
    tmp_path: Path, text: str, backup: str, is_named: bool
) -> None:
    folder = tmp_path / "my stack"
    folder.mkdir()
    file, kept = folder / "state.json", folder / "state.json.bak"
    file.write_text(text)
    kept.write_text(backup)
    with pytest.raises(StateError) as caught:
        FileStore(file).load()
    told = str(caught.value)
    assert (f"go on with the backup (cp '{kept}' '{file}'), which lacks what the last" in told) is is_named
    assert ".bak.bak" not in told
    assert f"move the folder {folder} away" in told
    subprocess.run(shlex.split(f"cp '{kept}' '{file}'"), check=True)
    if is_named:
        assert FileStore(file).load()["resources"]


def test_two_at_once_the_second_is_told_who_has_it_and_since_when(tmp_path: Path) -> None:
    first, second = bench(tmp_path), bench(tmp_path)
    errors: list[StateLockedError] = []

    def during(operation: str, ctx: Any) -> None:
        with pytest.raises(StateLockedError) as caught:
            second.up(lambda: None)
        errors.append(caught.value)

    first.toy.during = during
    assert first.up(lambda: Thing("a")).exit == 0
    assert f"process {os.getpid()} on {socket.gethostname()}, for 0 s" in str(errors[0])
    assert second.up(lambda: Thing("a")).changes == {"same": 2}


def test_who_holds_the_state_is_told_while_it_is_held_and_nobody_is_kept_waiting_by_the_question(
    tmp_path: Path,
) -> None:
    store, other = FileStore(tmp_path / "state.json"), FileStore(tmp_path / "state.json")
    assert other.holder() == ""
    with store.locked(lambda _line: None):
        assert other.holder().endswith(f"process {os.getpid()} on {socket.gethostname()}, for 0 s")
    assert other.holder() == ""
    left = {"pid": 1, "host": socket.gethostname(), "user": "somebody", "since": 0.0}
    (tmp_path / "state.json.lock").write_text(json.dumps(left))
    assert other.holder() == "", "it died"
    (tmp_path / "state.json.lock").write_text(json.dumps({**left, "host": "elsewhere"}))
    assert "on elsewhere" in other.holder()


def test_the_lock_of_a_process_that_died_is_taken_over_with_a_word(tmp_path: Path) -> None:
    holder = {"pid": 1, "host": socket.gethostname(), "user": "somebody", "since": 0.0}
    (tmp_path / "state.json.lock").write_text(json.dumps(holder))
    result = bench(tmp_path).up(lambda: Thing("a"))
    assert result.exit == 0
    assert "lock taken over" in result.diagnostics[0][2]
    assert bench(tmp_path).up(lambda: Thing("a")).diagnostics == []


def test_the_lock_of_another_machine_is_respected(tmp_path: Path) -> None:
    lock = tmp_path / "state.json.lock"
    lock.write_text(json.dumps({"pid": 1, "host": "elsewhere", "user": "somebody", "since": 0.0}))
    with pytest.raises(StateLockedError, match=r"on elsewhere.*delete .*state\.json\.lock"):
        bench(tmp_path).up(lambda: None)
    lock.unlink()
    assert bench(tmp_path).up(lambda: None).exit == 0


def test_a_lock_file_with_nonsense_in_it_is_explained(tmp_path: Path) -> None:
    (tmp_path / "state.json.lock").write_text("{nonsense")
    with pytest.raises(StateLockedError, match="somebody"):
        bench(tmp_path).up(lambda: None)


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be used"):
        bench(tmp_path / "file").up(lambda: None)
