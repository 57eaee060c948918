"""Foreign words for people: whatever a host says, one line of it is shown, of plain characters, and not too long."""

from __future__ import annotations

import re

LONGEST = 160
MOST_LOOKED_AT = 16 * 1024
NO_PLAIN = re.compile(r"[^\x20-\x7e]+")
# What a terminal takes as a command, whole: its letters would be noise without it.
COMMANDS = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")


def plain(text: str, longest: int = LONGEST) -> str:
    """One line of printable ASCII; no byte of it can move a cursor or end a comment."""
    found = NO_PLAIN.sub(" ", COMMANDS.sub("", text)).strip()
    return found if len(found) <= longest else found[: longest - 3] + "..."


def lines_of(said: bytes) -> list[str]:
    """All lines that say something."""
    found = (plain(line) for line in said.decode("utf-8", "replace").splitlines())
    return [line for line in found if line]


def last_line(said: bytes) -> str:
    """The last line that says something."""
    return (lines_of(said[-MOST_LOOKED_AT:]) or [""])[-1]


def counted(number: int, what: str) -> str:
    """`1 host`, `2 hosts`."""
    return f"{number} {what}{'' if number == 1 else 's'}"
