"""The client for synchronous code."""

import queue
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

import grpc

from vitscope.client.channel import DEFAULT_SERVER, open_channel, route_of
from vitscope.client.errors import ClientError, InvalidImage, Unavailable, from_rpc_error, typed_errors
from vitscope.client.fields import set_field
from vitscope.client.gevent import refuse_unprepared_gevent
from vitscope.client.internals.assembly import Assembly
from vitscope.client.internals.request import ExplainOptions, explain_request
from vitscope.client.internals.result import Explained
from vitscope.client.model import Model, ModelSummary
from vitscope.client.request import ImageLike, Options, classify_request
from vitscope.client.result import Result
from vitscope.client.source import Drawn, End, Event, ThreadSource, accepted
from vitscope.client.window import DEFAULT_WINDOW, Outcome, Window
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc, explain_pb2_grpc

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
        self._route = route_of(server)
        self._stub = classifier_pb2_grpc.ClassifierServiceStub(self._channel)
        self._explain = explain_pb2_grpc.ExplainServiceStub(self._channel)
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
        with typed_errors(self._route):
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

        An outcome is the index in `images` with a Result or a ClientError. Images are drawn one at a time, in a thread
        of their own, so that an outcome does not wait for the next image; at most `window` of them are in memory. An
        image that cannot be read, or fails on the server, yields its error and does not affect the others. `timeout`
        is the longest time in seconds that this loop waits for an answer; the time that its body and the source take
        does not count. When the stream breaks, a new one is opened and the images in flight are sent again. One stream
        goes to one server: to use several servers, run as many loops.

        Raises InvalidRequest for an option that this client refuses, Unavailable when no server can be reached, and
        DeadlineExceeded after the timeout. An option that the server refuses is the outcome of each image. What
        iterating `images` raises is raised here too, after the outcomes of the images before it.
        """
        refuse_unprepared_gevent()
        inbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
        pending = Window(window, self._deadline(timeout))
        source, drawing, end = ThreadSource(images, options, inbox.put), 0, None
        stream = _Stream(self._stub, inbox, self._route)
        try:
            while pending or end is None:
                if end is None and (room := pending.room - drawing) > 0:
                    source.allow(room)
                    drawing += room
                stream.send(pending.take_due())
                match event := _next(inbox, pending):
                    case Drawn(index, InvalidImage() as failed):
                        drawing -= 1
                        yield index, failed
                    case Drawn(index, request):
                        drawing -= 1
                        pending.add(index, accepted(request))
                    case End():
                        end = event
                    case ClientError():
                        stream.close()
                        stream = _Stream(self._stub, inbox, self._route)
                        yield from pending.stream_broke(event)
                    case classifier_pb2.ClassifyStreamResponse() if outcome := pending.settle(event):
                        yield outcome
        finally:
            source.stop()
            stream.close()
        if end.error is not None:
            raise end.error

    def explain(
        self, image: ImageLike, *, timeout: float | None = None, **options: Unpack[ExplainOptions]
    ) -> Explained:
        """Return what is inside of the encoder for one image: by default every attention matrix.

        `image` and `timeout` are as for `classify`; the timeout includes the transfer, which may be of many megabytes.
        `options` are those of `vitscope.client.internals.request.ExplainOptions`. The first call for a model takes
        longer, because the server loads a graph for it.

        Raises InvalidImage, InvalidRequest, NotFound, Overloaded, DeadlineExceeded or Unavailable.
        """
        request, assembly = explain_request(image, **options), Assembly()
        with typed_errors(self._route):
            for message in self._explain.Explain(request, timeout=self._deadline(timeout)):
                assembly.add(message)
        return assembly.finish()

    def list_models(self, *, timeout: float | None = None) -> list[ModelSummary]:
        """Return every version of every model on the server, ready or not, ordered by name, then version."""
        request = classifier_pb2.ListModelsRequest()
        with typed_errors(self._route):
            models = self._stub.ListModels(request, timeout=self._deadline(timeout)).models
        return list(map(ModelSummary.of, models))

    def get_model(self, name: str = "", version: int = 0, *, timeout: float | None = None) -> Model:
        """Return one version of a model in full: labels, input, tokens, engine and certificate.

        `name` may be omitted when the server has exactly one model; version 0 is the latest. Raises NotFound for a
        model or version that does not exist, and Unavailable while its bundle is not open.
        """
        request = classifier_pb2.GetModelRequest(model=name)
        set_field(request, "version", version)
        with typed_errors(self._route):
            return Model.of(self._stub.GetModel(request, timeout=self._deadline(timeout)).model)

    def _deadline(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout


def _next(inbox: "queue.SimpleQueue[Event]", pending: Window) -> Event | None:
    """Return the next event, or None when it is time to look at `pending` again. What has arrived comes first."""
    with suppress(queue.Empty):
        return inbox.get_nowait()
    limit, began = pending.wait_limit(), time.monotonic()
    if limit == 0:
        return None
    with suppress(queue.Empty):
        return inbox.get(timeout=limit)
    assert limit is not None
    pending.waited(min(time.monotonic() - began, limit))
    return None


class _Stream:
    """One ClassifyStream call, opened by the first message. A thread reads the answers, because gRPC's own iterator
    cannot wait with a timeout. They go to `inbox`, and last the error that ended the stream."""

    def __init__(
        self, stub: classifier_pb2_grpc.ClassifierServiceStub, inbox: "queue.SimpleQueue[Event]", route: str
    ) -> None:
        self._stub, self._inbox, self._route = stub, inbox, route
        self._outgoing: queue.SimpleQueue[classifier_pb2.ClassifyStreamRequest | None] = queue.SimpleQueue()
        self._call: Any = None

    def send(self, messages: list[classifier_pb2.ClassifyStreamRequest]) -> None:
        if messages and self._call is None:
            self._call = self._stub.ClassifyStream(iter(self._outgoing.get, None))
            threading.Thread(target=self._read, name="classify-stream", daemon=True).start()
        for message in messages:
            self._outgoing.put(message)

    def close(self) -> None:
        self._outgoing.put(None)
        if self._call is not None:
            self._call.cancel()

    def _read(self) -> None:
        try:
            for answer in self._call:
                self._inbox.put(answer)
            self._inbox.put(Unavailable(grpc.StatusCode.UNAVAILABLE, "the server closed the stream"))
        except grpc.RpcError as error:
            self._inbox.put(from_rpc_error(error, self._route))
