"""The service under the transports: each calls `Service.answer` and translates the answer into its own messages."""

import asyncio
import time
from dataclasses import dataclass, replace

from vitscope.server.answer.activity import Activity
from vitscope.server.answer.answer import Answer, Classification, Result
from vitscope.server.answer.ask import Ask
from vitscope.server.answer.classifier import Classifier
from vitscope.server.answer.deadline import Deadline
from vitscope.server.answer.query import to_query
from vitscope.server.errors import InvalidRequest, Outcome, ServerError, outcome_of
from vitscope.server.images.limits import Decoding, ImageLimits
from vitscope.server.maps.internals.selection import DEFAULT_LIMITS
from vitscope.server.maps.internals.selection import Limits as InternalsLimits
from vitscope.server.metrics import Metrics
from vitscope.server.models.repository import Repository
from vitscope.server.scheduling.callers import Caller, Callers
from vitscope.server.scheduling.timeline import Timeline


@dataclass(frozen=True)
class Limits:
    """Bounds of requests and replies. images: what may be sent. reply_bytes: largest reply.

    internals: of what is sent of the encoder's inside.
    """

    images: ImageLimits
    reply_bytes: int
    internals: InternalsLimits = DEFAULT_LIMITS


class Service:
    """Answers questions about images. On the event loop only.

    activity: the open calls, counted by each transport. callers: the known callers, for fairness between them.
    """

    def __init__(self, repository: Repository, classifier: Classifier, limits: Limits, metrics: Metrics) -> None:
        self._repository, self._classifier, self._limits = repository, classifier, limits
        ways: tuple[Decoding, ...] = ("scaled", "exact")  # each model has its own
        self._image_limits = {way: replace(limits.images, decoding=way) for way in ways}
        self._metrics = metrics.requests
        self.activity, self.callers = Activity(), Callers()

    async def answer(self, ask: Ask, caller: Caller, deadline: Deadline) -> Answer:
        """Answer one image and count its outcome. Raises only CancelledError: other failures are outcomes."""
        timeline, metrics = Timeline(), self._metrics.of_no_model
        try:
            model = self._repository.ready(ask.model, ask.version)
            metrics = self._metrics.of(model.name, model.version, model.identity)
            limits = self._image_limits[model.pixels.decoding]
            reply = self._limits.internals
            query = to_query(ask, model.bundle.manifest, limits, caller, deadline, timeline, reply)
            with model.lease():
                classification, quality = await self._classifier.classify(model, query)
            if classification.maps:
                self._check_size(classification)
        except asyncio.CancelledError:
            metrics.ended(Outcome.LATE if deadline.missed(time.monotonic()) else Outcome.CANCELLED)
            raise
        except Exception as error:
            metrics.ended(outcome_of(error))
            return Answer(outcome_of(error), error=error)
        durations = timeline.durations()
        metrics.answered(durations, quality, deadline.share_used(timeline.received, durations["total"]))
        result = Result(model.name, model.version, classification, durations, timeline.batch_size)
        return Answer(Outcome.OK, result)

    def invalid(self, model: str, version: int, error: InvalidRequest) -> Answer:
        """Answer a request that its transport cannot parse, and count it. An unknown model takes precedence."""
        try:
            found = self._repository.ready(model, version)
        except Exception as other:
            self._metrics.of_no_model.ended(outcome_of(other))
            return Answer(outcome_of(other), error=other)
        self._metrics.of(found.name, found.version, found.identity).ended(error.outcome)
        return Answer(error.outcome, error=error)

    def turned_away(self, error: ServerError, times: int = 1) -> None:
        """Count requests that were refused before they were read: for the model, if only one is served."""
        try:
            model = self._repository.ready("", 0)
        except Exception:
            self._metrics.of_no_model.ended(error.outcome, times)
        else:
            self._metrics.of(model.name, model.version, model.identity).ended(error.outcome, times)

    def _check_size(self, classification: Classification) -> None:
        """Raise InvalidRequest if the reply is too large to send: gRPC, for one, would end a whole stream over it."""
        size, limit = classification.size(), self._limits.reply_bytes
        if size > limit:
            raise InvalidRequest(
                "maps",
                f"a reply of {size / 2**20:.1f} MiB",
                f"up to {limit / 2**20:.1f} MiB: fewer maps, or smaller pictures or JPEG ones",
            )
