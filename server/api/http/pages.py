"""Prometheus metrics, and the probes of orchestrators."""

from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

Remarks = Callable[[], Iterable[str]]


def pages(
    registry: CollectorRegistry, alive: Callable[[], bool], ready: Callable[[], bool], remarks: Remarks = tuple
) -> list[web.RouteDef]:
    """Return the routes of the operator's pages.

    /metrics. /healthz/live: while it fails, restart the process. /healthz/ready: while it succeeds, send requests; the
    `remarks` on degraded or failed models follow the "ok", one per line.
    """

    async def show_metrics(request: web.Request) -> web.Response:
        try:
            encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        except (TypeError, ValueError):  # a version that is not a number
            encode, content_type = choose_encoder("")
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    def probe(holds: Callable[[], bool], remarks: Remarks = tuple) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(_: web.Request) -> web.Response:
            if not holds():
                return web.Response(status=503, text="no\n")
            lines = ["ok", *(" ".join(remark.split()) for remark in remarks())]
            return web.Response(text="\n".join(lines) + "\n")

        return answer

    return [
        web.get("/metrics", show_metrics),
        web.get("/healthz/live", probe(alive)),
        web.get("/healthz/ready", probe(ready, remarks)),
    ]
