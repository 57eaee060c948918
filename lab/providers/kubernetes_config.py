"""The provider resource: its settings, what a change of them means, and whether they lead to a cluster."""

from __future__ import annotations

import difflib
import re

from lab.cluster import access
from lab.cluster.kubectl import SLOW_SECONDS
from lab.cluster.store import Cluster
from lab.provider import CheckFailure, Context, Diff, Props, ProviderError
from lab.values import UNKNOWN, unwrap

UNREACHABLE = "configured Kubernetes cluster is unreachable"
_KEYS = (
    "alwaysRender", "cluster", "clusterIdentifier", "context", "deleteUnreachable", "enableConfigMapMutable",
    "enablePatchForce", "enableSecretMutable", "enableServerSideApply", "helmReleaseSettings", "kubeClientSettings",
    "kubeconfig", "namespace", "pluginDownloadURL", "renderYamlToDirectory", "skipUpdateUnreachable", "strictMode",
    "suppressDeprecationWarnings", "suppressHelmHookWarnings", "upsertExistingObjects", "version",
)  # fmt: skip
_NOT_HERE = ("renderYamlToDirectory", "upsertExistingObjects")
DIALED = "dial tcp 127.0.0.1:6443: connect: connection refused"
AWAY = (
    f"{UNREACHABLE}: unable to load schema information from the API server: "
    f'Get "https://127.0.0.1:6443/openapi/v2?timeout=32s": {DIALED}'
)
_NO_CONTEXT = "unable to load Kubernetes client configuration from kubeconfig file: context {context!r} does not exist"


def check(news: Props) -> list[CheckFailure]:
    """Misspelt settings, and those that a rehearsal cannot honor."""
    failures = []
    for key, value in news.items():
        if key not in _KEYS:
            close = difflib.get_close_matches(key, _KEYS, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            failures.append(CheckFailure(key, f"the Kubernetes provider has no such argument{hint}"))
        elif key in _NOT_HERE and value not in (False, "", "false", None):
            failures.append(CheckFailure(key, "the rehearsal does not do this"))
    return failures


def diff(olds: Props, news: Props) -> Diff:
    """A known cluster identifier decides alone; without one the real provider guesses from the kubeconfig."""
    old, new = unwrap(olds), unwrap(news)
    changed = tuple(sorted(key for key in {*old, *new} if old.get(key) != new.get(key)))
    was, will = old.get("clusterIdentifier"), new.get("clusterIdentifier")
    if was and will:
        return Diff(changed, ("clusterIdentifier",) if was != will else ())
    guessed = [key for key in ("cluster", "context") if key in changed]
    servers = [_server(one.get("kubeconfig")) for one in (old, new)]
    if "kubeconfig" in changed and (new.get("kubeconfig") is UNKNOWN or servers[0] != servers[1]):
        guessed.append("kubeconfig")
    return Diff(changed, tuple(guessed))


def _server(kubeconfig: object) -> str:
    """The API address in the text of a kubeconfig; empty for a path."""
    match = re.search(r"server\W+(\S+?)[\"',\s]", f"{kubeconfig} ")
    return match[1] if match else ""


def reach(ctx: Context, cluster: Cluster) -> None:
    """Raises `ProviderError` in the real provider's words when the cluster does not answer."""
    config = unwrap(ctx.config)
    context, text = str(config.get("context") or ""), str(config.get("kubeconfig") or "")
    if why := access.refusal(cluster, text, context):
        raise ProviderError(f"{UNREACHABLE}: {_NO_CONTEXT.format(context=context) if 'context' in why else why}")
    if cluster.spec["api"] == "down":
        raise ProviderError(AWAY)
    if cluster.spec["api"] == "slow":
        ctx.say(f"the API server needs {SLOW_SECONDS:g} s for an answer")
