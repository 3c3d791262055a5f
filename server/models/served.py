"""One version of one model, from loading to unloading."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path

import structlog

from bundle import CLASSIFY, Bundle, BundleError, GraphName, open_bundle
from server.engines.choose import Choice, NoEngine, Wanted, choose
from server.engines.contract import Identity
from server.errors import NotReady
from server.models.warmup import LoadAbandoned, check_contract, measure, open_slots
from server.scheduling.cost import CostModel
from server.scheduling.lane import Lane
from server.scheduling.scheduler import Scheduler

log = structlog.get_logger()

# Compiling takes all cores for seconds, so a graph that failed is not tried again by every request.
_RETRY_LOAD = 30.0


class State(Enum):
    """Where a model version is in its life."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class EngineSettings:
    """What loading needs from the settings: the wishes for an engine, its threads, and the largest batch."""

    wanted: Wanted
    threads: int
    max_batch: int


class ServedModel:
    """A bundle on its engine.

    `state` and `detail` (why, for a person) change only on the event loop; `on_change` is told after each change.
    """

    def __init__(
        self,
        path: Path,
        scheduler: Scheduler,
        settings: EngineSettings,
        on_change: Callable[["ServedModel"], None],
    ) -> None:
        self.path, self.name, self.version = path, path.parent.name, int(path.name)
        self.state, self.detail = State.LOADING, "waiting to be loaded"
        self._scheduler, self._settings, self._on_change = scheduler, settings, on_change
        self._bundle: Bundle | None = None
        self._choice: Choice | None = None
        self._lanes: dict[GraphName, asyncio.Task[Lane]] = {}
        self._retry_at: dict[GraphName, float] = {}
        self._unloading = False

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"

    @property
    def bundle(self) -> Bundle:
        """The opened bundle. Raises NotReady while it is loading or when it could not be opened."""
        if self._bundle is None:
            raise NotReady(f"model {self} is {self.state.value}: {self.detail}")
        return self._bundle

    @property
    def choice(self) -> Choice | None:
        return self._choice

    @property
    def identity(self) -> Identity | None:
        """The engine of the graph that is always loaded; None unless it is."""
        lane = self._loaded(CLASSIFY)
        return lane.engine.identity if lane else None

    @property
    def costs(self) -> dict[int, float]:
        """Seconds by batch size, measured at warm-up, of the graph that is always loaded."""
        lane = self._loaded(CLASSIFY)
        return dict(lane.costs.measured) if lane else {}

    @property
    def best_batch(self) -> int:
        """Largest batch that the graph that is always loaded is run with; 0 unless it is."""
        lane = self._loaded(CLASSIFY)
        return lane.best_batch if lane else 0

    async def load(self) -> None:
        """Verify the bundle, compile the graph that is always loaded, warm it up. Never raises: failure is a state."""
        self._become(State.LOADING, "verifying, compiling and warming up")
        try:
            self._bundle = await asyncio.to_thread(open_bundle, self.path)
            self._refuse_other_identity(self._bundle)
            self._choice = choose(self._bundle.certificate, self._settings.wanted)
            if not self._choice.certified:
                log.warning("model is not certified", model=str(self), reason=self._choice.reason)
            await self.lane(CLASSIFY)
        except (BundleError, NoEngine, LoadAbandoned) as error:
            self._fail(str(error))
        except Exception as error:
            self._fail(f"the engine could not load it: {error}")
        else:
            self._become(State.READY, "")

    async def lane(self, graph: GraphName) -> Lane:
        """The lane of a graph, which is compiled and warmed up when it is asked for the first time.

        Raises whatever the engine raised where that failed; then NotReady until it is tried again, after a while.
        """
        task = self._lanes.get(graph)
        if task is not None and task.done() and (task.cancelled() or task.exception() is not None):
            if time.monotonic() < self._retry_at.get(graph, 0.0):
                raise NotReady(f"model {self}: its {graph} graph could not be loaded; see the server's log")
            task = None
        if task is None:
            task = self._lanes[graph] = asyncio.create_task(self._open_lane(graph))
        # Shielded: one caller who gives up must not undo the load for the others.
        return await asyncio.shield(task)

    def unload(self) -> None:
        """Take the lanes from the scheduler and free the engines."""
        self._unloading = True
        for task in self._lanes.values():
            if not task.done():
                task.cancel()
            elif not task.cancelled() and task.exception() is None:
                self._scheduler.remove_lane(task.result())
                task.result().engine.close()
        self._lanes.clear()

    async def _open_lane(self, graph: GraphName) -> Lane:
        began = time.monotonic()
        try:
            lane = await asyncio.to_thread(partial(self._compile, graph))
        except Exception as error:
            self._retry_at[graph] = time.monotonic() + _RETRY_LOAD
            log.error("graph failed to load", model=str(self), graph=graph, reason=str(error))
            raise
        self._scheduler.add_lane(lane)
        log.info(
            "graph ready",
            model=str(self),
            graph=graph,
            engine=str(lane.engine.identity),
            engine_version=lane.engine.identity.version,
            device=lane.engine.identity.device,
            why=self._choice.reason if self._choice else "",
            best_batch=lane.best_batch,
            milliseconds_by_batch={n: round(s * 1000, 2) for n, s in lane.costs.measured.items()},
            images_per_second=round(lane.best_batch / lane.costs.measured[lane.best_batch], 1),
            took_seconds=round(time.monotonic() - began, 2),
        )
        return lane

    def _compile(self, graph: GraphName) -> Lane:
        assert self._choice is not None
        manifest = self.bundle.manifest
        engine = self._choice.open(self.bundle.graph_path(graph), self._settings.threads, self._settings.max_batch)
        slots = open_slots(engine, self._scheduler.threads)
        check_contract(slots[0], manifest.graphs[graph], manifest)
        costs = CostModel(measure(engine, slots, lambda: self._unloading))
        return Lane(self.name, self.version, graph, engine, costs, slots)

    def _refuse_other_identity(self, bundle: Bundle) -> None:
        manifest = bundle.manifest
        if (manifest.name, manifest.version) != (self.name, self.version):
            raise BundleError(f"{self.path}: its manifest says {manifest.name}/{manifest.version}, its folder {self}")

    def _loaded(self, graph: GraphName) -> Lane | None:
        task = self._lanes.get(graph)
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result()

    def _fail(self, detail: str) -> None:
        log.error("model failed to load", model=str(self), reason=detail)
        self._become(State.FAILED, detail)

    def _become(self, state: State, detail: str) -> None:
        self.state, self.detail = state, detail
        self._on_change(self)
