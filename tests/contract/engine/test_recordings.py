"""The built-in engine takes the steps that the real one was recorded to take (what is compared: README.md)."""

from __future__ import annotations

import ast
import json
import os
import re
import runpy
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.engine import Engine, Result
from lab.providers.command import CommandProvider
from lab.providers.remote_command import Door, RemoteCommands
from lab.providers.transport import Finished, Script
from lab.state import MemoryStore
from tests.contract.engine.thing import ThingProvider
from tests.effort import long

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("ENGINE_RECORDINGS", HERE)).absolute()
DELETIONS = {"delete", "delete-replaced", "discard", "discard-replaced", "remove-pending-replace"}
SECRET = "4dabf18193072939515e22adb298388d"
ASSET = "c44067f5952c0a294b673a41bacd8c17"
STATE_FIELDS = ("urn", "id", "parent", "protect", "delete", "external", "inputs", "outputs", "retainOnDelete",
                "deletedWith", "ignoreChanges", "additionalSecretOutputs", "pendingReplacement")  # fmt: skip
LEFT_OUT = {
    ("create_fails", 1): {"outputs", "state"},
    ("create_fails", 2): {"outputs", "state"},
    ("program_exception", 3): {"outputs", "state"},
}
"""(scenario, operation) -> what depends on the release of the SDK there."""
RACES = {("program_exception", 3)} if sys.version_info >= (3, 12) else set()
"""Where a scenario ends on newer Pythons: an apply that raises there comes before the last registration."""
SLOW = {
    "delete_in_between", "goes_on", "goes_on_replacing", "hooks_give_up", "ignored_paths", "never_made", "offline_host",
    "parents_and_texts", "pending_replacement", "replace_on", "secret_marks", "secrets_and_invoke",
    "triggers_and_partners", "triggers_of_all_kinds", "update_script",
}  # fmt: skip
"""Scenarios of many operations, or that wait, or try a hundred times."""
Step = tuple[str, str, str]


def names() -> list[str]:
    return sorted(path.stem for path in (FOLDER / "recorded").glob("*.json"))


class Run:
    """Carries out the operations of one scenario with the built-in engine, in the form of a recording."""

    def __init__(self, name: str) -> None:
        self.name, self.store = name, MemoryStore()
        self.ids: dict[str, str] = {}
        self.traced, self.folder = 0, str(Path.cwd())
        self.commands = CommandProvider(remote=RemoteCommands(lambda _host, _port: Shelf()))

    def operation(self, line: str) -> dict[str, Any]:
        op, *words = line.split()
        if op in ("touch", "rm"):
            Path(words[0]).touch() if op == "touch" else Path(words[0]).unlink(missing_ok=True)
            return {"op": op}
        os.environ["STAGE"] = next((word for word in words if word.isdigit()), "1")
        result = self.engine().run(
            op,  # type: ignore[arg-type]
            self.program,
            continue_on_error="--continue-on-error" in words,
            refresh="--refresh" in words,
            expect_no_changes="--expect-no-changes" in words,
        )
        return self.recorded(result)

    def engine(self) -> Engine:
        return Engine(self.name, "dev", self.store, [self.commands, ThingProvider()], one_thread=True)

    def program(self) -> None:
        runpy.run_path(str(FOLDER / "scenarios" / f"{self.name}.py"), run_name="__main__")

    def recorded(self, result: Result) -> dict[str, Any]:
        document = self.store.load()
        state = [self.clean(entry) for entry in document["resources"]]
        trace = Path("trace.log")
        lines = trace.read_text().splitlines() if trace.exists() else []
        ran, self.traced = lines[self.traced :], len(lines)
        pending = [{"op": p["type"], "urn": tail(p["resource"]["urn"])} for p in document["pending_operations"]]
        stack: dict[str, Any] = next((entry for entry in state if entry["type"] == "pulumi:pulumi:Stack"), {})
        outputs = json.loads(json.dumps(stack.get("outputs", {})).replace('"<secret>"', '"[secret]"'))
        return {
            "exit": result.exit, "steps": result.steps, "ran": ran, "outputs": outputs, "state": state,
            "pending_operations": pending, "changes": result.changes,
        }  # fmt: skip

    def clean(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict) and value.get(SECRET) == ASSET:
            return {"asset": value["path"], "hash": value["hash"]}
        if isinstance(value, dict):
            return "<secret>" if SECRET in value else {k: self.clean(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.clean(item) for item in value]
        if not isinstance(value, str):
            return value
        if key == "id":
            return self.ids.setdefault(value, f"id{len(self.ids) + 1}")
        if value.startswith("urn:pulumi:"):
            return tail(value)
        for known, symbol in self.ids.items():
            value = value.replace(known, symbol)
        return value.replace(self.folder, "<dir>")


class Shelf:
    """The host of `copied_file`: notes each file that it is sent, as the server of the recording did."""

    name, user, host_key = "shelf", "somebody", ""

    def door(self) -> Door:
        return "up"

    def run(self, script: Script, user: str, say: Callable[[str], None], stop: threading.Event) -> Finished:
        raise NotImplementedError

    def receive(self, path: str, data: bytes, user: str) -> str:
        Path(path).write_bytes(data)
        with Path("trace.log").open("a") as file:
            print("copied", Path(path).name, file=file)
        return ""


def tail(urn: str) -> str:
    return "::".join(urn.split("::")[2:4])


def without_default_provider(steps: list[Any]) -> list[Step]:
    return [tuple(step) for step in steps if not step[1].startswith("pulumi:providers:")]


def split(steps: list[Step]) -> tuple[list[Step], list[Step]]:
    """The steps, and the deletions at their end."""
    last = max((i for i, step in enumerate(steps) if step[0] not in DELETIONS), default=-1)
    return steps[: last + 1], steps[last + 1 :]


def by_resource(steps: list[Step]) -> dict[tuple[str, str], list[str]]:
    ops: dict[tuple[str, str], list[str]] = {}
    for op, type, name in steps:
        ops.setdefault((type, name), []).append(op)
    return ops


def edges(state: list[dict[str, Any]]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """(resource, what it needs) by type and name."""
    for entry in state:
        for other in [*entry.get("dependencies", []), *([entry["parent"]] if entry.get("parent") else [])]:
            yield last_part(entry["urn"]), last_part(other)


def last_part(urn: str) -> tuple[str, str]:
    types, name = urn.split("::")
    return types.rpartition("$")[2], name


def faults_of_order(steps: list[Step], before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    head, end = split(steps)
    made = {step[1:]: i for i, step in enumerate(head) if step[0] not in DELETIONS}
    gone = {step[1:]: i for i, step in enumerate(end)}
    late = [f"{a} before {b}" for a, b in edges(after) if a in made and b in made and made[a] < made[b]]
    return late + [f"{b} deleted before {a}" for a, b in edges(before) if a in gone and b in gone and gone[a] > gone[b]]


Names = dict[str, str]


def plain(state: list[dict[str, Any]], names: Names) -> list[str]:
    """Without what is about the engine alone; ids by their resources, which come in any order that fits."""
    for entry in sorted(state, key=lambda one: (one["urn"], one.get("delete", False))):
        of_it = sum(name.startswith(f"<{entry['urn']} ") for name in names.values())
        names.setdefault(entry.get("id", ""), f"<{entry['urn']} {of_it + 1}>")
    kept = (entry for entry in state if not entry["urn"].startswith("pulumi:providers:"))
    texts = (json.dumps(
        {key: entry[key] for key in STATE_FIELDS if entry.get(key)} | {"deps": sorted(entry.get("dependencies", []))},
        sort_keys=True) for entry in kept)  # fmt: skip
    return sorted(re.sub(r"\bid[0-9]+\b", lambda id: names.get(id[0], id[0]), text) for text in texts)


def counted(changes: dict[str, int]) -> dict[str, int]:
    return {op: number for op, number in changes.items() if number}


def differences(real: dict[str, Any], here: dict[str, Any], states: dict[str, Any], skip: set[str]) -> Iterator[str]:
    """`states` are those of the real engine before and after, and which resource has which id there and here."""
    if real["exit"] != here["exit"]:
        yield f"exit {real['exit']} against {here['exit']}"
    if "different" in real.get("order", ""):
        return
    yield from differences_of_steps(real, here, states["before"])
    for name in {"outputs", "pending_operations"} - skip:
        if real[name] != here[name]:
            yield f"{name} {real[name]} against {here[name]}"
    if "state" not in skip:
        ours, theirs = plain(here["state"], states["ours"]), plain(states["after"], states["theirs"])
        yield from (f"state only of the real one: {entry}" for entry in theirs if entry not in ours)
        yield from (f"state only here: {entry}" for entry in ours if entry not in theirs)


def differences_of_steps(real: dict[str, Any], here: dict[str, Any], before: list[dict[str, Any]]) -> Iterator[str]:
    wanted, taken = without_default_provider(real["steps"]), without_default_provider(here["steps"])
    for part in (0, 1):
        if by_resource(split(wanted)[part]) != by_resource(split(taken)[part]):
            yield f"steps {split(wanted)[part]} against {split(taken)[part]}"
    yield from faults_of_order(taken, before, here["state"])
    if sorted(real["ran"]) != sorted(here["ran"]):
        yield f"scripts run {real['ran']} against {here['ran']}"
    if real["summary"] and counted(real["summary"]["changes"]) != counted(here["changes"]):
        yield f"counts {real['summary']['changes']} against {here['changes']}"


def compare(name: str) -> list[str]:
    recording = json.loads((FOLDER / "recorded" / f"{name}.json").read_text())
    run, found = Run(name), []
    states: dict[str, Any] = {"before": [], "after": [], "ours": {}, "theirs": {}}
    for number, (line, real) in enumerate(zip(operations(name), recording["operations"], strict=True)):
        if (name, number) in RACES:
            break
        here = run.operation(line)
        if "exit" in real:
            states["after"] = states["before"] if real["state"] == "as before" else real["state"]
            skip = LEFT_OUT.get((name, number), set())
            found += [f"{number} {line}: {text}" for text in differences(real, here, states, skip)]
            states["before"] = states["after"]
        if "different" in real.get("order", ""):
            break
    return found


def operations(name: str) -> list[str]:
    tree = ast.parse((FOLDER / "scenarios" / f"{name}.py").read_text())
    assignments = (node for node in tree.body if isinstance(node, ast.Assign))
    return next(ast.literal_eval(n.value) for n in assignments if ast.unparse(n.targets[0]) == "OPS")


@pytest.mark.parametrize("name", [pytest.param(one, marks=long) if one in SLOW else one for one in names()])
def test_takes_the_steps_of_the_real_engine(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STAGE", "1")
    assert compare(name) == []


def test_there_are_recordings_to_compare_with() -> None:
    assert names(), f"no recordings in {re.sub('.*/', '', str(FOLDER))}"
