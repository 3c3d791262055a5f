"""What the transport holds for callers is bounded, by their part of the bytes in flight and by time."""

import asyncio
import math
from collections.abc import AsyncIterator

import pytest

from tests.server.scheduling.fakes import ANYBODY
from vitscope.server.errors import DeadlineExpired, Overloaded
from vitscope.server.scheduling import transit
from vitscope.server.scheduling.admission import UNREAD, Admission
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.decoders import DecodePool
from vitscope.server.scheduling.scheduler import Scheduler
from vitscope.server.scheduling.transit import Transit

MIB = 2**20
OTHER = Caller("other", bulk=False)


@pytest.fixture
def admission(scheduler: Scheduler, decoders: DecodePool) -> Admission:
    return Admission(scheduler, decoders, max_in_flight=1000, max_bytes=64 * MIB, max_queue_wait=1)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the process is said to use."""
    used = [100 * MIB]
    monkeypatch.setattr(transit, "give_back", lambda: used.__setitem__(0, 108 * MIB))
    return used


def of(admission: Admission, memory: list[int], seconds: float = 30) -> Transit:
    return Transit(admission, seconds, 32 * MIB, lambda: memory[0], scarce=500 * MIB)


async def never() -> bytes:
    await asyncio.sleep(60)
    return b""


async def test_a_message_is_counted_while_it_arrives(admission: Admission, memory: list[int]) -> None:
    async def read() -> bytes:
        assert (admission.in_flight, admission.bytes) == (1, UNREAD)
        return b"message"

    assert await of(admission, memory).receive(ANYBODY, read) == b"message"
    assert (admission.in_flight, admission.bytes) == (0, 0)


async def test_a_message_that_takes_too_long_ends(admission: Admission, memory: list[int]) -> None:
    with pytest.raises(DeadlineExpired, match=r"did not arrive within 0\.2 s"):
        await of(admission, memory, seconds=0.2).receive(ANYBODY, never)
    assert (admission.in_flight, admission.bytes) == (0, 0)


async def test_late_messages_of_a_caller_hold_no_more_than_its_part(admission: Admission, memory: list[int]) -> None:
    messages = of(admission, memory)
    greedy = [asyncio.create_task(messages.receive(ANYBODY, never)) for _ in range(20)]
    await asyncio.sleep(0.01)
    polite = asyncio.create_task(messages.receive(OTHER, never))
    await asyncio.sleep(0.05)
    memory[0] += 84 * MIB  # 4 MiB each
    ended = set[asyncio.Task[object]]()
    async with asyncio.timeout(20):  # the memory is looked at again and again
        while admission.bytes > 64 * MIB or len(ended) <= 10:
            ended, going_on = await asyncio.wait([*greedy, polite], timeout=0.1)
    assert polite in going_on
    assert 10 < len(ended) < 20
    for task in ended:
        assert isinstance(task.exception(), Overloaded)
    assert admission.bytes <= 64 * MIB
    for task in going_on:
        task.cancel()
    await asyncio.wait(going_on)
    assert (admission.in_flight, admission.bytes) == (0, 0)


async def test_many_slow_messages_that_take_no_memory_go_on(admission: Admission, memory: list[int]) -> None:
    messages = of(admission, memory)
    slow = [asyncio.create_task(messages.receive(ANYBODY, lambda: asyncio.sleep(0.5, b"done"))) for _ in range(400)]
    assert await asyncio.gather(*slow) == [b"done"] * 400


async def test_replies_that_are_not_read_count_and_then_nothing_more_is_answered(
    admission: Admission, memory: list[int]
) -> None:
    messages = of(admission, memory)
    releases = [messages.hold_reply(ANYBODY, 4 * MIB) for _ in range(4)]
    with pytest.raises(Overloaded, match="has not read"):
        messages.hold_reply(ANYBODY, 4 * MIB)
    assert isinstance(admission.refusal(ANYBODY, math.inf), Overloaded)
    assert admission.refusal(OTHER, math.inf) is None
    for release in releases:
        release()
    assert admission.refusal(ANYBODY, math.inf) is None
    assert admission.bytes == 0


async def test_replies_of_a_stream_are_counted_and_hold_back_its_next_items(
    admission: Admission, memory: list[int]
) -> None:
    messages = of(admission, memory)
    releases = [messages.hold_item(ANYBODY, 8 * MIB) for _ in range(3)]
    waiting = asyncio.create_task(admission.wait_for_place(ANYBODY, MIB))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    for release in releases:
        release()
    await asyncio.wait_for(waiting, 5)


async def silent() -> AsyncIterator[bytes]:
    yield b"first"
    await asyncio.sleep(60)
    yield b"never"


async def last_of(messages: Transit, caller: Caller) -> None:
    async for item in messages.items(caller, silent()):
        assert item == b"first"


async def test_idle_streams_go_on_until_memory_is_scarce(admission: Admission, memory: list[int]) -> None:
    messages = of(admission, memory)
    greedy = [asyncio.create_task(last_of(messages, ANYBODY)) for _ in range(16)]
    polite = asyncio.create_task(last_of(messages, OTHER))
    await asyncio.sleep(0.3)
    memory[0] = 499 * MIB
    assert not (await asyncio.wait([*greedy, polite], timeout=0.3))[0]
    memory[0] = 600 * MIB
    ended, going_on = await asyncio.wait([*greedy, polite], timeout=2, return_when=asyncio.FIRST_COMPLETED)
    assert polite in going_on
    assert {task in ended for task in greedy[8:]} == {True}  # half of them; memory is not scarce any more
    for task in ended:
        assert isinstance(task.exception(), Overloaded)
    for task in going_on:
        task.cancel()
    await asyncio.wait(going_on)


async def test_a_stream_ends_with_its_messages_and_keeps_their_errors(admission: Admission, memory: list[int]) -> None:
    async def short(error: Exception | None) -> AsyncIterator[int]:
        yield 1
        if error:
            raise error
        yield 2

    messages = of(admission, memory)
    assert [item async for item in messages.items(ANYBODY, short(None))] == [1, 2]
    with pytest.raises(OSError, match="gone"):
        assert [item async for item in messages.items(ANYBODY, short(OSError("gone")))]


async def arriving(sizes: list[int], then: float = 0.0) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes(size)
    await asyncio.sleep(then)


async def as_it_is(message: bytes) -> bytes:
    return message


async def test_pieces_are_counted_one_by_one_until_they_are_parsed(admission: Admission, memory: list[int]) -> None:
    held = list[int]()

    async def counted(sizes: list[int]) -> AsyncIterator[bytes]:
        async for piece in arriving(sizes):
            yield piece
            held.append(admission.bytes)

    async def parse(message: bytes) -> int:
        held.append(admission.bytes)
        return len(message)

    assert await of(admission, memory).collect(ANYBODY, counted([1000, 100_000, MIB]), parse) == MIB + 101_000
    assert held == [UNREAD, 101_000, MIB + 101_000, MIB + 101_000]
    assert admission.bytes == admission.in_flight == 0


async def test_pieces_that_take_too_long_end(admission: Admission, memory: list[int]) -> None:
    with pytest.raises(DeadlineExpired, match=r"did not arrive within 0.05 s"):
        await of(admission, memory, 0.05).collect(ANYBODY, arriving([10], then=60), as_it_is)
    assert admission.bytes == 0


async def test_pieces_are_held_to_the_part_of_their_caller(admission: Admission, memory: list[int]) -> None:
    messages = of(admission, memory)
    assert len(await messages.collect(ANYBODY, arriving([MIB] * 70), as_it_is)) == 70 * MIB  # of an empty server
    with admission.place(OTHER, 20 * MIB):
        with pytest.raises(Overloaded, match="the messages in flight have 45,088,768 bytes, 24,117,248 of them"):
            await messages.collect(ANYBODY, arriving([MIB] * 70), as_it_is)
        assert admission.bytes == 20 * MIB


async def test_bytes_that_are_counted_are_not_taken_for_those_of_late_messages(
    admission: Admission, memory: list[int]
) -> None:
    messages = of(admission, memory)
    late = asyncio.create_task(messages.receive(OTHER, never))

    async def pieces() -> AsyncIterator[bytes]:
        memory[0] += 20 * MIB
        yield bytes(20 * MIB)
        await asyncio.sleep(0.3)

    await messages.collect(ANYBODY, pieces(), as_it_is)
    assert OTHER.held_bytes == UNREAD
    late.cancel()
