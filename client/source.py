"""The images of a stream, drawn beside the loop that gives the answers, so that neither waits for the other.

Both forms draw only as many images as `allow` has let them, and hand each to `put` as a `Drawn`, then one `End`.
"""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from os import PathLike

from vitscope.client.errors import ClientError
from vitscope.client.request import ImageLike, Options, classify_request
from vitscope.v1 import classifier_pb2

_IN_A_THREAD = "classify_many draws its images in a thread of its own"


@dataclass(frozen=True)
class Drawn:
    """One image of the source: its index, and its message or why there is none."""

    index: int
    request: classifier_pb2.ClassifyRequest | ClientError


@dataclass(frozen=True)
class End:
    """The source has no more images. error: the one that it raised, None when it was exhausted."""

    error: BaseException | None


Event = Drawn | End | classifier_pb2.ClassifyStreamResponse | ClientError
"""What the loop of a stream waits for: an image, the end of the images, an answer, or the end of the stream."""

Put = Callable[[Drawn | End], object]


class ThreadSource:
    """Draws from an iterable in a thread: iterating and reading files may take long, or wait for an answer.

    The thread has the caller's context variables. It ends with the source, or after `stop` as soon as the source lets
    it; it does not keep the process alive.
    """

    def __init__(self, images: Iterable[ImageLike], options: Options, put: Put) -> None:
        self._images, self._options, self._put = iter(images), options, put
        self._permits, self._stopped = threading.Semaphore(0), False
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._draw,), name="classify-source", daemon=True).start()

    def allow(self, images: int) -> None:
        """Let so many more images be drawn."""
        self._permits.release(images)

    def stop(self) -> None:
        self._stopped = True
        self._permits.release()

    def _draw(self) -> None:
        try:
            for drawn in self._drawn():
                self._put(drawn)
            self._put(End(None))
        except BaseException as error:  # also SystemExit of the source: the caller's thread raises it
            if not isinstance(error, ClientError):
                error.add_note(_IN_A_THREAD)
            self._put(End(error))

    def _drawn(self) -> Iterator[Drawn]:
        index = 0
        while self._permits.acquire() and not self._stopped:
            try:
                image = next(self._images)
            except StopIteration:
                return
            yield Drawn(index, _request(image, self._options))
            index += 1


class TaskSource:
    """Draws from an asynchronous iterable in a task of the running loop."""

    def __init__(self, images: AsyncIterable[ImageLike], options: Options, put: Put) -> None:
        self._images, self._options, self._put = aiter(images), options, put
        self._permits = asyncio.Semaphore(0)
        self._task = asyncio.create_task(self._draw())

    def allow(self, images: int) -> None:
        """Let so many more images be drawn."""
        for _ in range(images):
            self._permits.release()

    def stop(self) -> None:
        self._task.cancel()

    async def _draw(self) -> None:
        try:
            async for drawn in self._drawn():
                self._put(drawn)
            self._put(End(None))
        except asyncio.CancelledError as error:
            self._put(End(error))  # of the source, where it is not this task that was cancelled
            raise
        except BaseException as error:
            self._put(End(error))

    async def _drawn(self) -> AsyncIterator[Drawn]:
        index = 0
        while await self._permits.acquire():
            try:
                image = await anext(self._images)
            except StopAsyncIteration:
                return
            if isinstance(image, str | PathLike):  # reading a file would block the event loop
                yield Drawn(index, await asyncio.to_thread(_request, image, self._options))
            else:
                yield Drawn(index, _request(image, self._options))
            index += 1


def accepted(request: classifier_pb2.ClassifyRequest | ClientError) -> classifier_pb2.ClassifyRequest:
    """Return the request of a `Drawn`, or raise the error in its place: that of an option, so of every image."""
    if isinstance(request, ClientError):
        raise request
    return request


def _request(image: ImageLike, options: Options) -> classifier_pb2.ClassifyRequest | ClientError:
    try:
        return classify_request(image, **options)
    except ClientError as error:
        return error
