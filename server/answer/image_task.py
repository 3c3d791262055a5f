"""The decoding and inference of one image, across threads."""

import asyncio
import time
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vitscope.server.answer.decoding import Decoding
from vitscope.server.answer.query import Query
from vitscope.server.engines.contract import Outputs
from vitscope.server.errors import DeadlineExpired
from vitscope.server.host.loops import call_soon
from vitscope.server.images.brightness import brightness
from vitscope.server.images.geometry import Geometry
from vitscope.server.images.prepare import Prepared
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.scheduler import Scheduler
from vitscope.server.scheduling.timeline import Timeline
from vitscope.server.scheduling.work import Work


@dataclass(eq=False, slots=True)
class Inference:
    """The result of decoding and running one image, shared by all requests for the same image and graph.

    photo: the upright photo, if an overlay was requested. brightness: 0..1. outputs: of the graph, without the batch
    axis. pixels: the model's input, for another graph; None where the result was kept from an earlier request.
    """

    geometry: Geometry
    photo: Image.Image | None
    brightness: float
    outputs: Outputs
    timeline: Timeline
    pixels: np.ndarray | None

    def prepared(self) -> Prepared | None:
        """Return the image as it was prepared; None where the result was kept from an earlier request."""
        return None if self.pixels is None else Prepared(self.pixels, self.geometry, self.photo)


class ImageTask(Work):
    """The work of one image: decoded on a thread or in a process, run on an engine thread, finished on the event loop.

    `begin` starts it and returns a future of the inference. Cancelling the future removes the image from every queue,
    and ends the process that decodes it.
    """

    __slots__ = ("_brightness", "_future", "_isolated", "_lane", "_loop", "_pool", "_prepared", "_query", "_scheduler")

    def __init__(self, query: Query, lane: Lane, decoding: Decoding, scheduler: Scheduler) -> None:
        super().__init__(query.caller, query.deadline.at, query.timeline, query.classes)
        self._query, self._lane, self._scheduler = query, lane, scheduler
        self._pool = decoding.pool(query.cost)
        self._isolated = decoding.isolated(query.cost, query.prepare, lambda: self.deadline)
        self._prepared: Prepared | None = None
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[Inference] = self._loop.create_future()

    def begin(self) -> asyncio.Future[Inference]:
        """Start decoding. On the event loop."""
        self._future.add_done_callback(self._ended)
        self._scheduler.expect(self._lane, self)
        if self._query.at_once:
            self()
        else:
            self._pool.submit(self.caller, self, self._query.cost.seconds)
        return self._future

    def extend_deadline(self, deadline: float) -> None:
        """Wait until `deadline`, because a request with a later deadline shares the result."""
        self.deadline = deadline

    def __call__(self) -> None:
        """Decode the image and queue it. On a thread of a pool, or on the event loop where decoding takes no time."""
        try:
            if time.monotonic() >= self.deadline:
                raise DeadlineExpired("the deadline passed before the image was decoded; it was not computed")
            prepared = self._prepared = (self._isolated or self._query.prepare)()
            self._brightness = brightness(prepared.pixels)
            self.timeline.end("decode")
            self._scheduler.submit(self._lane, self, prepared.pixels)
        except Exception as error:
            self.failed(error)

    def done(self, outputs: Outputs) -> None:
        """Finish with the outputs. On the event loop, where `Scheduler.hand_over` calls it."""
        prepared = self._prepared
        assert prepared is not None
        if not self._future.done():
            self._future.set_result(
                Inference(prepared.geometry, prepared.photo, self._brightness, outputs, self.timeline, prepared.pixels)
            )

    def failed(self, error: Exception) -> None:
        """Finish with an error. On any thread."""
        call_soon(self._loop, self._fail, error)

    def _fail(self, error: Exception) -> None:
        if not self._future.done():
            self._future.set_exception(error)

    def _ended(self, future: asyncio.Future[Inference]) -> None:
        if future.cancelled() or future.exception() is not None:
            self._pool.cancel(self.caller, self)
            if self._isolated is not None:
                self._isolated.cancel()
            self._scheduler.cancel(self._lane, self)
