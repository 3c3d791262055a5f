"""The ports: gRPC with its services, HTTP, and the admin service where it is on."""

import errno
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from vitscope.server.api.admin import AdminServicer
from vitscope.server.api.health import Health
from vitscope.server.api.interceptor import ServerInterceptor
from vitscope.server.api.servicer import ClassifierServicer
from vitscope.server.metrics import Metrics
from vitscope.v1 import admin_pb2, admin_pb2_grpc, classifier_pb2, classifier_pb2_grpc

_UNIX = "unix:"


class PortTakenError(Exception):
    """An address cannot be listened on; the message names the setting."""

    def __init__(self, setting: str, where: str, error: Exception) -> None:
        flag = "--" + setting.replace("_", "-")
        super().__init__(
            f"{setting}: {where} cannot be listened on ({error}); if another server does, choose another {flag}"
        )


def address(host: str, port: int) -> str:
    """host:port, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@asynccontextmanager
async def grpc_listener(
    host: str, port: int, max_message_mib: int, servicer: ClassifierServicer, health: Health, metrics: Metrics
) -> AsyncIterator[tuple[aio.Server, int]]:
    """The gRPC server, started, and its port. Raises PortTakenError."""
    limit = max_message_mib * 2**20
    sizes = [("grpc.max_receive_message_length", limit), ("grpc.max_send_message_length", limit)]
    server = _server(health, metrics, classifier_pb2.DESCRIPTOR.services_by_name["ClassifierService"].full_name, sizes)
    classifier_pb2_grpc.add_ClassifierServiceServicer_to_server(servicer, server)
    try:
        bound = server.add_insecure_port(address(host, port))
    except RuntimeError as error:
        raise PortTakenError("grpc_port", address(host, port), error) from error
    async with _running(server):
        yield server, bound


@asynccontextmanager
async def admin_listener(where: str, servicer: AdminServicer, health: Health, metrics: Metrics) -> AsyncIterator[str]:
    """The admin service on an address of its own (host:port or unix:/path), started; yields the address, with the port that
    was taken. Raises PortTakenError."""
    server = _server(health, metrics, admin_pb2.DESCRIPTOR.services_by_name["AdminService"].full_name)
    admin_pb2_grpc.add_AdminServiceServicer_to_server(servicer, server)
    try:
        if where.startswith(_UNIX):
            _refuse_if_taken(where.removeprefix(_UNIX))
        bound = server.add_insecure_port(where)
    except (OSError, RuntimeError) as error:
        raise PortTakenError("admin_address", where, error) from error
    async with _running(server):
        yield _taken(where, bound)


def _server(health: Health, metrics: Metrics, service: str, options: Sequence[tuple[str, int]] = ()) -> aio.Server:
    """A server that tells of `service` by reflection, with health."""
    server = aio.server(
        interceptors=[ServerInterceptor(metrics)],
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
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    of_health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    reflection.enable_server_reflection((service, of_health, reflection.SERVICE_NAME), server)
    return server


def _taken(where: str, port: int) -> str:
    """The address with the port that was taken; a socket in the file system becomes its owner's alone."""
    if where.startswith(_UNIX):
        Path(where.removeprefix(_UNIX)).chmod(0o600)
        return where
    return f"{where.rpartition(':')[0]}:{port}"


def _refuse_if_taken(path: str) -> None:
    """Raises OSError unless nobody listens on this socket: gRPC would put its own in the place of another server's, and
    delete it at the end. One that a killed server has left refuses connections, and may be replaced."""
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
async def http_listener(host: str, port: int, app: web.Application) -> AsyncIterator[int]:
    """The HTTP server, started; yields its port. Raises PortTakenError."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise PortTakenError("http_port", address(host, port), error) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
