"""What stands in a config, before anything is made of it: its keys, its secrets, and texts of JSON."""

import dataclasses
import json
from collections.abc import Collection, Mapping
from typing import Any

from decide import host_login
from decide.ownership import TARGETS
from settings.kinds import BROKEN, Place, camel, unknown
from settings.model import Cluster, Config

SECRETS = ("sshPrivateKey", "sshPassword", "joinScript", "k3sToken", "registryPassword")
"""Keys that only ever stand encrypted. Here is seen that they are there, and whether one is a line; nothing else."""
ONE_LINE = {"sshPassword": "sudo reads it from one", "k3sToken": "it is one in a file of the host"}
"""Those that go to a host as a line, and why."""
NOT_A_LINE = "\n"
"""What is seen of a secret that cannot."""
TAKES = {"cluster": ("cluster",), "bareMetal": ("cluster", "bareMetal"), "gke": ("gke",), "aws": ("aws",)}
"""Which keys of targets a target reads."""


def veiled(secret: str) -> str:
    """What `parse` may see of a secret: that it is there, and whether it is a line."""
    return "" if host_login.is_line(secret) else NOT_A_LINE


def check_secrets(raw: Mapping[str, Any], secret_keys: Collection[str], top: Place) -> None:
    """A secret in clear is in the repository already; a setting that is encrypted would be shown in clear later."""
    for key in SECRETS:
        if key in raw and key not in secret_keys:
            fix = f"pulumi config set --secret gpu-ready:{key}"
            top.below(key, "").wrong("stands in clear; take it for known to others, and encrypt the next one", fix)
        elif key in ONE_LINE and raw.get(key) == NOT_A_LINE:
            fix = f"pulumi config set --secret gpu-ready:{key}, and type it there"
            top.below(key, "").wrong(f"is not {host_login.LINE}: {ONE_LINE[key]}", fix)
    top.reading.given.update(key for key in SECRETS if key in raw)
    for one in dataclasses.fields(Config):
        key = camel(one.name)
        if key in raw and key in secret_keys:
            top.below(key, one.metadata["example"]).wrong("is encrypted, but would not stay secret; write it in clear")


def check_keys(raw: Mapping[str, Any], top: Place) -> None:
    """Keys that nobody knows, or that belong to another target."""
    examples = {camel(one.name): one.metadata["example"] for one in dataclasses.fields(Config)}
    target: Any = raw.get("target")
    for key in raw:
        if _is_of_another(key, raw):
            top.below(key, "").wrong(f"belongs to target {key}, but target is {target}", f"leave {key} out")
        elif key not in examples and key not in SECRETS:
            secret = {one: f"pulumi config set --secret gpu-ready:{one}" for one in SECRETS}
            unknown(key, {**examples, **secret}, top)


def _is_of_another(key: Any, raw: Mapping[str, Any]) -> bool:
    """Whether a key says something of a target that was not chosen."""
    target = raw.get("target")
    if not isinstance(target, str) or target not in TARGETS:
        return False
    return key in TARGETS and key not in TAKES.get(target, ()) and _is_given(_parsed(raw.get(key), "object"))


def member(one: "dataclasses.Field[Any]", raw: Mapping[str, Any], secret_keys: Collection[str], top: Place) -> Any:
    """One top-level setting: read, its default, or BROKEN."""
    key = camel(one.name)
    place = top.below(key, one.metadata["example"])
    given = _parsed(raw.get(key), one.metadata["kind"].type)
    if (key in secret_keys and key in raw) or _is_of_another(key, raw):
        return BROKEN  # told already
    if _is_given(given):
        place.reading.given.add(key)
        return one.metadata["kind"].read(given, place)
    return _left_out(one, raw.get("target"), place)


def _left_out(one: "dataclasses.Field[Any]", target: Any, place: Place) -> Any:
    """The default of a setting; a target's own key has none once it is chosen, and is nobody's business before."""
    key = camel(one.name)
    if key in TARGETS:
        chosen = TAKES.get(target, ()) if isinstance(target, str) else ("cluster",)
        if key == "cluster" and target == "bareMetal":
            return Cluster()  # a host may make it; whether one does, a rule says
        if key in chosen:
            return place.wrong("is missing")
        return BROKEN if one.default is dataclasses.MISSING else one.default
    return one.default if one.default is not dataclasses.MISSING else place.wrong("is missing")


def _parsed(given: Any, kind: str) -> Any:
    """Pulumi hands objects over as JSON texts. Any other text stays one, and its reader says what belongs there."""
    if given == "null":  # a key without a value
        return None
    if kind != "object" or not isinstance(given, str):
        return given
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        return given


def _is_given(value: Any) -> bool:
    """Empty objects are what Pulumi.yaml has as default, so that no stack needs the keys of another target."""
    return value is not None and not (isinstance(value, Mapping) and not value)
