"""Keeps what is served in line with the models folder."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from vitscope.server.models.reconcile import Reconciler

log = structlog.get_logger()


class Watcher:
    """Polls the models folder. Used on the event loop only.

    A folder that cannot be read, or is suddenly empty, changes nothing: its volume may have been unmounted.
    """

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler

    async def start(self) -> None:
        """Load the versions in the folder; one that cannot be loaded gets the state FAILED. Raises BundleError if the
        folder is missing, cannot be read or holds no bundle."""
        async with self._reconciler.loading:
            async with self._reconciler.surveying:
                self._reconciler.ledger.observe(await self._reconciler.folder.survey())
            await self._reconciler.reconcile(starting=True)

    def poll_every(self, seconds: float) -> None:
        """Poll the folder from now on. Polling goes on during loads."""
        self._reconciler.tasks.spawn(self._poll_every(seconds))

    async def poll(self) -> None:
        """Poll the folder once, and load and retire what follows from this poll and the one before."""
        await self._survey()
        await self._load()

    async def _poll_every(self, seconds: float) -> None:
        loads: asyncio.Task[None] | None = None
        while True:
            await asyncio.sleep(seconds)
            await _logged(self._survey)
            if loads is None or loads.done():
                loads = self._reconciler.tasks.spawn(_logged(self._load))

    async def _survey(self) -> None:
        async with self._reconciler.surveying:
            found = await self._reconciler.folder.survey_if_usable()
            if found is not None:
                self._reconciler.ledger.observe(found)
        self._reconciler.retire_unwanted()

    async def _load(self) -> None:
        async with self._reconciler.loading:
            await self._reconciler.reconcile()


async def _logged(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        await work()
    except Exception as error:
        log.error("the models folder could not be followed", exc_info=error)
