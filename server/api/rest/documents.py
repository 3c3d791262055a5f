"""What people read: the OpenAPI document, a page that shows it, and the explorer. Nothing is loaded from elsewhere."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from vitscope.explorer import PAGE
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
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_STRICT = _ANEW | {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}


def documents() -> Mapping[str, Method]:
    """Return what the documentation consists of, by path."""
    return {"/api/openapi.json": _serving(_openapi)} | {
        f"/api/{path.stem if path.suffix == '.html' else path.name}": _file(path) for path in sorted(_PAGE.iterdir())
    }


def explorer() -> Mapping[str, Method]:
    """Return what the attention explorer consists of, by path."""
    files = (path for path in sorted(PAGE.rglob("*")) if path.is_file())
    return {
        "/" if path.name == "index.html" else f"/explorer/{path.relative_to(PAGE).as_posix()}": _file(path)
        for path in files
    }


def _serving(made: Callable[[], Document]) -> Method:
    async def get(call: Call) -> Document:
        no_fields(call)
        return made()

    return get


@cache
def _openapi() -> Document:
    return Document(json.dumps(document(service_version()), indent=1).encode(), "application/json", _ANEW)


def _file(path: Path) -> Method:
    return _serving(cache(lambda: Document(path.read_bytes(), f"{_KINDS[path.suffix]}; charset=utf-8", _STRICT)))
