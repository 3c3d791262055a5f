"""The client for asyncio: as `client/sync.py`, but without threads."""

# ruff: noqa: ASYNC109 - a timeout here is a deadline, which is sent to the server

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

import grpc

from vitscope.client.channel import DEFAULT_SERVER, open_async_channel, route_of
from vitscope.client.errors import ClientError, InvalidImage, Unavailable, from_rpc_error, typed_errors
from vitscope.client.fields import set_field
from vitscope.client.internals.assembly import Assembly
from vitscope.client.internals.request import ExplainOptions, explain_request
from vitscope.client.internals.result import Explained
from vitscope.client.model import Model, ModelSummary
from vitscope.client.request import ImageLike, Options, classify_request
from vitscope.client.result import Result
from vitscope.client.source import Drawn, End, Event, TaskSource, ThreadSource, accepted
from vitscope.client.sync import DEFAULT_TIMEOUT
from vitscope.client.window import DEFAULT_WINDOW, Outcome, Window
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc, explain_pb2_grpc


class AsyncClient:
    """The asyncio form of `Client`, with the same arguments, methods and errors.

    Create it inside the event loop that uses it. Use it as an asynchronous context manager, or call `close`.
    """

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        *,
        root_certificates: Path | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._channel = open_async_channel(server, root_certificates)
        self._route = route_of(server)
        self._stub = classifier_pb2_grpc.ClassifierServiceStub(self._channel)
        self._explain = explain_pb2_grpc.ExplainServiceStub(self._channel)
        self._timeout = timeout

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection and cancel all calls in flight."""
        await self._channel.close(None)

    async def classify(self, image: ImageLike, *, timeout: float | None = None, **options: Unpack[Options]) -> Result:
        """Classify one image; see `Client.classify`. A file is read in a thread."""
        request = await _request(image, options)
        with typed_errors(self._route):
            return Result.of(await self._stub.Classify(request, timeout=self._deadline(timeout)))

    async def classify_many(
        self,
        images: Iterable[ImageLike] | AsyncIterable[ImageLike],
        *,
        timeout: float | None = None,
        window: int = DEFAULT_WINDOW,
        **options: Unpack[Options],
    ) -> AsyncGenerator[Outcome, None]:
        """Classify any number of images over one stream; see `Client.classify_many`. `images` may be asynchronous,
        and is then iterated in this event loop, beside the loop over the outcomes; otherwise in a thread.

        To leave the loop early, wrap the call in `contextlib.aclosing`; otherwise the stream ends only when the
        generator is garbage-collected.
        """
        inbox: asyncio.Queue[Event] = asyncio.Queue()
        pending = Window(window, self._deadline(timeout))
        source, drawing, end = _source(images, options, inbox), 0, None
        stream = _Stream(self._stub, inbox, self._route)
        try:
            while pending or end is None:
                if end is None and (room := pending.room - drawing) > 0:
                    source.allow(room)
                    drawing += room
                stream.send(pending.take_due())
                match event := await _next(inbox, pending):
                    case Drawn(index, InvalidImage() as failed):
                        drawing -= 1
                        yield index, failed
                    case Drawn(index, request):
                        drawing -= 1
                        pending.add(index, accepted(request))
                    case End():
                        end = event
                    case ClientError():
                        await stream.close()
                        stream = _Stream(self._stub, inbox, self._route)
                        for outcome in pending.stream_broke(event):
                            yield outcome
                    case classifier_pb2.ClassifyStreamResponse() if settled := pending.settle(event):
                        yield settled
        finally:
            source.stop()
            await stream.close()
        if end.error is not None:
            raise end.error

    async def explain(
        self, image: ImageLike, *, timeout: float | None = None, **options: Unpack[ExplainOptions]
    ) -> Explained:
        """Return what is inside of the encoder for one image; see `Client.explain`. A file is read in a thread."""
        assembly = Assembly()
        request = await asyncio.to_thread(partial(explain_request, image, **options))
        with typed_errors(self._route):
            async for message in self._explain.Explain(request, timeout=self._deadline(timeout)):
                assembly.add(message)
        return assembly.finish()

    async def list_models(self, *, timeout: float | None = None) -> list[ModelSummary]:
        """Return every version of every model on the server; see `Client.list_models`."""
        request = classifier_pb2.ListModelsRequest()
        with typed_errors(self._route):
            response = await self._stub.ListModels(request, timeout=self._deadline(timeout))
        return list(map(ModelSummary.of, response.models))

    async def get_model(self, name: str = "", version: int = 0, *, timeout: float | None = None) -> Model:
        """Return one version of a model in full; see `Client.get_model`."""
        request = classifier_pb2.GetModelRequest(model=name)
        set_field(request, "version", version)
        with typed_errors(self._route):
            return Model.of((await self._stub.GetModel(request, timeout=self._deadline(timeout))).model)

    def _deadline(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout


async def _request(image: ImageLike, options: Options) -> classifier_pb2.ClassifyRequest:
    if isinstance(image, str | PathLike):  # reading a file would block the event loop
        return await asyncio.to_thread(classify_request, image, **options)
    return classify_request(image, **options)


def _source(
    images: Iterable[ImageLike] | AsyncIterable[ImageLike], options: Options, inbox: "asyncio.Queue[Event]"
) -> ThreadSource | TaskSource:
    if isinstance(images, AsyncIterable):
        return TaskSource(images, options, inbox.put_nowait)
    loop = asyncio.get_running_loop()

    def put(event: Drawn | End) -> None:
        with suppress(RuntimeError):  # the loop has been closed, and nobody waits any more
            loop.call_soon_threadsafe(inbox.put_nowait, event)

    return ThreadSource(images, options, put)


async def _next(inbox: "asyncio.Queue[Event]", pending: Window) -> Event | None:
    """Return the next event, or None when it is time to look at `pending` again. What has arrived comes first."""
    with suppress(asyncio.QueueEmpty):
        return inbox.get_nowait()
    limit, began = pending.wait_limit(), time.monotonic()
    with suppress(TimeoutError):
        async with asyncio.timeout(limit):
            return await inbox.get()
    assert limit is not None
    pending.waited(min(time.monotonic() - began, limit))
    return None


class _Stream:
    """One ClassifyStream call, opened by the first message.

    A task reads the answers while requests are written; otherwise flow control could block both sides forever. They
    go to `inbox`, and last the error that ended the stream.
    """

    def __init__(
        self, stub: "classifier_pb2_grpc.ClassifierServiceAsyncStub", inbox: "asyncio.Queue[Event]", route: str
    ) -> None:
        self._stub, self._inbox, self._route = stub, inbox, route
        self._reader: asyncio.Task[None] | None = None
        self._outgoing: asyncio.Queue[classifier_pb2.ClassifyStreamRequest] = asyncio.Queue()

    def send(self, messages: list[classifier_pb2.ClassifyStreamRequest]) -> None:
        if messages and self._reader is None:
            self._reader = asyncio.create_task(self._read())
        for message in messages:
            self._outgoing.put_nowait(message)

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()  # cancels the call too
            await asyncio.gather(self._reader, return_exceptions=True)

    async def _requests(self) -> AsyncIterator[classifier_pb2.ClassifyStreamRequest]:
        while True:
            yield await self._outgoing.get()

    async def _read(self) -> None:
        try:
            async for answer in self._stub.ClassifyStream(self._requests()):
                self._inbox.put_nowait(answer)
            self._inbox.put_nowait(Unavailable(grpc.StatusCode.UNAVAILABLE, "the server closed the stream"))
        except grpc.RpcError as error:
            self._inbox.put_nowait(from_rpc_error(error, self._route))
