"""The unanswered items of a stream: how many may be in flight, which to send again and when. No transport, no threads.

`client/sync.py` and `client/asyncio.py` drive it over their kind of gRPC stream.
"""

import heapq
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from vitscope.client.channel import INITIAL_BACKOFF, MAX_ATTEMPTS, MAX_BACKOFF, RETRIED
from vitscope.client.errors import ClientError, DeadlineExceeded, InvalidRequest, RequestTooLarge, from_number
from vitscope.client.result import Result
from vitscope.v1 import classifier_pb2

DEFAULT_WINDOW = 64

# INTERNAL is a broken connection too: grpc.aio reports failed writes with it, and proxies reset streams.
_RECONNECTED = (*RETRIED, grpc.StatusCode.INTERNAL)

# Waits during the timeout, each of which counts for no longer than it was meant to be: a process that was stopped, or
# an event loop that was blocked, has not waited, and its answers may have come meanwhile.
_LOOKS = 5

Outcome = tuple[int, Result | ClientError]
"""The index of an image and its result, or the error that it failed with."""


@dataclass(order=True)
class _Item:
    due: float
    index: int
    request: classifier_pb2.ClassifyRequest
    attempts: int = 0


class Window:
    """At most `size` items, each either sent or waiting to be sent.

    The limit on items in flight adapts to the server: every refusal halves it, and one windowful of answers raises it
    by one, as in TCP congestion avoidance (RFC 5681). So a long job does not use up its attempts on a slow server.

    `timeout` is the longest time that the caller waited without an answer. Times are seconds of `clock`.
    """

    def __init__(self, size: int, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        if size < 1:
            raise InvalidRequest(f"window: {size}; accepted: 1 or more")
        self._size, self._timeout, self._clock = size, timeout, clock
        self._limit = float(size)
        self._waiting: list[_Item] = []
        self._sent: dict[int, _Item] = {}
        self._silence = 0.0  # seconds waited since the last answer
        self._answered, self._breaks, self._paused_until = False, 0, clock()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._sent)

    @property
    def room(self) -> int:
        """How many items may be added."""
        return max(int(self._limit) - len(self), 0)

    def add(self, index: int, request: classifier_pb2.ClassifyRequest) -> None:
        if not self:
            self._silence = 0.0
        heapq.heappush(self._waiting, _Item(self._clock(), index, request))

    def take_due(self) -> list[classifier_pb2.ClassifyStreamRequest]:
        """Return the items to send now and mark them as sent."""
        messages = []
        while (due := self._next_due()) is not None and due <= self._clock():
            item = heapq.heappop(self._waiting)
            self._sent[item.index] = item
            messages.append(_message(item))
        return messages

    def wait_limit(self) -> float | None:
        """Return how many seconds to wait before the next item is due or the silence has to be looked at again.

        None when there are no items: then nothing is late. Raises DeadlineExceeded when the caller has waited for the
        timeout without an answer; call it when all that has arrived is settled.
        """
        if not self:
            return None
        if self._silence >= self._timeout:
            raise DeadlineExceeded(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                f"no answer for {self._silence:.1f} s; {len(self)} items were in flight",
            )
        wait = min(self._timeout - self._silence, self._timeout / _LOOKS)
        if (due := self._next_due()) is not None:
            wait = min(wait, due - self._clock())
        return max(wait, 0.0)

    def waited(self, seconds: float) -> None:
        """Count time in which the caller waited for an answer, not time in which it did something else."""
        if self:
            self._silence += seconds

    def _next_due(self) -> float | None:
        """Return when the next item may be sent; None when none is waiting or an answer has to come first."""
        if not self._waiting or len(self._sent) >= int(self._limit):
            return None
        return max(self._waiting[0].due, self._paused_until)

    def settle(self, answer: classifier_pb2.ClassifyStreamResponse) -> Outcome | None:
        """Return the outcome of the answered item, or None when it will be sent again."""
        self._silence, self._answered, self._breaks = 0.0, True, 0
        item = self._sent.pop(int(answer.request_id))
        if answer.WhichOneof("result") == "response":
            self._limit = min(self._limit + 1 / self._limit, self._size)
            return item.index, Result.of(answer.response)
        error = from_number(answer.error.code, answer.error.message)
        if error.code not in RETRIED:
            return item.index, error
        item.attempts += 1
        self._limit = max(self._limit / 2, 1.0)
        if item.attempts >= MAX_ATTEMPTS:
            return item.index, error
        item.due = self._clock() + (answer.error.retry_after_ms / 1000 or _backoff(item.attempts))
        heapq.heappush(self._waiting, item)
        return None

    def stream_broke(self, error: ClientError) -> list[Outcome]:
        """Queue the items in flight for the next stream.

        Returns the items that are larger than the server accepts: they broke this stream and would break the next one.

        Raises `error` when a retry cannot succeed, or when no server has answered after MAX_ATTEMPTS streams. A server
        that has answered before may be away for up to the timeout, for example for a restart.
        """
        if isinstance(error, RequestTooLarge):
            large = [index for index, item in self._sent.items() if _message(item).ByteSize() > error.limit]
            if large:
                for index in large:
                    del self._sent[index]
                self._queue_again()
                return [(index, error) for index in large]
        self._breaks += 1
        if error.code not in _RECONNECTED or not (self._answered or self._breaks < MAX_ATTEMPTS):
            raise error
        if self._silence >= self._timeout:
            raise error
        self._paused_until = self._clock() + _backoff(self._breaks)
        self._queue_again()
        return []

    def _queue_again(self) -> None:
        for item in self._sent.values():
            heapq.heappush(self._waiting, item)
        self._sent.clear()


def _message(item: _Item) -> classifier_pb2.ClassifyStreamRequest:
    return classifier_pb2.ClassifyStreamRequest(request_id=str(item.index), request=item.request)


def _backoff(attempt: int) -> float:
    """Return seconds that grow exponentially, with a jitter of 25 % so that clients do not retry at the same time."""
    return float(min(INITIAL_BACKOFF * 2 ** (attempt - 1), MAX_BACKOFF)) * random.uniform(0.75, 1.25)
