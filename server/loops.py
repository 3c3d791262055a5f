"""From threads to the event loop."""

import asyncio
from collections.abc import Callable


def call_soon(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
    """Call `function` on the loop, which may have been closed by a shutdown that did not wait."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *arguments)
