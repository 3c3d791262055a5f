"""Refusing at the door: what cannot be answered in time is refused before anything is spent on it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from server.errors import Overloaded
from server.scheduling.decoders import DecodePool
from server.scheduling.lane import Lane
from server.scheduling.scheduler import Scheduler

# A refused caller that comes back before the queue has shrunk is only refused again; below this a retry costs more than
# it gains.
_SHORTEST_RETRY = 0.01


class Admission:
    """Bounds the number of requests in the house, and the time that each is predicted to wait.

    `refused` is told the reason ("in_flight", "queue_wait" or "deadline") of each refusal. Used on the event loop only.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        decoders: DecodePool,
        max_in_flight: int,
        max_queue_wait: float,
        refused: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._scheduler, self._decoders = scheduler, decoders
        self._max_in_flight, self._max_queue_wait, self._refused = max_in_flight, max_queue_wait, refused
        self.in_flight = 0

    @contextmanager
    def admit(self, lane: Lane, time_left: float) -> Iterator[None]:
        """Hold a place for one request to `lane` that has `time_left` seconds (infinite without a deadline).

        Raises Overloaded with the estimated wait and the time after which a retry makes sense.
        """
        wait = max(self._scheduler.predicted_wait(), self._decoders.predicted_wait())
        run = lane.costs.seconds(1)
        if self.in_flight >= self._max_in_flight:
            raise self._refusal(
                "in_flight", f"{self.in_flight} requests are in flight, as many as are admitted", wait, wait / 2
            )
        if wait > self._max_queue_wait:
            raise self._refusal("queue_wait", "the queue is full", wait, wait - self._max_queue_wait)
        if wait + run > time_left:
            reason = f"the answer would take longer than the {max(0, time_left) * 1000:.0f} ms left until the deadline"
            raise self._refusal("deadline", reason, wait, wait)
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def _refusal(self, kind: str, reason: str, wait: float, retry_after: float) -> Overloaded:
        self._refused(kind)
        return Overloaded(reason, wait, max(_SHORTEST_RETRY, retry_after))
