"""Decides what runs next, on which engine, and when: a state machine without threads, locks or a clock of its own.

There is no timer. An idle engine takes what is there at once. While all streams are busy, exactly one batch is staged
and grows, in the engine's own buffer, until a stream is free. Lanes take turns by the machine time that each has been
given (start-time fair queueing, Goyal, Vin and Cheng 1996); callers within a lane take turns by images (FairQueue).
A stream here is one of an engine's parallel runs. Work that belongs to a stream of requests is called bulk.
"""

from collections.abc import Iterable
from itertools import count, repeat

from vitscope.server.engines.contract import Outputs
from vitscope.server.errors import DeadlineExpired
from vitscope.server.scheduling.batch import Batch
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.work import Stage, Work

# Single requests count as arriving for this many seconds after the last one.
_INTERACTIVE_SECONDS = 1.0
# Weight of a new arrival in the contention: about the last twenty count.
_CONTENTION_SMOOTHING = 0.1
_CONTENDED = 0.5
_ROUNDING = 1e-9


class Dispatcher:
    """The state of all lanes. Times are seconds of one monotonic clock.

    Every method must be called with the same lock held, except `deliver` and `fail`. These touch only the work of a
    batch that has finished. No other method does, except `cancel`, which only marks it as settled. So a batch's
    callbacks run without the lock. For one batch the two must not run at the same time.

    max_batch_wait: seconds for which an idle engine is held for a fuller batch; 0 never waits.
    """

    def __init__(self, max_batch_wait: float = 0.0) -> None:
        self.lanes: list[Lane] = []
        self.staged: Batch | None = None
        self.running: list[Batch] = []
        self.max_batch_wait = max_batch_wait
        self._virtual_time = 0.0
        self._interactive_until = float("-inf")
        self._contention = 0.0  # share of recent arrivals that found other work
        self._used = 0.0  # part of the machine that the running batches take
        self._order = count()

    def expect(self, lane: Lane, work: Work) -> None:
        """Count work whose image is still being decoded, so that predicted waits include it."""
        assert work.stage is Stage.NEW
        lane.add_pending(work)
        work.stage = Stage.EXPECTED

    def submit(self, lane: Lane, work: Work, now: float) -> None:
        """Queue expected work that has its pixels. Does nothing if the work was cancelled meanwhile."""
        if work.stage is not Stage.EXPECTED:
            return
        work.submitted, work.order = now, next(self._order)
        if not work.bulk:
            self._interactive_until = now + _INTERACTIVE_SECONDS
        if not lane.waiting and not self.busy(lane):
            lane.served = max(lane.served, self._virtual_time)  # an idle lane accumulates no credit
        self._contention += _CONTENTION_SMOOTHING * (self._contended() - self._contention)
        lane.waiting.push(work.caller, work)
        work.stage = Stage.WAITING
        if self.staged is not None and self.staged.lane is lane:
            self._trim(self.staged, now)
            self._displace(self.staged, work, now)
        self._fill(now)

    def cancel(self, lane: Lane, work: Work, now: float) -> None:
        """Remove work, whatever its stage. If it runs already, its result is dropped."""
        stage, work.stage = work.stage, Stage.SETTLED
        if stage in (Stage.EXPECTED, Stage.WAITING, Stage.STAGED):
            lane.remove_pending(work)
        if stage is Stage.WAITING:
            lane.waiting.remove(work.caller, work)
        elif stage is Stage.STAGED:
            assert self.staged is not None
            self.staged.remove(self.staged.work.index(work))
            self._fill(now)

    def start(self, now: float) -> Batch | None:
        """Return the batch that begins to run now, or None while there is no work or no stream is free."""
        # The staged batch has its even part already; it must leave the rest to the streams that run now.
        if self._drop_expired(now) or self.staged is None:
            self._fill(now)
        batch = self.staged
        if batch is None or not self._has_room(batch) or self.batch_wait_left(now) > 0:
            return None
        self.staged = None
        lane = batch.lane
        batch.profile = 0 if self._gets_whole_machine(batch) else lane.throughput_profile
        batch.started = now
        for work in batch.work:
            lane.remove_pending(work)
            work.stage = Stage.RUNNING
            work.timeline.end("batch", now)
            work.timeline.batch_size = len(batch)
        self._virtual_time = lane.served
        lane.served += lane.costs[batch.profile].seconds(len(batch)) * lane.share(batch.profile)
        self.running.append(batch)
        self._count_used()
        return batch

    def ready(self) -> bool:
        """Return whether a batch is staged and a stream is free for it."""
        return self.staged is not None and self._has_room(self.staged)

    def can_stage(self) -> bool:
        """Return whether work waits that `start` would stage."""
        return self.staged is None and any(lane.waiting for lane in self.lanes)

    def finish(self, batch: Batch) -> None:
        """Free the slot and the stream of a batch that has run or failed."""
        self.running.remove(batch)
        self._count_used()
        batch.lane.slots.append(batch.slot)

    def deliver(self, batch: Batch, results: Iterable[Outputs | Exception], now: float) -> None:
        """Answer all work of a finished batch that was not cancelled, each with its result. Needs no lock."""
        for work, result in zip(batch.work, results, strict=False):
            if work.stage is Stage.RUNNING:
                work.stage = Stage.SETTLED
                if isinstance(result, Exception):
                    work.failed(result)
                else:
                    work.timeline.end("infer", now)
                    work.done(result)

    def fail(self, batch: Batch, error: Exception) -> None:
        """Fail all work of a finished batch that is not settled. Needs no lock."""
        self.deliver(batch, repeat(error), 0.0)

    def drain(self, lane: Lane) -> list[Work]:
        """Remove all waiting work of a lane and return it, settled but unanswered. A staged batch still runs."""
        left = lane.waiting.clear()
        for work in left:
            lane.remove_pending(work)
            work.stage = Stage.SETTLED
        return left

    def busy(self, lane: Lane) -> bool:
        """Return whether a batch of this lane runs or is staged."""
        return any(batch.lane is lane for batch in (*self.running, *((self.staged,) if self.staged else ())))

    def batch_wait_left(self, now: float) -> float:
        """Return for how many seconds the staged batch may still hold an idle engine; 0 or less if it may not.

        The wait ends early enough for every deadline in the batch, and when work of another lane waits.
        """
        batch = self.staged
        if batch is None or not self.max_batch_wait or len(batch) >= batch.lane.best_batch:
            return 0.0
        if any(lane.waiting for lane in self.lanes if lane is not batch.lane):
            return 0.0
        seconds = batch.lane.costs[-1].seconds(batch.lane.best_batch)
        latest_start = min(work.deadline for work in batch.work) - seconds
        return min(min(work.submitted for work in batch.work) + self.max_batch_wait, latest_start) - now

    def predicted_wait(self, lane: Lane, caller: Caller, now: float) -> float:
        """Return the predicted seconds until an image that `caller` adds now would start, if no others arrive.

        This is the rest of the runs, the work before it in its own lane, and at most as much again in each other lane.
        """
        running = sum(self._rest(batch, now) * batch.lane.share(batch.profile) for batch in self.running)
        own = lane.backlog(lane.images_ahead(caller))
        turn = own + lane.costs[-1].seconds(1) / lane.streams
        others = sum(min(other.backlog(other.total_pending), turn) for other in self.lanes if other is not lane)
        # Free streams do not help work that is behind others, but an image that finds one free starts at once.
        if not own and not others and self._used + lane.share(lane.throughput_profile) <= 1 + _ROUNDING:
            return 0.0
        return running + own + others

    def backlog(self, now: float) -> float:
        """Return the predicted seconds until everything that is pending or running has run."""
        running = sum(self._rest(batch, now) * batch.lane.share(batch.profile) for batch in self.running)
        return running + sum(lane.backlog(lane.total_pending) for lane in self.lanes)

    def _rest(self, batch: Batch, now: float) -> float:
        return max(0.0, batch.lane.costs[batch.profile].seconds(len(batch)) - (now - batch.started))

    def _fill(self, now: float) -> None:
        """Stage a batch if there is none, and fill it up to its limit."""
        while True:
            if self.staged is None:
                lane = self._next_lane()
                if lane is None:
                    return
                self.staged = Batch(lane, lane.slots.pop())
            batch = self.staged
            while batch.lane.waiting and len(batch) < self._limit(batch, batch.lane.waiting.peek(), now):
                work = batch.lane.waiting.pop()
                if not self._fail_if_expired(batch.lane, work, now):
                    self._stage(batch, work, now)
            if batch.work:
                return
            self._unstage(batch)

    def _unstage(self, batch: Batch) -> None:
        batch.lane.slots.append(batch.slot)
        self.staged = None

    def _limit(self, batch: Batch, candidate: Work, now: float) -> int:
        """Return the largest size that the staged batch may have with `candidate` in it.

        Work is divided evenly between the streams that will run it, up to the engine's best batch, or up to a smaller
        one for bulk work while single requests arrive.
        """
        lane = batch.lane
        streams = int((1 - self._used) * lane.streams + _ROUNDING) or lane.streams
        even = -(-(len(batch.work) + len(lane.waiting)) // streams)  # rounded up
        bulk_limited = (batch.bulk or candidate.bulk) and now < self._interactive_until
        return min(even, lane.bulk_batch if bulk_limited else lane.best_batch)

    def _trim(self, batch: Batch, now: float) -> None:
        """Requeue what exceeds the limit of the staged batch, which a single request may have lowered by arriving."""
        while len(batch) > self._limit(batch, batch.work[0], now):
            self._requeue(batch, max(range(len(batch)), key=lambda row: batch.work[row].order))

    def _displace(self, batch: Batch, work: Work, now: float) -> None:
        """Let work that has just arrived replace other work in a full batch, where `_row_to_displace` finds some."""
        waiting = batch.lane.waiting
        if len(batch) < self._limit(batch, work, now) or waiting.counts[work.caller] > 1:
            return
        row = self._row_to_displace(batch, work)
        if row is not None:
            self._requeue(batch, row)
            waiting.remove(work.caller, work)
            self._stage(batch, work, now)

    def _row_to_displace(self, batch: Batch, work: Work) -> int | None:
        """Return the row that `work` replaces, if any.

        It belongs to a caller with at least two more images in the batch than the caller of `work`. Without one, a
        single request replaces a bulk image, each only once: single requests must not hold up bulk work for good.
        """
        rows: dict[Caller, list[int]] = {}
        for row, staged in enumerate(batch.work):
            rows.setdefault(staged.caller, []).append(row)
        candidates = max(rows.values(), key=len)
        if len(candidates) < len(rows.get(work.caller, ())) + 2:
            candidates = [r for r, staged in enumerate(batch.work) if staged.bulk and not staged.displaced]
            if work.bulk or not candidates:
                return None
        row = max(candidates, key=lambda row: batch.work[row].order)
        batch.work[row].displaced = True
        return row

    def _stage(self, batch: Batch, work: Work, now: float) -> None:
        work.stage = Stage.STAGED
        work.timeline.end("queue", now)
        batch.add(work)

    def _requeue(self, batch: Batch, row: int) -> None:
        """Move work from the batch to the front of its caller's queue. It must be its caller's newest in the batch."""
        work = batch.remove(row)
        work.stage = Stage.WAITING
        batch.lane.waiting.restore(work.caller, work)

    def _drop_expired(self, now: float) -> bool:
        """Fail the expired work of the staged batch. Return whether there was any."""
        batch = self.staged
        if batch is None:
            return False
        size = len(batch)
        for row in reversed(range(size)):
            if self._fail_if_expired(batch.lane, batch.work[row], now):
                batch.remove(row)
        if not batch.work:
            self._unstage(batch)
        return len(batch) < size

    def _fail_if_expired(self, lane: Lane, work: Work, now: float) -> bool:
        """Settle and fail work whose deadline has passed. Return whether it has."""
        if now < work.deadline:
            return False
        lane.remove_pending(work)
        work.stage = Stage.SETTLED
        work.failed(DeadlineExpired("the deadline passed while the request waited for the engine; it was not computed"))
        return True

    def _next_lane(self) -> Lane | None:
        return min((lane for lane in self.lanes if lane.waiting), key=lambda lane: lane.served, default=None)

    def _count_used(self) -> None:
        # Summed anew, not adjusted: differences of floats would add up to an error over millions of runs.
        self._used = sum(batch.lane.share(batch.profile) for batch in self.running)

    def _has_room(self, batch: Batch) -> bool:
        return self._used + batch.lane.share(batch.lane.throughput_profile) <= 1 + _ROUNDING

    def _gets_whole_machine(self, batch: Batch) -> bool:
        """Return whether the batch is one image without other work, now and for most recent arrivals."""
        # Under load, a moment's idleness is no reason to run at less than the best throughput.
        return len(batch) == 1 and not self._contended() and self._contention < _CONTENDED

    def _contended(self) -> bool:
        """Return whether anything runs, or more than one image is pending."""
        return bool(self.running) or sum(lane.total_pending for lane in self.lanes) > 1
