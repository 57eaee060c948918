"""`kubernetes:helm.sh/v3:Release` on a simulated cluster: strict keys, known charts, Helm's own refusals."""

from __future__ import annotations

import copy
import difflib
import secrets
from typing import TYPE_CHECKING, Any

from decide import defaults
from lab.cluster.kubelet import is_ready
from lab.cluster.store import ApiError, Cluster
from lab.provider import CheckFailure, Context, Diff, PartialFailure, Props, ProviderError
from lab.values import UNKNOWN, diff_paths, secrets_like, show_path, unwrap

if TYPE_CHECKING:
    from lab.providers.kubernetes import KubernetesProvider

TYPE = "kubernetes:helm.sh/v3:Release"
CHARTS = {
    defaults.OPERATOR_CHART: defaults.OPERATOR_VERSIONS,
    defaults.PLUGIN_CHART: defaults.PLUGIN_VERSIONS,
    defaults.DRA_CHART: defaults.DRA_VERSIONS,
}
_KEYS = (
    "allowNullValues", "atomic", "chart", "checksum", "cleanupOnFail", "compat", "createNamespace", "dependencyUpdate",
    "description", "devel", "disableCRDHooks", "disableOpenapiValidation", "disableWebhooks", "forceUpdate", "keyring",
    "lint", "manifest", "maxHistory", "name", "namespace", "postrender", "recreatePods", "renderSubchartNotes",
    "replace", "repositoryOpts", "resetValues", "resourceNames", "reuseValues", "skipAwait", "skipCrds",
    "takeOwnership", "timeout", "valueYamlFiles", "values", "verify", "version", "waitForJobs",
)  # fmt: skip
_REPOSITORY_KEYS = ("repo", "keyFile", "certFile", "caFile", "username", "password")
_NOT_HERE = ("valueYamlFiles", "postrender", "manifest", "takeOwnership", "replace")
_USUAL_SECONDS = 300.0
_INSTALL_SECONDS, _UNINSTALL_SECONDS = 3.0, 20.0
_LOOK_SECONDS = 2.0


class ReleaseRules:
    """What is checked of a Release, and what a change of it means, whoever plays Helm."""

    def check(self, ctx: Context, olds: Props | None, news: Props) -> tuple[Props, list[CheckFailure]]:
        """Refuses misspelt keys and unknown charts; fills in name, namespace and time limit."""
        failures = [
            *_misspelt(news, _KEYS, ""),
            *_misspelt(news.get("repositoryOpts") or {}, _REPOSITORY_KEYS, "repositoryOpts."),
        ]
        failures += [CheckFailure(key, "the rehearsal does not do this") for key in _NOT_HERE if news.get(key)]
        failures += _chart_faults(unwrap(news))
        inputs = {key: value for key, value in copy.deepcopy(news).items() if value is not None}
        if not inputs.get("name"):
            inputs["name"] = (olds or {}).get("name") or f"{ctx.name}-{secrets.token_hex(4)}"
        if not inputs.get("namespace"):
            inputs["namespace"] = unwrap(ctx.config).get("namespace") or "default"
        if not inputs.get("skipAwait"):
            inputs.setdefault("timeout", int(_USUAL_SECONDS))
        return inputs, failures

    def diff(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Diff:
        """Another name or namespace is another release; anything else is an upgrade."""
        changed = [show_path(path) for path in diff_paths(old_inputs, new_inputs)]
        return Diff(tuple(changed), tuple(one for one in changed if one in ("name", "namespace")))


class Releases(ReleaseRules):
    """The part of the provider that plays Helm."""

    def __init__(self, provider: KubernetesProvider) -> None:
        self.provider = provider

    def create(self, ctx: Context, inputs: Props) -> tuple[str, Props]:
        """`helm install`, with Helm's wait unless it is skipped."""
        if ctx.preview:
            return "", {**copy.deepcopy(inputs), "status": UNKNOWN}
        wish = unwrap(inputs)
        with self.provider.cluster(ctx) as cluster:
            _make_namespace(cluster, wish)
            try:
                values = wish.get("values") or {}
                chart = wish["chart"].rpartition("/")[2]  # a chart in a registry is called by its whole address
                cluster.install_release(wish["name"], wish["namespace"], wish["version"], values, chart)
            except ApiError as error:
                raise ProviderError(str(error)) from None
        _cut_off(cluster)
        return _id(wish), self._settled(ctx, inputs)

    def update(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Props:
        """`helm upgrade`."""
        inputs, wish = new_inputs, unwrap(new_inputs)
        if ctx.preview:
            return {**copy.deepcopy(inputs), "status": UNKNOWN}
        with self.provider.cluster(ctx) as cluster:
            try:
                cluster.upgrade_release(wish["name"], wish["namespace"], wish["version"], wish.get("values") or {})
            except ApiError as error:
                raise ProviderError(str(error)) from None
        _cut_off(cluster)
        return self._settled(ctx, inputs)

    def delete(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> None:
        """`helm uninstall`; a release that is gone already is fine."""
        namespace, _, name = id.rpartition("/")
        with self.provider.cluster(ctx) as cluster:
            if cluster.release(name, namespace) is None:
                return
            cluster.uninstall_release(name, namespace)
        self.provider.world.clock.sleep(_UNINSTALL_SECONDS)

    def read(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> tuple[Props, Props] | None:
        """The release as Helm knows it."""
        namespace, _, name = id.rpartition("/")
        with self.provider.cluster(ctx) as cluster:
            release = cluster.release(name, namespace)
            if release is None:
                return None
            # What was never given stays so: Helm's empty values are the program's missing ones.
            values = {"values": release["values"]} if release["values"] or "values" in inputs else {}
            found = {**unwrap(inputs), **values, "version": release["version"]}
            inputs = secrets_like(found, inputs)
            return inputs, self._outputs(cluster, inputs)

    def _outputs(self, cluster: Any, inputs: Props) -> Props:
        wish = unwrap(inputs)
        release = cluster.release(wish["name"], wish["namespace"])
        status = {
            "appVersion": wish["version"],
            "chart": wish["chart"],
            "name": wish["name"],
            "namespace": wish["namespace"],
            "revision": release["revision"],
            "status": release["status"],
            "version": wish["version"],
        }
        return {**copy.deepcopy(inputs), "status": status}

    def _settled(self, ctx: Context, inputs: Props) -> Props:
        wish, clock = unwrap(inputs), self.provider.world.clock
        clock.sleep(_INSTALL_SECONDS)
        end = clock.now() + float(wish.get("timeout") or _USUAL_SECONDS)
        while True:
            with self.provider.cluster(ctx) as cluster:
                outputs = self._outputs(cluster, inputs)
                waiting = [] if wish.get("skipAwait") else _unready(cluster, wish["namespace"])
            if not waiting:
                return outputs
            if clock.now() >= end or ctx.stopping.is_set():
                raise _too_late(ctx, wish, outputs)
            ctx.say(f"waiting for {', '.join(waiting)}")
            clock.sleep(_LOOK_SECONDS)


def _id(wish: Props) -> str:
    return f"{wish['namespace']}/{wish['name']}"


def _misspelt(given: Props, known: tuple[str, ...], prefix: str) -> list[CheckFailure]:
    failures = []
    for key in given if isinstance(given, dict) else ():
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            failures.append(CheckFailure(f"{prefix}{key}", f"a Release has no such argument{hint}"))
    return failures


def _chart_faults(wish: Props) -> list[CheckFailure]:
    chart, version = wish.get("chart"), wish.get("version")
    values = wish.get("values")
    faults = []
    if not isinstance(chart, str) or chart not in CHARTS:
        faults.append(CheckFailure("chart", f"the rehearsal has no chart {chart!r}; it has {', '.join(CHARTS)}"))
    elif not version:
        faults.append(
            CheckFailure("version", f"is missing, and another day would bring another chart; {_known(chart)}")
        )
    elif version is not UNKNOWN and version not in CHARTS[chart]:
        reason = f'chart "{chart}" version "{version}" not found; check the chart name and repository configuration'
        faults.append(CheckFailure("version", f"{reason} ({_known(chart)})"))
    if values is not None and values is not UNKNOWN and not isinstance(values, dict):
        faults.append(CheckFailure("values", f"must be a map, not {values!r}"))
    return faults


def _known(chart: str) -> str:
    return f"known: {', '.join(CHARTS[chart])}"


def _make_namespace(cluster: Cluster, wish: Props) -> None:
    name = wish["namespace"]
    if wish.get("createNamespace") and cluster.get("Namespace", name) is None:
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"name": name}}})


def _cut_off(cluster: Cluster) -> None:
    """What was begun stays as it is: nobody is there to note how it went, and nothing comes into the state."""
    if cluster.spec["helm"] == "cut-off":
        raise ProviderError("Kubernetes cluster unreachable: connect: connection refused")


def _unready(cluster: Cluster, namespace: str) -> list[str]:
    """Helm waits for the chart's own workloads; what the operator makes later is not its business."""
    return [
        pod["metadata"]["name"]
        for pod in cluster.list("Pod", namespace)
        if "nvidia-" not in pod["metadata"]["name"]
        and "gpu-feature" not in pod["metadata"]["name"]
        and not is_ready(pod)
    ]


def _too_late(ctx: Context, wish: Props, outputs: Props) -> PartialFailure:
    why = f"Helm Release {_id(wish)}: context deadline exceeded"
    text = f"failed to become available within allocated timeout. Error: {why}"
    ctx.say(f'Helm release "{wish["name"]}" was created but has a failed status')
    return PartialFailure(text, _id(wish), outputs, [text])
