"""Row i of a batch's slot holds the pixels of its work i."""

from tests.server.scheduling.fakes import Answers, GatedEngine, lane, pixels
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
