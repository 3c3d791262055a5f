"""Equal calls in flight share one computation."""

import asyncio
import math
import time
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Generic, Literal, TypeVar

from vitscope.server.errors import DeadlineExpired, Overloaded
from vitscope.server.sharing.cache import AnswerCache

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")

# How a caller came by the answer: began the computation, joined one in flight, or found the answer kept.
How = Literal["computed", "shared", "cached"]


class Patience:
    """How long a computation is waited for: `deadline`, the latest of its callers' (monotonic seconds)."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self._tell: Callable[[float], None] = lambda deadline: None

    def follow(self, tell: Callable[[float], None]) -> None:
        """Tell the deadline now, and again whenever a caller with a later one joins."""
        self._tell = tell
        tell(self.deadline)

    def extend(self, deadline: float) -> None:
        """A caller with this deadline has joined."""
        if deadline > self.deadline:
            self.deadline = deadline
            self._tell(deadline)


# Begins a computation, or raises where it does not; cancelling the future ends it.
Start = Callable[[Patience], asyncio.Future[Answer]]


class _Call(Generic[Key, Answer]):
    """A computation and a future for each of its callers, which tells that it has ended, not how."""

    def __init__(self, key: Key, start: Start[Answer], deadline: float) -> None:
        self.key = key
        self.patience = Patience(deadline)
        self.computation = start(self.patience)
        self.waiters: dict[asyncio.Future[None], None] = {}  # in the order in which they came
        self._failure: BaseException | None = None
        self._trace: TracebackType | None = None

    def end(self) -> bool:
        """Tell the callers that the computation is done. Whether it has an answer."""
        if not self.computation.cancelled():
            self._failure = self.computation.exception()
            self._trace = self._failure.__traceback__ if self._failure else None
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        return not self.computation.cancelled() and self._failure is None

    @property
    def refused(self) -> bool:
        """Whether it failed in a way that depends on who began it, and when."""
        return isinstance(self._failure, DeadlineExpired | Overloaded)

    def result(self) -> Answer:
        """The answer, or the failure raised without the frames that other callers have added to it."""
        if self._failure is None:
            return self.computation.result()
        try:
            raise self._failure.with_traceback(self._trace)
        finally:
            del self  # the failure holds this frame, which would hold the failure


class SharedCalls(Generic[Key, Answer]):
    """Computes answers by key, each once for all who ask while it is computed. Used on the event loop only.

    A computation lives while anybody waits for it: a caller who is cancelled leaves the others waiting, and
    the last to leave cancels it. Answers go to several callers, who must not change them; None is not an answer. Failures
    are never kept.
    """

    def __init__(self, cache: AnswerCache[Key, Answer], clock: Callable[[], float] = time.monotonic) -> None:
        self._cache, self._clock = cache, clock
        # Calls that can be joined and whose answers will be kept: not cancelled.
        self._calls: dict[Key, _Call[Key, Answer]] = {}

    def knows(self, key: Key) -> bool:
        """Whether `run` would begin nothing for this key."""
        return key in self._calls or self._cache.get(key) is not None

    async def run(self, key: Key, start: Start[Answer], deadline: float = math.inf) -> tuple[Answer, How]:
        """The answer of `key`, which `start` computes unless it is kept or under way.

        Raises what `start` and the computation raise. One that was refused or expired may have been so for the caller who began it
        alone, so whoever had joined tries once more, unless their own `deadline` (monotonic seconds) is over.
        """
        kept = self._cache.get(key)
        if kept is not None:
            return kept, "cached"
        call, joined = self._enter(key, start, deadline)
        await self._wait(call)
        if joined and call.refused and self._clock() < deadline:
            call, joined = self._enter(key, start, deadline)
            await self._wait(call)
        try:
            return call.result(), "shared" if joined else "computed"
        finally:
            del call  # likewise

    def _enter(self, key: Key, start: Start[Answer], deadline: float) -> tuple[_Call[Key, Answer], bool]:
        """A call to wait for, and whether it was there already."""
        call = self._calls.get(key)
        if call is not None:
            call.patience.extend(deadline)
            return call, True
        call = self._calls[key] = _Call(key, start, deadline)
        call.computation.add_done_callback(lambda computation: self._ended(call))
        return call, False

    async def _wait(self, call: _Call[Key, Answer]) -> None:
        waiter = asyncio.get_running_loop().create_future()
        call.waiters[waiter] = None
        try:
            await waiter
        finally:
            del call.waiters[waiter]
            if not call.waiters and not call.computation.done():
                self._detach(call)
                call.computation.cancel()

    def _ended(self, call: _Call[Key, Answer]) -> None:
        answered, attached = call.end(), self._detach(call)
        if answered and attached:
            self._cache.put(call.key, call.result())

    def _detach(self, call: _Call[Key, Answer]) -> bool:
        """Let nobody join it any more. False where that was so: the key may belong to a newer call."""
        attached = self._calls.get(call.key) is call
        if attached:
            del self._calls[call.key]
        return attached
