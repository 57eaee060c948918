"""Whether what a program sends is what the installed SDK of a cloud knows: each property, to the last level."""

import importlib
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
from pulumi import _types


def args_of(token: str) -> type:
    """The type of the arguments of a resource, by its token `aws:eks/nodeGroup:NodeGroup`."""
    package, place, name = token.split(":")
    module = importlib.import_module(f"pulumi_{package}.{place.partition('/')[0]}".removesuffix(".index"))
    return typing.cast(type, getattr(module, f"{name}Args"))


def strangers(wanted: Any, given: Any, path: str = "") -> Iterator[str]:
    """Every property that the type does not have, or has as something else."""
    kinds = list(_kinds(wanted))
    if any(kind is Any for kind in kinds) or given is None:
        return
    classes = [kind for kind in kinds if isinstance(kind, type) and _types.is_input_type(kind)]
    if isinstance(given, Mapping):
        yield from _in_object(classes, kinds, given, path)
    elif isinstance(given, list):
        inner = [typing.get_args(kind)[0] for kind in kinds if typing.get_origin(kind) in SEQUENCES]
        if not inner:
            yield f"{path}: no list belongs here"
        for number, one in enumerate(given if inner else ()):
            yield from strangers(inner[0], one, f"{path}[{number}]")
    elif not any(_is(kind, given) for kind in kinds):
        yield f"{path}: {type(given).__name__} is none of {kinds}"


SEQUENCES = (list, typing.get_origin(typing.Sequence[int]))
MAPPINGS = (dict, typing.get_origin(typing.Mapping[str, int]))


def _in_object(classes: list[type], kinds: list[Any], given: Mapping[str, Any], path: str) -> Iterator[str]:
    maps = [typing.get_args(kind)[1] for kind in kinds if typing.get_origin(kind) in MAPPINGS]
    if not classes and not maps:
        yield f"{path}: no object belongs here"
    for key, value in given.items():
        place = f"{path}.{key}" if path else key
        if classes:
            known = {theirs: ours for ours, theirs in _types.input_type_py_to_pulumi_names(classes[0]).items()}
            if key not in known:
                yield f"{place}: there is no such property"
            else:
                yield from strangers(_hints(classes[0])[known[key]], value, place)
        elif maps:
            yield from strangers(maps[0], value, place)


def _hints(cls: type) -> dict[str, Any]:
    names = {**vars(importlib.import_module(cls.__module__)), **vars(pulumi), **vars(typing)}
    return typing.get_type_hints(vars(cls)["__init__"], names)


def _kinds(wanted: Any) -> Iterator[Any]:
    """What stands in unions, inputs and options, one by one."""
    origin = typing.get_origin(wanted)
    if origin is typing.Union or str(origin) in ("<class 'types.UnionType'>", "typing.Union"):
        for one in typing.get_args(wanted):
            yield from _kinds(one)
    elif getattr(origin, "__name__", "") not in ("Output", "Awaitable"):
        yield wanted


def _is(kind: Any, given: Any) -> bool:
    if kind is float:
        return isinstance(given, (int, float)) and not isinstance(given, bool)
    if kind is int:
        return isinstance(given, (int, float)) and not isinstance(given, bool) and given == int(given)
    return isinstance(kind, type) and isinstance(given, kind)
