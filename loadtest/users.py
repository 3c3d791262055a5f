"""Who asks: Locust's users."""

import itertools
from random import Random
from time import perf_counter
from typing import ClassVar

from gevent.pool import Group
from locust import User, constant, task

from vitscope.client.channel import DEFAULT_SERVER
from vitscope.loadtest.arrivals import poisson
from vitscope.loadtest.session import Sender
from vitscope.loadtest.tally import OK, REFUSED, Outcome


class Asking(User):
    """Sends requests in greenlets of their own, so that stopping a user waits for answers rather than cancelling them."""

    abstract = True
    host = DEFAULT_SERVER
    sender: ClassVar[Sender | None] = None  # of this process; there before the first user
    _users = itertools.count()

    def on_start(self) -> None:
        assert self.sender is not None
        self._sender = self.sender
        worker = getattr(self.environment.runner, "worker_index", 0)
        self._random = Random(f"{self._sender.options.seed}/{worker}/{next(self._users)}")
        self._asking = Group()

    def on_stop(self) -> None:
        self._asking.join()

    def ask(self, intended: float) -> None:
        """One request from draw to report."""
        sender = self._sender
        request = sender.mix.draw(self._random)
        sender.recorder.in_flight += 1
        try:
            outcome = sender.caller.ask(request, intended)
        finally:
            sender.recorder.in_flight -= 1
        sender.recorder.record(intended, outcome)
        self._fire("stream" if request.stream else "unary", request.name, outcome)

    def _fire(self, kind: str, name: str, outcome: Outcome) -> None:
        """Refusals have rows of their own, without times: a refusal is no failure, and would make a full server look fast."""
        refused = outcome.code == REFUSED
        self.environment.events.request.fire(
            request_type=f"{kind}, refused" if refused else kind,
            name=name,
            response_time=None if refused else outcome.seconds * 1000,
            response_length=outcome.size,
            exception=None if refused or outcome.code == OK else outcome.message,
            context={"code": outcome.code, "pushback": outcome.pushback},
        )


class OpenLoop(Asking):
    """Requests come when they come: time counts from the arrival that was due, however late the request was sent, so that a
    slow server (or this process) cannot hide behind a load that it slowed down."""

    def on_start(self) -> None:
        super().on_start()
        self._arrivals = poisson(1.0, perf_counter(), self._random)
        self._due = next(self._arrivals)

    def wait_time(self) -> float:
        return max(self._due - perf_counter(), 0.0)

    @task
    def arrive(self) -> None:
        while self._due <= perf_counter():
            self._asking.spawn(self.ask, self._due)
            self._due = next(self._arrivals)


class ClosedLoop(Asking):
    """The next request when the last was answered."""

    wait_time = constant(0)

    @task
    def wait_for_one(self) -> None:
        self._asking.spawn(self.ask, perf_counter()).join()
