"""Where the doctor reads and writes; tests put their own here."""

from __future__ import annotations

import getpass
import shutil
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

COLUMN = " " * 12
"""Where the text of a report begins."""


@dataclass(frozen=True)
class Streams:
    """Input, output, errors, and how a password is asked for."""

    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    ask_secretly: Callable[[str], str] = getpass.getpass

    def say(self, *lines: str) -> None:
        """Lines, each at once."""
        self.stdout.write("".join(f"{line}\n" for line in lines))
        self.stdout.flush()

    def tell(self, *lines: str) -> None:
        """Lines in columns, broken where a terminal ends."""
        width = shutil.get_terminal_size().columns if self.stdout.isatty() else sys.maxsize
        for line in lines:
            self.say(*(textwrap.wrap(line, width, subsequent_indent=COLUMN, break_on_hyphens=False) or [""]))

    def complain(self, text: str) -> None:
        """What went wrong."""
        self.stderr.write(f"{text}\n")

    def ask(self, question: str) -> str:
        """One line of an answer; nothing at the end of the input."""
        self.stdout.write(question)
        self.stdout.flush()
        return self.stdin.readline().strip()
