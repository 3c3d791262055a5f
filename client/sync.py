"""The client for ordinary code, with threads hidden inside."""

import queue
import threading
from collections.abc import Generator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

import grpc

from vitscope.client.channel import DEFAULT_SERVER, open_channel
from vitscope.client.errors import ClientError, InvalidImage, Unavailable, from_rpc_error
from vitscope.client.request import ImageLike, Options, classify_request
from vitscope.client.result import Result
from vitscope.client.window import DEFAULT_WINDOW, Outcome, Window
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc, model_pb2

DEFAULT_TIMEOUT = 10.0


class Client:
    """A connection to a vitscope server, or to several; may be used from many threads.

    `server`: "host:port", several separated by commas, or a gRPC target; calls go round-robin over all addresses.
    `root_certificates`: a PEM file, for TLS; plain text without. `timeout`: the default deadline in seconds of each call,
    retries included. A call that is refused or finds no server is tried up to 5 times, when the server says or after a
    backoff. All methods raise ClientError.
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
        """End the connection; calls in flight are cancelled."""
        self._channel.close()

    def classify(self, image: ImageLike, *, timeout: float | None = None, **options: Unpack[Options]) -> Result:
        """Classify one image; `options` are those of `vitscope.client.request.Options`. `timeout` is in seconds."""
        request = classify_request(image, **options)
        try:
            return Result.of(self._stub.Classify(request, timeout=self._deadline(timeout)))
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    def classify_many(
        self,
        images: Iterable[ImageLike],
        *,
        timeout: float | None = None,
        window: int = DEFAULT_WINDOW,
        **options: Unpack[Options],
    ) -> Generator[Outcome, None, None]:
        """Classify any number of images over one stream; yields (index in `images`, Result or ClientError) as they finish.

        Images are drawn and read one at a time, so that at most `window` are in memory. One that fails yields its error,
        the rest go on. `timeout` is the longest time in seconds without any answer. A broken stream is opened again and
        what was in flight is sent again; when no server is found, or none answers in time, the error is raised. One stream
        goes to one server: to put several to use, run as many loops as there are servers.
        """
        flights, source = Window(window, self._deadline(timeout)), enumerate(images)
        stream, more = _Stream(self._stub), True
        try:
            while more or flights:
                if more and flights.has_room:
                    entry = next(source, None)
                    if entry is None:
                        more = False
                        continue
                    index, image = entry
                    try:
                        flights.add(index, classify_request(image, **options))
                    except InvalidImage as error:
                        yield index, error
                        continue
                stream.send(flights.take_due())
                event = stream.receive(0 if more and flights.has_room else flights.patience())
                if isinstance(event, ClientError):
                    stream.close()
                    stream = _Stream(self._stub)
                    yield from flights.broken(event)
                elif event is not None and (outcome := flights.settle(event)):
                    yield outcome
        finally:
            stream.close()

    def list_models(self, *, timeout: float | None = None) -> list[model_pb2.ModelSummary]:
        """Every version of every model on the server, ready or not."""
        request = classifier_pb2.ListModelsRequest()
        try:
            return list(self._stub.ListModels(request, timeout=self._deadline(timeout)).models)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    def get_model(self, name: str = "", version: int = 0, *, timeout: float | None = None) -> model_pb2.Model:
        """One model version in full: labels, input, tokens, engine, certificate. Raises NotFound."""
        request = classifier_pb2.GetModelRequest(model=name, version=version)
        try:
            return self._stub.GetModel(request, timeout=self._deadline(timeout)).model
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    def _deadline(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout


class _Stream:
    """One ClassifyStream call, opened by the first message. A thread of its own reads the answers, so that a wait for one
    can have an end."""

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
        """The next answer, the error that ended the stream, or None after `timeout` seconds."""
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
