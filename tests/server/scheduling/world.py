"""A dispatcher whose clock the test moves, with the results of all work."""

from dataclasses import dataclass, field

import numpy as np

from tests.server.scheduling.fakes import Answers, GatedEngine, lane, pixels
from tests.server.scheduling.invariants import check
from vitscope.server.errors import NotReady
from vitscope.server.scheduling.batch import Batch
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.dispatcher import Dispatcher
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.work import Work

RUN = 1.0
"""Seconds of a run of one image."""


@dataclass
class World:
    """A dispatcher, its lanes, a clock, and the results of all work."""

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
        """Start a batch. Return its numbers in the order of their rows; None if no batch starts."""
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
        self.dispatcher.deliver(batch, [{"logits": row} for row in rows], self.now)

    def fail(self, index: int = 0) -> None:
        batch = self.dispatcher.running[index]
        self.dispatcher.finish(batch)
        self.dispatcher.fail(batch, RuntimeError("the engine failed"))

    def reload(self, index: int) -> None:
        """Replace a lane, as `Scheduler.remove_lane` and `add_lane` do."""
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
