"""Names with `*` and `?`: what the standard library has for this loads `re`, and that takes longer than a tool."""

from __future__ import annotations

import os


def fits(name: str, pattern: str) -> bool:
    """Whether a name has this form."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(fits(name[start:], pattern[1:]) for start in range(len(name) + 1))
    return bool(name) and pattern[0] in ("?", name[0]) and fits(name[1:], pattern[1:])


def is_pattern(text: str) -> bool:
    """Whether a name stands for several."""
    return "*" in text or "?" in text


def find(root: str, pattern: str) -> list[str]:
    """The files below a root that fit a pattern with slashes, without the root before them."""
    found = [""]
    for part in pattern.strip("/").split("/"):
        found = [f"{folder}/{name}" for folder in found for name in _names(root + folder, part)]
    return sorted(found)


def _names(folder: str, part: str) -> list[str]:
    if not is_pattern(part):
        return [part] if os.path.lexists(f"{folder}/{part}") else []
    try:
        return [name for name in os.listdir(folder) if fits(name, part) and (part[0] == "." or name[0] != ".")]
    except OSError:
        return []
