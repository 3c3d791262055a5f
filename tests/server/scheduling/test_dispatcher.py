"""The dispatcher, driven step by step on a clock of the test's: single decisions, every schedule of small cases, random long ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import DeadlineExpired, NotReady
from server.scheduling.callers import Caller
from server.scheduling.dispatcher import Dispatcher
from server.scheduling.lane import Lane
from server.scheduling.work import Batch, Stage, Work
from tests.server.scheduling.fakes import Answers, GatedEngine, lane, pixels
from tests.server.scheduling.invariants import check, check_work_conserving

RUN = 1.0
"""Seconds of a lone image's run."""


@dataclass
class World:
    """A dispatcher, its lanes, a clock, and what became of everything."""

    lanes: list[Lane]
    max_batch_wait: float = 0.0
    now: float = 0.0
    answers: Answers = field(default_factory=Answers)
    works: dict[int, tuple[Lane, Work]] = field(default_factory=dict)
    started: list[int] = field(default_factory=list)
    retired: list[Lane] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dispatcher = Dispatcher(self.max_batch_wait)
        self.dispatcher.lanes.extend(self.lanes)
        self.slots = len(self.lanes[0].slots)

    def expect(self, number: int, caller: Caller, lane: int = 0, deadline: float = float("inf")) -> None:
        work = self.answers.work(number, deadline, caller)
        self.works[number] = self.lanes[lane], work
        self.dispatcher.expect(self.lanes[lane], work)

    def arrive(self, number: int) -> None:
        lane, work = self.works[number]
        work.pixels = pixels(number)
        self.dispatcher.submit(lane, work, self.now)

    def submit(self, number: int, caller: Caller, lane: int = 0, deadline: float = float("inf")) -> None:
        self.expect(number, caller, lane, deadline)
        self.arrive(number)

    def start(self) -> list[int] | None:
        """Numbers in the batch that starts, in the order of their rows."""
        batch = self.dispatcher.start(self.now)
        if batch is None:
            return None
        numbers = self.numbers(batch)
        self.started += sorted(numbers, key=lambda number: self.works[number][1].order)
        return numbers

    def finish(self, index: int = 0) -> None:
        batch = self.dispatcher.running[index]
        self.dispatcher.finish(batch)
        rows = np.stack([batch.slot.pixels[row, 0, 0, :1] for row in range(len(batch))]).astype(np.float32)
        self.dispatcher.deliver(batch, {"logits": rows}, self.now)

    def fail(self, index: int = 0) -> None:
        batch = self.dispatcher.running[index]
        self.dispatcher.finish(batch)
        self.dispatcher.fail(batch, RuntimeError("the engine failed"))

    def reload(self, index: int) -> None:
        """Another lane takes this one's place, as `Scheduler.remove_lane` and `add_lane` do it."""
        old = self.lanes[index]
        self.dispatcher.lanes.remove(old)
        for work in self.dispatcher.drain(old):
            work.failed(NotReady("unloaded"))
        engine = old.engine
        assert isinstance(engine, GatedEngine)
        self.lanes[index] = lane(engine, old.model, seconds_per_image=RUN)
        self.dispatcher.lanes.append(self.lanes[index])
        self.retired.append(old)

    def numbers(self, batch: Batch) -> list[int]:
        return [int(batch.slot.pixels[row, 0, 0, 0]) for row in range(len(batch))]

    def check(self) -> None:
        check(self.dispatcher, [*self.lanes, *self.retired], self.works, self.slots)


def callers(count: int, bulk: bool = False) -> list[Caller]:
    return [Caller(str(number), bulk) for number in range(count)]


def one_stream(max_batch: int = 4, growth: float = 0.5) -> World:
    return World([lane(GatedEngine(max_batch), seconds_per_image=RUN, growth=growth)])


def two_streams(max_batch: int = 4) -> World:
    return World([lane(GatedEngine(max_batch, streams=2), seconds_per_image=RUN)])


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


def test_an_image_that_is_still_being_decoded_counts_as_company() -> None:
    world, (a, b) = two_streams(), callers(2)
    world.submit(1, a)
    world.expect(2, b)
    assert world.start() == [1]
    assert world.dispatcher.running[0].profile == 1
    world.arrive(2)
    assert world.start() == [2]


def test_in_a_crowd_a_moments_idleness_does_not_give_one_image_the_whole_machine() -> None:
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
    for number in range(101, 121):  # the others have gone
        world.finish()
        world.submit(number, a)
        world.start()
    assert world.dispatcher.running[0].profile == 0


def test_what_waits_is_divided_evenly_between_the_streams() -> None:
    world, (a,) = two_streams(max_batch=8), callers(1)
    for number in range(6):
        world.submit(number, a)
    assert world.start() == [0, 1, 2]
    assert world.start() == [3, 4, 5]
    for number in range(6, 16):
        world.submit(number, a)
    world.finish()
    assert world.start() == [6, 7, 8, 9, 10]


def test_a_newcomer_takes_the_place_of_one_who_has_more_in_the_staged_batch() -> None:
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


def test_a_stream_rides_in_modest_batches_while_single_requests_come_in() -> None:
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
    world.now += 1.5  # nobody single for a while
    world.finish()
    assert len(world.start() or ()) == 8


def test_a_streams_image_gives_way_to_a_single_request_but_only_once() -> None:
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


def test_lanes_share_the_machine_by_time() -> None:
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


def test_a_lane_that_was_idle_has_saved_nothing_up() -> None:
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


def test_a_deadline_that_is_put_off_while_work_waits_is_honoured() -> None:
    world, (a,) = one_stream(), callers(1)
    world.submit(1, a)
    world.start()
    world.submit(2, a, deadline=5)
    world.works[2][1].deadline = 50
    world.now = 6
    world.finish()
    assert world.start() == [2]


# -- every schedule of small cases --------------------------------------------------------------------------------------

Step = tuple[str, int]


def _steps(world: World, arrivals: list[int]) -> Iterator[Step]:
    """What can happen next."""
    coming = [n for n in arrivals if world.works[n][1].stage is Stage.EXPECTED]
    if coming:
        yield "arrive", coming[0]
        if len(coming) > 1:
            yield "arrive", coming[-1]  # decoding finishes in any order
    if world.dispatcher.staged is not None or world.dispatcher.unstaged():
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
    """Stateless model checking: each schedule is played from the start. One image has a deadline, one may be cancelled."""

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
    """Play every schedule, leaving out those that reach a state by a longer way. Returns how many were played."""
    played, frontier, known = 0, [list[Step]()], set[object]()
    while frontier:
        prefix = frontier.pop()
        world = new()
        for step in prefix:
            _take(world, step)
        state = _state(world)
        if state in known:
            continue
        known.add(state)
        played += 1
        steps = list(_steps(world, arrivals))
        if not any(name in ("arrive", "start", "finish") for name, _ in steps):
            _check_ended(world, prefix)
        frontier += [[*prefix, step] for step in steps]
    return played


def _state(world: World) -> object:
    """What the future of a schedule depends on."""
    d = world.dispatcher
    return (
        world.now,
        d._company < 0.5,
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


# -- random long ones ---------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(1, 3), st.integers(1, 5), st.sampled_from([0.0, 2.0]))
def test_nothing_is_lost_answered_twice_or_out_of_turn(
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
    world.now += 100  # past every deadline and every patience
    while world.start() is not None or world.dispatcher.running:
        if world.dispatcher.running:
            world.finish()
        world.check()
    answered = world.answers.done.keys() | world.answers.failed.keys()
    assert answered | cancelled == set(range(number))
    assert all(world.answers.done[n] == n for n in world.answers.done)
    _check_order(world)


def _check_order(world: World) -> None:
    """Work of one caller in one lane starts in the order in which it was submitted."""
    newest: dict[tuple[int, Caller], int] = {}
    for number in world.started:
        owner, work = world.works[number]
        key = (id(owner), work.caller)
        assert newest.get(key, -1) < work.order, f"{number} started after a later one of its caller"
        newest[key] = work.order


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 40), st.integers(0, 30))
def test_a_newcomers_wait_is_bounded_however_much_others_have_queued(
    streams: int, max_batch: int, greed: int, head_start: int
) -> None:
    """At most what runs, what is staged, and one image of each other caller goes before it."""
    world = World([lane(GatedEngine(max_batch, streams=streams), seconds_per_image=RUN)])
    greedy, another, modest = callers(3)
    for number in range(greed):
        world.submit(number, greedy if number % 3 else another)
    for _ in range(min(head_start, greed)):
        if world.start() is None and world.dispatcher.running:
            world.finish()
    before = len(world.started)
    staged = len(world.dispatcher.staged) if world.dispatcher.staged else 0
    world.submit(200, modest)
    while 200 not in world.started:
        if world.start() is None:
            world.finish()
    assert world.started.index(200) - before <= staged + 2 + max_batch - 1
