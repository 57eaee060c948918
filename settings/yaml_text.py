"""YAML from people: read strictly, and refused with one sentence."""

from __future__ import annotations

import re
from typing import Any

import yaml

SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(Exception):
    """The text cannot be used; says why on one line."""


class Loader(SafeLoader):  # type: ignore[misc]
    """A safe loader that does not take the second of two equal keys silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The map, or a complaint with the place."""
        seen = set()
        for key, _value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands there twice", key.start_mark)
            seen.add(key.value)
        return dict(super().construct_mapping(node, deep))


def load(text: str) -> Any:
    """What the text says; raises YamlError."""
    try:
        value = yaml.load(text, Loader=Loader)
        endless = _is_endless(value, set(), set())
    except yaml.YAMLError as error:
        raise YamlError(f"is not YAML: {_one_line(error)}") from error
    except RecursionError:
        raise YamlError("is nested too deeply") from None
    if endless:
        raise YamlError("has an anchor that contains itself")
    return value


def _is_endless(value: Any, above: set[int], seen: set[int]) -> bool:
    """Whether a map or list stands somewhere inside itself; each is entered once, however often it is referred to."""
    if not isinstance(value, (dict, list)) or id(value) in seen:
        return id(value) in above
    seen.add(id(value))
    above.add(id(value))
    inside = value.values() if isinstance(value, dict) else value
    found = any(_is_endless(one, above, seen) for one in inside)
    above.discard(id(value))
    return found


def _one_line(error: yaml.YAMLError) -> str:
    return re.sub(r"\s+", " ", re.sub(r'in "<[^"]*>", ', "", str(error))).strip()
