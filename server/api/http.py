"""The HTTP port: Prometheus metrics and the probes of orchestrators."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from server.metrics import Metrics


def http_app(metrics: Metrics, alive: Callable[[], bool], ready: Callable[[], bool]) -> web.Application:
    """Routes: /metrics, /healthz/live (restart me when it fails), /healthz/ready (send me requests while it holds)."""

    async def show_metrics(request: web.Request) -> web.Response:
        try:
            encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        except (TypeError, ValueError):  # a version that is no number
            encode, content_type = choose_encoder("")
        return web.Response(body=encode(metrics.registry), headers={"Content-Type": content_type})

    def probe(holds: Callable[[], bool]) -> Callable[[web.Request], object]:
        async def answer(_: web.Request) -> web.Response:
            return web.Response(text="ok\n") if holds() else web.Response(status=503, text="no\n")

        return answer

    app = web.Application()
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/healthz/live", probe(alive))  # type: ignore[arg-type]
    app.router.add_get("/healthz/ready", probe(ready))  # type: ignore[arg-type]
    return app
