"""Equal calls share one computation."""

import asyncio
import contextlib
import gc
import math
import traceback
import weakref
from typing import Any

import pytest

from tests.server.sharing.harness import SIZE, Harness, failure, settle, task_of
from vitscope.server.errors import DeadlineExpired, InvalidRequest, Overloaded
from vitscope.server.sharing.cache import AnswerCache
from vitscope.server.sharing.calls import SharedCalls, SharedDeadline


async def test_equal_calls_share_one_computation() -> None:
    harness = Harness()
    callers = [harness.call("a") for _ in range(3)]
    await settle()
    answer = harness.finish(0)
    assert await asyncio.gather(*callers) == [(answer, "computed"), (answer, "shared"), (answer, "shared")]
    assert len(harness.started) == 1


async def test_other_keys_have_computations_of_their_own() -> None:
    harness = Harness()
    callers = [harness.call("a"), harness.call("b")]
    await settle()
    harness.finish(1), harness.finish(0)
    assert await asyncio.gather(*callers) == [("a 0", "computed"), ("b 1", "computed")]


async def test_cancelling_one_caller_leaves_the_others_waiting() -> None:
    harness = Harness()
    first, second = harness.call("a"), harness.call("a")
    await settle()
    first.cancel()
    await settle()
    assert first.cancelled()
    assert not harness.started[0].cancelled
    harness.finish(0)
    assert await second == ("a 0", "shared")


async def test_cancelling_the_last_caller_cancels_the_computation_and_a_new_caller_starts_another() -> None:
    harness = Harness(max_bytes=10_000)
    callers = [harness.call("a"), harness.call("a")]
    await settle()
    for caller in callers:
        caller.cancel()
    await asyncio.sleep(0)  # the callers are gone; the computation is cancelled next
    newcomer = harness.call("a")
    await settle()
    assert harness.started[0].cancelled
    harness.finish(1)
    assert await newcomer == ("a 1", "computed")


async def test_a_failure_goes_to_every_caller_with_its_own_traceback_and_is_not_kept() -> None:
    harness = Harness(max_bytes=10_000)
    callers = [harness.call("a") for _ in range(4)]
    await settle()
    harness.started[0].ended.set_exception(InvalidRequest("image", "not set", "an image"))
    errors = [await failure(caller) for caller in callers]
    assert all(isinstance(error, InvalidRequest) for error in errors)
    frames = [frame.name for frame in traceback.extract_tb(errors[-1].__traceback__)]
    assert frames.count("run") == 1, "the frames of other callers are in the traceback"
    assert "compute" in frames, "where it happened is not in the traceback"
    later = harness.call("a")
    await settle()
    harness.finish(1)
    assert await later == ("a 1", "computed")


async def test_a_failure_that_nobody_waits_for_logs_nothing() -> None:
    noise: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: noise.append(context))
    harness = Harness()
    caller = harness.call("a")
    await settle()
    harness.started[0].ended.set_exception(ValueError("a bug"))
    caller.cancel()
    await settle()
    harness.started.clear()
    del caller
    gc.collect()
    await settle()
    assert noise == []


async def test_a_failure_frees_the_image_at_once() -> None:
    class Image:
        """A key that can be referenced weakly."""

    async def fail(deadline: SharedDeadline) -> str:
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


async def test_a_repeated_call_is_answered_from_the_cache() -> None:
    harness = Harness(max_bytes=10_000)
    first = harness.call("a")
    await settle()
    harness.finish(0)
    assert await first == ("a 0", "computed")
    assert await harness.call("a") == ("a 0", "cached")
    assert len(harness.started) == 1


async def test_a_later_deadline_extends_that_of_the_computation() -> None:
    harness, deadlines = Harness(), list[float]()
    callers = [harness.call("a", deadline=5)]
    await settle()
    harness.started[0].deadline.on_extended(deadlines.append)
    callers += [harness.call("a", deadline=deadline) for deadline in (4, 9, 7, math.inf)]
    await settle()
    assert deadlines == [5, 9, math.inf]
    harness.finish(0)
    await asyncio.gather(*callers)


@pytest.mark.parametrize("error", [DeadlineExpired("late"), Overloaded("full", 1, 1)])
async def test_callers_that_joined_try_again_when_the_first_was_refused(error: Exception) -> None:
    harness = Harness()
    first, *joined = [harness.call("a", deadline) for deadline in (1, 2, 3, 4)]
    await settle()
    harness.now = 2.5
    harness.started[0].ended.set_exception(error)
    assert await failure(first) is error
    assert await failure(joined[0]) is error, "its own deadline has passed"
    await settle()
    harness.finish(1)
    assert await asyncio.gather(*joined[1:]) == [("a 1", "computed"), ("a 1", "shared")]
    assert len(harness.started) == 2


async def test_a_computation_that_does_not_begin_fails_no_other_caller() -> None:
    harness = Harness()

    def refuse(deadline: SharedDeadline) -> "asyncio.Future[str]":
        raise Overloaded("full", 1, 1)

    with pytest.raises(Overloaded):
        await harness.calls.run("a", refuse)
    later = harness.call("a")
    await settle()
    harness.finish(0)
    assert await later == ("a 0", "computed")


async def test_callers_that_joined_try_again_only_once() -> None:
    harness = Harness()
    callers = [harness.call("a") for _ in range(3)]
    for number in range(2):
        await settle()
        harness.started[number].ended.set_exception(Overloaded(f"full {number}", 1, 1))
    errors = [str(await failure(caller)) for caller in callers]
    assert [error.split(";")[0] for error in errors] == ["full 0", "full 1", "full 1"]
    assert len(harness.started) == 2


async def test_a_computation_that_outlives_its_cancellation_is_not_kept() -> None:
    cache: AnswerCache[str, str] = AnswerCache(10_000, lambda answer: (answer, SIZE))
    calls: SharedCalls[str, str] = SharedCalls(cache)

    async def stubborn(deadline: SharedDeadline) -> str:
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
