"""A scheduler and a decode pool that are closed after the test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from vitscope.server.scheduling.decoders import DecodePool
from vitscope.server.scheduling.scheduler import Scheduler


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler()
    yield scheduler
    scheduler.close()


@pytest.fixture
async def decoders() -> AsyncIterator[DecodePool]:
    pool = DecodePool(1)
    yield pool
    pool.close()
