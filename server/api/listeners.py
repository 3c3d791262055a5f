"""The listening ports: gRPC, HTTP, and the admin services if they are enabled."""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from vitscope.server.api.accept import make_server
from vitscope.server.api.connections import Connection, Connections
from vitscope.server.api.health import Health
from vitscope.server.api.room import Room
from vitscope.server.api.rpcs import MAX_HEADERS, ObservedServer
from vitscope.server.metrics import Metrics
from vitscope.server.scheduling.admission import UNREAD

_UNIX = "unix:"
# Calls that are open on one connection at a time. A client keeps more of them back by itself, as HTTP/2 asks it to.
_CALLS = 1024
# For calls that are open when their connection has reached its age, long streams above all.
_LAST_CALLS_MS = 3_600_000
# gRPC itself refuses calls with more headers than this, uncounted. Below it, `ObservedServer` has a limit that is.
_HEADERS = 4 * MAX_HEADERS
# HTTP connections that wait to be accepted; seconds for replies that are being written when the server stops.
_BACKLOG, _LAST_REPLIES = 512, 1.0


class PortTakenError(Exception):
    """An address cannot be listened on; the message names the setting."""

    def __init__(self, setting: str, where: str, error: Exception) -> None:
        flag = "--" + setting.replace("_", "-")
        super().__init__(
            f"{setting}: {where} cannot be listened on ({error}); if another server does, choose another {flag}"
        )


def address(host: str, port: int) -> str:
    """Return host:port, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True)
class ConnectionLimits:
    """Bounds of a connection. message_bytes: of each message, in and out. seconds: age at which it is replaced."""

    message_bytes: int
    seconds: float

    @property
    def options(self) -> list[tuple[str, int]]:
        age = [
            ("grpc.max_connection_age_ms", int(self.seconds * 1000)),
            ("grpc.max_connection_age_grace_ms", _LAST_CALLS_MS),
        ]
        return [
            ("grpc.max_receive_message_length", self.message_bytes),
            ("grpc.max_send_message_length", self.message_bytes),
            *(age if self.seconds else ()),
        ]


@dataclass(frozen=True)
class GrpcService:
    """A service of a gRPC server.

    name: full name, for reflection. add: registers its methods on a server. gated: names of the methods that are
    subject to admission, unary ones and those that stream a reply: a call is read only if there is room to answer it.
    streams: those of them that stream a reply.
    """

    name: str
    add: Callable[[ObservedServer], None]
    gated: tuple[str, ...] = ()
    streams: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, messages: Any, service: str, stubs: Any, servicer: object, gated: tuple[str, ...] = ()
    ) -> "GrpcService":
        """Return the service called `service` in the generated modules `messages` (_pb2) and `stubs` (_pb2_grpc)."""
        add = getattr(stubs, f"add_{service}Servicer_to_server")
        described = messages.DESCRIPTOR.services_by_name[service]
        streams = frozenset(name for name in gated if described.methods_by_name[name].server_streaming)
        return cls(described.full_name, lambda server: add(servicer, server), gated, streams)

    def kind(self, method: str) -> str:
        """Return the type of a gated method, as in the metrics of RPCs."""
        return "server_stream" if method in self.streams else "unary"


@asynccontextmanager
async def grpc_listener(
    host: str,
    port: int,
    limits: "ConnectionLimits",
    services: Sequence[GrpcService],
    health: Health,
    metrics: Metrics,
    room: Room,
) -> AsyncIterator[tuple[aio.Server, int]]:
    """Start the gRPC server. Yields it and its port. Raises PortTakenError."""
    server = _server(services, health, metrics, limits.options, room)
    try:
        bound = server.add_insecure_port(address(host, port))
    except RuntimeError as error:
        raise PortTakenError("grpc_port", address(host, port), error) from error
    async with _running(server):
        yield server, bound


@asynccontextmanager
async def admin_listener(
    where: str, services: Sequence[GrpcService], health: Health, metrics: Metrics
) -> AsyncIterator[str]:
    """Start the admin services on an address of their own (host:port or unix:/path).

    Yields the address, with the port that was bound. Raises PortTakenError.
    """
    server = _server(services, health, metrics)
    try:
        if where.startswith(_UNIX):
            _refuse_if_taken(where.removeprefix(_UNIX))
        bound = server.add_insecure_port(where)
    except (OSError, RuntimeError) as error:
        raise PortTakenError("admin_address", where, error) from error
    async with _running(server):
        yield _bound_address(where, bound)


def _server(
    services: Sequence[GrpcService],
    health: Health,
    metrics: Metrics,
    options: Sequence[tuple[str, int]] = (),
    room: Room | None = None,
) -> aio.Server:
    """Return a server with these services, health, and reflection of all of them."""
    gates = {
        f"/{service.name}/{method}": room.gate(metrics.rpcs.of(service.kind(method), service.name, method))
        for service in services
        for method in service.gated
        if room is not None
    }
    server = make_server(
        [
            *options,
            # Otherwise a second server would silently share the port and take half of the requests.
            ("grpc.so_reuseport", 0),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.max_concurrent_streams", _CALLS),
            # Else gRPC counts calls that have ended until it has freed them, and resets others instead.
            ("grpc.http.overload_protection", 0),
            # Seconds after which a call that nobody has accepted is cancelled, lest all behind it be late too.
            ("grpc.server_max_unrequested_time_in_server", 1),
            # Without a margin between the two, below which gRPC refuses some calls and lets others pass.
            ("grpc.max_metadata_size", _HEADERS),
            ("grpc.absolute_max_metadata_size", _HEADERS),
            # No more of a call is received before somebody reads it; then, as much as its message has.
            ("grpc.http2.bdp_probe", 0),
            ("grpc.http2.lookahead_bytes", UNREAD),
        ],
        gates,
    )
    observed = ObservedServer(server, metrics.rpcs, room, gates)
    for service in services:
        service.add(observed)
    health_pb2_grpc.add_HealthServicer_to_server(health, observed)
    of_health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    names = (*(service.name for service in services), of_health, reflection.SERVICE_NAME)
    described = reflection.aio.ReflectionServicer(names)  # type: ignore[attr-defined]
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(described, observed)
    return server


def _bound_address(where: str, port: int) -> str:
    """Return the address with the port that was bound. Make a Unix socket private to its owner."""
    if where.startswith(_UNIX):
        Path(where.removeprefix(_UNIX)).chmod(0o600)
        return where
    return f"{where.rpartition(':')[0]}:{port}"


def _refuse_if_taken(path: str) -> None:
    """Raise OSError if another server listens on this Unix socket; gRPC would replace it, and delete it at the end.

    A socket left by a killed server refuses connections and may be replaced.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


@asynccontextmanager
async def _running(server: aio.Server) -> AsyncIterator[None]:
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


@asynccontextmanager
async def http_listener(
    host: str,
    port: int,
    routes: Iterable[web.RouteDef],
    connections: Connections,
    send_seconds: float,
    setting: str = "http_port",
) -> AsyncIterator[int]:
    """Start an HTTP server with these routes. Yields its port. Raises PortTakenError.

    send_seconds: for a client to read a reply. setting: which has the port, for errors.
    """
    app = web.Application()
    app.add_routes(routes)
    app.on_response_prepare.append(_without_versions)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=_LAST_REPLIES)
    await runner.setup()
    http = runner.server
    assert http is not None
    try:
        try:
            server = await asyncio.get_running_loop().create_server(
                lambda: Connection(http, connections, send_seconds), host, port, backlog=_BACKLOG
            )
        except OSError as error:
            raise PortTakenError(setting, address(host, port), error) from error
        async with server:
            yield server.sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()


async def _without_versions(request: web.Request, response: web.StreamResponse) -> None:
    """Set the header in which aiohttp would tell its version, and Python's."""
    response.headers["Server"] = "vitscope"
