"""NVIDIA's chart repository, played on loopback: the program's https address of it stays as it is.

Whoever runs with `env()` asks this process for every https connection (HTTPS_PROXY), and trusts the lab's authority
beside the system's (SSL_CERT_FILE). For the repository's host name it answers itself, with a certificate of that
name; nobody else is connected. Helm and the Go libraries of the real Kubernetes provider honor both variables, so
the same trick serves the built-in engine and the real one, and neither program nor stack file knows of it.

The chart is the lab's own stand-in (chart/gpu-operator), or the file that LAB_CHART names, as it is.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import ssl
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from decide import defaults
from decide.remainder import definitions
from lab.real.certificates import Authority

OWN = Path(__file__).resolve().parent / "chart" / defaults.OPERATOR_CHART
HOST = str(urlsplit(defaults.OPERATOR_REPOSITORY).hostname)
_PATH = urlsplit(defaults.OPERATOR_REPOSITORY).path
_SYSTEM = (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pki/tls/certs/ca-bundle.crt"))


class ChartHost:
    """Serves the charts in a folder under the name of NVIDIA's repository."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        _fill(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue(HOST))
        self.trusted = folder / "trusted.pem"
        system = [file.read_text() for file in _SYSTEM if file.exists()]
        self.trusted.write_text("\n".join([authority.certificate.read_text(), *system]))
        handler = type("Handler", (_Handler,), {"folder": folder, "context": context})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; an unstarted one too."""
        if self._thread.is_alive():
            self.server.shutdown()
        self.server.server_close()

    def env(self) -> dict[str, str]:
        """What a process needs to find the charts here."""
        here = f"http://127.0.0.1:{self.server.server_address[1]}"
        nobody = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        return {"HTTPS_PROXY": here, "https_proxy": here, "SSL_CERT_FILE": str(self.trusted), **nobody}


class _Handler(BaseHTTPRequestHandler):
    """A proxy that connects to itself, and then answers as the repository."""

    folder: Path
    context: ssl.SSLContext

    def do_CONNECT(self) -> None:
        """`CONNECT host:443`: from here on it is TLS, and the next request comes through it."""
        if self.path != f"{HOST}:443":
            self.send_error(403, f"the lab reaches nobody but {HOST}")
            return
        self.send_response(200)
        self.end_headers()
        self.connection = self.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False

    def do_GET(self) -> None:
        """A file of the repository."""
        file = self.folder / Path(self.path).name
        if not self.path.startswith(f"{_PATH}/") or not file.is_file():
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(file.stat().st_size))
        self.end_headers()
        self.wfile.write(file.read_bytes())

    def finish(self) -> None:
        """The connection that came by TLS is another one than the server knows of."""
        super().finish()
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


def _fill(folder: Path) -> None:
    """Packs the charts, and the index that Helm reads first."""
    other = os.environ.get("LAB_CHART")
    if other:
        shutil.copy(other, folder)
        files = [folder / Path(other).name]
    else:
        files = [_packed(folder, version) for version in defaults.OPERATOR_VERSIONS]
    entries: dict[str, list[dict[str, Any]]] = {}
    for file in files:
        about = _about(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        url = f"{defaults.OPERATOR_REPOSITORY}/charts/{file.name}"
        entries.setdefault(about["name"], []).append({**about, "urls": [url], "digest": digest})
    (folder / "index.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "entries": entries}))


def _packed(folder: Path, version: str) -> Path:
    """The stand-in as a chart of this version, with the definitions that this version brings."""
    file = folder / f"{OWN.name}-{version}.tgz"
    there = [f"{name}.yaml" for name in definitions(version)]
    with tarfile.open(file, "w:gz") as archive:
        for path in sorted(one for one in OWN.rglob("*") if one.is_file()):
            if path.parent.name != "crds" or path.name in there:
                _add(archive, f"{OWN.name}/{path.relative_to(OWN)}", path.read_text().replace("VERSION", version))
    return file


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    about = tarfile.TarInfo(name)
    about.size = len(text.encode())
    archive.addfile(about, io.BytesIO(text.encode()))


def _about(file: Path) -> dict[str, Any]:
    """What a chart says of itself."""
    with tarfile.open(file) as archive:
        named = next(one for one in archive.getnames() if one.count("/") == 1 and one.endswith("/Chart.yaml"))
        inside = archive.extractfile(named)
        assert inside is not None
        return dict(yaml.safe_load(inside.read()))
