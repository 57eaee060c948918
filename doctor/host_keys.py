"""The keys that hosts show before anybody trusts them: fetched, checked, and named by their fingerprints."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from decide.host_failures import Refusal, refusal
from doctor.programs import Programs, Said
from doctor.ssh import CONNECT_SECONDS
from doctor.words import last_line
from settings.host_kinds import HostKey
from settings.kinds import BROKEN, Place, Reading

KINDS = ("ed25519", "ecdsa", "rsa")
"""As ssh-keyscan calls them, the one that we would rather have first."""
SCAN_SECONDS = 3.0 * CONNECT_SECONDS
MOST_KEYS = 20


class Key(NamedTuple):
    """A host key that is of the right form."""

    text: str
    """Kind and key, as a stack file has it."""

    @property
    def kind(self) -> str:
        """`ssh-ed25519`, for example."""
        return self.text.split()[0]

    @property
    def fingerprint(self) -> str:
        """As OpenSSH prints it."""
        digest = hashlib.sha256(base64.b64decode(self.text.split()[1])).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def fetch(programs: Programs, host: Mapping[str, Any]) -> list[Key] | Refusal:
    """What the host shows, the best kind first."""
    where = ["-T", str(CONNECT_SECONDS), "-p", str(host["port"]), "-t", ",".join(KINDS), "--", host["address"]]
    said = programs.run(["ssh-keyscan", *where], seconds=SCAN_SECONDS)
    found = keys_in(said.stdout)
    return found or _none(said, f"{host['address']} port {host['port']}")


def _none(said: Said, where: str) -> Refusal:
    why = "it says far more than keys" if said.cut == "size" else last_line(said.stderr)
    return refusal("HST-82", f"{where}: no host key is to be had{f': {why}' if why else ''}")


def keys_in(said: bytes) -> list[Key]:
    """All lines that hold a key; whatever else stands there is left out."""
    words = (line.split() for line in said.decode("ascii", "replace").splitlines() if not line.startswith("#"))
    read = (read_key(" ".join(line[1:3])) for line in words if len(line) >= 3)
    found = list(dict.fromkeys(key for key in read if key))[:MOST_KEYS]
    return sorted(found, key=lambda key: next((at for at, kind in enumerate(KINDS) if kind in key.kind), len(KINDS)))


def read_key(given: Any) -> Key | None:
    """A key, if it is of a form that a stack file may have."""
    read = HostKey().read(given, Place("hostKey", "", Reading()))
    return None if read is BROKEN else Key(read)


def is_fingerprint(text: str) -> bool:
    """Whether somebody can have copied it from OpenSSH."""
    kind, _, digest = text.partition(":")
    try:
        return kind == "SHA256" and len(base64.b64decode(f"{digest}=", validate=True)) == hashlib.sha256().digest_size
    except (binascii.Error, ValueError):
        return False
