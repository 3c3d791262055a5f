"""Which web pages may use the API from a browser (CORS).

A browser sends a form, and reads nothing of the reply, from any page to any address. So a request that a page of
another origin sends is refused unless that origin was allowed: else every page could have this server compute.
"""

from collections.abc import Collection
from http import HTTPStatus

from aiohttp import web

from vitscope.server.api.rest.options import TIMEOUT_HEADER
from vitscope.server.api.rest.problems import Refusal

ALL = "*"
_EXPOSED = "Retry-After"
_PREFLIGHT_SECONDS = "600"


class Origins:
    """allowed: origins beside the server's own, such as "https://example.org", or "*" for all."""

    def __init__(self, allowed: Collection[str] = ()) -> None:
        self._allowed = frozenset(allowed)

    def check(self, request: web.Request) -> dict[str, str]:
        """Return the headers that a reply to this request gets. Raises Refusal for pages that are not allowed."""
        vary = {"Vary": "Origin"} if self._allowed else {}
        origin = request.headers.get("Origin")
        if origin is None:
            return vary
        if ALL in self._allowed or origin in self._allowed:
            return vary | {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": _EXPOSED}
        if request.headers.get("Host") and origin.partition("://")[2] == request.headers["Host"]:
            return vary
        detail = f"Origin: {origin[:200]}; accepted: this server's own, and those of --http-origins"
        raise Refusal(HTTPStatus.FORBIDDEN, detail, vary)

    def preflight(self, request: web.Request, methods: str) -> web.Response:
        """Return the reply to OPTIONS. Raises Refusal, as `check` does. methods: those of the path, for Allow."""
        headers = {"Allow": methods} | self.check(request)
        if "Access-Control-Allow-Origin" in headers:
            headers |= {
                "Access-Control-Allow-Methods": methods,
                "Access-Control-Allow-Headers": f"Content-Type, {TIMEOUT_HEADER}",
                "Access-Control-Max-Age": _PREFLIGHT_SECONDS,
            }
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)
