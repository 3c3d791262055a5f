"""The documentation of the API: the OpenAPI document, and a page that shows it and loads nothing from elsewhere."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from vitscope.server.api.rest.calls import Call, Document, Method, no_fields
from vitscope.server.api.rest.openapi import document
from vitscope.server.host.version import service_version

_PAGE = Path(__file__).parent / "page"
POLICY = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "connect")),
        "img-src 'self' data: blob:",
        *(f"{kind} 'none'" for kind in ("base-uri", "form-action", "frame-ancestors")),
    ]
)
"""The content-security policy of every page of this server."""
_ANEW = {"Cache-Control": "no-cache"}
_STRICT = _ANEW | {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}


def documents() -> Mapping[str, Method]:
    """Return what the documentation consists of, by path."""
    return {
        "/api/openapi.json": _serving(_openapi),
        "/api/docs": _serving(lambda: _file("docs.html", "text/html; charset=utf-8")),
        "/api/docs.css": _serving(lambda: _file("docs.css", "text/css; charset=utf-8")),
        "/api/docs.js": _serving(lambda: _file("docs.js", "text/javascript; charset=utf-8")),
    }


def _serving(made: Callable[[], Document]) -> Method:
    async def get(call: Call) -> Document:
        no_fields(call)
        return made()

    return get


@cache
def _openapi() -> Document:
    return Document(json.dumps(document(service_version()), indent=1).encode(), "application/json", _ANEW)


@cache
def _file(name: str, kind: str) -> Document:
    return Document((_PAGE / name).read_bytes(), kind, _STRICT)
