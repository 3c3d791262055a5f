"""vitscope.v1.ClassifierService over HTTP: the same messages as JSON, images as they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from vitscope.server.answer.service import Service
from vitscope.server.api.rest.bundles import Bundles
from vitscope.server.api.rest.calls import Calls
from vitscope.server.api.rest.documents import documents, explorer
from vitscope.server.api.rest.exchange import Exchange
from vitscope.server.api.rest.origins import Origins
from vitscope.server.api.rest.routes import routes
from vitscope.server.api.room import Room
from vitscope.server.metrics.http import HttpMetrics
from vitscope.server.models.repository import Repository


@dataclass(frozen=True)
class Terms:
    """What there is for clients. origins: of web pages, see `Origins`. max_bytes: of a body. explorer: its page."""

    origins: Sequence[str]
    max_bytes: int
    explorer: bool


def routes_of(
    service: Service, repository: Repository, room: Room, metrics: HttpMetrics, terms: Terms
) -> list[web.RouteDef]:
    """Return the transport, for the HTTP listener."""
    exchange = Exchange(service, room, Origins(terms.origins), metrics)
    read = {**documents(), **(explorer() if terms.explorer else {})}
    methods = {**Calls(service, repository, room, terms.max_bytes).methods(), **Bundles(repository).methods()}
    return routes(exchange, methods, read)
