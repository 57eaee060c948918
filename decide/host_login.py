"""How a host is reached, as somebody wrote it: the same checks for a stack file and for a program that calls us."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from decide.host_wish import REBOOTS, STORES
from decide.wording import shown

HOST_NAME = r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?"
NODE_NAME = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"
USER = r"[a-z_][a-z0-9_-]{0,31}"
STATES = ("present", "offline", "abandoned")
SUDO = ("passwordless", "password")
MOST_PORTS = 65535

DNS_NAME = r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9][A-Za-z0-9-]{0,62})*\.?"
PLACEHOLDER = re.compile(r"replace|example|your|\.\.\.", re.IGNORECASE)
CURVES = {"ecdsa-sha2-nistp256": 65, "ecdsa-sha2-nistp384": 97, "ecdsa-sha2-nistp521": 133}
SHORTEST_RSA = 2048 // 8
TEXTS = {
    "name": (HOST_NAME, "a short name of small letters, digits and dashes"),
    "user": (USER, "the name of a user"),
    "node_name": (NODE_NAME, "the name of a node"),
}
LINE = "one line of printable characters that does not begin with GR_"
CHOICES = {"state": STATES, "sudo": SUDO, "reboot": REBOOTS, "instance_store": STORES}


def faults(host: Mapping[str, Any], has_password: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with the arguments of a host, each with the argument's name; what is not known yet is left out."""
    for key, (form, what) in TEXTS.items():
        if key in host and not (isinstance(host[key], str) and re.fullmatch(form, host[key])):
            yield key, f"{what} belongs here, got {shown(host[key])}"
    for key, known in CHOICES.items():
        if key in host and host[key] not in known:
            yield key, f"one of {', '.join(known)} belongs here, got {shown(host[key])}"
    for key, problem_of in (("address", address_problem), ("host_key", host_key_problem), ("port", port_problem)):
        problem = problem_of(host[key]) if key in host else ""
        if problem:
            yield key, problem
    asks = host.get("sudo") == "password" and host.get("user", "root") != "root"
    if asks and host.get("state", "present") == "present" and not has_password:
        yield "sudo", "wants a password, and there is none: give it as the secret `password`, or sudo: passwordless"


def is_line(secret: str) -> bool:
    """Whether a password can go to a host as a line before the values, and be taken for none of them."""
    return bool(secret) and secret.isprintable() and not secret.startswith("GR_")


def place(address: str, port: float) -> str:
    """Where ssh answers: two that are the same are one host, however they are written."""
    return f"{address.lower().rstrip('.')} port {int(port)}"


def port_problem(given: Any) -> str:
    """Other languages send whole numbers as floats."""
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
    fits = is_number and given == int(given) and 1 <= given <= MOST_PORTS
    return "" if fits else f"a port from 1 to {MOST_PORTS} belongs here, got {shown(given)}"


def address_problem(given: Any) -> str:
    """What is wrong with an address; nothing if it is one."""
    known = isinstance(given, str) and is_address(given)
    return "" if known else f"a host name or an address belongs here, without user and port, got {shown(given)}"


def is_address(given: str) -> bool:
    """Whether it is the name or the address of a host, without user and port."""
    return _is_number(given) or bool(re.fullmatch(DNS_NAME, given) and not re.fullmatch(r"[0-9.]+", given))


def _is_number(given: str) -> bool:
    try:
        ipaddress.ip_address(given)
    except ValueError:
        return False
    return "%" not in given


def host_key_problem(given: Any) -> str:
    """What is wrong with a public host key; nothing if it is one. What follows it is for people."""
    if not isinstance(given, str):
        return f"the public key of the host belongs here, got {shown(given)}"
    words = given.split()
    kind = words[0] if words else ""
    if "PRIVATE KEY" in given:
        return "this is a private key; take it for known to others. The public one belongs here"
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
