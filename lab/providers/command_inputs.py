"""What the commands take: every property with its kind, and a word for one that was misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lab.provider import CheckFailure, Props
from lab.values import UNKNOWN, Asset, Secret, unwrap


@dataclass(frozen=True)
class Kind:
    """What a property has to be."""

    words: str
    fits: Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or value is UNKNOWN


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value) >= least


TEXT: Final = Kind("a string", lambda value: isinstance(value, str))
_FLAG: Final = Kind("true or false", lambda value: isinstance(value, bool))
_LIST: Final = Kind("a list", lambda value: isinstance(value, list))
_TEXTS: Final = Kind("a list of strings", lambda v: isinstance(v, list) and all(_is_text(item) for item in v))
_TABLE: Final = Kind(
    "a map of strings", lambda value: isinstance(value, dict) and all(_is_text(item) for item in value.values())
)
_MAP: Final = Kind("a map", lambda value: isinstance(value, dict))
_PORT: Final = Kind("a port from 1 to 65535", lambda value: _is_whole(value, 1) and value <= 65535)
_LIMIT: Final = Kind("a whole number, -1 for no limit", lambda value: _is_whole(value, -1))
_FILE: Final = Kind("a FileAsset (archives are not rehearsed)", lambda value: isinstance(value, Asset))
_SECONDS: Final = Kind("a number of seconds", lambda value: _is_whole(value, 0))
STREAMS: Final = {"stdout": {"stdout"}, "stderr": {"stderr"}, "stdoutAndStderr": {"stdout", "stderr"}, "none": set()}
_LOGGING: Final = Kind("one of " + ", ".join(STREAMS), lambda value: value in STREAMS)

Inputs = Mapping[str, Kind]
_COMMON: Final[Inputs] = {
    "stdin": TEXT, "logging": _LOGGING, "environment": _TABLE, "addPreviousOutputInEnv": _FLAG,
}  # fmt: skip
_SCRIPTS: Final[Inputs] = {"create": TEXT, "update": TEXT, "delete": TEXT, "triggers": _LIST}
RUN: Final[Inputs] = {**_COMMON, "interpreter": _TEXTS, "dir": TEXT}
LOCAL: Final[Inputs] = {**RUN, **_SCRIPTS}
REMOTE: Final[Inputs] = {**_COMMON, **_SCRIPTS, "connection": _MAP}
COPY: Final[Inputs] = {"connection": _MAP, "remotePath": TEXT, "source": _FILE, "triggers": _LIST}
CONNECTION: Final[Inputs] = {
    "host": TEXT, "port": _PORT, "user": TEXT, "password": TEXT, "privateKey": TEXT, "privateKeyPassword": TEXT,
    "agentSocketPath": TEXT, "hostKey": TEXT, "dialErrorLimit": _LIMIT, "perDialTimeout": _SECONDS,
}  # fmt: skip
_NOT_REHEARSED: Final = {
    "assetPaths": "is not rehearsed",
    "archivePaths": "is not rehearsed",
    "proxy": "is not rehearsed: the simulated network has no bastion",
}


def faults(inputs: Props, known: Inputs, what: str = "a command") -> list[CheckFailure]:
    """Misspelt keys and values of the wrong kind."""
    return [CheckFailure(key, why) for key, value in inputs.items() if (why := _fault(key, unwrap(value), known, what))]


def _fault(key: str, value: Any, known: Inputs, what: str) -> str:
    if key in _NOT_REHEARSED:
        return _NOT_REHEARSED[key]
    if key not in known:
        close = difflib.get_close_matches(key, known, 1)
        return f"is no property of {what}" + (f"; did you mean {close[0]!r}?" if close else "")
    kind = known[key]
    return "" if value is UNKNOWN or kind.fits(value) else f"must be {kind.words}"


def without_nothing(value: Any) -> Any:
    """The value without what is None in a map, at any depth: the real provider drops it."""
    if isinstance(value, Secret):
        return Secret(without_nothing(value.value))
    if isinstance(value, Mapping):
        return {key: without_nothing(item) for key, item in value.items() if item is not None}
    return [without_nothing(item) for item in value] if isinstance(value, list) else value
