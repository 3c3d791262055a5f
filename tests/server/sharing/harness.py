"""SharedCalls with computations that the test ends, on a clock that it moves."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from vitscope.server.sharing.cache import AnswerCache
from vitscope.server.sharing.calls import SharedCalls, SharedDeadline

SIZE = 100


class Computation:
    """A computation that was started. Its answer holds its key and its number, so that answers cannot be confused."""

    def __init__(self, key: str, number: int, deadline: SharedDeadline) -> None:
        self.key, self.number, self.deadline = key, number, deadline
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.cancelled = False


def task_of(
    compute: Callable[[SharedDeadline], Coroutine[Any, Any, str]],
) -> Callable[[SharedDeadline], asyncio.Future[str]]:
    """Return a function that starts the computation as a task."""
    return lambda deadline: asyncio.create_task(compute(deadline))


class Harness:
    """SharedCalls, all computations that were started by it, and a clock that the test moves."""

    def __init__(self, max_bytes: int = 0) -> None:
        self.now = 0.0
        self.started: list[Computation] = []
        self.cache: AnswerCache[str, str] = AnswerCache(max_bytes, lambda answer: (answer, SIZE))
        self.calls: SharedCalls[str, str] = SharedCalls(self.cache, clock=lambda: self.now)

    def call(self, key: str, deadline: float = math.inf) -> "asyncio.Task[tuple[str, str]]":
        async def compute(latest: SharedDeadline) -> str:
            computation = Computation(key, len(self.started), latest)
            self.started.append(computation)
            try:
                return await computation.ended
            except asyncio.CancelledError:
                computation.cancelled = True
                raise

        return asyncio.create_task(self.calls.run(key, task_of(compute), deadline))

    def finish(self, number: int) -> str:
        answer = f"{self.started[number].key} {number}"
        self.started[number].ended.set_result(answer)
        return answer


async def settle() -> None:
    """Let the event loop run until nothing happens without the test."""
    for _ in range(12):
        await asyncio.sleep(0)


async def failure(task: Awaitable[object]) -> BaseException:
    with pytest.raises(BaseException) as caught:
        await task
    return caught.value
