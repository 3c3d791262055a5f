"""Gates in front of grpc.aio, with a real server."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc import aio

from vitscope.server.api import accept
from vitscope.server.api.accept import Gate, make_server
from vitscope.server.api.status import Status

GATED, OTHER = "/test.Service/Gated", "/test.Service/Other"
# As the listener has them. Without the first, gRPC cancels some of 2,000 calls at once; with the second, resets some.
OPTIONS = [("grpc.max_concurrent_streams", 1024), ("grpc.http.overload_protection", 0)]
FULL = Status(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", retry_after_ms=7, estimated_wait_ms=9)


async def echo(requests: Any, context: Any) -> bytes:
    await context.read()
    return b"answered"


class Methods(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    def service(self, details: grpc.HandlerCallDetails) -> Any:
        return grpc.stream_unary_rpc_method_handler(echo) if details.method in (GATED, OTHER) else None


async def codes(gate: Gate, path: str, calls: int) -> list[str]:
    """Return the codes of calls made at once, and check what refusals carry."""
    server = make_server(OPTIONS, {GATED: gate})
    server.add_generic_rpc_handlers((Methods(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    found = []
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = channel.unary_unary(path)
        for ended in await asyncio.gather(*(method(b"x", timeout=30) for _ in range(calls)), return_exceptions=True):
            if isinstance(ended, aio.AioRpcError):
                trailers = dict(ended.trailing_metadata() or ())
                assert ended.details() == "full"
                assert trailers["grpc-retry-pushback-ms"] == "7"
                found.append(ended.code().name)
            else:
                assert ended == b"answered"
                found.append("OK")
    async with asyncio.timeout(20):
        await server.stop(1)
    return found


async def test_a_gate_lets_calls_pass_or_refuses_them() -> None:
    seen: list[tuple[str, float]] = []

    def every_other(context: Any) -> Status | None:
        seen.append((context.peer(), context.time_remaining()))
        return FULL if len(seen) % 2 else None

    found = await codes(every_other, GATED, 2000)
    assert sorted(found) == ["OK"] * 1000 + ["RESOURCE_EXHAUSTED"] * 1000
    assert all(peer.startswith("ipv4:127.0.0.1:") and 0 < left <= 30 for peer, left in seen)


async def test_other_methods_have_no_gate() -> None:
    assert await codes(lambda context: FULL, OTHER, 50) == ["OK"] * 50


async def test_a_gate_that_fails_lets_calls_pass() -> None:
    def broken(context: Any) -> Status | None:
        raise KeyError("bug")

    assert await codes(broken, GATED, 5) == ["OK"] * 5


async def test_this_version_of_grpcio_has_gates_and_another_would_serve_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert accept.has_what_gates_need()
    monkeypatch.setattr(accept, "_NEEDED", ("AioServer.something_else",))
    assert await codes(lambda context: FULL, GATED, 5) == ["OK"] * 5
