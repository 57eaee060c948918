"""The network of a run: a namespace with a bridge, one namespace for each host, and sockets in there.

A socket stays in the namespace that it was made in: so the lab serves hosts that have no way out, and reaches them
from a process that is not inside.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

GATEWAY: Final = "10.77.0.1"
_NETWORK: Final = 0x40000000  # CLONE_NEWNET
_libc = ctypes.CDLL(None, use_errno=True)
Made = TypeVar("Made")


def ip(*words: str) -> None:
    """Runs `ip`."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def address(number: int) -> str:
    """Of host 1, 2, 3 ..."""
    return f"10.77.1.{number}"


class Network:
    """The network of the run that is called so."""

    def __init__(self, id: str) -> None:
        self.id = id

    def make(self) -> None:
        """Namespace and bridge."""
        ip("netns", "add", self.id)
        for words in (
            "link set lo up",
            "link add br0 type bridge",
            f"addr add {GATEWAY}/16 dev br0",
            "link set br0 up",
        ):
            ip("-n", self.id, *words.split())

    def add(self, host: str, number: int) -> None:
        """A namespace for a host, with a cable to the bridge."""
        inside, cable = f"{self.id}-{host}", self.cable(number)
        ip("netns", "add", inside)
        ip("-n", self.id, "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", inside)
        ip("-n", self.id, "link", "set", cable, "master", "br0", "up")
        for words in (
            "link set lo up", f"addr add {address(number)}/16 dev eth0", "link set eth0 up",
            f"route add default via {GATEWAY}",
        ):  # fmt: skip
            ip("-n", inside, *words.split())

    def plug(self, number: int, state: str) -> None:
        """Pulls the cable of a host (down), or puts it back (up)."""
        ip("-n", self.id, "link", "set", self.cable(number), state)

    def cable(self, number: int) -> str:
        """The bridge's end of it."""
        return f"v{number}"

    def inside(self, work: Callable[[], Made]) -> Made:
        """Does something with this thread in the namespace."""
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(Path("/run/netns", self.id), os.O_RDONLY)
        try:
            _enter(there)
            return work()
        finally:
            _enter(outside)
            os.close(there)
            os.close(outside)

    def connected(self, host: str, port: int, seconds: float) -> socket.socket:
        """A connection to a host."""
        one = self.inside(socket.socket)
        one.settimeout(seconds)
        try:
            one.connect((host, port))
        except OSError:
            one.close()
            raise
        return one


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _NETWORK):
        raise OSError(ctypes.get_errno(), "setns")
