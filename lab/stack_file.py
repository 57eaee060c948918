"""Reads a stack file the way the real command line does, and applies what `--set` changes for one run."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

NAMESPACE = "gpu-ready"
PLACEHOLDER = "rehearsal-placeholder"
"""What stands in for every secret: a rehearsal never sees a real one."""
WORLD = "world"
SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(SafeLoader):  # type: ignore[misc]
    """A safe loader that does not take the second of two equal keys silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The map, or a complaint with the place."""
        seen = set()
        for key, _value in node.value:
            if key.value in seen and isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands there twice", key.start_mark)
            seen |= {key.value} if isinstance(key, yaml.ScalarNode) else set()
        return dict(super().construct_mapping(node, deep))


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


def read(root: Path, wanted: str, changes: Iterable[tuple[str, Any]] = ()) -> StackFile:
    """The stack file, over the project's defaults, under what `--set` says."""
    path = find(root, wanted)
    document = _document(path)
    config = document.get("config") or {}
    if not isinstance(config, dict):
        raise WrongUse(f"{path}: `config` is a {type(config).__name__}, a map of keys belongs there.")
    values, secrets = _project_defaults(root), set()
    for key, value in config.items():
        full = str(key) if ":" in str(key) else f"{NAMESPACE}:{key}"
        values[full] = without_secrets(value)
        secrets |= {full} if values[full] != value else set()
    for target, value in changes:
        put(values, target, value)
    return StackFile(stack_name(path), path, values, frozenset(secrets), _environments(document.get("environment")))


def _environments(written: Any) -> tuple[str, ...]:
    """Imported ones by name; values that stand in the file itself count as one more."""
    if isinstance(written, dict):
        own = ("one written in the stack file",) if written.get("values") else ()
        return (*_environments(written.get("imports")), *own)
    listed = written if isinstance(written, list) else [] if written is None else [written]
    return tuple(name for one in listed for name in (map(str, one) if isinstance(one, dict) else [str(one)]))


def _document(path: Path) -> dict[str, Any]:
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=Loader) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"{path} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        raise WrongUse(f"{path} is not YAML: {_one_line(error)}.") from error
    if not isinstance(document, dict):
        raise WrongUse(f"{path} is not a stack file: a map with the key `config` belongs there.")
    return document


def _one_line(error: yaml.YAMLError) -> str:
    return re.sub(r"\s+", " ", re.sub(r'in "<[^"]*>", ', "", str(error))).strip()


def _project_defaults(root: Path) -> dict[str, Any]:
    """What `Pulumi.yaml` gives to each stack."""
    path = root / "Pulumi.yaml"
    declared = (_document(path).get("config") or {}) if path.is_file() else {}
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


def parse_set(text: str) -> tuple[str, Any]:
    """`gpu.operator=external` -> path and value; the value is read as YAML."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise WrongUse(f"--set {text}: PATH=VALUE belongs there, for example --set gpu.operator=external")
    try:
        return path.strip(), yaml.load(value, Loader=Loader)
    except yaml.YAMLError as error:
        raise WrongUse(f"--set {text}: the value is not YAML: {_one_line(error)}.") from error


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
