"""Draining waits until no call has been open for a while."""

import asyncio

from vitscope.server.answer.activity import Activity


async def test_quiet_waits_for_open_calls_and_for_calls_that_begin_meanwhile() -> None:
    activity = Activity()
    with activity:
        quiet = asyncio.create_task(activity.quiet(0.05))
        await asyncio.sleep(0.1)
        assert not quiet.done()
        with activity:
            pass
    await asyncio.sleep(0.03)
    with activity:
        await asyncio.sleep(0.04)
    assert not quiet.done(), "a call came in before the time was over"
    await asyncio.wait_for(quiet, 5)


async def test_without_calls_it_is_quiet_after_the_time() -> None:
    began = asyncio.get_running_loop().time()
    await Activity().quiet(0.05)
    assert asyncio.get_running_loop().time() - began >= 0.05
