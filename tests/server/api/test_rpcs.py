"""The wrapper around RPCs, with a real server and a service that misbehaves on request."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import grpc
import pytest
from grpc import aio

from vitscope.server.api.rpcs import ObservedServer
from vitscope.server.errors import InvalidRequest, Overloaded
from vitscope.server.metrics import Metrics


async def unary(request: str, context: Any) -> bytes:
    match request:
        case "bad":
            raise InvalidRequest("image", "bad", "good")
        case "full":
            raise Overloaded("full", 0.2, 0.1)
        case "bug":
            raise RuntimeError("the secret")
        case "slow":
            await asyncio.sleep(30)
        case "abort":
            await context.abort(grpc.StatusCode.DATA_LOSS, "as it says")
    return request.encode()


class Message(str):
    """A message of which one can tell whether anybody still holds it."""


messages: list[weakref.ref[Message]] = []


def parsed(data: bytes) -> Message:
    message = Message(data.decode())
    messages.append(weakref.ref(message))
    return message


async def stream(requests: AsyncIterator[str], context: Any) -> AsyncIterator[bytes]:
    async for request in requests:
        if request == "bad":
            raise InvalidRequest("image", "bad", "good")
        yield request.encode()


@pytest.fixture
async def served() -> AsyncIterator[tuple[aio.Channel, Metrics]]:
    metrics = Metrics()
    server = aio.server()
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary, parsed),
        "Stream": grpc.stream_stream_rpc_method_handler(stream, parsed),
    }
    observed = ObservedServer(server, metrics.rpcs)
    # As generated code does it.
    observed.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", methods),))
    observed.add_registered_method_handlers("test.Service", methods)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel, metrics
    await server.stop(0)


def handled(metrics: Metrics, kind: str, method: str, code: str) -> float:
    labels = {"grpc_type": kind, "grpc_service": "test.Service", "grpc_method": method}
    value = metrics.registry.get_sample_value("grpc_server_handled_total", {**labels, "grpc_code": code})
    return value or 0.0


async def counted(metrics: Metrics, code: str) -> None:
    """Wait until one call has ended with `code`: its caller may hear of it before it is counted."""
    async with asyncio.timeout(10):
        while not handled(metrics, "unary", "Unary", code):  # noqa: ASYNC110 — nothing tells of it
            await asyncio.sleep(0.01)
    assert handled(metrics, "unary", "Unary", code) == 1


@pytest.mark.parametrize(
    ("request_bytes", "code", "says"),
    [
        (b"bad", "INVALID_ARGUMENT", "image: bad; accepted: good"),
        (b"full", "RESOURCE_EXHAUSTED", "full; estimated wait 200 ms, retry after 100 ms"),
        (b"bug", "INTERNAL", "internal error "),
        (b"abort", "DATA_LOSS", "as it says"),
    ],
)
async def test_what_a_method_raises_becomes_a_status_and_is_counted(
    served: tuple[aio.Channel, Metrics], request_bytes: bytes, code: str, says: str
) -> None:
    channel, metrics = served
    with pytest.raises(aio.AioRpcError) as caught:
        await channel.unary_unary("/test.Service/Unary")(request_bytes)
    assert caught.value.code().name == code
    assert says in (caught.value.details() or "")
    assert "secret" not in (caught.value.details() or "")
    await counted(metrics, code)
    pushback = dict(caught.value.trailing_metadata() or ()).get("grpc-retry-pushback-ms")
    assert pushback == ("101" if code == "RESOURCE_EXHAUSTED" else None)


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Frees nothing but what nobody refers to."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("request_bytes", [b"bad", b"full", b"abort", b"fine"])
async def test_no_message_is_kept_when_its_call_has_ended(
    served: tuple[aio.Channel, Metrics], request_bytes: bytes
) -> None:
    """What a call that fails leaves behind is a cycle, and one that was partly frozen would never be collected."""
    channel, _ = served
    messages.clear()
    for _ in range(3):
        with suppress(aio.AioRpcError):
            await channel.unary_unary("/test.Service/Unary")(request_bytes)
    await channel.unary_unary("/test.Service/Unary")(b"gRPC keeps the last call")
    async with asyncio.timeout(10):
        while any(message() for message in messages[:-1]):  # noqa: ASYNC110 — nothing tells of it
            await asyncio.sleep(0.01)


async def test_success_is_counted_and_timed(served: tuple[aio.Channel, Metrics]) -> None:
    channel, metrics = served
    assert await channel.unary_unary("/test.Service/Unary")(b"fine") == b"fine"
    assert handled(metrics, "unary", "Unary", "OK") == 1
    labels = {"grpc_type": "unary", "grpc_service": "test.Service", "grpc_method": "Unary"}
    assert metrics.registry.get_sample_value("grpc_server_handling_seconds_count", labels) == 1


@pytest.mark.parametrize(("seconds", "code"), [(0.1, "DEADLINE_EXCEEDED"), (None, "CANCELLED")])
async def test_a_call_that_its_caller_ends_is_counted_as_what_it_was(
    served: tuple[aio.Channel, Metrics], seconds: float | None, code: str
) -> None:
    channel, metrics = served
    call = channel.unary_unary("/test.Service/Unary")(b"slow", timeout=seconds)
    await asyncio.sleep(0.05)
    if seconds is None:
        call.cancel()
    with pytest.raises((aio.AioRpcError, asyncio.CancelledError)):
        await call
    await counted(metrics, code)


async def test_a_stream_keeps_what_it_answered_before_it_failed(served: tuple[aio.Channel, Metrics]) -> None:
    channel, metrics = served
    call = channel.stream_stream("/test.Service/Stream")(iter([b"a", b"b", b"bad"]))
    answers: list[bytes] = []
    with pytest.raises(aio.AioRpcError, match="image: bad"):
        async for answer in call:
            answers.append(answer)
    assert answers == [b"a", b"b"]
    assert handled(metrics, "bidi_stream", "Stream", "INVALID_ARGUMENT") == 1
