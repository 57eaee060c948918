"""Checks Kubernetes objects offline against the strict schemas of the oldest and the newest supported version.

The real provider and the real API server drop a misspelt field silently; here it is a fault with its path.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs

from decide import defaults
from lab.values import UNKNOWN, unwrap

VERSIONS = (defaults.KUBERNETES_OLDEST, defaults.KUBERNETES_NEWEST)
Schema = dict[str, Any]
_NULLABLE = re.compile(r'is not of types "null", "(\w+)"')  # null means "not given" everywhere: not worth a word
# Who makes such an object asks for a Kubernetes that has it, whatever else is the oldest.
_SINCE = {"resource.k8s.io/v1": "1.34"}
_STAND_IN = "unknown-until-the-update"


class Fault(NamedTuple):
    """One place of an object that Kubernetes does not know or does not take."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


def faults(obj: Schema, versions: tuple[str, ...] = VERSIONS) -> list[Fault]:
    """What is wrong with an object; empty for a right one, and for kinds that are not Kubernetes' own."""
    plain = unwrap(obj)
    since = _SINCE.get(str(plain.get("apiVersion")))
    versions = (since, versions[-1]) if since else versions
    found: dict[tuple[str, str], list[str]] = {}
    for version in versions:
        for fault in _faults_in(plain, version):
            found.setdefault((fault.path, fault.reason), []).append(version)
    return [_noted(Fault(*key), seen, versions) for key, seen in found.items()]


def _noted(fault: Fault, seen: list[str], versions: tuple[str, ...]) -> Fault:
    only = f" (in Kubernetes {', '.join(seen)})" if len(seen) < len(versions) else ""
    return fault._replace(reason=fault.reason + only)


def knows(api_version: str, kind: str, version: str = VERSIONS[-1]) -> bool | None:
    """Whether Kubernetes itself has this kind; None for an API group that is not Kubernetes' own."""
    group, _, _ = api_version.rpartition("/")
    index = _index(version)
    if (api_version, kind) in index:
        return True
    return None if group not in {known.rpartition("/")[0] for known, _ in index} else False


def similar(kind: str, version: str = VERSIONS[-1]) -> str:
    """A kind that was perhaps meant, as `; did you mean batch/v1 Job?`, or nothing."""
    kinds = {known: api for api, known in _index(version)}
    close = difflib.get_close_matches(kind, kinds, 1)
    return f"; did you mean {kinds[close[0]]} {close[0]}?" if close else ""


def _faults_in(obj: Schema, version: str) -> Iterator[Fault]:
    api_version, kind = str(obj.get("apiVersion")), str(obj.get("kind"))
    known = knows(api_version, kind, version)
    if known is False:
        yield Fault("kind", f"Kubernetes has no {api_version} {kind}{similar(kind)}")
    if not known:
        return
    unknown: list[list[Any]] = []
    filled = _filled(obj, [], unknown)
    validator, names = _validator(version, api_version, kind)
    for error in validator.iter_errors(filled):
        path = list(error.instance_path)
        if not any(path[: len(one)] == one for one in unknown):
            message = _NULLABLE.sub(r'is not of type "\1"', error.message)
            yield Fault(_shown(path), message + _meant(message, names))


def _filled(value: Any, path: list[Any], unknown: list[list[Any]]) -> Any:
    """The object with something harmless where a value is not known yet; notes where that is."""
    if value is UNKNOWN:
        unknown.append(path)
        return _STAND_IN
    if isinstance(value, dict):
        return {key: _filled(item, [*path, key], unknown) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_filled(item, [*path, number], unknown) for number, item in enumerate(value)]
    return value


def _shown(path: list[Any]) -> str:
    text = ""
    for piece in path:
        text += f"[{piece}]" if isinstance(piece, int) else f".{piece}" if text else str(piece)
    return text


def _meant(message: str, names: frozenset[str]) -> str:
    """The field that was perhaps meant by an unexpected one."""
    match = re.search(r"\('([^']+)' was unexpected\)", message)
    if not match:
        return ""
    plain = {name.lower(): name for name in names}
    close = difflib.get_close_matches(match[1].replace("_", "").lower(), plain, 1)
    return f"; did you mean {plain[close[0]]!r}?" if close else ""


def _folder(version: str) -> Path:
    package = importlib.util.find_spec("kubernetes_validate")  # importing it would cost half a second
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("the package kubernetes-validate is missing; `make setup` installs it")
    return Path(package.submodule_search_locations[0]) / "kubernetes-json-schema" / f"v{version}.0-local-strict"


@cache
def _definitions(version: str) -> dict[str, Schema]:
    text = (_folder(version) / "_definitions.json").read_bytes()
    return json.loads(text)["$defs"]  # type: ignore[no-any-return]


@cache
def _index(version: str) -> dict[tuple[str, str], str]:
    """Definition for each apiVersion and kind."""
    found = {}
    for name, definition in _definitions(version).items():
        for one in definition.get("x-kubernetes-group-version-kind", ()):
            api_version = f"{one['group']}/{one['version']}" if one["group"] else one["version"]
            found[api_version, one["kind"]] = name
    return found


@cache
def _validator(version: str, api_version: str, kind: str) -> tuple[Any, frozenset[str]]:
    """A validator made of the few definitions that this kind needs, and all names of fields in it."""
    first = _index(version)[api_version, kind]
    needed: dict[str, Schema] = {}
    names: set[str] = set()
    left = [first]
    while left:
        name = left.pop()
        if name not in needed:
            needed[name] = _lean(_definitions(version)[name], left)
            names |= set(needed[name].get("properties", ()))
    schema = {"$ref": f"#/$defs/{first}", "$defs": needed}
    return jsonschema_rs.Draft202012Validator(schema), frozenset(names)


def _lean(value: Any, references: list[str]) -> Any:
    """A definition without its texts, with references inside one document; notes what it refers to."""
    if isinstance(value, list):
        return [_lean(item, references) for item in value]
    if not isinstance(value, dict):
        return value
    lean = {}
    for key, item in value.items():
        if key == "$ref":
            name = item.rpartition("/")[2]
            references.append(name)
            lean[key] = f"#/$defs/{name}"
        elif key != "description" or isinstance(item, dict):
            lean[key] = _lean(item, references)
    return lean
