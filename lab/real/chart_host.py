"""NVIDIA's chart repositories, played on loopback: the program's https addresses of them stay as they are.

Whoever runs with `env()` asks this process for every https connection (HTTPS_PROXY), and trusts the lab's authority
beside the system's (SSL_CERT_FILE). For the repositories' host names it answers itself, with a certificate of that
name; nobody else is connected. Helm and the Go libraries of the real Kubernetes provider honor both variables, so
the same trick serves the built-in engine and the real one, and neither program nor stack file knows of it.

The charts are the lab's own stand-ins (chart/), or what LAB_CHART names in the place of one or both, as it is: files,
with a colon between two.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import ssl
import tarfile
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml

from decide import defaults
from decide.remainder import definitions
from decide.user_values import SUBCHART
from lab.real import oci
from lab.real.certificates import Authority
from lab.real.tools import MissingError

OWN = Path(__file__).resolve().parent / "chart"
_SYSTEM = (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pki/tls/certs/ca-bundle.crt"))


class Repository(NamedTuple):
    """One address, and the one chart that the program takes from there."""

    url: str
    chart: str
    versions: tuple[str, ...]

    @property
    def host(self) -> str:
        """Whose name it answers to."""
        return str(urlsplit(self.url).hostname)


REPOSITORIES = (
    Repository(defaults.OPERATOR_REPOSITORY, defaults.OPERATOR_CHART, defaults.OPERATOR_VERSIONS),
    Repository(defaults.PLUGIN_REPOSITORY, defaults.PLUGIN_CHART, defaults.PLUGIN_VERSIONS),
)


REGISTRY = Repository(defaults.DRA_CHART.replace("oci://", "https://"), defaults.DRA_RELEASE, defaults.DRA_VERSIONS)
"""A registry has no index: what is there is asked for by its tag."""


class ChartHost:
    """Serves the charts in a folder under the names of NVIDIA's repositories."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for one in REPOSITORIES:
            fill(folder / one.host, one)
        (folder / REGISTRY.host).mkdir()
        tags = {version: _packed(folder / REGISTRY.host, REGISTRY.chart, version) for version in REGISTRY.versions}
        self.trusted = folder / "trusted.pem"
        system = [file.read_text() for file in _SYSTEM if file.exists()]
        self.trusted.write_text("\n".join([authority.certificate.read_text(), *system]))
        contexts = {one.host: _context(authority, one.host) for one in (*REPOSITORIES, REGISTRY)}
        known = {"tags": {tag: (file, _about(file)) for tag, file in tags.items()}}
        handler = type("Handler", (_Handler,), {"folder": folder, "contexts": contexts, **known})
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

    def files(self, chart: str) -> dict[str, Path]:
        """The packed versions of a chart by their names."""
        (host,) = [one.host for one in REPOSITORIES if one.chart == chart]
        return {file.name: file for file in sorted((self.folder / host).glob("*.tgz"))}

    def env(self) -> dict[str, str]:
        """What a process needs to find the charts here."""
        here = f"http://127.0.0.1:{self.server.server_address[1]}"
        nobody = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        return {"HTTPS_PROXY": here, "https_proxy": here, "SSL_CERT_FILE": str(self.trusted), **nobody}


def _context(authority: Authority, host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(host))
    return context


class _Handler(BaseHTTPRequestHandler):
    """A proxy that connects to itself, and then answers as the repository."""

    folder: Path
    contexts: Mapping[str, ssl.SSLContext]
    tags: Mapping[str, tuple[Path, dict[str, Any]]]
    host = ""

    def do_CONNECT(self) -> None:
        """`CONNECT host:443`: from here on it is TLS, and the next request comes through it."""
        self.host, _, port = self.path.partition(":")
        if self.host not in self.contexts or port != "443":
            self.send_error(403, f"the lab reaches nobody but {', '.join(self.contexts)}")
            return
        self.send_response(200)
        self.end_headers()
        self.connection = self.contexts[self.host].wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False

    def do_GET(self) -> None:
        """A file of the repository, or what the registry has at this place."""
        if self.host == REGISTRY.host:
            self._registry()
            return
        file = self.folder / self.host / Path(self.path).name
        asked = f"https://{self.host}{self.path}"
        if not any(asked.startswith(f"{one.url}/") for one in REPOSITORIES) or not file.is_file():
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(file.stat().st_size))
        self.end_headers()
        self.wfile.write(file.read_bytes())

    def do_HEAD(self) -> None:
        """Whether the registry has it."""
        self._registry()

    def _registry(self) -> None:
        place = urlsplit(REGISTRY.url).path
        found = oci.answer(self.path, self.tags) if self.path.startswith(f"/v2{place}/") else None
        if found is None:
            self.send_error(404)
            return
        self.send_response(200)
        for name, value in (("Type", found.kind), ("Length", str(len(found.content)))):
            self.send_header(f"Content-{name}", value)
        self.send_header("Docker-Content-Digest", found.digest)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(found.content)

    def finish(self) -> None:
        """The connection that came by TLS is another one than the server knows of."""
        super().finish()
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


def others() -> list[tuple[Path, str]]:
    """Charts that somebody names in LAB_CHART, each with its own name; wrong ones are refused in a sentence."""
    found = [Path(one) for one in os.environ.get("LAB_CHART", "").split(os.pathsep) if one]
    known = [one.chart for one in REPOSITORIES]
    for one in found:
        try:
            name = _about(one)["name"]
        except (OSError, tarfile.TarError, StopIteration, KeyError, yaml.YAMLError) as error:
            raise MissingError(f"LAB_CHART: {one} is no packed chart ({error or type(error).__name__})") from None
        if name not in known:
            raise MissingError(f"LAB_CHART: {one} is chart {name}; the program installs {' and '.join(known)} alone")
    return [(one, _about(one)["name"]) for one in found]


def fill(folder: Path, repository: Repository) -> None:
    """Packs the charts, and the index that Helm reads first."""
    folder.mkdir(parents=True)
    files = [Path(shutil.copy(one, folder)) for one, name in others() if name == repository.chart]
    files = files or [_packed(folder, repository.chart, version) for version in repository.versions]
    entries: dict[str, list[dict[str, Any]]] = {}
    for file in files:
        about = _about(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        url = f"{repository.url}/charts/{file.name}"
        entries.setdefault(about["name"], []).append({**about, "urls": [url], "digest": digest})
    (folder / "index.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "entries": entries}))


def _packed(folder: Path, chart: str, version: str) -> Path:
    """The stand-in as a chart of this version, with the definitions that this version brings."""
    file, own = folder / f"{chart}-{version}.tgz", OWN / chart
    there = [f"{name}.yaml" for name in definitions(version)] if chart == defaults.OPERATOR_CHART else []
    with tarfile.open(file, "w:gz") as archive:
        for path in sorted(one for one in own.rglob("*") if one.is_file()):
            if path.parent.name != "crds" or path.name in there:
                _add(archive, f"{chart}/{path.relative_to(own)}", path.read_text().replace("VERSION", version))
        for path in sorted((OWN / "shared").iterdir()) if chart != REGISTRY.chart else ():
            _add(archive, f"{chart}/templates/{path.name}", path.read_text())
        for path in sorted(one for one in (OWN / SUBCHART).rglob("*") if one.is_file() and chart != REGISTRY.chart):
            _add(archive, f"{chart}/charts/{path.relative_to(OWN)}", path.read_text())
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
