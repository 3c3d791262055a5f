"""Errors as problem+json (RFC 9457): the texts of gRPC, and the HTTP status that fits."""

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from grpc import StatusCode

from vitscope.server.api.status import Status, status_of
from vitscope.server.errors import InvalidRequest

CONTENT_TYPE = "application/problem+json"

# Of every outcome that a request can have.
HTTP = {
    StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    StatusCode.FAILED_PRECONDITION: HTTPStatus.CONFLICT,
    StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
    StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    StatusCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}
# Of what only HTTP knows.
CODES = {
    HTTPStatus.BAD_REQUEST: "INVALID_ARGUMENT",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.METHOD_NOT_ALLOWED: "UNIMPLEMENTED",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "INVALID_ARGUMENT",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "INVALID_ARGUMENT",
    HTTPStatus.EXPECTATION_FAILED: "INVALID_ARGUMENT",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "INVALID_ARGUMENT",
}
# A model or server that is loading may be ready after so many seconds.
_UNAVAILABLE_SECONDS = 1


class Refusal(Exception):
    """A request that is refused for a reason that only HTTP has. headers: of the reply."""

    def __init__(self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.headers = status, dict(headers or {})


def problem(error: Exception) -> web.Response:
    """Return the reply to a request that failed. An unexpected error is logged, and the caller is told its id only."""
    if isinstance(error, Refusal):
        return _response(error.status, CODES[error.status], str(error), {}, error.headers)
    status = status_of(error)
    code = HTTP.get(status.code, HTTPStatus.INTERNAL_SERVER_ERROR)
    more: dict[str, Any] = {"field": error.field} if isinstance(error, InvalidRequest) else {}
    return _response(code, status.code.name, status.message, more | _times(status), _headers(code, status))


def _times(status: Status) -> dict[str, int]:
    if not status.retry_after_ms:
        return {}
    return {"retry_after_ms": status.retry_after_ms, "estimated_wait_ms": status.estimated_wait_ms}


def _headers(code: HTTPStatus, status: Status) -> dict[str, str]:
    """Return Retry-After, which has whole seconds; the body has milliseconds."""
    if status.retry_after_ms:
        return {"Retry-After": str(math.ceil(status.retry_after_ms / 1000))}
    return {"Retry-After": str(_UNAVAILABLE_SECONDS)} if code is HTTPStatus.SERVICE_UNAVAILABLE else {}


def _response(
    status: HTTPStatus, code: str, detail: str, more: Mapping[str, Any], headers: Mapping[str, str]
) -> web.Response:
    found = {"title": status.phrase, "status": int(status), "detail": detail, "code": code, **more}
    return web.Response(status=status, body=json.dumps(found).encode(), content_type=CONTENT_TYPE, headers=headers)
