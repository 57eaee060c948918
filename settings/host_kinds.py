"""Kinds of values that only hosts have: addresses, host keys, driver branches."""

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from decide import defaults
from decide.catalog import BRANCHES, SUPPORTED
from decide.host_packages import is_below
from decide.host_wish import TOOLKIT, VERSION
from decide.wording import shown
from settings.kinds import Place

PLACEHOLDER = re.compile(r"replace|example|your|\.\.\.", re.IGNORECASE)
KEYSCAN = "ssh-keyscan -t ed25519 ADDRESS | cut -d' ' -f2-"
CURVES = {"ecdsa-sha2-nistp256": 65, "ecdsa-sha2-nistp384": 97, "ecdsa-sha2-nistp521": 133}
SHORTEST_RSA = 2048 // 8


@dataclass(frozen=True)
class Address:
    """Name or address of a host, without user and port."""

    type: str = "string"
    name = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9][A-Za-z0-9-]{0,62})*\.?")

    def read(self, given: Any, place: Place) -> Any:
        """The address as it was written."""
        if not isinstance(given, str):
            return place.expected("a host name or an address", given)
        if "@" in given:
            return place.wrong("the user stands apart", f"user: {given.split('@')[0][:32] or 'root'}")
        if _is_address(given) or (self.name.fullmatch(given) and not re.fullmatch(r"[0-9.]+", given)):
            return given
        if re.fullmatch(r"[^:]+:[0-9]{1,5}", given):
            return place.wrong("the port stands apart", f"port: {given.rpartition(':')[2]}")
        return place.expected("a host name or an address", given)


def _is_address(given: str) -> bool:
    try:
        ipaddress.ip_address(given)
    except ValueError:
        return False
    return "%" not in given


@dataclass(frozen=True)
class HostKey:
    """The public key that a host has to show; without it anybody in between could."""

    type: str = "string"

    def read(self, given: Any, place: Place) -> Any:
        """Kind and key; what follows them is for people and is left out, so that it can change without a change."""
        if not isinstance(given, str):
            return place.expected("the public key of the host", given)
        if "PRIVATE KEY" in given:
            return place.wrong(
                "this is a private key; take it for known to others. The public one belongs here", KEYSCAN
            )
        words = given.split()
        problem = self._problem(given, words)
        return place.wrong(problem, KEYSCAN) if problem else " ".join(words[:2])

    @staticmethod
    def _problem(given: str, words: list[str]) -> str:
        kind = words[0] if words else ""
        if kind.startswith("SHA256:"):
            return "this is the fingerprint of a key; the whole key belongs here"
        if "-cert-v" in kind:
            return "this is a certificate; the key of the host itself belongs here"
        if kind == "ssh-dss":
            return "DSA keys are not accepted any more; take the host's ssh-ed25519 key"
        if PLACEHOLDER.search(given) and not _is_key(words):
            return "the placeholder has to be replaced by the public key of the host"
        if len(words) > 2 and _is_key(words[1:]):
            return "the address in front of the key has to go"
        return "" if _is_key(words) else f"a public host key belongs here, got {shown(given)}"


def _is_key(words: list[str]) -> bool:
    """Whether the second word holds, in ssh's own wire format, a key of the kind that the first one names."""
    if len(words) < 2:
        return False
    fields = _fields(words[1])
    if not fields or fields[0] != words[0].encode("utf-8", "replace"):
        return False
    kind, rest = words[0], [len(field.lstrip(b"\0")) for field in fields[1:]]
    if kind == "ssh-ed25519":
        return len(fields) == 2 and len(fields[1]) == 32
    if kind == "ssh-rsa":
        return len(fields) == 3 and rest[0] > 0 and rest[1] >= SHORTEST_RSA
    return kind in CURVES and fields[1] == kind[11:].encode() and len(fields) == 3 and len(fields[2]) == CURVES[kind]


def _fields(encoded: str) -> list[bytes]:
    """The length-prefixed fields of a key; nothing if it is none."""
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return []
    fields = []
    while data:
        length = int.from_bytes(data[:4], "big")
        if len(data) < 4 + length:
            return []
        fields.append(data[4 : 4 + length])
        data = data[4 + length :]
    return fields


def _branch_problem(number: int) -> str:
    alive = " or ".join(str(one) for one in SUPPORTED)
    known = BRANCHES.get(number)
    if known and known.ended:
        return f"branch {number} ended {known.ended} and gets no more fixes; {alive} belongs here"
    return "" if known else f"{alive} belongs here, got {number}"


@dataclass(frozen=True)
class DriverBranch:
    """A driver branch that still gets fixes."""

    type: str = "integer"

    def read(self, given: Any, place: Place) -> Any:
        """Its number, written as one or as a text."""
        text = str(given) if isinstance(given, (str, int)) and not isinstance(given, bool) else ""
        if not re.fullmatch(r"[1-9][0-9]{2}", text):
            return place.expected(" or ".join(str(one) for one in SUPPORTED), given)
        problem = _branch_problem(int(text))
        return place.wrong(problem) if problem else int(text)


@dataclass(frozen=True)
class DriverVersion:
    """An exact driver version of a branch that still gets fixes."""

    type: str = "string"

    def read(self, given: Any, place: Place) -> Any:
        """The version, unchanged."""
        if not isinstance(given, str) or not re.fullmatch(VERSION, given):
            return place.expected("an exact driver version", given)
        problem = _branch_problem(int(given.split(".")[0]))
        return place.wrong(problem) if problem else given


@dataclass(frozen=True)
class ToolkitVersion:
    """An exact version of the container toolkit, none of those that let containers out."""

    type: str = "string"

    def read(self, given: Any, place: Place) -> Any:
        """The version, unchanged."""
        if not isinstance(given, str) or not re.fullmatch(TOOLKIT, given):
            return place.expected("an exact version of the container toolkit", given)
        if is_below(given, defaults.TOOLKIT_FLOOR):
            return place.wrong(f"{given} lets containers out (CVE-2025-23266); {defaults.TOOLKIT_FLOOR} is the oldest")
        return given
