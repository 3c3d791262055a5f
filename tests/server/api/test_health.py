"""The health service, with a real server and a watcher that reads nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.http2 import Connection, message
from vitscope.server.api.health import Health
from vitscope.server.api.rpcs import ObservedServer
from vitscope.server.metrics import Metrics
from vitscope.server.models.status import State

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
WATCH = "/grpc.health.v1.Health/Watch"


class Ready:
    name, state = "fashion", State.READY

    def __str__(self) -> str:
        return "fashion/1"


@pytest.fixture
async def served() -> AsyncIterator[tuple[aio.Channel, Health, str]]:
    health, server = Health(), aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health, ObservedServer(server, Metrics().rpcs))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel, health, f"127.0.0.1:{port}"
    async with asyncio.timeout(10):
        await server.stop(0)


def started(health: Health) -> None:
    health.models_changed([Ready()])  # type: ignore[arg-type]
    health.started()


async def test_it_tells_each_service_and_lists_all(served: tuple[aio.Channel, Health, str]) -> None:
    channel, health, _ = served
    stub = health_pb2_grpc.HealthStub(channel)
    assert (await stub.Check(health_pb2.HealthCheckRequest())).status == NOT_SERVING
    started(health)
    assert (await stub.Check(health_pb2.HealthCheckRequest(service="fashion"))).status == SERVING
    with pytest.raises(aio.AioRpcError) as caught:
        await stub.Check(health_pb2.HealthCheckRequest(service="nothing"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    listed = await stub.List(health_pb2.HealthListRequest())
    assert {name: found.status for name, found in listed.statuses.items()} == {
        "": SERVING, "fashion": SERVING, "fashion/1": SERVING,
    }  # fmt: skip


async def test_watchers_are_told_of_every_change_also_of_the_last(served: tuple[aio.Channel, Health, str]) -> None:
    channel, health, _ = served
    stub = health_pb2_grpc.HealthStub(channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="fashion"))
    assert (await watch.read()).status == UNKNOWN
    started(health)
    assert (await watch.read()).status == SERVING
    health.shut_down()
    assert (await watch.read()).status == NOT_SERVING
    started(health)  # for good
    assert (await stub.Check(health_pb2.HealthCheckRequest())).status == NOT_SERVING


async def test_a_watcher_that_reads_nothing_holds_up_nobody(served: tuple[aio.Channel, Health, str]) -> None:
    channel, health, address = served
    with Connection(address, window=0) as silent:
        silent.call(WATCH, message(b""))
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == NOT_SERVING
        started(health)
        assert (await watch.read()).status == SERVING
        health.shut_down()
        assert (await watch.read()).status == NOT_SERVING


async def test_bytes_that_cannot_be_read_are_an_error_of_the_caller(
    served: tuple[aio.Channel, Health, str], caplog: pytest.LogCaptureFixture
) -> None:
    channel, *_ = served
    for method in ("Check", "List"):
        with pytest.raises(aio.AioRpcError) as caught:
            await channel.unary_unary(f"/grpc.health.v1.Health/{method}")(b"\x0f\xff\xff")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(aio.AioRpcError) as caught:
        await channel.unary_stream(WATCH)(b"\x0f\xff\xff").read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
