"""Callers that begin and do not finish, or ask and do not listen: bounded, and nobody else notices."""

import time
from pathlib import Path

import grpc
import numpy as np
import pytest

from tests.conftest import jpeg
from tests.e2e.harness import RunningServer, numbered
from tests.http2 import Connection, message
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc, image_pb2, maps_pb2

CLASSIFY = "/vitscope.v1.ClassifierService/Classify"
GET_MODEL = "/vitscope.v1.ClassifierService/GetModel"


def request(photo: bytes, number: int = 0) -> classifier_pb2.ClassifyRequest:
    return classifier_pb2.ClassifyRequest(model="fashion", image=image_pb2.Image(encoded=numbered(photo, number)))


def wait_for(server: RunningServer, name: str, at_least: float, **labels: str) -> None:
    until = time.monotonic() + 30
    while server.metric(name, **labels) < at_least:
        assert time.monotonic() < until, f"{name} never reached {at_least}"
        time.sleep(0.05)


def test_messages_that_never_arrive_are_counted_and_end(models: Path, photo: bytes) -> None:
    with RunningServer(models, "--max-receive-seconds", "1") as server, Connection(server.address) as half:
        for _ in range(10):
            half.call(CLASSIFY, message(b"\0" * 1000, length=2_000_000), end=False)
        for _ in range(5):
            half.call(GET_MODEL, message(b"", length=1000), end=False)
        wait_for(server, "vitscope_in_flight", 15)
        assert server.stub.Classify(request(photo), timeout=30).classes
        wait_for(server, "grpc_server_handled_total", 10, grpc_method="Classify", grpc_code="DEADLINE_EXCEEDED")
        wait_for(server, "grpc_server_handled_total", 5, grpc_method="GetModel", grpc_code="DEADLINE_EXCEEDED")
        assert server.metric("vitscope_in_flight") == 0


def test_replies_that_are_not_read_are_bounded(models: Path) -> None:
    photo = jpeg(np.full((64, 64, 3), 127, np.uint8))
    with (
        RunningServer(models, "--max-in-flight-mib", "1") as server,
        Connection(server.address, window=0) as deaf,
    ):
        picture = maps_pb2.RenderingOptions(kind=maps_pb2.RENDERING_KIND_HEAT_MAP, size=600)
        asked = request(photo)
        asked.maps.MergeFrom(maps_pb2.MapOptions(all_heads=True, rendering=picture))
        for _ in range(12):
            deaf.call(CLASSIFY, message(asked.SerializeToString()))
            time.sleep(0.1)
        wait_for(server, "grpc_server_handled_total", 1, grpc_method="Classify", grpc_code="RESOURCE_EXHAUSTED")
        assert server.metric("grpc_server_handled_total", grpc_method="Classify", grpc_code="OK") >= 1
        assert server.stub.Classify(request(photo, 1), timeout=30).classes


def test_a_watcher_that_reads_nothing_does_not_keep_the_server_alive(models: Path) -> None:
    with RunningServer(models) as server, Connection(server.address, window=0) as silent:
        silent.call("/grpc.health.v1.Health/Watch", message(b""))
        wait_for(server, "grpc_server_started_total", 1, grpc_method="Watch")
        server.terminate()
        assert server.process.wait(timeout=30) == 0


def test_headers_have_one_limit_and_what_exceeds_it_is_counted(server: RunningServer) -> None:
    listed = classifier_pb2.ListModelsRequest()
    for _ in range(20):
        assert server.stub.ListModels(listed, metadata=[("x", "v" * 15_000)], timeout=30).models
    with pytest.raises(grpc.RpcError) as caught:
        server.stub.ListModels(listed, metadata=[("x", "v" * 17_000)], timeout=30)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "headers: 17," in caught.value.details()
    counted = {"grpc_method": "ListModels", "grpc_code": "INVALID_ARGUMENT"}
    assert server.metric("grpc_server_handled_total", **counted) == 1


def test_more_calls_at_once_than_a_connection_may_have_all_get_an_answer_or_a_refusal(
    server: RunningServer, photo: bytes
) -> None:
    with grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = classifier_pb2_grpc.ClassifierServiceStub(channel)
        calls = [stub.Classify.future(request(photo, number), timeout=60) for number in range(1500)]
        codes = {call.code() for call in calls}
    assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert grpc.StatusCode.OK in codes


def test_a_connection_is_replaced_at_its_age_and_no_call_is_lost(models: Path) -> None:
    with RunningServer(models, "--max-connection-seconds", "0.5") as server:
        until = time.monotonic() + 3
        states = []
        server.channel.subscribe(states.append)
        while time.monotonic() < until:
            assert server.stub.ListModels(classifier_pb2.ListModelsRequest(), timeout=30, wait_for_ready=True).models
        assert grpc.ChannelConnectivity.IDLE in states
