"""`core/v1:NodePatch`: labels and annotations on a node that somebody else made, by server-side apply.

On a real server an apply to a node that is not there makes an empty Node object; the rehearsal refuses that.

Seen on 2026-11-21 with the real provider (4.32.0 and 27 commits), CLI 3.259.0 and API server 1.35.4: the annotation
`pulumi.com/patchFieldManager` goes to the server too, where a node has one of that name: two patches that name
themselves differently are in conflict about it. A patch made again under the name of one that was forgotten owns its
fields alone, and deleting it takes them away. One that names itself otherwise from now on is applied under the new name
and lets go of the old; where that ends in a conflict, the state has the new name, and the old one stays on the node.
`pulumi.com/patchForce` takes fields of other values over, and shares those of the same value. Deletes come last: of two
patches under one name on one node, deleting the first takes the label of the second along.
"""

from __future__ import annotations

import copy
import secrets
from typing import Final, Protocol

from lab import schemas
from lab.cluster import field_managers
from lab.cluster.store import ApiError, Object
from lab.provider import CheckFailure, Context, Diff, PartialFailure, Props, ProviderError
from lab.providers.kubernetes_diff import difference, pruned
from lab.values import secrets_like, unwrap

TYPE: Final = "kubernetes:core/v1:NodePatch"
MANAGER: Final = "__fieldManager"
_FORCE: Final = "pulumi.com/patchForce"
_NAMED: Final = "pulumi.com/patchFieldManager"
_FIELDS: Final = ("name", *field_managers.PARTS)
_CONFLICT = """\
server-side apply field conflict detected, see the provider's guide to managing resources with server-side apply \
for troubleshooting help
The resource managed by field manager "{manager}" had an apply conflict: {error}"""
_UNWELL = 'the Kubernetes API server reported that "{id}" failed to fully initialize or become live: {error}'
_UNMADE = 'resource "{urn}" was not successfully created by the Kubernetes API server: {error}'


class Patching(Protocol):
    """A provider whose cluster can apply."""

    def find(self, ctx: Context, id: str, inputs: Props) -> Props | None:
        """The object as it is now."""
        ...

    def apply_to_node(self, ctx: Context, wanted: Object, manager: str, force: bool) -> None:
        """Server-side apply of the metadata; raises `ApiError` on a conflict."""
        ...

    def let_go(self, ctx: Context, name: str, manager: str) -> None:
        """Takes back what only this manager owns."""
        ...


class NodePatches:
    """All NodePatch resources of a program."""

    def __init__(self, provider: Patching) -> None:
        self.provider = provider

    def check(self, ctx: Context, olds: Props | None, news: Props) -> tuple[Props, list[CheckFailure]]:
        """Wants a name, and only what the rehearsal can patch; held against the schemas of a Node."""
        inputs = {**copy.deepcopy(news), "apiVersion": "v1", "kind": "Node"}
        given = unwrap(inputs.get("metadata"))
        if not isinstance(given, dict) or not given.get("name"):
            text = "patch resources require the resource `.metadata.name` to be set"
            return inputs, [CheckFailure("metadata.name", text)]
        failures = [CheckFailure(fault.path, fault.reason) for fault in schemas.faults(inputs)]
        failures += [
            CheckFailure(key, "the rehearsal patches labels and annotations of nodes only")
            for key in (*(f"metadata.{key}" for key in given if key not in _FIELDS), *_others(news))
            if not any(key.startswith(one.property) for one in failures)
        ]
        return inputs, failures

    def diff(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Diff:
        """Another node is another patch; all else is applied in place."""
        return difference(old_inputs, old_outputs, new_inputs)

    def create(self, ctx: Context, inputs: Props) -> tuple[str, Props]:
        """Applies the patch under the field manager that it names, or one of its own."""
        if ctx.preview:  # the real one does not try it on the server either
            return "", copy.deepcopy(inputs)
        manager = _manager(inputs) or new_manager()
        try:
            return unwrap(inputs)["metadata"]["name"], self._applied(ctx, inputs, manager)
        except ProviderError as error:
            raise ProviderError(_UNMADE.format(urn=ctx.urn, error=error)) from None

    def update(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Props:
        """Applies it again: what it no longer names is let go, and so is all of a field manager that it had before."""
        if ctx.preview:
            return {**copy.deepcopy(old_outputs), **copy.deepcopy(new_inputs)}
        before = unwrap(old_outputs)[MANAGER]
        manager = _manager(new_inputs) or before
        try:
            made = self._applied(ctx, new_inputs, manager)
        except ProviderError as error:
            said = {**copy.deepcopy(new_inputs), MANAGER: manager}
            raise PartialFailure(_UNWELL.format(id=id, error=error), id, said, [str(error)]) from None
        if manager != before:
            self.provider.let_go(ctx, id, before)
        return made

    def delete(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> None:
        """Lets go of what only this patch owns; the node stays. A node that is gone needs nothing."""
        self.provider.let_go(ctx, id, unwrap(outputs)[MANAGER])

    def read(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> tuple[Props, Props] | None:
        """What the node has of the patched fields now."""
        node = self.provider.find(ctx, id, inputs)
        if node is None:
            return None
        found = secrets_like(pruned(node, unwrap(inputs)), inputs)
        return found, {**copy.deepcopy(found), MANAGER: unwrap(outputs).get(MANAGER, "")}

    def _applied(self, ctx: Context, inputs: Props, manager: str) -> Props:
        wanted: Object = unwrap(inputs)["metadata"]
        try:
            self.provider.apply_to_node(ctx, wanted, manager, _forced(wanted))
        except ApiError as error:
            is_conflict = error.reason == "Conflict"
            said = _CONFLICT.format(manager=manager, error=error) if is_conflict else str(error)
            raise ProviderError(said) from None
        return {**copy.deepcopy(inputs), MANAGER: manager}


def new_manager() -> str:
    """The real provider gives each resource a field manager of its own."""
    return f"pulumi-kubernetes-{secrets.token_hex(4)}"


def _others(news: Props) -> list[str]:
    return [key for key, value in news.items() if key not in ("apiVersion", "kind", "metadata") and value]


def _manager(inputs: Props) -> str:
    return str((unwrap(inputs)["metadata"].get("annotations") or {}).get(_NAMED) or "")


def _forced(wanted: Object) -> bool:
    return str((wanted.get("annotations") or {}).get(_FORCE, "")) == "true"
