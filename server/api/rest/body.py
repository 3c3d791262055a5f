"""The body of a request about an image: a form, an image file, or JSON."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError
from google.protobuf.message import Message

from vitscope.server.answer.ask import EncodedImage
from vitscope.server.api.rest.fields import read_fields
from vitscope.server.api.rest.forms import read_form
from vitscope.server.api.rest.parse import parse_object
from vitscope.server.api.rest.problems import Refusal
from vitscope.server.api.rest.query import read_pairs
from vitscope.server.errors import InvalidRequest

FORM, JSON, BYTES = "multipart/form-data", "application/json", "application/octet-stream"
ACCEPTED = f"{FORM}, an image type such as image/jpeg, {BYTES}, or {JSON}"

# From so many bytes on, parsing would hold up the event loop.
_PARSED_ON_THE_LOOP = 2**18
_EXPECTED, _CONTINUE = "100-continue", b"HTTP/1.1 100 Continue\r\n\r\n"

Pairs = list[tuple[str, str | bytes]]


@dataclass(slots=True)
class Asked:
    """What a request asks, as its message. image: a file that came beside the message, to save copies of it."""

    message: Any
    image: EncodedImage | None = None


def check_body(request: web.Request, max_bytes: int) -> None:
    """Refuse what the header alone shows to be unacceptable. Raises Refusal."""
    expected = request.headers.get("Expect", _EXPECTED)
    if expected.strip().lower() != _EXPECTED:
        raise Refusal(HTTPStatus.EXPECTATION_FAILED, f"Expect: {expected[:100]}; accepted: {_EXPECTED}")
    kind, encoding = request.content_type, request.headers.get("Content-Encoding", "identity")
    if kind not in (FORM, JSON, BYTES) and not kind.startswith("image/"):
        detail = f"Content-Type: {kind[:100]}; accepted: {ACCEPTED}"
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, {"Accept-Post": f"{FORM}, image/*, {BYTES}, {JSON}"})
    if encoding.strip().lower() != "identity":
        detail = f"Content-Encoding: {encoding[:100]}; accepted: none"
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, {"Accept-Encoding": "identity"})
    if (request.content_length or 0) > max_bytes:
        raise _too_large(f"{request.content_length:,} bytes", max_bytes)


async def pieces(request: web.Request, max_bytes: int) -> AsyncIterator[bytes]:
    """Yield the body as it arrives. A client that waits to be told to send it is told so first.

    Raises Refusal when it has more bytes, and InvalidRequest when it is not framed as HTTP has it.
    """
    if request.headers.get("Expect") and request.version >= HttpVersion11 and request.transport is not None:
        request.transport.write(_CONTINUE)
    size = 0
    try:
        async for piece in request.content.iter_any():
            size += len(piece)
            if size > max_bytes:
                raise _too_large("more", max_bytes)
            yield piece
    except (HttpProcessingError, web.RequestPayloadError) as error:
        raise InvalidRequest("body", f"bytes that HTTP cannot be read from ({_first_line(error)})", "a body") from None


async def parse(body: bytes, content_type: str, kind: str, query: Pairs, message: Message) -> Asked:
    """Return what a body, and the fields in the query, ask. message: an empty one. Raises InvalidRequest."""
    if len(body) < _PARSED_ON_THE_LOOP:
        return _parse(body, content_type, kind, query, message)
    return await asyncio.to_thread(_parse, body, content_type, kind, query, message)


def _parse(body: bytes, content_type: str, kind: str, query: Pairs, message: Any) -> Asked:
    image = None
    if kind == JSON:
        given = parse_object("body", body)
        for name in {name.partition(".")[0] for name, _ in query} & given.keys():
            raise InvalidRequest(name, "given in the query and in the body", "one of them")
        read_fields(message, given)
        read_pairs(message, query)
    elif kind == FORM:
        pairs = [*query]
        for part in read_form(body, content_type):
            if part.name == "image":
                if image is not None:
                    raise InvalidRequest("image", "given twice", "one value")
                image = EncodedImage(part.data)
            else:
                pairs.append((part.name, part.value()))
        read_pairs(message, pairs)
    else:
        image = EncodedImage(body)
        read_pairs(message, query)
    if image is not None and message.image.WhichOneof("source"):
        raise InvalidRequest("image", f"image.{message.image.WhichOneof('source')} beside a file", "one of them")
    return Asked(message, image)


def _too_large(found: str, max_bytes: int) -> Refusal:
    detail = f"body: {found}; accepted: up to {max_bytes:,} bytes, which is --max-message-mib"
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:100]
