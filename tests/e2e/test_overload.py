"""Deadlines, cancellation and overload against a model that takes its time."""

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import median

import grpc
import pytest

from tests.e2e.harness import RunningServer, numbered
from vitscope.loadtest.generator import Load, generate
from vitscope.loadtest.numbered import Numbered, in_comment
from vitscope.v1 import classifier_pb2, image_pb2


@pytest.fixture(scope="module")
def heavy(heavy_models: Path) -> Iterator[RunningServer]:
    with RunningServer(heavy_models, "--max-queue-wait", "0.5") as server:
        yield server


_numbers = count()


def request(photo: bytes) -> classifier_pb2.ClassifyRequest:
    """No two alike."""
    return classifier_pb2.ClassifyRequest(image=image_pb2.Image(encoded=numbered(photo, next(_numbers))))


def computed(server: RunningServer) -> float:
    return server.metric("vitscope_batch_size_sum")


def idle(server: RunningServer) -> None:
    until = time.monotonic() + 30
    while server.metric("vitscope_in_flight"):
        assert time.monotonic() < until, "requests never left"
        time.sleep(0.05)


def test_cancelled_requests_are_not_computed(heavy: RunningServer, photo: bytes) -> None:
    idle(heavy)
    before = computed(heavy)
    calls = [heavy.stub.Classify.future(request(photo), timeout=30) for _ in range(40)]
    calls[0].result()
    for call in calls[1:]:
        call.cancel()
    idle(heavy)
    # What ran or was about to run when the cancellations arrived may have been computed; the rest was not.
    assert computed(heavy) - before < 35
    assert heavy.metric("vitscope_requests_total", code="CANCELLED") > 0
    assert heavy.stub.Classify(request(photo), timeout=30).classes


def test_a_deadline_that_cannot_be_met_is_refused_at_once_with_pushback(heavy: RunningServer, photo: bytes) -> None:
    idle(heavy)
    before = computed(heavy)
    with pytest.raises(grpc.RpcError) as caught:
        heavy.stub.Classify(request(photo), timeout=0.004)
    idle(heavy)
    # At this scale the deadline may also pass on the way; it is never computed in either case.
    assert caught.value.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED)
    assert computed(heavy) == before


def test_overload_is_refused_at_the_door_and_says_when_to_come_back(heavy: RunningServer, photo: bytes) -> None:
    idle(heavy)
    before = heavy.metric("vitscope_refusals_total", reason="queue_wait")
    calls = [heavy.stub.Classify.future(request(photo), timeout=30) for _ in range(300)]
    codes: dict[grpc.StatusCode, int] = {}
    for call in calls:
        code = call.code()
        codes[code] = codes.get(code, 0) + 1
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            trailers = dict(call.trailing_metadata())
            assert int(trailers["grpc-retry-pushback-ms"]) > 0
            assert int(trailers["vitscope-estimated-wait-ms"]) > 500
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}, codes
    refused = heavy.metric("vitscope_refusals_total", reason="queue_wait") - before
    assert refused == codes[grpc.StatusCode.RESOURCE_EXHAUSTED]


def test_an_open_loop_beyond_the_capacity_is_answered_as_fast_as_a_closed_one(
    heavy: RunningServer, photo: bytes
) -> None:
    idle(heavy)
    sent = (Numbered.of(classifier_pb2.ClassifyRequest(image=image_pb2.Image(encoded=in_comment(photo)))),)
    capacity = generate(Load(heavy.address, sent, seconds=2, warm_up=0.5, clients=8)).rate
    load = Load(heavy.address, sent, seconds=4, warm_up=1, rate=4 * capacity, timeout=2, connections=8)
    result = generate(load)
    # Half, and the median: it shares its cores with the generator and with whatever else the machine does.
    assert result.rate > 0.5 * capacity
    assert set(result.codes) <= {"OK", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}
    assert result.codes["RESOURCE_EXHAUSTED"] > result.codes["OK"]
    assert result.codes["DEADLINE_EXCEEDED"] < 0.1 * result.codes.total()
    assert median(result.refused) < 0.5
    idle(heavy)


def test_requests_with_a_deadline_are_answered_refused_or_late_but_never_lost(
    heavy: RunningServer, photo: bytes
) -> None:
    idle(heavy)
    calls = [heavy.stub.Classify.future(request(photo), timeout=1) for _ in range(200)]
    codes = [call.code() for call in calls]
    assert set(codes) <= {
        grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED,
    }  # fmt: skip
    assert grpc.StatusCode.OK in codes
    idle(heavy)


def test_a_stream_is_slowed_down_rather_than_refused(heavy: RunningServer, photo: bytes) -> None:
    idle(heavy)
    items = (classifier_pb2.ClassifyStreamRequest(request_id=str(n), request=request(photo)) for n in range(150))
    answers = list(heavy.stub.ClassifyStream(items, timeout=60))
    assert sorted(int(answer.request_id) for answer in answers) == list(range(150))
    assert all(answer.HasField("response") for answer in answers)


def test_a_stream_of_more_items_than_there_are_places_flows(heavy_models: Path, photo: bytes) -> None:
    with RunningServer(heavy_models, "--max-in-flight", "4") as server:
        items = (classifier_pb2.ClassifyStreamRequest(request_id=str(n), request=request(photo)) for n in range(60))
        answers = list(server.stub.ClassifyStream(items, timeout=30))
    assert sorted(int(answer.request_id) for answer in answers) == list(range(60))
    assert all(answer.HasField("response") for answer in answers)


def test_a_stream_leaves_room_for_unary_callers(heavy: RunningServer, photo: bytes) -> None:
    idle(heavy)
    before = heavy.metric("vitscope_refusals_total")
    items = (classifier_pb2.ClassifyStreamRequest(request=request(photo)) for _ in range(120))
    stream = heavy.stub.ClassifyStream(items, timeout=60)
    next(stream)
    answered = [heavy.stub.Classify(request(photo), timeout=10) for _ in range(10)]
    assert all(answer.classes for answer in answered)
    assert sum(1 for _ in stream) == 119
    assert heavy.metric("vitscope_refusals_total") == before


def test_a_stream_that_is_dropped_midway_leaves_nothing_behind(heavy: RunningServer, photo: bytes) -> None:
    idle(heavy)

    def endless() -> Iterator[classifier_pb2.ClassifyStreamRequest]:
        while True:
            yield classifier_pb2.ClassifyStreamRequest(request=request(photo))

    call = heavy.stub.ClassifyStream(endless())
    for _ in range(5):
        next(call)
    call.cancel()
    idle(heavy)
    time.sleep(1)  # the batch that ran at that moment is finished all the same
    before = computed(heavy)
    time.sleep(0.5)
    assert computed(heavy) == before
