import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

from bench.load import Load, Payload, generate
from bench.timing import poisson_arrivals
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc

PAYLOADS = (Payload(b"a", b""), Payload(b"b", b""))


class Scripted(classifier_pb2_grpc.ClassifierServiceServicer):
    """Takes `seconds` for each request, one at a time, and refuses every second one if told so."""

    def __init__(self, seconds: float = 0.0, refusing: bool = False) -> None:
        self.seconds, self.refusing, self.seen = seconds, refusing, list[bytes]()

    def Classify(self, request: bytes, context: Any) -> bytes:
        self.seen.append(request)
        threading.Event().wait(self.seconds)
        if self.refusing and len(self.seen) % 2:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        return b"reply"

    def ClassifyStream(self, items: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for item in items:
            self.seen.append(item)
            yield item


@contextmanager
def serving(servicer: Scripted) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(1))
    handlers = {
        "Classify": grpc.unary_unary_rpc_method_handler(servicer.Classify),
        "ClassifyStream": grpc.stream_stream_rpc_method_handler(servicer.ClassifyStream),
    }
    name = classifier_pb2.DESCRIPTOR.services_by_name["ClassifierService"].full_name
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def test_a_closed_loop_waits_for_each_answer_and_sends_no_message_twice() -> None:
    servicer = Scripted()
    with serving(servicer) as address:
        outcome = generate(Load(address, PAYLOADS, seconds=0.4, warm_up=0.1, clients=3, keep=2))
    assert outcome.codes.keys() == {"OK"}
    assert outcome.codes["OK"] == len(outcome.answered) > 3
    assert len(set(servicer.seen)) == len(servicer.seen) > outcome.codes["OK"]
    assert outcome.replies == [b"reply", b"reply"]
    assert outcome.rate > 0
    assert 0 < outcome.cpu_seconds < outcome.wall_seconds * 2


def test_an_open_loop_sends_what_is_due_and_counts_from_when_it_was_due() -> None:
    servicer = Scripted(seconds=0.05)
    with serving(servicer) as address:
        outcome = generate(Load(address, PAYLOADS, seconds=0.5, warm_up=0.0, rate=100, seed=5))
    arrivals = poisson_arrivals(100, 0.5, seed=5)
    assert outcome.codes == {"OK": len(arrivals)}
    # One at a time, the last is done no earlier than n x 50 ms after the first arrived. A generator that waits for answers
    # before it sends would see 50 ms each.
    assert max(outcome.answered) >= len(arrivals) * 0.05 - arrivals[-1]


def test_the_warm_up_is_sent_and_not_measured() -> None:
    servicer = Scripted()
    with serving(servicer) as address:
        outcome = generate(Load(address, PAYLOADS, seconds=0.3, warm_up=0.3, rate=100, seed=5))
    arrivals = poisson_arrivals(100, 0.6, seed=5)
    assert len(servicer.seen) == len(arrivals)
    assert outcome.codes["OK"] == (arrivals >= 0.3).sum() < len(arrivals)


def test_refusals_and_late_answers_are_counted_apart() -> None:
    with serving(Scripted(refusing=True)) as address:
        outcome = generate(Load(address, PAYLOADS, seconds=0.3, warm_up=0.0, rate=60))
    assert set(outcome.codes) == {"OK", "RESOURCE_EXHAUSTED"}
    assert len(outcome.refused) == outcome.codes["RESOURCE_EXHAUSTED"] > 0
    with serving(Scripted(seconds=0.3)) as address:
        outcome = generate(Load(address, PAYLOADS, seconds=0.2, warm_up=0.0, rate=50, timeout=0.1))
    assert outcome.codes.keys() == {"DEADLINE_EXCEEDED"}
    assert outcome.answered == outcome.refused == []
    assert outcome.rate == 0


def test_a_stream_goes_on_until_the_end() -> None:
    servicer = Scripted()
    with serving(servicer) as address:
        outcome = generate(Load(address, PAYLOADS, seconds=0.3, warm_up=0.1, stream=True, keep=3))
    assert outcome.codes["OK"] > 3
    assert len(outcome.replies) == 3
    assert len(set(servicer.seen)) == len(servicer.seen)
