"""Property values as engine and providers see them: plain data, secrets, and what is not known yet.

Three forms exist: in Python (`Secret`, `UNKNOWN`), on the wire to the SDK (protobuf structs with marker
strings) and in the state file (JSON with the same markers).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path as File
from typing import Any, Final

from google.protobuf import struct_pb2
from pulumi.runtime import rpc

_SIGNATURE: Final = rpc._special_sig_key
_SECRET: Final = rpc._special_secret_sig
_ASSET: Final = rpc._special_asset_sig
_UNKNOWN: Final = rpc.UNKNOWN
UNKNOWN_ID: Final = rpc.UNKNOWN
"""Stands for an id that is not known yet in a reference to a provider."""


class Unknown:
    """What a preview cannot know; there is one, `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __deepcopy__(self, _memo: object) -> Unknown:
        return self


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that must not be shown."""

    value: Any

    def __repr__(self) -> str:
        return "Secret([secret])"


@dataclass(frozen=True)
class Asset:
    """A file: what is in it is all that counts, wherever it lies."""

    hash: str
    path: str = field(compare=False)

    def __str__(self) -> str:
        return f"asset(file:{self.hash[:7]}) {{ {self.path} }}"

    @classmethod
    def read(cls, form: Mapping[str, Any]) -> Asset:
        """From the marked form; the SDK sends no hash."""
        if "path" not in form:
            raise ValueError(f"of assets only files are rehearsed, not {', '.join(sorted({*form} - {_SIGNATURE}))}")
        path = str(form["path"])
        return cls(form.get("hash") or cls._hash_of(path), path)

    @staticmethod
    def _hash_of(path: str) -> str:
        try:
            return sha256(File(path).read_bytes()).hexdigest()
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise ValueError(f"failed to compute asset hash: failed to open asset file '{path}': {why}") from error


def from_json(value: Any) -> Any:
    """Reads the marked JSON form: the state file's, and the wire's after `from_wire`."""
    if isinstance(value, Mapping):
        if value.get(_SIGNATURE) == _SECRET:
            return Secret(unwrap(from_json(value.get("value"))))
        if value.get(_SIGNATURE) == _ASSET:
            return Asset.read(value)
        return {key: from_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_json(item) for item in value]
    return UNKNOWN if value == _UNKNOWN else value


def to_json(value: Any) -> Any:
    """The opposite of `from_json`."""
    if value is None or isinstance(value, (str, bool, int, float)):  # most of all that there is, so it comes first
        return value
    if isinstance(value, Secret):
        return {_SIGNATURE: _SECRET, "value": to_json(value.value)}
    if isinstance(value, Asset):
        return {_SIGNATURE: _ASSET, "hash": value.hash, "path": value.path}
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return _UNKNOWN if value is UNKNOWN else value


def _fields(message: struct_pb2.Struct) -> dict[str, Any]:
    return {key: _message(message.fields[key]) for key in sorted(message.fields)}  # the wire has no order


def _message(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _fields(value.struct_value)
    if kind == "list_value":
        return [_message(item) for item in value.list_value.values]
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    return None if kind in (None, "null_value") else getattr(value, kind)


def from_wire(message: struct_pb2.Struct | struct_pb2.Value) -> Any:
    """What the SDK sent, as Python values."""
    if isinstance(message, struct_pb2.Value):
        return from_json(_message(message))
    return {key: from_json(item) for key, item in _fields(message).items()}


def to_wire(props: Mapping[str, Any]) -> struct_pb2.Struct:
    """Properties as the SDK reads them."""
    message = struct_pb2.Struct()
    message.update(to_json(props))
    return message


def _rewritten(value: Any, secret: Any, unknown: Any) -> Any:
    if isinstance(value, Secret):
        return secret(value)
    if isinstance(value, Mapping):
        return {key: _rewritten(item, secret, unknown) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rewritten(item, secret, unknown) for item in value]
    return unknown if value is UNKNOWN else value


def unwrap(value: Any) -> Any:
    """The value without its secret marks."""
    return _rewritten(value, lambda item: unwrap(item.value), UNKNOWN)


def shown(value: Any) -> Any:
    """The value as it may be shown: secrets and unknowns replaced by a word in brackets."""
    return _rewritten(value, lambda _item: "[secret]", "[unknown]")


def has_unknown(value: Any) -> bool:
    """Whether anything in it is not known yet."""
    return any(item is UNKNOWN for item in _leaves(value))


def _leaves(value: Any) -> Iterator[Any]:
    value = value.value if isinstance(value, Secret) else value
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def secrets_like(values: Any, pattern: Any) -> Any:
    """`values` with a secret mark wherever `pattern` has one: outputs that echo inputs."""
    if isinstance(pattern, Secret) and not isinstance(values, Secret):
        return Secret(unwrap(values))
    if isinstance(pattern, Mapping) and isinstance(values, Mapping):
        return {key: secrets_like(item, pattern.get(key)) for key, item in values.items()}
    if isinstance(pattern, (list, tuple)) and isinstance(values, (list, tuple)) and len(pattern) == len(values):
        return [secrets_like(item, other) for item, other in zip(values, pattern, strict=True)]
    return values


Path = tuple[Any, ...]
_PIECE: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[\"((?:[^\"\\]|\\.)*)\"\]|(\[\*\])")


def parse_path(text: str) -> Path:
    """`spec.containers[0]`, `annotations["a.b/c"]`, `triggers[*]` as a tuple of keys, indexes and "*"."""
    pieces: list[Any] = []
    for name, index, quoted, star in _PIECE.findall(text):
        pieces.append("*" if star else int(index) if index else (name or quoted))
    return tuple(pieces)


def show_path(path: Path) -> str:
    """The opposite of `parse_path`."""
    text = ""
    for piece in path:
        if isinstance(piece, int):
            text += f"[{piece}]"
        elif re.search(r"[.\[\]]", piece):
            text += f'["{piece}"]'
        else:
            text += f".{piece}" if text else piece
    return text


def covers(pattern: Path, path: Path) -> bool:
    """Whether `path` is what the pattern names, or lies inside it."""
    return len(pattern) <= len(path) and all(a in ("*", b) for a, b in zip(pattern, path, strict=False))


MISSING: Final = object()


def get_path(value: Any, path: Path) -> Any:
    """What stands at the path, or `MISSING`; a secret on the way makes the result secret."""
    if isinstance(value, Secret):
        inner = get_path(value.value, path)
        return inner if inner is MISSING else Secret(unwrap(inner))
    if not path:
        return value
    if isinstance(value, Mapping) and path[0] in value:
        return get_path(value[path[0]], path[1:])
    if isinstance(value, list) and isinstance(path[0], int) and path[0] < len(value):
        return get_path(value[path[0]], path[1:])
    return MISSING


def ignoring(new: dict[str, Any], old: dict[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """`new`, but at these paths as `old` has it: what ignore_changes means."""
    for path in paths:
        new = with_old(new, old, parse_path(path))
    return new


def with_old(new: Any, old: Any, path: Path) -> Any:
    """`new`, but at the path (which may hold "*") as `old` has it."""
    if not path:
        return old
    if isinstance(new, Secret) or isinstance(old, Secret):
        return Secret(unwrap(with_old(unwrap(new), unwrap(old), path)))
    if isinstance(new, Mapping):
        return _mapping_with_old(new, old if isinstance(old, Mapping) else {}, path)
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        wanted = range(len(new)) if path[0] == "*" else [path[0]]
        return [with_old(v, old[i], path[1:]) if i in wanted else v for i, v in enumerate(new)]
    return new


def _mapping_with_old(new: Mapping[str, Any], old: Mapping[str, Any], path: Path) -> dict[str, Any]:
    result = dict(new)
    for key in [*new, *(k for k in old if k not in new)] if path[0] == "*" else [path[0]]:
        item = old.get(key, MISSING)
        if len(path) > 1:
            item = with_old(new[key], {} if item is MISSING else item, path[1:]) if key in new else MISSING
        if item is not MISSING:
            result[key] = item
        elif len(path) == 1:
            result.pop(key, None)
    return result


def diff_paths(old: Any, new: Any, at: Path = (), marks: bool = False) -> list[Path]:
    """Where two values differ, marks of secrecy aside unless they count; what is unknown differs from everything."""
    if marks and isinstance(old, Secret) != isinstance(new, Secret):
        return [at]
    old, new = (side.value if isinstance(side, Secret) else side for side in (old, new))
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*old, *(key for key in new if key not in old)]
        return [p for k in keys for p in diff_paths(old.get(k, MISSING), new.get(k, MISSING), (*at, k), marks)]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [path for i, (a, b) in pairs for path in diff_paths(a, b, (*at, i), marks)]
    comparable = type(old) is type(new) or (_is_number(old) and _is_number(new))
    return [] if comparable and old == new and new is not UNKNOWN else [at]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
