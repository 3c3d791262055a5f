"""Calls from threads to the event loop, and the lag of the loop."""

import asyncio
import time
from collections.abc import Callable


def call_soon(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
    """Call `function` on the loop. Do nothing if the loop is closed, as after a shutdown that did not wait."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *arguments)


async def watch_lag(observe: Callable[[float], None], every: float = 0.25) -> None:
    """Measure the lag of the loop every `every` seconds until cancelled, and `observe` it in seconds."""
    while True:
        due = time.monotonic() + every
        await asyncio.sleep(every)
        observe(max(0.0, time.monotonic() - due))
