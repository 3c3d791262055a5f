import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from server.errors import DeadlineExpired, Overloaded
from server.scheduling.admission import Admission
from server.scheduling.decoders import DecodePool
from server.scheduling.scheduler import Scheduler
from tests.server.scheduling.fakes import Answers, GatedEngine, lane


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler()
    scheduler.start()
    yield scheduler
    scheduler.close()


@pytest.fixture
async def decoders() -> AsyncIterator[DecodePool]:
    pool = DecodePool(1)
    yield pool
    pool.close()


async def test_it_refuses_more_than_may_be_in_flight(scheduler: Scheduler, decoders: DecodePool) -> None:
    refused: list[str] = []
    admission = Admission(
        scheduler, decoders, max_in_flight=1, max_bytes=10**6, max_queue_wait=1, refused=refused.append
    )
    async with admission.place(1):
        with pytest.raises(Overloaded, match="1 requests are in flight"):
            async with admission.place(1):
                pass
        assert admission.in_flight == 1
    assert admission.in_flight == 0
    assert refused == ["in_flight"]


async def test_it_refuses_a_wait_beyond_the_limit_and_says_when_to_come_back(
    scheduler: Scheduler, decoders: DecodePool
) -> None:
    engine, answers = GatedEngine(max_batch=1), Answers()
    model = lane(engine, seconds_per_image=2)
    scheduler.add_lane(model)
    for number in (1, 2):
        scheduler.submit(model, answers.work(number))
    admission = Admission(scheduler, decoders, max_in_flight=10, max_bytes=10**6, max_queue_wait=1)
    with pytest.raises(Overloaded) as caught:
        await admission.admit(model, math.inf)
    assert caught.value.estimated_wait == pytest.approx(4, abs=0.2)
    assert caught.value.retry_after == pytest.approx(3, abs=0.2)
    engine.release(2)


async def test_it_refuses_what_cannot_make_its_deadline(scheduler: Scheduler, decoders: DecodePool) -> None:
    refused: list[str] = []
    engine, answers = GatedEngine(max_batch=1), Answers()
    model = lane(engine, seconds_per_image=0.5)
    scheduler.add_lane(model)
    scheduler.submit(model, answers.work(1))
    admission = Admission(
        scheduler, decoders, max_in_flight=10, max_bytes=10**6, max_queue_wait=9, refused=refused.append
    )
    with pytest.raises(Overloaded, match="ms left until the deadline"):
        await admission.admit(model, time.monotonic() + 0.7)
    await admission.admit(model, time.monotonic() + 1.5)
    with pytest.raises(DeadlineExpired):
        await admission.admit(model, time.monotonic() - 0.1)
    assert refused == ["deadline"]
    engine.release()


async def test_an_idle_engine_is_tried_whatever_the_prediction_has_drifted_to(
    scheduler: Scheduler, decoders: DecodePool
) -> None:
    model = lane(GatedEngine(), seconds_per_image=0.05)
    scheduler.add_lane(model)
    for _ in range(50):
        model.costs.observe(1, 5.0)
    assert model.costs.seconds(1) > 0.4
    admission = Admission(scheduler, decoders, max_in_flight=10, max_bytes=10**6, max_queue_wait=1)
    await admission.admit(model, time.monotonic() + 0.1)
    with pytest.raises(Overloaded):
        await admission.admit(model, time.monotonic() + 0.01)  # less than the fastest run ever measured


async def test_stream_items_wait_in_line_and_leave_half_of_the_house_to_others(
    scheduler: Scheduler, decoders: DecodePool
) -> None:
    admission = Admission(scheduler, decoders, max_in_flight=4, max_bytes=10**6, max_queue_wait=1)
    order: list[int] = []
    leave = asyncio.Event()

    async def item(number: int) -> None:
        async with admission.place(1, bulk=True):
            order.append(number)
            await leave.wait()

    items = [asyncio.create_task(item(number)) for number in range(5)]
    await asyncio.sleep(0.05)
    assert order == [0, 1]
    async with admission.place(1), admission.place(1):  # unary callers still find room
        assert admission.in_flight == 4
    leave.set()
    await asyncio.gather(*items)
    assert order == [0, 1, 2, 3, 4]


async def test_a_stream_item_waits_for_a_shorter_queue_instead_of_being_refused(
    scheduler: Scheduler, decoders: DecodePool
) -> None:
    engine, answers = GatedEngine(max_batch=1), Answers()
    model = lane(engine, seconds_per_image=0.8)
    scheduler.add_lane(model)
    scheduler.submit(model, answers.work(1))
    refused: list[str] = []
    admission = Admission(
        scheduler, decoders, max_in_flight=4, max_bytes=10**6, max_queue_wait=1, refused=refused.append
    )
    waiting = asyncio.create_task(admission.admit(model, math.inf, bulk=True))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    engine.release()
    await asyncio.wait_for(waiting, 5)
    assert refused == []


async def test_a_cancelled_decode_that_has_not_begun_leaves_the_pool(decoders: DecodePool) -> None:
    running, finish = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def blocks() -> None:
        loop.call_soon_threadsafe(running.set)
        asyncio.run_coroutine_threadsafe(finish.wait(), loop).result(10)

    first = asyncio.create_task(decoders.run(blocks))
    await running.wait()
    ran: list[int] = []
    second = asyncio.create_task(decoders.run(lambda: ran.append(1)))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    finish.set()
    await first
    await decoders.run(lambda: None)
    assert ran == []
    assert decoders.predicted_wait() == 0


async def test_a_decode_that_takes_long_is_noticed_before_it_ends(decoders: DecodePool) -> None:
    await decoders.run(lambda: None)
    assert decoders.predicted_wait() == 0
    slow = asyncio.create_task(decoders.run(lambda: time.sleep(0.3)))
    await asyncio.sleep(0.2)
    assert decoders.predicted_wait() > 0.09
    await slow
    assert decoders.predicted_wait() == 0
