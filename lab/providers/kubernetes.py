"""Stands in for the Kubernetes provider: plain objects and Helm releases go to a simulated cluster."""

from __future__ import annotations

import copy
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from lab import schemas
from lab.cluster.kinds import KINDS
from lab.cluster.store import ApiError
from lab.cluster.world import Simulated, World
from lab.provider import CheckFailure, Context, Diff, PartialFailure, Props, Provider, ProviderError
from lab.providers import helm_release, kubernetes_config, kubernetes_patch
from lab.providers.kubernetes_await import gone, ready
from lab.providers.kubernetes_diff import difference, pruned
from lab.values import UNKNOWN, has_unknown, secrets_like, unwrap

_NOT_HERE = re.compile(r"(Patch|List)$|^(ConfigFile|ConfigGroup|Chart|Directory|CustomResource)$")
_AUTONAMED = "pulumi.com/autonamed"
_UNSUPPORTED = ("pulumi.com/waitFor", "pulumi.com/patchForce")
_EXISTS = """\
{error}

An object of this name is there already, and nothing was changed. Take it over with `pulumi import`, change single \
fields of it with a Patch resource, or let the provider overwrite it (upsertExistingObjects: destroy will delete it)."""


class KubernetesProvider(Provider):
    """The package `kubernetes` on a simulated cluster."""

    package = "kubernetes"

    def __init__(self, world: World) -> None:
        self.world = world
        self._special: dict[str, helm_release.Releases | kubernetes_patch.NodePatches] = {
            helm_release.TYPE: helm_release.Releases(self),
            kubernetes_patch.TYPE: kubernetes_patch.NodePatches(self),
        }

    @contextmanager
    def cluster(self, ctx: Context) -> Iterator[Simulated]:
        """The cluster, if it can be reached with the provider's configuration; else `ProviderError`."""
        with self.world.open() as cluster:
            kubernetes_config.reach(ctx, cluster)
            yield cluster

    # The provider resource itself

    def check_config(self, news: Props) -> list[CheckFailure]:
        """Refuses misspelt settings of the provider."""
        return kubernetes_config.check(news)

    def diff_config(self, olds: Props, news: Props) -> Diff:
        """Path and context update the provider; only another cluster identifier replaces what is on it."""
        return kubernetes_config.diff(olds, news)

    # Objects

    def check(self, ctx: Context, olds: Props | None, news: Props) -> tuple[Props, list[CheckFailure]]:
        """Fills in kind, name and namespace, and holds the object against the schemas."""
        if special := self._special.get(ctx.type):
            return special.check(ctx, olds, news)
        api_version, kind = _kind_of(ctx.type)
        known = _check_kind(api_version, kind)
        if known:
            return news, [known]
        inputs = {**copy.deepcopy(news), "apiVersion": api_version, "kind": kind}
        _name(ctx, olds, inputs)
        if KINDS[kind].namespaced and isinstance(inputs["metadata"], dict):
            namespace = unwrap(ctx.config).get("namespace") or "default"
            inputs["metadata"].setdefault("namespace", namespace)
        return inputs, list(_check_object(news, inputs))

    def diff(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Diff:
        """What differs, and whether the object can be changed in place."""
        if special := self._special.get(ctx.type):
            return special.diff(ctx, id, old_inputs, old_outputs, new_inputs)
        found = difference(old_inputs, old_outputs, new_inputs)
        unready = self._unready(ctx, id, new_inputs) if new_inputs["kind"] == "Job" else ""
        if not unready:
            return found
        return Diff(
            (*found.changed, unready), (*found.replaces, unready), found.delete_before_replace or _fixed(new_inputs)
        )

    def _unready(self, ctx: Context, id: str, inputs: Props) -> str:
        """Which property makes a Job that did not succeed be made again, if any."""
        job = self._live(ctx, id, inputs)
        if job is None or _holds(job, "Complete"):
            return ""
        if _annotation(inputs, "pulumi.com/replaceUnready") == "true":
            return 'metadata.annotations["pulumi.com/replaceUnready"]'
        awaited = _annotation(inputs, "pulumi.com/skipAwait") != "true"
        return "status" if awaited and _holds(job, "Failed") else ""

    def _live(self, ctx: Context, id: str, inputs: Props) -> Props | None:
        try:
            with self.cluster(ctx) as cluster:
                return copy.deepcopy(_find(cluster, id, inputs))
        except ProviderError as error:
            ctx.say(f"Cluster is unreachable, skipping replaceUnready check: {error}")
            return None

    def create(self, ctx: Context, inputs: Props) -> tuple[str, Props]:
        """Makes the object and waits for it, unless its annotation says not to."""
        if special := self._special.get(ctx.type):
            return special.create(ctx, inputs)
        if ctx.preview:
            return "", self._preview(ctx, inputs)
        with self.cluster(ctx) as cluster:
            try:
                made = cluster.create(unwrap(inputs))
            except ApiError as error:
                raise _refused(ctx, error) from None
            id = _id(made)
        return id, self._awaited(ctx, id, inputs)

    def _preview(self, ctx: Context, inputs: Props) -> Props:
        """A dry run on the server where that is possible: it says what would be refused."""
        computed = {**copy.deepcopy(inputs), "status": UNKNOWN}
        if not has_unknown(inputs):
            try:
                with self.cluster(ctx) as cluster:
                    self._dry_run(ctx, cluster, inputs)
            except ProviderError as error:
                if not str(error).startswith(kubernetes_config.UNREACHABLE):
                    raise
        return computed

    def _dry_run(self, ctx: Context, cluster: Simulated, inputs: Props) -> None:
        """Nothing of it is kept: not yet made namespaces and taken names are the real run's business."""
        before = copy.deepcopy(cluster.data)
        try:
            cluster.create(unwrap(inputs))
        except ApiError as error:
            if error.reason not in ("NotFound", "AlreadyExists", "Forbidden"):
                raise _refused(ctx, error) from None
        finally:
            cluster.data, cluster.changed = before, False

    def _awaited(self, ctx: Context, id: str, inputs: Props) -> Props:
        try:
            outputs: Props = secrets_like(ready(self, ctx, id, unwrap(inputs)), inputs)
        except PartialFailure as failure:
            failure.outputs = secrets_like(failure.outputs, inputs)
            raise
        return outputs

    def update(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Props:
        """Changes the object in place."""
        if special := self._special.get(ctx.type):
            return special.update(ctx, id, old_inputs, old_outputs, new_inputs)
        if ctx.preview:
            return {**copy.deepcopy(old_outputs), **copy.deepcopy(new_inputs)}
        with self.cluster(ctx) as cluster:
            try:
                _check_update(_find(cluster, id, new_inputs), unwrap(new_inputs))
                cluster.replace(unwrap(new_inputs))
            except ApiError as error:
                raise _refused(ctx, error) from None
        return self._awaited(ctx, id, new_inputs)

    def delete(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> None:
        """Deletes the object and waits until it is gone; one that is gone already is fine."""
        if special := self._special.get(ctx.type):
            special.delete(ctx, id, inputs, outputs)
            return
        with self.cluster(ctx) as cluster:
            if _find(cluster, id, inputs) is None:
                return
            namespace, name = _split(id)
            cluster.delete(inputs["kind"], name, namespace)
        gone(self, inputs)

    def read(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> tuple[Props, Props] | None:
        """The object as it is now."""
        if special := self._special.get(ctx.type):
            return special.read(ctx, id, inputs, outputs)
        with self.cluster(ctx) as cluster:
            found = copy.deepcopy(_find(cluster, id, inputs))
        if found is None:
            return None
        return secrets_like(pruned(found, unwrap(inputs)), inputs), secrets_like(found, inputs)

    def invoke(self, ctx: Context, token: str, args: Props) -> Props:
        """No function of the package is rehearsed."""
        raise ProviderError(f"the rehearsal has no function {token}")


def _kind_of(token: str) -> tuple[str, str]:
    """`kubernetes:core/v1:Namespace` -> (`v1`, `Namespace`)."""
    _, api_version, kind = token.split(":")
    return api_version.removeprefix("core/"), kind


def _check_kind(api_version: str, kind: str) -> CheckFailure | None:
    if _NOT_HERE.search(kind) and schemas.knows(api_version, kind) is not True:
        return CheckFailure("kind", f"the rehearsal has no {kind}: use plain objects or helm.v3.Release")
    if kind in KINDS and KINDS[kind].api_version == api_version:
        return None
    known = f"; it knows {KINDS[kind].api_version}" if kind in KINDS else schemas.similar(kind)
    return CheckFailure("kind", f"the simulated cluster does not serve {api_version} {kind}{known}")


def _name(ctx: Context, olds: Props | None, inputs: Props) -> None:
    """Gives an object without a name one of its own: the old one, or the resource's with a random tail."""
    meta = inputs.setdefault("metadata", {})
    if not isinstance(meta, dict) or meta.get("name") or meta.get("generateName"):
        return
    before = (olds or {}).get("metadata")
    before = before if isinstance(before, dict) else {}
    was_ours = (before.get("annotations") or {}).get(_AUTONAMED) == "true"
    meta["name"] = before["name"] if was_ours else f"{ctx.name}-{secrets.token_hex(4)}"
    meta["annotations"] = {**(meta.get("annotations") or {}), _AUTONAMED: "true"}


def _check_object(news: Props, inputs: Props) -> Iterator[CheckFailure]:
    for key in ("apiVersion", "kind"):
        if key in news and news[key] != inputs[key]:
            yield CheckFailure(key, f"{news[key]!r} does not fit the resource type, which is {inputs[key]!r}")
    for fault in schemas.faults(inputs):
        yield CheckFailure(fault.path, fault.reason)
    for name in _UNSUPPORTED:
        if _annotation(inputs, name):
            yield CheckFailure("metadata.annotations", f"the rehearsal does not know {name}")


def _annotation(inputs: Props, name: str) -> str:
    meta = unwrap(inputs.get("metadata") or {})
    annotations = meta.get("annotations") if isinstance(meta, dict) else None
    return str(annotations.get(name, "")) if isinstance(annotations, dict) else ""


def _fixed(inputs: Props) -> bool:
    """Whether the program chose the name: then two cannot live side by side."""
    return _annotation(inputs, _AUTONAMED) != "true"


def _holds(obj: Props, condition: str) -> bool:
    found = obj.get("status", {}).get("conditions", ())
    return any(one["type"] == condition and one["status"] == "True" for one in found)


def _id(obj: Props) -> str:
    meta = obj["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])


def _split(id: str) -> tuple[str | None, str]:
    namespace, _, name = id.rpartition("/")
    return namespace or None, name


def _find(cluster: Simulated, id: str, inputs: Props) -> Props | None:
    namespace, name = _split(id)
    return cluster.get(inputs["kind"], name, namespace)


def _check_update(live: Props | None, wanted: Props) -> None:
    """What the API refuses to change and the provider does not know to replace."""
    if live and wanted["kind"] == "RuntimeClass" and live["handler"] != wanted["handler"]:
        name, handler = wanted["metadata"]["name"], wanted["handler"]
        problem = f'handler: Invalid value: "{handler}": field is immutable'
        raise ApiError("Invalid", f'RuntimeClass.node.k8s.io "{name}" is invalid: {problem}')


def _refused(ctx: Context, error: ApiError) -> ProviderError:
    text = _EXISTS.format(error=error) if error.reason == "AlreadyExists" else str(error)
    return ProviderError(f'resource "{ctx.urn}" was not successfully created by the Kubernetes API server: {text}')
