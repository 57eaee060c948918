"""How a wrong value is quoted and which right word is offered for it; the same in every refusal."""

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

LONGEST = 60  # of a quoted value: enough to find it again in the file

PLAIN = r"[A-Za-z0-9][A-Za-z0-9_./-]{0,59}"
MOST = 10**18  # beyond it Python may refuse to print a number


def shown(value: Any) -> str:
    """A value as a person finds it again: short, on one line, printable on every terminal."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, (list, tuple, set, frozenset)):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"the text {shortened(json.dumps(value))}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= MOST:
        return "a number beyond all bounds"
    return shortened(repr(value))


def named(key: Any) -> str:
    """A key as part of a path: as it is if it is a plain word, else quoted."""
    text = key if isinstance(key, str) else shown(key)
    return text if re.fullmatch(PLAIN, text) else shortened(json.dumps(text))


def shortened(text: str) -> str:
    """The beginning of a text that is too long for a message."""
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def similar(given: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The known word that was probably meant, or nothing."""
    close = difflib.get_close_matches(given[: 2 * LONGEST], sorted(known), n=1, cutoff=cutoff)
    return close[0] if close else ""


def strangers(given: Mapping[Any, Any], known: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Keys that nobody reads, each with what is wrong: the one that was probably meant, or all there are."""
    words = [*known]
    for key in given:
        if key not in words:
            close = similar(key, words) if isinstance(key, str) else ""
            yield (
                named(key),
                f"is read by nobody, {f'did you mean {close}?' if close else 'known here: ' + ', '.join(words)}",
            )
