"""A lane: the work of one graph of one model version. Batches are never mixed across lanes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from vitscope.bundle import GraphName
from vitscope.server.engines.contract import Engine, Slot, class_slot
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.cost import CostModel
from vitscope.server.scheduling.fair import FairQueue, turns_ahead
from vitscope.server.scheduling.lease import Lease
from vitscope.server.scheduling.work import Work

# While single requests arrive, a batch with bulk work may take this many times the run of one image. A longer run would
# gain bulk work little (on a CPU a batch costs nearly as much as its images one by one; on a GPU the cost hardly grows
# up to some size), and every single request would wait for it.
_BULK_SLOWDOWN = 1.25
_serials = count()


def slots_needed(engine: Engine) -> int:
    """Return the number of slots of a lane: one for each batch that may run at a time, and one for the staged batch."""
    return max(profile.streams for profile in engine.profiles) + 1


@dataclass(eq=False, slots=True, weakref_slot=True)
class Lane:
    """An engine, the cost model of each of its profiles, and the work for it.

    slots: the slots that no batch uses; of all slots there is at least one more than the engine has streams. pending:
    number of images by caller that are expected, waiting or staged. served: seconds of the whole machine that its
    batches have been given; the dispatcher gives the next turn to the lane with the least.
    """

    model: str
    version: int
    graph: GraphName
    engine: Engine
    costs: Sequence[CostModel]
    slots: list[Slot]
    waiting: FairQueue[Caller, Work] = field(default_factory=FairQueue)
    pending: Counter[Caller] = field(default_factory=Counter)
    total_pending: int = 0
    served: float = 0.0
    _lease: Lease = field(default_factory=Lease)
    # Computed once, because the dispatcher asks for them several times per image.
    shape: tuple[int, ...] = field(init=False)
    """[H, W, 3] of an image's pixels."""

    explains: bool = field(init=False)
    """Whether the graph explains classes: each work then has some."""

    throughput_profile: int = field(init=False)
    """Index of the profile that is used under load."""

    streams: int = field(init=False)
    """Batches that may run at the same time under load."""

    best_batch: int = field(init=False)
    """The largest batch that is ever run."""

    bulk_batch: int = field(init=False)
    """The largest batch that may hold bulk work while single requests arrive."""

    shortest_run: float = field(init=False)
    """Seconds of the fastest run measured at warm-up, the lower bound of every answer."""

    serial: int = field(init=False, default_factory=_serials.__next__)
    """Tells apart lanes of one name, as after a reload."""

    def __post_init__(self) -> None:
        self.shape = self.slots[0].pixels.shape[1:]
        self.explains = class_slot(self.slots[0]) is not None
        self.throughput_profile = len(self.engine.profiles) - 1
        self.streams = self.engine.profiles[-1].streams
        self.best_batch = min(self.costs[-1].best_batch, self.engine.max_batch)
        self.bulk_batch = self.costs[-1].largest_within(_BULK_SLOWDOWN, self.best_batch)
        self.shortest_run = min(costs.shortest_run for costs in self.costs)

    def lease(self) -> Lease:
        """Hold the lane (`with`): its engine is not freed meanwhile. On the event loop only."""
        return self._lease

    @property
    def name(self) -> str:
        return f"{self.model}/{self.version} {self.graph}"

    @property
    def labels(self) -> tuple[str, str, str, str]:
        """Values of the metric labels model, version, engine, graph."""
        return self.model, str(self.version), str(self.engine.identity), self.graph

    def share(self, profile: int) -> float:
        """Return the part of the machine that a run in a profile takes, 0 < share <= 1."""
        return 1 / self.engine.profiles[profile].streams

    def backlog(self, images: int) -> float:
        """Return the predicted seconds of the whole machine for a number of images."""
        return self.costs[-1].backlog(images) / self.streams

    def images_ahead(self, caller: Caller) -> int:
        """Return the number of images that run before one that `caller` adds now, if no others arrive."""
        return turns_ahead(self.pending, caller)

    def add_pending(self, work: Work) -> None:
        self.pending[work.caller] += 1
        self.total_pending += 1

    def remove_pending(self, work: Work) -> None:
        self.pending[work.caller] -= 1
        self.total_pending -= 1
        if not self.pending[work.caller]:
            del self.pending[work.caller]
