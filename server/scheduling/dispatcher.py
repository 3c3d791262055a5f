"""What runs next, on what, and when: a state machine without threads, locks or a clock of its own.

There is no timer. An idle engine takes what is there at once; while all streams are busy, exactly one batch is staged and
grows, in the engine's own buffer, until a stream is free. Lanes take turns by the time that the machine has given to each
(start-time fair queueing, Goyal, Vin and Cheng 1996), callers within a lane by images (FairQueue).
"""

from itertools import count
from math import ceil

from vitscope.server.engines.contract import Outputs
from vitscope.server.errors import DeadlineExpired
from vitscope.server.scheduling.batch import Batch
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.work import Stage, Work

# Single requests count as coming in for so long after the last one, in seconds.
_INTERACTIVE_MEMORY = 1.0
# Weight of a new arrival in the share that found company: about the last twenty count.
_COMPANY_SMOOTHING = 0.1
_CROWDED = 0.5
_ROUNDING = 1e-9


class Dispatcher:
    """The state of all lanes. Every method must be called with the same lock held; times are seconds of one monotonic clock.

    `max_batch_wait` holds an idle engine for a fuller batch; 0 never waits.
    """

    def __init__(self, max_batch_wait: float = 0.0) -> None:
        self.lanes: list[Lane] = []
        self.staged: Batch | None = None
        self.running: list[Batch] = []
        self.max_batch_wait = max_batch_wait
        self._virtual = 0.0
        self._interactive_until = float("-inf")
        self._company = 0.0
        self._order = count()

    def expect(self, lane: Lane, work: Work) -> None:
        """Count work as on its way (its image is being decoded), so that predicted waits include it."""
        assert work.stage is Stage.NEW
        lane.enter(work)
        work.stage = Stage.EXPECTED

    def submit(self, lane: Lane, work: Work, now: float) -> None:
        """Queue expected work whose pixels are there. Nothing happens if it was cancelled meanwhile."""
        if work.stage is not Stage.EXPECTED:
            return
        work.submitted, work.order = now, next(self._order)
        if not work.bulk:
            self._interactive_until = now + _INTERACTIVE_MEMORY
        if not lane.waiting and not self.busy(lane):
            lane.served = max(lane.served, self._virtual)  # an idle lane saves up nothing
        self._company += _COMPANY_SMOOTHING * (self._has_company() - self._company)
        lane.waiting.push(work.caller, work)
        work.stage = Stage.WAITING
        if self.staged is not None and self.staged.lane is lane:
            self._trim(self.staged, now)
            self._give_turn(self.staged, work, now)
        self._fill(now)

    def cancel(self, lane: Lane, work: Work, now: float) -> None:
        """Take work out, wherever it is. If it runs already, its result is dropped."""
        stage, work.stage = work.stage, Stage.SETTLED
        if stage in (Stage.EXPECTED, Stage.WAITING, Stage.STAGED):
            lane.leave(work)
        if stage is Stage.WAITING:
            lane.waiting.remove(work.caller, work)
        elif stage is Stage.STAGED:
            assert self.staged is not None
            self.staged.remove(self.staged.work.index(work))
            self._fill(now)

    def start(self, now: float) -> Batch | None:
        """The batch that begins to run now, or None while there is no work or no stream is free."""
        # A staged batch has its even part already; it is not to take what the streams that run now could do later.
        if self._drop_expired(now) or self.staged is None:
            self._fill(now)
        batch = self.staged
        if batch is None or not self._has_room(batch) or self.patience(now) > 0:
            return None
        self.staged = None
        lane = batch.lane
        batch.profile = 0 if self._alone(batch) else lane.throughput
        batch.started = now
        for work in batch.work:
            lane.leave(work)
            work.stage = Stage.RUNNING
            work.timeline.end("batch", now)
            work.timeline.batch_size = len(batch)
        self._virtual = lane.served
        lane.served += lane.costs[batch.profile].seconds(len(batch)) * lane.share(batch.profile)
        self.running.append(batch)
        return batch

    def ready(self) -> bool:
        """Whether a batch is staged and a stream is free for it."""
        return self.staged is not None and self._has_room(self.staged)

    def unstaged(self) -> bool:
        """Whether work waits that `start` would stage."""
        return self.staged is None and any(lane.waiting for lane in self.lanes)

    def finish(self, batch: Batch) -> None:
        """A batch has run, whatever came of it."""
        self.running.remove(batch)
        batch.lane.slots.append(batch.slot)

    def deliver(self, batch: Batch, outputs: Outputs, now: float) -> None:
        """Answer every work of a finished batch that still wants an answer."""
        for row, work in enumerate(batch.work):
            if work.stage is Stage.RUNNING:
                result = {name: array[row] for name, array in outputs.items()}
                work.stage = Stage.SETTLED
                work.timeline.end("infer", now)
                work.done(result)

    def fail(self, batch: Batch, error: Exception) -> None:
        """Fail every work of a finished batch that has had no answer."""
        for work in batch.work:
            if work.stage is Stage.RUNNING:
                work.stage = Stage.SETTLED
                work.failed(error)

    def drain(self, lane: Lane) -> list[Work]:
        """Take everything that waits out of a lane; returns it, settled but unanswered. What is staged will still run."""
        left = lane.waiting.clear()
        for work in left:
            lane.leave(work)
            work.stage = Stage.SETTLED
        return left

    def busy(self, lane: Lane) -> bool:
        """Whether a batch of this lane runs or is staged."""
        return any(batch.lane is lane for batch in (*self.running, *((self.staged,) if self.staged else ())))

    def patience(self, now: float) -> float:
        """Seconds that the staged batch may still hold an idle engine, waiting for more: not past a deadline, and not while
        others wait. 0 or less without a batch that may wait."""
        batch = self.staged
        if batch is None or not self.max_batch_wait or len(batch) >= batch.lane.best_batch:
            return 0.0
        if any(lane.waiting for lane in self.lanes if lane is not batch.lane):
            return 0.0
        seconds = batch.lane.costs[-1].seconds(batch.lane.best_batch)
        latest_start = min(work.deadline for work in batch.work) - seconds
        return min(min(work.submitted for work in batch.work) + self.max_batch_wait, latest_start) - now

    def predicted_wait(self, lane: Lane, caller: Caller, now: float) -> float:
        """Seconds until an image that `caller` adds to `lane` now would start, if nobody else adds any.

        The rest of what runs; in its own lane what goes before it; in each other lane as much again at most, since lanes
        take turns.
        """
        running = sum(self._rest(batch, now) * batch.lane.share(batch.profile) for batch in self.running)
        own = lane.backlog(lane.ahead(caller))
        turn = own + lane.costs[-1].seconds(1) / lane.streams
        others = sum(min(other.backlog(other.total_pending), turn) for other in self.lanes if other is not lane)
        # Streams that are free are no help to work that is behind others, but an image that finds one starts at once.
        if not own and not others and self._used() + lane.share(lane.throughput) <= 1 + _ROUNDING:
            return 0.0
        return running + own + others

    def backlog(self, now: float) -> float:
        """Predicted seconds until everything that is here now has run."""
        running = sum(self._rest(batch, now) * batch.lane.share(batch.profile) for batch in self.running)
        return running + sum(lane.backlog(lane.total_pending) for lane in self.lanes)

    def _rest(self, batch: Batch, now: float) -> float:
        return max(0.0, batch.lane.costs[batch.profile].seconds(len(batch)) - (now - batch.started))

    def _fill(self, now: float) -> None:
        """Stage a batch if there is none, and let it grow as far as it may."""
        while True:
            if self.staged is None:
                lane = self._next_lane()
                if lane is None:
                    return
                self.staged = Batch(lane, lane.slots.pop())
            batch = self.staged
            while batch.lane.waiting and len(batch) < self._limit(batch, batch.lane.waiting.peek(), now):
                work = batch.lane.waiting.pop()
                if not self._expired(batch.lane, work, now):
                    self._stage(batch, work, now)
            if batch.work:
                return
            self._unstage()

    def _unstage(self) -> None:
        assert self.staged is not None
        self.staged.lane.slots.append(self.staged.slot)
        self.staged = None

    def _limit(self, batch: Batch, candidate: Work, now: float) -> int:
        """Largest size of the staged batch with `candidate` in it: an even part of what is there for each stream that will
        run it, within what the engine likes."""
        lane = batch.lane
        free = int((1 - self._used()) * lane.streams + _ROUNDING)
        even = ceil((len(batch) + len(lane.waiting)) / (free or lane.streams))
        guarded = (candidate.bulk or batch.bulk) and now < self._interactive_until
        return min(even, lane.modest_batch if guarded else lane.best_batch)

    def _trim(self, batch: Batch, now: float) -> None:
        """Put back what has become too much because a single request has come in."""
        while len(batch) > self._limit(batch, batch.work[0], now):
            self._put_back(batch, max(range(len(batch)), key=lambda row: batch.work[row].order))

    def _give_turn(self, batch: Batch, work: Work, now: float) -> None:
        """Let work that has just come into a full batch, if there is somebody in it who should give way."""
        waiting = batch.lane.waiting
        if len(batch) < self._limit(batch, work, now) or waiting.counts[work.caller] > 1:
            return
        row = self._gives_way(batch, work)
        if row is not None:
            self._put_back(batch, row)
            waiting.remove(work.caller, work)
            self._stage(batch, work, now)

    def _gives_way(self, batch: Batch, work: Work) -> int | None:
        """The row of a caller who has two more in the batch than this one, or else a stream's where this is a single request;
        the latter gives way once only, so that single requests cannot hold streams up for good."""
        rows: dict[Caller, list[int]] = {}
        for row, staged in enumerate(batch.work):
            rows.setdefault(staged.caller, []).append(row)
        candidates = max(rows.values(), key=len)
        if len(candidates) < len(rows.get(work.caller, ())) + 2:
            candidates = [r for r, staged in enumerate(batch.work) if staged.bulk and not staged.gave_way]
            if work.bulk or not candidates:
                return None
        row = max(candidates, key=lambda row: batch.work[row].order)
        batch.work[row].gave_way = True
        return row

    def _stage(self, batch: Batch, work: Work, now: float) -> None:
        work.stage = Stage.STAGED
        work.timeline.end("queue", now)
        batch.add(work)

    def _put_back(self, batch: Batch, row: int) -> None:
        """The newest work of its caller in the batch becomes the oldest of its caller that waits."""
        work = batch.remove(row)
        work.stage = Stage.WAITING
        batch.lane.waiting.restore(work.caller, work)

    def _drop_expired(self, now: float) -> bool:
        """Take out of the staged batch what is too late; says whether there was any."""
        batch = self.staged
        if batch is None:
            return False
        size = len(batch)
        for row in reversed(range(size)):
            if self._expired(batch.lane, batch.work[row], now):
                batch.remove(row)
        dropped = len(batch) < size
        if not batch.work:
            self._unstage()
        return dropped

    def _expired(self, lane: Lane, work: Work, now: float) -> bool:
        """Whether it is too late to compute work; answers it then."""
        if now < work.deadline:
            return False
        lane.leave(work)
        work.stage = Stage.SETTLED
        work.failed(DeadlineExpired("the deadline passed while the request waited for the engine; it was not computed"))
        return True

    def _next_lane(self) -> Lane | None:
        return min((lane for lane in self.lanes if lane.waiting), key=lambda lane: lane.served, default=None)

    def _used(self) -> float:
        return sum(batch.lane.share(batch.profile) for batch in self.running)

    def _has_room(self, batch: Batch) -> bool:
        return self._used() + batch.lane.share(batch.lane.throughput) <= 1 + _ROUNDING

    def _alone(self, batch: Batch) -> bool:
        """Whether this one image may have the whole machine: nothing else is here or on its way, and most of those before it
        found the same. Under load a moment's idleness is no reason to run at less than the best throughput."""
        return len(batch) == 1 and not self._has_company() and self._company < _CROWDED

    def _has_company(self) -> bool:
        """Whether there is anything beside the one image that is looked at."""
        return bool(self.running) or sum(lane.total_pending for lane in self.lanes) > 1
