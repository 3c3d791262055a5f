"""The HTTP port: Prometheus metrics and the probes of orchestrators."""

from collections.abc import Callable, Iterable

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from vitscope.server.metrics import Metrics


def http_app(
    metrics: Metrics,
    alive: Callable[[], bool],
    ready: Callable[[], bool],
    remarks: Callable[[], Iterable[str]] = tuple,
) -> web.Application:
    """Routes: /metrics, /healthz/live (restart me when it fails), /healthz/ready (send me requests while it holds; `remarks` on what
    could be better follow the "ok", one a line)."""

    async def show_metrics(request: web.Request) -> web.Response:
        try:
            encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        except (TypeError, ValueError):  # a version that is no number
            encode, content_type = choose_encoder("")
        return web.Response(body=encode(metrics.registry), headers={"Content-Type": content_type})

    def probe(
        holds: Callable[[], bool], remarks: Callable[[], Iterable[str]] = tuple
    ) -> Callable[[web.Request], object]:
        async def answer(_: web.Request) -> web.Response:
            if not holds():
                return web.Response(status=503, text="no\n")
            lines = ["ok", *(" ".join(remark.split()) for remark in remarks())]
            return web.Response(text="\n".join(lines) + "\n")

        return answer

    app = web.Application()
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/healthz/live", probe(alive))  # type: ignore[arg-type]
    app.router.add_get("/healthz/ready", probe(ready, remarks))  # type: ignore[arg-type]
    return app
