"""The client for asyncio: as `client/sync.py`, without threads."""

# ruff: noqa: ASYNC109 - a timeout here is a deadline, which travels to the server

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

import grpc

from vitscope.client.channel import DEFAULT_SERVER, open_async_channel
from vitscope.client.errors import ClientError, InvalidImage, Unavailable, from_rpc_error
from vitscope.client.request import ImageLike, Options, classify_request
from vitscope.client.result import Result
from vitscope.client.sync import DEFAULT_TIMEOUT
from vitscope.client.window import DEFAULT_WINDOW, Outcome, Window
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc, model_pb2


class AsyncClient:
    """As `Client`, for asyncio; make it inside the event loop that uses it."""

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        *,
        root_certificates: Path | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._channel = open_async_channel(server, root_certificates)
        self._stub = classifier_pb2_grpc.ClassifierServiceStub(self._channel)
        self._timeout = timeout

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection; calls in flight are cancelled."""
        await self._channel.close(None)

    async def classify(self, image: ImageLike, *, timeout: float | None = None, **options: Unpack[Options]) -> Result:
        """As `Client.classify`."""
        request = await _request(image, options)
        try:
            return Result.of(await self._stub.Classify(request, timeout=self._deadline(timeout)))
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    async def classify_many(
        self,
        images: Iterable[ImageLike] | AsyncIterable[ImageLike],
        *,
        timeout: float | None = None,
        window: int = DEFAULT_WINDOW,
        **options: Unpack[Options],
    ) -> AsyncGenerator[Outcome, None]:
        """As `Client.classify_many`; `images` may be asynchronous too.

        Leave the loop early inside `contextlib.aclosing(...)` to end the stream at once and not when it is collected.
        """
        flights, source = Window(window, self._deadline(timeout)), _enumerate(images)
        stream, more = _Stream(self._stub), True
        try:
            while more or flights:
                if more and flights.has_room:
                    entry = await anext(source, None)
                    if entry is None:
                        more = False
                        continue
                    index, image = entry
                    try:
                        flights.add(index, await _request(image, options))
                    except InvalidImage as error:
                        yield index, error
                        continue
                stream.send(flights.take_due())
                event = await stream.receive(0 if more and flights.has_room else flights.patience())
                if isinstance(event, ClientError):
                    await stream.close()
                    stream = _Stream(self._stub)
                    for failed in flights.broken(event):
                        yield failed
                elif event is not None and (outcome := flights.settle(event)):
                    yield outcome
        finally:
            await stream.close()

    async def list_models(self, *, timeout: float | None = None) -> list[model_pb2.ModelSummary]:
        """As `Client.list_models`."""
        request = classifier_pb2.ListModelsRequest()
        try:
            return list((await self._stub.ListModels(request, timeout=self._deadline(timeout))).models)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    async def get_model(self, name: str = "", version: int = 0, *, timeout: float | None = None) -> model_pb2.Model:
        """As `Client.get_model`."""
        request = classifier_pb2.GetModelRequest(model=name, version=version)
        try:
            return (await self._stub.GetModel(request, timeout=self._deadline(timeout))).model
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    def _deadline(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout


async def _request(image: ImageLike, options: Options) -> classifier_pb2.ClassifyRequest:
    if isinstance(image, str | PathLike):  # reads a file, which must not hold up the loop
        return await asyncio.to_thread(classify_request, image, **options)
    return classify_request(image, **options)


async def _enumerate(images: Iterable[ImageLike] | AsyncIterable[ImageLike]) -> AsyncIterator[tuple[int, ImageLike]]:
    if isinstance(images, AsyncIterable):
        index = 0
        async for image in images:
            yield index, image
            index += 1
    else:
        for entry in enumerate(images):
            yield entry


class _Stream:
    """One ClassifyStream call, opened by the first message. A task of its own reads the answers: were they left unread while requests are written,
    flow control could stop both sides for good."""

    def __init__(self, stub: "classifier_pb2_grpc.ClassifierServiceAsyncStub") -> None:
        self._stub = stub
        self._reader: asyncio.Task[None] | None = None
        self._outgoing: asyncio.Queue[classifier_pb2.ClassifyStreamRequest] = asyncio.Queue()
        self._incoming: asyncio.Queue[classifier_pb2.ClassifyStreamResponse | ClientError] = asyncio.Queue()

    def send(self, messages: list[classifier_pb2.ClassifyStreamRequest]) -> None:
        if messages and self._reader is None:
            self._reader = asyncio.create_task(self._read())
        for message in messages:
            self._outgoing.put_nowait(message)

    async def receive(self, timeout: float) -> classifier_pb2.ClassifyStreamResponse | ClientError | None:
        """The next answer, the error that ended the stream, or None after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                return await self._incoming.get()
        except TimeoutError:
            return None

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()  # and with it the call
            await asyncio.gather(self._reader, return_exceptions=True)

    async def _requests(self) -> AsyncIterator[classifier_pb2.ClassifyStreamRequest]:
        while True:
            yield await self._outgoing.get()

    async def _read(self) -> None:
        try:
            async for answer in self._stub.ClassifyStream(self._requests()):
                self._incoming.put_nowait(answer)
            self._incoming.put_nowait(Unavailable(grpc.StatusCode.UNAVAILABLE, "the server closed the stream"))
        except grpc.RpcError as error:
            self._incoming.put_nowait(from_rpc_error(error))
