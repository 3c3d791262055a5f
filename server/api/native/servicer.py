"""The gRPC methods of vitscope.v1.ClassifierService."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from vitscope.server.answer.answer import Answer
from vitscope.server.answer.deadline import Deadline
from vitscope.server.answer.service import Service
from vitscope.server.api import deadlines
from vitscope.server.api.models import to_model, to_summary
from vitscope.server.api.native.fields import in_request
from vitscope.server.api.native.replies import to_response
from vitscope.server.api.native.requests import to_ask
from vitscope.server.api.native.stream import ItemStream
from vitscope.server.api.status import status_of
from vitscope.server.errors import InvalidRequest
from vitscope.server.models.repository import Repository
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.transit import Transit
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc


class ClassifierServicer(classifier_pb2_grpc.ClassifierServiceServicer):
    """Translates between messages and the answer service. stream_window: items of a stream worked on at a time."""

    def __init__(self, service: Service, repository: Repository, transit: Transit, stream_window: int) -> None:
        self._service, self._repository, self._transit = service, repository, transit
        self._stream_window = stream_window

    async def Classify(self, request: classifier_pb2.ClassifyRequest, context: Any) -> classifier_pb2.ClassifyResponse:  # noqa: N802
        with self._service.activity:
            caller = self._service.callers.find(context.peer(), bulk=False)
            answer = await self._answer(request, deadlines.current(), caller)
            if answer.error:
                error = in_request(answer.error)
                try:
                    raise error
                finally:
                    del answer, error  # breaks a cycle: the error's traceback holds this frame, with the image in it
            return to_response(answer.unwrap())

    async def ClassifyStream(  # noqa: N802
        self, request_iterator: AsyncIterator[classifier_pb2.ClassifyStreamRequest], context: Any
    ) -> AsyncIterator[classifier_pb2.ClassifyStreamResponse]:
        deadline, caller = deadlines.current(), self._service.callers.find(context.peer(), bulk=True)
        unread = dict[int, Callable[[], None]]()  # what counts the bytes of each answer until it is written

        async def answer(item: classifier_pb2.ClassifyStreamRequest) -> classifier_pb2.ClassifyStreamResponse:
            try:
                made = _to_item(item.request_id, await self._answer(item.request, deadline, caller))
            except Exception as error:  # a reply that cannot be made: the other items go on
                made = _to_error(item.request_id, error)
            unread[id(made)] = self._transit.hold_item(caller, made.ByteSize())
            return made

        with self._service.activity as activity:
            stream = ItemStream(answer, self._stream_window, activity.draining)
            try:
                items = self._transit.items(caller, aiter(request_iterator))
                async with aclosing(stream.answers(items)) as answers:
                    async for response in answers:
                        yield response
                        unread.pop(id(response))()
            finally:
                for release in unread.values():
                    release()

    async def ListModels(  # noqa: N802
        self, request: classifier_pb2.ListModelsRequest, context: Any
    ) -> classifier_pb2.ListModelsResponse:
        return classifier_pb2.ListModelsResponse(models=[to_summary(model) for model in self._repository])

    async def GetModel(  # noqa: N802
        self, request: classifier_pb2.GetModelRequest, context: Any
    ) -> classifier_pb2.GetModelResponse:
        return classifier_pb2.GetModelResponse(model=to_model(self._repository.find(request.model, request.version)))

    async def _answer(self, request: classifier_pb2.ClassifyRequest, deadline: Deadline, caller: Caller) -> Answer:
        try:
            ask = to_ask(request)
        except InvalidRequest as error:
            return self._service.invalid(request.model, request.version, error)
        return await self._service.answer(ask, caller, deadline)


def _to_item(request_id: str, answer: Answer) -> classifier_pb2.ClassifyStreamResponse:
    if answer.error:
        return _to_error(request_id, answer.error)
    return classifier_pb2.ClassifyStreamResponse(request_id=request_id, response=to_response(answer.unwrap()))


def _to_error(request_id: str, error: Exception) -> classifier_pb2.ClassifyStreamResponse:
    status = status_of(in_request(error))
    problem = classifier_pb2.ItemError(
        code=status.code.value[0], message=status.message, retry_after_ms=status.retry_after_ms
    )
    return classifier_pb2.ClassifyStreamResponse(request_id=request_id, error=problem)
