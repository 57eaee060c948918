"""What `--set` changes for one run, over what stands in the stack file."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from settings import stack_file, yaml_text
from settings.stack_file import NAMESPACE, PLACEHOLDER, StackFile, WrongUse, misspelt
from settings.yaml_text import YamlError

__all__ = ["NAMESPACE", "PLACEHOLDER", "StackFile", "WrongUse", "parse_set", "put", "read", "split"]

WORLD = "world"
TAKES_NONE = "a rehearsal takes no real secret: for --set {} a placeholder stands in"


def read(root: Path, wanted: str, changes: Iterable[tuple[str, Any]] = ()) -> StackFile:
    """The stack file, over the project's defaults, under what `--set` says."""
    found = stack_file.read(root, wanted)
    values = dict(found.config)
    for target, value in changes:
        put(values, target, value)
    changed = {key for key in values if values[key] != found.config.get(key)}
    secret = {key for key in changed if is_secret(key) or found.config.get(key) == PLACEHOLDER}
    notes = [*misspelt(values), *(TAKES_NONE.format(key.partition(":")[2]) for key in sorted(secret))]
    values |= dict.fromkeys(secret, PLACEHOLDER)
    return dataclasses.replace(found, config=values, notes=tuple(notes), secret_keys=found.secret_keys | secret)


def is_secret(key: str) -> bool:
    """Whether this is a key that only ever stands encrypted."""
    from settings import SECRETS

    namespace, _, name = key.partition(":")
    return namespace == NAMESPACE and name in SECRETS


def parse_set(text: str) -> tuple[str, Any]:
    """`gpu.operator=external` -> path and value; the value is read as YAML."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise WrongUse(f"--set {text}: PATH=VALUE belongs there, for example --set gpu.operator=external")
    try:
        return path.strip(), yaml_text.load(value)
    except YamlError as error:
        raise WrongUse(f"--set {text}: the value {error}.") from error


def split(changes: Iterable[str]) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """What `--set` says about the config, and what about the simulated world (`world.` taken off)."""
    ours: list[tuple[str, Any]] = []
    worlds: list[tuple[str, Any]] = []
    for text in changes:
        path, value = parse_set(text)
        if path.startswith(f"{WORLD}."):
            worlds.append(_switch(path.partition(".")[2], value, text.partition("=")[2].strip()))
        else:
            ours.append((path, value))
    return ours, worlds


def _switch(path: str, value: Any, written: str) -> tuple[str, Any]:
    """YAML takes 1.20 for the number 1.2, and off for a truth value: where the world wants a text, it gets one."""
    from lab.cluster.host_spec import meant_ssh
    from lab.cluster.spec import is_text

    if path.startswith("hosts.") and path.endswith(".ssh"):
        return path, meant_ssh(value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return path, written if is_number and is_text(path) else value


def turning(path: str, value: Any) -> str:
    """The option that turns a switch of the world to this value, to be pasted: the opposite of `split`."""
    plain = f"{WORLD}.{path}={value}"
    with contextlib.suppress(WrongUse):
        if isinstance(value, str) and split([plain]) == ([], [(path, value)]):
            return f"--set {shlex.quote(plain)}"
    return f"--set {shlex.quote(f'{WORLD}.{path}={json.dumps(value)}')}"


STEP = re.compile(r'\[?"([^"]+)"\]?|\[(\d+)\]|([^.\[\]"]+)')


def put(values: dict[str, Any], path: str, value: Any) -> None:
    """Sets one value inside the config; what is missing on the way is made."""
    namespace, colon, rest = path.partition(":")
    steps = ["".join(found) for found in STEP.findall(rest if colon else path)]
    if not steps:
        raise WrongUse(f"--set {path}: a key belongs before the equals sign, for example gpu.operator.")
    ours = not colon or namespace == NAMESPACE
    key = f"{NAMESPACE if ours else namespace}:{steps[0]}"
    values[key] = _with(values.get(key), steps, 1, value, Place(path, ours))


class Place(NamedTuple):
    """Where `--set` puts something."""

    path: str
    ours: bool
    """Whether it is a setting of this project."""

    def wrong(self, why: str, example: str = "") -> WrongUse:
        """The refusal."""
        return WrongUse(f"--set {self.path}: {why}{f' Example: --set {example}' if example else ''}")


def _with(old: Any, steps: list[str], at: int, value: Any, place: Place) -> Any:
    """`old`, which stands at the first `at` steps, with the value at the end of all steps."""
    if at == len(steps):
        return value
    head = steps[at]
    if isinstance(old, list):
        if not head.isdigit() or int(head) > len(old):
            raise place.wrong(f"a list of {len(old)} stands there, and {head!r} is no place in it.")
        inner = _with(old[int(head)] if int(head) < len(old) else None, steps, at + 1, value, place)
        return [*old[: int(head)], inner, *old[int(head) + 1 :]]
    known = _as_map(old, steps[:at], head, place)
    return {**known, head: _with(known.get(head), steps, at + 1, value, place)}


def _as_map(old: Any, steps: list[str], head: str, place: Place) -> dict[Any, Any]:
    """What stands there as a map: a mere text may be short for one."""
    from settings.lookup import example_at, short_key

    if old is None or isinstance(old, dict):
        return old or {}
    short = short_key(steps) if place.ours and isinstance(old, str) else ""
    if short:
        return {short: old}
    example = example_at(steps) if place.ours else ""
    raise place.wrong(
        f"{old!r} stands where {head!r} would have to be a key of a map.",
        f"{'.'.join(steps)}={example}" if example else "",
    )
