"""Requests over gRPC from greenlets. `grpc.experimental.gevent.init_gevent` must have been called before a channel is
opened.

A call blocks its greenlet only. The blocking form is used rather than futures: it is faster, and of 2,000 futures at a
time grpcio 1.85 under gevent loses some, which end CANCELLED.
"""

import itertools
from pathlib import Path
from time import perf_counter
from typing import Any

import gevent
import gevent.queue
import grpc
from gevent.event import AsyncResult

from vitscope.loadtest.channels import CLASSIFY, CLASSIFY_STREAM, error_text, failure, open_channel
from vitscope.loadtest.mix import Request
from vitscope.loadtest.tally import LATE, OK, Outcome
from vitscope.v1 import classifier_pb2

_CODES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}


class Connections:
    """The connections of one process. deadline: of each request, in seconds. Raises OptionError."""

    def __init__(self, server: str, count: int, tls_roots: Path | None, deadline: float) -> None:
        self._deadline = deadline
        self._channels = [open_channel(server, tls_roots) for _ in range(count)]
        self._unary = itertools.cycle([channel.unary_unary(CLASSIFY, None, None) for channel in self._channels])
        self._streams = [_Stream(channel) for channel in self._channels]
        self._next_stream = itertools.cycle(self._streams)

    def send(self, request: Request, intended: float) -> Outcome:
        """Send a request and wait for its end. intended: when it was due, of time.perf_counter()."""
        lag = perf_counter() - intended
        if request.stream:
            return next(self._next_stream).send(request, intended, lag, self._deadline)
        try:
            reply = next(self._unary)(request.message, timeout=self._deadline)
        except grpc.RpcError as error:
            return failure(error, perf_counter() - intended, lag)
        return _answered(intended, lag, self._deadline, len(reply))

    def close(self) -> None:
        for stream in self._streams:
            stream.close()
        for channel in self._channels:
            channel.close()


class _Stream:
    """One long ClassifyStream call. The first item opens it, and the first item after it broke opens it again."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._open = channel.stream_stream(CLASSIFY_STREAM, None, classifier_pb2.ClassifyStreamResponse.FromString)
        self._outgoing: Any = None
        self._waiting: dict[str, AsyncResult[Any]] = {}

    def send(self, request: Request, intended: float, lag: float, deadline: float) -> Outcome:
        """Send an item and wait for its reply. Items have no deadline in gRPC: a reply that is late is dropped here."""
        if self._outgoing is None:
            self._outgoing = gevent.queue.SimpleQueue()
            gevent.spawn(self._read, self._open(iter(self._outgoing.get, None)), self._outgoing)
        self._waiting[request.number] = result = AsyncResult()
        self._outgoing.put(request.message)
        try:
            reply = result.get(timeout=deadline)
        except gevent.Timeout:
            return Outcome(LATE, perf_counter() - intended, lag, message=LATE)
        except grpc.RpcError as error:
            return failure(error, perf_counter() - intended, lag)
        finally:
            self._waiting.pop(request.number, None)
        if reply.HasField("error"):
            return _item_failure(reply.error, perf_counter() - intended, lag)
        return _answered(intended, lag, deadline, reply.ByteSize())

    def close(self) -> None:
        if self._outgoing is not None:
            self._outgoing.put(None)

    def _read(self, call: Any, outgoing: Any) -> None:
        try:
            for reply in call:
                if (result := self._waiting.get(reply.request_id)) is not None:
                    result.set(reply)
        except grpc.RpcError as error:
            for result in list(self._waiting.values()):
                result.set_exception(error)
        finally:
            outgoing.put(None)  # ends the greenlet that writes
            if self._outgoing is outgoing:
                self._outgoing = None


def _answered(intended: float, lag: float, deadline: float, size: int) -> Outcome:
    seconds = perf_counter() - intended
    return Outcome(OK, seconds, lag, in_time=seconds <= deadline, size=size)


def _item_failure(error: classifier_pb2.ItemError, seconds: float, lag: float) -> Outcome:
    code = _CODES.get(error.code, "UNKNOWN")
    pushback = error.retry_after_ms / 1000 if error.retry_after_ms else None
    return Outcome(code, seconds, lag, pushback=pushback, message=error_text(code, error.message))
