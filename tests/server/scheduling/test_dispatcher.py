"""Single decisions of the dispatcher, driven step by step."""

import pytest

from tests.server.scheduling.fakes import GatedEngine, lane
from tests.server.scheduling.world import World, callers, one_stream, two_streams
from vitscope.server.errors import DeadlineExpired


def test_a_lone_image_gets_the_whole_machine_and_several_get_a_stream_each() -> None:
    world, (a,) = two_streams(), callers(1)
    world.submit(1, a)
    assert world.start() == [1]
    assert world.dispatcher.running[0].profile == 0
    world.submit(2, a)
    assert world.start() is None
    world.submit(3, a)
    world.finish()
    assert world.start() == [2]
    assert world.start() == [3]
    assert [batch.profile for batch in world.dispatcher.running] == [1, 1]


def test_an_image_that_is_still_being_decoded_counts_as_contention() -> None:
    world, (a, b) = two_streams(), callers(2)
    world.submit(1, a)
    world.expect(2, b)
    assert world.start() == [1]
    assert world.dispatcher.running[0].profile == 1
    world.arrive(2)
    assert world.start() == [2]


def test_under_load_a_moments_idleness_does_not_give_one_image_the_whole_machine() -> None:
    world, (a, b) = two_streams(), callers(2)
    for number in range(0, 40, 2):
        world.submit(number, a)
        world.start()
        world.submit(number + 1, b)
        world.start()
        while world.dispatcher.running:
            world.finish()
    world.submit(100, a)
    assert world.start() == [100]
    assert world.dispatcher.running[0].profile == 1
    for number in range(101, 121):  # the load is over
        world.finish()
        world.submit(number, a)
        world.start()
    assert world.dispatcher.running[0].profile == 0


def test_waiting_images_are_divided_evenly_between_the_streams() -> None:
    world, (a,) = two_streams(max_batch=8), callers(1)
    for number in range(6):
        world.submit(number, a)
    assert world.start() == [0, 1, 2]
    assert world.start() == [3, 4, 5]
    for number in range(6, 16):
        world.submit(number, a)
    world.finish()
    assert world.start() == [6, 7, 8, 9, 10]


def test_a_new_callers_image_displaces_one_of_a_caller_who_has_more_in_the_staged_batch() -> None:
    world, (greedy, modest) = one_stream(max_batch=4), callers(2)
    for number in range(9):
        world.submit(number, greedy)
    assert world.start() == [0, 1, 2, 3]
    world.dispatcher.start(world.now)
    world.submit(100, modest)
    world.finish()
    assert set(world.start() or ()) == {4, 5, 6, 100}
    world.finish()
    assert world.start() == [7, 8]


def test_bulk_work_runs_in_smaller_batches_while_single_requests_arrive() -> None:
    # T(n) = n ** 0.3: two images take 1.23 times as long as one, three take 1.39 times.
    world = one_stream(max_batch=8, growth=0.3)
    (stream,), (single,) = callers(1, bulk=True), callers(1)
    for number in range(30):
        world.submit(number, stream)
    assert len(world.start() or ()) == 8
    world.dispatcher.start(world.now)
    world.submit(100, single)
    world.finish()
    assert 100 in (batch := world.start() or []) and len(batch) == 2
    world.now += 1.5  # no single request for a while
    world.finish()
    assert len(world.start() or ()) == 8


def test_a_bulk_image_is_displaced_by_a_single_request_but_only_once() -> None:
    world, (stream,), singles = one_stream(max_batch=1), callers(1, bulk=True), callers(4)
    world.submit(0, stream)
    world.start()
    world.submit(1, stream)
    for number, single in enumerate(singles, start=10):
        world.submit(number, single)
    order = []
    for _ in range(5):
        world.finish()
        order += world.start() or []
    assert order == [10, 1, 11, 12, 13]


def test_lanes_share_the_machine_time_evenly() -> None:
    fast, slow = lane(GatedEngine(1), seconds_per_image=1), lane(GatedEngine(1), seconds_per_image=3)
    world, (a,) = World([fast, slow]), callers(1)
    for number in range(60):
        world.submit(number, a, lane=number % 2)
    given = [0.0, 0.0]
    for _ in range(24):
        (number,) = world.start() or ()
        given[number % 2] += (1, 3)[number % 2]
        world.finish()
    assert given[0] == pytest.approx(given[1], abs=3)


def test_an_idle_lane_accumulates_no_credit() -> None:
    one, other = lane(GatedEngine(1)), lane(GatedEngine(1))
    world, (a,) = World([one, other]), callers(1)
    for number in range(50):
        world.submit(number, a)
        world.start()
        world.finish()
    for number in range(50, 70):
        world.submit(number, a, lane=number % 2)
    order = []
    for _ in range(10):
        order += world.start() or []
        world.finish()
    assert sum(number % 2 for number in order) == 5


def test_expired_work_is_answered_and_not_run() -> None:
    world, (a,) = one_stream(), callers(1)
    world.submit(1, a)
    world.start()
    world.submit(2, a, deadline=5)
    world.submit(3, a)
    world.now = 6
    world.finish()
    assert world.start() == [3]
    assert isinstance(world.answers.failed[2], DeadlineExpired)


def test_a_deadline_that_is_extended_while_work_waits_is_honoured() -> None:
    world, (a,) = one_stream(), callers(1)
    world.submit(1, a)
    world.start()
    world.submit(2, a, deadline=5)
    world.works[2][1].deadline = 50
    world.now = 6
    world.finish()
    assert world.start() == [2]
