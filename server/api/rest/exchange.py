"""What is around every call: its caller, deadline and place, its reply or its error, and the metrics."""

import asyncio
import math
import time
from collections.abc import Mapping
from contextlib import ExitStack
from http import HTTPStatus

from aiohttp import hdrs, web
from google.protobuf.message import Message

from vitscope.server.answer.service import Service
from vitscope.server.api.connections import MAX_HEADER, caller_of
from vitscope.server.api.rest.calls import Call, Document, Method
from vitscope.server.api.rest.container import Container
from vitscope.server.api.rest.delivery import Reply, Streamed, Whole
from vitscope.server.api.rest.options import Options, read_options
from vitscope.server.api.rest.origins import Origins
from vitscope.server.api.rest.problems import Refusal, problem
from vitscope.server.api.rest.replies import to_json
from vitscope.server.api.room import Room
from vitscope.server.errors import DeadlineExpired, NotReady
from vitscope.server.metrics.http import HttpMetrics

# Of a client that left before its reply: as nginx has it, and nobody else.
LEFT = 499
# From so many bytes of a message on, its JSON would hold up the event loop.
_WRITTEN_ON_THE_LOOP = 2**18
_ALWAYS = {"X-Content-Type-Options": "nosniff"}


class Exchange:
    """Has methods answer HTTP requests. On the event loop."""

    def __init__(self, service: Service, room: Room, origins: Origins, metrics: HttpMetrics) -> None:
        self._service, self._room, self._origins, self._metrics = service, room, origins, metrics

    async def answer(self, request: web.Request, route: str, methods: Mapping[str, Method]) -> web.StreamResponse:
        """Answer a request to a path. methods: what the path has, by HTTP method; HEAD is GET without a body.

        route: the path's pattern, for the metrics.
        """
        began, status = time.monotonic(), LEFT
        try:
            with ExitStack() as held:
                reply = await self._respond(request, methods, held)
                reply.response.headers.update(_ALWAYS)
                reply.response.headers.setdefault("Cache-Control", "no-store")
                with self._service.activity:
                    if await reply.send(request):
                        status = reply.response.status
                return reply.response
        finally:
            self._metrics.finished(route, status, began)

    async def _respond(self, request: web.Request, methods: Mapping[str, Method], held: ExitStack) -> Reply:
        """Return the reply to a request, be it an error. Its bytes are counted until `held` ends."""
        headers: dict[str, str] = {}
        try:
            allowed = ", ".join([*methods, *([hdrs.METH_HEAD] if hdrs.METH_GET in methods else []), hdrs.METH_OPTIONS])
            if request.method == hdrs.METH_OPTIONS:
                return Whole(self._origins.preflight(request, allowed))
            headers = self._origins.check(request)
            check_header(request)
            if not methods:
                raise Refusal(HTTPStatus.NOT_FOUND, "there is nothing at this path; /api/docs lists what there is")
            name = hdrs.METH_GET if request.method == hdrs.METH_HEAD else request.method
            if name not in methods:
                detail = f"method: {request.method[:20]}; accepted: {allowed}"
                raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, detail, {"Allow": allowed})
            reply = await self._call(request, methods[name])
            reply.hold(self._room, caller_of(request, self._service.callers), held)
        except Exception as error:
            reply = Whole(problem(error))
        reply.response.headers.update(headers)
        if self._service.activity.draining.is_set():
            reply.response.force_close()  # the client's next request is for another server
        return reply

    async def _call(self, request: web.Request, method: Method) -> Reply:
        """Return the reply of a method by the deadline of the request. Raises ServerError or Refusal."""
        options = read_options(request.query.items(), request.headers)
        if self._service.activity.draining.is_set():
            raise NotReady("the server is shutting down; another one may answer")
        call = Call(request, caller_of(request, self._service.callers), options)
        left = options.deadline.at - time.monotonic()
        with self._service.activity:
            try:
                async with asyncio.timeout(None if math.isinf(left) else left) as limit:
                    return await _written(await method(call), options)
            except TimeoutError:
                if limit.expired():
                    raise DeadlineExpired("the deadline passed before the request was answered") from None
                raise


async def _written(reply: Message | Document | Container, options: Options) -> Reply:
    if isinstance(reply, Container):
        return Streamed(reply, options.deadline)
    if isinstance(reply, Document):
        kind = {} if reply.status is HTTPStatus.NOT_MODIFIED else {"Content-Type": reply.kind}
        return Whole(web.Response(body=reply.body, headers=kind | dict(reply.headers), status=reply.status))
    if reply.ByteSize() < _WRITTEN_ON_THE_LOOP:
        body = to_json(reply, options.values)
    else:
        body = await asyncio.to_thread(to_json, reply, options.values)
    return Whole(web.Response(body=body, content_type="application/json"))


def check_header(request: web.Request) -> None:
    """Raise Refusal for a header that is larger than gRPC would take it; bytes are counted as there."""
    size = sum(len(name) + len(value) + 32 for name, value in request.raw_headers)
    if size > MAX_HEADER:
        detail = f"headers: {size:,} bytes; accepted: up to {MAX_HEADER:,}"
        raise Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
