"""One image on its way through a lane, and the batch that it rides in."""

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from vitscope.server.engines.contract import Outputs, Slot
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.timeline import Timeline

if TYPE_CHECKING:
    from vitscope.server.scheduling.lane import Lane


class Stage(Enum):
    """How far a piece of work has come; the order is that of a life without incident."""

    NEW = "new"
    EXPECTED = "expected"
    """Admitted; its image is being decoded."""
    WAITING = "waiting"
    STAGED = "staged"
    """In the batch that runs next."""
    RUNNING = "running"
    SETTLED = "settled"
    """Answered or cancelled: nothing more is to be done for it."""


@dataclass(eq=False, slots=True)
class Work:
    """One image that waits for the engine; what becomes of it is told to `done` or `failed`, which subclasses define.

    deadline: monotonic seconds, infinite without one; may be put off while it waits. pixels: uint8 [H, W, 3], set by
    `Scheduler.submit`. What follows it is the scheduler's own.
    """

    caller: Caller
    deadline: float
    timeline: Timeline
    pixels: np.ndarray | None = None
    stage: Stage = Stage.NEW
    submitted: float = 0.0
    order: int = 0
    gave_way: bool = False

    @property
    def bulk(self) -> bool:
        return self.caller.bulk

    def done(self, outputs: Outputs) -> None:
        """It was computed: the graph's outputs, without the batch axis. Must return at once.

        Exactly one of `done` and `failed` is called, and after `Scheduler.cancel` at most one.
        """
        raise NotImplementedError

    def failed(self, error: Exception) -> None:
        """It was not computed. On any thread; must return at once."""
        raise NotImplementedError


@dataclass(eq=False, slots=True)
class Batch:
    """Work of one lane in one of the engine's buffers: row i of the slot holds the pixels of work[i]."""

    lane: "Lane"
    slot: Slot
    work: list[Work] = field(default_factory=list)
    profile: int = 0
    started: float = 0.0

    def __len__(self) -> int:
        return len(self.work)

    @property
    def bulk(self) -> bool:
        """Whether any of it belongs to a stream."""
        return any(work.bulk for work in self.work)

    def add(self, work: Work) -> None:
        self._write(len(self.work), work)
        self.work.append(work)

    def remove(self, row: int) -> Work:
        """Take out a row; the last one fills the gap in the engine's buffer."""
        removed, last = self.work[row], self.work.pop()
        if last is not removed:
            self._write(row, last)
            self.work[row] = last
        return removed

    def _write(self, row: int, work: Work) -> None:
        assert work.pixels is not None
        np.copyto(self.slot.pixels[row], work.pixels)
