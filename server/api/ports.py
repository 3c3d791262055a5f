"""Which pages are on which HTTP port."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from vitscope.server.api.connections import Connections
from vitscope.server.api.listeners import http_listener
from vitscope.server.metrics.http import HttpMetrics
from vitscope.server.settings import Settings


@contextlib.asynccontextmanager
async def http_listeners(
    settings: Settings, metrics: HttpMetrics, operators: Sequence[web.RouteDef], routes: Sequence[web.RouteDef]
) -> AsyncIterator[dict[str, int]]:
    """Listen for HTTP. Yields the ports by name: "http", and "metrics" where the operator's pages have their own.

    Raises PortTakenError.
    """
    open_ones: list[Connections] = []
    metrics.watch(lambda: sum(map(len, open_ones)))
    async with contextlib.AsyncExitStack() as stack:

        async def listen(name: str, port: int, routes: Sequence[web.RouteDef]) -> int:
            connections = Connections(settings.max_http_connections, metrics.closed)
            open_ones.append(connections)
            seconds = settings.max_receive_seconds
            return await stack.enter_async_context(
                http_listener(settings.host, port, routes, connections, seconds, f"{name}_port")
            )

        if settings.metrics_port is None:
            yield {"http": await listen("http", settings.http_port, [*operators, *routes])}
        else:
            yield {
                "http": await listen("http", settings.http_port, routes),
                "metrics": await listen("metrics", settings.metrics_port, operators),
            }
