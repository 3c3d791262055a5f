"""`AsyncClient` against a real server in the same loop."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from tests.client.servicer import Servicer, fashion, serving
from vitscope import (
    AsyncClient,
    DeadlineExceeded,
    InvalidImage,
    InvalidRequest,
    Model,
    ModelSummary,
    NotFound,
    Overloaded,
    RenderingOptions,
    Result,
    Unavailable,
)

PIXEL = np.zeros((1, 1, 3), np.uint8)


def pixels(count: int) -> Iterator[np.ndarray]:
    return (np.full((1, 1, 3), index % 251, np.uint8) for index in range(count))


async def test_classify() -> None:
    servicer = Servicer()
    async with serving(servicer) as address, AsyncClient(address) as client:
        results = await asyncio.gather(*(client.classify(image, top_k=2, attention="last") for image in pixels(20)))
        with pytest.raises(InvalidImage):
            await client.classify(b"no image")
        with pytest.raises(NotFound):
            await client.classify(PIXEL, model="none")
    assert all(len(result.classes) == 2 and len(result.maps) == 1 for result in results)
    assert servicer.calls[0][1] == pytest.approx(10, abs=0.5)


async def test_pushback_is_honoured() -> None:
    servicer = Servicer(refuse=1, pushback_ms=400)
    async with serving(servicer) as address, AsyncClient(address) as client:
        await client.classify(PIXEL)
    (first, _), (second, _) = servicer.calls
    assert 0.4 <= second - first < 0.8


async def test_errors_of_time() -> None:
    async with serving(Servicer(delay=5)) as address, AsyncClient(address, timeout=0.2) as client:
        with pytest.raises(DeadlineExceeded):
            await client.classify(PIXEL)
        with pytest.raises(DeadlineExceeded):
            [_ async for _ in client.classify_many([PIXEL])]


async def test_no_server_fails_soon(unused_address: str) -> None:
    began = time.monotonic()
    async with AsyncClient(unused_address) as client:
        with pytest.raises(Unavailable):
            await client.classify(PIXEL)
        with pytest.raises(Unavailable):
            [_ async for _ in client.classify_many([PIXEL])]
    assert time.monotonic() - began < 10


async def test_round_robin() -> None:
    one, two = Servicer(), Servicer()
    async with serving(one) as first, serving(two) as second, AsyncClient(f"{first},{second}") as client:
        for _ in range(40):
            await client.classify(PIXEL)
    assert min(len(one.calls), len(two.calls)) >= 15


async def test_five_thousand_items_stay_in_the_window() -> None:
    servicer = Servicer(delay=0.002)
    async with serving(servicer) as address, AsyncClient(address) as client:
        outcomes = {index: outcome async for index, outcome in client.classify_many(pixels(5000))}
    assert outcomes.keys() == set(range(5000))
    assert all(isinstance(outcome, Result) for outcome in outcomes.values())
    assert servicer.most_in_flight <= 64
    assert servicer.streams == 1


async def test_an_asynchronous_source_with_paths_bad_items_and_refusals(photos: Path) -> None:
    async def source() -> AsyncIterator[Path | bytes]:
        for image in (photos / "one.jpg", b"no image", photos / "none.jpg", photos / "two.png"):
            await asyncio.sleep(0.01)
            yield image

    async with serving(Servicer(refuse=1, pushback_ms=50)) as address, AsyncClient(address) as client:
        outcomes = {index: outcome async for index, outcome in client.classify_many(source())}
    assert [type(outcomes[index]) for index in range(4)] == [Result, InvalidImage, InvalidImage, Result]


async def test_an_item_that_is_always_refused_fails_alone() -> None:
    async with serving(Servicer(refuse=1000, pushback_ms=1)) as address, AsyncClient(address) as client:
        assert [type(outcome) async for _, outcome in client.classify_many([PIXEL])] == [Overloaded]


async def test_a_server_that_restarts_loses_nothing() -> None:
    servicer = Servicer(break_after=10, delay=0.005)
    async with serving(servicer) as address, AsyncClient(address) as client:
        indices = [index async for index, outcome in client.classify_many(pixels(100)) if isinstance(outcome, Result)]
    assert sorted(indices) == list(range(100))
    assert servicer.streams == 2


async def test_large_answers_and_large_requests_do_not_block_each_other() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (500, 500, 3), np.uint8)
    async with serving(Servicer()) as address, AsyncClient(address) as client:
        many = client.classify_many([photo] * 16, attention="last", heads="all", rendering=RenderingOptions())
        assert len([index async for index, _ in many]) == 16


async def test_leaving_the_loop_early_ends_the_stream() -> None:
    servicer = Servicer(delay=30, shuffled=True)
    async with serving(servicer) as address, AsyncClient(address) as client:
        async with aclosing(client.classify_many(pixels(1_000_000))) as outcomes:
            async for _ in outcomes:
                break
        async with asyncio.timeout(5):
            await servicer.ended.wait()
        assert await client.list_models()


async def test_cancelling_the_task_ends_the_stream() -> None:
    servicer = Servicer(delay=0.01)

    async def consume(client: AsyncClient) -> None:
        async for _ in client.classify_many(pixels(1_000_000)):
            pass

    async with serving(servicer) as address, AsyncClient(address) as client:
        task = asyncio.create_task(consume(client))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await servicer.ended.wait()


async def test_models() -> None:
    async with serving(Servicer()) as address, AsyncClient(address) as client:
        assert await client.list_models() == [ModelSummary.of(fashion().summary)]
        assert await client.get_model() == await client.get_model("fashion", 1) == Model.of(fashion())
        with pytest.raises(NotFound):
            await client.get_model("none")
        with pytest.raises(InvalidRequest, match="version: -1; accepted: whole number from 0"):
            await client.get_model("fashion", -1)
