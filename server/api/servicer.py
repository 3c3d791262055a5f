"""The gRPC methods of vitscope.v1.ClassifierService."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc

from vitscope.server.api.convert import to_query
from vitscope.server.api.replies import to_model, to_response, to_summary
from vitscope.server.api.status import code_of, status_of
from vitscope.server.api.stream import ItemStream
from vitscope.server.classifier import Classifier
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.limits import ImageLimits
from vitscope.server.metrics import Metrics
from vitscope.server.models.repository import Repository
from vitscope.server.query import NO_DEADLINE
from vitscope.server.scheduling.callers import Caller, Callers
from vitscope.server.scheduling.timeline import Timeline
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc

# Share of a caller's time that may have passed before its request was here.
_ON_THE_WAY = 0.1


@dataclass(frozen=True)
class ServiceLimits:
    """Bounds on what a caller may send and get: images, items of a stream worked on at a time, bytes of a reply."""

    images: ImageLimits
    stream_window: int
    reply_bytes: int


class ClassifierServicer(classifier_pb2_grpc.ClassifierServiceServicer):
    """Turns messages into domain calls and answers into messages."""

    def __init__(self, repository: Repository, classifier: Classifier, limits: ServiceLimits, metrics: Metrics) -> None:
        self._repository, self._classifier, self._limits, self._metrics = repository, classifier, limits, metrics
        self._no_model = metrics.images("", "", "")
        self._callers = Callers()
        self._draining = asyncio.Event()
        self._active = self._calls = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def drain(self) -> None:
        """Read no more from streams; they end when what they have read is answered."""
        self._draining.set()

    async def quiet(self, seconds: float) -> None:
        """Wait until no Classify and no ClassifyStream has been open for so long."""
        while True:
            await self._idle.wait()
            calls = self._calls
            await asyncio.sleep(seconds)
            if self._idle.is_set() and self._calls == calls:
                return

    def _enter(self) -> None:
        self._active += 1
        self._calls += 1
        self._idle.clear()

    def _leave(self) -> None:
        self._active -= 1
        if not self._active:
            self._idle.set()

    async def Classify(self, request: classifier_pb2.ClassifyRequest, context: Any) -> classifier_pb2.ClassifyResponse:  # noqa: N802
        self._enter()
        try:
            return await self._answer(request, _deadline(context), self._callers.find(context.peer(), bulk=False))
        finally:
            self._leave()

    async def ClassifyStream(  # noqa: N802
        self, request_iterator: AsyncIterator[classifier_pb2.ClassifyStreamRequest], context: Any
    ) -> AsyncIterator[classifier_pb2.ClassifyStreamResponse]:
        deadline, caller = _deadline(context), self._callers.find(context.peer(), bulk=True)

        async def answer(item: classifier_pb2.ClassifyStreamRequest) -> classifier_pb2.ClassifyStreamResponse:
            return await self._answer_item(item, deadline, caller)

        self._enter()
        try:
            stream = ItemStream(answer, self._limits.stream_window, self._draining)
            async for response in stream.answers(aiter(request_iterator)):
                yield response
        finally:
            self._leave()

    async def ListModels(  # noqa: N802
        self, request: classifier_pb2.ListModelsRequest, context: Any
    ) -> classifier_pb2.ListModelsResponse:
        return classifier_pb2.ListModelsResponse(models=[to_summary(model) for model in self._repository])

    async def GetModel(  # noqa: N802
        self, request: classifier_pb2.GetModelRequest, context: Any
    ) -> classifier_pb2.GetModelResponse:
        return classifier_pb2.GetModelResponse(model=to_model(self._repository.find(request.model, request.version)))

    async def _answer_item(
        self, item: classifier_pb2.ClassifyStreamRequest, deadline: float, caller: Caller
    ) -> classifier_pb2.ClassifyStreamResponse:
        try:
            response = await self._answer(item.request, deadline, caller)
        except Exception as error:
            status = status_of(error)
            return classifier_pb2.ClassifyStreamResponse(
                request_id=item.request_id,
                error=classifier_pb2.ItemError(
                    code=status.code.value[0], message=status.message, retry_after_ms=status.retry_after_ms
                ),
            )
        return classifier_pb2.ClassifyStreamResponse(request_id=item.request_id, response=response)

    async def _answer(
        self, request: classifier_pb2.ClassifyRequest, deadline: float, caller: Caller
    ) -> classifier_pb2.ClassifyResponse:
        timeline, metrics, code = Timeline(), self._no_model, grpc.StatusCode.CANCELLED
        durations: dict[str, float] = {}
        try:
            model = self._repository.ready(request.model, request.version)
            metrics = self._metrics.images(model.name, model.version, model.identity)
            query = to_query(request, model.bundle.manifest, self._limits.images, deadline, timeline, caller)
            with model.lease():
                answer = await self._classifier.classify(model, query)
            durations = timeline.durations()
            dtype = query.maps.dtype if query.maps else "float32"
            response = to_response(model, answer, dtype, durations, timeline.batch_size)
            if answer.maps:
                self._check_size(response)
            metrics.quality.observe(answer.quality)
            if deadline != NO_DEADLINE:
                given = deadline - timeline.received
                metrics.deadline_used.observe(durations["total"] / given if given > 0 else 1.0)
            code = grpc.StatusCode.OK
            return response
        except Exception as error:
            code = code_of(error)
            raise
        finally:
            if code is grpc.StatusCode.CANCELLED and _is_late(timeline, deadline):
                code = grpc.StatusCode.DEADLINE_EXCEEDED
            metrics.answered(code.name, durations)

    def _check_size(self, response: classifier_pb2.ClassifyResponse) -> None:
        """gRPC would end a whole stream over one reply that is too large to send."""
        size, limit = response.ByteSize(), self._limits.reply_bytes
        if size > limit:
            raise InvalidRequest(
                "maps",
                f"a reply of {size / 2**20:.1f} MiB",
                f"up to {limit / 2**20:.1f} MiB: fewer maps, smaller pictures (maps.rendering.size) or JPEG ones",
            )


def _deadline(context: Any) -> float:
    """The caller's deadline in monotonic seconds."""
    left = context.time_remaining()
    return NO_DEADLINE if left is None else time.monotonic() + left


def _is_late(timeline: Timeline, deadline: float) -> bool:
    """Whether a call that was cancelled has run into its deadline. The caller's clock started when it sent, so its cancellation comes
    a little before the deadline as seen from here; more so where a large photo took its time."""
    if deadline == NO_DEADLINE:
        return False
    return time.monotonic() >= deadline - _ON_THE_WAY * (deadline - timeline.received)
