"""The client for synchronous code."""

import queue
import threading
from collections.abc import Generator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

import grpc

from vitscope.client.channel import DEFAULT_SERVER, open_channel
from vitscope.client.errors import ClientError, InvalidImage, Unavailable, from_rpc_error, typed_errors
from vitscope.client.fields import set_field
from vitscope.client.model import Model, ModelSummary
from vitscope.client.request import ImageLike, Options, classify_request
from vitscope.client.result import Result
from vitscope.client.window import DEFAULT_WINDOW, Outcome, Window
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc

DEFAULT_TIMEOUT = 10.0
"""Seconds of a call, retries included."""


class Client:
    """A connection to one or several vitscope servers. All methods are thread-safe.

    `server` is "host:port", a comma-separated list of these, or a gRPC target such as "dns:///name:8500"; calls go
    round-robin to all addresses. `root_certificates` is a PEM file and turns TLS on. `timeout` is the default deadline
    of a call in seconds, retries included. Raises InvalidRequest when the address or the file cannot be used; no
    server is contacted before the first call.

    A call that is refused or reaches no server is attempted up to 5 times, after the delay that the server asks for or
    else with exponential backoff. Every method raises a subclass of ClientError, or ClientError itself for a status
    code without one.

    Use the client as a context manager, or call `close`.
    """

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        *,
        root_certificates: Path | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._channel = open_channel(server, root_certificates)
        self._stub = classifier_pb2_grpc.ClassifierServiceStub(self._channel)
        self._timeout = timeout

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and cancel all calls in flight."""
        self._channel.close()

    def classify(self, image: ImageLike, *, timeout: float | None = None, **options: Unpack[Options]) -> Result:
        """Classify one image and return its most probable classes and, with `attention`, its maps.

        `image` is the bytes of an image file, the path of one, a Pillow image, or RGB pixels uint8 [height, width, 3].
        `timeout` is in seconds. `options` are those of `vitscope.client.request.Options`.

        Raises InvalidImage, InvalidRequest, NotFound, Overloaded, DeadlineExceeded or Unavailable.
        """
        request = classify_request(image, **options)
        with typed_errors():
            return Result.of(self._stub.Classify(request, timeout=self._deadline(timeout)))

    def classify_many(
        self,
        images: Iterable[ImageLike],
        *,
        timeout: float | None = None,
        window: int = DEFAULT_WINDOW,
        **options: Unpack[Options],
    ) -> Generator[Outcome, None, None]:
        """Classify any number of images over one stream; yield the outcomes as they finish.

        An outcome is the index in `images` with a Result or a ClientError. Images are read one at a time, and at most
        `window` of them are in memory. An image that fails yields its error and does not affect the others. `timeout`
        is the longest time in seconds without any answer. When the stream breaks, a new one is opened and the images
        in flight are sent again. One stream goes to one server: to use several servers, run as many loops.

        Raises InvalidRequest for an option that this client refuses, Unavailable when no server can be reached, and
        DeadlineExceeded after the timeout. An option that the server refuses is the outcome of each image.
        """
        pending, source = Window(window, self._deadline(timeout)), enumerate(images)
        stream, more = _Stream(self._stub), True
        try:
            while more or pending:
                if more and pending.has_room:
                    entry = next(source, None)
                    if entry is None:
                        more = False
                        continue
                    index, image = entry
                    try:
                        pending.add(index, classify_request(image, **options))
                    except InvalidImage as error:
                        yield index, error
                        continue
                stream.send(pending.take_due())
                event = stream.receive(0 if more and pending.has_room else pending.wait_limit())
                if isinstance(event, ClientError):
                    stream.close()
                    stream = _Stream(self._stub)
                    yield from pending.stream_broke(event)
                elif event is not None and (outcome := pending.settle(event)):
                    yield outcome
        finally:
            stream.close()

    def list_models(self, *, timeout: float | None = None) -> list[ModelSummary]:
        """Return every version of every model on the server, ready or not, ordered by name, then version."""
        request = classifier_pb2.ListModelsRequest()
        with typed_errors():
            models = self._stub.ListModels(request, timeout=self._deadline(timeout)).models
        return list(map(ModelSummary.of, models))

    def get_model(self, name: str = "", version: int = 0, *, timeout: float | None = None) -> Model:
        """Return one version of a model in full: labels, input, tokens, engine and certificate.

        `name` may be omitted when the server has exactly one model; version 0 is the latest. Raises NotFound for a
        model or version that does not exist, and Unavailable while its bundle is not open.
        """
        request = classifier_pb2.GetModelRequest(model=name)
        set_field(request, "version", version)
        with typed_errors():
            return Model.of(self._stub.GetModel(request, timeout=self._deadline(timeout)).model)

    def _deadline(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout


class _Stream:
    """One ClassifyStream call, opened by the first message. A thread reads the answers, because gRPC's own iterator
    cannot wait with a timeout."""

    def __init__(self, stub: classifier_pb2_grpc.ClassifierServiceStub) -> None:
        self._stub = stub
        self._outgoing: queue.SimpleQueue[classifier_pb2.ClassifyStreamRequest | None] = queue.SimpleQueue()
        self._incoming: queue.SimpleQueue[classifier_pb2.ClassifyStreamResponse | ClientError] = queue.SimpleQueue()
        self._call: Any = None

    def send(self, messages: list[classifier_pb2.ClassifyStreamRequest]) -> None:
        if messages and self._call is None:
            self._call = self._stub.ClassifyStream(iter(self._outgoing.get, None))
            threading.Thread(target=self._read, name="classify-stream", daemon=True).start()
        for message in messages:
            self._outgoing.put(message)

    def receive(self, timeout: float) -> classifier_pb2.ClassifyStreamResponse | ClientError | None:
        """Return the next answer, the error that ended the stream, or None after `timeout` seconds."""
        try:
            return self._incoming.get(timeout > 0, timeout or None)
        except queue.Empty:
            return None

    def close(self) -> None:
        self._outgoing.put(None)
        if self._call is not None:
            self._call.cancel()

    def _read(self) -> None:
        try:
            for answer in self._call:
                self._incoming.put(answer)
            self._incoming.put(Unavailable(grpc.StatusCode.UNAVAILABLE, "the server closed the stream"))
        except grpc.RpcError as error:
            self._incoming.put(from_rpc_error(error))
