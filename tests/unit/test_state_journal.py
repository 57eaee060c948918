"""A line per step beside the state file: what stands there at each moment, and what a crash leaves."""

from __future__ import annotations

import itertools
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pulumi import ResourceOptions as Opt

from lab.state import Document, FileStore, MemoryStore, StateUnreadableError
from lab.state_lock import StateError
from tests.unit.toy import Bench, Group, Thing


class Cut(FileStore):
    """Whoever writes with it dies before the end."""

    def save(self, document: Document) -> None:
        raise StateError("it died")


def names(document: Document) -> list[str]:
    return [entry["urn"].rpartition("::")[2] for entry in document["resources"]]


def begun(document: Document) -> list[str]:
    return [f"{item['type']} {item['resource']['urn'].rpartition('::')[2]}" for item in document["pending_operations"]]


def cut(path: Path, *things: str) -> Path:
    """An `up` that died when all was made."""
    with pytest.raises(StateError, match="died"):
        Bench(Cut(path / "state.json")).up(lambda: [Thing(name) for name in things] and None)
    return path / "state.json.journal"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    Bench(FileStore(tmp_path / "state.json")).up(lambda: Thing("a"))
    return tmp_path


def test_each_step_stands_on_the_disk_before_the_next_begins_and_the_state_is_written_once(there: Path) -> None:
    bench = Bench(FileStore(there / "state.json"))
    before, seen = (there / "state.json").read_bytes(), list[Any]()

    def look(operation: str, ctx: Any) -> None:
        known = FileStore(there / "state.json").load()
        whole = (there / "state.json").read_bytes() == before
        seen.append((sorted({*names(known)} & {*"abc"}), begun(known), whole))

    bench.toy.during = look
    bench.up(lambda: Thing("c", opts=Opt(depends_on=[Thing("b", opts=Opt(depends_on=[Thing("a")]))])))
    assert seen == [(["a"], ["creating b"], True), (["a", "b"], ["creating c"], True)]
    assert {*"abc"} < {*names(json.loads((there / "state.json").read_text()))}
    assert sorted(file.name for file in there.iterdir()) == ["state.json", "state.json.bak", "state.json.lock"]


class Measured(MemoryStore):
    """Counts the letters of each change."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def note(self, change: Document) -> None:
        super().note(change)
        self.sizes.append(len(json.dumps(change)))


def test_what_is_written_for_a_step_does_not_grow_with_the_state() -> None:
    def written(things: int) -> list[int]:
        bench = Bench(store := Measured())
        made, same = (bench.up(lambda: [Thing(f"t{n:02}") for n in range(things)] and None) for _ in "12")
        assert (made.changes, same.changes) == ({"create": things + 1}, {"same": things + 1})
        return store.sizes

    few, many = written(5), written(20)
    assert len(many) - len(few) == 2 * 15, "one says begun, one done; an up that changes nothing says nothing"
    assert max(many) - max(few) < 10


def test_the_file_is_for_its_owner_alone(there: Path) -> None:
    assert stat.S_IMODE(cut(there, "a", "b").stat().st_mode) == 0o600


def test_the_next_operation_goes_on_and_keeps_it_as_the_backup(there: Path) -> None:
    cut(there, "a", "b")
    assert {*names(FileStore(there / "state.json").load())} > {"a", "b"}
    bench = Bench(FileStore(there / "state.json"))
    result = bench.up(lambda: [Thing(name) for name in "abc"] and None)
    assert result.changes == {"same": 3, "create": 1}
    assert {"a", "b"} < {*names(json.loads((there / "state.json.bak").read_text()))}
    assert not (there / "state.json.journal").exists()


def test_one_that_dies_twice_lost_nothing(there: Path) -> None:
    cut(there, "a", "b")
    cut(there, "a", "b", "c")
    assert {*names(FileStore(there / "state.json").load())} > {"a", "b", "c"}


def test_half_a_line_was_never_promised(there: Path) -> None:
    journal = cut(there, "a", "b")
    text = journal.read_bytes()
    journal.write_bytes(text[:-9])
    known = FileStore(there / "state.json").load()
    assert ("b" in names(known), begun(known)) == (False, ["creating b"])
    journal.write_bytes(text[:9])
    assert "b" not in names(FileStore(there / "state.json").load())


def test_beside_another_state_it_says_nothing(there: Path) -> None:
    cut(there, "a", "b")
    state = there / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text())))
    assert "b" not in names(FileStore(state).load())
    state.unlink()
    assert names(FileStore(state).load()) == []


@pytest.mark.parametrize("line", ["{", "[]", '{"moved": [[9, 7]], "now": [], "begun": []}', '{"now": 3}'])
def test_one_that_does_not_fit_is_named_with_what_it_is_without(there: Path, line: str) -> None:
    journal = cut(there, "a", "b")
    head = journal.read_text().splitlines()[0]
    journal.write_text(f"{head}\n{line}\n")
    with pytest.raises(StateUnreadableError) as caught:
        FileStore(there / "state.json").load()
    assert f"without {journal} it is as before the last operation" in str(caught.value)
    journal.unlink()
    assert "a" in names(FileStore(there / "state.json").load())


def test_a_line_that_cannot_be_written_is_taken_out_again(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, fine = FileStore(there / "state.json"), os.fsync
    change = {"moved": [], "now": [[9, json.loads((there / "state.json").read_text())["resources"][-1]]], "begun": []}
    store.note({"moved": [], "now": [], "begun": []})

    def full(_descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="disk full"):
        store.note(change)
    monkeypatch.setattr(os, "fsync", fine)
    assert len((there / "state.json.journal").read_text().splitlines()) == 2


class Compared(MemoryStore):
    """Remembers what it held after each change."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Document] = []

    def save(self, document: Document) -> None:
        super().save(document)
        self.held.append(self.load())

    def note(self, change: Document) -> None:
        super().note(change)
        self.held.append(self.load())


def wishes() -> Iterator[Any]:
    """From nothing: made, changed, replaced in both orders, taken away, made again under another parent."""
    yield lambda: Thing("b", opts=Opt(depends_on=[Thing("a", text="1")]))
    yield lambda: Thing("b", opts=Opt(depends_on=[Thing("a", text="2"), Thing("c", fixed="1", first="1")]))
    yield lambda: (Thing("c", fixed="2", first="1"), Thing("a", text="2"))
    yield lambda: Thing("c", fixed="2", first="2")
    yield lambda: Thing("c", fixed="2", first="2", opts=Opt(parent=Group("g")))
    yield lambda: None


def test_lines_make_the_state_that_writing_it_whole_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    noted, whole = Compared(), Compared()
    for store in (noted, whole):
        bench = Bench(store, one_thread=True)
        if store is whole:
            monkeypatch.setattr("lab.engine_ledger.Ledger.note", lambda self, *_touched: self.save())
        ids = map(_Id, itertools.count())
        monkeypatch.setattr("uuid.uuid4", ids.__next__)
        for wish in wishes():
            bench.up(wish)
    distinct = [[one for one, _same in itertools.groupby(map(content, store.held))] for store in (noted, whole)]
    assert distinct[0] == distinct[1]
    assert len(distinct[0]) > 20


class _Id:
    def __init__(self, number: int) -> None:
        self.hex = f"{number:032}"

    def __str__(self) -> str:
        return self.hex


def content(document: Document) -> tuple[list[str], list[str]]:
    """Its resources, in whatever order."""
    resources = sorted(json.dumps(entry, sort_keys=True) for entry in document["resources"])
    return resources, [json.dumps(item, sort_keys=True) for item in document["pending_operations"]]


def test_what_waits_for_another_still_stands_after_it(there: Path) -> None:
    def made(last: str, **a: Any) -> None:
        before = Thing("b", opts=Opt(depends_on=[Thing("a", **a)]))
        Thing(last, opts=Opt(depends_on=[before]))

    state = there / "state.json"
    Bench(FileStore(state)).up(lambda: made("b2"))
    for wish in (lambda: made("b2", text="other"), lambda: made("c", text="other")):
        with pytest.raises(StateError, match="died"):
            Bench(Cut(state)).up(wish)
        order = names(FileStore(state).load())
        assert order.index("a") < order.index("b") < max(map(order.index, {"c", "b2"} & {*order}))
