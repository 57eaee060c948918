"""Hooks of the program: functions that live in its process, called over the SDK's callback server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import grpc
from pulumi.runtime.proto import callback_pb2, callback_pb2_grpc, resource_pb2

from lab.engine_backends import RefusedError
from lab.state import Entry
from lab.values import to_wire

GONE = "the program has ended, because another resource failed"


@dataclass
class Hooks:
    """The hooks that the program registered, by name."""

    preview: bool
    _registered: dict[str, Any] = field(default_factory=dict)

    def register(self, request: Any) -> None:
        """Takes a RegisterResourceHookRequest or RegisterErrorHookRequest."""
        if request.name in self._registered:
            raise RefusedError(f"two hooks are named {request.name!r}")
        self._registered[request.name] = request

    def run(self, moment: str, new: Entry | None, old: Entry | None) -> list[str]:
        """Calls the before_ or after_ hooks of a step; returns the errors that may be ignored."""
        entry = new or old
        assert entry is not None
        warnings = []
        for name in entry.resource_hooks.get(moment, []):
            hook = self._registered.get(name)
            if hook is None:
                raise RefusedError(f"{moment} hook {name!r} is not registered: the program has to run", entry.urn)
            error = "" if self.preview and not hook.on_dry_run else self._error(hook, moment, entry, new, old)
            if error and not hook.ignore_errors:
                raise RefusedError(f"{moment} hook {name!r} failed: {error}", entry.urn)
            warnings += [f"{moment} hook {name!r} failed: {error}"] if error else []
        return warnings

    def _error(self, hook: Any, moment: str, entry: Entry, new: Entry | None, old: Entry | None) -> str:
        values = _values(new, old)
        if new is not None and moment.startswith("after"):
            values["new_outputs"] = to_wire(new.outputs)
        request = resource_pb2.ResourceHookRequest(**_identity(entry), **values)
        try:
            return str(resource_pb2.ResourceHookResponse.FromString(_call(hook.callback, request)).error)
        except grpc.RpcError:
            return GONE

    def wants_retry(self, operation: str, new: Entry | None, old: Entry | None, errors: list[str]) -> bool:
        """Asks the on_error hooks; all are asked, one that says yes is enough, one that is gone says no."""
        entry = new or old
        assert entry is not None
        values = _values(new, old)
        answers = []
        for hook in filter(None, map(self._registered.get, entry.resource_hooks.get("on_error", []))):
            request = resource_pb2.ErrorHookRequest(
                **_identity(entry), **values, failed_operation=operation, errors=errors
            )
            try:
                answer = resource_pb2.ErrorHookResponse.FromString(_call(hook.callback, request))
            except grpc.RpcError:
                continue
            if answer.error:
                raise RefusedError(f"error hook {hook.name!r} failed: {answer.error}", entry.urn)
            answers.append(bool(answer.retry))
        return any(answers)


def _identity(entry: Entry) -> dict[str, Any]:
    return {"urn": entry.urn, "id": entry.id, "name": entry.name, "type": entry.type}


def _values(new: Entry | None, old: Entry | None) -> dict[str, Any]:
    values = {} if new is None else {"new_inputs": to_wire(new.inputs)}
    return values if old is None else {**values, "old_inputs": to_wire(old.inputs), "old_outputs": to_wire(old.outputs)}


def _call(callback: Any, request: Any) -> bytes:
    with grpc.insecure_channel(callback.target) as channel:
        stub = callback_pb2_grpc.CallbacksStub(channel)
        invoke = callback_pb2.CallbackInvokeRequest(token=callback.token, request=request.SerializeToString())
        return bytes(stub.Invoke(invoke).response)
