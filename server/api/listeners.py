"""The listening ports: gRPC, HTTP, and the admin services if they are enabled."""

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

from vitscope.server.api.health import Health
from vitscope.server.api.http.log import http_logger
from vitscope.server.api.rpcs import ObservedServer
from vitscope.server.metrics import Metrics

_UNIX = "unix:"


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
class GrpcService:
    """A service of a gRPC server. name: full name, for reflection. add: registers its methods on a server."""

    name: str
    add: Callable[[ObservedServer], None]

    @classmethod
    def of(cls, messages: Any, service: str, stubs: Any, servicer: object) -> "GrpcService":
        """Return the service called `service` in the generated modules `messages` (_pb2) and `stubs` (_pb2_grpc)."""
        add = getattr(stubs, f"add_{service}Servicer_to_server")
        return cls(messages.DESCRIPTOR.services_by_name[service].full_name, lambda server: add(servicer, server))


@asynccontextmanager
async def grpc_listener(
    host: str, port: int, max_message_mib: int, services: Sequence[GrpcService], health: Health, metrics: Metrics
) -> AsyncIterator[tuple[aio.Server, int]]:
    """Start the gRPC server. Yields it and its port. Raises PortTakenError."""
    limit = max_message_mib * 2**20
    sizes = [("grpc.max_receive_message_length", limit), ("grpc.max_send_message_length", limit)]
    server = _server(services, health, metrics, sizes)
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
    services: Sequence[GrpcService], health: Health, metrics: Metrics, options: Sequence[tuple[str, int]] = ()
) -> aio.Server:
    """Return a server with these services, health, and reflection of all of them."""
    server = aio.server(
        options=[
            *options,
            # Otherwise a second server would silently share the port and take half of the requests.
            ("grpc.so_reuseport", 0),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ],
    )
    observed = ObservedServer(server, metrics.rpcs)
    for service in services:
        service.add(observed)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, observed)
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
async def http_listener(host: str, port: int, routes: Iterable[web.RouteDef]) -> AsyncIterator[int]:
    """Start the HTTP server with these routes. Yields its port. Raises PortTakenError."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, logger=http_logger())
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise PortTakenError("http_port", address(host, port), error) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
