"""One image's way through decoding and the engine, from thread to thread."""

import asyncio
import time
from dataclasses import dataclass

from PIL import Image

from vitscope.server.engines.contract import Outputs
from vitscope.server.errors import DeadlineExpired
from vitscope.server.images.geometry import Geometry
from vitscope.server.images.prepare import Prepared
from vitscope.server.loops import call_soon
from vitscope.server.quality import brightness
from vitscope.server.query import Query
from vitscope.server.scheduling.decoders import DecodePool
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.scheduler import Scheduler
from vitscope.server.scheduling.timeline import Timeline
from vitscope.server.scheduling.work import Work


@dataclass(frozen=True, eq=False, slots=True)
class Seen:
    """What decoding and inference made of an image: all that requests for the same image and graph have in common."""

    geometry: Geometry
    photo: Image.Image | None
    brightness: float
    outputs: Outputs
    timeline: Timeline


class Passage(Work):
    """Work that decodes itself. The event loop hears of it again when it has its answer.

    `begin` starts it; the future that it returns ends with what was seen, or with what went wrong. Cancelling that future
    takes the image out, wherever it is.
    """

    __slots__ = ("_answer", "_brightness", "_decoders", "_lane", "_loop", "_prepared", "_query", "_scheduler")

    def __init__(self, query: Query, lane: Lane, decoders: DecodePool, scheduler: Scheduler) -> None:
        super().__init__(query.caller, query.deadline, query.timeline)
        self._query, self._lane, self._decoders, self._scheduler = query, lane, decoders, scheduler
        self._prepared: Prepared | None = None
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[Seen] = self._loop.create_future()

    def begin(self) -> asyncio.Future[Seen]:
        """Send it on its way. On the event loop."""
        self._answer.add_done_callback(self._ended)
        self._scheduler.expect(self._lane, self)
        if self._query.at_once:
            self()
        else:
            self._decoders.submit(self.caller, self)
        return self._answer

    def put_off(self, deadline: float) -> None:
        """Somebody waits for it until then."""
        self.deadline = deadline

    def __call__(self) -> None:
        """Decode and queue, on whatever thread."""
        try:
            if time.monotonic() >= self.deadline:
                raise DeadlineExpired("the deadline passed before the image was decoded; it was not computed")
            prepared = self._prepared = self._query.prepare()
            self._brightness = brightness(prepared.pixels)
            self.timeline.end("decode")
            self._scheduler.submit(self._lane, self, prepared.pixels)
        except Exception as error:
            self.failed(error)

    def done(self, outputs: Outputs) -> None:
        """On the event loop, see App."""
        prepared = self._prepared
        assert prepared is not None
        if not self._answer.done():
            self._answer.set_result(Seen(prepared.geometry, prepared.photo, self._brightness, outputs, self.timeline))

    def failed(self, error: Exception) -> None:
        call_soon(self._loop, self._fail, error)

    def _fail(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)

    def _ended(self, answer: asyncio.Future[Seen]) -> None:
        if answer.cancelled() or answer.exception() is not None:
            self._decoders.cancel(self.caller, self)
            self._scheduler.cancel(self._lane, self)
