"""An image that never ends is decoded beside others, and ends with its caller."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.answer.serving import Serving, numbered
from tests.server.decoding.files import is_running, tiff, until
from tests.server.images.samples import TOKENS, VIT, encoded, photos
from tests.server.maps.samples import one_hot
from tests.server.models.bundles import write_bundle
from vitscope.server.answer.answer import Answer
from vitscope.server.answer.ask import Ask, EncodedImage
from vitscope.server.answer.decoding import Decoding
from vitscope.server.decoding.job import Budget
from vitscope.server.errors import Outcome
from vitscope.server.images.cost import Cost
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.prepare import prepare_encoded
from vitscope.server.maps.rendering import RenderingSpec
from vitscope.server.scheduling.callers import Caller

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Serving]:
    serving = Serving(tmp_path / "cache", engine="onnxruntime", max_in_flight=100)
    await serving.load(write_bundle(tmp_path / "models", "a", 1, tmp_path))
    yield serving
    await serving.close()


def _ask(number: int) -> Ask:
    data = tiff(number)
    return Ask(EncodedImage(data), len(data), "a", top_k=1)


def _forks(serving: Serving) -> list[int]:
    pid = serving.decoding.template.pid
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()] if pid else []


async def _until_stopped(serving: Serving, known: tuple[int, ...] = ()) -> int:
    """Stop the next process that decodes, so that its image never ends, and return its id."""
    async with asyncio.timeout(30):
        while not (found := [pid for pid in _forks(serving) if pid not in known]):  # noqa: ASYNC110
            await asyncio.sleep(0.0002)
    os.kill(found[0], signal.SIGSTOP)
    return found[0]


async def _hostile(serving: Serving, number: int, seconds: float | None = None) -> tuple[asyncio.Task[Answer], int]:
    """Return a question of the caller "hostile" whose image never ends, and the process that decodes it."""
    for again in range(50):  # a fast machine may have decoded the image before it is stopped
        known = tuple(_forks(serving))
        task = asyncio.create_task(serving.ask(_ask(number + 100 * again), peer="hostile", seconds=seconds))
        pid = await _until_stopped(serving, known)
        await asyncio.sleep(0.05)
        if is_running(pid):
            return task, pid
        await task
    raise AssertionError("no process could be stopped in time")


async def test_others_are_answered_while_an_image_never_ends(serving: Serving) -> None:
    await serving.ask(_ask(1))  # the first one starts the template
    hostile, pid = await _hostile(serving, 2)
    more = [asyncio.create_task(serving.ask(_ask(number), peer="hostile")) for number in range(3, 9)]
    for number in range(10, 14):
        assert (await serving.ask(_ask(number), peer="victim", seconds=20)).outcome is Outcome.OK
        assert (await serving.ask(numbered(number), peer="victim", seconds=20)).outcome is Outcome.OK
    assert not any(task.done() for task in (hostile, *more)), "one caller takes no more than half of the processes"
    hostile.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hostile
    assert {answer.outcome for answer in await asyncio.gather(*more)} == {Outcome.OK}
    until(lambda: not is_running(pid))


async def test_an_image_that_never_ends_is_late_at_its_deadline(serving: Serving) -> None:
    await serving.ask(_ask(1))
    hostile, pid = await _hostile(serving, 2, seconds=1)
    assert (await hostile).outcome is Outcome.LATE
    until(lambda: not is_running(pid))
    assert (await serving.ask(_ask(3), peer="hostile", seconds=20)).outcome is Outcome.OK


async def test_closing_does_not_wait_for_an_image_that_never_ends(serving: Serving) -> None:
    await serving.ask(_ask(1))
    hostile, pid = await _hostile(serving, 2)
    start = time.monotonic()
    serving.decoding.close()
    assert time.monotonic() - start < 20
    until(lambda: not is_running(pid))
    hostile.cancel()
    await asyncio.gather(hostile, return_exceptions=True)


async def test_the_predicted_wait_is_that_of_the_pool_that_decodes(serving: Serving) -> None:
    await serving.ask(_ask(1))
    hostile, _ = await _hostile(serving, 2)
    caller = serving.service.callers.find("hostile", False)
    await asyncio.sleep(0.2)
    assert serving.decoding.processes.predicted_wait(caller) > 0.05
    assert serving.decoding.threads.predicted_wait(caller) == 0
    hostile.cancel()
    await asyncio.gather(hostile, return_exceptions=True)


@pytest.mark.parametrize(
    ("cost", "on_a_thread"),
    [
        (Cost(0.01, 2**20, True), True),
        (Cost(0.01, 2**20, False), False),
        (Cost(1.0, 2**20, True), False),
        (Cost(0.01, 2**28, True), False),
    ],
)
def test_what_is_small_and_certain_is_decoded_on_a_thread(cost: Cost, on_a_thread: bool) -> None:
    decoding = Decoding(2, memory=2**30)
    assert (decoding.pool(cost) is decoding.threads) is on_a_thread
    decoding.close()


@pytest.mark.parametrize(
    ("threads", "memory", "processes", "mib"),
    [(2, 2**32, 2, 1024), (8, 2**34, 8, 1024), (64, 2**33, 4, 1024), (4, 2**29, 2, 128)],
)
def test_all_processes_together_use_at_most_half_of_the_memory(
    threads: int, memory: int, processes: int, mib: int
) -> None:
    decoding = Decoding(threads, Budget(), memory=memory)
    assert decoding.processes.threads == processes
    assert decoding.budget.bytes == mib * 2**20
    decoding.close()


@pytest.mark.parametrize("memory", [2**28, 2**30, 2**34])
@pytest.mark.parametrize("threads", [1, 2, 16])
def test_all_decodes_together_are_bounded_by_the_memory_that_there_is(threads: int, memory: int) -> None:
    decoding = Decoding(threads, memory=memory)
    thread = max(size for size in range(0, memory, 2**20) if decoding.pool(Cost(0.1, size, True)) is decoding.threads)
    assert threads * thread + decoding.processes.threads * decoding.budget.bytes <= memory * 5 // 8
    decoding.close()


async def test_drawing_many_maps_lets_another_caller_in_between_and_ends_with_its_own() -> None:
    decoding = Decoding(2)
    prepared = prepare_encoded(encoded(photos()["coffee.png"], "PNG"), VIT, TOKENS, ImageLimits(), keep_photo=True)
    spec, maps = RenderingSpec(size=800), [one_hot(row, row) for row in range(14)] * 10
    many, one = Caller("many", bulk=False), Caller("one", bulk=False)
    greedy = asyncio.create_task(decoding.draw(many, maps, spec, prepared.geometry, prepared.photo))
    for _ in range(3):
        (picture,) = await decoding.draw(one, maps[:1], spec, prepared.geometry, prepared.photo)
        assert max(picture.width, picture.height) == 800
        assert not greedy.done()
    greedy.cancel()
    with pytest.raises(asyncio.CancelledError):
        await greedy
    await decoding.draw(one, maps[:1], spec, prepared.geometry, prepared.photo)
    async with asyncio.timeout(20):  # the picture that was being drawn is finished, on a busy machine later
        while decoding.drawing.predicted_wait(many) > 0.2:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    decoding.close()
