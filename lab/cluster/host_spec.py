"""Reads the hosts of a world's description: machines behind SSH, some of them nodes of the cluster."""

from __future__ import annotations

import base64
import copy
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from decide import catalog

DISTROS = ("ubuntu-24.04", "debian-12", "rocky-8", "rocky-9", "rocky-10", "amzn-2023", "fedora-44")
NOT_REHEARSED = "debian-13"
"""Its repository's key is pinned by fingerprint, and only NVIDIA has a key with that one."""
SSH = ("up", "refused", "silent", "off", "denied")
SFTP = ("up", "missing", "full", "cut")
SUDO = ("passwordless", "password", "none")
FAULTS = (
    "none", "apt-lock", "apt-lock-for-ever", "card-lost", "containerd-refuses", "disk-full", "gpu-in-use",
    "k3s-server-silent", "module-build-fails", "no-network", "no-registry", "reboot-for-ever", "reboot-never",
)  # fmt: skip
HOST: dict[str, Any] = {
    "name": "",
    "address": "",
    "port": 22,
    "user": "root",
    "sudo": "passwordless",
    "password": "rehearsal-placeholder",
    "host_key": "",
    "ssh": "up",
    "sftp": "up",
    "distro": "ubuntu-24.04",
    "cards": [],
    "nouveau": False,
    "nova": False,
    "driver": None,
    "driver_by": "packages",
    "toolkit": None,
    "containerd": None,
    "containerd_config": None,
    "headers": None,
    "newer_kernel": False,
    "secure_boot": False,
    "machine_id": "",
    "joined": True,
    "lists": True,
    "ubuntu_drivers": False,
    "nvswitches": 0,
    "reboot_seconds": 60,
    "held_seconds": 90,
    "repository_keys": {},
    "fault": "none",
    "node": "",
    "runtime": "containerd",
    "instance_store": [],
}
"""The same that `lab.host.spec` knows; a node needs the name of one."""
NONE = "none"
"""Nothing of Kubernetes is there: the host is no node before somebody makes it one."""
RUNTIMES = ("containerd", "docker", "k0s", "k0s-worker", "k3s", "k3s-agent", NONE, "rke2-server", "rke2-agent")
CHOICES = {
    "distro": DISTROS, "ssh": SSH, "sftp": SFTP, "sudo": SUDO, "fault": FAULTS, "driver_by": ("packages", "run"),
    "runtime": RUNTIMES,
}  # fmt: skip
SWITCHES = ("ssh", "sftp", "fault", "sudo", "password", "reboot_seconds", "host_key")
"""What may change while a machine runs."""
Meant = Callable[[str, Any], str]


def made_up_key(name: str) -> str:
    """A host key that looks like one, the same in each rehearsal, and that no machine has."""
    kind = b"ssh-ed25519"
    key = hashlib.sha256(b"simulated host " + name.encode()).digest()
    wire = len(kind).to_bytes(4, "big") + kind + len(key).to_bytes(4, "big") + key
    return f"{kind.decode()} {base64.b64encode(wire).decode()}"


def meant_hosts(wanted: dict[str, Any]) -> dict[str, Any]:
    """The description with `ssh: off` and `ssh: on` as they were meant: to YAML those are truth values."""
    hosts = wanted.get("hosts")
    return {**wanted, "hosts": [_meant_host(one) for one in hosts]} if isinstance(hosts, list) else wanted


def _meant_host(host: Any) -> Any:
    return {**host, "ssh": meant_ssh(host["ssh"])} if isinstance(host, dict) and "ssh" in host else host


def meant_ssh(value: Any) -> Any:
    """The word behind what YAML made of `on` and `off`."""
    return ("up" if value else "off") if isinstance(value, bool) else value


def normal_host(wanted: dict[str, Any]) -> dict[str, Any]:
    """One host with all defaults filled in."""
    host = {**copy.deepcopy(HOST), **copy.deepcopy(wanted)}
    host["host_key"] = host["host_key"] or made_up_key(host["name"])
    found = [catalog.find(card) for card in host["cards"]]
    host["cards"] = [card.name if card else given for card, given in zip(found, host["cards"], strict=True)]
    return host


def linked_nodes(hosts: list[dict[str, Any]], nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The declared nodes, each with the host that it is, and those that only a host declares."""
    host_of = {host["node"]: host["name"] for host in hosts if host["node"]}
    known = {node["name"] for node in nodes}
    bare = {host["node"] for host in hosts if host["runtime"] == NONE}
    more = [{"name": name, **({"present": False} if name in bare else {})} for name in host_of if name not in known]
    return [{**node, "host": host_of.get(node["name"], "")} for node in [*nodes, *more]]


def host_faults(hosts: list[Any], unknown: Callable[..., Iterator[str]], meant: Meant) -> Iterator[str]:
    """What is wrong with the hosts of a description, each fault with its path."""
    for number, host in enumerate(hosts):
        path = f"hosts[{number}]"
        if isinstance(host, dict):
            free = {key: value for key, value in host.items() if key not in CHOICES}
            yield from unknown(f"{path}.", free, HOST)
            yield from _faults(path, host, meant)
        else:
            yield f"{path}: must be a map such as {{name: rtx, address: 192.0.2.10, cards: [Tesla T4]}}"
    good = [host for host in hosts if isinstance(host, dict)]
    yield from _twins("name", [str(host.get("name")) for host in good if host.get("name")])
    yield from _twins("node", [str(host.get("node")) for host in good if host.get("node")])
    places = [f"{host.get('address')}:{host.get('port', 22)}" for host in good if host.get("address")]
    yield from _twins("address", places)


def _faults(path: str, host: dict[str, Any], meant: Meant) -> Iterator[str]:
    for key, example in (("name", "rtx"), ("address", "192.0.2.10")):
        if not host.get(key):
            yield f"{path}.{key}: is missing, for example {example}"
    for key, allowed in CHOICES.items():
        value = host.get(key, allowed[0])
        if (key, value) == ("distro", NOT_REHEARSED):
            yield f"{path}.{key}: {value} is not in the rehearsal: nobody but NVIDIA has the key that is pinned for it"
        elif value not in allowed:
            listed = ", ".join(repr(one) for one in allowed)
            yield f"{path}.{key}: {value!r} is not one of {listed}{meant(str(value), allowed)}"
    cards = host.get("cards", [])
    for card in cards if isinstance(cards, list) else ():
        if not catalog.find(str(card)):
            close = meant(str(card), [one.name for one in catalog.CARDS.values()])
            yield f"{path}.cards: {card!r} is not in the catalog{close}"


def _twins(key: str, values: list[str]) -> Iterator[str]:
    for value in dict.fromkeys(one for one in values if values.count(one) > 1):
        yield f"hosts: two have the {key} {value}"
