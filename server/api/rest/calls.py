"""The methods of vitscope.v1.ClassifierService and ExplainService, asked over HTTP."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import web
from google.protobuf.message import Message

from vitscope.server.answer.answer import Answer, Result
from vitscope.server.answer.ask import Ask, EncodedImage
from vitscope.server.answer.service import Service
from vitscope.server.api.connections import connection_of
from vitscope.server.api.models import to_model, to_summary
from vitscope.server.api.native.explain import requests as explain
from vitscope.server.api.native.fields import IN_EXPLAIN, PATHS, in_request
from vitscope.server.api.native.replies import to_response
from vitscope.server.api.native.requests import to_ask
from vitscope.server.api.rest.body import check_body, parse, pieces
from vitscope.server.api.rest.container import Container
from vitscope.server.api.rest.explained import to_container
from vitscope.server.api.rest.options import Options
from vitscope.server.api.rest.values import from_text, quoted
from vitscope.server.api.room import Room
from vitscope.server.errors import InvalidRequest
from vitscope.server.models.repository import Repository
from vitscope.server.models.served import ServedModel
from vitscope.server.scheduling.callers import Caller
from vitscope.v1 import classifier_pb2, explain_pb2


@dataclass(slots=True)
class Call:
    """One request. path: the values of the names in its route."""

    request: web.Request
    caller: Caller
    options: Options

    @property
    def path(self) -> dict[str, str]:
        return dict(self.request.match_info)

    def model(self, repository: Repository) -> ServedModel:
        """Return the model that the path names, the latest version that is ready where it names none.

        Raises ModelNotFound, or InvalidRequest for a version that is no number.
        """
        fields = classifier_pb2.GetModelRequest.DESCRIPTOR.fields_by_name
        return repository.find(
            self.path["model"], from_text(fields["version"], "version", self.path.get("version", "0"))
        )


@dataclass(frozen=True)
class Document:
    """A reply that is no message. kind: its Content-Type. headers: others. status: 304 has no body."""

    body: bytes
    kind: str
    headers: Mapping[str, str]
    status: HTTPStatus = HTTPStatus.OK


Method = Callable[[Call], Awaitable[Message | Document | Container]]


@dataclass(frozen=True)
class _Question:
    """What can be asked about an image. message: of a request. paths: of the fields that domain errors name."""

    message: Callable[[], Message]
    to_ask: Callable[..., Ask]
    paths: Mapping[str, str]


_CLASSIFY = _Question(classifier_pb2.ClassifyRequest, to_ask, PATHS)
_EXPLAIN = _Question(explain_pb2.ExplainRequest, explain.to_ask, IN_EXPLAIN)


class Calls:
    """Translates between HTTP and the answer service. max_bytes: of a body."""

    def __init__(self, service: Service, repository: Repository, room: Room, max_bytes: int) -> None:
        self._service, self._repository, self._room, self._max_bytes = service, repository, room, max_bytes

    def methods(self) -> Mapping[str, Method]:
        """Return the methods by name, see `OPERATIONS`."""
        return {
            "list_models": self.list_models,
            "get_model": self.get_model,
            "classify": self.classify,
            "explain": self.explain,
        }

    async def list_models(self, call: Call) -> Message:
        """Return every version of every model."""
        no_fields(call)
        return classifier_pb2.ListModelsResponse(models=[to_summary(model) for model in self._repository])

    async def get_model(self, call: Call) -> Message:
        """Return all about one model version. Raises ModelNotFound or NotReady."""
        no_fields(call)
        return classifier_pb2.GetModelResponse(model=to_model(call.model(self._repository)))

    async def classify(self, call: Call) -> Message:
        """Return the answer to one image. Raises ServerError or Refusal."""
        return to_response(await self._result(call, _CLASSIFY))

    async def explain(self, call: Call) -> Container:
        """Return what is inside of the encoder for one image. Raises ServerError or Refusal."""
        return to_container(await self._result(call, _EXPLAIN))

    async def _result(self, call: Call, question: _Question) -> Result:
        """Read a request about an image when there is room for it, and have it answered."""
        request, deadline = call.request, call.options.deadline
        check_body(request, self._max_bytes)
        kind, header = request.content_type, request.headers.get("Content-Type", "")
        body, message = pieces(request, self._max_bytes), question.message()
        read = partial(parse, content_type=header, kind=kind, query=call.options.fields, message=message)
        try:
            asked = await self._room.collect(call.caller, deadline, body, read)
        except InvalidRequest as error:
            self._service.turned_away(error)
            raise
        connection_of(request).answering = True
        answer = await self._answer(question, asked.message, asked.image, call)
        if answer.error is not None:
            failed = in_request(answer.error, question.paths)
            try:
                raise failed
            finally:
                del answer, failed  # breaks a cycle: the error's traceback holds this frame, with the image in it
        return answer.unwrap()

    async def _answer(self, question: _Question, message: Any, image: EncodedImage | None, call: Call) -> Answer:
        try:
            ask = question.to_ask(message, image)
        except InvalidRequest as error:
            return self._service.invalid(message.model, message.version, error)
        return await self._service.answer(ask, call.caller, call.options.deadline)


def no_fields(call: Call) -> None:
    """Raise InvalidRequest for a query that has more than the options of any request."""
    for name, value in call.options.fields:
        raise InvalidRequest(name[:100], quoted(value), "no fields in the query but timeout and values")
