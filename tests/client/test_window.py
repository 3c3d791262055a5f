"""The window of a stream, with a fake clock and without a server."""

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.servicer import answer
from vitscope import DeadlineExceeded, InvalidRequest, Overloaded, Result, Unavailable
from vitscope.client.channel import MAX_ATTEMPTS
from vitscope.client.errors import RequestTooLarge, from_status
from vitscope.client.window import Window
from vitscope.v1 import classifier_pb2

REQUEST = classifier_pb2.ClassifyRequest()
REQUEST.image.raw.width = REQUEST.image.raw.height = 1
REQUEST.image.raw.rgb = b"\0\0\0"
TIMEOUT = 10.0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def ok(index: int) -> classifier_pb2.ClassifyStreamResponse:
    return classifier_pb2.ClassifyStreamResponse(request_id=str(index), response=answer(REQUEST))


def refused(index: int, retry_after_ms: int = 0) -> classifier_pb2.ClassifyStreamResponse:
    return classifier_pb2.ClassifyStreamResponse(
        request_id=str(index),
        error=classifier_pb2.ItemError(code=8, message="queue is full", retry_after_ms=retry_after_ms),
    )


def sent(window: Window) -> list[int]:
    return [int(message.request_id) for message in window.take_due()]


def unreachable() -> Unavailable:
    return Unavailable(grpc.StatusCode.UNAVAILABLE, "connection refused")


def filled(clock: Clock, size: int) -> Window:
    window = Window(size, TIMEOUT, clock)
    for index in range(size):
        window.add(index, REQUEST)
    return window


def test_items_go_out_once_in_order(clock: Clock) -> None:
    window = filled(clock, 3)
    assert not window.room
    assert sent(window) == [0, 1, 2]
    assert sent(window) == []
    outcome = window.settle(ok(1))
    assert outcome is not None
    assert outcome[0] == 1
    assert isinstance(outcome[1], Result)
    assert window.room
    assert len(window) == 2


def test_a_refused_item_waits_for_the_pushback(clock: Clock) -> None:
    window = filled(clock, 1)
    sent(window)
    assert window.settle(refused(0, retry_after_ms=1500)) is None
    assert window.wait_limit() == 1.5
    clock.now += 1.49
    assert sent(window) == []
    clock.now += 0.02
    assert sent(window) == [0]


def test_a_refused_item_fails_after_the_last_attempt(clock: Clock) -> None:
    window = filled(clock, 1)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert sent(window) == [0]
        outcome = window.settle(refused(0))
        assert (outcome is None) == (attempt < MAX_ATTEMPTS)
        clock.now += 3
    assert outcome is not None
    assert isinstance(outcome[1], Overloaded)
    assert not window


def test_refusals_lower_the_limit_in_flight_and_answers_raise_it(clock: Clock) -> None:
    window = filled(clock, 8)
    assert len(sent(window)) == 8
    for index in (0, 1):
        assert window.settle(refused(index, retry_after_ms=10)) is None
    clock.now += 1
    for index in (2, 3, 4, 5):
        assert sent(window) == []  # the limit is 2 now
        window.settle(ok(index))
    assert sent(window) == [0]  # and 3 after four answers; 6 and 7 are still in flight
    for index in (6, 7, 0):
        window.settle(ok(index))
    widths, index = [], 8
    for _ in range(20):
        while window.room:
            window.add(index, REQUEST)
            index += 1
        out = sent(window)
        widths.append(len(out))
        for number in out:
            window.settle(ok(number))
    assert widths[0] == 4
    assert sorted(widths) == widths
    assert widths[-1] == 8


def test_no_answer_for_the_timeout_is_an_error_and_an_answer_restarts_it(clock: Clock) -> None:
    window = filled(clock, 2)
    sent(window)
    window.waited(9)
    assert window.wait_limit() == pytest.approx(1)
    window.settle(ok(0))
    window.waited(9)
    assert window.wait_limit() == pytest.approx(1)
    window.waited(1)
    with pytest.raises(DeadlineExceeded, match=r"no answer for 10\.0 s; 1 items"):
        window.wait_limit()


def test_only_time_spent_waiting_counts(clock: Clock) -> None:
    window = filled(clock, 2)
    sent(window)
    clock.now += 1000  # the body of the caller's loop
    assert window.wait_limit() is not None
    window.settle(ok(0))
    clock.now += 1000
    window.stream_broke(unreachable())  # is not raised: nobody has waited
    clock.now += 1
    assert sent(window) == [1]


def test_one_wait_is_a_part_of_the_timeout_so_that_a_stopped_process_has_not_waited_for_all_of_it(clock: Clock) -> None:
    window = filled(clock, 1)
    sent(window)
    limit = window.wait_limit()
    assert limit is not None
    assert 0 < limit < TIMEOUT / 2


def test_time_without_items_does_not_count_as_waiting(clock: Clock) -> None:
    window = Window(1, TIMEOUT, clock)
    window.waited(1000)
    assert window.wait_limit() is None
    window.add(0, REQUEST)
    assert window.wait_limit() is not None


def test_items_of_a_broken_stream_are_sent_again_after_a_pause(clock: Clock) -> None:
    window = filled(clock, 3)
    sent(window)
    window.settle(ok(1))
    window.stream_broke(unreachable())
    window.add(3, REQUEST)
    assert sent(window) == []
    limit = window.wait_limit()
    assert limit is not None
    assert 0 < limit < 0.2
    clock.now += 0.2
    assert sorted(sent(window)) == [0, 2, 3]


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_a_stream_may_break_with_other_codes(code: grpc.StatusCode, clock: Clock) -> None:
    window = filled(clock, 1)
    sent(window)
    window.stream_broke(from_status(code, "Internal error from Core"))
    clock.now += 0.2
    assert sent(window) == [0]


def test_no_server_from_the_start_fails_after_the_last_attempt(clock: Clock) -> None:
    window = filled(clock, 1)
    for _ in range(MAX_ATTEMPTS - 1):
        window.stream_broke(unreachable())
    with pytest.raises(Unavailable, match="connection refused"):
        window.stream_broke(unreachable())


def test_a_server_that_answered_may_be_away_for_the_timeout(clock: Clock) -> None:
    window = filled(clock, 2)
    sent(window)
    window.settle(ok(0))
    for _ in range(9):
        window.waited(1)
        window.stream_broke(unreachable())
    window.waited(1)
    with pytest.raises(Unavailable):
        window.stream_broke(unreachable())


def test_an_error_that_a_retry_cannot_cure_is_raised(clock: Clock) -> None:
    with pytest.raises(Exception, match="UNIMPLEMENTED"):
        filled(clock, 1).stream_broke(from_status(grpc.StatusCode.UNIMPLEMENTED, "no such method"))


def test_a_window_of_size_0_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="window: 0; accepted: 1 or more"):
        Window(0, TIMEOUT)


@given(st.integers(1, 9), st.data())
def test_every_item_has_one_outcome_whatever_happens(size: int, data: st.DataObject) -> None:
    clock, total = Clock(), 12
    window, out, outcomes, added = Window(size, 1e9, clock), set[int](), [], 0
    while added < total or window:
        while added < total and window.room:
            window.add(added, REQUEST)
            added += 1
        assert len(window) <= size
        new = sent(window)
        assert not out & set(new)
        out |= set(new)
        event = data.draw(st.sampled_from(["answer", "answer", "refuse", "break"])) if out else "wait"
        if event == "wait":
            clock.now += window.wait_limit()
        elif event == "break":
            window._answered = True
            window.stream_broke(unreachable())
            out.clear()
        else:
            index = data.draw(st.sampled_from(sorted(out)))
            out.remove(index)
            outcome = window.settle(ok(index) if event == "answer" else refused(index, 20))
            outcomes += [outcome[0]] if outcome else []
    assert sorted(outcomes) == list(range(total))


def test_an_item_too_large_for_the_server_is_not_sent_again(clock: Clock) -> None:
    window = filled(clock, 2)
    large = classifier_pb2.ClassifyRequest()
    large.image.encoded = bytes(5000)
    window.add(2, large)
    assert sent(window) == [0, 1]
    window.settle(ok(0))
    assert sent(window) == [2]
    error = RequestTooLarge(5010, 1000)
    assert window.stream_broke(error) == [(2, error)]
    assert sent(window) == [1]
    with pytest.raises(RequestTooLarge):
        window.stream_broke(error)
