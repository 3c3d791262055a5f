"""Invariants of a dispatcher, which hold in every state that it can reach."""

from collections import Counter

from vitscope.server.scheduling.batch import Batch
from vitscope.server.scheduling.dispatcher import Dispatcher
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.work import Stage, Work


def check(dispatcher: Dispatcher, lanes: list[Lane], works: dict[int, tuple[Lane, Work]], slots: int) -> None:
    """Check all invariants. works: all work by number, the value of its pixels. slots: number of slots of each lane."""
    batches = [*dispatcher.running, *([dispatcher.staged] if dispatcher.staged else [])]
    for lane in lanes:
        mine = {number: work for number, (owner, work) in works.items() if owner is lane}
        _check_places(dispatcher, lane, mine)
        pending = [w for w in mine.values() if w.stage in (Stage.EXPECTED, Stage.WAITING, Stage.STAGED)]
        assert lane.pending == Counter(work.caller for work in pending)
        assert lane.total_pending == len(pending)
        assert len(lane.slots) + sum(batch.lane is lane for batch in batches) == slots, "a buffer was lost"
    assert len({id(batch.slot) for batch in batches}) == len(batches), "two batches share a buffer"
    for batch in batches:
        assert 1 <= len(batch) <= batch.lane.best_batch
        _check_rows(batch, works)
    assert sum(b.lane.share(b.profile) for b in dispatcher.running) <= 1 + 1e-9, (
        "more runs than the machine has streams"
    )


def check_work_conserving(dispatcher: Dispatcher) -> None:
    """Check, after `start` has returned None, that no work waits that a free stream could run."""
    used = sum(b.lane.share(b.profile) for b in dispatcher.running)
    for lane in dispatcher.lanes:
        if lane.waiting:
            assert dispatcher.staged is not None
        if dispatcher.staged is not None and dispatcher.staged.lane is lane:
            assert used + lane.share(lane.throughput_profile) > 1, "a stream idles while work is staged"


def _check_places(dispatcher: Dispatcher, lane: Lane, works: dict[int, Work]) -> None:
    """Check that each work is exactly where its stage says."""
    waiting = Counter(id(work) for work in lane.waiting)
    staged = Counter(id(w) for w in (dispatcher.staged.work if dispatcher.staged else ()))
    running = Counter(id(w) for batch in dispatcher.running for w in batch.work)
    for work in works.values():
        assert waiting[id(work)] == (work.stage is Stage.WAITING)
        assert staged[id(work)] == (work.stage is Stage.STAGED)
        assert running[id(work)] <= 1
        if work.stage is Stage.RUNNING:
            assert running[id(work)] == 1


def _check_rows(batch: Batch, works: dict[int, tuple[Lane, Work]]) -> None:
    numbers = {id(work): number for number, (_, work) in works.items()}
    for row, work in enumerate(batch.work):
        assert int(batch.slot.pixels[row, 0, 0, 0]) == numbers[id(work)], "a row of the buffer is another image's"
