"""An image that cannot be computed takes no other image of its batch with it."""

from collections.abc import Iterator

import numpy as np
import pytest
import structlog

from tests.server.scheduling.fakes import Answers, GatedEngine, lane, submit
from vitscope.server.engines.contract import Outputs, Status
from vitscope.server.errors import ComputeFailed, DeadlineExpired
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.scheduler import Scheduler

LONG = "onnxruntime/core/providers/gather.cc:12 " * 200


class Picky(GatedEngine):
    """Raises for the images in `bad`, answers with NaN or infinity those in `odd`; broken: raises for all."""

    def __init__(self, bad: tuple[int, ...] = (), odd: dict[int, float] | None = None, max_batch: int = 8) -> None:
        super().__init__(max_batch)
        self.bad, self.odd, self.broken = bad, odd or {}, False

    def run(self, pixels: np.ndarray, profile: int) -> Outputs:
        outputs = super().run(pixels, profile)
        numbers = [int(number) for number in pixels[:, 0, 0, 0]]
        if self.broken or set(numbers) & set(self.bad):
            raise RuntimeError(LONG)
        maps = np.ones((len(numbers), 2, 3), np.float32)
        for row, number in enumerate(numbers):
            maps[row, 1, 2] = self.odd.get(number, 1.0)
        return {**outputs, "attention": maps}


class Counted:
    """Counts what `failed` is told, by reason."""

    def __init__(self) -> None:
        self.images: dict[str, int] = {}

    def __call__(self, lane: Lane, reason: str, images: int) -> None:
        self.images[reason] = self.images.get(reason, 0) + images


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def scheduler(counted: Counted) -> Iterator[Scheduler]:
    scheduler = Scheduler(failed=counted)
    yield scheduler
    scheduler.close()


def run_together(scheduler: Scheduler, model: Lane, engine: GatedEngine, answers: Answers, *numbers: int) -> None:
    """Run images in one batch: they are staged while image 200 runs."""
    submit(scheduler, model, answers, 200)
    assert engine.started.acquire(timeout=10)
    for number in numbers:
        submit(scheduler, model, answers, number)
    engine.release(100)
    answers.wait(lambda a: {200, *numbers} <= {*a.done, *a.failed})


def test_the_image_for_which_the_engine_raises_fails_alone(scheduler: Scheduler, counted: Counted) -> None:
    engine, answers = Picky(bad=(3,)), Answers()
    scheduler.add_lane(model := lane(engine))
    with structlog.testing.capture_logs() as logs:
        run_together(scheduler, model, engine, answers, 1, 2, 3, 4, 5, 6)
    assert {number: answers.done[number] for number in (1, 2, 4, 5, 6)} == {1: 1, 2: 2, 4: 4, 5: 5, 6: 6}
    assert engine.batches == [[200], [1, 2, 3, 4, 5, 6], [1], [2], [3], [4], [5], [6]]
    assert counted.images == {"engine": 1}
    error = answers.failed[3]
    assert isinstance(error, ComputeFailed) and "gather.cc" not in str(error)
    (line,) = logs
    assert line["error_id"] == error.error_id and line["images"] == 1 and len(str(line)) < 1000


def test_an_image_that_is_alone_is_run_once(scheduler: Scheduler) -> None:
    engine, answers = Picky(bad=(3,)), Answers()
    scheduler.add_lane(model := lane(engine))
    engine.release(10)
    submit(scheduler, model, answers, 3)
    answers.wait(lambda a: 3 in a.failed)
    assert engine.batches == [[3]]


def test_a_broken_engine_is_not_run_twice_for_ever(scheduler: Scheduler, counted: Counted) -> None:
    engine, answers = Picky(), Answers()
    scheduler.add_lane(model := lane(engine))
    engine.broken = True
    with structlog.testing.capture_logs() as logs:
        for first in range(0, 100, 5):
            engine.started = type(engine.started)(0)
            numbers = range(first, first + 5)
            for number in numbers:
                submit(scheduler, model, answers, number)
            engine.release(100)
            answers.wait(lambda a: set(numbers) <= a.failed.keys())  # noqa: B023
    assert counted.images == {"engine": 100}
    # At most one batch in a second is taken apart; the rest are run once and logged once.
    assert sum(map(len, engine.batches)) < 100 + 5 * 8
    assert len(logs) <= len(engine.batches)
    engine.broken = False
    submit(scheduler, model, answers, 150)
    answers.wait(lambda a: 150 in a.done)


def test_an_engine_that_says_it_is_broken_is_not_asked_again(scheduler: Scheduler) -> None:
    class Broken(Picky):
        def status(self) -> Status:
            return Status(broken="a sticky error")

    engine, answers = Broken(bad=(3,)), Answers()
    scheduler.add_lane(model := lane(engine))
    run_together(scheduler, model, engine, answers, 1, 2, 3)
    assert engine.batches == [[200], [1, 2, 3]]
    assert answers.failed.keys() == {1, 2, 3}


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_no_answer(scheduler: Scheduler, counted: Counted, odd: float) -> None:
    engine, answers = Picky(odd={2: odd, 4: odd}), Answers()
    scheduler.add_lane(model := lane(engine))
    with structlog.testing.capture_logs() as logs:
        run_together(scheduler, model, engine, answers, 1, 2, 3, 4)
    assert answers.done.keys() == {200, 1, 3}
    assert counted.images == {"not_finite": 2}
    assert engine.batches == [[200], [1, 2, 3, 4]], "the others have their answers already"
    (line,) = logs
    assert line["reason"] == "attention hold NaN or infinite numbers"
    for number in (2, 4):
        assert isinstance(error := answers.failed[number], ComputeFailed)
        assert error.error_id == line["error_id"]


def test_large_numbers_whose_sum_overflows_are_answers(scheduler: Scheduler) -> None:
    engine, answers = Picky(odd={1: 3e38, 2: 3e38, 3: 3e38}), Answers()
    scheduler.add_lane(model := lane(engine))
    run_together(scheduler, model, engine, answers, 1, 2, 3)
    assert answers.done.keys() == {200, 1, 2, 3}


def test_an_image_whose_deadline_has_passed_is_not_run_again(counted: Counted) -> None:
    now = [0.0]

    class Slow(Picky):
        def run(self, pixels: np.ndarray, profile: int) -> Outputs:
            try:
                return super().run(pixels, profile)
            finally:
                now[0] += 1.0

    scheduler = Scheduler(failed=counted, clock=lambda: now[0])
    engine, answers = Slow(bad=(3,)), Answers()
    scheduler.add_lane(model := lane(engine))
    submit(scheduler, model, answers, 200)
    assert engine.started.acquire(timeout=10)
    for number, deadline in ((1, 100.0), (2, 1.5), (3, 100.0)):
        submit(scheduler, model, answers, number, deadline=deadline)
    engine.release(100)
    answers.wait(lambda a: {200, 1, 2, 3} <= {*a.done, *a.failed})
    scheduler.close()
    assert isinstance(answers.failed[2], DeadlineExpired)
    assert [2] not in engine.batches
    assert 1 in answers.done
