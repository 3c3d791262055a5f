"""Shared calls under random sequences of events."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.sharing.harness import SIZE, Computation, Harness, settle
from vitscope.server.errors import DeadlineExpired
from vitscope.server.sharing.cache import ENTRY_BYTES

# What can happen: (action, which caller or computation or key, how long the loop then runs).
events = st.lists(
    st.tuples(
        st.sampled_from(["call", "call", "call", "cancel", "finish", "finish", "fail", "refuse", "tick"]),
        st.integers(0, 20),
        st.integers(0, 4),
    ),
    max_size=40,
)


@settings(max_examples=150)
@given(events)
def test_any_order_of_events(events: list[tuple[str, int, int]]) -> None:
    gc.freeze()  # excludes what other tests have imported from the collections that look for lost exceptions
    try:
        asyncio.run(_play(events))
    finally:
        gc.unfreeze()


async def _play(events: list[tuple[str, int, int]]) -> None:
    noise: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: noise.append(context))
    bound = 2 * (SIZE + ENTRY_BYTES)
    harness = Harness(bound)
    callers: list[tuple[str, asyncio.Task[tuple[str, str]]]] = []
    left: set[asyncio.Task[tuple[str, str]]] = set()

    def pick(number: int, among: list[Any]) -> Any:
        return among[number % len(among)] if among else None

    def end(number: int, how: Callable[[Computation], object]) -> None:
        computation = pick(number, [one for one in harness.started if not one.ended.done()])
        if computation:
            how(computation)

    for action, number, turns in events:
        if action == "call":
            key = "abcd"[number % 4]
            callers.append((key, harness.call(key, deadline=harness.now + number)))
        elif action == "cancel":
            waiting = pick(number, [task for _, task in callers if not task.done()])
            if waiting:
                waiting.cancel()
                left.add(waiting)
        elif action == "finish":
            end(number, lambda one: harness.finish(one.number))
        elif action == "fail":
            end(number, lambda one: one.ended.set_exception(ValueError(one.key)))
        elif action == "refuse":
            end(number, lambda one: one.ended.set_exception(DeadlineExpired(one.key)))
        else:
            harness.now += number
        for _ in range(turns):
            await asyncio.sleep(0)
        assert harness.cache.bytes <= bound

    await settle()
    # Nothing more can happen now: every waiting caller has a running computation, and every computation a caller.
    for key in "abcd":
        alive = [one for one in harness.started if one.key == key and not one.ended.done()]
        waiting = [task for name, task in callers if name == key and not task.done()]
        assert bool(alive) == bool(waiting)
        assert len(alive) <= len(waiting)
        assert len(alive) <= 1, "equal calls are computed apart"

    for _ in range(3):  # a caller that had joined may try once more
        for computation in harness.started:
            if not computation.ended.done():
                harness.finish(computation.number)
        await settle()
    assert all(task.done() for _, task in callers), "a caller hangs"
    assert all(task in left for _, task in callers if task.cancelled()), "cancelled, though the test did not cancel it"
    for key, task in callers:
        if not task.cancelled() and task.exception() is None:
            assert task.result()[0].split()[0] == key, "the answer of another key"
        elif not task.cancelled():
            assert str(task.exception()) == key, "the failure of another key"
    computed = sum(
        task.result()[1] == "computed" for _, task in callers if not task.cancelled() and task.exception() is None
    )
    assert computed <= len(harness.started)
    callers.clear(), left.clear()
    gc.collect()
    assert noise == []
