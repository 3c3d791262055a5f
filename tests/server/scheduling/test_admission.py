import asyncio
import math
from collections.abc import Iterator

import pytest

from server.errors import Overloaded
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
def decoders() -> Iterator[DecodePool]:
    pool = DecodePool(1)
    yield pool
    pool.close()


def test_it_refuses_more_than_may_be_in_flight(scheduler: Scheduler, decoders: DecodePool) -> None:
    refused: list[str] = []
    admission = Admission(scheduler, decoders, max_in_flight=1, max_queue_wait=1, refused=refused.append)
    model = lane(GatedEngine())
    with admission.admit(model, math.inf):
        with pytest.raises(Overloaded, match="1 requests are in flight"), admission.admit(model, math.inf):
            pass
        assert admission.in_flight == 1
    assert admission.in_flight == 0
    assert refused == ["in_flight"]


def test_it_refuses_a_wait_beyond_the_limit_and_says_when_to_come_back(
    scheduler: Scheduler, decoders: DecodePool
) -> None:
    engine, answers = GatedEngine(max_batch=1), Answers()
    model = lane(engine, seconds_per_image=2)
    scheduler.add_lane(model)
    for number in (1, 2):
        scheduler.submit(model, answers.work(number))
    admission = Admission(scheduler, decoders, max_in_flight=10, max_queue_wait=1)
    with pytest.raises(Overloaded) as caught, admission.admit(model, math.inf):
        pass
    assert caught.value.estimated_wait == pytest.approx(4, abs=0.2)
    assert caught.value.retry_after == pytest.approx(3, abs=0.2)
    engine.release(2)


def test_it_refuses_what_cannot_make_its_deadline(scheduler: Scheduler, decoders: DecodePool) -> None:
    refused: list[str] = []
    admission = Admission(scheduler, decoders, max_in_flight=10, max_queue_wait=1, refused=refused.append)
    model = lane(GatedEngine(), seconds_per_image=0.5)
    scheduler.add_lane(model)
    with pytest.raises(Overloaded, match="400 ms left until the deadline"), admission.admit(model, 0.4):
        pass
    with admission.admit(model, 0.6):
        pass
    assert refused == ["deadline"]


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
