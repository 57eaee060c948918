"""Loopback ports for servers that are told theirs on the command line, each given to one asker of this machine."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST, _USUAL_END, _FEW = 20000, 32768, 1000
_HELD: list[socket.socket] = []
"""Names that say which ports are given away; the kernel forgets them when this process ends."""


def _end() -> int:
    """From here on the kernel picks ports of outgoing connections, which would take one before its server listens."""
    end = int(_RANGE.read_text().split()[0])
    return end if end > _FIRST + _FEW else _USUAL_END


def free_port() -> int:
    """A port that nobody has, and that nobody who asks here gets while this process lives."""
    ports = range(_FIRST, _end())
    for port in random.sample(ports, len(ports)):
        if _given(port) and _nobody_listens(port):
            return port
    raise OSError(f"none of the ports {ports[0]} to {ports[-1]} of 127.0.0.1 is free")


def _given(port: int) -> bool:
    """An abstract name is held by one process at a time, in the same network namespace as the port itself."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0gpu-ready-lab-port-{port}")
    except OSError:
        name.close()
        return False
    _HELD.append(name)
    return True


def _nobody_listens(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
