"""`Client` against a real server in another thread."""

import gc
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.client.servicer import LABELS, Servicer, fashion, serving_in_thread
from vitscope import (
    Client,
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
from vitscope.client.sync import DEFAULT_TIMEOUT

PIXEL = np.zeros((1, 1, 3), np.uint8)


def pixels(count: int) -> Iterator[np.ndarray]:
    return (np.full((1, 1, 3), index % 251, np.uint8) for index in range(count))


def test_classify_a_photo_with_maps(server: str, photos: Path) -> None:
    with Client(server) as client:
        result = client.classify(
            photos / "one.jpg", top_k=2, attention=[0, -1], heads=[1], rendering=RenderingOptions()
        )
    assert len(result.classes) == 2
    assert {one.label for one in result.classes} <= set(LABELS)
    assert [(one.layer, one.head) for one in result.maps] == [(0, 1), (3, 1)]
    assert result.geometry.image_size == (64, 48)


def test_the_default_deadline_is_sent() -> None:
    servicer = Servicer()
    with serving_in_thread(servicer) as [address], Client(address) as client, Client(address, timeout=3) as hurried:
        client.classify(PIXEL)
        hurried.classify(PIXEL)
        client.classify(PIXEL, timeout=5)
    remaining = [left for _, left in servicer.calls]
    assert remaining == pytest.approx([DEFAULT_TIMEOUT, 3, 5], abs=0.5)


def test_a_deadline_that_passes() -> None:
    with serving_in_thread(Servicer(delay=5)) as [address], Client(address, timeout=0.2) as client:
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            client.classify(PIXEL)
        assert time.monotonic() - began < 2


def test_errors_of_the_server(server: str) -> None:
    with Client(server) as client:
        with pytest.raises(InvalidImage, match=r"image\.encoded: not an image file"):
            client.classify(b"no image")
        with pytest.raises(NotFound, match="no model 'none'; accepted: fashion"):
            client.classify(PIXEL, model="none")


def test_a_lasting_overload_has_the_estimated_wait() -> None:
    with serving_in_thread(Servicer(refuse=100, pushback_ms=1)) as [address], Client(address) as client:
        with pytest.raises(Overloaded) as caught:
            client.classify(PIXEL)
        assert caught.value.estimated_wait == 1.5


def test_no_server_fails_soon(unused_address: str) -> None:
    began = time.monotonic()
    with Client(unused_address) as client:
        with pytest.raises(Unavailable, match="refused"):
            client.classify(PIXEL)
        with pytest.raises(Unavailable, match="refused"):
            list(client.classify_many([PIXEL]))
    assert time.monotonic() - began < DEFAULT_TIMEOUT


def test_a_host_that_does_not_answer_fails_at_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, Client(f"127.0.0.1:{silent.getsockname()[1]}") as client:
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            client.classify(PIXEL, timeout=0.5)
        with pytest.raises(DeadlineExceeded):
            list(client.classify_many([PIXEL], timeout=0.5))
        assert 1 <= time.monotonic() - began < 3


def test_many_images_give_what_one_by_one_gives(server: str) -> None:
    with Client(server) as client:
        together = dict(client.classify_many(pixels(20), top_k=1))
        alone = {index: client.classify(image, top_k=1) for index, image in enumerate(pixels(20))}
    assert {i: r.classes for i, r in together.items() if isinstance(r, Result)} == {
        i: r.classes for i, r in alone.items()
    }


def test_five_thousand_items_are_read_lazily_and_stay_in_the_window() -> None:
    servicer, drawn, settled = Servicer(delay=0.05), 0, 0

    def source() -> Iterator[np.ndarray]:
        nonlocal drawn
        for image in pixels(5000):
            drawn += 1
            assert drawn - settled <= 64 + 1
            yield image

    seen = set()
    with serving_in_thread(servicer) as [address], Client(address) as client:
        for index, outcome in client.classify_many(source()):
            assert isinstance(outcome, Result)
            seen.add(index)
            settled += 1
    assert seen == set(range(5000))
    assert 32 < servicer.most_in_flight <= 64
    assert servicer.streams == 1


def test_outcomes_are_yielded_as_they_finish() -> None:
    with serving_in_thread(Servicer(delay=0.2, shuffled=True)) as [address], Client(address) as client:
        order = [index for index, _ in client.classify_many(pixels(10))]
    assert sorted(order) == list(range(10))
    assert set(order[:5]) == {1, 3, 5, 7, 9}


def test_an_answer_does_not_wait_for_the_window_to_fill(server: str) -> None:
    def slow() -> Iterator[np.ndarray]:
        for image in pixels(3):
            yield image
            time.sleep(0.2)

    began = time.monotonic()
    with Client(server) as client:
        next(iter(client.classify_many(slow())))
    assert time.monotonic() - began < 0.5


def test_bad_items_fail_alone(server: str, photos: Path) -> None:
    with Client(server) as client:
        outcomes = dict(
            client.classify_many([photos / "one.jpg", b"no image", photos / "none.jpg", photos / "two.png"])
        )
    assert [type(outcomes[index]) for index in range(4)] == [Result, InvalidImage, InvalidImage, Result]


def test_a_wrong_option_is_raised_and_not_repeated_for_each_item(server: str) -> None:
    with Client(server) as client, pytest.raises(InvalidRequest, match="top_k: -1"):
        list(client.classify_many(pixels(3), top_k=-1))


def test_a_refused_item_is_sent_again_after_the_pushback() -> None:
    servicer = Servicer(refuse=3, pushback_ms=300)
    with serving_in_thread(servicer) as [address], Client(address) as client:
        outcomes = dict(client.classify_many(pixels(8)))
    assert all(isinstance(outcome, Result) for outcome in outcomes.values())
    waits = [second - first for first, second in (times for times in servicer.arrivals.values() if len(times) > 1)]
    assert len(waits) == 3
    assert min(waits) >= 0.3


def test_an_item_that_is_always_refused_fails_alone() -> None:
    with serving_in_thread(Servicer(refuse=1000, pushback_ms=1)) as [address], Client(address) as client:
        outcomes = dict(client.classify_many(pixels(4)))
    assert [type(outcomes[index]) for index in range(4)] == [Overloaded] * 4


def test_a_slow_server_gets_no_more_than_its_capacity() -> None:
    servicer = Servicer(capacity=4, delay=0.005, pushback_ms=20)
    with serving_in_thread(servicer) as [address], Client(address) as client:
        outcomes = dict(client.classify_many(pixels(300)))
    assert len(outcomes) == 300
    assert all(isinstance(outcome, Result) for outcome in outcomes.values())


def test_a_server_that_restarts_loses_nothing() -> None:
    servicer = Servicer(break_after=10, delay=0.005)
    with serving_in_thread(servicer) as [address], Client(address) as client:
        outcomes = [index for index, outcome in client.classify_many(pixels(100)) if isinstance(outcome, Result)]
    assert sorted(outcomes) == list(range(100))
    assert servicer.streams == 2


def test_a_stream_without_answers_fails_at_the_timeout() -> None:
    with serving_in_thread(Servicer(dead_items=frozenset("2"))) as [address], Client(address) as client:
        began, seen = time.monotonic(), list[object]()
        with pytest.raises(DeadlineExceeded, match="no answer for"):
            seen.extend(client.classify_many(pixels(4), timeout=0.5))
        assert time.monotonic() - began < 3
    assert len(seen) == 3


def test_leaving_the_loop_early_ends_the_stream() -> None:
    servicer = Servicer(delay=30, shuffled=True)
    with serving_in_thread(servicer) as [address], Client(address) as client:
        outcomes = client.classify_many(pixels(1_000_000))
        for _ in outcomes:
            break
        del outcomes
        gc.collect()
        deadline = time.monotonic() + 5
        while not servicer.ended.is_set() or any(t.name == "classify-stream" for t in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert client.list_models()


def test_an_error_of_the_callers_own_source_reaches_the_caller(server: str) -> None:
    def source() -> Iterator[np.ndarray]:
        yield PIXEL
        raise RuntimeError("disk on fire")

    with Client(server) as client, pytest.raises(RuntimeError, match="disk on fire"):
        list(client.classify_many(source()))


def test_no_images_is_no_call() -> None:
    servicer = Servicer()
    with serving_in_thread(servicer) as [address], Client(address) as client:
        assert list(client.classify_many([])) == []
    assert servicer.streams == 0


def test_many_threads_may_share_a_client(server: str) -> None:
    results: list[Result] = []
    with Client(server) as client:
        threads = [threading.Thread(target=lambda: results.append(client.classify(PIXEL))) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 20


def test_models(server: str) -> None:
    with Client(server) as client:
        assert client.list_models() == [ModelSummary.of(fashion().summary)]
        assert client.get_model() == client.get_model("fashion", 1) == Model.of(fashion())
        with pytest.raises(NotFound, match="no model 'none'"):
            client.get_model("none")
        with pytest.raises(InvalidRequest, match="version: -1; accepted: whole number from 0"):
            client.get_model("fashion", -1)
