"""Reads a stack file the way the real command line does, without its secrets."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from settings import yaml_text
from settings.yaml_text import YamlError

NAMESPACE = "gpu-ready"
PLACEHOLDER = "rehearsal-placeholder"
"""What stands in for every secret: only Pulumi can read a real one."""


class WrongUse(Exception):
    """The command line or the stack file cannot be used as they are; nothing was made."""


@dataclass(frozen=True)
class StackFile:
    """One stack: its name, where it was read, and its config in the form that programs receive."""

    name: str
    path: Path
    config: Mapping[str, Any]
    """Full key -> plain value; secrets are placeholders."""
    secret_keys: frozenset[str] = frozenset()
    environments: tuple[str, ...] = ()
    """Names of what `environment:` would bring from Pulumi ESC: a rehearsal calls nobody and reads none of it."""
    notes: tuple[str, ...] = ()
    """What is odd about the file, and nobody refuses."""

    def wire(self) -> dict[str, str]:
        """All values as text, structured ones as JSON: what a program's config holds."""
        return {key: value_to_text(value) for key, value in self.config.items()}

    def own(self) -> dict[str, str]:
        """The keys of our namespace without it."""
        return {key.partition(":")[2]: text for key, text in self.wire().items() if key.startswith(f"{NAMESPACE}:")}

    def own_secrets(self) -> frozenset[str]:
        """Which of them are secrets."""
        return frozenset(key.partition(":")[2] for key in self.secret_keys if key.startswith(f"{NAMESPACE}:"))


def value_to_text(value: Any) -> str:
    """Text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def find(root: Path, wanted: str) -> Path:
    """A name in `stacks/`, or a path to a stack file."""
    path = Path(wanted)
    if "/" in wanted or path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise WrongUse(f"There is no stack file {wanted}.")
        return path
    inside = root / "stacks" / f"Pulumi.{wanted}.yaml"
    if not inside.is_file():
        raise WrongUse(_no_such_stack(root, wanted))
    return inside


def _no_such_stack(root: Path, wanted: str) -> str:
    known = sorted(stack_name(path) for path in (root / "stacks").glob("Pulumi.*.yaml"))
    near = difflib.get_close_matches(wanted, known, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    there = ", ".join(known) or "none"
    return f"There is no stack {wanted!r} in stacks/.{hint} There are: {there}. A path to a stack file will do too."


def stack_name(path: Path) -> str:
    """`Pulumi.demo.yaml` -> `demo`."""
    name = path.stem.removeprefix("Pulumi.")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name):
        raise WrongUse(f"{name!r} cannot be the name of a stack: letters, digits, `-`, `_` and `.` belong there.")
    return name


def read(root: Path, wanted: str) -> StackFile:
    """The stack file, over the project's defaults."""
    path = find(root, wanted)
    whole = document(path)
    config = whole.get("config") or {}
    if not isinstance(config, dict):
        raise WrongUse(f"{path}: `config` is a {type(config).__name__}, a map of keys belongs there.")
    values, secrets = _project_defaults(root), set()
    for full, value in _with_full_keys(path, config).items():
        values[full] = without_secrets(value)
        secrets |= {full} if values[full] != value else set()
    environments = _environments(whole.get("environment"))
    return StackFile(stack_name(path), path, values, frozenset(secrets), environments, tuple(misspelt(values)))


def _with_full_keys(path: Path, config: dict[Any, Any]) -> dict[str, Any]:
    """Each key with its namespace; without one it belongs to the project, so both forms together are one too many."""
    full = {key: str(key) if ":" in str(key) else f"{NAMESPACE}:{key}" for key in config}
    for key, long in full.items():
        if key != long and long in config:
            raise WrongUse(f"{path}: {key} and {long} are the same setting; one of them has to go.")
    return {full[key]: value for key, value in config.items()}


def misspelt(keys: Iterable[str]) -> Iterator[str]:
    """Keys that nobody reads because of their namespace; those of other packages are none of our business."""
    for key in keys:
        namespace, _, name = key.partition(":")
        if namespace != NAMESPACE and difflib.get_close_matches(namespace.lower(), [NAMESPACE], 1, 0.75):
            yield f"{key} is read by nobody; did you mean {NAMESPACE}:{name}?"


def _environments(written: Any) -> tuple[str, ...]:
    """Imported ones by name; values that stand in the file itself count as one more."""
    if isinstance(written, dict):
        own = ("one written in the stack file",) if written.get("values") else ()
        return (*_environments(written.get("imports")), *own)
    listed = written if isinstance(written, list) else [] if written is None else [written]
    return tuple(name for one in listed for name in (map(str, one) if isinstance(one, dict) else [str(one)]))


def document(path: Path) -> dict[str, Any]:
    """All that stands in a stack file."""
    try:
        loaded = yaml_text.load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"{path} cannot be read: {error}.") from error
    except YamlError as error:
        raise WrongUse(f"{path} {error}.") from error
    if not isinstance(loaded, dict):
        raise WrongUse(f"{path} is not a stack file: a map with the key `config` belongs there.")
    return loaded


def _project_defaults(root: Path) -> dict[str, Any]:
    """What `Pulumi.yaml` gives to each stack."""
    path = root / "Pulumi.yaml"
    declared = (document(path).get("config") or {}) if path.is_file() else {}
    values: dict[str, Any] = {}
    for key, what in declared.items():
        full = str(key) if ":" in str(key) else f"{NAMESPACE}:{key}"
        given = next((what[word] for word in ("value", "default") if isinstance(what, dict) and word in what), None)
        values |= {} if given is None else {full: given}
    return values


def without_secrets(value: Any) -> Any:
    """The value with a placeholder for each `secure:` in it."""
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            return PLACEHOLDER
        return {key: without_secrets(item) for key, item in value.items()}
    return [without_secrets(item) for item in value] if isinstance(value, list) else value
