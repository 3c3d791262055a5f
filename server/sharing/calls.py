"""Equal calls in flight share one computation."""

import asyncio
import math
import time
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Generic, Literal, TypeVar

from vitscope.server.errors import DeadlineExpired, Overloaded
from vitscope.server.sharing.cache import AnswerCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# computed: this caller began the computation. shared: it joined one in flight. cached: the answer was kept.
Origin = Literal["computed", "shared", "cached"]


class SharedDeadline:
    """The deadline of a shared computation: the latest one of its callers, in monotonic seconds."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._listener: Callable[[float], None] = lambda deadline: None

    def on_extended(self, listener: Callable[[float], None]) -> None:
        """Call `listener` with the deadline now, and again whenever a caller with a later one joins."""
        self._listener = listener
        listener(self._deadline)

    def extend(self, deadline: float) -> None:
        """Include the deadline of a caller that joins."""
        if deadline > self._deadline:
            self._deadline = deadline
            self._listener(deadline)


# Begins a computation, or raises if it cannot. Cancelling the future ends the computation.
Start = Callable[[SharedDeadline], asyncio.Future[V]]


class _Call(Generic[K, V]):
    """A computation and one future for each of its callers, which is set when the computation ends in any way."""

    def __init__(self, key: K, start: Start[V], deadline: float) -> None:
        self.key = key
        self.deadline = SharedDeadline(deadline)
        self.computation = start(self.deadline)
        self.waiters: dict[asyncio.Future[None], None] = {}  # in order of arrival
        self._failure: BaseException | None = None
        self._trace: TracebackType | None = None

    def end(self) -> bool:
        """Wake the callers after the computation has ended. Return whether it has an answer."""
        if not self.computation.cancelled():
            self._failure = self.computation.exception()
            self._trace = self._failure.__traceback__ if self._failure else None
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        return not self.computation.cancelled() and self._failure is None

    @property
    def refused(self) -> bool:
        """Whether it failed for a reason that depends on the caller that began it, and when."""
        return isinstance(self._failure, DeadlineExpired | Overloaded)

    def result(self) -> V:
        """Return the answer, or raise the failure without the frames that other callers have added to its traceback."""
        if self._failure is None:
            return self.computation.result()
        try:
            raise self._failure.with_traceback(self._trace)
        finally:
            del self  # breaks a cycle: the failure's traceback holds this frame, which holds the failure


class SharedCalls(Generic[K, V]):
    """Computes answers by key, each once for all callers that ask while it is computed. Used on the event loop only.

    Cancelling one caller does not affect the others; when the last one is cancelled, so is the computation. One answer
    goes to several callers, who must not change it. None is not an answer. Failures are never kept.
    """

    def __init__(self, cache: AnswerCache[K, V], clock: Callable[[], float] = time.monotonic) -> None:
        self._cache, self._clock = cache, clock
        # Calls that can be joined and whose answers will be kept, so none that was cancelled.
        self._calls: dict[K, _Call[K, V]] = {}

    def knows(self, key: K) -> bool:
        """Return whether the answer of this key is kept or being computed, so that `run` would begin nothing."""
        return key in self._calls or self._cache.get(key) is not None

    async def run(self, key: K, start: Start[V], deadline: float = math.inf) -> tuple[V, Origin]:
        """Return the answer of `key`: a kept one, that of a computation in flight, or that of one that `start` begins.

        Raises what `start` and the computation raise. A computation that was refused or expired may have been so only
        for the caller that began it. A caller that joined it therefore tries once more, unless its own `deadline`
        (monotonic seconds) has passed.
        """
        kept = self._cache.get(key)
        if kept is not None:
            return kept, "cached"
        call, joined = self._join_or_begin(key, start, deadline)
        await self._wait(call)
        if joined and call.refused and self._clock() < deadline:
            call, joined = self._join_or_begin(key, start, deadline)
            await self._wait(call)
        try:
            return call.result(), "shared" if joined else "computed"
        finally:
            del call  # breaks a cycle, as in `_Call.result`

    def _join_or_begin(self, key: K, start: Start[V], deadline: float) -> tuple[_Call[K, V], bool]:
        """Return a call to wait for, and whether it was in flight already."""
        call = self._calls.get(key)
        if call is not None:
            call.deadline.extend(deadline)
            return call, True
        call = self._calls[key] = _Call(key, start, deadline)
        call.computation.add_done_callback(lambda computation: self._ended(call))
        return call, False

    async def _wait(self, call: _Call[K, V]) -> None:
        waiter = asyncio.get_running_loop().create_future()
        call.waiters[waiter] = None
        try:
            await waiter
        finally:
            del call.waiters[waiter]
            if not call.waiters and not call.computation.done():
                self._detach(call)
                call.computation.cancel()

    def _ended(self, call: _Call[K, V]) -> None:
        answered, attached = call.end(), self._detach(call)
        if answered and attached:
            self._cache.put(call.key, call.result())

    def _detach(self, call: _Call[K, V]) -> bool:
        """Make a call impossible to join. Return False if it was so already: the key may belong to a newer call."""
        attached = self._calls.get(call.key) is call
        if attached:
            del self._calls[call.key]
        return attached
