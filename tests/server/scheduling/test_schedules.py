"""Whole schedules of the dispatcher: all schedules of small cases, and random long ones."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.scheduling.fakes import GatedEngine, lane
from tests.server.scheduling.invariants import check_work_conserving
from tests.server.scheduling.world import RUN, World, callers
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.work import Stage

# -- all schedules of small cases

Step = tuple[str, int]


def _steps(world: World, arrivals: list[int]) -> Iterator[Step]:
    """Yield what can happen next."""
    coming = [n for n in arrivals if world.works[n][1].stage is Stage.EXPECTED]
    if coming:
        yield "arrive", coming[0]
        if len(coming) > 1:
            yield "arrive", coming[-1]  # decoding finishes in any order
    if world.dispatcher.staged is not None or world.dispatcher.can_stage():
        yield "start", 0
    for index in range(len(world.dispatcher.running)):
        yield "finish", index
    if world.now == 0:
        yield "expire", 0
    victim = arrivals[1]
    if world.works[victim][1].stage is not Stage.SETTLED:
        yield "cancel", victim


def _take(world: World, step: Step) -> None:
    name, argument = step
    if name == "arrive":
        world.arrive(argument)
    elif name == "start":
        if world.start() is None:
            check_work_conserving(world.dispatcher)
    elif name == "finish":
        world.finish(argument)
    elif name == "expire":
        world.now = 10.0
    else:
        owner, work = world.works[argument]
        world.dispatcher.cancel(owner, work, world.now)
    world.check()


@pytest.mark.parametrize(("streams", "images"), [(1, 5), (2, 4)])
def test_every_schedule_of_a_few_images_of_three_callers_in_two_lanes(streams: int, images: int) -> None:
    """Stateless model checking: each schedule is run from the start. One image has a deadline, one may be cancelled."""

    def new() -> World:
        lanes = [lane(GatedEngine(2, streams=streams), name) for name in "ab"]
        world = World(lanes)
        greedy, other = callers(2)
        (stream,) = callers(1, bulk=True)
        plan = [(greedy, 0), (greedy, 0), (stream, 0), (other, 1), (other, 0)]
        for number, (caller, index) in enumerate(plan[:images]):
            world.expect(number, caller, index, deadline=5.0 if number == 2 else float("inf"))
        return world

    assert _explore(new, list(range(images))) > 1000


def _explore(new: Callable[[], World], arrivals: list[int]) -> int:
    """Run all schedules except those that reach a known state again. Return how many were run."""
    ran, frontier, known = 0, [list[Step]()], set[object]()
    while frontier:
        prefix = frontier.pop()
        world = new()
        for step in prefix:
            _take(world, step)
        while True:  # as deep as this world goes; the other ways on are run from the start again
            world.check()  # what comes before the last step has been checked when it was the last
            state = _state(world)
            if state in known:
                break
            known.add(state)
            ran += 1
            steps = list(_steps(world, arrivals))
            if not any(name in ("arrive", "start", "finish") for name, _ in steps):
                _check_ended(world, prefix)
            if not steps:
                break
            frontier += [[*prefix, step] for step in steps[:-1]]
            prefix = [*prefix, steps[-1]]
            _take(world, steps[-1])
    return ran


def _state(world: World) -> object:
    """Return everything that decides how a schedule can go on."""
    d = world.dispatcher
    return (
        world.now,
        d._contention < 0.5,
        tuple((work.stage, work.order) for _, work in world.works.values()),
        tuple(world.numbers(d.staged)) if d.staged else None,
        tuple((tuple(world.numbers(batch)), batch.profile) for batch in d.running),
        tuple((*(work.order for work in one.waiting), round(one.served, 9)) for one in world.lanes),
    )


def _check_ended(world: World, schedule: list[Step]) -> None:
    for number, (_, work) in world.works.items():
        assert work.stage is Stage.SETTLED, (number, schedule)
        answered = (number in world.answers.done) + (number in world.answers.failed)
        cancelled = ("cancel", number) in schedule
        assert answered <= 1 if cancelled else answered == 1, (number, schedule)
        if number in world.answers.done:
            assert world.answers.done[number] == number, (number, schedule)


# -- random long ones


@settings(max_examples=150)
@given(st.data(), st.integers(1, 3), st.integers(1, 5), st.sampled_from([0.0, 2.0]))
def test_no_work_is_lost_answered_twice_or_run_out_of_order(
    data: st.DataObject, streams: int, max_batch: int, max_batch_wait: float
) -> None:
    lanes = [lane(GatedEngine(max_batch, streams=streams), name, seconds_per_image=RUN) for name in "ab"]
    world = World(lanes, max_batch_wait)
    who = [*callers(2), *callers(1, bulk=True)]
    cancelled: set[int] = set()
    number = 0
    for _ in range(data.draw(st.integers(1, 80))):
        step = data.draw(
            st.sampled_from(
                ["submit", "submit", "submit", "start", "start", "finish", "fail", "cancel", "wait", "reload"]
            )
        )
        if step == "submit":
            deadline = world.now + data.draw(st.sampled_from([0.5, 3.0, float("inf"), float("inf")]))
            world.submit(number, data.draw(st.sampled_from(who)), data.draw(st.integers(0, 1)), deadline)
            number += 1
        elif step == "start":
            world.start()
        elif step in ("finish", "fail") and world.dispatcher.running:
            end = world.finish if step == "finish" else world.fail
            end(data.draw(st.integers(0, len(world.dispatcher.running) - 1)))
        elif step == "reload":
            world.reload(data.draw(st.integers(0, 1)))
        elif step == "cancel" and number:
            victim = data.draw(st.integers(0, number - 1))
            world.dispatcher.cancel(*world.works[victim], world.now)
            cancelled.add(victim)
        elif step == "wait":
            world.now += data.draw(st.floats(0, 2))
        world.check()
    world.now += 100  # past every deadline and every batch wait
    while world.start() is not None or world.dispatcher.running:
        if world.dispatcher.running:
            world.finish()
        world.check()
    answered = world.answers.done.keys() | world.answers.failed.keys()
    assert answered | cancelled == set(range(number))
    assert all(world.answers.done[n] == n for n in world.answers.done)
    _check_order(world)


def _check_order(world: World) -> None:
    """Check that work of one caller in one lane starts in the order in which it was submitted."""
    newest: dict[tuple[int, Caller], int] = {}
    for number in world.started:
        owner, work = world.works[number]
        key = (id(owner), work.caller)
        assert newest.get(key, -1) < work.order, f"{number} started after a later one of its caller"
        newest[key] = work.order


@settings(max_examples=60)
@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 40), st.integers(0, 30))
def test_a_new_callers_wait_is_bounded_however_much_others_have_queued(
    streams: int, max_batch: int, greed: int, head_start: int
) -> None:
    """At most the running batch, the staged batch and one image of each other caller go first."""
    world = World([lane(GatedEngine(max_batch, streams=streams), seconds_per_image=RUN)])
    greedy, another, newcomer = callers(3)
    for number in range(greed):
        world.submit(number, greedy if number % 3 else another)
    for _ in range(min(head_start, greed)):
        if world.start() is None and world.dispatcher.running:
            world.finish()
    before = len(world.started)
    staged = len(world.dispatcher.staged) if world.dispatcher.staged else 0
    world.submit(200, newcomer)
    while 200 not in world.started:
        if world.start() is None:
            world.finish()
    assert world.started.index(200) - before <= staged + 2 + max_batch - 1
