"""The scheduler's threads, run against an engine that the test controls."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.scheduling.fakes import ANYBODY, Answers, GatedEngine, lane, submit
from vitscope.server.errors import DeadlineExpired, NotReady
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.dispatcher import Dispatcher
from vitscope.server.scheduling.scheduler import Scheduler


def staged(scheduler: Scheduler, count: int) -> None:
    """Wait until `count` images are in the prefetched batch."""
    deadline = time.monotonic() + 10
    while scheduler._dispatcher.staged is None or len(scheduler._dispatcher.staged) < count:
        assert time.monotonic() < deadline, "the batch was never staged"
        time.sleep(0.001)


def test_an_idle_engine_takes_the_first_image_at_once(scheduler: Scheduler) -> None:
    engine, answers = GatedEngine(), Answers()
    model = lane(engine)
    scheduler.add_lane(model)
    submit(scheduler, model, answers, 1)
    assert engine.started.acquire(timeout=10)
    assert engine.batches == [[1]]
    engine.release()
    answers.wait(lambda a: a.done == {1: 1.0})


def test_the_prefetched_batch_grows_while_the_engine_is_busy_and_the_rest_waits(scheduler: Scheduler) -> None:
    engine, answers = GatedEngine(max_batch=4), Answers()
    model = lane(engine)
    scheduler.add_lane(model)
    submit(scheduler, model, answers, 1)
    assert engine.started.acquire(timeout=10)
    for number in range(2, 9):  # arrive one by one, while the first runs
        submit(scheduler, model, answers, number)
        staged(scheduler, min(number - 1, 4))
    assert scheduler.queue_depth() == 7
    assert len(model.waiting) == 3  # exactly one batch is prefetched
    engine.release(3)
    answers.wait(lambda a: len(a.done) == 8)
    assert engine.batches == [[1], [2, 3, 4, 5], [6, 7, 8]]
    assert answers.done == {n: float(n) for n in range(1, 9)}


def test_cancelled_work_is_not_computed_whether_staged_or_waiting(scheduler: Scheduler) -> None:
    engine, answers = GatedEngine(max_batch=2), Answers()
    model = lane(engine)
    scheduler.add_lane(model)
    work = {1: submit(scheduler, model, answers, 1)}
    assert engine.started.acquire(timeout=10)
    for number in range(2, 6):
        work[number] = submit(scheduler, model, answers, number)
    staged(scheduler, 2)
    scheduler.cancel(model, work[2])  # in the staged batch, in front of another
    scheduler.cancel(model, work[5])  # in the queue
    engine.release(3)
    answers.wait(lambda a: len(a.done) == 3)
    assert engine.batches == [[1], [3, 4]]  # its place in the staged batch was filled
    assert set(answers.done) == {1, 3, 4}
    assert answers.failed == {}


def test_expired_work_is_answered_and_not_computed(scheduler: Scheduler) -> None:
    engine, answers = GatedEngine(), Answers()
    model = lane(engine)
    scheduler.add_lane(model)
    submit(scheduler, model, answers, 1)
    assert engine.started.acquire(timeout=10)
    submit(scheduler, model, answers, 2, deadline=time.monotonic() + 0.05)
    submit(scheduler, model, answers, 3)
    staged(scheduler, 2)
    time.sleep(0.06)
    engine.release(2)
    answers.wait(lambda a: len(a.done) == 2)
    assert engine.batches == [[1], [3]]
    assert isinstance(answers.failed[2], DeadlineExpired)


def test_lanes_are_batched_apart_and_served_oldest_first(scheduler: Scheduler) -> None:
    first, second, answers = GatedEngine(), GatedEngine(), Answers()
    a, b = lane(first, "a"), lane(second, "b")
    scheduler.add_lane(a)
    scheduler.add_lane(b)
    submit(scheduler, a, answers, 1)
    assert first.started.acquire(timeout=10)
    submit(scheduler, b, answers, 2)
    staged(scheduler, 1)
    submit(scheduler, a, answers, 3)
    submit(scheduler, b, answers, 4)
    staged(scheduler, 2)
    first.release()
    assert second.started.acquire(timeout=10)
    assert first.batches == [[1]]  # one engine runs at a time, though the lanes have two
    second.release()
    first.release()
    answers.wait(lambda x: len(x.done) == 4)
    assert (first.batches, second.batches) == ([[1], [3]], [[2, 4]])


def test_max_batch_wait_holds_an_idle_engine_for_a_fuller_batch() -> None:
    scheduler = Scheduler(max_batch_wait=10)
    engine, answers = GatedEngine(max_batch=3, gated=False), Answers()
    model = lane(engine)
    scheduler.add_lane(model)
    for number in (1, 2):
        submit(scheduler, model, answers, number)
    staged(scheduler, 2)
    assert engine.batches == []
    submit(scheduler, model, answers, 3)  # full: goes at once, long before the wait is over
    answers.wait(lambda a: len(a.done) == 3)
    assert engine.batches == [[1, 2, 3]]
    scheduler.close()


def test_predicted_wait_counts_running_waiting_and_expected_work(scheduler: Scheduler) -> None:
    engine, answers = GatedEngine(max_batch=1), Answers()
    model = lane(engine, seconds_per_image=10)
    scheduler.add_lane(model)
    assert scheduler.predicted_wait(model, ANYBODY) == 0
    submit(scheduler, model, answers, 1)
    assert engine.started.acquire(timeout=10)
    assert scheduler.predicted_wait(model, ANYBODY) == pytest.approx(10, abs=0.5)
    submit(scheduler, model, answers, 2)
    submit(scheduler, model, answers, 3)
    decoding = answers.work(4)
    scheduler.expect(model, decoding)
    assert scheduler.predicted_wait(model, ANYBODY) == pytest.approx(40, abs=0.5)
    assert scheduler.backlog() == pytest.approx(40, abs=0.5)
    # Another caller's image goes before all but one of these.
    assert scheduler.predicted_wait(model, Caller("another", bulk=False)) == pytest.approx(20, abs=0.5)
    scheduler.cancel(model, decoding)
    assert scheduler.predicted_wait(model, ANYBODY) == pytest.approx(30, abs=0.5)
    engine.release(3)


def test_closing_fails_waiting_work_and_refuses_new_work(scheduler: Scheduler) -> None:
    engine, answers = GatedEngine(max_batch=1), Answers()
    model = lane(engine)
    scheduler.add_lane(model)
    submit(scheduler, model, answers, 1)
    assert engine.started.acquire(timeout=10)
    for number in (2, 3):
        submit(scheduler, model, answers, number)
    staged(scheduler, 1)
    closer = threading.Thread(target=scheduler.close)
    closer.start()
    answers.wait(lambda a: 3 in a.failed)
    assert isinstance(answers.failed[3], NotReady)
    engine.release(2)  # what ran and what was staged is finished
    closer.join(timeout=10)
    assert set(answers.done) == {1, 2}
    with pytest.raises(NotReady):
        submit(scheduler, model, answers, 4)


def test_removing_a_lane_fails_its_waiting_work_and_returns_after_its_last_batch(scheduler: Scheduler) -> None:
    engine, answers = GatedEngine(max_batch=1), Answers()
    model = lane(engine)
    scheduler.add_lane(model)
    submit(scheduler, model, answers, 1)
    assert engine.started.acquire(timeout=10)
    for number in (2, 3):
        submit(scheduler, model, answers, number)
    staged(scheduler, 1)
    remover = threading.Thread(target=scheduler.remove_lane, args=(model,))
    remover.start()
    remover.join(timeout=0.1)
    assert remover.is_alive()  # one batch runs and one is staged
    with pytest.raises(NotReady):
        submit(scheduler, model, answers, 4)
    engine.release(2)
    remover.join(timeout=10)
    assert not remover.is_alive()
    assert set(answers.done) == {1, 2}
    assert isinstance(answers.failed[3], NotReady)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["keep", "cancel", "expire"])), min_size=1, max_size=60
    ),
    st.integers(1, 5),
)
def test_every_image_is_answered_exactly_once_with_its_own_result(
    requests: list[tuple[str, str]], max_batch: int
) -> None:
    scheduler = Scheduler()
    engines = {name: GatedEngine(max_batch, gated=False) for name in "ab"}
    lanes = {name: lane(engine, name) for name, engine in engines.items()}
    for one in lanes.values():
        scheduler.add_lane(one)
    answers = Answers()
    kept, cancelled = set(), set()
    for number, (name, fate) in enumerate(requests):
        work = submit(scheduler, lanes[name], answers, number, deadline=0.0 if fate == "expire" else float("inf"))
        if fate == "cancel":
            scheduler.cancel(lanes[name], work)
            cancelled.add(number)
        elif fate == "keep":
            kept.add(number)
    expired = {n for n, (_, fate) in enumerate(requests) if fate == "expire"}
    answers.wait(lambda a: kept <= a.done.keys() and expired <= a.failed.keys())
    scheduler.close()
    assert all(answers.done[number] == number for number in kept)
    computed = [number for engine in engines.values() for batch in engine.batches for number in batch]
    assert not expired & set(computed)
    assert len(computed) == len(set(computed))
    assert all(len(batch) <= max_batch for engine in engines.values() for batch in engine.batches)
    for name, engine in engines.items():
        mine = [number for batch in engine.batches for number in batch]
        assert mine == sorted(mine), f"lane {name} was not first in, first out"


def test_the_batch_wait_ends_before_a_deadline_and_when_another_lane_has_work() -> None:
    scheduler = Scheduler(max_batch_wait=30)
    engine, answers = GatedEngine(max_batch=8, gated=False), Answers()
    a, b = lane(engine, "a"), lane(engine, "b")
    scheduler.add_lane(a)
    scheduler.add_lane(b)
    submit(scheduler, a, answers, 1, deadline=time.monotonic() + 0.5)
    answers.wait(lambda x: 1 in x.done)
    submit(scheduler, a, answers, 2)
    staged(scheduler, 1)
    submit(scheduler, b, answers, 3)
    answers.wait(lambda x: 2 in x.done)
    scheduler.close()


def test_the_dispatcher_is_called_with_the_lock_held_except_to_settle_a_finished_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scheduler = Scheduler()
    unlocked, called = set[str](), set[str]()

    def checked(name: str, method: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            called.add(name)
            if scheduler._changed.acquire(blocking=False):
                scheduler._changed.release()
                unlocked.add(name)
            return method(*arguments)

        return call

    public = {name: method for name, method in vars(Dispatcher).items() if not name.startswith("_")}
    for name, method in public.items():
        monkeypatch.setattr(Dispatcher, name, checked(name, method))
    engine, answers = GatedEngine(gated=False), Answers()
    first, second = lane(engine, "first"), lane(engine, "second")
    scheduler.add_lane(first)
    scheduler.add_lane(second)
    submit(scheduler, first, answers, 1)
    answers.wait(lambda a: 1 in a.done)
    monkeypatch.setattr(engine, "run", lambda pixels, profile: {"logits": np.float32(1)})  # not a row for each image
    submit(scheduler, first, answers, 2)
    answers.wait(lambda a: 2 in a.failed)
    scheduler.cancel(second, submit(scheduler, second, answers, 3))
    scheduler.predicted_wait(first, ANYBODY)
    scheduler.backlog()
    scheduler.queue_depth()
    scheduler.remove_lane(second)
    scheduler.close()
    assert called == public.keys()
    assert unlocked == {"deliver", "fail"}
