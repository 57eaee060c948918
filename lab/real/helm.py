"""`helm.sh/v3:Release` by the helm program: what it installs, and from where, is the program's own wish."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.provider import Context, PartialFailure, Props, ProviderError
from lab.providers.helm_release import ReleaseRules
from lab.values import UNKNOWN, secrets_like, unwrap

_NOT_FOUND = "release: not found"
_TAKEN = "a name that is still in use"
_PREFIXES = re.compile(r"^level=.*\n|^Error: |\b(INSTALLATION|UPGRADE) FAILED: ", re.MULTILINE)
"""What the program puts before the words of its library."""
_NOT_WELL = (
    'Helm release "{id}" was created, but failed to initialize completely. Use Helm CLI to investigate: failed to '
    "become available within allocated timeout. Error: Helm Release {id}: {why}"
)


class HelmReleases(ReleaseRules):
    """The part of the provider that calls Helm."""

    def __init__(self, helm: Path, env: Mapping[str, str], folder: Path) -> None:
        self.helm = helm
        homes = {f"HELM_{one}_HOME": str(folder / one.lower()) for one in ("CACHE", "CONFIG", "DATA")}
        self.env = {**os.environ, **env, **homes}

    def create(self, ctx: Context, inputs: Props) -> tuple[str, Props]:
        """`helm install`."""
        if ctx.preview:
            return "", {**copy.deepcopy(inputs), "status": UNKNOWN}
        wish = unwrap(inputs)
        more = ["--create-namespace"] if wish.get("createNamespace") else []
        id = f"{wish['namespace']}/{wish['name']}"
        try:
            # As the Helm library in the real provider: Helm 4 would apply on the server by itself.
            self._change(ctx, wish, "install", "--server-side=false", *more)
        except ProviderError as error:
            raise self._begun(ctx, id, inputs, str(error)) from None
        return id, self._outputs(ctx, inputs)

    def _begun(self, ctx: Context, id: str, inputs: Props, why: str) -> ProviderError:
        """A release that is there in spite of the failure comes into the state; where nobody can say so, it does not.

        So an API server that goes away leaves one that no state has.
        """
        try:
            outputs = {} if _TAKEN in why else self._outputs(ctx, inputs)
        except ProviderError:
            outputs = {}
        said = _NOT_WELL.format(id=id, why=why)
        return PartialFailure(said, id, outputs, [said]) if outputs else ProviderError(why)

    def update(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Props:
        """`helm upgrade`."""
        if ctx.preview:
            return {**copy.deepcopy(new_inputs), "status": UNKNOWN}
        self._change(ctx, unwrap(new_inputs), "upgrade", "--reset-values")
        return self._outputs(ctx, new_inputs)

    def delete(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> None:
        """`helm uninstall`; a release that is gone already is fine."""
        namespace, _, name = id.rpartition("/")
        self._run(ctx, "uninstall", name, "--namespace", namespace, "--ignore-not-found", "--wait")

    def read(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> tuple[Props, Props] | None:
        """The release as Helm knows it."""
        namespace, _, name = id.rpartition("/")
        try:
            about, values = self._known(ctx, name, namespace)
        except ProviderError as error:
            if _NOT_FOUND in str(error):
                return None
            raise
        # What was never given stays so: Helm's empty values are the program's missing ones.
        given = {"values": values} if values or "values" in inputs else {}
        found = secrets_like({**unwrap(inputs), **given, "version": about["version"]}, inputs)
        return found, {**copy.deepcopy(found), "status": _status(about)}

    def _outputs(self, ctx: Context, inputs: Props) -> Props:
        wish = unwrap(inputs)
        about, _values = self._known(ctx, wish["name"], wish["namespace"])
        return {**copy.deepcopy(inputs), "status": _status(about)}

    def _known(self, ctx: Context, name: str, namespace: str) -> tuple[Any, Any]:
        where = (name, "--namespace", namespace, "-o", "json")
        about = json.loads(self._run(ctx, "get", "metadata", *where))
        return about, json.loads(self._run(ctx, "get", "values", *where)) or {}

    def _change(self, ctx: Context, wish: Props, verb: str, *more: str) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as values:
            json.dump(wish.get("values") or {}, values)
            values.flush()
            words = [verb, wish["name"], wish["chart"], "--namespace", wish["namespace"], "--values", values.name]
            words += ["--version", wish["version"], *more, *(["--skip-crds"] if wish.get("skipCrds") else [])]
            if home := (wish.get("repositoryOpts") or {}).get("repo"):  # a chart in a registry is its own address
                words += ["--repo", home]
            words += ["--timeout", f"{wish.get('timeout', 300)}s", *([] if wish.get("skipAwait") else ["--wait"])]
            self._run(ctx, *words)

    def _run(self, ctx: Context, *words: str) -> str:
        config = unwrap(ctx.config)
        kubeconfig = str(Path(config["kubeconfig"]).expanduser())
        command = [str(self.helm), *words, "--kubeconfig", kubeconfig, "--kube-context", config["context"]]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ProviderError(_PREFIXES.sub("", done.stderr).strip())
        return done.stdout


def _status(about: Props) -> Props:
    keys = ("appVersion", "chart", "name", "namespace", "revision", "status", "version")
    return {key: about.get(key, "") for key in keys}
