"""Locust users: an open loop and a closed loop."""

import itertools
from random import Random
from time import perf_counter
from typing import ClassVar

from gevent.pool import Group
from locust import User, constant, task

from vitscope.client.commands.arguments import named_server
from vitscope.loadtest.arrivals import poisson
from vitscope.loadtest.session import Sender
from vitscope.loadtest.tally import OK, REFUSED, Outcome


class Sending(User):
    """Sends each request in a greenlet of its own, so that stopping a user waits for replies and cancels no calls."""

    abstract = True
    host = named_server()
    sender: ClassVar[Sender | None] = None  # of this process; set before the first user starts
    _users = itertools.count()

    def on_start(self) -> None:
        assert self.sender is not None
        self._sender = self.sender
        worker = getattr(self.environment.runner, "worker_index", 0)
        self._random = Random(f"{self._sender.options.seed}/{worker}/{next(self._users)}")
        self._pending = Group()

    def on_stop(self) -> None:
        self._pending.join()

    def send(self, intended: float) -> None:
        """Draw a request, send it, and report its outcome."""
        sender = self._sender
        request = sender.mix.draw(self._random)
        sender.recorder.in_flight += 1
        try:
            outcome = sender.connections.send(request, intended)
        finally:
            sender.recorder.in_flight -= 1
        sender.recorder.record(intended, outcome)
        self._fire("stream" if request.stream else "unary", request.name, outcome)

    def _fire(self, kind: str, name: str, outcome: Outcome) -> None:
        """Report to Locust. Refusals are rows of their own without times: neither failures nor fast answers."""
        refused = outcome.code == REFUSED
        self.environment.events.request.fire(
            request_type=f"{kind}, refused" if refused else kind,
            name=name,
            response_time=None if refused else outcome.seconds * 1000,
            response_length=outcome.size,
            exception=None if refused or outcome.code == OK else outcome.message,
            context={"code": outcome.code, "pushback": outcome.pushback},
        )


class OpenLoop(Sending):
    """Sends at Poisson arrivals, one per second on average, without waiting for replies.

    Latency counts from the arrival, however late the request was sent: otherwise a slow server would slow down the load
    and with it the measurement (coordinated omission).
    """

    def on_start(self) -> None:
        super().on_start()
        self._arrivals = poisson(1.0, perf_counter(), self._random)
        self._due = next(self._arrivals)

    def wait_time(self) -> float:
        return max(self._due - perf_counter(), 0.0)

    @task
    def arrive(self) -> None:
        while self._due <= perf_counter():
            self._pending.spawn(self.send, self._due)
            self._due = next(self._arrivals)


class ClosedLoop(Sending):
    """Sends the next request when the last one was answered."""

    wait_time = constant(0)

    @task
    def wait_for_one(self) -> None:
        self._pending.spawn(self.send, perf_counter()).join()
