"""One image on its way through a lane."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from vitscope.server.engines.classes import BEST
from vitscope.server.engines.contract import Outputs
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.timeline import Timeline


class Stage(Enum):
    """The state of a piece of work, in the order that it normally passes through."""

    NEW = "new"
    EXPECTED = "expected"
    """Admitted; its image is being decoded."""
    WAITING = "waiting"
    STAGED = "staged"
    """In the batch that runs next."""
    RUNNING = "running"
    SETTLED = "settled"
    """Answered or cancelled: the final state."""


@dataclass(eq=False, slots=True)
class Work:
    """One image to be run by an engine. The result goes to `done` or `failed`, which subclasses define.

    deadline: monotonic seconds, infinite without one; may be extended while the work waits. classes: what a graph that
    explains classes is asked for (engines/classes.py). pixels: uint8 [H, W, 3], set by `Scheduler.submit`. The fields
    after it belong to the scheduler.
    """

    caller: Caller
    deadline: float
    timeline: Timeline
    classes: tuple[int, ...] = (BEST,)
    pixels: np.ndarray | None = None
    stage: Stage = Stage.NEW
    submitted: float = 0.0
    order: int = 0
    displaced: bool = False

    @property
    def bulk(self) -> bool:
        return self.caller.bulk

    def done(self, outputs: Outputs) -> None:
        """Receive the graph's outputs for this image, without the batch axis. Must return at once.

        Exactly one of `done` and `failed` is called; after `Scheduler.cancel`, at most one.
        """
        raise NotImplementedError

    def failed(self, error: Exception) -> None:
        """Receive the reason why the image was not computed.

        Called on any thread, possibly with the scheduler's lock held. Must return at once and not call the scheduler.
        """
        raise NotImplementedError
