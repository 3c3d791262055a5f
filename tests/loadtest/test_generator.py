"""The load generator against a scripted server: what it sends, counts and leaves out."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from vitscope.loadtest import generator
from vitscope.loadtest.arrivals import schedule
from vitscope.loadtest.channels import SERVICE
from vitscope.loadtest.generator import NOT_SENT, Load, generate
from vitscope.loadtest.numbered import Numbered

PAYLOADS = (Numbered((b"a", b"")), Numbered((b"b", b"")))


class Scripted:
    """Takes `seconds` for each request, one at a time. Refuses every second one if `refusing`."""

    def __init__(self, seconds: float = 0.0, refusing: bool = False) -> None:
        self.seconds, self.refusing, self.received = seconds, refusing, list[bytes]()

    def Classify(self, request: bytes, context: Any) -> bytes:
        self.received.append(request)
        threading.Event().wait(self.seconds)
        if self.refusing and len(self.received) % 2:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        return b"reply"

    def ClassifyStream(self, items: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for item in items:
            self.received.append(item)
            yield item


@contextmanager
def serving(servicer: Scripted) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(1))
    handlers = {
        "Classify": grpc.unary_unary_rpc_method_handler(servicer.Classify),
        "ClassifyStream": grpc.stream_stream_rpc_method_handler(servicer.ClassifyStream),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def test_a_closed_loop_waits_for_each_answer_and_sends_no_message_twice() -> None:
    servicer = Scripted()
    with serving(servicer) as address:
        result = generate(Load(address, PAYLOADS, seconds=0.4, warm_up=0.1, clients=3, keep=2))
    assert result.codes.keys() == {"OK"}
    assert result.codes["OK"] == len(result.answered) > 3
    assert len(set(servicer.received)) == len(servicer.received) > result.codes["OK"]
    assert result.replies == [b"reply", b"reply"]
    assert result.rate > 0
    assert 0 < result.cpu_seconds < result.wall_seconds * 2


def test_an_open_loop_sends_at_every_arrival_and_counts_from_it() -> None:
    servicer = Scripted(seconds=0.05)
    with serving(servicer) as address:
        result = generate(Load(address, PAYLOADS, seconds=0.5, warm_up=0.0, rate=100, seed=5))
    arrivals = schedule(100, 0.5, seed=5)
    assert result.codes == {"OK": len(arrivals)}
    # The server takes one at a time: the last is done at the earliest n x 50 ms after the first arrival. A generator
    # that waited for replies before it sends would measure 50 ms each.
    assert max(result.answered) >= len(arrivals) * 0.05 - arrivals[-1]


def test_the_warm_up_is_sent_and_not_counted() -> None:
    servicer = Scripted()
    with serving(servicer) as address:
        result = generate(Load(address, PAYLOADS, seconds=0.3, warm_up=0.3, rate=100, seed=5))
    arrivals = schedule(100, 0.6, seed=5)
    assert len(servicer.received) == len(arrivals)
    assert result.codes["OK"] == sum(arrival >= 0.3 for arrival in arrivals) < len(arrivals)


def test_refusals_and_late_answers_are_counted_apart() -> None:
    with serving(Scripted(refusing=True)) as address:
        result = generate(Load(address, PAYLOADS, seconds=0.3, warm_up=0.0, rate=60))
    assert set(result.codes) == {"OK", "RESOURCE_EXHAUSTED"}
    assert len(result.refused) == result.codes["RESOURCE_EXHAUSTED"] > 0
    with serving(Scripted(seconds=0.3)) as address:
        result = generate(Load(address, PAYLOADS, seconds=0.2, warm_up=0.0, rate=50, timeout=0.1))
    assert result.codes.keys() == {"DEADLINE_EXCEEDED"}
    assert result.answered == result.refused == []
    assert result.rate == 0


def test_a_stream_ends_with_the_time() -> None:
    servicer = Scripted()
    with serving(servicer) as address:
        result = generate(Load(address, PAYLOADS, seconds=0.3, warm_up=0.1, stream=True, keep=3))
    assert result.codes["OK"] > 3
    assert len(result.replies) == 3
    assert len(set(servicer.received)) == len(servicer.received)


def test_a_generator_that_cannot_keep_up_sends_no_more_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "_MOST_UNDER_WAY", 5)
    servicer = Scripted(seconds=0.1)
    with serving(servicer) as address:
        result = generate(Load(address, PAYLOADS, seconds=0.5, warm_up=0.1, rate=400, timeout=2.0))
    assert result.codes[NOT_SENT] > 0
    assert 0 < result.codes["OK"] < 20
    assert set(result.codes) == {"OK", NOT_SENT}
