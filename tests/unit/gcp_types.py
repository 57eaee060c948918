"""What an SDK takes, read from its own types: every path of what we send, held against them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any


def strangers(sent: Mapping[str, Any], shape: type, module: Any, at: str = "") -> Iterator[str]:
    """Paths in `sent` that the args class does not have; texts where the SDK wants a block, and the other way round."""
    known = inspect.signature(shape).parameters
    for key, value in sent.items():
        path = f"{at}.{key}" if at else key
        if key not in known:
            yield f"{path} is not in {shape.__name__}"
            continue
        inner = block_of(str(known[key].annotation), module)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Mapping) and inner is not None:
                yield from strangers(one, inner, module, path)
            elif isinstance(one, Mapping) and "Mapping[str, " in str(known[key].annotation):
                continue  # labels
            elif isinstance(one, Mapping) != (inner is not None):
                yield f"{path}: {one!r} does not fit {inner}"


def block_of(annotation: str, module: Any) -> type | None:
    """The args class that stands in an annotation."""
    found = re.findall(r"\b([A-Z]\w+Args)\b", annotation)
    return getattr(module, found[0], None) if found else None


def missing(sent: Mapping[str, Any], shape: type, module: Any, at: str = "") -> Iterator[str]:
    """Paths that the SDK demands and that were not sent."""
    for key, known in inspect.signature(shape).parameters.items():
        path = f"{at}.{key}" if at else key
        if known.default is inspect.Parameter.empty and key not in sent:
            yield f"{path} is demanded by {shape.__name__}"
        inner = block_of(str(known.annotation), module)
        value = sent.get(key)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Mapping) and inner is not None:
                yield from missing(one, inner, module, path)
