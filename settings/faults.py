"""What is wrong with a config: one fault, and the error that lists them all."""

from collections.abc import Sequence
from typing import NamedTuple

EXAMPLE, FIX = "Example", "Fix"


class Fault(NamedTuple):
    """One thing that is wrong: where, what, and how it would be right."""

    path: str
    problem: str
    right: str
    label: str = EXAMPLE

    def __str__(self) -> str:
        stop = "" if self.problem.endswith("?") else "."
        return f"{self.path}: {self.problem}{stop} {self.label}: {self.right}"


class SettingsError(Exception):
    """The config cannot be used; show `str(error)` to whoever wrote it. `faults` has them one by one."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        head = f"{count} in the settings; nothing was made:"
        super().__init__("\n".join([head, *(f"  {fault}" for fault in self.faults)]))
