"""docs/tested.md: what ran against real parts, written by the run itself.

A module of tests/lab says in `REAL` and `STANDINS` what its tests met that we did not write, and what we did; its
first line is the heading, the name of a test its row, and each engine that it wants has a column.
`make lab-test` names the file in GPU_READY_TESTED.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

TABLE = "GPU_READY_TESTED"
"""Environment variable: the file that a whole run writes."""
BUILT_IN = "built-in"
ENGINES = {BUILT_IN: "built-in engine", "pulumi": "the real `pulumi`"}


NOT_RUN = "not run: "
_SECONDS = re.compile(r", ([0-9.]+) s\b")


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
    params = dict(callspec.params) if callspec else {}
    engine = params.pop("engine", BUILT_IN)
    plain = all(isinstance(one, (str, int)) for one in params.values())
    others = [str(one) for one in params.values()] if plain else [callspec.id.replace(f"{engine}-", "", 1)]
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
    passed, left_out = (sum(one.result.startswith(word) for one in rows) for word in ("passed", NOT_RUN))
    ended = f"{passed} passed, {len(rows) - passed - left_out} failed, {left_out} not run"
    reasons = list(dict.fromkeys(one.result for one in rows if one.result.startswith(NOT_RUN)))
    total = sum(one.seconds for one in rows)
    head = [
        "# Tested on real parts", "",
        "Written by `make lab-test`. Real: not written by us. Stand-in: what it is and says is our own word.", "",
        f"{day}: {ended}. {clock:.0f} s by the clock on {cores} cores; {total:.0f} s in tests and their beginnings.",
        "",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".", "",
        *(f"- NOT RUN ({number}): {reason.removeprefix(NOT_RUN)}" for number, reason in enumerate(reasons, 1)),
        *([""] if reasons else []),
    ]  # fmt: skip
    return "\n".join([*head, *(line for group in groups for line in section(group, rows, reasons))]).rstrip() + "\n"


def section(group: tuple[str, str, str], rows: Sequence[Row], reasons: Sequence[str]) -> list[str]:
    """One module of tests: a row for each, a column for each engine."""
    name, real, standins = group
    mine = [one for one in rows if one[:3] == group]
    engines = [one for one in ENGINES if any(row.engine == one for row in mine)]
    ran = {(one.title, one.engine): cell(one, reasons) for one in mine}
    titles = dict.fromkeys(one.title for one in mine)
    lines = [" | ".join([f"| {title}", *(ran.get((title, one), "") for one in engines)]) + " |" for title in titles]
    heads = " | ".join(["| what", *(ENGINES[one] for one in engines)]) + " |"
    met = [f"Real: {real}. Stand-ins: {standins or 'none'}.", ""]
    return [f"## {name}", "", *met, heads, "|---" * (len(engines) + 1) + "|", *lines, ""]


def cell(one: Row, reasons: Sequence[str]) -> str:
    """How a test ended under an engine."""
    if one.result in reasons:
        return f"NOT RUN ({reasons.index(one.result) + 1})"
    return f"{one.result.replace('|', '/')}, {one.seconds:.1f} s"


def took(page: str) -> dict[str, float]:
    """How long each test took when the page was written, by its title."""
    rows = (line.strip("| ").split(" | ", 1) for line in page.splitlines() if line.startswith("| "))
    return {title: sum(map(float, _SECONDS.findall(rest))) for title, rest in rows if title != "what"}


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
        return f"{NOT_RUN}{report.longrepr[2].removeprefix('Skipped: ')}"
    return str(report.outcome) if report.when == "call" else f"{report.outcome} in {report.when}"


def wanted() -> Path | None:
    """Where the table goes, if one is wanted; the workers of a run leave it to whoever started them."""
    return Path(os.environ[TABLE]) if os.environ.get(TABLE) and "PYTEST_XDIST_WORKER" not in os.environ else None
