"""The decode pool serves callers in turn and predicts its waits."""

import asyncio
import threading
import time
from functools import partial

import pytest

from tests.server.scheduling.fakes import ANYBODY
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.decoders import DecodePool


async def idle(decoders: DecodePool) -> None:
    """Wait until no thread is predicted to be busy: a caller may have its result a moment before the thread is free."""
    async with asyncio.timeout(10):
        while decoders.predicted_wait(ANYBODY):  # noqa: ASYNC110 — nothing tells of it
            await asyncio.sleep(0.001)


async def test_callers_take_turns(decoders: DecodePool) -> None:
    gate, order = threading.Event(), list[str]()
    decoders.submit(ANYBODY, lambda: bool(gate.wait(10)) and None)
    greedy, modest = Caller("greedy", bulk=True), Caller("modest", bulk=False)
    tasks = [asyncio.create_task(decoders.run(greedy, partial(order.append, f"g{number}"))) for number in range(4)]
    await asyncio.sleep(0)
    late = asyncio.create_task(decoders.run(modest, lambda: order.append("m")))
    await asyncio.sleep(0)
    assert decoders.predicted_wait(modest) <= decoders.predicted_wait(greedy)
    gate.set()
    await asyncio.gather(late, *tasks)
    assert order == ["g0", "m", "g1", "g2", "g3"]


async def test_an_error_of_the_function_is_raised_to_its_caller(decoders: DecodePool) -> None:
    with pytest.raises(ZeroDivisionError):
        await decoders.run(ANYBODY, lambda: 1 / 0)
    assert await decoders.run(ANYBODY, lambda: 7) == 7


async def test_a_cancelled_decode_that_has_not_begun_leaves_the_pool(decoders: DecodePool) -> None:
    running, finish = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def blocks() -> None:
        loop.call_soon_threadsafe(running.set)
        asyncio.run_coroutine_threadsafe(finish.wait(), loop).result(10)

    first = asyncio.create_task(decoders.run(ANYBODY, blocks))
    await running.wait()
    ran: list[int] = []
    second = asyncio.create_task(decoders.run(ANYBODY, lambda: ran.append(1)))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    finish.set()
    await first
    await decoders.run(ANYBODY, lambda: None)
    assert ran == []
    await idle(decoders)


async def test_a_slow_decode_raises_the_predicted_wait_before_it_ends(decoders: DecodePool) -> None:
    await decoders.run(ANYBODY, lambda: None)
    await idle(decoders)
    slow = asyncio.create_task(decoders.run(ANYBODY, lambda: time.sleep(0.3)))
    await asyncio.sleep(0.2)
    assert decoders.predicted_wait(ANYBODY) > 0.09
    await slow
    await idle(decoders)
