"""What the API has: each path, its methods, and what the OpenAPI document says of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import web

from vitscope.server.api.rest import described
from vitscope.server.api.rest.calls import Method
from vitscope.server.api.rest.container import CONTENT_TYPE as ARRAYS
from vitscope.server.api.rest.exchange import Exchange
from vitscope.v1 import classifier_pb2, explain_pb2

PREFIX = "/api"


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    name: of the method that answers it. about: Service.Method of gRPC, whose comment describes it, or what it does.
    reply: the message of a reply or a schema; of a container, that of its head. statuses: what it may answer beside 200
    and what every path may. request: the message of a request, as a body, or with its fields in the query; None for
    none. parameters: the fields that names in the path stand for, or their schemas. kinds: types of a reply. tagged:
    whether it has an ETag.
    """

    path: str
    method: str
    name: str
    about: str
    reply: Any
    statuses: tuple[int, ...] = (504,)
    request: Any = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    kinds: tuple[str, ...] = ("application/json",)
    tagged: bool = False


_LISTED, _GOT = classifier_pb2.ListModelsResponse.DESCRIPTOR, classifier_pb2.GetModelResponse.DESCRIPTOR
_MODEL = classifier_pb2.GetModelRequest.DESCRIPTOR.fields_by_name
_NAMED, _VERSION = {"model": _MODEL["model"]}, {"model": _MODEL["model"], "version": _MODEL["version"]}
_CLASSIFY, _CLASSIFIED = classifier_pb2.ClassifyRequest.DESCRIPTOR, classifier_pb2.ClassifyResponse.DESCRIPTOR
_EXPLAIN, _EXPLAINED = explain_pb2.ExplainRequest.DESCRIPTOR, explain_pb2.ExplainHeader.DESCRIPTOR
_SERVICE, _SHOW = "ClassifierService", "ExplainService.Explain"
_ASKED = (413, 415, 417, 429, 504)


def _of_model(path: str, name: str, about: str, reply: Any, kinds: tuple[str, ...] = (), tagged: bool = True) -> Any:
    """Yield what can be asked about a model, with its version and without. path: after both."""
    others = {"name": described.NAME} if "{name}" in path else {}
    for between, parameters in (("", _NAMED), ("/{version}", _VERSION)):
        where = f"/api/v1/models/{{model}}{between}{path}"
        kinds = kinds or ("application/json",)
        yield Operation(where, "GET", name, about, reply, (504,), None, parameters | others, kinds, tagged)


# In the order in which paths are tried.
OPERATIONS: tuple[Operation, ...] = (
    Operation("/api/v1/models", "GET", "list_models", f"{_SERVICE}.ListModels", _LISTED),
    *_of_model("/embedding", "embedding", described.EMBED, described.EMBEDDING, (ARRAYS,)),
    *_of_model("/samples", "samples", described.LIST, described.SAMPLES),
    *_of_model("/samples/{name}", "sample", described.SHOW, None, ("image/jpeg", "image/png")),
    *_of_model("", "get_model", f"{_SERVICE}.GetModel", _GOT, tagged=False),
    Operation("/api/v1/classify", "POST", "classify", f"{_SERVICE}.Classify", _CLASSIFIED, _ASKED, _CLASSIFY),
    Operation("/api/v1/explain", "POST", "explain", _SHOW, _EXPLAINED, _ASKED, _EXPLAIN, kinds=(ARRAYS,)),
)


# What every path may answer.
STATUSES = (400, 403, 404, 405, 431, 500, 503)


def routes(exchange: Exchange, methods: Mapping[str, Method], documents: Mapping[str, Method]) -> list[web.RouteDef]:
    """Return the routes of the API, and one for every other path below its prefix.

    methods: what answers each operation, by its name. documents: what to read, by path.
    """
    by_path: dict[str, dict[str, Method]] = {path: {"GET": method} for path, method in documents.items()}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = methods[operation.name]
    found = [_route(exchange, path, at_path) for path, at_path in by_path.items()]
    return [*found, _route(exchange, PREFIX + "{rest:(/.*)?}", {}, PREFIX)]


def _route(exchange: Exchange, path: str, methods: Mapping[str, Method], label: str = "") -> web.RouteDef:
    handler = partial(exchange.answer, route=label or path, methods=methods)
    return web.route("*", path, handler, expect_handler=_expect)


async def _expect(request: web.Request) -> None:
    """Do nothing yet: who waits to be told to send a body is told when there is room for it."""
