"""The gRPC methods of vitscope.v1.ClassifierService."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc

from server.api.convert import to_query
from server.api.replies import to_model, to_response, to_summary
from server.api.status import code_of, status_of
from server.classifier import NO_DEADLINE, Classifier
from server.errors import Overloaded
from server.images.limits import ImageLimits
from server.metrics import Metrics
from server.models.repository import Repository
from server.models.served import ServedModel
from server.scheduling.timeline import Timeline
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc


class ClassifierServicer(classifier_pb2_grpc.ClassifierServiceServicer):
    """Turns messages into domain calls and answers into messages."""

    def __init__(
        self, repository: Repository, classifier: Classifier, limits: ImageLimits, stream_window: int, metrics: Metrics
    ) -> None:
        self._repository, self._classifier = repository, classifier
        self._limits, self._stream_window, self._metrics = limits, stream_window, metrics

    async def Classify(self, request: classifier_pb2.ClassifyRequest, context: Any) -> classifier_pb2.ClassifyResponse:  # noqa: N802
        return await self._answer(request, _deadline(context))

    async def ClassifyStream(  # noqa: N802
        self, request_iterator: AsyncIterator[classifier_pb2.ClassifyStreamRequest], context: Any
    ) -> AsyncIterator[classifier_pb2.ClassifyStreamResponse]:
        deadline = _deadline(context)
        # One place in the window for each item from being read to being written, so that a slow reader on the other side
        # slows the reading down too.
        window = asyncio.Semaphore(self._stream_window)
        answers: asyncio.Queue[classifier_pb2.ClassifyStreamResponse | None] = asyncio.Queue()

        async def answer(item: classifier_pb2.ClassifyStreamRequest) -> None:
            answers.put_nowait(await self._answer_item(item, deadline))

        async def read() -> None:
            try:
                async with asyncio.TaskGroup() as items:
                    async for item in request_iterator:
                        await window.acquire()
                        items.create_task(answer(item))
            finally:
                answers.put_nowait(None)

        reader = asyncio.create_task(read())
        try:
            while (response := await answers.get()) is not None:
                yield response
                window.release()
            await reader
        finally:
            reader.cancel()

    async def ListModels(  # noqa: N802
        self, request: classifier_pb2.ListModelsRequest, context: Any
    ) -> classifier_pb2.ListModelsResponse:
        return classifier_pb2.ListModelsResponse(models=[to_summary(model) for model in self._repository])

    async def GetModel(  # noqa: N802
        self, request: classifier_pb2.GetModelRequest, context: Any
    ) -> classifier_pb2.GetModelResponse:
        return classifier_pb2.GetModelResponse(model=to_model(self._repository.find(request.model, request.version)))

    async def _answer_item(
        self, item: classifier_pb2.ClassifyStreamRequest, deadline: float
    ) -> classifier_pb2.ClassifyStreamResponse:
        try:
            response = await self._patient_answer(item.request, deadline)
        except Exception as error:
            status = status_of(error)
            return classifier_pb2.ClassifyStreamResponse(
                request_id=item.request_id,
                error=classifier_pb2.ItemError(
                    code=status.code.value[0], message=status.message, retry_after_ms=status.retry_after_ms
                ),
            )
        return classifier_pb2.ClassifyStreamResponse(request_id=item.request_id, response=response)

    async def _patient_answer(
        self, request: classifier_pb2.ClassifyRequest, deadline: float
    ) -> classifier_pb2.ClassifyResponse:
        """A stream is slowed down by overload rather than refused, as long as its deadline allows."""
        while True:
            try:
                return await self._answer(request, deadline)
            except Overloaded as error:
                if time.monotonic() + error.retry_after >= deadline:
                    raise
                await asyncio.sleep(error.retry_after)

    async def _answer(
        self, request: classifier_pb2.ClassifyRequest, deadline: float
    ) -> classifier_pb2.ClassifyResponse:
        timeline = Timeline()
        model = self._repository.ready(request.model, request.version)
        code = grpc.StatusCode.CANCELLED
        try:
            query = to_query(request, model.bundle.manifest, self._limits, deadline, timeline)
            answer = await self._classifier.classify(model, query)
            response = to_response(model, answer, query.maps.dtype if query.maps else "float32", timeline)
            code = grpc.StatusCode.OK
            return response
        except Exception as error:
            code = code_of(error)
            raise
        finally:
            if code is grpc.StatusCode.CANCELLED and time.monotonic() >= deadline:
                code = grpc.StatusCode.DEADLINE_EXCEEDED  # gRPC cancels the call when its deadline passes
            self._metrics.answered(_labels(model), code.name, timeline.durations())


def _labels(model: ServedModel) -> dict[str, str]:
    return {"model": model.name, "version": str(model.version), "engine": str(model.identity)}


def _deadline(context: Any) -> float:
    """The caller's deadline in monotonic seconds."""
    left = context.time_remaining()
    return NO_DEADLINE if left is None else time.monotonic() + left
