"""Reads the part of TOML that containerd's settings use, strictly; `tomllib` is not in Python 3.10."""

from __future__ import annotations

MYPY = False
if MYPY:
    from typing import Any

_SPACE, _ESCAPES = " \t", {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "r": "\r"}
_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


class Unreadable(Exception):
    """The text is no TOML: where and why."""

    def __init__(self, line: int, why: str, table: str = "") -> None:
        super().__init__(f"({line}, 1): {why}")
        self.line, self.why, self.table = line, why, table


class Reader:
    """Goes through a text once."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text.replace("\r\n", "\n"), 0
        self.tables: set[tuple[str, ...]] = set()

    def document(self) -> dict[str, Any]:
        """The whole text."""
        whole: dict[str, Any] = {}
        table = whole
        while self._skip():
            if self._peek() == "[":
                table = self._header(whole)
            else:
                self._entry(table)
            self._end_of_line()
        return whole

    # small things

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _fail(self, why: str, table: str = "") -> Unreadable:
        return Unreadable(self.text.count("\n", 0, self.at) + 1, why, table)

    def _blanks(self) -> None:
        while self._peek() and self._peek() in _SPACE:
            self.at += 1

    def _comment(self) -> None:
        if self._peek() == "#":
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end

    def _skip(self) -> bool:
        """To the next thing that counts; whether there is one."""
        while True:
            self._blanks()
            self._comment()
            if self._peek() != "\n":
                return bool(self._peek())
            self.at += 1

    def _end_of_line(self) -> None:
        self._blanks()
        self._comment()
        if self._peek() not in {"\n", ""}:
            raise self._fail(f"unexpected {self._peek()!r} after the value")

    def _take(self, mark: str) -> None:
        if not self.text.startswith(mark, self.at):
            raise self._fail(f"expected {mark!r}, found {self._peek()!r}")
        self.at += len(mark)

    # keys, tables

    def _header(self, whole: dict[str, Any]) -> dict[str, Any]:
        self._take("[")
        if self._peek() == "[":
            raise self._fail("arrays of tables are not simulated")
        path = self._key()
        self._take("]")
        if path in self.tables:
            raise self._fail("duplicated tables", path[-1])
        self.tables.add(path)
        return self._descend(whole, path)

    def _descend(self, table: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        for name in path:
            inner = table.setdefault(name, {})
            if not isinstance(inner, dict):
                raise self._fail(f"{name} is a value already", name)
            table = inner
        return table

    def _entry(self, table: dict[str, Any]) -> None:
        path = self._key()
        self._take("=")
        self._blanks()
        inner = self._descend(table, path[:-1])
        if path[-1] in inner:
            raise self._fail(f"The following key was defined twice: {path[-1]}", path[-1])
        inner[path[-1]] = self._value()

    def _key(self) -> tuple[str, ...]:
        parts = []
        while True:
            self._blanks()
            parts.append(self._string() if self._peek() in {'"', "'"} else self._bare())
            self._blanks()
            if self._peek() != ".":
                return tuple(parts)
            self.at += 1

    def _bare(self) -> str:
        start = self.at
        while self._peek() in _BARE and self._peek():
            self.at += 1
        if start == self.at:
            raise self._fail(f"keys cannot contain {self._peek()!r}")
        return self.text[start : self.at]

    # values

    def _value(self) -> Any:
        first = self._peek()
        if first and first in "\"'":
            return self._string()
        if first == "[":
            return self._array()
        if first == "{":
            return self._inline()
        start = self.at
        while self._peek() and self._peek() not in ",]}#\n \t":
            self.at += 1
        return self._plain(self.text[start : self.at])

    def _plain(self, word: str) -> Any:
        if word in {"true", "false"}:
            return word == "true"
        try:
            return float(word) if "." in word else int(word.replace("_", ""), 0)
        except ValueError:
            raise self._fail(f"no value can be {word!r}") from None

    def _string(self) -> str:
        quote = self._peek()
        if self.text.startswith(quote * 3, self.at):
            raise self._fail("strings over several lines are not simulated")
        self.at += 1
        out = ""
        while self._peek() not in {quote, "\n", ""}:
            if quote == '"' and self._peek() == "\\":
                self.at += 1
                out += _ESCAPES.get(self._peek(), self._peek())
            else:
                out += self._peek()
            self.at += 1
        self._take(quote)
        return out

    def _array(self) -> list[Any]:
        self._take("[")
        found: list[Any] = []
        while self._skip() and self._peek() != "]":
            found.append(self._value())
            self._skip()
            if self._peek() != ",":
                break
            self.at += 1
        self._skip()
        self._take("]")
        return found

    def _inline(self) -> dict[str, Any]:
        self._take("{")
        table: dict[str, Any] = {}
        self._blanks()
        while self._peek() != "}":
            self._entry(table)
            self._blanks()
            if self._peek() == ",":
                self.at += 1
                self._blanks()
        self.at += 1
        return table


def loads(text: str) -> dict[str, Any]:
    """Reads a text."""
    return Reader(text).document()


def dumps(table: dict[str, Any], quote: str, path: tuple[str, ...] = ()) -> str:
    """Writes a table as containerd dumps it: tables indented by their depth, keys with dots quoted."""
    pad = "  " * max(len(path) - 1, 0)
    inner = "  " * len(path)
    lines = [f"{pad}[{'.'.join(_shown(part, quote) for part in path)}]\n"] if path else []
    lines += [
        f"{inner}{key} = {_literal(value, quote)}\n"
        for key, value in sorted(table.items())
        if not isinstance(value, dict)
    ]
    tables = [(key, value) for key, value in sorted(table.items()) if isinstance(value, dict)]
    return "".join(lines) + "".join("\n" + dumps(value, quote, (*path, key)) for key, value in tables)


def _shown(part: str, quote: str) -> str:
    return part if part and all(letter in _BARE for letter in part) else f"{quote}{part}{quote}"


def _literal(value: Any, quote: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"{quote}{value}{quote}"
    if isinstance(value, list):
        return "[" + ", ".join(_literal(item, quote) for item in value) + "]"
    return str(value)


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Two documents as one: tables go into each other, and of anything else the second one counts."""
    out = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if both else value
    return out
