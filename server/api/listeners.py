"""The two ports: gRPC with its services, and HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from server.api.health import Health
from server.api.interceptor import ServerInterceptor
from server.api.servicer import ClassifierServicer
from server.metrics import Metrics
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc


class PortTakenError(Exception):
    """An address cannot be listened on; the message names the setting."""

    def __init__(self, setting: str, host: str, port: int, error: Exception) -> None:
        flag = "--" + setting.replace("_", "-")
        super().__init__(
            f"{setting}: {address(host, port)} cannot be listened on ({error}); if another server does, choose another {flag}"
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
    server = aio.server(
        interceptors=[ServerInterceptor(metrics)],
        options=[
            ("grpc.max_receive_message_length", limit),
            ("grpc.max_send_message_length", limit),
            # Otherwise a second server would silently share the port and take half of the requests.
            ("grpc.so_reuseport", 0),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ],
    )
    classifier_pb2_grpc.add_ClassifierServiceServicer_to_server(servicer, server)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    services = (
        classifier_pb2.DESCRIPTOR.services_by_name["ClassifierService"].full_name,
        health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
        reflection.SERVICE_NAME,
    )
    reflection.enable_server_reflection(services, server)
    try:
        bound = server.add_insecure_port(address(host, port))
    except RuntimeError as error:
        raise PortTakenError("grpc_port", host, port, error) from error
    await server.start()
    try:
        yield server, bound
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
            raise PortTakenError("http_port", host, port, error) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
