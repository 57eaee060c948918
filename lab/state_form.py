"""Whether an entry of a state has the form that the engine relies on; one that somebody edited by hand may not."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin, get_type_hints

_URN_PARTS = 4


@functools.cache
def _kinds(shape: type) -> dict[str, Any]:
    return get_type_hints(shape)


def misfit(entry: Any, spelled: Mapping[str, str]) -> str:
    """What is wrong with it first of all, or nothing; fields are named as the file spells them."""
    return next(_misfits(entry, spelled), "")


def _misfits(entry: Any, spelled: Mapping[str, str]) -> Iterator[str]:
    for key, kind in _kinds(type(entry)).items():  # type: ignore[arg-type] # each class is hashable
        for found in _unlike(getattr(entry, key), kind):
            yield f"{spelled[key]} of {entry.urn}: {found}" if key != "urn" else f"urn: {found}"
    if not _is_urn(entry.urn):
        yield f"{entry.urn!r} is no URN"
    if entry.provider and not _is_urn(entry.provider_urn):
        yield f"{entry.provider!r} is no provider"


def _unlike(value: Any, kind: Any) -> Iterator[str]:
    """Where the value is not of its declared type, as deep as that goes."""
    shape = get_origin(kind) or kind
    if shape is Any:
        return
    if not isinstance(value, shape):
        yield f"{_named(type(value))} where {_named(shape)} belongs"
        return
    inner = get_args(kind)[-1:]
    inside = value.values() if isinstance(value, Mapping) else value
    for one in inside if inner else ():
        yield from _unlike(one, inner[0])


def _named(kind: type) -> str:
    return f"{'an' if kind.__name__[0] in 'aeiou' else 'a'} {kind.__name__}"


def _is_urn(text: str) -> bool:
    return text.startswith("urn:pulumi:") and len(text.split("::")) >= _URN_PARTS
