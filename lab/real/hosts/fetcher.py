"""What the hosts' apt asks, as its proxy: Debian's archive, kept, and the lab's own repositories.

It listens inside the lab's network and fetches from outside it: the hosts have no way out, and each package is
downloaded once.
"""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import http.server
import os
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from lab.real.hosts import places
from lab.real.hosts.network import GATEWAY, Network

PORT: Final = 3142
OWN: Final = "packages.lab"
"""Host of the lab's own repositories; no name server knows it, the proxy does."""
UPSTREAM: Final = ("deb.debian.org", "archive.ubuntu.com", "security.ubuntu.com")
_LASTING: Final = (".deb", ".udeb")
_SECONDS, _TRIES = 60, 3
_FRESH_SECONDS = 120.0
"""As deb.debian.org allows its caches for what changes there."""
_ASKED = dict[str, float]()
"""When upstream was last asked for what may change."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 256

    def __init__(self, listening: socket.socket, own: Path) -> None:
        super().__init__((GATEWAY, PORT), _Request, bind_and_activate=False)
        self.socket.close()
        self.socket, self.own, self.store = listening, own, places.cache() / "packages"
        self.store.mkdir(exist_ok=True)
        self.guard, self.locks = threading.Lock(), dict[str, threading.Lock]()
        self.broken = False

    def lock(self, name: str) -> threading.Lock:
        with self.guard:
            return self.locks.setdefault(name, threading.Lock())


class _Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        """One file."""
        url = urlsplit(self.path)
        if self.server.broken:
            self._nothing(503)
        elif url.hostname == OWN:
            file = (self.server.own / url.path.lstrip("/")).resolve()
            inside = self.server.own.resolve() in file.parents and file.is_file()
            self._send(file) if inside else self._nothing(404)
        elif url.hostname in UPSTREAM:
            self._fetched()
        else:
            self._nothing(403)

    def _fetched(self) -> None:
        """From upstream, or as it was last seen where that is out of reach."""
        file = self.server.store / hashlib.sha256(self.path.encode()).hexdigest()
        with self.server.lock(file.name):
            if not (file.exists() and (self._lasts() or _is_fresh(self.path))):
                status = _download(self.path, file)
                if status and not (status == 502 and file.exists()):
                    self._nothing(status)
                    return
        self._send(file)

    def _lasts(self) -> bool:
        return self.path.endswith(_LASTING) or "/by-hash/" in self.path

    def _send(self, file: Path) -> None:
        """As archives do it: who has this one already is told so, and apt reads it no second time."""
        dated = email.utils.formatdate(file.stat().st_mtime, usegmt=True)
        if self.headers["If-Modified-Since"] == dated:
            self._nothing(304)
            return
        self.send_response(200)
        self.send_header("Last-Modified", dated)
        self.send_header("Content-Length", str(file.stat().st_size))
        self.end_headers()
        with file.open("rb") as source, contextlib.suppress(OSError):
            shutil.copyfileobj(source, self.wfile, 1 << 20)

    def _nothing(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _is_fresh(url: str) -> bool:
    return time.monotonic() < _ASKED.get(url, float("-inf")) + _FRESH_SECONDS


def _download(url: str, file: Path) -> int:
    """0, or the status that says why not; the file is as old as upstream says."""
    part = file.with_suffix(f".{threading.get_ident()}")
    for _try in range(_TRIES):
        try:
            with urllib.request.urlopen(url, timeout=_SECONDS) as source, part.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
                changed = email.utils.parsedate_tz(source.headers["Last-Modified"])
        except urllib.error.HTTPError as refused:
            return refused.code
        except OSError:
            continue
        if changed:
            os.utime(part, (email.utils.mktime_tz(changed),) * 2)
        part.rename(file)
        _ASKED[url] = time.monotonic()
        return 0
    return 502


class Fetcher:
    """Serves as long as it is not closed."""

    def __init__(self, network: Network, own: Path) -> None:
        listening = network.inside(lambda: socket.create_server((GATEWAY, PORT), backlog=256))
        self.server = _Server(listening, own)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()
