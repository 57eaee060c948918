"""Kinds of values that only hosts have: addresses, host keys, driver branches."""

import re
from dataclasses import dataclass
from typing import Any

from decide.catalog import SUPPORTED
from decide.host_login import host_key_problem, is_address
from decide.host_wish import TOOLKIT, URL, VERSION, branch_problem, toolkit_problem
from settings.kinds import Place

SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
MIRROR = "http://mirror.home.arpa/nvidia"
KEYSCAN = "ssh-keyscan -t ed25519 ADDRESS | cut -d' ' -f2-"


@dataclass(frozen=True)
class Address:
    """Name or address of a host, without user and port."""

    type: str = "string"

    def read(self, given: Any, place: Place) -> Any:
        """The address as it was written."""
        if not isinstance(given, str):
            return place.expected("a host name or an address", given)
        if "@" in given:
            return place.wrong("the user stands apart", f"user: {given.split('@')[0][:32] or 'root'}")
        if is_address(given):
            return given
        if re.fullmatch(r"[^:]+:[0-9]{1,5}", given):
            return place.wrong("the port stands apart", f"port: {given.rpartition(':')[2]}")
        return place.expected("a host name or an address", given)


@dataclass(frozen=True)
class HostKey:
    """The public key that a host has to show; without it anybody in between could."""

    type: str = "string"

    def read(self, given: Any, place: Place) -> Any:
        """Kind and key; what follows them is for people and is left out, so that it can change without a change."""
        if not isinstance(given, str):
            return place.expected("the public key of the host", given)
        problem = host_key_problem(given)
        return place.wrong(problem, KEYSCAN) if problem else " ".join(given.split()[:2])


@dataclass(frozen=True)
class Url:
    """An address of packages, in plain letters."""

    type: str = "string"

    def read(self, given: Any, place: Place) -> Any:
        """The address, unchanged."""
        if isinstance(given, str) and re.fullmatch(r"https?://[^/]*@.*", given):
            return place.wrong(
                "a name and a password do not belong here: they would stand in the state and on each host"
            )
        fits = isinstance(given, str) and re.fullmatch(URL, given)
        return given if fits else place.expected("an address with http:// or https://, in plain letters,", given)


@dataclass(frozen=True)
class DriverBranch:
    """A driver branch that still gets fixes."""

    type: str = "integer"

    def read(self, given: Any, place: Place) -> Any:
        """Its number, written as one or as a text."""
        text = str(given) if isinstance(given, (str, int)) and not isinstance(given, bool) else ""
        if not re.fullmatch(r"[1-9][0-9]{2}", text):
            return place.expected(" or ".join(str(one) for one in SUPPORTED), given)
        problem = branch_problem(int(text))
        return place.wrong(problem) if problem else int(text)


@dataclass(frozen=True)
class DriverVersion:
    """An exact driver version of a branch that still gets fixes."""

    type: str = "string"

    def read(self, given: Any, place: Place) -> Any:
        """The version, unchanged."""
        if not isinstance(given, str) or not re.fullmatch(VERSION, given):
            return place.expected("an exact driver version", given)
        problem = branch_problem(int(given.split(".")[0]))
        return place.wrong(problem) if problem else given


@dataclass(frozen=True)
class ToolkitVersion:
    """An exact version of the container toolkit, none of those that let containers out."""

    type: str = "string"

    def read(self, given: Any, place: Place) -> Any:
        """The version, unchanged."""
        if not isinstance(given, str) or not re.fullmatch(TOOLKIT, given):
            return place.expected("an exact version of the container toolkit", given)
        problem = toolkit_problem(given)
        return place.wrong(problem) if problem else given
