"""The package `kubernetes`, whatever cluster is behind it: what is checked, and what a change means."""

from __future__ import annotations

import copy
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from lab import schemas
from lab.cluster.kinds import KINDS
from lab.cluster.store import ApiError
from lab.provider import CheckFailure, Context, Diff, PartialFailure, Props, Provider, ProviderError
from lab.providers import kubernetes_config
from lab.providers.kubernetes_await import Ticking, ready
from lab.providers.kubernetes_diff import difference, pruned
from lab.values import UNKNOWN, has_unknown, secrets_like, unwrap

_NOT_HERE = re.compile(r"(Patch|List)$|^(ConfigFile|ConfigGroup|Chart|Directory|CustomResource)$")
_AUTONAMED = "pulumi.com/autonamed"
_UNSUPPORTED = ("pulumi.com/waitFor", "pulumi.com/patchForce")
NOT_MADE = 'resource "{urn}" was not successfully created by the Kubernetes API server: '
_EXISTS = """\
{error}

An object of this name is there already, and nothing was changed. Take it over with `pulumi import`, change single \
fields of it with a Patch resource, or let the provider overwrite it (upsertExistingObjects: destroy will delete it)."""


class Special(Protocol):
    """A type that is not simply an object: a Helm release, a patch."""

    def check(self, ctx: Context, olds: Props | None, news: Props) -> tuple[Props, list[CheckFailure]]:
        """As of a provider."""
        ...

    def diff(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Diff:
        """As of a provider."""
        ...

    def create(self, ctx: Context, inputs: Props) -> tuple[str, Props]:
        """As of a provider."""
        ...

    def update(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Props:
        """As of a provider."""
        ...

    def delete(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> None:
        """As of a provider."""
        ...

    def read(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> tuple[Props, Props] | None:
        """As of a provider."""
        ...


class Made(NamedTuple):
    """An object as the server has it, and what the state keeps beside it."""

    live: Props
    kept: Props


class Objects(Provider):
    """What is the same on a simulated cluster and on a real one."""

    package = "kubernetes"
    clock: Ticking
    special: Mapping[str, Special]

    # What a cluster does. Each raises `ProviderError` when it cannot be reached, and `ApiError` when it refuses.

    def find(self, ctx: Context, id: str, inputs: Props) -> Props | None:
        """The object as it is now, as a copy."""
        raise NotImplementedError

    def make(self, ctx: Context, wanted: Props) -> Made:
        """Makes an object that must not be there yet."""
        raise NotImplementedError

    def try_out(self, ctx: Context, wanted: Props) -> None:
        """Asks whether the object would be taken; nothing is made."""
        raise NotImplementedError

    def change(self, ctx: Context, id: str, wanted: Props, old_outputs: Props) -> Props:
        """Brings the object to what is wanted; gives what the state keeps beside it."""
        raise NotImplementedError

    def take(self, ctx: Context, id: str, inputs: Props) -> None:
        """Deletes the object and waits until it is gone; one that is gone already is fine."""
        raise NotImplementedError

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
        if special := self.special.get(ctx.type):
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
        if special := self.special.get(ctx.type):
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
        job = self._job(ctx, id, inputs)
        if job is None or _holds(job, "Complete"):
            return ""
        if _annotation(inputs, "pulumi.com/replaceUnready") == "true":
            return 'metadata.annotations["pulumi.com/replaceUnready"]'
        awaited = is_awaited(inputs)
        return "status" if awaited and _holds(job, "Failed") else ""

    def _job(self, ctx: Context, id: str, inputs: Props) -> Props | None:
        try:
            return self.find(ctx, id, inputs)
        except ProviderError as error:
            ctx.say(f"Cluster is unreachable, skipping replaceUnready check: {error}")
            return None

    def create(self, ctx: Context, inputs: Props) -> tuple[str, Props]:
        """Makes the object and waits for it, unless its annotation says not to."""
        if special := self.special.get(ctx.type):
            return special.create(ctx, inputs)
        if ctx.preview:
            return "", self._preview(ctx, inputs)
        try:
            made = self.make(ctx, unwrap(inputs))
        except ApiError as error:
            raise refused(ctx, error) from None
        id = _id(made.live)
        return id, self._awaited(ctx, id, inputs, made.kept)

    def _preview(self, ctx: Context, inputs: Props) -> Props:
        """A dry run on the server where that is possible: it says what would be refused."""
        computed = {**copy.deepcopy(inputs), "status": UNKNOWN}
        if not has_unknown(inputs):
            try:
                self.try_out(ctx, unwrap(inputs))
            except ApiError as error:
                # Not yet made namespaces and taken names are the real run's business.
                if error.reason not in ("NotFound", "AlreadyExists", "Forbidden"):
                    raise refused(ctx, error) from None
            except ProviderError as error:
                if not str(error).startswith(kubernetes_config.UNREACHABLE):
                    raise
        return computed

    def _awaited(self, ctx: Context, id: str, inputs: Props, kept: Props) -> Props:
        try:
            outputs: Props = secrets_like(ready(self, ctx, id, unwrap(inputs)), inputs)
        except PartialFailure as failure:
            failure.outputs = {**secrets_like(failure.outputs, inputs), **kept}
            raise
        return {**outputs, **kept}

    def update(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Props:
        """Changes the object in place."""
        if special := self.special.get(ctx.type):
            return special.update(ctx, id, old_inputs, old_outputs, new_inputs)
        if ctx.preview:
            return {**copy.deepcopy(old_outputs), **copy.deepcopy(new_inputs)}
        try:
            kept = self.change(ctx, id, unwrap(new_inputs), unwrap(old_outputs))
        except ApiError as error:
            raise refused(ctx, error) from None
        return self._awaited(ctx, id, new_inputs, kept)

    def delete(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> None:
        """Deletes the object and waits until it is gone; one that is gone already is fine."""
        if special := self.special.get(ctx.type):
            special.delete(ctx, id, inputs, outputs)
        else:
            self.take(ctx, id, inputs)

    def read(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> tuple[Props, Props] | None:
        """The object as it is now."""
        if special := self.special.get(ctx.type):
            return special.read(ctx, id, inputs, outputs)
        found = self.find(ctx, id, inputs)
        if found is None:
            return None
        kept = {key: value for key, value in unwrap(outputs).items() if key.startswith("__")}
        return secrets_like(pruned(found, unwrap(inputs)), inputs), {**secrets_like(found, inputs), **kept}

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


def split(id: str) -> tuple[str | None, str]:
    """Namespace and name."""
    namespace, _, name = id.rpartition("/")
    return namespace or None, name


def is_awaited(inputs: Props) -> bool:
    """Whether the program wants to wait for the object."""
    return _annotation(inputs, "pulumi.com/skipAwait") != "true"


def refused(ctx: Context, error: ApiError) -> ProviderError:
    """The server's refusal in the provider's words."""
    text = _EXISTS.format(error=error) if error.reason == "AlreadyExists" else str(error)
    return ProviderError(NOT_MADE.format(urn=ctx.urn) + text)
