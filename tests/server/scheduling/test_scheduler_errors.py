"""What the scheduler refuses, and what an error in one batch leaves untouched."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.server.scheduling.fakes import Answers, GatedEngine, lane, pixels, submit
from vitscope.server.engines.contract import Outputs
from vitscope.server.scheduling.scheduler import Scheduler


def test_a_failing_run_fails_its_own_batch_only(scheduler: Scheduler) -> None:
    engine, answers = GatedEngine(), Answers()
    model = lane(engine)
    scheduler.add_lane(model)
    engine.fail_next = RuntimeError("out of memory")
    submit(scheduler, model, answers, 1)
    engine.release(2)
    answers.wait(lambda a: 1 in a.failed)
    submit(scheduler, model, answers, 2)
    answers.wait(lambda a: 2 in a.done)
    assert str(answers.failed[1]).startswith("the engine failed, error ")
    assert scheduler.alive


def test_a_lane_without_enough_slots_is_refused(scheduler: Scheduler) -> None:
    model = lane(GatedEngine())
    model.slots = model.slots[:1]
    with pytest.raises(ValueError, match="found 1 slots, 2 are needed"):
        scheduler.add_lane(model)


def test_outputs_of_a_wrong_shape_fail_the_batch_and_end_no_thread(scheduler: Scheduler) -> None:
    class Scalar(GatedEngine):
        def run(self, pixels: np.ndarray, profile: int) -> Outputs:
            super().run(pixels, profile)
            return {"logits": np.float32(1)}  # type: ignore[dict-item]

    broken, fine, answers = Scalar(gated=False), GatedEngine(gated=False), Answers()
    bad, good = lane(broken, "bad"), lane(fine, "good")
    scheduler.add_lane(bad)
    scheduler.add_lane(good)
    for number in range(4):
        submit(scheduler, bad, answers, number)
    answers.wait(lambda a: len(a.failed) == 4)
    submit(scheduler, good, answers, 9)
    answers.wait(lambda a: 9 in a.done)
    assert scheduler.alive


def test_pixels_of_another_shape_are_refused(scheduler: Scheduler) -> None:
    model, answers = lane(GatedEngine()), Answers()
    scheduler.add_lane(model)
    work = answers.work(1)
    scheduler.expect(model, work)
    with pytest.raises(ValueError, match=r"found pixels of shape \(1, 1, 3\), its graph takes \(4, 4, 3\)"):
        scheduler.submit(model, work, pixels(1)[:1, :1])


def test_only_successful_runs_update_the_cost_model(scheduler: Scheduler) -> None:
    engine, answers = GatedEngine(gated=False), Answers()
    model = lane(engine, seconds_per_image=0.05)
    scheduler.add_lane(model)
    for number in range(30):
        engine.fail_next = RuntimeError("at once")
        submit(scheduler, model, answers, number)
        answers.wait(lambda a: len(a.failed) == number + 1)  # noqa: B023
    assert model.costs[0].seconds(1) == pytest.approx(0.05)


def broken_observer(*_: object) -> None:
    raise RuntimeError("no metrics today")


def test_a_failing_observer_fails_no_batch() -> None:
    scheduler = Scheduler(observe=broken_observer)
    engine, answers = GatedEngine(gated=False), Answers()
    model = lane(engine)
    scheduler.add_lane(model)
    for number in range(3):
        submit(scheduler, model, answers, number)
        answers.wait(lambda a: number in a.done)  # noqa: B023
    scheduler.close()
    assert answers.failed == {}


def test_a_failing_observer_fails_no_batch_that_is_not_delivered_yet() -> None:
    deliveries: list[Callable[[], None]] = []  # of an event loop that is late
    scheduler = Scheduler(observe=broken_observer, hand_over=deliveries.append)
    engine, answers = GatedEngine(gated=False), Answers()
    model = lane(engine)
    scheduler.add_lane(model)
    for number in range(3):
        submit(scheduler, model, answers, number)
    scheduler.close()
    for deliver in deliveries:
        deliver()
    assert answers.done == {0: 0.0, 1: 1.0, 2: 2.0}
    assert answers.failed == {}
