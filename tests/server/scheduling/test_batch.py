"""Row i of a batch's slot holds the pixels of its work i."""

import numpy as np

from tests.server.scheduling.fakes import Answers, GatedEngine, lane, pixels
from vitscope.server.engines.classes import MOST_CLASSES
from vitscope.server.engines.contract import Outputs
from vitscope.server.scheduling.batch import Batch
from vitscope.server.scheduling.callers import Caller

SINGLE, STREAM = Caller("single", bulk=False), Caller("stream", bulk=True)


def batch_of(*callers: Caller) -> Batch:
    """Return a batch with one image of each caller; image i holds the value i."""
    model = lane(GatedEngine(max_batch=4))
    batch = Batch(model, model.slots.pop())
    for number, caller in enumerate(callers):
        work = Answers().work(number, caller=caller)
        work.pixels = pixels(number)
        batch.add(work)
    return batch


def rows(batch: Batch) -> list[int]:
    return [int(batch.slot.pixels[row, 0, 0, 0]) for row in range(len(batch))]


def test_added_work_takes_the_next_row() -> None:
    assert rows(batch_of(SINGLE, SINGLE, SINGLE)) == [0, 1, 2]


def test_the_last_row_fills_the_gap_of_a_removed_one() -> None:
    batch = batch_of(SINGLE, SINGLE, SINGLE)
    first, _, last = batch.work
    assert batch.remove(0) is first
    assert batch.work[0] is last
    assert rows(batch) == [2, 1]


def test_removing_the_last_row_leaves_the_others() -> None:
    batch = batch_of(SINGLE, SINGLE)
    batch.remove(1)
    assert rows(batch) == [0]
    batch.remove(0)
    assert len(batch) == 0


def test_one_image_of_a_stream_makes_a_batch_bulk() -> None:
    assert batch_of(SINGLE, STREAM).bulk
    assert not batch_of(SINGLE, SINGLE).bulk


class ExplainingEngine(GatedEngine):
    """Its slots take classes, and it returns those that it was run with."""

    def slot(self) -> "ExplainingSlot":
        return ExplainingSlot(self)


class ExplainingSlot:
    def __init__(self, engine: GatedEngine) -> None:
        self.pixels = np.zeros((engine.max_batch, 4, 4, 3), np.uint8)
        self.classes = np.full((engine.max_batch, MOST_CLASSES), -1, np.int64)

    def run(self, n: int, profile: int = 0, columns: int = 1) -> Outputs:
        return {"classes": self.classes[:n, :columns].copy()}


def explaining(*classes: tuple[int, ...]) -> Batch:
    model = lane(ExplainingEngine(max_batch=4))
    batch = Batch(model, model.slots.pop())
    for number, wanted in enumerate(classes):
        work = Answers().work(number)
        work.pixels, work.classes = pixels(number), wanted
        batch.add(work)
    return batch


def test_rows_hold_the_classes_of_their_work_and_as_many_as_the_one_with_most_asks_for() -> None:
    batch = explaining((3,), (-1, 7), (2, 2, 5))
    ran = batch.run(3)["classes"].tolist()
    assert ran == [[3] * 6, [-1, 7, -1, -1, -1, -1], [2, 2, 5, 2, 2, 2]]
    batch.remove(2)
    batch.remove(0)
    assert batch.run(1)["classes"].tolist() == [[-1, 7]]


def test_a_slot_that_is_used_again_keeps_no_classes() -> None:
    batch = explaining((3, 4), (5,))
    batch.remove(0)
    assert batch.run(1)["classes"].tolist() == [[5]]
