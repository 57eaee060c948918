"""The simulated cluster behind the real engine: serves a provider of the rehearsal as a Pulumi plugin.

`python -m lab.plugin --world PATH` is what an executable named `pulumi-resource-kubernetes` on PATH runs. So the very
same program, under the real `pulumi`, meets the very same simulated cluster as under the built-in engine.
"""

from __future__ import annotations

import argparse
import sys
import threading
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime import rpc
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from lab.provider import Context, Diff, PartialFailure, Props, Provider, ProviderError
from lab.values import UNKNOWN

VERSION = "4.34.2"


def to_props(message: struct_pb2.Struct, unknown: Any = UNKNOWN) -> Props:
    """Wire form to plain values; this plugin tells the engine that it wants no secret wrappers."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item) for item in value]
        return unknown if value == rpc.UNKNOWN else value

    return {key: walk(item) for key, item in json_format.MessageToDict(message).items()}


def to_struct(props: Props) -> struct_pb2.Struct:
    """Plain values to wire form."""

    def walk(value: Any) -> Any:
        if value is UNKNOWN:
            return rpc.UNKNOWN
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        return [walk(item) for item in value] if isinstance(value, (list, tuple)) else value

    message = struct_pb2.Struct()
    message.update({key: walk(item) for key, item in props.items()})
    return message


def to_diff(diff: Diff) -> provider_pb2.DiffResponse:
    """What differs, in the engine's words."""
    some = bool(diff.changed or diff.replaces)
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if some else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=sorted({path.split(".")[0] for path in (*diff.changed, *diff.replaces)}),
        replaces=sorted({path.split(".")[0] for path in diff.replaces}),
        deleteBeforeReplace=diff.delete_before_replace,
    )


class Plugin(provider_pb2_grpc.ResourceProviderServicer):
    """Translates the engine's calls into questions to one provider of the rehearsal."""

    def __init__(self, provider: Provider) -> None:
        self.provider, self.config = provider, {}  # type: Provider, Props
        self.stopping = threading.Event()

    def _context(self, request: Any, preview: bool = False) -> Context:
        types, name = request.urn.split("::")[2:4]
        return Context(
            urn=request.urn,
            type=types.split("$")[-1],
            name=name,
            preview=preview,
            config=self.config,
            timeout=getattr(request, "timeout", 0) or None,
            stopping=self.stopping,
        )

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        failures = self.provider.check_config(to_props(request.news))
        return provider_pb2.CheckResponse(inputs=request.news, failures=[_failure(one) for one in failures])

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        return to_diff(self.provider.diff_config(to_props(request.old_inputs), to_props(request.news)))

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.config = to_props(request.args)
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True)

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        olds = to_props(request.olds) if request.olds.fields else None
        inputs, failures = self.provider.check(self._context(request), olds, to_props(request.news))
        return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=[_failure(one) for one in failures])

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        old_inputs, old_outputs = to_props(request.old_inputs), to_props(request.olds)
        diff = self.provider.diff(self._context(request), request.id, old_inputs, old_outputs, to_props(request.news))
        return to_diff(diff)

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _refusals(context):
            id, outputs = self.provider.create(self._context(request, request.preview), to_props(request.properties))
            return provider_pb2.CreateResponse(id=id, properties=to_struct(outputs))

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _refusals(context):
            olds = to_props(request.old_inputs), to_props(request.olds)
            ctx = self._context(request, request.preview)
            outputs = self.provider.update(ctx, request.id, *olds, to_props(request.news))
            return provider_pb2.UpdateResponse(properties=to_struct(outputs))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _refusals(context):
            olds = to_props(request.old_inputs), to_props(request.properties)
            self.provider.delete(self._context(request), request.id, *olds)
            return empty_pb2.Empty()

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _refusals(context):
            olds = to_props(request.inputs), to_props(request.properties)
            found = self.provider.read(self._context(request), request.id, *olds)
            if found is None:
                return provider_pb2.ReadResponse()
            inputs, outputs = (to_struct(one) for one in found)
            return provider_pb2.ReadResponse(id=request.id, properties=outputs, inputs=inputs)

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.stopping.set()
        return empty_pb2.Empty()


def _failure(failure: Any) -> Any:
    return provider_pb2.CheckFailure(property=failure.property, reason=failure.reason)


class _refusals:
    """Turns a provider's refusal into the error form that the engine understands."""

    def __init__(self, context: grpc.ServicerContext) -> None:
        self.context = context

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, PartialFailure):
            self.context.abort_with_status(_partial(error))
        if isinstance(error, ProviderError):
            self.context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _partial(error: PartialFailure) -> Any:
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.id, properties=to_struct(error.outputs), reasons=error.reasons
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
    status.details.add().Pack(detail)
    return _Status(grpc.StatusCode.UNKNOWN, str(error), (("grpc-status-details-bin", status.SerializeToString()),))


class _Status(grpc.Status):  # type: ignore[misc]
    def __init__(self, code: grpc.StatusCode, details: str, trailing_metadata: Any) -> None:
        self.code, self.details, self.trailing_metadata = code, details, trailing_metadata


def serve(provider: Provider) -> None:
    """Serves until the engine closes our standard input or ends us; prints the port, as the engine expects."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Plugin(provider), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


def main(argv: list[str]) -> None:
    """Entry of the plugin; the engine adds its own address, which this provider does not need."""
    parser = argparse.ArgumentParser(prog="python -m lab.plugin")
    parser.add_argument("--world", type=Path, required=True)
    from lab.cluster.world import World
    from lab.providers.kubernetes import KubernetesProvider

    known, _engine = parser.parse_known_args(argv)
    serve(KubernetesProvider(World(known.world)))


if __name__ == "__main__":
    main(sys.argv[1:])
