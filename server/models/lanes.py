"""The lanes of one model on one engine."""

import asyncio
import time

import structlog

from vitscope.bundle import FULL, GraphName
from vitscope.server.errors import NotReady
from vitscope.server.models.key import ModelKey
from vitscope.server.models.loader import Loader
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.scheduler import Scheduler

log = structlog.get_logger()

# Compiling takes all cores for seconds, so a graph that failed is not tried again by every request.
_RETRY_SECONDS = 30.0


class GraphLanes:
    """A lane for each graph that was asked for. A graph is opened once, however many ask for it.

    idle_seconds: after so long unused, the lane of the graph `full` is freed; 0 never frees it.

    Used on the event loop only; engines are opened and freed on threads, since both take long.
    """

    def __init__(self, model: ModelKey, loader: Loader, scheduler: Scheduler, idle_seconds: float = 0.0) -> None:
        self.loader, self._idle_seconds = loader, idle_seconds
        self._freeing: asyncio.Task[None] | None = None
        self._model, self._scheduler = model, scheduler
        self._opening: dict[GraphName, asyncio.Task[Lane]] = {}
        self._open: dict[GraphName, Lane] = {}
        self._retry_at: dict[GraphName, float] = {}

    @property
    def open_lanes(self) -> list[Lane]:
        return list(self._open.values())

    def find(self, graph: GraphName) -> Lane | None:
        """Return the lane of a graph if it is open."""
        return self._open.get(graph)

    async def open(self, graph: GraphName) -> Lane:
        """Return the lane of a graph. Compile the graph and warm it up if it is not open yet.

        Raises what the engine raises if that fails, and then NotReady for some seconds, in which it is not tried again.
        """
        lane = self._open.get(graph)
        if lane is not None:
            return lane
        task = self._opening.get(graph)
        if task is None:
            if time.monotonic() < self._retry_at.get(graph, 0.0):
                raise NotReady(f"model {self._model}: its {graph} graph could not be loaded; see the server's log")
            task = self._opening[graph] = asyncio.create_task(self._open_graph(graph))
            task.add_done_callback(lambda _: self._opening.pop(graph, None))
        # Shielded: one caller who gives up must not abandon the load for the others.
        return await asyncio.shield(task)

    async def retire(self) -> None:
        """Free each lane when nobody holds its lease, or it is revoked. Nobody may open a graph any more; one that is
        being opened is freed as well. Cancelled, it frees all lanes at once."""
        try:
            await asyncio.gather(*self._opening.values(), return_exceptions=True)
            self._stop_freeing()
            for graph, lane in list(self._open.items()):
                await lane.lease().wait_released()
                if self._open.pop(graph, None):  # else it was freed meanwhile
                    await asyncio.to_thread(self._free, lane)
                    log.info("engine retired", lane=lane.name, engine=str(lane.engine.identity))
        except asyncio.CancelledError:
            self.free()
            raise

    def free(self) -> None:
        """Free all lanes now, whoever uses them. Blocks for as long as a batch runs."""
        for task in self._opening.values():
            task.cancel()
        self._stop_freeing()
        lanes, self._open = self.open_lanes, {}
        for lane in lanes:
            lane.lease().revoke()
            self._free(lane)

    def _free(self, lane: Lane) -> None:
        """Free the engine, which takes up to some tenths of a second. Slots hold parts of it too."""
        self._scheduler.remove_lane(lane)
        lane.engine.close()
        lane.slots.clear()

    async def _open_graph(self, graph: GraphName) -> Lane:
        began = time.monotonic()
        try:
            lane = await asyncio.to_thread(self.loader.lane, graph)
        except Exception as error:
            self._retry_at[graph] = time.monotonic() + _RETRY_SECONDS
            log.error("graph failed to load", model=str(self._model), graph=graph, reason=str(error))
            raise
        self._scheduler.add_lane(lane)
        self._open[graph] = lane
        self._log_ready(lane, time.monotonic() - began)
        if graph == FULL and self._idle_seconds:
            self._freeing = asyncio.create_task(self._free_when_idle(graph, lane))
        return lane

    async def _free_when_idle(self, graph: GraphName, lane: Lane) -> None:
        """Free a lane that nobody holds and nobody has held for some time. The next who asks opens another."""
        lease = lane.lease()
        while True:
            taken = lease.taken
            await asyncio.sleep(self._idle_seconds)
            if not lease.holders and lease.taken == taken:
                break
        if self._open.get(graph) is lane:
            del self._open[graph]
            self._freeing = None  # from here on it is not cancelled: the lane is in no list any more
            await asyncio.to_thread(self._free, lane)
            log.info("idle graph freed", lane=lane.name, idle_seconds=self._idle_seconds)

    def _stop_freeing(self) -> None:
        """Leave the lane of an idle graph to `retire` or `free`."""
        if self._freeing is not None:
            self._freeing.cancel()

    def _log_ready(self, lane: Lane, seconds: float) -> None:
        identity = lane.engine.identity
        log.info(
            "graph ready",
            model=str(self._model),
            graph=lane.graph,
            engine=str(identity),
            engine_version=identity.version,
            device=identity.device,
            why=self.loader.choice.reason,
            best_batch=lane.best_batch,
            milliseconds_by_batch={
                f"{profile.streams}×{profile.threads}": {n: round(s * 1000, 2) for n, s in costs.measured.items()}
                for profile, costs in zip(lane.engine.profiles, lane.costs, strict=True)
            },
            images_per_second=round(lane.streams * lane.best_batch / lane.costs[-1].measured[lane.best_batch], 1),
            took_seconds=round(seconds, 2),
        )
