"""The counts at the end: how many hosts were thought of, what became of them, and how many of them were tried."""

from __future__ import annotations

from collections import Counter

import pytest


def _words(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.most_common())


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """From what the tests noted."""
    passed = terminalreporter.stats.get("passed", [])
    noted = [(key, value) for report in passed for key, value in report.user_properties]
    for key, value in noted:
        if key == "planned":
            terminalreporter.write_line(f"matrix: {value}")
    executed = Counter(str(value) for key, value in noted if key == "matrix")
    if executed:
        terminalreporter.write_line(f"matrix: {executed.total()} executed in simulated machines: {_words(executed)}")
