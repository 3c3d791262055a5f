"""A lane: the work of one graph of one model version. Batches are never mixed across lanes."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from bundle import GraphName
from server.engines.contract import Engine, Outputs, Slot
from server.scheduling.cost import CostModel
from server.scheduling.timeline import Timeline


@dataclass(eq=False, slots=True)
class Work:
    """One image that waits for the engine.

    pixels: uint8 [H, W, 3]. deadline: monotonic seconds, infinite without one. Exactly one of `done` (this image's outputs,
    without the batch axis) and `failed` is called, on a scheduler thread; after `Scheduler.cancel` at most one. `settled` is for
    the scheduler alone: answered or cancelled, so that nothing more is to be done for it.
    """

    pixels: np.ndarray
    deadline: float
    timeline: Timeline
    done: Callable[[Outputs], None]
    failed: Callable[[Exception], None]
    submitted: float = 0.0
    settled: bool = False


@dataclass(eq=False, slots=True)
class Lane:
    """An engine, its cost model, the work that waits for it, and one slot for each scheduler thread.

    `expected` counts work that was admitted and has not reached the queue yet (it is being decoded), so that predicted
    waits include it.
    """

    model: str
    version: int
    graph: GraphName
    engine: Engine
    costs: CostModel
    slots: Sequence[Slot]
    waiting: deque[Work] = field(default_factory=deque)
    expected: int = 0

    @property
    def name(self) -> str:
        return f"{self.model}/{self.version} {self.graph}"

    @property
    def labels(self) -> tuple[str, str, str, str]:
        """Values of the metric labels model, version, engine, graph."""
        return self.model, str(self.version), str(self.engine.identity), self.graph

    @property
    def best_batch(self) -> int:
        return min(self.costs.best_batch, self.engine.max_batch)
