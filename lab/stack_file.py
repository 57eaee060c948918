"""What `--set` changes for one run, over what stands in the stack file."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from settings import stack_file
from settings.stack_file import NAMESPACE, PLACEHOLDER, Loader, StackFile, WrongUse, one_line

__all__ = [
    "NAMESPACE", "PLACEHOLDER", "Loader", "StackFile", "WrongUse", "parse_set", "put", "read", "split",
]  # fmt: skip

WORLD = "world"


def read(root: Path, wanted: str, changes: Iterable[tuple[str, Any]] = ()) -> StackFile:
    """The stack file, over the project's defaults, under what `--set` says."""
    found = stack_file.read(root, wanted)
    values = dict(found.config)
    for target, value in changes:
        put(values, target, value)
    return dataclasses.replace(found, config=values)


def parse_set(text: str) -> tuple[str, Any]:
    """`gpu.operator=external` -> path and value; the value is read as YAML."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise WrongUse(f"--set {text}: PATH=VALUE belongs there, for example --set gpu.operator=external")
    try:
        return path.strip(), yaml.load(value, Loader=Loader)
    except yaml.YAMLError as error:
        raise WrongUse(f"--set {text}: the value is not YAML: {one_line(error)}.") from error


def split(changes: Iterable[str]) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """What `--set` says about the config, and what about the simulated world (`world.` taken off)."""
    parsed = [parse_set(text) for text in changes]
    ours = [one for one in parsed if not one[0].startswith(f"{WORLD}.")]
    return ours, [(path.partition(".")[2], value) for path, value in parsed if path.startswith(f"{WORLD}.")]


STEP = re.compile(r'\[?"([^"]+)"\]?|\[(\d+)\]|([^.\[\]"]+)')


def put(values: dict[str, Any], path: str, value: Any) -> None:
    """Sets one value inside the config; what is missing on the way is made."""
    namespace, colon, rest = path.partition(":")
    steps = ["".join(found) for found in STEP.findall(rest if colon else path)]
    if not steps:
        raise WrongUse(f"--set {path}: a key belongs before the equals sign, for example gpu.operator.")
    key = f"{namespace if colon else NAMESPACE}:{steps[0]}"
    values[key] = _with(values.get(key), steps[1:], value, path)


def _with(old: Any, steps: list[str], value: Any, path: str) -> Any:
    if not steps:
        return value
    head, rest = steps[0], steps[1:]
    if isinstance(old, list):
        if not head.isdigit() or int(head) > len(old):
            raise WrongUse(f"--set {path}: a list of {len(old)} stands there, and {head!r} is no place in it.")
        at = int(head)
        return [*old[:at], _with(old[at] if at < len(old) else None, rest, value, path), *old[at + 1 :]]
    if old is not None and not isinstance(old, dict):
        raise WrongUse(f"--set {path}: {old!r} stands where {head!r} would have to be a key of a map.")
    return {**(old or {}), head: _with((old or {}).get(head), rest, value, path)}
