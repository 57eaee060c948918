"""A small client of a Kubernetes API server: what the lab needs, with certificates verified."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import threading
import time
import urllib.parse
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from lab.cluster.kinds import KINDS
from lab.cluster.store import ApiError, Object

APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
_SECONDS = 30.0
_LAST_WORDS = b"apiserver is shutting down"
_AGAIN = 10
"""How often Go's client comes again where it was told when to (`Retry-After`): too many requests, or just starting."""
_FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class UnreachableError(Exception):
    """No answer: the text says why in the words of a Go client."""


class KubeconfigError(Exception):
    """The kubeconfig leads nowhere."""


class Api:
    """One API server as one user."""

    def __init__(self, server: str, authority: str, token: str, keep: bool = False) -> None:
        """With `keep` connections stay open for the next request, until `close`."""
        self.server, self._token, self._keep = server, token, keep
        self._authority = authority
        where = urllib.parse.urlsplit(server)
        self.host, self.port = where.hostname or "", where.port or 443
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """Closes what was kept open."""
        with self._lock:
            idle, self._idle = self._idle, []
        for one in idle:
            one.close()

    def request(self, method: str, path: str, body: Any = None, form: str = "application/json", **query: str) -> Any:
        """The answer as JSON; raises `ApiError` for a refusal and `UnreachableError` where nobody answers."""
        target = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        status, text = self._exchange(method, target, None if body is None else json.dumps(body).encode(), form)
        if _LAST_WORDS in text:
            raise UnreachableError(_LAST_WORDS.decode())
        if status >= 400:
            raise _refusal(status, text)
        return json.loads(text)

    def text(self, path: str) -> str:
        """An answer that is plain text."""
        status, text = self._exchange("GET", path, None, "")
        if status >= 400:
            raise _refusal(status, text)
        return text.decode()

    def _exchange(self, method: str, target: str, body: bytes | None, form: str) -> tuple[int, bytes]:
        for _again in range(_AGAIN):
            status, text, seconds = self._once(method, target, body, form)
            if seconds is None or _LAST_WORDS in text:
                break
            time.sleep(seconds)
        return status, text

    def _once(self, method: str, target: str, body: bytes | None, form: str) -> tuple[int, bytes, int | None]:
        """Status, text, and after how many seconds the same may be asked again."""
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = form
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        connection = kept or self._connection()
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if kept:  # the server may have closed a connection that lay idle
                self.close()
                return self._once(method, target, body, form)
            raise UnreachableError(self._words(method, target, error)) from error
        self._put_back(connection)
        later = answer.getheader("Retry-After", "")
        may_again = later.isdigit() and (answer.status == 429 or answer.status >= 500)
        return answer.status, text, int(later) if may_again else None

    @cached_property
    def _verifying(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self._authority)

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPSConnection(self.host, self.port, timeout=_SECONDS, context=self._verifying)

    def _put_back(self, connection: http.client.HTTPConnection) -> None:
        if not self._keep:
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)

    def _words(self, method: str, target: str, error: Exception) -> str:
        verb = method.capitalize()
        if isinstance(error, ConnectionRefusedError):
            return f'{verb} "{self.server}{target}": dial tcp {self.host}:{self.port}: connect: connection refused'
        if isinstance(error, ssl.SSLCertVerificationError):
            why = "x509: certificate signed by unknown authority"
            return f'{verb} "{self.server}{target}": tls: failed to verify certificate: {why}'
        return f'{verb} "{self.server}{target}": {error or type(error).__name__}'

    # objects by kind

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None."""
        try:
            return self.request("GET", path_of(kind, namespace, name))  # type: ignore[no-any-return]
        except ApiError as error:
            if error.reason == "NotFound":
                return None
            raise

    def list(self, kind: str, namespace: str | None = None, **query: str) -> list[Object]:
        """All objects of a kind; none where the server does not know the kind."""
        try:
            found = self.request("GET", path_of(kind, namespace), **query)
        except ApiError as error:
            if error.reason == "NotFound":
                return []
            raise
        about = {"apiVersion": KINDS[kind].api_version, "kind": kind}
        return [{**about, **one} for one in found["items"]]

    def revision(self) -> str:
        """Another one after whatever was written, of any kind."""
        return str(self.request("GET", path_of("Namespace"), limit="1")["metadata"]["resourceVersion"])

    def create(self, obj: Object, manager: str, **query: str) -> Object:
        """Makes an object."""
        path = path_of(obj["kind"], obj["metadata"].get("namespace"))
        query = {"fieldManager": manager, "fieldValidation": "Strict", **query}
        return self.request("POST", path, obj, **query)  # type: ignore[no-any-return]

    def apply(self, obj: Object, manager: str, force: bool = False, dry_run: bool = False) -> Object:
        """Server-side apply; a field that the server does not know is a refusal."""
        path = path_of(obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"])
        query = {"fieldManager": manager, "fieldValidation": "Strict", "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        return self.request("PATCH", path, obj, APPLY, **query)  # type: ignore[no-any-return]

    def merge(self, kind: str, name: str, namespace: str | None, patch: Object, manager: str, part: str = "") -> Object:
        """A merge patch of an object or of its part (`status`)."""
        path = path_of(kind, namespace, name) + (f"/{part}" if part else "")
        return self.request("PATCH", path, patch, MERGE, fieldManager=manager)  # type: ignore[no-any-return]

    def delete(self, kind: str, name: str, namespace: str | None = None, propagation: str = "Background") -> bool:
        """Begins to delete an object; False where there was none."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        try:
            self.request("DELETE", path_of(kind, namespace, name), options)
        except ApiError as error:
            if error.reason == "NotFound":
                return False
            raise
        return True


def path_of(kind: str, namespace: str | None = None, name: str = "") -> str:
    """Where the API has a kind, or one object of it."""
    known = KINDS[kind]
    root = f"/apis/{known.api_version}" if known.group else f"/api/{known.api_version}"
    where = f"/namespaces/{namespace}" if known.namespaced and namespace else ""
    return f"{root}{where}/{known.plural}" + (f"/{name}" if name else "")


def _refusal(status: int, text: bytes) -> ApiError:
    try:
        said = json.loads(text)
    except ValueError:
        # Of a group that nobody serves the server does not speak JSON.
        return ApiError("NotFound" if status == 404 else str(status), text.decode(errors="replace").strip())
    return ApiError(str(said.get("reason", status)), str(said.get("message", said)))


def from_kubeconfig(path: str, context: str) -> Api:
    """The server that a context of this file means; raises `KubeconfigError`."""
    file = Path(path).expanduser()
    try:
        known = yaml.load(file.read_text(), _FAST_LOADER) or {}
    except OSError as error:
        raise KubeconfigError(f"unable to read kubeconfig file {path}: {error.strerror}") from error
    try:
        chosen = _named(known, "context", context)
        cluster, user = _named(known, "cluster", chosen["cluster"]), _named(known, "user", chosen["user"])
    except KeyError as missing:
        raise KubeconfigError(f"context {context!r} does not exist") from missing
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    return Api(cluster["server"], authority, user["token"])


def _named(known: Mapping[str, Any], what: str, name: str) -> Any:
    for one in known.get(f"{what}s") or ():
        if one["name"] == name:
            return one[what]
    raise KeyError(name)
