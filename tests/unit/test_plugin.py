"""The simulated cluster as a plugin of the real engine: what goes over the wire, asked by a real gRPC client."""

from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import struct_pb2
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from lab.cluster.world import World
from lab.plugin import Plugin, to_props, to_struct
from lab.provider import PartialFailure
from lab.providers.kubernetes import KubernetesProvider
from lab.values import UNKNOWN
from tests.unit.house import WORLD

URN = "urn:pulumi:demo::gpu-ready::kubernetes:core/v1:Namespace::space"
SPACE: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "space"}}


@pytest.fixture
def provider(tmp_path: Path) -> KubernetesProvider:
    return KubernetesProvider(World.create(tmp_path / "world.json", WORLD))


@pytest.fixture
def asked(provider: KubernetesProvider) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Plugin(provider), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        stub.Configure(provider_pb2.ConfigureRequest(args=to_struct({"context": "demo"})))
        yield stub
    server.stop(None)


def create(asked: Any, props: dict[str, Any], preview: bool = False) -> Any:
    return asked.Create(provider_pb2.CreateRequest(urn=URN, properties=to_struct(props), preview=preview))


def test_values_come_back_as_they_went_and_unknowns_stay_unknown() -> None:
    props = {"a": [1, {"b": None}], "c": UNKNOWN, "d": {"e": [UNKNOWN]}}
    wire = to_struct(props)
    assert wire.fields["c"].string_value == rpc.UNKNOWN
    assert to_props(wire) == props


def test_an_object_is_made_read_changed_and_taken_away(asked: Any, provider: KubernetesProvider) -> None:
    made = create(asked, SPACE)
    outputs = to_props(made.properties)
    assert made.id == "space"
    assert outputs["metadata"]["uid"]

    labelled = {**SPACE, "metadata": {"name": "space", "labels": {"a": "b"}}}
    olds = {"olds": made.properties, "old_inputs": to_struct(SPACE), "news": to_struct(labelled)}
    diff = asked.Diff(provider_pb2.DiffRequest(id="space", urn=URN, **olds))
    assert (diff.changes, list(diff.diffs), list(diff.replaces)) == (
        provider_pb2.DiffResponse.DIFF_SOME,
        ["metadata"],
        [],
    )
    asked.Update(provider_pb2.UpdateRequest(id="space", urn=URN, **olds))

    state = {"id": "space", "urn": URN, "properties": made.properties}
    read = asked.Read(provider_pb2.ReadRequest(inputs=to_struct(labelled), **state))
    assert to_props(read.properties)["metadata"]["labels"]["a"] == "b"
    asked.Delete(provider_pb2.DeleteRequest(old_inputs=to_struct(labelled), **state))
    assert asked.Read(provider_pb2.ReadRequest(inputs=to_struct(labelled), **state)).id == ""


def test_a_preview_makes_nothing(asked: Any) -> None:
    create(asked, SPACE, preview=True)
    state = {"id": "space", "urn": URN, "properties": struct_pb2.Struct()}
    assert asked.Read(provider_pb2.ReadRequest(inputs=to_struct(SPACE), **state)).id == ""


def test_a_refusal_reaches_the_engine_in_the_providers_own_words(asked: Any) -> None:
    create(asked, SPACE)
    with pytest.raises(grpc.RpcError) as refused:
        create(asked, SPACE)
    assert "already exists" in str(refused.value.details())


def test_a_misspelt_key_is_a_check_failure(asked: Any) -> None:
    wrong = {**SPACE, "metadata": {"name": "space", "lables": {}}}
    answer = asked.Check(provider_pb2.CheckRequest(urn=URN, news=to_struct(wrong)))
    assert "lables" in str(answer.failures)


def test_something_made_but_not_well_carries_its_id_and_the_reasons(
    asked: Any, provider: KubernetesProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half_made(*_: Any) -> Any:
        raise PartialFailure("not ready", "gpu-ready/job", {"a": 1}, ["timed out"])

    monkeypatch.setattr(provider, "create", half_made)
    with pytest.raises(grpc.RpcError) as refused:
        create(asked, SPACE)
    trailing = dict(refused.value.trailing_metadata())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    status.details[0].Unpack(detail)
    assert (detail.id, list(detail.reasons), to_props(detail.properties)) == ("gpu-ready/job", ["timed out"], {"a": 1})
