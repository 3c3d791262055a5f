"""Tasks go on when their caller is cancelled, and end with the server."""

import asyncio
import gc

import pytest

from vitscope.server.errors import NotReady
from vitscope.server.models.tasks import Tasks


async def test_work_goes_on_when_its_caller_is_cancelled() -> None:
    tasks, may_end, ended = Tasks(), asyncio.Event(), asyncio.Event()

    async def work() -> int:
        await may_end.wait()
        ended.set()
        return 7

    caller, other = asyncio.create_task(tasks.run(work())), asyncio.create_task(tasks.run(work()))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait((caller,))
    assert caller.cancelled()
    may_end.set()
    await asyncio.wait_for(ended.wait(), 1)
    assert await other == 7


async def test_an_error_reaches_the_caller() -> None:
    async def work() -> None:
        raise KeyError("it failed")

    with pytest.raises(KeyError, match="it failed"):
        await Tasks().run(work())


async def test_an_error_that_nobody_waits_for_is_not_reported_by_asyncio() -> None:
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    async def work() -> None:
        raise KeyError("it failed")

    await asyncio.wait((Tasks().spawn(work()),))
    await asyncio.sleep(0)
    gc.collect()
    assert reported == []


async def test_closing_cancels_what_runs_and_refuses_what_comes() -> None:
    tasks = Tasks()
    running = asyncio.create_task(tasks.run(asyncio.sleep(60)))
    spawned = tasks.spawn(asyncio.sleep(60))
    await asyncio.sleep(0)
    await tasks.close()
    assert spawned.cancelled()
    with pytest.raises(NotReady, match="the server is shutting down"):
        await running
    with pytest.raises(NotReady, match="the server is shutting down"):
        await tasks.run(asyncio.sleep(60))
