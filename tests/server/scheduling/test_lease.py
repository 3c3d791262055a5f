"""The holders of a lease are counted, and whoever frees the resource waits for the last one."""

import asyncio

import pytest

from tests.server.scheduling.fakes import GatedEngine, lane
from vitscope.server.scheduling.lease import Lease


async def released(lease: Lease) -> bool:
    """Return whether waiting ends without anything else happening."""
    waiting = asyncio.create_task(lease.wait_released())
    for _ in range(3):
        await asyncio.sleep(0)
    ended = waiting.done()
    waiting.cancel()
    return ended


async def test_without_holders_nobody_waits() -> None:
    assert await released(Lease())


async def test_the_last_holder_that_leaves_ends_all_waits() -> None:
    lease = Lease()
    with lease:
        with lease:
            assert lease.holders == 2
            waiting = [asyncio.create_task(lease.wait_released()) for _ in range(2)]
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
    await asyncio.wait_for(asyncio.gather(*waiting), 1)
    assert lease.holders == 0


async def test_a_block_that_fails_releases_the_lease() -> None:
    lease = Lease()
    with pytest.raises(KeyError), lease:
        raise KeyError
    assert await released(lease)


async def test_a_holder_that_enters_before_the_waiting_task_runs_is_waited_for() -> None:
    lease = Lease()
    with lease:
        waiting = asyncio.create_task(lease.wait_released())
        await asyncio.sleep(0)
    with lease:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 1)


async def test_nobody_waits_for_a_revoked_lease() -> None:
    lease = Lease()
    with lease:
        waiting = asyncio.create_task(lease.wait_released())
        await asyncio.sleep(0)
        lease.revoke()
        await asyncio.wait_for(waiting, 1)
        assert await released(lease)
        assert lease.holders == 1
    assert lease.holders == 0


def test_each_lane_has_a_lease_of_its_own() -> None:
    one, other = lane(GatedEngine()), lane(GatedEngine())
    with one.lease(), one.lease():
        assert (one.lease().holders, other.lease().holders) == (2, 0)
    assert one.lease().holders == 0
