"""Calls from threads to the event loop, and how late the loop is."""

import asyncio
import time
from collections.abc import Callable


def call_soon(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
    """Call `function` on the loop, unless a shutdown that did not wait has closed it."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *arguments)


async def watch_lag(observe: Callable[[float], None], every: float = 0.25) -> None:
    """Measure every `every` seconds, until cancelled, by how many seconds the loop wakes up too late, and `observe` it."""
    while True:
        due = time.monotonic() + every
        await asyncio.sleep(every)
        observe(max(0.0, time.monotonic() - due))
