"""What the API has: each path, its methods, and what the OpenAPI document says of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import web

from vitscope.server.api.rest.calls import Calls, Method
from vitscope.server.api.rest.exchange import Exchange
from vitscope.v1 import classifier_pb2, explain_pb2

PREFIX = "/api"


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    name: of the method in `Calls`. rpc: as Service.Method, whose comment describes it. reply: the message of a reply,
    or of the head of one with arrays. statuses: what it may answer beside 200 and what every path may. request: the
    message of a request, as a body, or with its fields in the query; None for none. parameters: the fields that names
    in the path stand for. arrays: whether the reply is a container.
    """

    path: str
    method: str
    name: str
    rpc: str
    reply: Any
    statuses: tuple[int, ...]
    request: Any = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    arrays: bool = False


_LISTED, _GOT = classifier_pb2.ListModelsResponse.DESCRIPTOR, classifier_pb2.GetModelResponse.DESCRIPTOR
_MODEL = classifier_pb2.GetModelRequest.DESCRIPTOR.fields_by_name
_NAMED, _VERSION = {"model": _MODEL["model"]}, {"model": _MODEL["model"], "version": _MODEL["version"]}
_CLASSIFY, _CLASSIFIED = classifier_pb2.ClassifyRequest.DESCRIPTOR, classifier_pb2.ClassifyResponse.DESCRIPTOR
_EXPLAIN, _EXPLAINED = explain_pb2.ExplainRequest.DESCRIPTOR, explain_pb2.ExplainHeader.DESCRIPTOR
_LIST, _GET = "ClassifierService.ListModels", "ClassifierService.GetModel"
_ANSWER, _SHOW = "ClassifierService.Classify", "ExplainService.Explain"
_ASKED = (413, 415, 417, 429, 504)

OPERATIONS = (
    Operation("/api/v1/models", "GET", "list_models", _LIST, _LISTED, (504,)),
    Operation("/api/v1/models/{model}", "GET", "get_model", _GET, _GOT, (504,), parameters=_NAMED),
    Operation("/api/v1/models/{model}/{version}", "GET", "get_model", _GET, _GOT, (504,), parameters=_VERSION),
    Operation("/api/v1/classify", "POST", "classify", _ANSWER, _CLASSIFIED, _ASKED, _CLASSIFY),
    Operation(
        "/api/v1/explain", "POST", "explain", "ExplainService.Explain", _EXPLAINED, _ASKED, _EXPLAIN, arrays=True
    ),
)


# What every path may answer.
STATUSES = (400, 403, 404, 405, 431, 500, 503)


def routes(exchange: Exchange, calls: Calls, documents: Mapping[str, Method]) -> list[web.RouteDef]:
    """Return the routes of the API, and one for every other path below its prefix. documents: what to read, by path."""
    by_path: dict[str, dict[str, Method]] = {path: {"GET": method} for path, method in documents.items()}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = getattr(calls, operation.name)
    found = [_route(exchange, path, methods) for path, methods in by_path.items()]
    return [*found, _route(exchange, PREFIX + "{rest:(/.*)?}", {}, PREFIX)]


def _route(exchange: Exchange, path: str, methods: Mapping[str, Method], label: str = "") -> web.RouteDef:
    handler = partial(exchange.answer, route=label or path, methods=methods)
    return web.route("*", path, handler, expect_handler=_expect)


async def _expect(request: web.Request) -> None:
    """Do nothing yet: who waits to be told to send a body is told when there is room for it."""
