"""A scheduler and a decode pool that are closed after the test; traces of small models, shared by all processes."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conftest import Once
from tests.server.engines import vits
from vitscope.server.scheduling.decoders import DecodePool
from vitscope.server.scheduling.scheduler import Scheduler


@pytest.fixture(scope="session", autouse=True)
def shared_traces(once: Once) -> None:
    vits.share(once)


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
