"""127.77.1.N:PORT on this machine -> port 22 of host N, for clients that are not inside the lab's network."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Final

from lab.real.hosts.network import Network, address

_RESET: Final = struct.pack("ii", 1, 0)
"""To close with this is to say "connection reset": what a client outside sees of a host that does not answer."""


class Forwarder:
    """One host's."""

    def __init__(self, network: Network, number: int) -> None:
        self.network, self.number = network, number
        self.address = f"127.77.1.{number}"
        self.door = socket.create_server((self.address, 0), backlog=64)
        self.port: int = self.door.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Takes no more."""
        with contextlib.suppress(OSError):
            self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _who = self.door.accept()
            except OSError:
                return
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        try:
            host = self.network.connected(address(self.number), 22, 10)
        except OSError:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            client.close()
            return
        host.settimeout(None)
        back = threading.Thread(target=_pump, args=(host, client), daemon=True)
        back.start()
        _pump(client, host)
        back.join()
        client.close()
        host.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
