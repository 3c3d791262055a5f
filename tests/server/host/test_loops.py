import asyncio
import time

from vitscope.server.host.loops import watch_lag


async def test_lag_is_by_how_much_the_loop_was_held_up() -> None:
    seen: asyncio.Queue[float] = asyncio.Queue()
    watch = asyncio.create_task(watch_lag(seen.put_nowait, every=0.01))
    assert await seen.get() >= 0
    time.sleep(0.3)  # noqa: ASYNC251 — this is what is to be seen
    assert await seen.get() > 0.2
    watch.cancel()
