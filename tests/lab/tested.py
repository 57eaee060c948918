"""docs/tested.md: what ran against real parts, written by the run itself.

A module of tests/lab says in `REAL` and `STANDINS` what its tests met that we did not write, and what we did, and in
`ENGINE` whose engine, unless it is ours; its first line is the heading, and the name of a test its row.
`make lab-test` names the file in GPU_READY_TESTED.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

TABLE = "GPU_READY_TESTED"
"""Environment variable: the file that a whole run writes."""
BUILT_IN = "built-in"


class Row(NamedTuple):
    """One test as it ended."""

    group: str
    real: str
    standins: str
    title: str
    engine: str
    result: str
    seconds: float


def about(item: pytest.Item) -> dict[str, str]:
    """What the table says of a test beside its result."""
    module: Any = getattr(item, "module", None)
    callspec: Any = getattr(item, "callspec", None)
    params = list(callspec.params.values()) if callspec else []
    engine = getattr(module, "ENGINE", BUILT_IN)
    plain = all(isinstance(one, (str, int)) for one in params)
    others = [str(one) for one in params] if plain else [callspec.id]
    title = getattr(item, "originalname", item.name).removeprefix("test_").replace("_", " ")
    return {
        "group": first_line(getattr(module, "__doc__", "")),
        "real": ", ".join(getattr(module, "REAL", ())),
        "standins": ", ".join(getattr(module, "STANDINS", ())),
        "title": f"{title} ({', '.join(others)})" if others else title,
        "engine": engine,
    }


def first_line(text: str | None) -> str:
    """The heading of a docstring."""
    return (text or "").strip().split("\n")[0].rstrip(".")


def row(properties: Iterable[tuple[str, object]], result: str, seconds: float) -> Row:
    """A result with what its test said about itself."""
    told = {key: str(value) for key, value in properties}
    return Row(**{key: told.get(key, "") for key in Row._fields[:5]}, result=result, seconds=seconds)


def table(rows: Sequence[Row], versions: Mapping[str, str], day: str, clock: float, cores: int) -> str:
    """The whole page; what did not run stands there as loudly as what failed."""
    groups = list(dict.fromkeys((one.group, one.real, one.standins) for one in rows))
    passed, left_out = (sum(one.result.startswith(word) for one in rows) for word in ("passed", "not run"))
    ended = f"{passed} passed, {len(rows) - passed - left_out} failed, {left_out} not run"
    total = sum(one.seconds for one in rows)
    head = [
        "# Tested on real parts", "",
        "Written by `make lab-test`. Real: not written by us. Stand-in: what it is and says is our own word.", "",
        f"{day}: {ended}. {clock:.0f} s by the clock on {cores} cores; {total:.0f} s in tests and their beginnings.",
        "",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".", "",
    ]  # fmt: skip
    return "\n".join([*head, *(line for group in groups for line in section(group, rows))]).rstrip() + "\n"


def section(group: tuple[str, str, str], rows: Sequence[Row]) -> list[str]:
    """One module of tests."""
    name, real, standins = group
    lines = [
        f"| {one.title} | {one.engine} | {one.result.replace('|', '/')} | {one.seconds:.1f} |"
        for one in rows
        if one[:3] == group
    ]
    met = [f"Real: {real}. Stand-ins: {standins or 'none'}.", ""]
    return [f"## {name}", "", *met, "| what | engine | result | seconds |", "|---|---|---|---|", *lines, ""]


def took(page: str) -> dict[str, float]:
    """How long each test took when the page was written, by its title."""
    rows = (line.strip("| \n").split(" | ") for line in page.splitlines() if line.startswith("| "))
    return {row[0]: float(row[-1]) for row in rows if row[-1].replace(".", "").isdigit()}


class Table:
    """A pytest plugin: collects how each test ended, and writes the page at the end."""

    def __init__(self, file: Path, versions: Mapping[str, str]) -> None:
        self.file, self.versions = file, versions
        self.rows: list[Row] = []
        self.began: dict[str, float] = {}
        self.start = time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test has one row: its own end, or what kept it from beginning or ending well."""
        if report.when == "setup":
            self.began[report.nodeid] = report.duration
        if report.when == "call" or report.outcome != "passed":
            seconds = report.duration + (self.began.get(report.nodeid, 0.0) if report.when == "call" else 0.0)
            self.rows.append(row(report.user_properties, outcome(report), seconds))

    def pytest_sessionfinish(self) -> None:
        """What is chosen by hand is no whole run, but this is asked for by name."""
        if self.rows:
            clock, cores = time.monotonic() - self.start, os.cpu_count() or 1
            page = table(self.rows, self.versions, time.strftime("%Y-%m-%d"), clock, cores)
            self.file.write_text(page, encoding="utf-8")


def outcome(report: pytest.TestReport) -> str:
    """In a word; of what was left out, why."""
    if report.skipped and isinstance(report.longrepr, tuple):
        return f"not run: {report.longrepr[2].removeprefix('Skipped: ')}"
    return str(report.outcome) if report.when == "call" else f"{report.outcome} in {report.when}"


def wanted() -> Path | None:
    """Where the table goes, if one is wanted; the workers of a run leave it to whoever started them."""
    return Path(os.environ[TABLE]) if os.environ.get(TABLE) and "PYTEST_XDIST_WORKER" not in os.environ else None
