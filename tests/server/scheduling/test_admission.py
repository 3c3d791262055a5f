"""Requests are refused in time, and callers share the server fairly."""

import asyncio
import math
import time
from contextlib import ExitStack, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.scheduling.fakes import ANYBODY, Answers, GatedEngine, lane, submit
from vitscope.server.errors import DeadlineExpired, Overloaded
from vitscope.server.scheduling.admission import Admission
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.decoders import DecodePool
from vitscope.server.scheduling.scheduler import Scheduler

OTHER, STREAM = Caller("other", bulk=False), Caller("stream", bulk=True)


async def test_it_refuses_more_than_may_be_in_flight(scheduler: Scheduler, decoders: DecodePool) -> None:
    refused: list[str] = []
    admission = Admission(
        scheduler,
        decoders,
        max_in_flight=1,
        max_bytes=10**6,
        max_queue_wait=1,
        refused=lambda reason, times: refused.append(reason),
    )
    with admission.place(ANYBODY, 1):
        with pytest.raises(Overloaded, match="1 requests are in flight"), admission.place(ANYBODY, 1):
            pass
        assert admission.in_flight == 1
    assert admission.in_flight == 0
    assert refused == ["in_flight"]


async def test_it_refuses_a_wait_beyond_the_limit_and_says_when_to_retry(
    scheduler: Scheduler, decoders: DecodePool
) -> None:
    engine, answers = GatedEngine(max_batch=1), Answers()
    model = lane(engine, seconds_per_image=2)
    scheduler.add_lane(model)
    for number in (1, 2):
        submit(scheduler, model, answers, number)
    admission = Admission(scheduler, decoders, max_in_flight=10, max_bytes=10**6, max_queue_wait=1)
    with pytest.raises(Overloaded) as caught:
        admission.admit(model, ANYBODY, math.inf)
    assert caught.value.estimated_wait == pytest.approx(4, abs=0.2)
    assert caught.value.retry_after == pytest.approx(3, abs=0.2)
    engine.release(2)


async def test_it_refuses_what_cannot_make_its_deadline(scheduler: Scheduler, decoders: DecodePool) -> None:
    refused: list[str] = []
    engine, answers = GatedEngine(max_batch=1), Answers()
    model = lane(engine, seconds_per_image=0.5)
    scheduler.add_lane(model)
    submit(scheduler, model, answers, 1)
    admission = Admission(
        scheduler,
        decoders,
        max_in_flight=10,
        max_bytes=10**6,
        max_queue_wait=9,
        refused=lambda reason, times: refused.append(reason),
    )
    with pytest.raises(Overloaded, match="ms left until the deadline"):
        admission.admit(model, ANYBODY, time.monotonic() + 0.7)
    admission.admit(model, ANYBODY, time.monotonic() + 1.5)
    with pytest.raises(DeadlineExpired):
        admission.admit(model, ANYBODY, time.monotonic() - 0.1)
    assert refused == ["deadline"]
    engine.release()


async def test_requests_to_an_idle_engine_are_admitted_however_high_the_prediction(
    scheduler: Scheduler, decoders: DecodePool
) -> None:
    model = lane(GatedEngine(), seconds_per_image=0.05)
    scheduler.add_lane(model)
    for _ in range(50):
        model.costs[0].observe(1, 5.0)
    assert model.costs[0].seconds(1) > 0.4
    admission = Admission(scheduler, decoders, max_in_flight=10, max_bytes=10**6, max_queue_wait=1)
    admission.admit(model, ANYBODY, time.monotonic() + 0.1)
    with pytest.raises(Overloaded):
        admission.admit(model, ANYBODY, time.monotonic() + 0.01)  # less than the fastest run ever measured


async def test_stream_items_wait_in_order_and_leave_as_many_places_to_others_as_they_hold(
    scheduler: Scheduler, decoders: DecodePool
) -> None:
    admission = Admission(scheduler, decoders, max_in_flight=4, max_bytes=10**6, max_queue_wait=1)
    order: list[int] = []
    leave = asyncio.Event()

    async def item(number: int) -> None:
        await admission.wait_for_place(STREAM, 1)
        with admission.place(STREAM, 1):
            order.append(number)
            await leave.wait()

    items = [asyncio.create_task(item(number)) for number in range(5)]
    await asyncio.sleep(0.05)
    assert order == [0, 1]
    with admission.place(ANYBODY, 1), admission.place(OTHER, 1):  # single requests still find room
        assert admission.in_flight == 4
    leave.set()
    await asyncio.gather(*items)
    assert order == [0, 1, 2, 3, 4]


async def test_a_stream_gets_its_share_of_a_server_that_others_keep_full(
    scheduler: Scheduler, decoders: DecodePool
) -> None:
    admission = Admission(scheduler, decoders, max_in_flight=8, max_bytes=10**6, max_queue_wait=1)
    refused = 0

    async def greedy(caller: Caller) -> None:
        nonlocal refused
        try:
            with admission.place(caller, 1):
                await asyncio.sleep(0.002)
        except Overloaded:
            refused += 1

    passed = asyncio.Event()

    async def stream() -> None:
        await admission.wait_for_place(STREAM, 1)
        with admission.place(STREAM, 1):
            passed.set()

    greed = []
    waiting = None
    for turn in range(50):
        greed += [asyncio.create_task(greedy(caller)) for caller in (ANYBODY, OTHER) for _ in range(8)]
        await asyncio.sleep(0)
        if turn == 10:
            waiting = asyncio.create_task(stream())
            await asyncio.sleep(0)
            assert passed.is_set()
    assert refused > 100
    assert waiting
    await asyncio.gather(waiting, *greed)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40)), max_size=60))
def test_no_caller_takes_all_places_and_new_callers_find_one(requests: list[tuple[int, int]]) -> None:
    scheduler, decoders = Scheduler(), DecodePool(1)
    admission = Admission(scheduler, decoders, max_in_flight=20, max_bytes=300, max_queue_wait=1)
    callers = [Caller(str(number), bulk=False) for number in range(4)]

    async def crowd() -> None:
        with ExitStack() as inside:
            for number, size in requests:
                with suppress(Overloaded):
                    inside.enter_context(admission.place(callers[number], size))
            assert admission.in_flight == sum(caller.held for caller in callers) < 20
            assert admission.bytes == sum(caller.held_bytes for caller in callers) <= 300
            assert all(caller.held <= 10 and caller.held_bytes <= (300 + 40) / 2 for caller in callers)
            if admission.bytes < 300:
                with admission.place(Caller("newcomer", bulk=False), 1):
                    pass
        assert (admission.in_flight, admission.bytes) == (0, 0)
        assert [(caller.held, caller.held_bytes) for caller in callers] == [(0, 0)] * 4

    asyncio.run(crowd())
    decoders.close()


async def test_a_stream_item_waits_for_a_shorter_queue_instead_of_being_refused(
    scheduler: Scheduler, decoders: DecodePool
) -> None:
    engine, answers = GatedEngine(max_batch=1), Answers()
    model = lane(engine, seconds_per_image=0.8)
    scheduler.add_lane(model)
    submit(scheduler, model, answers, 1)
    refused: list[str] = []
    admission = Admission(
        scheduler,
        decoders,
        max_in_flight=4,
        max_bytes=10**6,
        max_queue_wait=1,
        refused=lambda reason, times: refused.append(reason),
    )
    waiting = asyncio.create_task(admission.wait_for_queue(model, STREAM))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    engine.release()
    await asyncio.wait_for(waiting, 5)
    admission.admit(model, STREAM, math.inf)
    assert refused == []


async def test_requests_that_wait_for_a_place_do_not_hold_up_requests_that_have_one(
    scheduler: Scheduler, decoders: DecodePool
) -> None:
    admission = Admission(scheduler, decoders, max_in_flight=2, max_bytes=10**6, max_queue_wait=1)
    model, stream = lane(GatedEngine()), Caller("stream", bulk=True)
    scheduler.add_lane(model)

    async def item() -> None:
        await admission.wait_for_place(stream, 1)
        with admission.place(stream, 1):
            await asyncio.sleep(0)  # meanwhile others begin to wait for a place
            await admission.wait_for_queue(model, stream)

    async with asyncio.timeout(5):
        await asyncio.gather(*(item() for _ in range(20)))
    assert admission.in_flight == 0
