"""Sources that are slow, that wait for an answer, or that fail, in both forms of the client."""

import asyncio
import io
import queue
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.client.servicer import Servicer, serving, serving_in_thread
from vitscope import AsyncClient, Client, DeadlineExceeded, InvalidImage, Result

PIXEL = np.zeros((1, 1, 3), np.uint8)
PATIENCE = 20.0  # seconds; a source that hangs fails the test after it


def test_a_source_may_wait_for_the_answer_to_its_last_image(server: str) -> None:
    answered: queue.Queue[int] = queue.Queue()

    def source() -> Iterator[np.ndarray]:
        for index in range(3):
            yield PIXEL
            assert answered.get(timeout=PATIENCE) == index

    with Client(server) as client:
        for index, outcome in client.classify_many(source()):
            assert isinstance(outcome, Result)
            answered.put(index)


async def test_an_asynchronous_source_may_wait_for_the_answer_to_its_last_image() -> None:
    answered: asyncio.Queue[int] = asyncio.Queue()

    async def source() -> AsyncIterator[np.ndarray]:
        for index in range(3):
            yield PIXEL
            assert await asyncio.wait_for(answered.get(), PATIENCE) == index

    async with serving(Servicer()) as address, AsyncClient(address) as client:
        async for index, outcome in client.classify_many(source()):
            assert isinstance(outcome, Result)
            answered.put_nowait(index)


async def test_a_plain_source_that_waits_does_not_block_the_event_loop() -> None:
    answered: queue.Queue[int] = queue.Queue()

    def source() -> Iterator[np.ndarray]:
        for index in range(3):
            yield PIXEL
            assert answered.get(timeout=PATIENCE) == index

    async with serving(Servicer()) as address, AsyncClient(address) as client:
        async for index, _ in client.classify_many(source()):
            answered.put(index)


def test_the_timeout_applies_while_the_source_waits() -> None:
    over = threading.Event()

    def source() -> Iterator[np.ndarray]:
        yield PIXEL
        over.wait(PATIENCE)

    with (
        serving_in_thread(Servicer(dead_items=frozenset("0"))) as [address],
        Client(address) as client,
        pytest.raises(DeadlineExceeded, match=r"no answer for 0\.5 s; 1 items"),
    ):
        list(client.classify_many(source(), timeout=0.5))
    over.set()


async def test_the_timeout_applies_while_an_asynchronous_source_waits() -> None:
    ended = asyncio.Event()

    async def source() -> AsyncIterator[np.ndarray]:
        try:
            yield PIXEL
            await asyncio.sleep(PATIENCE)
        finally:
            ended.set()

    async with serving(Servicer(dead_items=frozenset("0"))) as address, AsyncClient(address) as client:
        with pytest.raises(DeadlineExceeded, match=r"no answer for 0\.5 s; 1 items"):
            [_ async for _ in client.classify_many(source(), timeout=0.5)]
        await asyncio.wait_for(ended.wait(), PATIENCE)


def test_a_source_and_a_body_slower_than_the_timeout(server: str) -> None:
    def source() -> Iterator[np.ndarray]:
        for _ in range(2):
            time.sleep(0.3)
            yield PIXEL

    with Client(server) as client:
        for images in (source(), [PIXEL] * 3):
            for _, outcome in client.classify_many(images, timeout=0.2, window=2):
                assert isinstance(outcome, Result)
                time.sleep(0.3)


async def test_a_body_that_blocks_the_event_loop_has_not_waited() -> None:
    with serving_in_thread(Servicer()) as [address]:
        async with AsyncClient(address) as client:
            async for _, outcome in client.classify_many([PIXEL] * 3, timeout=0.3):
                assert isinstance(outcome, Result)
                time.sleep(0.5)  # noqa: ASYNC251


def failing() -> Iterator[np.ndarray]:
    yield from [PIXEL] * 5
    raise RuntimeError("disk on fire")


def test_the_error_of_a_source_comes_after_the_answers() -> None:
    seen = []
    with (
        serving_in_thread(Servicer(delay=0.1)) as [address],
        Client(address) as client,
        pytest.raises(RuntimeError, match="disk on fire") as caught,
    ):
        for index, outcome in client.classify_many(failing()):
            assert isinstance(outcome, Result)
            seen.append(index)
    assert sorted(seen) == list(range(5))
    assert "in a thread of its own" in caught.value.__notes__[0]


async def test_the_error_of_an_asynchronous_source_comes_after_the_answers() -> None:
    async def source() -> AsyncIterator[np.ndarray]:
        for image in failing():
            yield image

    async with serving(Servicer(delay=0.1)) as address, AsyncClient(address) as client:
        for images in (source(), failing()):
            seen = []
            with pytest.raises(RuntimeError, match="disk on fire"):
                async for index, _ in client.classify_many(images):
                    seen.append(index)
            assert sorted(seen) == list(range(5))


def test_one_image_that_cannot_be_read_does_not_end_the_stream(server: str, photos: Path) -> None:
    closed = Image.new("RGB", (2, 2))
    closed.close()
    lazy, damaged = (Image.open(io.BytesIO((photos / name).read_bytes())) for name in ("two.png", "one.jpg"))
    damaged.fp.truncate(300)  # type: ignore[union-attr]
    images = [PIXEL, closed, damaged, lazy, photos, photos / "one.jpg", object()]
    with Client(server) as client:
        outcomes = dict(client.classify_many(images))  # type: ignore[arg-type]
    kinds = [type(outcomes[index]) for index in range(len(images))]
    assert kinds == [Result, InvalidImage, InvalidImage, Result, InvalidImage, Result, InvalidImage]


def test_something_that_is_no_iterable_is_refused_where_it_was_given(server: str) -> None:
    with Client(server) as client, pytest.raises(TypeError, match="not iterable"):
        list(client.classify_many(7))  # type: ignore[arg-type]


def test_the_source_sees_the_callers_context(server: str) -> None:
    user: ContextVar[str] = ContextVar("user")

    def source() -> Iterator[np.ndarray]:
        assert user.get() == "me"
        yield PIXEL

    user.set("me")
    with Client(server) as client:
        assert len(list(client.classify_many(source()))) == 1


def test_leaving_the_loop_ends_the_thread_of_the_source(server: str) -> None:
    with Client(server) as client:
        outcomes = client.classify_many([PIXEL] * 1000, window=2)
        next(outcomes)
        outcomes.close()
        deadline = time.monotonic() + PATIENCE
        while any(thread.name == "classify-source" for thread in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
