"""Against computations whose ends the test decides."""

import asyncio
import contextlib
import gc
import math
import traceback
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitscope.server.errors import DeadlineExpired, InvalidRequest, Overloaded
from vitscope.server.sharing.cache import ENTRY_BYTES, AnswerCache
from vitscope.server.sharing.calls import Patience, SharedCalls

SIZE = 100


class Computation:
    """One start: what it answers names its key and its number, so that answers cannot be confused."""

    def __init__(self, key: str, number: int, patience: Patience) -> None:
        self.key, self.number, self.patience = key, number, patience
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.cancelled = False


def task_of(compute: Callable[[Patience], Coroutine[Any, Any, str]]) -> Callable[[Patience], asyncio.Future[str]]:
    """A computation that is a task."""
    return lambda patience: asyncio.create_task(compute(patience))


class Desk:
    """SharedCalls, all computations that were started on it, and a clock that stands still."""

    def __init__(self, max_bytes: int = 0) -> None:
        self.now = 0.0
        self.started: list[Computation] = []
        self.cache: AnswerCache[str, str] = AnswerCache(max_bytes, lambda answer: (answer, SIZE))
        self.calls: SharedCalls[str, str] = SharedCalls(self.cache, clock=lambda: self.now)

    def call(self, key: str, deadline: float = math.inf) -> "asyncio.Task[tuple[str, str]]":
        async def compute(patience: Patience) -> str:
            computation = Computation(key, len(self.started), patience)
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
    """Let everything happen that can without the test."""
    for _ in range(12):
        await asyncio.sleep(0)


async def failure(task: Awaitable[object]) -> BaseException:
    with pytest.raises(BaseException) as caught:
        await task
    return caught.value


async def test_equal_calls_share_one_computation() -> None:
    desk = Desk()
    callers = [desk.call("a") for _ in range(3)]
    await settle()
    answer = desk.finish(0)
    assert await asyncio.gather(*callers) == [(answer, "computed"), (answer, "shared"), (answer, "shared")]
    assert len(desk.started) == 1


async def test_other_keys_have_computations_of_their_own() -> None:
    desk = Desk()
    callers = [desk.call("a"), desk.call("b")]
    await settle()
    desk.finish(1), desk.finish(0)
    assert await asyncio.gather(*callers) == [("a 0", "computed"), ("b 1", "computed")]


async def test_who_is_cancelled_leaves_the_others_waiting() -> None:
    desk = Desk()
    first, second = desk.call("a"), desk.call("a")
    await settle()
    first.cancel()
    await settle()
    assert first.cancelled()
    assert not desk.started[0].cancelled
    desk.finish(0)
    assert await second == ("a 0", "shared")


async def test_the_last_to_leave_cancels_and_a_new_caller_starts_anew() -> None:
    desk = Desk(max_bytes=10_000)
    callers = [desk.call("a"), desk.call("a")]
    await settle()
    for caller in callers:
        caller.cancel()
    await asyncio.sleep(0)  # they leave; the computation hears of it next
    newcomer = desk.call("a")
    await settle()
    assert desk.started[0].cancelled
    desk.finish(1)
    assert await newcomer == ("a 1", "computed")


async def test_a_failure_goes_to_everybody_with_its_own_traceback_and_is_not_kept() -> None:
    desk = Desk(max_bytes=10_000)
    callers = [desk.call("a") for _ in range(4)]
    await settle()
    desk.started[0].ended.set_exception(InvalidRequest("image", "not set", "an image"))
    errors = [await failure(caller) for caller in callers]
    assert all(isinstance(error, InvalidRequest) for error in errors)
    frames = [frame.name for frame in traceback.extract_tb(errors[-1].__traceback__)]
    assert frames.count("run") == 1, "the frames of other callers are in the traceback"
    assert "compute" in frames, "where it happened is not in the traceback"
    later = desk.call("a")
    await settle()
    desk.finish(1)
    assert await later == ("a 1", "computed")


async def test_a_failure_that_nobody_waits_for_is_no_noise() -> None:
    noise: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: noise.append(context))
    desk = Desk()
    caller = desk.call("a")
    await settle()
    desk.started[0].ended.set_exception(ValueError("a bug"))
    caller.cancel()
    await settle()
    desk.started.clear()
    del caller
    gc.collect()
    await settle()
    assert noise == []


async def test_a_failure_lets_go_of_the_image_at_once() -> None:
    class Image:
        """A key whose life can be watched."""

    async def fail(patience: Patience) -> str:
        raise ValueError("a bug")

    async def ask(calls: SharedCalls[Image, str]) -> weakref.ref[Image]:
        image = Image()
        with contextlib.suppress(ValueError):  # pytest.raises would hold the frames itself
            await calls.run(image, task_of(fail))
        return weakref.ref(image)

    calls: SharedCalls[Image, str] = SharedCalls(AnswerCache(0, lambda answer: (answer, SIZE)))
    gc.disable()
    try:
        watched = await ask(calls)
        await settle()
        assert watched() is None, "only the garbage collector would free it"
    finally:
        gc.enable()


async def test_a_repeat_is_answered_from_what_is_kept() -> None:
    desk = Desk(max_bytes=10_000)
    first = desk.call("a")
    await settle()
    desk.finish(0)
    assert await first == ("a 0", "computed")
    assert await desk.call("a") == ("a 0", "cached")
    assert len(desk.started) == 1


async def test_a_later_deadline_is_told_to_the_computation() -> None:
    desk, told = Desk(), list[float]()
    callers = [desk.call("a", deadline=5)]
    await settle()
    desk.started[0].patience.follow(told.append)
    callers += [desk.call("a", deadline=deadline) for deadline in (4, 9, 7, math.inf)]
    await settle()
    assert told == [5, 9, math.inf]
    desk.finish(0)
    await asyncio.gather(*callers)


@pytest.mark.parametrize("error", [DeadlineExpired("late"), Overloaded("full", 1, 1)])
async def test_who_joined_tries_again_where_the_first_was_refused(error: Exception) -> None:
    desk = Desk()
    first, *joined = [desk.call("a", deadline) for deadline in (1, 2, 3, 4)]
    await settle()
    desk.now = 2.5
    desk.started[0].ended.set_exception(error)
    assert await failure(first) is error
    assert await failure(joined[0]) is error, "its own deadline is over"
    await settle()
    desk.finish(1)
    assert await asyncio.gather(*joined[1:]) == [("a 1", "computed"), ("a 1", "shared")]
    assert len(desk.started) == 2


async def test_a_computation_that_does_not_begin_is_nobody_elses_failure() -> None:
    desk = Desk()

    def refuse(patience: Patience) -> "asyncio.Future[str]":
        raise Overloaded("full", 1, 1)

    with pytest.raises(Overloaded):
        await desk.calls.run("a", refuse)
    later = desk.call("a")
    await settle()
    desk.finish(0)
    assert await later == ("a 0", "computed")


async def test_who_joined_tries_again_only_once() -> None:
    desk = Desk()
    callers = [desk.call("a") for _ in range(3)]
    for number in range(2):
        await settle()
        desk.started[number].ended.set_exception(Overloaded(f"full {number}", 1, 1))
    errors = [str(await failure(caller)) for caller in callers]
    assert [error.split(";")[0] for error in errors] == ["full 0", "full 1", "full 1"]
    assert len(desk.started) == 2


async def test_a_computation_that_outlives_its_cancellation_is_not_kept() -> None:
    cache: AnswerCache[str, str] = AnswerCache(10_000, lambda answer: (answer, SIZE))
    calls: SharedCalls[str, str] = SharedCalls(cache)

    async def stubborn(patience: Patience) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "late"

    caller = asyncio.create_task(calls.run("a", task_of(stubborn)))
    await settle()
    caller.cancel()
    await settle()
    assert len(cache) == 0


# What can happen: (action, which caller or computation or key, how long the loop then runs).
events = st.lists(
    st.tuples(
        st.sampled_from(["call", "call", "call", "cancel", "finish", "finish", "fail", "refuse", "tick"]),
        st.integers(0, 20),
        st.integers(0, 4),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(events)
def test_any_order_of_events(events: list[tuple[str, int, int]]) -> None:
    gc.freeze()  # leaves what other tests have imported out of the collections that look for lost exceptions
    try:
        asyncio.run(_play(events))
    finally:
        gc.unfreeze()


async def _play(events: list[tuple[str, int, int]]) -> None:
    noise: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: noise.append(context))
    bound = 2 * (SIZE + ENTRY_BYTES)
    desk = Desk(bound)
    callers: list[tuple[str, asyncio.Task[tuple[str, str]]]] = []
    left: set[asyncio.Task[tuple[str, str]]] = set()

    def pick(number: int, among: list[Any]) -> Any:
        return among[number % len(among)] if among else None

    def end(number: int, how: Callable[[Computation], object]) -> None:
        computation = pick(number, [one for one in desk.started if not one.ended.done()])
        if computation:
            how(computation)

    for action, number, turns in events:
        if action == "call":
            key = "abcd"[number % 4]
            callers.append((key, desk.call(key, deadline=desk.now + number)))
        elif action == "cancel":
            waiting = pick(number, [task for _, task in callers if not task.done()])
            if waiting:
                waiting.cancel()
                left.add(waiting)
        elif action == "finish":
            end(number, lambda one: desk.finish(one.number))
        elif action == "fail":
            end(number, lambda one: one.ended.set_exception(ValueError(one.key)))
        elif action == "refuse":
            end(number, lambda one: one.ended.set_exception(DeadlineExpired(one.key)))
        else:
            desk.now += number
        for _ in range(turns):
            await asyncio.sleep(0)
        assert desk.cache.bytes <= bound

    await settle()
    # Everything that can happen has: whoever waits does so for a computation that lives, and those live for somebody.
    for key in "abcd":
        alive = [one for one in desk.started if one.key == key and not one.ended.done()]
        waiting = [task for name, task in callers if name == key and not task.done()]
        assert bool(alive) == bool(waiting)
        assert len(alive) <= len(waiting)
        assert len(alive) <= 1, "equal calls are computed apart"

    for _ in range(3):  # a caller who had joined may try once more
        for computation in desk.started:
            if not computation.ended.done():
                desk.finish(computation.number)
        await settle()
    assert all(task.done() for _, task in callers), "somebody hangs"
    assert all(task in left for _, task in callers if task.cancelled()), "cancelled, though it had not left"
    for key, task in callers:
        if not task.cancelled() and task.exception() is None:
            assert task.result()[0].split()[0] == key, "the answer of another key"
        elif not task.cancelled():
            assert str(task.exception()) == key, "the failure of another key"
    computed = sum(
        task.result()[1] == "computed" for _, task in callers if not task.cancelled() and task.exception() is None
    )
    assert computed <= len(desk.started)
    callers.clear(), left.clear()
    gc.collect()
    assert noise == []
