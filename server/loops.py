"""From threads to the event loop, and how late it is."""

import asyncio
import time
from collections.abc import Callable


def call_soon(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
    """Call `function` on the loop, which may have been closed by a shutdown that did not wait."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *arguments)


async def watch_lag(observe: Callable[[float], None], every: float = 0.25) -> None:
    """Tell `observe`, every so many seconds and until cancelled, by how many seconds the loop was late for this."""
    while True:
        due = time.monotonic() + every
        await asyncio.sleep(every)
        observe(max(0.0, time.monotonic() - due))
